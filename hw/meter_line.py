"""RS485 line to one or several meters: one exchange at a time, with all quirks of line and library handled here.

Faults of the environment are never raised: a failure is returned as `NoResponse` with its reason.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from hw.mbap import is_frame
from hw.meter_requests import Read, ReportId
from hw.response_filter import ResponseFilter, contains_response
from hw.serial_port import GATEWAYS, lock_gateway, open_error, port_in_use

if TYPE_CHECKING:
    import socket

    from hw.meter_pdu import ModbusClient
    from hw.meter_registers import Block
    from hw.meter_requests import Awaited, Request
    from hw.serial_port import Connect

TIMEOUT_S = 1.0
# The meter responds within 0.5 s: after a timeout its response may still be on the way.
QUIET_S = 0.5
# 3.5 characters at 9600 baud: the gap between two Modbus RTU frames.
FRAME_GAP_S = 0.004
# Only silence ends an uncounted 0x11 response; USB adapters deliver in chunks of 16 ms.
_ID_SILENCE_S = 0.05
_RECONNECT_S = (0.1, 3.0)
# An unplugged USB adapter does not always report an error: after this number of silent exchanges the port is reopened.
_REOPEN_AFTER = 10
_GATEWAY_EXCEPTIONS = (0x0A, 0x0B)
MODBUS_TCP_HINT = (
    "the gateway answers with Modbus TCP frames, but this port is for RTU over TCP: set the gateway to RTU over TCP "
    '(transparent), or write port = "tcp+modbus://host:port"'
)
_DOUBLED = "more than one response: two meters with one id, another program that polls, or a bad line"


class FailureKind(Enum):
    """Reason for a missing response."""

    PORT = "port"
    SILENCE = "silence"
    NOISE = "noise"
    REFUSED = "refused"
    DOUBLED = "doubled"
    MODBUS_TCP = "modbus-tcp"


@dataclass(frozen=True, slots=True)
class NoResponse:
    """No trustworthy response. `reason`: for the user; `raw`: the bytes received instead."""

    failure: FailureKind
    reason: str
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """A well-formed response of the right device, function and length.

    `words`: of a read. `raw`: all bytes received, including the CRC.
    """

    words: tuple[int, ...]
    raw: bytes


class RtuLine:
    """A serial port (`/dev/ttyUSB0`) or a gateway.

    `tcp://host:port`: RTU frames over TCP. `tcp+modbus://host:port`: Modbus TCP.

    A serial port is locked against every other program that requests the lock. `timeout_s`: for one response.
    `quiet_s`: pause before the same meter is read again after a failure. `connect`: attaches a simulated line.
    """

    def __init__(
        self, port: str, *, timeout_s: float = TIMEOUT_S, quiet_s: float = QUIET_S, connect: Connect | None = None
    ) -> None:
        self.port = port
        self._ear = ResponseFilter()
        self._timeout_s = timeout_s
        self._quiet_s = quiet_s
        self._connect = connect
        self._wire: ModbusClient | None = None
        self._claim: socket.socket | None = None
        self._turn = asyncio.Lock()
        self._free_at = 0.0
        self._quiet_until: dict[int, float] = {}
        self._answered: dict[int, Awaited] = {}
        self._doubled: set[int] = set()
        self._alone: set[int] = set()
        self._silent_exchanges = 0
        self._modbus_tcp = False
        self._reconnect_s, self._reconnect_at = _RECONNECT_S[0], 0.0

    async def read(self, device_id: int, block: Block) -> Response | NoResponse:
        """Read one documented block of one meter, once."""
        return await self.ask(Read(device_id, block))

    async def ask(self, request: Request) -> Response | NoResponse:
        """Send one request, once, when it is its turn and the line is quiet."""
        loop = asyncio.get_running_loop()
        # Waited for outside the turn: the timeout of one meter costs the others no more than that.
        await _until(self._quiet_until.get(request.device_id, 0.0))
        async with self._turn:
            wire = await self._opened()
            if isinstance(wire, NoResponse):
                return wire
            await _until(self._free_at)
            heard = await self._exchange(wire, request)
            self._free_at = loop.time() + FRAME_GAP_S
            self._note(heard, request, loop.time())
        return heard

    def close(self) -> None:
        """Close the port; the next exchange opens it again."""
        if self._wire:
            self._wire.close()
        self._wire = None
        if self._claim:
            self._claim.close()
        self._claim = None

    async def _exchange(self, wire: ModbusClient, request: Request) -> Response | NoResponse:
        strays, answer = await wire.ask(request)
        if answer:
            await asyncio.sleep(self._linger_s(request))
        raw = self._ear.raw
        beside = self._ear.end()
        doubled = self._overhears(strays + beside, request.device_id)
        if answer is None:
            failed = _unanswered(raw, self._timeout_s)
            # A gateway in Modbus TCP answers some RTU frames, and waits for more bytes of the others.
            self._modbus_tcp |= failed.failure is FailureKind.MODBUS_TCP
            return NoResponse(FailureKind.MODBUS_TCP, MODBUS_TCP_HINT, raw) if self._modbus_tcp else failed
        if answer.exception in _GATEWAY_EXCEPTIONS:
            reason = f"the gateway reports that the meter does not respond (exception {answer.exception})"
            return NoResponse(FailureKind.SILENCE, reason, raw)
        if answer.exception is not None:
            return NoResponse(FailureKind.REFUSED, f"the meter refused with exception {answer.exception}", raw)
        if doubled or self._ear.disturbed or contains_response(request.awaited, beside):
            return NoResponse(FailureKind.DOUBLED, _DOUBLED, raw)
        return Response(answer.words, raw)

    def _linger_s(self, request: Request) -> float:
        """Return how long to listen after a response, in seconds.

        A meter that may share its id is given the time that a second meter would need to respond, too. After a failure,
        bytes that the line still holds back also need time: two old responses in a row would confirm each other.
        """
        if request.device_id not in self._alone:
            return self._quiet_s
        return _ID_SILENCE_S if isinstance(request, ReportId) else 0.0

    def _overhears(self, heard: bytes, asked: int) -> bool:
        """Record for which meters extra responses were received. Return whether the meter just asked is among them.

        A meter whose last request was answered has then responded twice: two meters share the id. After a failure it is
        only late. The second response of one meter may arrive while another is asked.
        """
        self._doubled |= {
            device_id for device_id, awaited in self._answered.items() if contains_response(awaited, heard)
        }
        doubled = asked in self._doubled
        self._doubled.discard(asked)
        return doubled

    def _note(self, heard: Response | NoResponse, request: Request, now: float) -> None:
        device_id = request.device_id
        if isinstance(heard, Response):
            self._answered[device_id] = request.awaited
            self._alone.add(device_id)
            self._silent_exchanges = 0
            self._modbus_tcp = False
            return
        self._answered.pop(device_id, None)
        self._alone.discard(device_id)
        self._quiet_until[device_id] = now + self._quiet_s
        self._silent_exchanges += heard.failure in (FailureKind.SILENCE, FailureKind.MODBUS_TCP)
        if self._silent_exchanges >= _REOPEN_AFTER:
            self._silent_exchanges = 0
            self.close()

    async def _opened(self) -> ModbusClient | NoResponse:
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
        return NoResponse(FailureKind.PORT, self._why_closed())

    def _claimed(self) -> bool:
        """Return whether the port may be opened; a serial port's own lock decides when it is opened."""
        if self.port.startswith(GATEWAYS):
            self._claim = lock_gateway(self.port)
            return self._claim is not None
        return True

    def _why_closed(self) -> str:
        in_use = port_in_use(self.port) if self.port.startswith(GATEWAYS) else None
        return in_use or open_error(self.port)

    async def _new_wire(self) -> ModbusClient:
        if "hw.meter_pdu" not in sys.modules:
            # The library takes a small Pi half a second to import: not on the loop that sheds.
            await asyncio.to_thread(importlib.import_module, "hw.meter_pdu")
        from hw.meter_pdu import ModbusClient  # noqa: PLC0415

        return ModbusClient(self.port, self._timeout_s, self._ear, self._connect)


def _unanswered(raw: bytes, timeout_s: float) -> NoResponse:
    if not raw:
        return NoResponse(FailureKind.SILENCE, f"no response within {timeout_s:g} s")
    if is_frame(raw):
        return NoResponse(FailureKind.MODBUS_TCP, MODBUS_TCP_HINT, raw)
    reason = f"{len(raw)} bytes received, but no complete response: noise without a valid frame"
    return NoResponse(FailureKind.NOISE, reason, raw)


async def _until(at: float) -> None:
    left_s = at - asyncio.get_running_loop().time()
    if left_s > 0:
        await asyncio.sleep(left_s)
