"""A drill does what an outage does, on request, while the contact stays closed. Events may interrupt it."""

from __future__ import annotations

from typing import Any

import pytest

from controller.core import events as ev
from controller.core.engine import EngineSettings
from rules.drill import NOTICE_S
from rules.panel import CircuitId, Position, Restore
from tests.virtual_house import VirtualHouse, circuit, essential

ON, OFF = Position.ON, Position.OFF
SHED = ["well-pump", "dryer", "hot-tub", "ev-charger"]
IN_ORDER = ["ev-charger", "hot-tub", "dryer", "well-pump"]


def drilled(*circuits: Any, for_s: float = 60.0, **words: Any) -> VirtualHouse:
    """Return a house whose drill has been on for five seconds, everything confirmed off."""
    house = VirtualHouse(*circuits, **words)
    assert house.ask("drill", by="Ann", for_s=for_s).ok
    house.wait(NOTICE_S + 5.0)
    assert (house.state.state, house.state.kind) == ("standby", "drill")
    return house


def row(house: VirtualHouse) -> tuple[str, str, int]:
    """Return what the disk has of the last outage: its stage and kind, and how often the contact opened in it."""
    kept = house.disk.outages[max(house.disk.outages)]
    return kept.stage, kept.kind, kept.transfers


# --- from end to end -------------------------------------------------------------------------------------------------


def test_a_drill_sheds_and_restores_while_the_contact_stays_closed() -> None:
    """Each nonessential circuit goes off in order, and is on again when its time is up; nothing is owed."""
    house = VirtualHouse()
    answer = house.ask("drill", by="Ann", for_s=30.0)
    assert (answer.ok, answer.reason) == (True, "4 circuits are switched off for 30 s")
    asked_at = house.now
    house.wait(120.0)
    assert house.offs() == IN_ORDER
    assert house.times("OFF", "dryer") == [pytest.approx(asked_at + NOTICE_S)]
    assert house.ons() == SHED
    assert min(one.at for one in house.commands if one.word == "ON") >= asked_at + NOTICE_S + 30.0
    assert (house.state.state, house.state.kind, house.state.owed) == ("utility", None, ())
    assert row(house) == ("closed", "drill", 0)
    assert all(house.breaker(name).position is ON for name in SHED)


def test_its_story_stands_in_the_log() -> None:
    """Who asked, when it began and why it was over; each command names its rule; the end says that it was a drill."""
    house = drilled(circuit("hot-tub"), for_s=10.0)
    house.wait(60.0)
    told = [line.event for line in house.disk.log if line.event not in ("confirmed_off", "confirmed_on")]
    assert told[told.index("request_received") :] == [
        "request_received",
        "drill_began",
        "state_changed",
        "off_sent",
        "state_changed",
        "drill_ended",
        "state_changed",
        "state_changed",
        "on_sent",
        "state_changed",
        "outage_ended",
        "restore_finished",
    ]
    (began,), (over,) = house.happened("drill_began"), house.happened("drill_ended")
    assert {**began.details} == {"outage": 1, "by": "Ann", "for_s": 10.0}
    assert {**over.details} == {"outage": 1, "reason": "its time is up"}
    assert house.happened("off_sent")[0].details["rule"] == "drill"
    assert house.happened("outage_ended")[0].details["kind"] == "drill"
    assert over.at - began.at == pytest.approx(10.0)
    ended = house.disk.outages[1].ended
    assert ended is not None
    assert (house.disk.outages[1].began.mono, ended.mono) == (began.at, over.at)


def test_without_a_length_it_lasts_a_minute() -> None:
    """As long as usual."""
    house = VirtualHouse()
    house.ask("drill")
    house.wait(NOTICE_S + 59.9)
    assert house.ons() == []
    house.wait(5.0)
    assert house.ons() != []


def test_what_was_off_stays_off() -> None:
    """A drill never restores what it did not shed."""
    house = VirtualHouse()
    house.breaker("hot-tub").turn_off_by_hand()
    house.ask("drill", for_s=10.0)
    house.wait(120.0)
    assert "hot-tub" not in house.offs() + house.ons()
    assert house.breaker("hot-tub").position is OFF


def test_a_position_changed_by_hand_between_request_and_beginning_is_before() -> None:
    """The notice is a second long: what was switched on in it comes back, what was switched off does not."""
    house = VirtualHouse()
    house.breaker("dryer").turn_off_by_hand()
    house.ask("drill", for_s=10.0)
    house.breaker("dryer").turn_on_by_hand()
    house.breaker("hot-tub").turn_off_by_hand()
    house.wait(120.0)
    assert house.breaker("dryer").position is ON
    assert house.breaker("hot-tub").position is OFF
    assert "hot-tub" not in house.ons()


def test_a_circuit_that_waits_for_a_request_also_waits_after_a_drill() -> None:
    """`ask` is the user's setting, whatever switched the circuit off."""
    house = drilled(circuit("range", restore=Restore.ASK), circuit("tub"), for_s=10.0)
    house.wait(120.0)
    assert house.ons() == ["tub"]
    assert house.owed() == ["range"]
    assert house.ask("restore", "range").ok


def test_a_user_ends_a_drill() -> None:
    """At once; and only once."""
    house = drilled()
    answer = house.ask("drill-end", by="Ann")
    assert (answer.ok, house.state.state) == (True, "restoring")
    assert house.happened("drill_ended")[0].details["reason"] == "ended by Ann"
    assert not house.ask("drill-end").ok
    house.wait(60.0)
    assert house.state.state == "utility"
    house.wait(120.0)
    assert len(house.ons()) == len(SHED)


def test_it_is_shown_as_what_it_is() -> None:
    """The state has its kind and its end, the circuit the sentence; the source is utility all along."""
    house = drilled(for_s=30.0)
    state = house.state
    assert (state.source, state.outage, state.shed) == ("utility", 1, tuple(SHED))
    assert state.drill_until == pytest.approx(house.mono - 5.0 + 30.0)
    assert house.view("dryer").why.startswith("switched off by the controller: nonessential, for a drill; is restored")
    house.wait(26.0)
    assert (house.state.kind, house.state.drill_until) == ("drill", None)


# --- refused ---------------------------------------------------------------------------------------------------------


def refused(house: VirtualHouse) -> str:
    """Ask for a drill; see that nothing moves, and return the reason."""
    before = len(house.commands)
    answer = house.ask("drill")
    assert not answer.ok
    house.wait(NOTICE_S + 1.0)
    assert len(house.commands) == before
    assert house.happened("drill_began") == []
    return answer.reason


def test_on_standby_it_is_refused() -> None:
    """The house is in earnest."""
    house = VirtualHouse()
    house.contact.open()
    house.wait(20.0)
    assert "closed" in refused(house)


def test_an_unknown_contact_refuses_a_drill() -> None:
    """A transfer would not be detected."""
    house = VirtualHouse()
    house.contact.is_lost()
    assert "closed" in refused(house)


def test_while_circuits_come_back_it_is_refused() -> None:
    """One after the other."""
    house = VirtualHouse()
    house.contact.open()
    house.wait(20.0)
    house.contact.close()
    house.wait(12.0)
    assert "still open" in refused(house)


def test_before_utility_is_stable_it_is_refused() -> None:
    """A start is no proof."""
    house = VirtualHouse(started=False)
    house.start()
    house.wait(2.0)
    assert "not stable yet" in refused(house)


def test_what_is_owed_refuses_it() -> None:
    """What it was before is known for one outage alone."""
    house = VirtualHouse(circuit("range", restore=Restore.ASK), circuit("tub"))
    house.outage()
    assert "Range" in refused(house)


def test_what_was_commanded_a_moment_ago_refuses_it() -> None:
    """An OFF that crossed our ON may still take effect."""
    house = VirtualHouse(circuit("tub"), circuit("dryer"))
    house.breaker("tub").has(silent=True)
    house.ask("on", "tub")
    assert "Tub" in refused(house)


def test_without_a_broker_it_is_refused() -> None:
    """It would begin at a time that no user asked for."""
    house = VirtualHouse()
    house.broker.goes_away()
    house.happens(ev.Requested(house.mono, "drill"))
    house.wait(NOTICE_S + 1.0)
    assert "broker" in str(house.happened("request_received")[0].details["reason"])
    house.broker.comes_back()
    house.wait(10.0)
    assert house.commands == []


def test_a_failing_disk_refuses_it() -> None:
    """A crash would leave the circuits off for good."""
    house = VirtualHouse()
    house.happens(ev.DiskFailed(house.mono, "full"))
    assert "disk" in refused(house)


def test_a_house_with_nothing_to_shed_refuses_it() -> None:
    """It would show nothing."""
    assert "nothing" in refused(VirtualHouse(essential("fridge")))


def test_two_at_a_time_are_one() -> None:
    """The second request is refused, also while the first drill runs."""
    house = VirtualHouse()
    assert house.ask("drill").ok
    assert house.ask("drill").reason == "a drill is about to begin"
    house.wait(5.0)
    assert "still open" in house.ask("drill").reason
    assert house.offs() == IN_ORDER


def test_it_can_be_taken_back_before_it_begins() -> None:
    """Nothing moves, and nothing is left on the disk."""
    house = VirtualHouse()
    house.ask("drill")
    assert house.ask("drill-end").ok
    house.wait(5.0)
    assert (house.commands, house.disk.outages) == ([], {})
    assert house.happened("drill_canceled")[0].details["reason"] == "ended by a user before it began"


@pytest.mark.parametrize("between", ["broker", "contact", "disk", "tripped"])
def test_what_comes_between_request_and_beginning_drops_it(between: str) -> None:
    """A second is enough for the house to change; then nothing is switched."""
    house = VirtualHouse(circuit("tub"))
    house.ask("drill")
    if between == "broker":
        house.broker.goes_away()
    elif between == "contact":
        house.contact.is_lost()
    elif between == "disk":
        house.happens(ev.DiskFailed(house.mono, "full"))
    else:
        house.breaker("tub").trip()
    house.wait(5.0)
    assert (house.commands, house.disk.outages) == ([], {})
    assert len(house.happened("drill_canceled")) == 1


# --- a transfer ------------------------------------------------------------------------------------------------------


def test_a_transfer_in_a_drill_takes_it_over_with_its_before() -> None:
    """No circuit comes back for a moment; one outage, one transfer; what was on before the drill returns after it."""
    house = drilled()
    house.breaker("hot-tub").reboots()
    house.contact.open()
    house.wait(1.0)
    assert (house.state.kind, house.state.source, house.state.outage) == ("outage", "standby", 1)
    assert row(house) == ("open", "outage", 1)
    assert [line.event for line in house.disk.log if line.event in ("drill_became_outage", "outage_began")] == [
        "drill_became_outage",
        "outage_began",
    ]
    house.wait(600.0)
    assert house.ons() == []
    assert house.state.state == "standby"
    house.contact.close()
    house.wait(120.0)
    assert house.ons() == SHED
    assert row(house) == ("closed", "outage", 1)
    assert house.happened("outage_ended")[0].details["kind"] == "outage"


def test_a_transfer_while_a_drill_still_sheds_tries_on() -> None:
    """The circuit that has not answered is tried as on any standby."""
    house = VirtualHouse(circuit("tub"), circuit("dryer"))
    house.breaker("tub").has(silent=True)
    house.ask("drill")
    house.wait(2.0)
    house.contact.open()
    house.wait(30.0)
    assert len(house.times("OFF", "tub")) > 3
    assert house.state.unconfirmed == ("tub",)
    house.wait(120.0)
    assert (house.state.kind, house.ons()) == ("outage", [])


def test_a_transfer_while_a_drill_restores_sheds_again() -> None:
    """What is back goes off again; all of it returns in the end."""
    house = drilled(for_s=10.0)
    house.wait(12.0)
    assert house.ons() != []
    house.contact.open()
    house.wait(20.0)
    assert (house.state.state, house.state.kind) == ("standby", "outage")
    assert all(house.breaker(name).position is OFF for name in SHED)
    house.contact.close()
    house.wait(120.0)
    assert all(house.breaker(name).position is ON for name in SHED)
    assert len(house.disk.outages) == 1


def test_a_transfer_between_request_and_beginning_is_an_outage() -> None:
    """It was never a drill."""
    house = VirtualHouse()
    house.ask("drill")
    house.wait(0.5)
    house.contact.open()
    house.wait(20.0)
    assert (house.state.state, house.state.kind) == ("standby", "outage")
    assert row(house) == ("open", "outage", 1)
    assert house.happened("drill_began") == []
    house.contact.close()
    house.wait(120.0)
    assert all(house.breaker(name).position is ON for name in SHED)


def test_an_edge_that_is_still_settling_as_it_would_begin_has_the_right_of_way() -> None:
    """The opening sheds, as an outage, and is not taken back with the drill."""
    house = VirtualHouse(settings=EngineSettings(settle_s=1.0))
    house.ask("drill")
    house.wait(0.5)
    house.contact.open()
    house.wait(0.7)
    assert len(house.happened("drill_canceled")) == 1
    house.crash()
    kept = house.disk.outages[1]
    assert (kept.stage, kept.kind) == ("about", "outage")


def test_a_bounce_in_a_drill_changes_nothing() -> None:
    """Shorter than the settle time, it is counted."""
    house = drilled(for_s=60.0)
    house.contact.open()
    house.wait(0.05)
    house.contact.close()
    house.wait(10.0)
    assert (house.state.state, house.state.kind, house.ons()) == ("standby", "drill", [])
    house.wait(120.0)
    assert house.ons() == SHED


def test_a_bounce_as_circuits_come_back_keeps_the_drill() -> None:
    """What is owed is not forgotten with the edge."""
    house = drilled(for_s=10.0)
    house.wait(8.0)
    house.contact.open()
    house.wait(0.05)
    house.contact.close()
    house.wait(120.0)
    assert house.ons() == SHED
    assert row(house) == ("closed", "drill", 0)


def test_a_bounce_at_the_end_of_a_drill_restarts_the_stable_wait() -> None:
    """No circuit is restored while an edge may be an opening."""
    house = drilled(for_s=10.0)
    house.wait(3.95)
    house.contact.open()
    house.wait(0.08)
    assert house.state.state == "standby" or house.ons() == []
    house.contact.close()
    closed_at = house.now
    house.wait(120.0)
    assert house.ons() == SHED
    assert min(one.at for one in house.commands if one.word == "ON") >= closed_at + house.settings.utility_stable_s


def test_a_contact_that_is_lost_ends_a_drill() -> None:
    """All circuits are restored, but not before utility is known again."""
    house = drilled()
    house.contact.is_lost("the chip failed")
    assert house.state.state == "stabilizing"
    assert house.happened("drill_ended")[0].details["reason"] == "contact position unknown: the chip failed"
    house.wait(300.0)
    assert house.ons() == []
    house.contact.is_read()
    house.wait(60.0)
    assert house.ons() == SHED


# --- crashes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rebooted", [False, True])
def test_a_start_that_finds_a_drill_open_restores(*, rebooted: bool) -> None:
    """On utility: the user who asked may be gone."""
    house = drilled(for_s=3600.0)
    house.restart(rebooted=rebooted)
    assert house.state.state == "stabilizing"
    house.wait(120.0)
    assert house.ons() == SHED
    assert row(house) == ("closed", "drill", 0)
    assert house.happened("drill_ended")[0].details["reason"] == "the program was restarted"


def test_a_start_on_standby_goes_on_with_a_drills_before() -> None:
    """The power went in the drill: what was on before it comes back after the outage."""
    house = VirtualHouse()
    house.breaker("hot-tub").turn_off_by_hand()
    house.ask("drill", for_s=3600.0)
    house.wait(10.0)
    house.crash()
    house.contact.is_open = True
    house.wait(5.0)
    house.start(rebooted=True)
    house.wait(60.0)
    assert (house.state.state, house.state.kind, house.state.outage) == ("standby", "outage", 1)
    assert len(house.happened("drill_became_outage")) == 1
    house.contact.close()
    house.wait(120.0)
    assert house.ons() == ["well-pump", "dryer", "ev-charger"]
    assert house.breaker("hot-tub").position is OFF


def test_a_crash_between_command_and_row_forgets_nothing() -> None:
    """The plan was written a second before: a start knows what may have been switched off."""
    house = VirtualHouse()
    house.ask("drill")
    house.dies_after = len(SHED)
    house.wait(NOTICE_S + 1.0)
    assert house.offs() == IN_ORDER
    house.start()
    house.wait(200.0)
    assert all(house.breaker(name).position is ON for name in SHED)
    assert (house.state.state, house.state.owed) == ("utility", ())


def test_a_crash_before_it_began_leaves_nothing_open() -> None:
    """Announced, not begun: a start treats it as begun. In the end all circuits are on and none is owed."""
    house = VirtualHouse()
    house.breaker("hot-tub").turn_off_by_hand()
    house.ask("drill")
    house.wait(0.5)
    house.restart()
    house.wait(200.0)
    assert house.offs() == []
    assert "hot-tub" not in house.ons()
    assert (house.state.outage, house.state.owed) == (None, ())


@pytest.mark.parametrize("stalled_s", [3.0, 30.0, 70.0])
def test_a_stalled_program_neither_lengthens_a_drill_nor_owes_what_it_never_switched(stalled_s: float) -> None:
    """Not scheduled from the request on: where its time is up before anything could be switched, nothing is."""
    house = VirtualHouse()
    house.ask("drill", for_s=60.0)
    house.stall(stalled_s)
    house.wait(150.0 - stalled_s)
    assert house.offs() == ([] if stalled_s > 60.0 else IN_ORDER)
    assert len(house.ons()) == len(house.offs())
    assert (house.state.state, house.state.owed, house.state.outage) == ("utility", (), None)
    assert house.ask("drill").ok


def test_a_broker_that_goes_as_a_drill_begins_is_waited_for_until_its_end() -> None:
    """What could not be commanded is not owed; what was comes back when the broker does."""
    house = VirtualHouse()
    house.ask("drill", for_s=30.0)
    house.wait(NOTICE_S + 0.01)
    house.broker.goes_away()
    house.wait(60.0)
    house.broker.comes_back()
    house.wait(200.0)
    assert all(house.breaker(name).position is ON for name in SHED)
    assert (house.state.state, house.state.owed) == ("utility", ())


# --- people and the file ---------------------------------------------------------------------------------------------


def test_a_user_may_switch_a_circuit_on_in_a_drill() -> None:
    """`on` is theirs for the rest of it; `restore` waits for its end."""
    house = drilled(for_s=60.0)
    assert house.ask("on", "dryer", by="Ann").ok
    house.wait(10.0)
    assert house.breaker("dryer").position is ON
    answer = house.ask("restore", "all")
    assert (answer.ok, "drill --end" in answer.reason) == (False, True)
    house.wait(120.0)
    assert house.times("ON", "dryer")[1:] == []
    assert house.ons() == ["dryer", "well-pump", "hot-tub", "ev-charger"]


def test_a_reload_that_retags_in_a_drill_is_named_as_the_cause() -> None:
    """A reload long before the drill is not."""
    pump, tub = circuit("pump"), circuit("tub")
    house = VirtualHouse(essential("pump"), tub)
    house.rewrite(pump, tub)
    house.wait(20.0)
    house.ask("drill")
    house.wait(5.0)
    assert {line.details["rule"] for line in house.happened("off_sent")} == {"drill"}
    house = drilled(essential("pump"), tub)
    house.rewrite(pump, tub)
    house.wait(1.0)
    (line,) = (line for line in house.happened("off_sent") if line.circuit == CircuitId("pump"))
    assert line.details["rule"] == "retagged"


def test_no_alarm_takes_a_drill_for_a_standby() -> None:
    """The contact is not open for too long, however long the program has run; and no generator can stop."""
    house = VirtualHouse(settings=EngineSettings(open_alarm_s=30.0))
    house.wait(60.0)
    house.ask("drill", for_s=120.0)
    house.wait(10.0)
    for name in SHED:
        house.breaker(name).loses_power()
    house.wait(60.0)
    assert house.alarm("contact-open-long") is None
    assert house.state.generator_power_lost_at is None
    assert house.happened("generator_power_lost") == []
