"""The meter beside the outage: rows while it lasts, its energy at the end, and a meter that falls silent."""

from __future__ import annotations

from controller.core import events as ev
from controller.core.effects import PublishDemand, PublishMeter
from controller.core.engine import EngineSettings
from controller.core.meter_tracker import MeterTracker, MeterTrackerSettings
from tests.virtual_house import VirtualHouse, circuit

POLL_S = 5.0
TENTHS_A_POLL = 1  # 0.1 kWh each 5 s: 72 kW would be much; the model's rating is not known here


def metered(*, sample_s: float = 5.0) -> VirtualHouse:
    """Return a house whose meter answers each poll, and gives an edge with it."""
    settings = MeterTrackerSettings(max_kw=None, poll_s=POLL_S, pulses=True)
    house = VirtualHouse(
        circuit("hot-tub"),
        settings=EngineSettings(sample_s=sample_s),
        metering=lambda at: MeterTracker(settings, at),
        started=False,
    )
    house.start()
    return house


class Meter:
    """What the meter says, as long as it is asked."""

    def __init__(self, house: VirtualHouse) -> None:
        self._house = house
        self.tenths = 1000

    def answers(self, seconds: float) -> None:
        for _ in range(round(seconds / POLL_S)):
            self.tenths += TENTHS_A_POLL
            self._house.happens(ev.EnergyRead(self._house.mono, self.tenths), ev.PulseSeen(self._house.mono))
            self._house.wait(POLL_S)

    def is_silent(self, seconds: float) -> None:
        for _ in range(round(seconds / POLL_S)):
            self._house.happens(ev.MeterSilent(self._house.mono, "no answer"))
            self._house.wait(POLL_S)


def test_a_row_is_written_every_few_seconds_while_the_outage_lasts() -> None:
    """None before, and none after."""
    house = metered()
    meter = Meter(house)
    meter.answers(30.0)
    assert house.disk.samples == []
    house.contact.open()
    meter.answers(60.0)
    assert len(house.disk.samples) in (12, 13)
    assert {row.outage for row in house.disk.samples} == {1}
    house.contact.close()
    house.wait(1.0)
    rows = len(house.disk.samples)
    meter.answers(60.0)
    assert len(house.disk.samples) == rows


def test_a_stall_costs_rows_and_is_not_made_up_for() -> None:
    """One row, however late: what was not read is not invented."""
    house = metered()
    meter = Meter(house)
    meter.answers(30.0)
    house.contact.open()
    meter.answers(30.0)
    rows = len(house.disk.samples)
    house.stall(300.0)
    assert len(house.disk.samples) == rows + 1


def test_the_outage_ends_with_its_energy() -> None:
    """From the first opening to the last closing, by the register."""
    house = metered()
    meter = Meter(house)
    meter.answers(30.0)
    house.contact.open()
    meter.answers(100.0)
    house.contact.close()
    meter.answers(60.0)
    (outage,) = house.disk.outages.values()
    assert outage.energy_kwh is not None
    assert abs(outage.energy_kwh - 2.0) <= 0.1 + 1e-9
    assert outage.register_tenths is not None


def test_the_energy_survives_a_crash_in_the_middle() -> None:
    """Where the counters stood when it began is on the disk."""
    house = metered()
    meter = Meter(house)
    meter.answers(30.0)
    house.contact.open()
    meter.answers(50.0)
    house.crash()
    house.start(rebooted=True)
    meter.answers(50.0)
    house.contact.close()
    meter.answers(60.0)
    (outage,) = house.disk.outages.values()
    assert outage.energy_kwh is not None
    assert abs(outage.energy_kwh - 2.0) <= 0.1 + 1e-9


def test_a_meter_that_stops_responding_raises_an_alarm_with_the_reason() -> None:
    """Until it answers again; shedding does not mind."""
    house = metered()
    meter = Meter(house)
    meter.answers(30.0)
    meter.is_silent(30.0)
    alarm = house.alarm("meter-stale")
    assert alarm is not None
    assert "no answer" in alarm.message
    house.contact.open()
    house.wait(1.0)
    assert house.offs() == ["hot-tub"]
    meter.answers(10.0)
    assert house.alarm("meter-stale") is None


def stays_stale_over_an_opening(house: VirtualHouse) -> None:
    """Open the contact; fail where the alarm does not stand in each second of it, longer than a transfer excuses."""
    house.contact.open()
    for _ in range(100):
        house.wait(1.0)
        assert house.alarm("meter-stale") is not None


def test_a_transfer_does_not_clear_the_alarm_of_a_stale_meter() -> None:
    """An alarm raised just before the transfer stays active. It is not cleared and raised again later."""
    house = metered()
    meter = Meter(house)
    meter.answers(30.0)
    meter.is_silent(20.0)
    assert house.alarm("meter-stale") is not None
    stays_stale_over_an_opening(house)


def test_a_meter_that_falls_silent_with_the_transfer_has_a_while() -> None:
    """It loses its power with the house, and comes back with the generator."""
    house = metered()
    meter = Meter(house)
    meter.answers(30.0)
    house.contact.open()
    meter.is_silent(90.0)
    assert house.alarm("meter-stale") is None
    meter.is_silent(30.0)
    assert house.alarm("meter-stale") is not None


def test_a_meter_that_never_answered_is_stale_without_a_reason() -> None:
    """No event reports it: the meter's task may have ended."""
    house = metered()
    house.wait(60.0)
    stays_stale_over_an_opening(house)


def test_demand_is_published_when_it_changes_at_a_limited_rate() -> None:
    """And all of it at a reconnection."""
    house = metered()
    house.wait(1.0)
    house.effects.clear()
    for tenth in range(10):
        house.happens(ev.EnergyRead(house.mono, 1000 + tenth))
    house.wait(0.2)
    assert len([effect for effect in house.effects if isinstance(effect, PublishDemand)]) == 2
    assert house.engine.demand_view(house.mono) is not None
    house.effects.clear()
    house.broker.goes_away()
    house.broker.comes_back()
    house.wait(0.3)
    assert PublishDemand() in house.effects


def test_a_house_without_a_meter_has_no_demand() -> None:
    """What a meter would say changes nothing, and its outage has no energy."""
    house = VirtualHouse(circuit("hot-tub"))
    house.happens(ev.EnergyRead(house.mono, 1000))
    house.outage(minutes=1)
    assert house.engine.demand_view(house.mono) is None
    assert house.disk.samples == []
    assert house.disk.outages[1].energy_kwh is None


def test_what_was_found_out_about_a_meter_is_in_the_log() -> None:
    """Lost edges, another meter, a key switch turned."""
    house = metered()
    house.happens(ev.MeterFindingReported(house.mono, {"text": "the peak was reset"}))
    assert house.happened("meter_finding")[-1].details == {"text": "the peak was reset"}


def test_a_further_meter_on_the_line_is_published_by_name() -> None:
    """In kWh; without a response the energy is None."""
    house = metered()
    house.effects.clear()
    house.happens(ev.ExtraMeterRead(house.mono, "barn", 123))
    house.happens(ev.ExtraMeterRead(house.mono, "shop", None))
    told = [effect for effect in house.effects if isinstance(effect, PublishMeter)]
    assert [(one.meter, one.energy_kwh) for one in told] == [("barn", 12.3), ("shop", None)]


def test_a_program_that_ends_writes_what_still_waits() -> None:
    """The number of edges too; nothing is published."""
    house = metered()
    Meter(house).answers(30.0)
    house.engine.commands_sent(house.mono)
    assert all(type(effect).__name__.startswith("Save") for effect in house.engine.closing())


def test_a_meter_that_counts_nothing_in_an_outage_is_blind_while_something_may_draw() -> None:
    """Its transformers stand on utility's side; where every circuit is known to be off, nothing is to be counted."""
    for is_shed in (False, True):
        house = metered()
        house.wait(15.0)
        house.breaker("hot-tub").has(silent=not is_shed)
        house.contact.open()
        for _ in range(240):
            house.happens(ev.EnergyRead(house.mono, 1000))
            house.wait(POLL_S)
        assert (house.alarm("meter-not-counting") is None) is is_shed


def test_a_finding_that_comes_again_and_again_is_not_written_without_end() -> None:
    """The next line that is written says how many were not."""
    house = metered()
    for _ in range(50):
        house.happens(ev.MeterFindingReported(house.mono, {"kind": "lost edges", "text": "an edge was lost"}))
    said = len(house.happened("meter_finding"))
    assert said < 50
    house.wait(86400.0)
    house.happens(ev.MeterFindingReported(house.mono, {"kind": "lost edges", "text": "an edge was lost"}))
    assert house.happened("meter_finding")[-1].details["suppressed"] == 50 - said
