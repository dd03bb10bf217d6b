"""A gateway in Modbus TCP: the driver reads through it, and recognizes one where RTU over TCP is configured."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.mbap import header, is_frame
from hw.meter import EnergyReading, MeterAddress, MeterEvent, MeterTimeout, PolledMeter
from hw.meter_line import FailureKind, NoResponse, Response, RtuLine
from hw.meter_registers import Block
from hw.simulated.meter import SimulatedMeter
from hw.simulated.meter_server import serve_modbus_tcp


def test_the_driver_reads_through_a_gateway_in_modbus_tcp() -> None:
    """Energy, identity and every other block."""
    told: list[MeterEvent] = []

    async def scene() -> None:
        async with serve_modbus_tcp(SimulatedMeter(energy_kwh=1234.5)) as port:
            line = RtuLine(port, timeout_s=2.0)
            meter = PolledMeter(line, MeterAddress(""), told.append)
            for _ in range(3):
                await meter.poll()
            line.close()

    asyncio.run(scene())
    assert {one.tenths for one in told if isinstance(one, EnergyReading)} == {12345}
    assert [one for one in told if isinstance(one, MeterTimeout)] == []


def test_rtu_frames_to_a_gateway_in_modbus_tcp_are_answered_by_a_hint() -> None:
    """The reason names both cures; the controller's alarm shows it."""

    async def scene() -> Response | NoResponse:
        async with serve_modbus_tcp(SimulatedMeter()) as port:
            line = RtuLine(port.replace("tcp+modbus", "tcp"), timeout_s=0.3)
            try:
                return await line.read(1, Block.ENERGY)
            finally:
                line.close()

    heard = asyncio.run(scene())
    assert isinstance(heard, NoResponse)
    assert heard.failure is FailureKind.MODBUS_TCP
    assert "RTU over TCP" in heard.reason
    assert "tcp+modbus://" in heard.reason


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        (bytes.fromhex("010300000003c48b0b"), True),
        (bytes.fromhex("010300000003c48b0b" * 2), True),
        (bytes.fromhex("010300000003c48b"), False),
        (bytes.fromhex("0103040098966c1451"), False),
        (b"", False),
    ],
)
def test_modbus_tcp_is_recognized_by_its_header(received: bytes, expected: bool) -> None:
    """Whole frames only: an RTU response, a part of a frame and nothing are none."""
    assert is_frame(received) is expected


@given(st.binary(min_size=1, max_size=253), st.integers(0, 0xFFFF))
def test_every_frame_is_recognized(body: bytes, transaction: int) -> None:
    """Whatever it holds."""
    assert is_frame(header(transaction, len(body) + 1) + b"\x01" + body)
