"""Access to simulated meters: a pseudo-terminal, a TCP port, and the wires of the pulse output."""

from __future__ import annotations

import asyncio
import os
import tty
from collections.abc import Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hw.simulated.meter_frames import GATEWAY_NO_ANSWER, request_length, sealed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from hw.simulated.meter import SimulatedMeter

# 3.5 characters are 4 ms at 9600 baud; a scheduler under load needs more to count as silence.
_SILENCE_S = 0.03


class SimulatedRtuBus:
    """The meters on one pair of wires: all of them receive what is sent.

    `send`: puts bytes on the wire, toward the reader.
    """

    def __init__(self, meters: Sequence[SimulatedMeter], send: Callable[[bytes], None]) -> None:
        self._meters = meters
        self._send = send
        self._begun = b""
        self._silence: asyncio.TimerHandle | None = None

    def hear(self, data: bytes) -> None:
        """Process bytes of the reader; a whole request is answered, a partial one is dropped at the next silence."""
        if any(meter.quirks.echo for meter in self._meters):
            self._send(data)
        self._begun += data
        while (length := request_length(self._begun)) is not None and len(self._begun) >= length:
            self._answer(self._begun[:length])
            self._begun = self._begun[length:]
        if self._silence:
            self._silence.cancel()
        self._silence = asyncio.get_running_loop().call_later(_SILENCE_S, self._forget)

    def _forget(self) -> None:
        self._begun = b""

    def _answer(self, request: bytes) -> None:
        at_once: dict[float, list[bytes]] = {}
        for meter in self._meters:
            answer = meter.answer(request)
            if answer is not None:
                at_once.setdefault(meter.quirks.delay_s, []).append(answer)
        for delay_s, answers in at_once.items():
            if delay_s:
                asyncio.get_running_loop().call_later(delay_s, self._send, collided(answers))
            else:
                self._send(collided(answers))

    async def talk_unasked(self) -> None:
        """Send, without end, what meters send unrequested."""
        talkers = [self._talk(meter, meter.quirks.unasked_s) for meter in self._meters if meter.quirks.unasked_s]
        await asyncio.gather(*talkers)

    async def _talk(self, meter: SimulatedMeter, every_s: float) -> None:
        while True:
            self._send(meter.unasked())
            await asyncio.sleep(every_s)


def collided(answers: Sequence[bytes]) -> bytes:
    """Return the bytes received when several meters send at once: where they differ, zero wins."""
    heard = bytearray(max(answers, key=len))
    for answer in answers:
        for index, byte in enumerate(answer):
            heard[index] &= byte
    return bytes(heard)


@asynccontextmanager
async def serve_pty(meters: SimulatedMeter | Sequence[SimulatedMeter], link: Path | None = None) -> AsyncIterator[str]:
    """Serve one or several meters on a pseudo-terminal and yield the port to open.

    `link`: path of a symbolic link to create, and to replace if it is one; None: one in a folder of its own. Raises
    FileExistsError if another file has this path.
    """
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    bus = SimulatedRtuBus(_several(meters), lambda data: _write(ours, data))
    loop = asyncio.get_running_loop()
    loop.add_reader(ours, lambda: _read(ours, bus.hear))
    unasked = asyncio.create_task(bus.talk_unasked())
    try:
        with _named(os.ttyname(theirs), link) as port:
            yield port
    finally:
        unasked.cancel()
        loop.remove_reader(ours)
        os.close(ours)
        os.close(theirs)


def _several(meters: SimulatedMeter | Sequence[SimulatedMeter]) -> Sequence[SimulatedMeter]:
    return meters if isinstance(meters, Sequence) else [meters]


@contextmanager
def _named(terminal: str, link: Path | None) -> Iterator[str]:
    """Give a terminal a name that ends with the meter.

    The kernel reuses a terminal's own name for the next one that is opened: a program that still looked for the meter
    there would read what another user types.
    """
    with ExitStack() as stack:
        if link is None:
            link = Path(stack.enter_context(TemporaryDirectory(prefix="loadshed-meter-"))) / "port"
        _unlinked(link)
        link.symlink_to(terminal)
        stack.callback(_unlinked, link)
        yield str(link)


def _unlinked(link: Path) -> None:
    if link.is_symlink():
        link.unlink()


def _read(descriptor: int, hear: Callable[[bytes], None]) -> None:
    # The reader may close its end at any time: then there is nothing to read until it comes back.
    with suppress(BlockingIOError, OSError):
        if data := os.read(descriptor, 1024):
            hear(data)


def _write(descriptor: int, data: bytes) -> None:
    # No reader and the terminal's buffer is full: bytes on a wire do not wait either.
    with suppress(BlockingIOError):
        os.write(descriptor, data)


@asynccontextmanager
async def serve_tcp(
    meters: SimulatedMeter | Sequence[SimulatedMeter], host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[str]:
    """Serve meters as a gateway does (RTU frames over TCP) and yield `tcp://host:port`; port 0: a free one."""
    several = _several(meters)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        bus = SimulatedRtuBus(several, writer.write)
        unasked = asyncio.create_task(bus.talk_unasked())
        try:
            while data := await reader.read(1024):
                bus.hear(data)
        except ConnectionError:
            pass
        finally:
            unasked.cancel()
            writer.close()

    server = await asyncio.start_server(serve, host, port)
    async with server:
        yield f"tcp://{host}:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def serve_modbus_tcp(meters: SimulatedMeter | Sequence[SimulatedMeter]) -> AsyncIterator[str]:
    """Serve meters as a gateway in Modbus TCP does, and yield `tcp+modbus://host:port`.

    A request that no meter answers gets exception 11 of the gateway.
    """
    several = _several(meters)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = await reader.readexactly(6)
                body = await reader.readexactly(int.from_bytes(head[4:]))
                answers = [one for meter in several if (one := meter.answer(sealed(body))) is not None]
                answer = collided(answers)[:-2] if answers else bytes((body[0], body[1] | 0x80, GATEWAY_NO_ANSWER))
                writer.write(head[:4] + len(answer).to_bytes(2) + answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"tcp+modbus://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def run_pulses(meter: SimulatedMeter, on_edge: Callable[[bool, float], None], rate: float = 1.0) -> None:
    """Drive the 10 Wh output without end: call `on_edge(closed, at)` at each edge, `at` by the meter's own clock.

    `rate`: seconds of the meter's clock per second of the event loop.
    """
    changed = asyncio.Event()
    meter.on_load_change = changed.set
    while True:
        closed = meter.pulse_closed
        for at in meter.edges():
            closed = not closed
            on_edge(closed, at)
        changed.clear()
        next_edge = meter.next_edge()
        with suppress(TimeoutError):
            async with asyncio.timeout(None if next_edge is None else max(0.0, next_edge - meter.clock()) / rate):
                await changed.wait()
