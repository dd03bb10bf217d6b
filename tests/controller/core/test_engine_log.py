"""What the engine logs and publishes: each event once, with its time, circuit and reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from controller.core import effects as do
from controller.core import events as ev
from controller.core.engine import EngineSettings
from rules.panel import CircuitId, Kind, Position, Wakes
from tests.virtual_house import VirtualHouse, circuit, essential

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rules.json_types import Json

    Line = tuple[float, str, str | None, Mapping[str, Json], bool]

TUB, DRYER = CircuitId("hot-tub"), CircuitId("dryer")


def lines(house: VirtualHouse, since: float = 0.0) -> list[Line]:
    """Return the log's lines from a moment on, their times to the millisecond."""
    found = [line for line in house.disk.log if line.at >= since]
    return [(round(one.at, 3), one.event, one.circuit, one.details, one.may_be_delayed) for one in found]


def told(house: VirtualHouse, *events: ev.Event) -> list[do.Effect]:
    """Return what is published and written for these events."""
    house.effects.clear()
    house.happens(*events)
    return list(house.effects)


def at_rest(*circuits: object, **words: object) -> VirtualHouse:
    """Return a house on utility with nothing left to publish. It started at 21 s, 40 s ago."""
    house = VirtualHouse(*circuits, **words)  # type: ignore[arg-type]
    house.happens(ev.ClockTrusted(house.mono))
    house.wait(25.0)
    assert house.mono == pytest.approx(61.0)
    house.disk.log.clear()
    return house


OUTAGE: tuple[Line, ...] = (
    # --- the contact opens at 61 s
    (61.1, "contact_settled", None, {"source": "standby", "began_at": 61.0}, True),
    (61.1, "state_changed", None, {"state": "shedding", "was": "utility", "reason": "the contact opened"}, True),
    (61.0, "outage_began", None, {"outage": 1}, False),
    (61.1, "off_sent", TUB, {"rule": "shed", "outage": 1, "opened_at": 61.0, "attempt": 1}, True),
    (61.14, "confirmed_off", TUB, {"after_s": 0.04}, True),
    (61.14, "state_changed", None, {"state": "standby", "was": "shedding", "reason": "every circuit is settled"}, True),
    # --- and closes at 161 s
    (161.1, "contact_settled", None, {"source": "utility", "began_at": 161.0}, True),
    (161.1, "state_changed", None, {"state": "stabilizing", "was": "standby", "reason": "the contact closed"}, True),
    (
        171.1,
        "state_changed",
        None,
        {"state": "restoring", "was": "stabilizing", "reason": "utility is stable"},
        True,
    ),
    (171.1, "on_sent", TUB, {"rule": "auto_restore", "outage": 1, "closed_at": 161.0, "attempt": 1}, True),
    (171.14, "confirmed_on", TUB, {"after_s": 0.04}, True),
    (
        171.14,
        "state_changed",
        None,
        {"state": "utility", "was": "restoring", "reason": "every circuit is settled"},
        True,
    ),
    (
        171.14,
        "outage_ended",
        None,
        {"outage": 1, "kind": "outage", "energy_kwh": None, "peak_15min_kw": None, "owed": []},
        False,
    ),
    (171.14, "restore_finished", None, {"outage": 1, "kind": "outage", "not_restored": {}}, False),
)


def test_an_outage_is_logged_from_beginning_to_end_each_event_once() -> None:
    """When it was, about whom, why, and whether its row may wait."""
    house = at_rest(circuit("hot-tub"), essential("fridge"))
    house.contact.open()
    house.wait(100.0)
    house.contact.close()
    house.wait(60.0)
    assert lines(house) == [*OUTAGE]


def test_a_start_says_whether_the_machine_was_down_and_which_rows_it_could_not_read() -> None:
    """And when the broker was there."""
    house = VirtualHouse(circuit("hot-tub"), circuit("dryer"))
    assert lines(house)[:2] == [
        (21.0, "started", None, {"rebooted": False, "unread": []}, True),
        (21.0, "bus_connected", None, {}, True),
    ]
    house.disk.entries[TUB] = '{"position": "ajar"}'
    house.disk.log.clear()
    house.crash()
    house.start(rebooted=True)
    assert lines(house)[:2] == [
        (20.0, "started", None, {"rebooted": True, "unread": ["hot-tub"]}, True),
        (20.0, "bus_connected", None, {}, True),
    ]


SMALL: tuple[tuple[ev.Event, Line], ...] = (
    (ev.BusLost(61.0, "gone"), (61.0, "bus_lost", None, {"reason": "gone"}, True)),
    (ev.ContactLost(61.0, "the chip failed"), (61.0, "contact_lost", None, {"reason": "the chip failed"}, True)),
    (ev.ClockTrusted(61.0), (61.0, "clock_trusted", None, {}, True)),
    (
        ev.Requested(61.0, "off", TUB, "Ann", "it hums", now=True),
        (
            61.0,
            "request_received",
            TUB,
            {
                "request": "off",
                "by": "Ann",
                "note": "it hums",
                "now": True,
                "ok": True,
                "reason": "Hot tub is being switched off; it is left to you now",
            },
            False,
        ),
    ),
    (
        ev.Requested(61.0, "restore", None, "Ann"),
        (
            61.0,
            "request_received",
            None,
            {"request": "restore", "by": "Ann", "note": "", "now": False, "ok": False, "reason": "nothing is owed"},
            False,
        ),
    ),
)


@pytest.mark.parametrize(("event", "line"), SMALL, ids=[line[1] for _, line in SMALL])
def test_what_happens_is_written_with_what_it_was_about(event: ev.Event, line: Line) -> None:
    """When it happened, which may be before it was heard."""
    house = at_rest(circuit("hot-tub"), essential("fridge"))
    house.wait(2.0)
    house.happens(event)
    assert lines(house)[0] == line


def test_a_request_that_failed_is_logged() -> None:
    """Three tries, five seconds each."""
    house = at_rest(circuit("hot-tub"))
    house.breaker("hot-tub").has(silent=True)
    house.ask("off", "hot-tub", by="Ann")
    house.wait(60.0)
    assert (76.0, "request_failed", TUB, {}, True) in lines(house)


def test_an_alarm_lasts_from_the_event_that_raised_it_to_the_event_that_ended_it() -> None:
    """A disk; and a file that was refused."""
    house = at_rest(circuit("hot-tub"))
    house.happens(ev.DiskFailed(60.0, "no space left"))
    house.wait(30.0)
    house.happens(ev.DiskRecovered(90.0))
    house.happens(ev.ConfigurationRefused(91.0, ("line 3: no.", "line 5: nor this."), "first"))
    house.wait(9.0)
    house.panel = house.engine._context.panel.current
    house.happens(ev.CircuitsChanged(99.5, house.panel))
    found = [(at, event, about.get("since_at", about.get("lasted_s"))) for at, event, _, about, _ in lines(house)]
    assert found == [
        (60.0, "alarm_raised", 60.0),
        (90.0, "alarm_cleared", 30.0),
        (91.0, "alarm_raised", 91.0),
        (99.5, "alarm_cleared", 8.5),
        (99.5, "circuits_reloaded", None),
    ]
    assert house.answers["first"] == do.SendReply("first", ok=False, reason="line 3: no. line 5: nor this.")
    assert (99.5, "circuits_reloaded", None, {"circuits": 1}, False) in lines(house)


# --- published -------------------------------------------------------------------------------------------------------


def kinds(effects: list[do.Effect]) -> set[type]:
    """Return of what kinds they are."""
    return {type(effect) for effect in effects}


def circuits_told(effects: list[do.Effect]) -> set[str]:
    """Return the circuits that are published."""
    return {effect.circuit for effect in effects if isinstance(effect, do.PublishCircuit)}


def test_an_event_of_one_circuit_publishes_only_that_circuit() -> None:
    """And of the controller as a whole; what concerns all, of all."""
    house = at_rest(circuit("hot-tub"), circuit("dryer"))
    one = told(house, ev.Requested(house.mono, "hold", TUB, "Ann"))
    assert circuits_told(one) == {TUB}
    assert do.PublishState in kinds(one)
    house.wait(1.0)
    assert circuits_told(told(house, ev.Requested(house.mono, "restore", None, "Ann"))) == {TUB, DRYER}
    house.wait(1.0)
    assert circuits_told(told(house, ev.Requested(house.mono, "hold", CircuitId("sauna"), "Ann"))) == {TUB, DRYER}


def test_a_command_publishes_the_circuit_and_the_state() -> None:
    """Once the OFFs have left."""
    house = at_rest(circuit("hot-tub"), circuit("dryer", protected=True))
    house.breaker("hot-tub").has(silent=True)
    house.contact.open()
    house.wait(3.0)
    house.effects.clear()
    house.wait(2.1)
    assert house.offs() == ["hot-tub", "hot-tub"]
    assert circuits_told(house.effects) == {TUB}
    assert do.PublishState in kinds(house.effects)


def test_a_trusted_clock_publishes_the_state() -> None:
    """The time of its state can be said from now on."""
    house = at_rest(circuit("hot-tub"))
    assert do.PublishState in kinds(told(house, ev.ClockTrusted(house.mono)))


def test_a_clock_that_was_set_publishes_every_time_again() -> None:
    """Times published before are wrong: of the state, of circuits and of alarms."""
    house = at_rest(circuit("hot-tub"))
    assert {do.PublishState, do.PublishCircuit, do.PublishAlarm} <= {*kinds(told(house, ev.ClockSet(house.mono)))}


def test_a_reload_publishes_all_circuits_and_clears_removed_ones() -> None:
    """The topics of removed circuits are cleared; the others are published again."""
    house = at_rest(circuit("hot-tub"), circuit("dryer"), circuit("pump"))
    house.effects.clear()
    house.rewrite(circuit("hot-tub"), circuit("sauna"), reply="it")
    assert circuits_told(house.effects) == {"hot-tub", "sauna", "dryer", "pump"}
    assert house.answers["it"] == do.SendReply("it", ok=True, reason="2 circuits are in force")


def test_who_is_called_back_by_a_changed_file_and_must_rest_is_said_in_the_answer() -> None:
    """One sentence each."""
    house = at_rest(circuit("heat-pump", min_off_s=300.0))
    house.contact.open()
    house.wait(60.0)
    house.rewrite(essential("heat-pump", min_off_s=300.0), reply="it")
    said = "1 circuits are in force; Heat pump must rest: it is switched on in 240 s"
    assert house.answers["it"] == do.SendReply("it", ok=True, reason=said)


METERS: tuple[tuple[int | None, float | None], ...] = ((1234, 123.4), (None, None))


@pytest.mark.parametrize(("tenths", "energy_kwh"), METERS)
def test_a_further_meter_is_published_and_published_again_at_a_reconnection(
    tenths: int | None, energy_kwh: float | None
) -> None:
    """With when it was read; None: it is silent."""
    house = at_rest(circuit("hot-tub"))
    tells = do.PublishMeter("barn", 60.5, energy_kwh)
    assert tells in told(house, ev.ExtraMeterRead(60.5, "barn", tenths))
    assert tells in told(house, ev.BusConnected(house.mono))
    assert do.PublishDemand not in kinds(house.effects)  # of a meter that this house has not got


def test_a_program_that_ends_writes_what_is_left_and_publishes_nothing() -> None:
    """The bus is closed by then."""
    house = at_rest(circuit("hot-tub"))
    house.broker.goes_away()
    house.happens(ev.ClockTrusted(house.mono))
    house.engine.decide([ev.DiskFailed(house.mono, "no space left")], house.mono)
    left = house.engine.closing()
    assert [row.event for row in left if isinstance(row, do.LogEvent)] == ["alarm_raised"]
    assert len(left) == 1


# --- what the broker remembers, once utility is stable ----------------------------------------------------------------


def test_a_trip_the_broker_remembers_is_believed_while_utility_is_stable() -> None:
    """And is written when it was heard."""
    house = at_rest(circuit("hot-tub"))
    house.happens(ev.BreakerReported(61.0, TUB, Position.TRIPPED, retained=True))
    assert (61.0, "tripped", TUB, {}, True) in lines(house)
    assert house.view("hot-tub").switched_at == 61.0


def test_a_trip_the_broker_remembers_of_a_device_that_was_away_is_believed_when_it_answers() -> None:
    """Not before: it was its last word and then it went."""
    house = at_rest(circuit("hot-tub"))
    house.happens(ev.AvailabilityReported(61.0, TUB, online=False))
    house.happens(ev.BreakerReported(61.5, TUB, Position.TRIPPED, retained=True))
    assert "tripped" not in [event for _, event, *_ in lines(house)]
    house.happens(ev.AvailabilityReported(62.0, TUB, online=True))
    assert (62.0, "tripped", TUB, {}, True) in lines(house)
    assert house.view("hot-tub").switched_at == 62.0


def test_what_the_broker_remembers_is_not_believed_before_utility_is_stable() -> None:
    """The same word, a moment after the start, is written nowhere."""
    house = VirtualHouse(circuit("hot-tub"), started=False)
    house.start()
    house.wait(1.0)
    house.happens(
        ev.BreakerReported(house.mono, TUB, Position.TRIPPED, retained=True),
        ev.AvailabilityReported(house.mono, TUB, online=True, retained=True),
    )
    assert "tripped" not in [event for _, event, *_ in lines(house)]
    house.wait(15.0)
    assert "tripped" in [event for _, event, *_ in lines(house)]


def test_a_retained_word_that_a_device_answers_is_no_coming_back() -> None:
    """A relay switched off by hand a moment before our connection blinked did not fall with the power."""
    house = at_rest(circuit("hot-tub", kind=Kind.RELAY, wakes=Wakes.OFF))
    house.breaker("hot-tub").turn_off_by_hand()
    house.broker.drops_us()
    house.wait(10.0)
    assert house.owed() == []
    assert house.happened("off_after_power_loss") == []


def test_a_device_that_comes_back_in_doubt_is_no_person_and_is_shed_again() -> None:
    """It says so a moment after its ON: a reboot, and written as such."""
    house = at_rest(circuit("hot-tub"))
    house.breaker("hot-tub").says("online", "availability")
    house.wait(10.0)
    house.contact.open()
    house.wait(20.0)
    house.disk.log.clear()
    at = house.mono
    house.happens(ev.BreakerReported(at, TUB, Position.ON))
    house.happens(ev.AvailabilityReported(at + 0.5, TUB, online=True))
    said = [(when, event) for when, event, *_ in lines(house)]
    assert said[:2] == [(round(at, 3), "possible_override"), (round(at + 0.5, 3), "unexpected_on")]


# --- the contact's device ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", ["its device", "the broker"])
def test_what_the_broker_remembers_of_a_lost_contact_counts_where_the_way_there_broke(lost: str) -> None:
    """Where its own device is gone, its last word was before it went: it counts when it answers again."""
    house = at_rest(circuit("hot-tub"), settings=EngineSettings(contact_on_bus=True))
    if lost == "its device":
        house.happens(ev.ContactLost(house.mono, "offline"))
    else:
        house.happens(ev.BusLost(house.mono, "gone"))
        house.happens(ev.BusConnected(house.mono))
    assert house.state.source == "unknown"
    house.contact.says(is_open=False, retained=True)
    house.wait(1.0)
    assert house.state.source == ("unknown" if lost == "its device" else "utility")
    house.contact.is_alive()
    house.wait(1.0)
    assert house.state.source == "utility"


def test_a_circuit_shows_since_when_it_is_off_and_whether_this_outage_shed_it() -> None:
    """What an earlier outage left owed is not shed by this one."""
    house = at_rest(circuit("hot-tub"))
    house.contact.open()
    house.wait(10.0)
    view = house.view("hot-tub")
    assert view.shed
    assert view.switched_at == pytest.approx(61.1)
    house.breaker("hot-tub").has(silent=True)
    house.contact.close()
    house.wait(120.0)
    view = house.view("hot-tub")
    assert (house.state.state, house.owed(), view.shed) == ("utility", ["hot-tub"], False)
