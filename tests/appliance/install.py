"""Loadshed on the virtual Pi: its package installed inside a booted one, as an owner would."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.appliance.appliance_house import CIRCUITS, INSTALLER
from tests.appliance.image import OPEN_PORT
from tests.appliance.machine import Disk, Machine, parcel
from tests.appliance.shell import done, folder, is_done, say
from tests.mosquitto import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.appliance.image import Image

# dpkg alone: what the package needs is there, and inside there is no network to fetch it from.
INSTALL = "head -c {size} /dev/vdb >/run/loadshed.deb && dpkg -i /run/loadshed.deb"
"""Takes the package from the disk as which it is handed in (`parcel`)."""

_CONFIGURE = "loadshed check && systemctl enable loadshed"

_BROKER = f"""\
# Breakers live outside: they outlast the power cut. The emulator lets nobody but this machine reach the second
# listener.
listener 1883 127.0.0.1
listener {OPEN_PORT}
allow_anonymous true
# A broker with memories of some seconds ago is harder to come back to than one without any.
autosave_interval 5
"""


def installed(image: Image, package: Path) -> Image:
    """Return the image with this package installed, and nothing else done to it."""
    with_it = replace(image, disk=folder() / "installed.qcow2")
    stamp = folder() / "installed.stamp"
    made_from = (_digest(package), str(image.disk.stat().st_mtime_ns), INSTALL)
    if not is_done(stamp, made_from):
        stamp.unlink(missing_ok=True)
        say(f"installing {package.name} on the virtual Pi")
        asyncio.run(_install(image, package, package.stat().st_size, with_it.disk))
        done(stamp, made_from)
    return with_it


def configured(image: Image) -> Image:
    """Return the image with its files written and a broker that accepts every client, started at each boot.

    For measurements: nothing left by setup may interfere.
    """
    with_it = replace(image, disk=folder() / "loadshed.qcow2")
    stamp = folder() / "loadshed.stamp"
    made_from = (str(image.disk.stat().st_mtime_ns), INSTALLER, CIRCUITS, _BROKER, _CONFIGURE)
    if not is_done(stamp, made_from):
        stamp.unlink(missing_ok=True)
        asyncio.run(_configure(image, with_it.disk))
        done(stamp, made_from)
    return with_it


async def _install(image: Image, package: Path, size: int, disk: Path) -> None:
    async with in_one_run(image, disk, parcel(package)) as machine:
        say(await machine.must(INSTALL.format(size=size)))


async def _configure(image: Image, disk: Path) -> None:
    async with in_one_run(image, disk) as machine:
        await machine.write("/etc/loadshed/installer.toml", INSTALLER)
        await machine.write("/etc/loadshed/circuits.toml", CIRCUITS)
        await machine.write("/etc/mosquitto/conf.d/appliance.conf", _BROKER)
        say(await machine.must(_CONFIGURE))


@asynccontextmanager
async def in_one_run(image: Image, disk: Path, more: tuple[str, ...] = ()) -> AsyncIterator[Machine]:
    """Have the image booted, and make a disk of it as it is when it has shut down in order."""
    layers = Disk(image.disk, disk.with_suffix(".making.qcow2"))
    machine = Machine(image, folder(), free_port())
    try:
        await machine.power_on(layers.begin(), more=more)
        await machine.is_up()
        yield machine
        await machine.shut_down()
    finally:
        await machine.cut()
    layers.keep(disk)


def _digest(package: Path) -> str:
    return hashlib.sha256(package.read_bytes()).hexdigest()
