"""What hangs on wires, joined to the inbox: lines that cannot be had yet, two outputs, several meters on one pair."""

from __future__ import annotations

import asyncio
import logging
import random
import re
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from controller.config.loader import Configuration, Sources, parse
from controller.config.model import GpioContact, MeterSettings
from controller.core import events as ev
from controller.runtime.gpio_devices import POLL_S, RETRY_S, ContactLine, pulse_lines, watch_meter
from hw import meter_pdu  # noqa: F401  # the library is brought in here, not in a thread while virtual time runs
from hw.gpio import InputLine
from hw.simulated.contact import SimulatedPins, SimulatedWire
from hw.simulated.meter import MeterFaults, SimulatedMeter
from hw.simulated.meter_server import serve_pty
from hw.simulated.serial_line import FaultyLine, LineFaults
from hw.simulated.virtual_time import run_virtual

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from hw.serial_port import Connect

CONTACT = GpioContact("gpio", pin=17)
METER = MeterSettings("/dev/ttyUSB0", pulse_pin=27, pulse_kwh_pin=22)
INSTALLER = """
[site]
id = "home"
[contact]
source = "gpio"
pin = 17
[meter]
model = "1N240-02D"
port = "{port}"
device_id = 1
poll_s = 0.5
[meters.barn]
device_id = 2
[meters.shop]
device_id = 3
"""
CIRCUITS = '[circuits.hot-tub]\nspace = 9\nbreaker = "gen2"\ntag = "nonessential"\n'
TIMEOUT_S = 1.0
LATE_S = 0.4  # two cores, shared with whatever else is running


class Bench:
    """Simulated pins on the loop's clock, and an inbox."""

    def __init__(self) -> None:
        self.pins = SimulatedPins(asyncio.get_running_loop().time)
        self.events: list[ev.Event] = []

    def put(self, event: ev.Event) -> None:
        self.events.append(event)

    def contact(self) -> ContactLine:
        return ContactLine(CONTACT, self.put, self.put, factory=self.pins)

    async def during(self, task: Coroutine[object, object, object], seconds: float) -> None:
        """Let a task run for this time, and raise its exception."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await task


def test_a_contact_whose_pin_is_in_use_is_unknown_and_had_as_soon_as_it_is_free(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Said once, not each 5 s; from then on its edges come."""
    caplog.set_level(logging.INFO, "loadshed")

    async def main() -> None:
        bench = Bench()
        other = InputLine(CONTACT.pin, lambda _high, _at: None, bench.pins)
        line = bench.contact()
        asyncio.get_running_loop().call_later(4 * RETRY_S - 1.0, other.close)
        await bench.during(line.run(), 4 * RETRY_S + 1.0)
        lost, *rest = bench.events
        assert isinstance(lost, ev.ContactLost)
        assert "in use" in lost.reason
        assert [event.open for event in rest if isinstance(event, ev.ContactChanged)] == [True]

    run_virtual(main())
    assert len([line for line in caplog.messages if "the contact cannot be read" in line]) == 1
    assert "the contact can be read now" in caplog.messages


def test_a_contact_is_polled_besides_its_edges() -> None:
    """A lost edge is found within a quarter of a second."""

    async def main() -> None:
        bench = Bench()
        wire = SimulatedWire(bench.pins, CONTACT.pin)
        line = bench.contact()
        wire.lose()
        wire.close()
        await bench.during(line.run(), 2 * POLL_S)
        assert [event.open for event in bench.events if isinstance(event, ev.ContactChanged)] == [True, False]

    run_virtual(main())


def test_a_line_that_is_let_go_gives_its_pin_back() -> None:
    """The program that starts next needs it."""

    async def main() -> None:
        bench = Bench()
        line = bench.contact()
        await bench.during(line.run(), 1.0)
        line.poll()
        line.close()
        InputLine(CONTACT.pin, lambda _high, _at: None, bench.pins).close()

    run_virtual(main())


def test_edges_of_both_outputs_are_distinguished_and_have_their_times() -> None:
    """5 Wh of one, 500 Wh of the other."""

    async def main() -> None:
        bench = Bench()
        loop = asyncio.get_running_loop()
        ten, kwh = pulse_lines(METER, bench.put, factory=bench.pins)
        loop.call_later(1.0, SimulatedWire(bench.pins, 27).toggle)
        loop.call_later(2.0, SimulatedWire(bench.pins, 22).toggle)
        loop.call_later(3.0, SimulatedWire(bench.pins, 27).toggle)
        await asyncio.gather(bench.during(ten.run(), 5.0), bench.during(kwh.run(), 5.0))
        assert [type(event) for event in bench.events] == [ev.PulseSeen, ev.KwhPulseSeen, ev.PulseSeen]
        assert [event.at for event in bench.events] == pytest.approx([1.0, 2.0, 3.0])

    run_virtual(main())


def test_an_output_that_is_not_wired_has_no_line() -> None:
    """Either may be there without the other."""

    async def main() -> None:
        bench = Bench()
        assert pulse_lines(replace(METER, pulse_pin=None, pulse_kwh_pin=None), bench.put, factory=bench.pins) == []
        assert len(pulse_lines(replace(METER, pulse_pin=None), bench.put, factory=bench.pins)) == 1

    run_virtual(main())


def test_a_pulse_line_that_cannot_be_had_is_tried_again_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """Demand comes from the register until then."""

    async def main() -> None:
        bench = Bench()
        other = InputLine(27, lambda _high, _at: None, bench.pins)
        (line,) = pulse_lines(replace(METER, pulse_kwh_pin=None), bench.put, factory=bench.pins)
        loop = asyncio.get_running_loop()
        loop.call_later(3 * RETRY_S + 1.0, other.close)
        loop.call_later(5 * RETRY_S, SimulatedWire(bench.pins, 27).toggle)
        await bench.during(line.run(), 6 * RETRY_S)
        assert [type(event) for event in bench.events] == [ev.PulseSeen]

    run_virtual(main())
    (said,) = (line for line in caplog.messages if "cannot be read" in line)
    assert re.search(r"10 Wh output .* GPIO 27", said)


def test_what_an_edge_raises_in_its_thread_ends_the_task_at_the_next_look() -> None:
    """Carried out of lgpio's thread.

    Where it would silently stop all edges: an internal error, so the program restarts.
    """

    async def main() -> None:
        bench = Bench()

        def full(_event: ev.Event) -> None:
            raise RuntimeError("a mistake of ours")

        (line,) = pulse_lines(replace(METER, pulse_kwh_pin=None), full, factory=bench.pins)
        SimulatedWire(bench.pins, 27).toggle()
        asyncio.get_running_loop().call_later(0.1, SimulatedWire(bench.pins, 27).toggle)
        with pytest.raises(RuntimeError, match="a mistake of ours"):
            await bench.during(line.run(), 2 * POLL_S)

    run_virtual(main())


# --- meters on a real pseudo-terminal --------------------------------------------------------------------------------


def configured(port: str) -> Configuration:
    """Return a house with three meters on one pair of wires."""
    read = parse(Sources(INSTALLER.format(port=port), CIRCUITS))
    assert isinstance(read, Configuration)
    return read


class Inbox:
    """Takes events until enough have come."""

    def __init__(self, enough: int, kind: type[ev.Event]) -> None:
        self.events: list[ev.Event] = []
        self._enough, self._kind = enough, kind
        self._full = asyncio.Event()

    def put(self, event: ev.Event) -> None:
        self.events.append(event)
        if sum(isinstance(event, self._kind) for event in self.events) >= self._enough:
            self._full.set()

    async def filled(self, configuration: Configuration, connect: Connect | None = None) -> None:
        """Watch the meters until enough was reported."""
        watching = asyncio.ensure_future(watch_meter(configuration, self.put, self.put, connect=connect))
        async with asyncio.timeout(600.0):
            await self._full.wait()
        watching.cancel()
        await asyncio.wait([watching], timeout=600.0)


def longest_pause(inbox: Inbox) -> float:
    """Return the longest time from one reading of the house's own meter to the next."""
    mine = [event.at for event in inbox.events if isinstance(event, ev.EnergyRead)]
    return max(later - sooner for sooner, later in pairwise(mine))


def test_a_silent_meter_costs_the_houses_own_no_more_than_its_time_out() -> None:
    """Three on one pair of wires, one of them mute: the others are polled in turn, each by its name."""

    async def main() -> Inbox:
        meters = [
            SimulatedMeter("1N240-02D", 1, 100.0),
            SimulatedMeter("1N240-02D", 2, 200.0),
            SimulatedMeter("1N240-02D", 3, quirks=MeterFaults(silent=True)),
        ]
        inbox = Inbox(6, ev.EnergyRead)
        async with serve_pty(meters) as port:
            await inbox.filled(configured(port))
        return inbox

    # What a meter costs, it costs each time; a machine that is busy with something else is so now and then.
    plays = (asyncio.run(main()) for _ in range(3))
    inbox = next((one for one in plays if longest_pause(one) <= 0.5 + TIMEOUT_S + LATE_S), None)
    assert inbox is not None
    assert {event.tenths for event in inbox.events if isinstance(event, ev.EnergyRead)} == {1000}
    others = {(event.meter, event.tenths) for event in inbox.events if isinstance(event, ev.ExtraMeterRead)}
    assert others == {("barn", 2000), ("shop", None)}
    assert not [event for event in inbox.events if isinstance(event, ev.MeterSilent)]


def test_what_is_found_out_about_each_meter_is_an_event() -> None:
    """With a sentence, and the meter's name if it is not the house's own."""

    async def main() -> Inbox:
        clock = asyncio.get_running_loop().time
        repeats = SimulatedMeter("1N240-02D", 1, 100.0, clock=clock, quirks=MeterFaults(to_grid="equal"))
        replaced = SimulatedMeter("1N240-02D", 2, 200.0, clock=clock)
        line = FaultyLine([repeats, replaced], LineFaults(random.Random(1), 0.0))  # noqa: S311 - no fault is drawn
        asyncio.get_running_loop().call_later(60.0, setattr, replaced, "program_id", 7)
        inbox = Inbox(2, ev.MeterFindingReported)
        await inbox.filled(configured("/dev/simulated"), line.connect)
        return inbox

    noted = [event.details for event in run_virtual(main()).events if isinstance(event, ev.MeterFindingReported)]
    assert [(about["meter"], about["kind"]) for about in noted] == [("", "to-grid bogus"), ("barn", "replaced")]
    assert noted[1]["text"] == "another meter: program id 7, before 45678"


def test_a_missing_port_is_reported_as_silence() -> None:
    """With what to do about it."""

    async def main() -> Inbox:
        inbox = Inbox(1, ev.MeterSilent)
        await inbox.filled(configured("/dev/no-such-port"))
        return inbox

    silent = next(event for event in asyncio.run(main()).events if isinstance(event, ev.MeterSilent))
    assert "/dev/no-such-port does not exist" in silent.reason


def test_a_house_without_a_meter_watches_none() -> None:
    """And imports nothing for it."""
    read = parse(Sources(INSTALLER.partition("[meter]")[0], CIRCUITS))
    assert isinstance(read, Configuration)
    asyncio.run(watch_meter(read, lambda _event: None, lambda _event: None))
