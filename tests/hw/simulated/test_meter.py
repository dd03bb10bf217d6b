"""The simulated meter answers as the maker prints it, byte for byte, and other people's programs can read it."""

from __future__ import annotations

import asyncio
import os
import re
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.simulated.meter import MeterFaults, SimulatedMeter
from hw.simulated.meter_frames import is_sealed, request_length, sealed
from hw.simulated.meter_server import collided, run_pulses, serve_pty, serve_tcp
from hw.simulated.virtual_time import run_virtual
from tests.processes import output

if TYPE_CHECKING:
    from pathlib import Path


class Hands:
    """A clock that is set by the test."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _meter(clock: Hands, energy_kwh: float = 0.0, **quirks: object) -> SimulatedMeter:
    return SimulatedMeter(energy_kwh=energy_kwh, clock=clock, quirks=MeterFaults(**quirks))  # type: ignore[arg-type]


def _words(meter: SimulatedMeter, request: str) -> int:
    answer = meter.answer(bytes.fromhex(request))
    assert answer is not None
    assert is_sealed(answer)
    return int.from_bytes(answer[3:-2])


ENERGY, ALL, PEAK, UPTIME = "010300000002C40B", "010300000006C5C8", "0103003C00020407", "0103138E0002A0A4"
COUNTER, RESET, WHO = "0103138D000110A5", "010601F400AA49BB", "0111C02C"


@pytest.mark.parametrize(
    ("request_hex", "answer_hex"),
    [
        (ENERGY, "01 03 04 00 98 96 6C 14 51"),
        (UPTIME, "01 03 04 00 00 00 02 7B F2"),
        (RESET, "01 06 01 F4 00 AA 49 BB"),
        ("01 03 13 89 00 01 51 64", "01 03 02 03 02 39 75"),
        ("01 10 13 88 00 01 02 00 12 1A 14", "01 10 13 88 00 01 85 67"),
    ],
)
def test_the_frames_are_the_makers(request_hex: str, answer_hex: str) -> None:
    """Requests of the maker's guide bring the answers it prints, CRC included."""
    clock = Hands()
    meter = _meter(clock, energy_kwh=999_998.0)
    clock.now = 2.9
    assert meter.answer(bytes.fromhex(request_hex)) == bytes.fromhex(answer_hex)


@pytest.mark.parametrize(
    ("form", "begin", "end"),
    [("counted", "01 11 29 31 FF 4C 65", "30 30 31 5F CC"), ("uncounted", "01 11 31 FF 4C 65", "30 30 31 7F 03")],
)
def test_who_it_is_with_and_without_a_byte_count(form: str, begin: str, end: str) -> None:
    """The guide prints 0x11 without the count of the standard; both forms exist in the simulator."""
    answer = _meter(Hands(), report_id=form).answer(bytes.fromhex(WHO))
    assert answer is not None
    assert answer.startswith(bytes.fromhex(begin))
    assert answer.endswith(bytes.fromhex(end))
    assert b"Leviton 2N208-021, V3.2-V3.2,fn45678001" in answer


def test_energy_is_counted_and_rolls_over() -> None:
    """48 kW for an hour are 480 tenths; after 9 999 999 comes 0."""
    clock = Hands()
    meter = _meter(clock, energy_kwh=999_990.0)
    meter.kw = 48.0
    clock.now = 3600.0
    assert _words(meter, ENERGY) == (9_999_900 + 480) % 10**7 == 380
    assert meter.energy_kwh == pytest.approx(1_000_038.0)


def test_the_peak_is_the_greatest_quarter_of_an_hour() -> None:
    """Ten minutes at 9 kW in a quarter of an hour are 6 kW, and stay so until the reset."""
    clock = Hands()
    meter = _meter(clock)
    meter.kw = 9.0
    clock.now = 600.0
    meter.kw = 0.0
    clock.now = 7200.0
    assert _words(meter, PEAK) == 600
    assert meter.answer(bytes.fromhex(RESET)) == bytes.fromhex(RESET)
    assert _words(meter, PEAK) == 0
    assert _words(meter, COUNTER) == 2


def test_power_loss_restarts_the_uptime_and_keeps_the_energy() -> None:
    """Without power the meter is mute; afterwards it continues from its last value."""
    clock = Hands()
    meter = _meter(clock, boot_s=2.0)
    meter.kw = 10.0
    clock.now = 360.0
    meter.lose_power()
    assert meter.answer(bytes.fromhex(UPTIME)) is None
    clock.now = 400.0
    meter.regain_power()
    clock.now = 401.0
    assert meter.answer(bytes.fromhex(UPTIME)) is None, "still booting"
    clock.now = 402.0
    assert _words(meter, UPTIME) == 2
    assert meter.energy_kwh == pytest.approx(1.0 + 10 * 2 / 3600)


@pytest.mark.parametrize(
    ("form", "frame"),
    [
        ("legal", "01 10 13 88 00 01 02 00 12 1A 14"),
        ("printed", "01 10 13 88 00 02 02 00 12 1A 50"),
        ("doubled", "01 10 13 88 00 02 04 00 00 00 12 A3 54"),
    ],
)
def test_each_meter_takes_one_form_of_set_id(form: str, frame: str) -> None:
    """It moves to id 18 at its own form of the request, and stays at the others."""
    for other in ("legal", "printed", "doubled", "refused"):
        meter = _meter(Hands(), set_id=other)
        meter.answer(bytes.fromhex(frame))
        assert meter.device_id == (18 if other == form else 1)


@given(st.binary(max_size=40))
def test_no_bytes_upset_it(data: bytes) -> None:
    """Whatever comes, it answers with a sealed frame of its own id or not at all."""
    meter = _meter(Hands())
    for frame in (data, sealed(data), sealed(b"\x01" + data)):
        answer = meter.answer(frame)
        assert answer is None or (is_sealed(answer) and answer[0] in {1, meter.device_id})


@given(st.lists(st.tuples(st.floats(0.1, 400), st.floats(0, 48)), min_size=1, max_size=20))
def test_there_is_an_edge_each_five_watt_hours(loads: list[tuple[float, float]]) -> None:
    """However the load changes, edges and energy agree to one edge, and come in order."""
    clock = Hands()
    meter = _meter(clock)
    edges: list[float] = []
    for seconds, kw in loads:
        meter.kw = kw
        clock.now += seconds
        edges += meter.edges()
    assert abs(len(edges) - int(meter.energy_kwh * 1000 / 5)) <= 1
    assert all(first <= second for first, second in pairwise(edges))


def test_edges_come_when_they_are_due() -> None:
    """At 48 kW a half cycle lasts 375 ms; a change of load moves the next edge."""
    heard: list[tuple[bool, float]] = []

    async def scene() -> None:
        loop = asyncio.get_running_loop()
        meter = SimulatedMeter(clock=loop.time)
        meter.kw = 48.0
        pulses = asyncio.create_task(run_pulses(meter, lambda closed, at: heard.append((closed, at))))
        await asyncio.sleep(1.0)
        meter.kw = 0.0
        await asyncio.sleep(100)
        meter.kw = 18.0
        await asyncio.sleep(0.5)
        pulses.cancel()

    run_virtual(scene())
    assert [closed for closed, _ in heard] == [True, False, True]
    assert [at for _, at in heard] == pytest.approx([0.375, 0.75, 101 + (15 - 48 / 3.6) / 5], abs=1e-6)


def test_two_meters_on_one_id_respond_at_once() -> None:
    """Where their bits differ, the zero wins, and the CRC fails."""
    one, other = _meter(Hands(), energy_kwh=100.0), _meter(Hands(), energy_kwh=2000.7)
    answers = [meter.answer(bytes.fromhex(ENERGY)) or b"" for meter in (one, other)]
    assert not is_sealed(collided(answers))


def test_request_lengths_are_known_where_they_can_be() -> None:
    """A request ends where its function says, an unknown function by silence."""
    assert request_length(b"\x01") is None
    assert request_length(bytes.fromhex("0103")) == 8
    assert request_length(bytes.fromhex("0111")) == 4
    assert request_length(bytes.fromhex("01101388000202")) == 11
    assert request_length(bytes.fromhex("0110138800")) is None
    assert request_length(bytes.fromhex("012B")) is None


async def _mbpoll(port: str, number: int, count: int) -> list[int]:
    # mbpoll counts references from 1 within the holding registers: 40001 is its 1.
    process = await asyncio.create_subprocess_exec(
        *("mbpoll", "-m", "rtu", "-a", "1", "-b", "9600", "-P", "none", "-t", "4", "-1", "-q"),
        *("-r", str(number - 40000), "-c", str(count), port),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out = await output(process)
    assert process.returncode == 0, out.decode()
    return [int(value) for value in re.findall(r"^\[\d+\]:\s+(\d+)", out.decode(), re.MULTILINE)]


def test_mbpoll_reads_it(tmp_path: Path) -> None:
    """A Modbus program we did not write reads energy, peak, version and uptime over a pseudo-terminal."""

    async def scene() -> None:
        clock = Hands()
        meter = _meter(clock, energy_kwh=999_998.0)
        clock.now = 70_000.0
        async with serve_pty(meter, tmp_path / "meter") as port:
            assert await _mbpoll(port, 40001, 2) == [0x98, 0x966C]
            assert await _mbpoll(port, 40061, 2) == [0, 0]
            assert await _mbpoll(port, 45002, 1) == [0x0302]
            assert await _mbpoll(port, 45007, 2) == [1, 70_000 - 65_536]

    asyncio.run(scene())


def test_the_link_is_ours_alone(tmp_path: Path) -> None:
    """An old link is replaced and taken away at the end; a file is left alone."""
    link, file = tmp_path / "link", tmp_path / "file"
    link.symlink_to("/nowhere")
    file.write_text("precious")

    async def scene() -> None:
        async with serve_pty(_meter(Hands()), link) as port:
            assert port == str(link)
            assert link.resolve().is_char_device()
        with pytest.raises(FileExistsError):
            async with serve_pty(_meter(Hands()), file):
                pass

    asyncio.run(scene())
    assert not link.is_symlink()
    assert file.read_text() == "precious"


def test_a_legacy_meter_talks_unasked_and_never_answers() -> None:
    """Bytes come by themselves; a question brings nothing."""

    async def scene() -> None:
        async with serve_tcp(_meter(Hands(), unasked_s=0.01)) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(port.rpartition(":")[2]))
            writer.write(bytes.fromhex(ENERGY))
            heard = await reader.readexactly(72)
            assert bytes.fromhex("01 03 04") not in heard
            writer.close()
            await writer.wait_closed()

    asyncio.run(scene())


def test_an_echoing_adapter_and_a_slow_meter() -> None:
    """The request comes back first, the answer after the delay."""

    async def scene() -> None:
        meter = _meter(Hands(), energy_kwh=999_998.0, echo=True, delay_s=0.02)
        async with serve_pty(meter) as port:
            descriptor = os.open(port, os.O_RDWR | os.O_NOCTTY)
            os.write(descriptor, bytes.fromhex(ENERGY))
            heard = await asyncio.to_thread(_exactly, descriptor, 17)
            os.close(descriptor)
        assert heard == bytes.fromhex(ENERGY) + bytes.fromhex("01 03 04 00 98 96 6C 14 51")

    asyncio.run(scene())


def _exactly(descriptor: int, count: int) -> bytes:
    heard = b""
    while len(heard) < count:
        heard += os.read(descriptor, count - len(heard))
    return heard
