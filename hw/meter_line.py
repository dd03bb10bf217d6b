"""The pair of wires to one or several meters: one exchange at a time, and every trap of line and library kept outside.

Nothing here raises because of the world: what cannot be had comes back as `NoAnswer` with its reason.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from hw.meter_requests import Read, ReportId
from hw.response_filter import Ear, speaks
from hw.serial_port import claim, held, why_closed

if TYPE_CHECKING:
    import socket

    from hw.meter_pdu import Wire
    from hw.meter_registers import Block
    from hw.meter_requests import Awaited, Request
    from hw.serial_port import Connect

TIMEOUT_S = 1.0
# The meter answers within 0.5 s: after a time-out its answer may still be on the way.
QUIET_S = 0.5
# 3.5 characters at 9600 baud: what separates two frames of Modbus RTU.
FRAME_GAP_S = 0.004
# Only silence ends an uncounted 0x11 answer; USB adapters deliver in lumps of 16 ms.
_ID_SILENCE_S = 0.05
_RECONNECT_S = (0.1, 3.0)
# A pulled USB adapter does not always report itself gone: after so many silent exchanges the port is opened anew.
_REOPEN_AFTER = 10
_DOUBLED = "more than one answer came: two meters on one id, another program that asks, or a bad line"


class Trouble(Enum):
    """Why there is no answer."""

    PORT = "port"
    SILENCE = "silence"
    NOISE = "noise"
    REFUSED = "refused"
    DOUBLED = "doubled"


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Nothing that can be trusted came back. `reason`: for a person; `raw`: what was heard instead."""

    trouble: Trouble
    reason: str
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class Heard:
    """A well-formed answer of the right device, function and length.

    `words`: of a read. `raw`: all that was heard, the CRC included.
    """

    words: tuple[int, ...]
    raw: bytes


class Line:
    """A serial port (`/dev/ttyUSB0`) or a gateway (`tcp://host:port`, RTU frames over TCP).

    A serial port is locked against every other program that asks for the lock. `timeout_s`: for an answer, once.
    `quiet_s`: before the same meter is asked again after a failure. `connect`: joins a simulated line.
    """

    def __init__(
        self, port: str, *, timeout_s: float = TIMEOUT_S, quiet_s: float = QUIET_S, connect: Connect | None = None
    ) -> None:
        self.port = port
        self._ear = Ear()
        self._timeout_s = timeout_s
        self._quiet_s = quiet_s
        self._connect = connect
        self._wire: Wire | None = None
        self._claim: socket.socket | None = None
        self._turn = asyncio.Lock()
        self._free_at = 0.0
        self._quiet_until: dict[int, float] = {}
        self._answered: dict[int, Awaited] = {}
        self._doubled: set[int] = set()
        self._alone: set[int] = set()
        self._silent_exchanges = 0
        self._reconnect_s, self._reconnect_at = _RECONNECT_S[0], 0.0

    async def read(self, device_id: int, block: Block) -> Heard | NoAnswer:
        """Read one documented block of one meter, once."""
        return await self.ask(Read(device_id, block))

    async def ask(self, request: Request) -> Heard | NoAnswer:
        """Send one request, once, when it is its turn and the line is quiet."""
        loop = asyncio.get_running_loop()
        # Waited for outside the turn: one meter's time-out costs the others nothing more.
        await _until(self._quiet_until.get(request.device_id, 0.0))
        async with self._turn:
            wire = await self._opened()
            if isinstance(wire, NoAnswer):
                return wire
            await _until(self._free_at)
            heard = await self._exchange(wire, request)
            self._free_at = loop.time() + FRAME_GAP_S
            self._note(heard, request, loop.time())
        return heard

    def close(self) -> None:
        """Let go of the port; the next exchange opens it anew."""
        if self._wire:
            self._wire.close()
        self._wire = None
        if self._claim:
            self._claim.close()
        self._claim = None

    async def _exchange(self, wire: Wire, request: Request) -> Heard | NoAnswer:
        strays, answer = await wire.ask(request)
        if answer:
            await asyncio.sleep(self._linger_s(request))
        raw = self._ear.raw
        beside = self._ear.end()
        doubled = self._overhears(strays + beside, request.device_id)
        if answer is None:
            return _unanswered(raw, self._timeout_s)
        if answer.exception is not None:
            return NoAnswer(Trouble.REFUSED, f"the meter refused with exception {answer.exception}", raw)
        if doubled or self._ear.disturbed or speaks(request.awaited, beside):
            return NoAnswer(Trouble.DOUBLED, _DOUBLED, raw)
        return Heard(answer.words, raw)

    def _linger_s(self, request: Request) -> float:
        """Return how long to listen on after an answer.

        A meter not yet known to be alone on its id is given the time that a second one would need to answer as well;
        after a failure, so is whatever the line still holds back: two old answers in a row would bear each other out.
        """
        if request.device_id not in self._alone:
            return self._quiet_s
        return _ID_SILENCE_S if isinstance(request, ReportId) else 0.0

    def _overhears(self, heard: bytes, asked: int) -> bool:
        """Note for which meters bytes beside the answer speak; tell whether the one just asked was ever among them.

        A meter whose last request was answered has then answered twice, which is one meter too many; after a failure it
        is only late. The second answer of one may come in while another is asked.
        """
        self._doubled |= {device_id for device_id, awaited in self._answered.items() if speaks(awaited, heard)}
        doubled = asked in self._doubled
        self._doubled.discard(asked)
        return doubled

    def _note(self, heard: Heard | NoAnswer, request: Request, now: float) -> None:
        device_id = request.device_id
        if isinstance(heard, Heard):
            self._answered[device_id] = request.awaited
            self._alone.add(device_id)
            self._silent_exchanges = 0
            return
        self._answered.pop(device_id, None)
        self._alone.discard(device_id)
        self._quiet_until[device_id] = now + self._quiet_s
        self._silent_exchanges += heard.trouble is Trouble.SILENCE
        if self._silent_exchanges >= _REOPEN_AFTER:
            self._silent_exchanges = 0
            self.close()

    async def _opened(self) -> Wire | NoAnswer:
        if self._wire and self._wire.connected:
            return self._wire
        loop = asyncio.get_running_loop()
        if loop.time() >= self._reconnect_at:
            self.close()
            self._wire = await self._new_wire()
            if self._claimed() and await self._wire.open():
                self._reconnect_s, self._silent_exchanges = _RECONNECT_S[0], 0
                return self._wire
            self.close()
            self._reconnect_at = loop.time() + self._reconnect_s
            self._reconnect_s = min(2 * self._reconnect_s, _RECONNECT_S[1])
        return NoAnswer(Trouble.PORT, self._why_closed())

    def _claimed(self) -> bool:
        """Tell whether the port is ours to open; a serial port's own lock says so when it is opened."""
        if self.port.startswith("tcp://"):
            self._claim = claim(self.port)
            return self._claim is not None
        return True

    def _why_closed(self) -> str:
        in_use = held(self.port) if self.port.startswith("tcp://") else None
        return in_use or why_closed(self.port)

    async def _new_wire(self) -> Wire:
        if "hw.meter_pdu" not in sys.modules:
            # The library takes a small Pi half a second to import: not on the loop that sheds.
            await asyncio.to_thread(importlib.import_module, "hw.meter_pdu")
        from hw.meter_pdu import Wire  # noqa: PLC0415

        return Wire(self.port, self._timeout_s, self._ear, self._connect)


def _unanswered(raw: bytes, timeout_s: float) -> NoAnswer:
    if not raw:
        return NoAnswer(Trouble.SILENCE, f"no answer within {timeout_s:g} s")
    return NoAnswer(Trouble.NOISE, f"{len(raw)} bytes came, but no whole answer to what was asked", raw)


async def _until(at: float) -> None:
    left_s = at - asyncio.get_running_loop().time()
    if left_s > 0:
        await asyncio.sleep(left_s)
