"""Circuit alarms: essential circuits that are off, circuits still on, and circuits not restored."""

from __future__ import annotations

from controller.core.engine import EngineSettings
from controller.core.meter_tracker import MeterTracker, MeterTrackerSettings
from rules.flapping import FlapSettings
from rules.panel import Position, Restore, Wakes
from tests.controller.core.test_engine_metering import POLL_S, Meter
from tests.virtual_house import VirtualHouse, circuit, essential

OFF, ON = Position.OFF, Position.ON
FRIDGE, TUB, DRYER = essential("fridge"), circuit("hot-tub", amps=50.0), circuit("dryer", amps=30.0)


def on_standby(*circuits: object) -> VirtualHouse:
    """Return a house on standby, everything confirmed off."""
    house = VirtualHouse(*(circuits or (FRIDGE, TUB, DRYER)))  # type: ignore[arg-type]
    house.contact.open()
    house.wait(120.0)
    return house


def utility(house: VirtualHouse) -> None:
    """Let utility return, and everything have its time."""
    house.contact.close()
    house.wait(60.0)


def means(house: VirtualHouse, alarm: str) -> str:
    """Return what an alarm that stands says, in brackets the circuits; empty: it does not stand."""
    view = house.alarm(alarm)
    return "" if view is None else view.message


# --- tripped ---------------------------------------------------------------------------------------------------------


def test_a_tripped_circuit_is_said_on_utility_too_until_it_is_reset() -> None:
    """Since it tripped; a restart that hears it again knows when that was."""
    house = VirtualHouse(FRIDGE, TUB)
    house.breaker("hot-tub").trip()
    view = house.alarm("circuit-tripped")
    assert view is not None
    assert view.circuits == ("hot-tub",)
    since = view.since
    house.wait(50.0)
    house.breaker("fridge").trip()
    house.restart()
    view = house.alarm("circuit-tripped")
    assert view is not None
    assert (view.circuits, view.since) == (("fridge", "hot-tub"), since)
    house.breaker("fridge").turn_on_by_hand()
    house.breaker("hot-tub").turn_off_by_hand()
    assert house.alarm("circuit-tripped") is None


def test_a_trip_of_an_earlier_boot_is_known_since_the_start() -> None:
    """It is unknown how long the machine was down."""
    house = VirtualHouse(TUB)
    house.breaker("hot-tub").trip()
    house.restart(rebooted=True)
    view = house.alarm("circuit-tripped")
    assert view is not None
    assert 20.0 <= view.since < 30.0


# --- essential circuits on standby -----------------------------------------------------------------------------------


def test_an_essential_circuit_that_is_off_on_standby_is_said_with_by_whom() -> None:
    """After a blink of ten seconds, until it is on."""
    house = on_standby()
    house.breaker("fridge").turn_off_by_hand()
    went = house.mono - 0.02
    house.wait(9.9)
    assert house.alarm("essential-off") is None
    house.wait(0.2)
    view = house.alarm("essential-off")
    assert view is not None
    assert "Fridge, space 1 (switched off by a user or the device)" in view.message
    assert abs(view.since - went) < 0.1
    house.breaker("fridge").turn_on_by_hand()
    assert house.alarm("essential-off") is None


def test_a_circuit_switched_off_on_request_or_off_before_is_described_as_such() -> None:
    """Off is off: what is tagged essential is wanted on the generator."""
    house = VirtualHouse(FRIDGE, essential("freezer"), essential("pump"), TUB)
    house.breaker("freezer").turn_off_by_hand()
    house.contact.open()
    house.wait(5.0)
    assert house.ask("off", "fridge", by="Ann", force=True).ok
    house.wait(20.0)
    message = means(house, "essential-off")
    assert "Freezer, space 1 (off before the outage); Fridge, space 1 (switched off by Ann)" in message
    utility(house)
    assert house.alarm("essential-off") is None


def test_one_whose_device_is_gone_is_said_after_two_minutes() -> None:
    """It wakes after a transfer in less; on utility a device may be gone as it likes."""
    house = VirtualHouse(FRIDGE, TUB, DRYER)
    house.breaker("fridge").loses_power()
    house.wait(600.0)
    assert house.alarm("essential-off") is None
    house.contact.open()
    house.wait(119.0)
    assert house.alarm("essential-off") is None
    house.wait(1.1)
    assert "Fridge, space 1 (no response from its device)" in means(house, "essential-off")
    house.breaker("fridge").gets_power()
    house.wait(1.0)
    assert house.alarm("essential-off") is None


def test_a_tag_that_changes_takes_its_alarm_along() -> None:
    """A circuit removed from the file has no alarm."""
    house = on_standby(FRIDGE, essential("freezer"), TUB)
    for name in ("fridge", "freezer"):
        house.breaker(name).turn_off_by_hand()
    house.wait(20.0)
    view = house.alarm("essential-off")
    assert view is not None
    assert view.circuits == ("freezer", "fridge")
    house.rewrite(circuit("fridge"), TUB)
    assert house.alarm("essential-off") is None


# --- what is still on ------------------------------------------------------------------------------------------------


def test_what_is_still_on_after_three_tries_is_said_with_its_amperes() -> None:
    """Silent or refusing, the load is there; it ends with the OFF, or with utility."""
    house = VirtualHouse(FRIDGE, TUB, DRYER, circuit("pump"))
    house.breaker("hot-tub").has(silent=True)
    house.breaker("dryer").has(refuses=True)
    house.breaker("pump").has(refuses=True)
    house.contact.open()
    house.wait(15.0)
    assert house.alarm("shed-incomplete") is None
    house.wait(0.2)
    message = means(house, "shed-incomplete")
    assert "Dryer, space 1 (30 A); Hot tub, space 1 (50 A); Pump, space 1. The generator" in message
    house.breaker("dryer").turn_off_by_hand()
    view = house.alarm("shed-incomplete")
    assert view is not None
    assert view.circuits == ("hot-tub", "pump")
    house.contact.close()
    house.wait(1.0)
    assert house.alarm("shed-incomplete") is None


def test_a_shed_that_no_broker_carries_is_incomplete_too() -> None:
    """No try has left: the log knows at once, the bus when the broker is back and it is over."""
    house = VirtualHouse(FRIDGE, TUB)
    house.broker.goes_away()
    house.contact.open()
    house.wait(16.0)
    assert "Hot tub, space 1 (50 A)" in means(house, "shed-incomplete")
    house.broker.comes_back()
    house.wait(1.0)
    assert house.alarm("shed-incomplete") is None


def test_what_the_house_drew_then_is_said_where_a_meter_knows() -> None:
    """The figure of the moment in which these circuits were found: said once, not at each poll."""
    settings = MeterTrackerSettings(max_kw=None, poll_s=POLL_S, pulses=True)
    house = VirtualHouse(TUB, DRYER, metering=lambda at: MeterTracker(settings, at))
    meter = Meter(house)
    meter.answers(30.0)
    for name in ("hot-tub", "dryer"):
        house.breaker(name).has(silent=True)
    house.contact.open()
    meter.answers(20.0)
    said = means(house, "shed-incomplete")
    assert "Dryer, space 1 (30 A); Hot tub, space 1 (50 A). The house drew 72.0 kW then" in said
    meter.answers(20.0)
    house.breaker("dryer").has(refuses=True)
    house.breaker("dryer").says("ON")
    assert means(house, "shed-incomplete") == said


# --- what is not back ------------------------------------------------------------------------------------------------


def test_what_stays_off_after_the_outage_is_said_with_whose_word_keeps_it_off() -> None:
    """`not-restored` is for devices that did not respond; this alarm asks the user to act."""
    house = on_standby(
        circuit("oven", restore=Restore.ASK),
        circuit("sauna", restore=Restore.NEVER),
        TUB,
        DRYER,
        essential("fridge"),
        circuit("pump"),
    )
    assert house.ask("hold", "hot-tub", by="Ann", note="mending").ok
    assert house.ask("off", "dryer", by="Bob").ok
    house.breaker("pump").has(silent=True)
    house.breaker("fridge").turn_off_by_hand()
    house.contact.close()
    house.wait(5.0)
    assert house.alarm("off-awaiting-user") is None
    house.wait(60.0)
    said = means(house, "off-awaiting-user")
    assert (
        "Dryer, space 1 (switched off by Bob); Fridge, space 1 (switched off by a user or the device); "
        "Hot tub, space 1 (on hold by Ann, mending); "
        "Oven, space 1 (waits for a user request); Sauna, space 1 (restore is never)." in said
    )
    view = house.alarm("not-restored")
    assert view is not None
    assert view.circuits == ("pump",)


def test_a_circuit_of_unknown_before_waits_for_the_user() -> None:
    """A cold start during an outage with nothing on disk."""
    house = VirtualHouse(TUB, is_open=True, started=False)
    house.broker.forgets("hot-tub")
    house.start()
    house.wait(30.0)
    utility(house)
    assert "Hot tub, space 1 (its state before it was switched off is unknown)" in means(house, "off-awaiting-user")
    assert house.ask("restore", "hot-tub").ok
    house.wait(10.0)
    assert house.alarm("off-awaiting-user") is None


def test_a_circuit_left_off_manually_is_reported_after_a_restart_until_it_is_on_or_forgotten() -> None:
    """It is written in the ledger; `forget` says that it is to stay off."""
    house = on_standby(FRIDGE, TUB, DRYER, circuit("pump"))
    for name in ("hot-tub", "dryer", "pump"):
        assert house.ask("on", name).ok
        house.wait(2.0)
        house.breaker(name).turn_off_by_hand()
    utility(house)
    for rebooted in (False, True):
        view = house.alarm("off-awaiting-user")
        assert view is not None
        assert view.circuits == ("dryer", "hot-tub", "pump")
        house.restart(rebooted=rebooted)
        house.wait(20.0)
    house.breaker("dryer").turn_on_by_hand()
    assert house.ask("forget", "hot-tub").ok
    assert not house.ask("forget", "hot-tub").ok
    view = house.alarm("off-awaiting-user")
    assert view is not None
    assert view.circuits == ("pump",)
    house.rewrite(FRIDGE, TUB, DRYER)
    assert house.alarm("off-awaiting-user") is None


def test_a_circuit_that_was_off_before_raises_no_alarm() -> None:
    """Nor does a circuit that the user switches off on utility."""
    house = VirtualHouse(FRIDGE, TUB, DRYER)
    house.breaker("hot-tub").turn_off_by_hand()
    house.outage(minutes=2)
    house.breaker("dryer").turn_off_by_hand()
    house.wait(60.0)
    assert house.alarm("off-awaiting-user") is None


# --- all clear -------------------------------------------------------------------------------------------------------


def test_the_end_of_an_outage_is_one_all_clear() -> None:
    """Nothing is missing, or each circuit that is, with why; after the outage has ended, and once."""
    house = VirtualHouse(FRIDGE, TUB, DRYER)
    house.outage(minutes=2)
    (line,) = house.happened("restore_finished")
    assert {**line.details} == {"outage": 1, "kind": "outage", "not_restored": {}}
    house.contact.open()
    house.wait(30.0)
    house.breaker("fridge").trip()
    assert house.ask("hold", "hot-tub", by="Ann").ok
    assert house.ask("on", "dryer").ok
    house.wait(2.0)
    house.breaker("dryer").turn_off_by_hand()
    utility(house)
    _, line = house.happened("restore_finished")
    why = house.view("hot-tub").why
    assert "on hold by Ann" in why
    assert {**line.details} == {
        "outage": 2,
        "kind": "outage",
        "not_restored": {
            "fridge": "tripped: find the cause, then reset the breaker",
            "hot-tub": why,
            "dryer": "switched off by a user or the device; to turn it on: `loadshed ask on dryer`",
        },
    }
    events = [line.event for line in house.disk.log]
    assert events.index("restore_finished") == events.index("outage_ended") + 1


def test_what_is_on_and_only_watched_counts_as_back() -> None:
    """Two outages within a minute: an OFF may still follow the ON, but no action is needed."""
    house = on_standby(TUB)
    house.contact.close()
    house.wait(20.0)
    house.contact.open()
    house.wait(5.0)
    house.contact.close()
    house.wait(20.0)
    *_, line = house.happened("restore_finished")
    assert line.details["not_restored"] == {}
    assert house.happened("outage_ended")[-1].details["owed"] == []
    assert (house.state.owed, house.state.late_off_watch) == ((), ("hot-tub",))
    assert house.view("hot-tub").why == "nonessential: goes off on standby"
    assert house.ask("restore").reason == "nothing is owed"
    house.wait(60.0)
    assert house.state.late_off_watch == ()


# --- why a command left ----------------------------------------------------------------------------------------------


def rules(house: VirtualHouse, name: str) -> list[tuple[str, object]]:
    """Return the commands to a circuit as the log has them: the word, and by which rule."""
    events = {"off_sent": "OFF", "on_sent": "ON"}
    return [
        (events[line.event], line.details.get("rule"))
        for line in house.disk.log
        if line.event in events and line.circuit == name
    ]


def test_a_command_says_by_which_rule_and_for_which_opening() -> None:
    """Shed, retried and restored; the events contain the response time."""
    house = VirtualHouse(TUB)
    house.breaker("hot-tub").has(silent=True)
    house.contact.open()
    opened = house.mono
    house.wait(6.0)
    first, second = house.happened("off_sent")
    assert {**first.details} == {"rule": "shed", "outage": 1, "opened_at": opened, "attempt": 1}
    assert {**second.details} == {**first.details, "attempt": 2}
    house.breaker("hot-tub").has()
    house.wait(10.0)
    (line,) = house.happened("confirmed_off")
    assert {**line.details} == {"after_s": 0.04}
    house.contact.close()
    closed = house.mono
    house.wait(180.0)
    (line,) = house.happened("on_sent")
    assert {**line.details} == {"rule": "auto_restore", "outage": 1, "closed_at": closed, "attempt": 1}
    (line,) = house.happened("confirmed_on")
    assert {**line.details} == {"after_s": 0.04}


def test_a_reboot_that_woke_on_is_shed_again_for_that() -> None:
    """There is no evidence of a manual override; the log has when it was on again."""
    house = on_standby(circuit("hot-tub", wakes=Wakes.AS_WAS))
    house.breaker("hot-tub").says("online", "availability")
    house.breaker("hot-tub").says("ON")
    line = house.happened("off_sent")[-1]
    assert (line.details["rule"], line.details["unexpected_on_at"]) == ("shed_again", house.mono)


def test_a_user_request_is_logged_with_the_user() -> None:
    """On, off and restore."""
    house = on_standby()
    assert house.ask("on", "hot-tub", by="Ann").ok
    house.wait(2.0)
    assert house.ask("off", "fridge", by="Bob", force=True).ok
    house.wait(2.0)
    (on,) = house.happened("on_sent")
    assert {**on.details} == {"rule": "switch_request", "by": "Ann", "attempt": 1}
    assert {**house.happened("off_sent")[-1].details} == {"rule": "switch_request", "by": "Bob", "attempt": 1}
    house = on_standby(circuit("oven", restore=Restore.ASK))
    utility(house)
    assert house.ask("restore", "oven", by="Ann").ok
    house.wait(10.0)
    assert rules(house, "oven") == [("OFF", "shed"), ("ON", "restore_request")]


def test_a_changed_tag_is_why_it_moves() -> None:
    """Off at once if it is now nonessential, restored if it is now essential. The next outage sheds as usual."""
    house = on_standby(FRIDGE, TUB)
    house.rewrite(circuit("fridge"), essential("hot-tub"), circuit("dryer"))
    house.wait(10.0)
    assert rules(house, "fridge") == [("OFF", "retagged")]
    assert rules(house, "hot-tub") == [("OFF", "shed"), ("ON", "retagged")]
    assert rules(house, "dryer")[0] == ("OFF", "retagged")
    utility(house)
    house.contact.open()
    house.wait(10.0)
    assert rules(house, "fridge")[-1] == ("OFF", "shed")


def test_an_on_that_crosses_the_next_opening_is_answered_for_that() -> None:
    """It was under way when the contact opened again."""
    house = on_standby(TUB)
    house.breaker("hot-tub").has(slow_s=3.0)
    house.contact.close()
    house.wait(11.0)
    assert house.ons() == ["hot-tub"]
    house.contact.open()
    house.wait(1.0)
    assert rules(house, "hot-tub") == [("OFF", "shed"), ("ON", "auto_restore"), ("OFF", "on_in_flight")]


def test_a_change_of_state_says_what_moved_the_house() -> None:
    """From which state, and by what."""
    house = VirtualHouse(TUB, settings=EngineSettings(flapping=FlapSettings(transfers=0)))
    house.outage(minutes=1)
    told = [
        (line.details["was"], line.details["state"], line.details["reason"]) for line in house.happened("state_changed")
    ]
    assert told == [
        ("starting", "utility", "the contact closed"),
        ("utility", "shedding", "the contact opened"),
        ("shedding", "standby", "every circuit is settled"),
        ("standby", "stabilizing", "the contact closed"),
        ("stabilizing", "restoring", "utility is stable"),
        ("restoring", "utility", "every circuit is settled"),
    ]


def test_a_lost_contact_that_counts_as_standby_is_logged_as_unknown() -> None:
    """It was not seen to open."""
    house = VirtualHouse(TUB, settings=EngineSettings(contact_on_bus=True, on_lost_shed=True))
    house.contact.is_lost("its device is offline")
    house.wait(15.0)
    line = house.happened("contact_settled")[-1]
    assert (line.details["source"], line.details["reason"]) == ("standby", "contact position unknown")
    assert "reason" not in house.happened("contact_settled")[0].details


# --- the meter on standby --------------------------------------------------------------------------------------------


def test_a_generator_that_stops_takes_its_meter_along() -> None:
    """One event; the meter is no alarm of its own, and its answer says that the power is back."""
    settings = MeterTrackerSettings(max_kw=None, poll_s=POLL_S, pulses=True)
    house = VirtualHouse(FRIDGE, TUB, metering=lambda at: MeterTracker(settings, at))
    meter = Meter(house)
    house.contact.open()
    meter.answers(120.0)
    for name in ("fridge", "hot-tub"):
        house.breaker(name).loses_power()
    meter.answers(5.0)
    assert house.happened("generator_power_lost") == []
    meter.is_silent(200.0)
    (line,) = house.happened("generator_power_lost")
    assert (line.details["devices"], line.details["meter"]) == (2, "silent")
    assert (house.alarm("meter-stale"), house.alarm("essential-off")) == (None, None)
    meter.answers(5.0)
    assert len(house.happened("generator_power_restored")) == 1
    meter.is_silent(120.0)
    assert house.alarm("meter-stale") is not None
