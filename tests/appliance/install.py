"""Loadshed on the virtual Pi: its package installed inside a booted one, as an owner would."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.appliance.house import CIRCUITS, INSTALLER
from tests.appliance.machine import Disk, Machine, parcel
from tests.appliance.shell import done, folder, is_done, run, say
from tests.mosquitto import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.appliance.image import Image

# dpkg alone: what the package needs is there, and inside there is no network to fetch it from.
_INSTALL = "head -c {size} /dev/vdb >/run/loadshed.deb && dpkg -i /run/loadshed.deb"
_CONFIGURE = "loadshed check && systemctl enable loadshed"


def installed(image: Image, package: Path) -> Image:
    """Return the image with this package installed and set up, started at each boot from then on."""
    with_it = replace(image, disk=folder() / "loadshed.qcow2")
    stamp = folder() / "loadshed.stamp"
    made_from = (_digest(package), str(image.disk.stat().st_mtime_ns), INSTALLER, CIRCUITS, _INSTALL, _CONFIGURE)
    if not is_done(stamp, made_from):
        stamp.unlink(missing_ok=True)
        say(f"installing {package.name} on the virtual Pi")
        asyncio.run(_install(image, package, package.stat().st_size, with_it.disk))
        done(stamp, made_from)
    return with_it


async def _install(image: Image, package: Path, size: int, disk: Path) -> None:
    layers = Disk(image.disk, folder() / "installing.qcow2")
    machine = Machine(image, folder(), free_port())
    try:
        await machine.power_on(layers.begin(), more=parcel(package))
        await machine.is_up()
        say(await machine.must(_INSTALL.format(size=size)))
        await machine.write("/etc/loadshed/installer.toml", INSTALLER)
        await machine.write("/etc/loadshed/circuits.toml", CIRCUITS)
        say(await machine.must(_CONFIGURE))
        await machine.shut_down()
    finally:
        await machine.cut()
    layers.begin()
    run("qemu-img", "convert", "-O", "qcow2", layers.path, disk)


def _digest(package: Path) -> str:
    return hashlib.sha256(package.read_bytes()).hexdigest()
