"""Extensions of pymodbus: the non-standard frames of these meters, and a client without automatic retries.

Importing this module imports pymodbus: import it where a line is opened, not before.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerRTU, FramerType
from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)

from hw import modbus_tcp
from hw.meter_registers import ID_ADDRESS, RESET_ADDRESS, RESET_WORD
from hw.meter_requests import Read, ReportId, ResetPeak
from hw.serial_port import BAUD, GATEWAYS, MODBUS_TCP

if TYPE_CHECKING:
    from hw.meter_requests import Request, SetId
    from hw.response_filter import ResponseFilter
    from hw.serial_port import Connect

# Each timeout is reported once, by this program: the library would add a line of its own to the journal.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)


class ReportIdRequest(ModbusPDU):
    """Request for the meter's identity (0x11)."""

    function_code = 0x11
    rtu_frame_size = 4


class ReportIdResponse(ModbusPDU):
    """The response to 0x11, undivided: the guide prints it without the byte count that the standard has."""

    function_code = 0x11

    def __init__(self, told: bytes = b"") -> None:
        super().__init__()
        self.told = told

    @classmethod
    def calculateRtuFrameSize(cls, data: bytes) -> int:  # noqa: N802 - the library's name
        """Return the length: as counted if the CRC confirms it, else of all bytes, if that fits; 0: wait for more."""
        return next((length for length in _lengths(data) if _holds(data[:length])), 0)

    def encode(self) -> bytes:
        return self.told

    def decode(self, data: bytes) -> None:
        self.told = data


def _lengths(data: bytes) -> tuple[int, ...]:
    """Return the possible lengths of a 0x11 response: as counted, or all bytes."""
    shortest = 6
    return tuple(length for length in (data[2] + 5, len(data)) if shortest <= length <= len(data)) if data[2:] else ()


def _holds(frame: bytes) -> bool:
    return FramerRTU.compute_CRC(frame[:-2]) == int.from_bytes(frame[-2:])


class SetIdRequest(WriteMultipleRegistersRequest):
    """Request for a new id with a given register count and byte count: the guide prints an illegal pair."""

    def __init__(self, request: SetId) -> None:
        super().__init__(dev_id=request.device_id, address=ID_ADDRESS, registers=[int.from_bytes(request.value)])
        counts = request.register_count.to_bytes(2) + len(request.value).to_bytes(1)
        self._body = ID_ADDRESS.to_bytes(2) + counts + request.value

    def encode(self) -> bytes:
        return self._body


def pdu_of(request: Request) -> ModbusPDU:
    """Return the PDU that the library sends for a request."""
    match request:
        case Read(device_id, block):
            return ReadHoldingRegistersRequest(dev_id=device_id, address=block.address, count=block.words)
        case ReportId(device_id):
            return ReportIdRequest(dev_id=device_id)
        case ResetPeak(device_id):
            return WriteSingleRegisterRequest(dev_id=device_id, address=RESET_ADDRESS, registers=[RESET_WORD])
        case _:
            return SetIdRequest(request)


def framed(pdu: ModbusPDU) -> bytes:
    """Return the bytes on the wire."""
    body = bytes((pdu.dev_id, pdu.function_code)) + pdu.encode()
    return body + FramerRTU.compute_CRC(body).to_bytes(2)


@dataclass(frozen=True, slots=True)
class Answer:
    """A frame accepted by the library. `words`: of a read; `exception`: code of a refusal, else None."""

    words: tuple[int, ...]
    exception: int | None


class ModbusClient:
    """An open port: one request at a time is sent once, with its response or a timeout.

    The library's retries and reconnections are off: it retries at once, into the late response, and its reconnection
    would compete with this program's for the port's lock.
    """

    def __init__(self, port: str, timeout_s: float, ear: ResponseFilter, connect: Connect | None) -> None:
        self._ear = ear
        self._client = _client(port, timeout_s, ear)
        self._client.register(ReportIdResponse)
        if connect is None and port.startswith(MODBUS_TCP):
            connect = partial(modbus_tcp.connect, port)
        if connect:
            self._client.ctx.call_create = partial(connect, self._client.ctx.handle_new_connection)

    @property
    def connected(self) -> bool:
        """Return whether the port is open. An open port does not mean that the meter responds."""
        return self._client.connected

    async def open(self) -> bool:
        is_open: bool = await self._client.connect()
        _end_if_told_to()
        return is_open

    def close(self) -> None:
        self._client.close()

    async def ask(self, request: Request) -> tuple[bytes, Answer | None]:
        """Send one request. Return the bytes received before it, and the response; None if it timed out."""
        pdu = pdu_of(request)
        strays = self._ear.expect(framed(pdu), request.awaited)
        try:
            heard: ModbusPDU = await self._client.execute(False, pdu)
        except ModbusException:
            return strays, None
        finally:
            _end_if_told_to()
        return strays, Answer(tuple(heard.registers), heard.exception_code if heard.isError() else None)


def _end_if_told_to() -> None:
    """Raise the cancellation that the library dropped.

    It uses `asyncio.wait_for`, which before Python 3.12 drops a cancellation that arrives together with the response
    (python/cpython#86296): a driver that polls without end would never stop, and neither would the program.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _client(port: str, timeout_s: float, ear: ResponseFilter) -> AsyncModbusSerialClient | AsyncModbusTcpClient:
    if port.startswith(GATEWAYS):
        where = urlsplit(port)
        return AsyncModbusTcpClient(
            where.hostname or "",
            port=where.port or 502,
            framer=FramerType.RTU,
            reconnect_delay=0,
            timeout=timeout_s,
            retries=0,
            trace_packet=ear.hook,
        )
    return AsyncModbusSerialClient(
        port, baudrate=BAUD, reconnect_delay=0, timeout=timeout_s, retries=0, trace_packet=ear.hook
    )
