"""The driver believes nothing that is not so, whatever the line does, and says when it knows nothing."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Never

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.meter_faults import on_a_bad_line, on_a_pty
from hw import meter_pdu  # noqa: F401 - not in a thread while virtual time runs
from hw.meter import (
    EnergyReading,
    MeterAddress,
    MeterEvent,
    MeterFinding,
    MeterIdentity,
    MeterTimeout,
    PolledMeter,
    ReadingTaken,
    run,
)
from hw.meter_diagnostics import FindingKind
from hw.meter_line import FailureKind, NoResponse, RtuLine
from hw.meter_registers import Block
from hw.models import parse
from hw.simulated.meter import MeterFaults, SimulatedMeter
from hw.simulated.meter_server import serve_pty, serve_tcp
from hw.simulated.serial_line import Fault, FaultyLine, LineFaults
from hw.simulated.virtual_time import run_virtual

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path


@dataclass
class House:
    """One line with its meters, and everything the driver reported."""

    meters: list[SimulatedMeter]
    line: FaultyLine
    faults: LineFaults
    driver: PolledMeter
    told: list[MeterEvent] = field(default_factory=list)

    @property
    def meter(self) -> SimulatedMeter:
        return self.meters[0]

    async def polls(self, count: int, pause_s: float = 5.0) -> list[MeterEvent]:
        """Run this number of polls; return the reports."""
        self.told.clear()
        for _ in range(count):
            await self.driver.poll()
            await asyncio.sleep(pause_s)
        return list(self.told)


def _energies(told: list[MeterEvent]) -> list[int]:
    return [one.tenths for one in told if isinstance(one, EnergyReading)]


def _reasons(told: list[MeterEvent]) -> list[str]:
    return [one.reason for one in told if isinstance(one, MeterTimeout)]


def _findings(told: list[MeterEvent]) -> list[FindingKind]:
    return [one.noted.kind for one in told if isinstance(one, MeterFinding)]


def _house(*quirks: MeterFaults, energy_kwh: float = 1000.0) -> House:
    clock = asyncio.get_running_loop().time
    several = quirks or (MeterFaults(),)
    meters = [
        SimulatedMeter(energy_kwh=energy_kwh + 100 * place, clock=clock, quirks=quirk, program_id=1 + place)
        for place, quirk in enumerate(several)
    ]
    faults = LineFaults(random.Random(1))  # noqa: S311 - the same faults each time
    line = FaultyLine(meters, faults)
    told: list[MeterEvent] = []
    driver = PolledMeter(
        RtuLine("a line", connect=line.connect),
        MeterAddress("meter", model=parse("1N240-02D")),
        told.append,
        clock=clock,
    )
    return House(meters, line, faults, driver, told)


def _play(scene: Callable[[], Awaitable[None]]) -> None:
    async def played() -> None:
        await scene()

    run_virtual(played())


def test_it_reads_everything() -> None:
    """Energy each poll, and every other documented register in turn."""

    async def scene() -> None:
        house = _house()
        house.meter.kw = 36.0
        told = await house.polls(60)
        assert len(_energies(told)) == 60
        readings = [one.reading for one in told if isinstance(one, ReadingTaken)]
        last = readings[-1]
        assert (last.hardware, last.software, last.program_id, last.reset_counter) == ("V3.2", "V3.2", 1, 1)
        assert last.uptime_s == pytest.approx(300, abs=60)
        assert last.to_grid_tenths == 0
        assert last.peak_kw
        assert _findings(told) == []

    _play(scene)


def test_a_meter_that_answers_0_while_it_boots_is_no_finding() -> None:
    """Every register is 0 for a while after power-up: this is neither another meter nor a reset of the peak."""

    async def scene() -> None:
        house = _house(MeterFaults(zero_s=30.0))
        house.meter.kw = 36.0
        await asyncio.sleep(40.0)
        await house.polls(40)
        house.meter.lose_power()
        house.meter.regain_power()
        told = await house.polls(40)
        assert _energies(told)[:4] == [0] * 4
        assert _energies(told)[-1] > 10_000
        assert _findings(told) == [FindingKind.POWER_LOST]
        assert {one.identity for one in told if isinstance(one, MeterIdentity)} == {"2N208-021 V3.2 V3.2 1"}

    _play(scene)


def test_a_meter_is_asked_for_its_identity_at_first_and_after_a_fall() -> None:
    """A meter that does not answer 0x11 costs the time of that request only."""

    async def scene() -> None:
        house = _house(MeterFaults(report_id="silent"))
        told = await house.polls(5)
        assert [one.identity for one in told if isinstance(one, MeterIdentity)] == [None]
        assert len(_energies(told)) == 5
        house.meter.quirks = MeterFaults(zero_s=1e9, report_id="silent")
        house.meter.lose_power()
        house.meter.regain_power()
        told = await house.polls(20)
        assert set(_energies(told)) == {0}
        assert [one.identity for one in told if isinstance(one, MeterIdentity)][:3] == [None] * 3

    _play(scene)


@pytest.mark.parametrize("kind", list(Fault), ids=lambda kind: kind.value)
def test_no_fault_makes_a_false_value(kind: Fault) -> None:
    """Three frames in ten meet the fault: each value lies between the register at the poll's start and at its end."""

    async def scene() -> None:
        house = _house()
        house.meter.kw = 200.0
        house.faults.kinds, house.faults.share = (kind,), 0.3
        heard = 0
        for _ in range(300):
            before = int(house.meter.energy_kwh * 10 + 1e-6)
            told = await house.polls(1, pause_s=0.0)
            for tenths in _energies(told):
                heard += 1
                assert before <= tenths <= int(house.meter.energy_kwh * 10 + 1e-6)
            await asyncio.sleep(1.0)
        assert heard > 30, "even so most of it gets through"
        house.faults.share = 0.0
        assert _energies(await house.polls(3))

    _play(scene)


_HEADS = [bytes.fromhex(head) for head in ("010304", "01030C", "010302", "0183", "0103")]


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.floats(0, 0.03), st.binary(max_size=20) | st.builds(bytes.__add__, st.sampled_from(_HEADS), st.binary())
        ),
        max_size=40,
    )
)
def test_no_babble_on_the_line_upsets_it(pieces: list[tuple[float, bytes]]) -> None:
    """Fuzz: bytes of any kind at any time; nothing raises, nothing wrong is reported, and afterwards it reads again."""

    async def scene() -> None:
        house = _house()
        polls = asyncio.create_task(house.polls(20, pause_s=0.0))
        for after_s, data in pieces:
            await asyncio.sleep(after_s)
            house.line.babble(data)
        assert set(_energies(await polls)) <= {10_000}
        await asyncio.sleep(2.0)
        assert _energies(await house.polls(2)) == [10_000] * 2

    _play(scene)


def test_a_slow_meter_works() -> None:
    """450 ms to each answer is within what the maker allows."""

    async def scene() -> None:
        house = _house(MeterFaults(delay_s=0.45))
        assert _energies(await house.polls(5)) == [10_000] * 5

    _play(scene)


def test_a_dead_meter_is_said_to_be_silent() -> None:
    """Three tries, each one time-out and a quiet half second, then the reason; no value."""

    async def scene() -> None:
        house = _house(MeterFaults(silent=True))
        began = asyncio.get_running_loop().time()
        told = await house.polls(1, pause_s=0.0)
        assert _reasons(told) == ["no response within 1 s"]
        assert asyncio.get_running_loop().time() - began == pytest.approx(4.0, abs=0.1)

    _play(scene)


@pytest.mark.parametrize("later_s", [0.0, 0.003, 0.03, 0.3], ids=lambda later_s: f"{later_s:g} s later")
def test_two_meters_on_one_id_bring_no_value(later_s: float) -> None:
    """Whether they respond at once or one after the other, both are received and neither is accepted."""

    async def scene() -> None:
        house = _house(MeterFaults(delay_s=0.05), MeterFaults(delay_s=0.05 + later_s))
        told = await house.polls(20)
        assert _energies(told) == []
        assert len(_reasons(told)) == 20

    _play(scene)


def test_two_meters_on_one_id_are_heard_beside_a_third_that_is_silent() -> None:
    """The late twin responds while another meter is asked: that is recorded."""

    async def scene() -> None:
        clock = asyncio.get_running_loop().time
        twins = [
            SimulatedMeter(energy_kwh=kwh, clock=clock, quirks=MeterFaults(delay_s=kwh / 1000)) for kwh in (20, 90)
        ]
        line = FaultyLine([*twins], LineFaults(random.Random(1)))  # noqa: S311
        told: list[MeterEvent] = []
        with suppress(TimeoutError):
            async with asyncio.timeout(300):
                places = [MeterAddress("twins", 1, 1.0), MeterAddress("nobody", 2, 1.0)]
                await run("a line", places, told.append, clock=clock, connect=line.connect)
        assert _energies(told) == []
        assert len(_reasons(told)) > 50

    _play(scene)


def test_an_echoing_adapter_changes_nothing() -> None:
    """The request comes back before each answer."""

    async def scene() -> None:
        house = _house(MeterFaults(echo=True))
        assert _energies(await house.polls(10)) == [10_000] * 10

    _play(scene)


def test_a_pulled_cable_is_reported_and_recovers() -> None:
    """The port is closed while it is out, and reopened within seconds of its return."""

    async def scene() -> None:
        house = _house()
        await house.polls(2)
        house.line.cut_cable()
        told = await house.polls(4)
        assert _energies(told) == []
        assert "does not exist" in _reasons(told)[0]
        house.line.join_cable()
        assert len(_energies(await house.polls(3))) == 3
        assert house.line.opened == 2

    _play(scene)


def test_a_power_loss_is_seen_from_the_uptime() -> None:
    """The first thing asked after a silence is how long the meter has been up; the energy goes on."""

    async def scene() -> None:
        house = _house(MeterFaults(boot_s=1.0))
        house.meter.kw = 10.0
        await house.polls(30)
        house.meter.lose_power()
        told = await house.polls(3)
        assert len(_reasons(told)) == 3
        house.meter.regain_power()
        told = await house.polls(10)
        assert _findings(told) == [FindingKind.POWER_LOST]
        assert len(_energies(told)) >= 9

    _play(scene)


def test_another_meter_is_found_out() -> None:
    """Its register is far from the old one's: accepted after a third read, and its program id is reported."""

    async def scene() -> None:
        house = _house()
        await house.polls(10)
        other = SimulatedMeter(energy_kwh=7.0, clock=asyncio.get_running_loop().time, program_id=77)
        house.meters[0] = other
        told = await house.polls(30)
        assert _energies(told) == [70] * 30
        assert FindingKind.REPLACED in _findings(told)

    _play(scene)


def test_the_register_rolls_over() -> None:
    """9 999 999 tenths are followed by 0 without a moment of silence."""

    async def scene() -> None:
        house = _house(energy_kwh=999_999.5)
        house.meter.kw = 36.0
        energies = _energies(await house.polls(20))
        assert len(energies) == 20
        assert energies[0] >= 9_999_995
        assert energies[-1] < 10

    _play(scene)


def test_the_key_switch_is_seen_from_the_counter() -> None:
    """The peak was reset at the meter: reported, because this program never does."""

    async def scene() -> None:
        house = _house()
        await house.polls(30)
        house.meter.turn_reset_key()
        assert _findings(await house.polls(30)) == [FindingKind.PEAK_RESET]

    _play(scene)


@pytest.mark.parametrize(
    ("quirks", "kind"),
    [
        (MeterFaults(to_grid="equal"), FindingKind.TO_GRID_BOGUS),
        (MeterFaults(demand_option=False), FindingKind.NO_DEMAND_OPTION),
        (MeterFaults(refresh_s=300.0), FindingKind.COARSE),
    ],
    ids=lambda value: value.value if isinstance(value, FindingKind) else "",
)
def test_quirks_are_found_out(quirks: MeterFaults, kind: FindingKind) -> None:
    """Within hours of load each is reported, once."""

    async def scene() -> None:
        house = _house(quirks)
        house.meter.kw = 12.0
        assert _findings(await house.polls(700)) == [kind]

    _play(scene)


def test_40005_is_judged_at_run_time() -> None:
    """On this meter it is the present demand: it falls with the load, which no peak does."""

    async def scene() -> None:
        house = _house(MeterFaults(at_40005="present"))
        house.meter.kw = 20.0
        await house.polls(120)
        house.meter.kw = 1.0
        assert _findings(await house.polls(200)) == [FindingKind.PRESENT_DEMAND]

    _play(scene)


def test_a_meter_that_knows_only_the_pairs() -> None:
    """The six-register read is refused: the pairs are read one by one, and nothing is lost."""

    async def scene() -> None:
        house = _house(MeterFaults(to_grid="refused"))
        house.meter.kw = 36.0
        await house.polls(10)
        told = await house.polls(50)
        assert len(_energies(told)) == 50
        assert house.driver.reading.at_40005_kw is None

    _play(scene)


def test_the_six_registers_are_asked_for_again_each_hour() -> None:
    """On a bad line they may have been given up by chance: what was refused once need not be for ever."""

    async def scene() -> None:
        house = _house(MeterFaults(to_grid="refused"))
        house.meter.kw = 36.0
        await house.polls(60)
        assert house.driver.reading.at_40005_kw is None
        house.meter.quirks = MeterFaults()
        await house.polls(3600)
        assert house.driver.reading.at_40005_kw is not None

    _play(scene)


def test_a_silent_meter_costs_the_others_no_more_than_its_time_out() -> None:
    """Three on one bus, one dead: the others' polls are never more than a time-out late."""

    async def scene() -> None:
        clock = asyncio.get_running_loop().time
        alive = [SimulatedMeter(device_id=place, clock=clock) for place in (1, 3)]
        dead = SimulatedMeter(device_id=2, clock=clock, quirks=MeterFaults(silent=True))
        line = FaultyLine([*alive, dead], LineFaults(random.Random(1)))  # noqa: S311
        told: list[MeterEvent] = []
        places = [MeterAddress(f"m{place}", place, 2.0) for place in (1, 2, 3)]
        with suppress(TimeoutError):
            async with asyncio.timeout(600):
                await run("a line", places, told.append, clock=clock, connect=line.connect)
        for name in ("m1", "m3"):
            times = [one.at for one in told if isinstance(one, EnergyReading) and one.meter == name]
            assert len(times) > 150
            # Two reads make a poll, and a try of the dead one may come before each.
            assert max(late - early for early, late in pairwise(times)) <= 2.0 + 2 * 1.01 + 0.2
        assert [one for one in told if isinstance(one, EnergyReading) and one.meter == "m2"] == []

    _play(scene)


class _TellingLine(FaultyLine):
    """Signals when a frame has reached the driver, before the driver's task has run."""

    def __init__(self, meter: SimulatedMeter, on_frame: Callable[[], object]) -> None:
        super().__init__([meter], LineFaults(random.Random(1)))  # noqa: S311
        self._on_frame = on_frame

    def _deliver(self, data: bytes) -> None:
        super()._deliver(data)
        self._on_frame()


def test_a_poll_that_is_to_end_as_its_answer_comes_ends() -> None:
    """The library waits by `asyncio.wait_for`, which forgets such a cancellation: SIGTERM would have been in vain."""

    async def scene() -> None:
        meter = SimulatedMeter(clock=asyncio.get_running_loop().time)
        told: list[MeterEvent] = []
        tasks: list[asyncio.Task[Never]] = []
        line = _TellingLine(meter, lambda: [task.cancel() for task in tasks])
        places = [MeterAddress("meter", model=parse("1N240-02D"))]
        polling = asyncio.create_task(run("a line", places, told.append, clock=meter.clock, connect=line.connect))
        tasks.append(polling)
        _, pending = await asyncio.wait({polling}, timeout=600.0)
        assert not pending
        assert polling.cancelled()
        assert line.opened == 1

    _play(scene)


def test_a_bad_line_brings_no_false_value() -> None:
    """5 000 polls with a fifth of all frames spoilt; `make bench` runs a million."""
    tally = on_a_bad_line(5_000, seed=2)
    assert tally.false == 0
    assert tally.heard > 3_000
    assert tally.forged


def test_a_garbled_frame_that_passes_the_crc_is_not_believed() -> None:
    """One frame in 150 is garbled and sealed again, so that the frame does not show it: the second read does."""
    tally = on_a_bad_line(3_000, share=0.05, seed=3, forged=1.0)
    assert tally.forged > 50
    assert tally.false == 0


def test_a_real_pseudo_terminal_brings_no_false_value() -> None:
    """100 polls; `make bench` runs 2 000."""
    tally = on_a_pty(100)
    assert tally.false == 0
    assert tally.heard > 90


@pytest.mark.parametrize("serve", [serve_pty, serve_tcp], ids=["pseudo-terminal", "TCP"])
def test_it_runs_on_real_ports(serve: Callable[[SimulatedMeter], object]) -> None:
    """Serial and RTU over TCP, from the port's name to the energy."""

    async def scene() -> None:
        heard: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def tell(told: MeterEvent) -> None:
            if isinstance(told, EnergyReading) and not heard.done():
                heard.set_result(told.tenths)

        async with serve(SimulatedMeter(energy_kwh=4321.0)) as port:  # type: ignore[attr-defined]
            running = asyncio.create_task(run(port, [MeterAddress("meter")], tell))
            async with asyncio.timeout(10):
                assert await heard == 43_210
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    asyncio.run(scene())


def test_a_port_that_goes_and_comes_back_is_reopened(tmp_path: Path) -> None:
    """The adapter is pulled out under the running driver, and another one appears under the same path."""

    async def scene() -> None:
        told: asyncio.Queue[MeterEvent] = asyncio.Queue()
        link = tmp_path / "meter"

        async def until(kind: type[MeterEvent]) -> None:
            async with asyncio.timeout(20):
                while not isinstance(await told.get(), kind):
                    pass

        running = asyncio.create_task(run(str(link), [MeterAddress("meter", poll_s=0.1)], told.put_nowait))
        for _ in range(2):
            await until(MeterTimeout)
            async with serve_pty(SimulatedMeter(), link):
                await until(EnergyReading)
        await until(MeterTimeout)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    asyncio.run(scene())


def test_the_port_is_locked_against_other_programs() -> None:
    """A second line on the same port is refused as in use."""

    async def scene() -> None:
        async with serve_pty(SimulatedMeter()) as port:
            first, second = RtuLine(port), RtuLine(port)
            assert not isinstance(await first.read(1, Block.ENERGY), NoResponse)
            refused = await second.read(1, Block.ENERGY)
            assert isinstance(refused, NoResponse)
            assert refused.failure is FailureKind.PORT
            assert "in use by another program" in refused.reason
            first.close()
            second.close()

    asyncio.run(scene())


def test_a_port_that_is_not_there_is_said_so() -> None:
    """No exception gets past the driver: it says what to look for, and asks again later."""

    async def scene() -> None:
        told: list[MeterEvent] = []
        meter = PolledMeter(RtuLine("/dev/no-such-port"), MeterAddress("meter"), told.append)
        assert not await meter.poll()
        assert "/dev/no-such-port does not exist" in _reasons(told)[0]

    asyncio.run(scene())


def test_a_refused_tcp_connection_is_said_so() -> None:
    """A gateway that is off."""

    async def scene() -> None:
        server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        told: list[MeterEvent] = []
        meter = PolledMeter(RtuLine(f"tcp://127.0.0.1:{port}"), MeterAddress("meter"), told.append)
        await meter.poll()
        assert "does not accept connections" in _reasons(told)[0]

    asyncio.run(scene())
