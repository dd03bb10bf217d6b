"""Proves that a power cut loses what was not flushed: cuts on a disk that keeps all would prove nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.appliance.machine import Disk, Machine, drive
from tests.appliance.shell import CannotError, folder, run
from tests.mosquitto import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.appliance.image import Image

# Each has a flushed twin, which must survive: else it would be the probe that loses.
_IN_A_FILE = "echo flushed >/srv/flushed && sync; echo never >/srv/never"
# Past the guest's page cache and into the disk: only the disk's own cache can still lose it.
_IN_A_BLOCK = (
    "yes flushed | dd of=/dev/vdb bs=4096 count=1 iflag=fullblock oflag=direct conv=fsync,notrunc && "
    "yes never | dd of=/dev/vdb bs=4096 count=1 seek=1000 iflag=fullblock oflag=direct conv=notrunc"
)
_WHAT_IS_LEFT = (
    "cat /srv/flushed /srv/never 2>/dev/null; "
    "for at in 0 1000; do dd if=/dev/vdb bs=4096 count=1 skip=$at iflag=direct 2>/dev/null | tr -d '\\0' | head -1; "
    "done"
)


async def unflushed_writes_are_lost(image: Image) -> str:
    """Return what was seen; raises CannotError where the disk kept what it must lose, or lost what it must keep."""
    system = Disk(image.disk, folder() / "losses.qcow2")
    spare = Disk(_empty(), folder() / "losses-spare.qcow2")
    await _cut_after(image, system, spare, _IN_A_BLOCK + "; " + _IN_A_FILE)
    left = await _cut_after(image, system, spare, _WHAT_IS_LEFT)
    if (kept := left.count("flushed"), left.count("never")) != (2, 0):
        raise CannotError(f"the disk does not lose what a power cut must lose, or too much ({kept} of 2 kept):\n{left}")
    return "two flushed writes survived the cut; one to a file and one to the bare disk, not flushed, were lost"


async def _cut_after(image: Image, system: Disk, spare: Disk, command: str) -> str:
    machine = Machine(image, folder(), free_port())
    try:
        await machine.power_on(system.begin(), more=drive(spare.begin()))
        await machine.is_up()
        return (await machine.do(command)).text
    finally:
        await machine.cut()


def _empty() -> Path:
    path = folder() / "empty.qcow2"
    run("qemu-img", "create", "-q", "-f", "qcow2", path, "64M")
    return path
