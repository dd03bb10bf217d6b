"""One run of the virtual Pi, from power on to power off: the emulator, its disk, and an agent inside."""

from __future__ import annotations

import asyncio
import base64
import shlex
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.appliance.shell import CannotError, run

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.appliance.image import Image

BOOT_S = 900.0
"""Longer than any boot that gets anywhere, on a machine with other work."""

_CUTS_OFF_WITH_US = ("setpriv", "--pdeathsig", "KILL")
# The breakers outside answer at once, however busy the machine inside is.
_BEHIND_US = ("nice", "-n", "5")
_KERNEL_WORDS = ("root=/dev/vda", "rw", "console=ttyS0", "quiet", "net.ifnames=0", "mitigations=off", "no_timer_check")
_ANSWER_BYTES = 8 * 1024 * 1024


class Disk:
    """A disk in layers: what was there at power on is never written to; a fresh layer takes what this run writes.

    The emulator holds a layer's map of clusters in its own memory until the guest flushes, and goes around the host's
    page cache (`cache=none`): killed, it loses what was never flushed, as a disk's own cache does. That holds for what
    is first written in this run, hence a layer per run and clusters as small as the guest's blocks.
    """

    def __init__(self, below: Path, path: Path) -> None:
        self._path = path
        self._layer = path.with_suffix(".layer.qcow2")
        path.unlink(missing_ok=True)
        self._layer.unlink(missing_ok=True)
        _layer(path, below)

    @property
    def path(self) -> Path:
        """Return the disk as it was at power on."""
        return self._path

    def begin(self) -> Path:
        """Return a fresh layer; what the last run's holds becomes part of the disk, be it whole or cut off."""
        if self._layer.exists():
            run("qemu-img", "commit", "-q", "-d", self._layer)
            self._layer.unlink()
        _layer(self._layer, self._path)
        return self._layer

    def keep(self, as_: Path) -> None:
        """Make a disk of its own of what the last run left; this one is gone then."""
        self.begin()
        run("qemu-img", "convert", "-O", "qcow2", self._path, as_)
        self._layer.unlink()
        self._path.unlink()


def _layer(path: Path, below: Path) -> None:
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", below.resolve(), "-o", "cluster_size=4k", path)


def drive(path: Path, form: str = "qcow2") -> tuple[str, ...]:
    """Return the emulator's words for a disk whose unflushed writes die with the emulator."""
    return ("-drive", f"file={path},format={form},if=virtio,cache=none,aio=threads")


def parcel(path: Path) -> tuple[str, ...]:
    """Return the emulator's words for a file to be read as a disk: the guest sees it filled up to whole sectors."""
    return ("-drive", f"file={path},format=raw,if=virtio,readonly=on")


def wire(*, is_open: bool) -> str:
    """Return the guest's command that moves the contact."""
    pull = "pull-up" if is_open else "pull-down"
    return f"echo {pull} >/sys/devices/platform/gpio-sim.0/gpiochip0/sim_gpio17/pull"


@dataclass(frozen=True, slots=True)
class Said:
    """What a command inside answered. `code`: its exit code."""

    code: int
    text: str


class Machine:
    """A running virtual Pi. `bus_port`: where its broker answers on this machine's loopback.

    `meter`: the pseudo-terminal of a meter, None: none is wired. `more`: further words for the emulator.
    """

    def __init__(self, image: Image, folder: Path, bus_port: int, meter: str | None = None) -> None:
        self._image = image
        self._folder = folder
        self._bus_port = bus_port
        self._meter = meter
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def power_on(self, disk: Path, *, contact_open: bool = False, more: Iterable[str] = ()) -> None:
        """Switch it on; return at once. `contact_open`: how the wire stands while it boots."""
        self._agent.unlink(missing_ok=True)
        words = (*_CUTS_OFF_WITH_US, *_BEHIND_US, *self._words(contact_open), *drive(disk), *more)
        with (self._folder / "emulator.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *words, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._reader, self._writer = await self._connect()

    async def is_up(self) -> None:
        """Wait for the agent inside. Raises CannotError if it never responds."""
        assert self._reader is not None
        try:
            async with asyncio.timeout(BOOT_S):
                await self._reader.readuntil(b"ready\n")
        except (TimeoutError, asyncio.IncompleteReadError) as error:
            raise CannotError(f"it did not boot in {BOOT_S:g} s: see {self.console}") from error

    async def do(self, command: str) -> Said:
        """Return what a command of root's answered inside. Raises CannotError where the machine is gone."""
        assert self._reader is not None
        self._order(command)
        try:
            code, _, said = (await self._reader.readuntil(b"\n")).decode().strip().partition(" ")
        except asyncio.IncompleteReadError as error:
            raise CannotError(f"it went off at: {command}") from error
        return Said(int(code), base64.b64decode(said).decode(errors="replace").rstrip("\n"))

    async def must(self, command: str) -> str:
        """Return the output of a command inside. Raises CannotError if it fails."""
        said = await self.do(command)
        if said.code:
            raise CannotError(f"inside, {command} ended with {said.code}:\n{said.text}")
        return said.text

    async def write(self, path: str, text: str) -> None:
        """Write a file inside, and flush it."""
        coded = base64.b64encode(text.encode()).decode()
        await self.must(f"base64 -d <<<{coded} >{shlex.quote(path)} && sync {shlex.quote(path)}")

    async def contact(self, *, is_open: bool) -> None:
        """Move the transfer switch's contact; return when it has moved."""
        await self.must(wire(is_open=is_open))

    def contact_opens_by_itself(self) -> None:
        """Have the contact opened without waiting for it. Nothing else can be done inside until a cut."""
        self._order(wire(is_open=True))

    async def cut(self) -> None:
        """Take its power away, in the middle of whatever it does."""
        process = self._process
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.kill()
        async with asyncio.timeout(BOOT_S):
            await process.wait()
        await self._gone()

    async def shut_down(self) -> None:
        """Let it end in order, and wait until it has."""
        assert self._process is not None
        self._order("systemctl poweroff")
        async with asyncio.timeout(BOOT_S):
            await self._process.wait()
        await self._gone()

    @property
    def is_on(self) -> bool:
        return self._writer is not None

    @property
    def console(self) -> Path:
        """Return what its kernel said since power on."""
        return self._folder / "console.log"

    @property
    def terminal(self) -> Path:
        """Return the socket behind which its terminal is, hvc0."""
        return self._folder / "terminal.sock"

    @property
    def _agent(self) -> Path:
        return self._folder / "agent.sock"

    def _order(self, command: str) -> None:
        assert self._writer is not None
        self._writer.write(base64.b64encode(command.encode()) + b"\n")

    async def _gone(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._process = self._reader = self._writer = None

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        assert self._process is not None
        while self._process.returncode is None:
            try:
                return await asyncio.open_unix_connection(self._agent, limit=_ANSWER_BYTES)
            except (FileNotFoundError, ConnectionRefusedError):
                await asyncio.sleep(0.05)
        raise CannotError(f"the emulator did not start: see {self._folder / 'emulator.log'}")

    def _words(self, contact_open: bool) -> tuple[str, ...]:
        port = self._image.broker_port
        kernel = " ".join((*_KERNEL_WORDS, f"appliance.contact={'open' if contact_open else 'closed'}"))
        usb, isa = ("qemu-xhci", "-device", "usb-serial,chardev=meter"), ("isa-serial,chardev=meter",)
        line = isa if self._image.logins is None else usb
        meter = ("-chardev", f"serial,id=meter,path={self._meter}", "-device", *line)
        return (
            *("qemu-system-x86_64", "-machine", "pc", "-accel", "tcg", "-cpu", "Nehalem", "-smp", "1", "-m", "512"),
            *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
            *("-kernel", str(self._image.kernel), "-initrd", str(self._image.initrd), "-append", kernel),
            *("-serial", f"file:{self.console}"),
            *(meter if self._meter else ()),
            *("-device", "virtio-rng-pci"),
            *("-chardev", f"socket,id=agent,path={self._agent},server=on,wait=off"),
            *("-device", "virtio-serial-pci", "-device", "virtserialport,chardev=agent,name=appliance"),
            *("-chardev", f"socket,id=terminal,path={self.terminal},server=on,wait=off"),
            *("-device", "virtconsole,chardev=terminal"),
            # Only this machine can connect to it, and it can connect to nothing.
            *("-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{self._bus_port}-10.0.2.15:{port}"),
            *("-device", "virtio-net-pci,netdev=net,romfile="),
        )
