"""The demand log beside the outage: a second totalizer, a meter that is blind, findings that do not repeat for ever."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

from clients.bus_client.site import Site
from clients.bus_client.status import HouseStatus
from clients.cli.status_view import status_text
from clients.reports.export import report_csv, report_fields
from clients.reports.outage_report import build_report
from controller.bus import payloads
from controller.core import events as ev
from controller.core.demand_recorder import MAX_SIMILAR, SIMILAR_WINDOW_S
from controller.core.effects import PublishDemand, PublishMeter, SavePulses
from controller.core.meter_tracker import MeterTracker, MeterTrackerSettings
from controller.core.views import WallClock
from controller.storage.log_reader import EventLog
from hw.broker_socket import Broker
from rules.panel import Kind, Position
from tests.controller.storage.state_folder import BOOT, Ear, outage, store_in
from tests.virtual_house import VirtualHouse, circuit

if TYPE_CHECKING:
    from pathlib import Path

    from rules.panel import Circuit

POLL_S = 5.0
NOW = 1_800_000_000.0
BOTH = MeterTrackerSettings(max_kw=48.0, poll_s=POLL_S, pulses=True, kwh_pulses=True)
REGISTER = MeterTrackerSettings(max_kw=48.0, poll_s=POLL_S)


def metered(*circuits: Circuit, settings: MeterTrackerSettings = BOTH, kwh_counted: int = 0) -> VirtualHouse:
    """Return a house with a meter."""
    house = VirtualHouse(
        *(circuits or (circuit("hot-tub"), circuit("lights", kind=Kind.STANDARD))),
        metering=lambda at: MeterTracker(settings, at, 0, kwh_counted),
        started=False,
    )
    house.start()
    return house


class Meter:
    """What the meter says, as long as it is asked; `lost`: edges of the 1 kWh output that never arrive."""

    def __init__(self, house: VirtualHouse) -> None:
        self._house = house
        self.tenths = 1000
        self.lost = 0

    def draws(self, kw: float, seconds: float) -> None:
        """Draw `kw` for `seconds`, with an edge every 5 Wh and every 500 Wh."""
        watt_hours = self.tenths * 100.0
        for _ in range(round(seconds / POLL_S)):
            before, watt_hours = watt_hours, watt_hours + kw * POLL_S / 3.6
            for number in range(int(before // 5) + 1, int(watt_hours // 5) + 1):
                at = self._house.mono + POLL_S * (number * 5 - before) / (watt_hours - before)
                self._edge(at, number)
            self._house.wait(POLL_S)
            self.tenths = int(watt_hours // 100)
            self._house.happens(ev.EnergyRead(self._house.mono, self.tenths))

    def _edge(self, at: float, number: int) -> None:
        edges: list[ev.Event] = [ev.PulseSeen(at)]
        if number % 100 == 0 and not self.lost:
            edges.append(ev.KwhPulseSeen(at))
        elif number % 100 == 0:
            self.lost -= 1
        self._house.happens(*edges)


def totalizer_kwh(house: VirtualHouse) -> float | None:
    """Return what the `demand` topic says of the 1 kWh output."""
    view = house.engine.demand_view(house.mono)
    return None if view is None else view.totalizer_kwh


# --- the 1 kWh output ------------------------------------------------------------------------------------------------


def test_the_1_kwh_output_is_a_second_totaliser() -> None:
    """Half a kilowatt-hour per edge, including earlier starts. None without a wired output."""
    house = metered(kwh_counted=100)
    assert totalizer_kwh(house) == 50.0
    Meter(house).draws(12.0, 3600.0)
    assert totalizer_kwh(house) == 62.0
    assert house.happened("pulse_mismatch") == []
    assert totalizer_kwh(metered(settings=REGISTER)) is None


def test_its_count_is_written_with_each_edge() -> None:
    """They come every few minutes at most, and nothing else of the kind survives a power cut."""
    house = metered()
    house.effects.clear()
    Meter(house).draws(12.0, 600.0)
    kept = [effect.kwh_count for effect in house.effects if isinstance(effect, SavePulses)]
    assert [count for count in kept if count] == [1, 2, 3, 4]


def test_the_counts_of_both_outputs_outlive_a_restart(tmp_path: Path) -> None:
    """Each by itself; what is not wired is not written."""
    for row, counts in ((SavePulses(5, 2), (5, 2)), (SavePulses(9), (9, 2)), (SavePulses(None, 3), (9, 3))):
        store = store_in(tmp_path, Ear())
        store.load()
        store.put([row])
        store.close()
        memory = store_in(tmp_path, Ear()).load()
        assert (memory.pulse_count, memory.kwh_pulse_count) == counts


def test_lost_edges_of_the_1_kwh_output_are_logged() -> None:
    """By the register, which is the third witness; once, with the output's name."""
    house = metered()
    meter = Meter(house)
    meter.draws(20.0, 1800.0)
    meter.lost = 8
    meter.draws(20.0, 1800.0)
    (found,) = house.happened("pulse_mismatch")
    assert found.details["output"] == "1 kWh"
    assert "edges of the 1 kWh output are being lost" in str(found.details["text"])


def test_a_bouncing_1_kwh_output_is_logged() -> None:
    """Too many edges, but none beyond the rating."""
    house = metered()
    meter = Meter(house)
    meter.draws(4.0, 1800.0)
    for _ in range(4):
        house.happens(ev.KwhPulseSeen(house.mono))
        meter.draws(4.0, 120.0)
    (found,) = house.happened("pulse_mismatch")
    assert "the 1 kWh output bounces" in str(found.details["text"])


def test_an_edge_beyond_the_rating_is_noise() -> None:
    """Half a kilowatt-hour takes 34 s at 48 kW and a tenth."""
    house = metered()
    for at in (0.0, 1.0, 2.0, 40.0):
        house.happens(ev.KwhPulseSeen(house.mono + at))
    assert totalizer_kwh(house) == 1.0


def test_edges_of_an_output_that_is_not_wired_count_nothing() -> None:
    """Such events should not occur; they do no harm."""
    house = metered(settings=REGISTER)
    house.happens(ev.KwhPulseSeen(house.mono))
    assert totalizer_kwh(house) is None


def test_status_shows_the_totalizer_if_it_is_wired() -> None:
    """From the `demand` topic; a house without one reads nothing of it."""

    def screen(house: VirtualHouse) -> str:
        Meter(house).draws(12.0, 600.0)
        view = house.engine.demand_view(house.mono)
        assert view is not None
        told = HouseStatus(availability="online", state={"state": "utility"})
        told.take("demand", payloads.demand(view, NOW, WallClock(0.0, trusted=True)))
        return status_text(Site("home", Broker(), poll_s=POLL_S), told, None, NOW)

    assert "totalizer  2.0 kWh counted at the 1 kWh output" in screen(metered())
    assert "totalizer" not in screen(metered(settings=REGISTER))


# --- a meter on the utility's side -----------------------------------------------------------------------------------


def test_a_meter_that_counts_nothing_for_ten_minutes_of_an_outage_is_said() -> None:
    """Its current transformers stand on the utility's side of the switch: once an outage, and as an alarm."""
    house = metered(settings=REGISTER)
    meter = Meter(house)
    meter.draws(12.0, 60.0)
    for _ in range(2):
        house.contact.open()
        meter.draws(0.0, 595.0)
        assert house.alarm("meter-not-counting") is None
        meter.draws(0.0, 300.0)
        alarm = house.alarm("meter-not-counting")
        assert alarm is not None
        assert "counted nothing for ten minutes" in alarm.message
        house.contact.close()
        meter.draws(12.0, 60.0)
        assert house.alarm("meter-not-counting") is None
    said = [event for event in house.happened("meter_finding") if event.details["kind"] == "blind"]
    assert len(said) == 2
    assert "utility side" in str(said[0].details["text"])


def test_a_meter_that_moves_in_the_outage_is_not_blind() -> None:
    """One tick, or one edge, is proof enough; the alarm goes when it comes late."""
    house = metered()
    meter = Meter(house)
    meter.draws(12.0, 60.0)
    house.contact.open()
    meter.draws(0.0, 700.0)
    assert house.alarm("meter-not-counting") is not None
    house.happens(ev.PulseSeen(house.mono))
    house.wait(POLL_S)
    assert house.alarm("meter-not-counting") is None


def test_utility_in_between_proves_nothing_of_the_generators_side() -> None:
    """The register moves on utility; what counts is what it does from the last opening on."""
    house = metered(settings=REGISTER)
    meter = Meter(house)
    house.contact.open()
    meter.draws(0.0, 60.0)
    house.contact.close()
    meter.draws(40.0, 10.0)
    house.contact.open()
    assert house.state.state != "utility"
    meter.draws(0.0, 620.0)
    assert house.alarm("meter-not-counting") is not None


def test_a_house_with_every_circuit_off_draws_nothing_and_no_meter_is_blamed() -> None:
    """An unknown circuit counts as on."""
    house = metered(circuit("hot-tub"), settings=REGISTER)
    meter = Meter(house)
    meter.draws(12.0, 60.0)
    house.contact.open()
    meter.draws(0.0, 700.0)
    assert house.view("hot-tub").position is Position.OFF
    assert house.alarm("meter-not-counting") is None


def test_a_silent_meter_is_not_called_blind() -> None:
    """It does not answer: that is another alarm."""
    house = metered(settings=REGISTER)
    Meter(house).draws(12.0, 60.0)
    house.contact.open()
    house.wait(700.0)
    assert house.alarm("meter-not-counting") is None
    assert house.alarm("meter-stale") is not None


# --- rows and findings -----------------------------------------------------------------------------------------------


def test_rows_of_an_outage_carry_quality_and_age_to_the_report(tmp_path: Path) -> None:
    """From the engine through the disk to CSV and JSON; stale is empty, never the present."""
    house = metered()
    meter = Meter(house)
    meter.draws(12.0, 60.0)
    house.contact.open()
    meter.draws(12.0, 60.0)
    for _ in range(8):
        house.happens(ev.MeterSilent(house.mono, "no answer"))
        house.wait(POLL_S)
    store = store_in(tmp_path, Ear(), BOOT)
    store.load()
    store.put([outage(1), *house.disk.samples])
    store.close()
    with EventLog(tmp_path) as log:
        kept = log.outage()
        assert kept is not None
        told = build_report(log, kept, None)
    rows = list(csv.DictReader(report_csv(told).splitlines()))
    assert len(rows) == len(house.disk.samples)
    assert {row["quality"] for row in rows} == {"pulses", "stale"}
    assert all(row["age (s)"] for row in rows)
    stale = [row for row in rows if row["quality"] == "stale"]
    assert {row["demand (kW)"] for row in stale} == {""}
    assert float(stale[-1]["age (s)"]) > 3 * POLL_S
    demand = json.loads(json.dumps(report_fields(told)["demand"]))
    assert [(row["kw_quality"], row["age_s"]) for row in demand] == [
        (row["quality"], float(row["age (s)"])) for row in rows
    ]


def test_a_finding_that_comes_again_and_again_is_written_a_few_times_an_hour() -> None:
    """And the next line says how many were not; one of another kind, or of another meter, has its own measure."""
    house = metered()

    def found(kind: str, meter: str = "") -> None:
        house.happens(ev.MeterFindingReported(house.mono, {"meter": meter, "kind": kind, "text": f"{kind} {meter}"}))

    for _ in range(3 * MAX_SIMILAR):
        found("power lost")
    found("replaced")
    found("power lost", "barn")
    assert len(house.happened("meter_finding")) == MAX_SIMILAR + 2
    house.wait(SIMILAR_WINDOW_S)
    found("power lost")
    assert house.happened("meter_finding")[-1].details["suppressed"] == 2 * MAX_SIMILAR


def test_readings_at_odds_fill_no_log() -> None:
    """Two meters on one id, poll by poll: each reading is held, and the card is spared."""
    house = metered(settings=REGISTER)
    for poll in range(100):
        house.happens(ev.EnergyRead(house.mono, 1000 + 500_000 * (poll % 2)))
        house.wait(POLL_S)
    assert len(house.happened("meter_reading_held")) == MAX_SIMILAR


def test_further_meters_are_published_again_at_a_reconnection() -> None:
    """The broker may have forgotten what it retained."""
    house = metered()
    house.happens(ev.ExtraMeterRead(house.mono, "barn", 123))
    house.effects.clear()
    house.broker.goes_away()
    house.broker.comes_back()
    house.wait(0.3)
    assert [effect.meter for effect in house.effects if isinstance(effect, PublishMeter)] == ["barn"]
    assert PublishDemand() in house.effects
