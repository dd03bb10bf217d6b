"""A drill as it is followed and judged: times, kW, failures, and what came between, by the real engine's words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from clients.drill import messages
from clients.drill.circuit_power import CircuitPower
from clients.drill.demand_readings import DemandReadings, PowerStep
from clients.drill.messages import COARSE, NO_METER, NONE_SEEN, TOO_SOON, UNHEARD
from clients.drill.plan_text import plan_text
from clients.drill.progress import CircuitProgress, DrillProgress
from clients.drill.report_html import result_html
from clients.drill.report_text import result_fields, result_text
from clients.drill.result import result
from controller.core import events as ev
from controller.core.engine import EngineSettings
from rules.device import DeviceTraits
from rules.panel import Circuit, CircuitId, Kind, Position, Restore
from tests.clients.drill.drill_house import Drilled
from tests.pages import flat
from tests.virtual_house import circuit, essential

if TYPE_CHECKING:
    from clients.drill.result import CircuitResult, DrillResult

HOT_TUB = CircuitId("hot-tub")
SLOWLY = EngineSettings(stagger_s=15.0)
THREE = (essential("fridge"), circuit("pump", rank=2), circuit("dryer", rank=6), circuit("hot-tub", rank=8))


def drilled(*circuits: Circuit, for_s: float = 60.0, wait_s: float = 200.0, **words: Any) -> Drilled:
    """Return a house that was drilled to the end."""
    house = Drilled(*(circuits or THREE), **words)
    house.follow(for_s)
    house.wait(wait_s)
    return house


def outcome(found: DrillResult, name: str) -> CircuitResult:
    """Return how one circuit did."""
    return next(one for one in found.outcomes if one.line.id == name)


# --- passed ----------------------------------------------------------------------------------------------------------


def test_a_drill_that_passes_says_how_fast_each_obeyed() -> None:
    """From our first command to the device's own report; one that is slow is said to be."""
    house = Drilled(*THREE)
    house.breaker("dryer").has(slow_s=2.0)
    house.follow(60.0)
    house.wait(200.0)
    found = house.result()
    assert found.passed
    assert found.verdict == "PASSED: 3 of 3 circuits went off within 2.0 s, and 3 came on again."
    fare = outcome(found, "pump").progress
    assert (fare.off_after_s, fare.off_tries, fare.on_after_s, fare.on_tries) == (0.04, 1, 0.04, 1)
    assert outcome(found, "dryer").progress.off_after_s == 2.04
    assert (found.course.id, found.course.because) == (1, "its time is up")
    assert house.lines[0].startswith("Drill 1 started: OFF is sent to every nonessential, controllable circuit.")
    assert house.lines[-1] == messages.RESTORE_COMPLETE


def test_each_circuit_draws_what_demand_rises_by_as_it_comes_back() -> None:
    """Read from the meter's pulses, one circuit after the other; the house before, shed and after."""
    found = drilled(settings=SLOWLY, draws={"pump": 1.5, "dryer": 5.0, "hot-tub": 6.0}, base_kw=4.0).result()
    assert {str(one.line.id): one.drew for one in found.outcomes} == {
        "hot-tub": PowerStep(6.0),
        "dryer": PowerStep(5.0),
        "pump": PowerStep(1.5),
    }
    demand = found.demand
    assert demand.before is not None
    assert demand.shed is not None
    assert demand.after is not None
    assert (demand.before.kw, demand.shed.kw, demand.after.kw) == pytest.approx((16.5, 4.0, 16.5), abs=0.01)
    assert demand.fell == PowerStep(12.5)


def test_an_idle_load_is_none_seen_and_an_early_one_is_unknown() -> None:
    """A charger with nothing to charge; a pump whose successor came before the second pulse."""
    draws = {"pump": 1.0, "dryer": 0.0, "hot-tub": 12.0}
    found = drilled(draws=draws, base_kw=2.0).result()
    assert outcome(found, "pump").drew_not == TOO_SOON
    slow = drilled(settings=EngineSettings(stagger_s=25.0), draws=draws, base_kw=2.0).result()
    assert outcome(slow, "pump").drew == PowerStep(1.0)
    assert outcome(slow, "dryer").drew_not == NONE_SEEN
    assert outcome(slow, "hot-tub").drew == PowerStep(12.0)


def test_the_register_alone_shows_the_fall_of_the_house_only() -> None:
    """And the report says why."""
    house = Drilled(*THREE, draws={"hot-tub": 16.0}, base_kw=8.0, pulses=False)
    house.wait(600.0)
    house.follow(300.0)
    house.wait(400.0)
    found = house.result()
    assert found.demand.circuits_unknown_reason == COARSE
    assert found.demand.fell is not None
    assert found.demand.fell.kw == pytest.approx(16.0, abs=2.5)
    assert all(one.drew is None for one in found.outcomes)
    assert COARSE in flat(result_text(found))


def test_without_a_meter_no_kw_is_reported() -> None:
    """Unknown is unknown."""
    found = drilled().result()
    assert found.demand.circuits_unknown_reason == NO_METER
    assert all(one.drew is None for one in found.outcomes)
    assert "while off" not in result_text(found)


# --- failed ----------------------------------------------------------------------------------------------------------


def test_what_does_not_obey_has_failed_and_the_others_have_not() -> None:
    """A mute breaker, with the number of commands it left unanswered; a dead one that comes back late is not back."""
    house = Drilled(*THREE)
    house.breaker("dryer").has(silent=True)
    house.follow(60.0)
    house.wait(200.0)
    found = house.result()
    assert not found.passed
    assert [str(one.line.id) for one in found.failed] == ["dryer"]
    assert found.verdict.startswith("FAILED: Dryer: NOT CONFIRMED OFF after ")
    assert outcome(found, "dryer").progress.off_tries > 3
    assert not outcome(found, "pump").failed
    assert any("NOT CONFIRMED after three attempts: Dryer." in line for line in house.lines)


def test_what_goes_off_and_does_not_come_back_has_failed() -> None:
    """With the controller's own word on why."""
    house = Drilled(*THREE)
    house.follow(30.0)
    house.wait(10.0)
    house.breaker("dryer").has(silent=True)
    house.wait(200.0)
    found = house.result()
    assert [str(one.line.id) for one in found.failed] == ["dryer"]
    assert "NOT ON AGAIN: " in found.verdict
    assert "no response to three ON commands" in found.verdict
    assert any(line.startswith("Dryer is not on again: ") for line in house.lines)


def test_what_trips_has_failed() -> None:
    """A user must check it."""
    house = Drilled(*THREE)
    house.follow(30.0)
    house.wait(10.0)
    house.breaker("hot-tub").trip()
    house.wait(100.0)
    assert "Hot tub: TRIPPED" in house.result().verdict


def test_a_circuit_waiting_for_a_user_has_not_failed() -> None:
    """As its owner wrote it; the report says what brings it back."""
    found = drilled(circuit("pump"), circuit("range", restore=Restore.ASK)).result()
    assert found.passed
    assert found.verdict.endswith("and 1 came on again; waiting for a user: Range.")
    assert "`loadshed ask restore range`" in flat(result_text(found))


def test_a_manual_override_has_not_failed() -> None:
    """Their hand is no fault of the breaker's."""
    house = Drilled(*THREE)
    house.follow(60.0)
    house.wait(20.0)
    house.breaker("hot-tub").turn_on_by_hand()
    house.wait(200.0)
    found = house.result()
    assert found.passed
    assert outcome(found, "hot-tub").text == "manual override"


# --- what comes between ----------------------------------------------------------------------------------------------


def test_a_real_transfer_cuts_it_short() -> None:
    """What was measured until then is reported, and no circuit has failed."""
    house = Drilled(*THREE)
    course = house.follow(60.0)
    house.wait(20.0)
    house.contact.open()
    house.wait(5.0)
    assert (course.done, course.taken_over) == (True, True)
    found = house.result()
    assert not found.passed
    assert not found.failed
    assert (
        found.verdict
        == "CUT SHORT by a real transfer. Until then 3 of 3 circuits went off within 40 ms, and 0 came on again."
    )
    assert "REAL TRANSFER" in house.lines[-1]


def test_a_circuit_just_commanded_when_cut_short_has_not_failed() -> None:
    """A slow breaker had no time to respond; one that had three commands did."""
    house = Drilled(*THREE)
    house.breaker("dryer").has(silent=True)
    house.follow(60.0)
    house.wait(2.0)
    house.contact.open()
    house.wait(1.0)
    found = house.result()
    assert not found.failed
    assert outcome(found, "dryer").text == messages.UNCONFIRMED_WHEN_CUT_SHORT
    assert "2 of 3 circuits went off" in found.verdict


def test_a_drill_that_is_dropped_never_began() -> None:
    """The contact opened in the second before."""
    house = Drilled(*THREE)
    course = house.follow(60.0)
    house.contact.open()
    house.wait(30.0)
    assert course.done
    assert house.result().verdict.startswith("NOT STARTED: ")
    assert not house.result().passed


def test_a_start_in_the_middle_is_said_and_followed() -> None:
    """The controller that restarts restores; what was missed is not a failure of the breaker."""
    house = Drilled(*THREE)
    course = house.follow(60.0)
    house.wait(20.0)
    assert course.availability("offline")[0].startswith("CONTROLLER OFFLINE")
    house.restart()
    assert course.availability("online") == [messages.CONTROLLER_ONLINE]
    house.wait(100.0)
    assert course.ended_at is not None
    assert any("has restarted" in line for line in house.lines)
    assert house.result().passed


def test_a_contact_that_is_lost_is_said() -> None:
    """Nothing is switched on until the position is known."""
    house = Drilled(*THREE)
    house.follow(60.0)
    house.wait(20.0)
    house.contact.is_lost()
    house.wait(20.0)
    assert any(line.startswith("CONTACT POSITION UNKNOWN") for line in house.lines)
    house.contact.is_read()
    house.wait(100.0)
    assert house.result().passed


def test_who_left_has_not_seen_it_to_its_end() -> None:
    """The report states it, and no circuit has failed."""
    house = Drilled(*THREE)
    house.follow(60.0)
    house.wait(20.0)
    found = house.result(left=True)
    assert not found.passed
    assert not found.failed
    assert found.verdict.startswith("NOT FOLLOWED to the end. Until then 3 of 3")


def test_the_state_alone_shows_what_was_missed() -> None:
    """A broker that was away swallowed the events: the beginning, the end, a transfer."""
    house = Drilled(*THREE)
    course = DrillProgress(house.plan())
    assert course.state({"state": "standby", "outage": 3, "kind": "drill"}, 1.0) == []
    course.away()
    course.state({"state": "standby", "outage": 3, "kind": "drill"}, 2.0)
    assert course.id == 3
    assert course.state({"state": "utility", "outage": None, "kind": None}, 3.0)
    assert course.done
    found = result(house.plan(), course, DemandReadings(5.0), "Ann", 4.0)
    assert {one.text for one in found.failed} == {UNHEARD}
    assert found.verdict.startswith("INCOMPLETE: ")
    other = DrillProgress(house.plan())
    other.away()
    other.state({"state": "standby", "outage": 3, "kind": "drill"}, 2.0)
    other.state({"state": "standby", "outage": 3, "kind": "outage"}, 3.0)
    assert other.taken_over


def test_another_drills_words_are_not_ours() -> None:
    """Before ours has begun, and after it has ended; and an end that is of another outage."""
    course = DrillProgress(Drilled(*THREE).plan())
    assert course.event({"event": "confirmed_off", "circuit": "pump"}, 1.0) == []
    course.event({"event": "drill_began", "outage": 4, "at": "2026-01-31T18:02:11.204Z"}, 1.0)
    course.event({"event": "drill_began", "outage": 5}, 1.0)
    course.event({"event": "drill_ended", "outage": 3}, 2.0)
    course.event({"event": "restore_finished", "outage": 3}, 2.0)
    assert (course.id, course.over_at, course.ended_at) == (4, None, None)


@pytest.mark.parametrize(
    ("sent", "said", "after_last_s", "tries", "told"),
    [(100.0, 100.2, 0.2, 1, 0.2), (100.0, 105.2, 0.2, 2, 5.2), (100.0, 90.0, 0.2, 2, 0.2), (None, 105.2, 0.2, 2, 0.2)],
)
def test_an_answer_counts_from_our_first_command(
    sent: float | None, said: float, after_last_s: float, tries: int, told: float
) -> None:
    """The time of the last command is the minimum, also if the clock is set in between."""
    fare = CircuitProgress()
    fare.sent(sent, first=True)
    assert fare.answered(said, after_last_s, tries) == pytest.approx(told)


# --- the report ------------------------------------------------------------------------------------------------------


def test_the_page_shows_all_of_it_and_needs_nothing_else() -> None:
    """Times, kW, failures in their own color, manual switching; names are text, not markup."""
    circuits = (*THREE, circuit("porch", kind=Kind.STANDARD), circuit("range", restore=Restore.ASK))
    house = Drilled(*circuits, settings=SLOWLY, draws={"hot-tub": 6.0}, base_kw=4.0)
    house.breaker("dryer").has(silent=True)
    house.follow(60.0)
    house.wait(200.0)
    page = result_html(house.result(), "<home>", "0.1.0")
    assert "House &lt;home&gt;" in page
    assert '<span class="wrong">NOT CONFIRMED OFF' in page
    assert "6.0 kW" in page
    assert "Stays ON until you switch it off by hand" in page
    assert "Not touched" in page
    assert "src=" not in page
    assert "<script" not in page


def test_a_shed_house_that_is_too_much_for_the_generator_is_said_so() -> None:
    """Every breaker obeyed, and it would stall all the same: too little is nonessential."""
    house = drilled(circuit("pump"), base_kw=15.0)
    assert "15.00 kW, 107% of the generator's rating: OVERLOAD" in result_text(house.result())
    assert "OVERLOAD" not in result_text(drilled(circuit("pump"), base_kw=10.0).result())


def test_a_device_that_measures_shows_its_load_without_a_meter() -> None:
    """What it measured before the OFF and after it; another circuit stays unknown, never zero."""
    device = DeviceTraits("shelly/pro2pm")
    house = Drilled(circuit("hot-tub", device=device), circuit("pump"))
    house.happens(ev.BreakerReported(house.mono, HOT_TUB, Position.ON))
    house.follow(60.0)
    house.happens(ev.PowerReported(house.mono, HOT_TUB, 4480.0))
    house.wait(20.0)
    house.happens(ev.PowerReported(house.mono, HOT_TUB, 3.0))
    house.wait(180.0)
    found = house.result()
    tub = json.loads(json.dumps(result_fields(found, "home")))["circuits"]["hot-tub"]
    assert (tub["kw"], tub["power_w"], tub["power_off_w"]) == (None, 4480.0, 3.0)
    lines = {line.split("  ")[0]: line for line in result_text(found).splitlines()}
    assert "4.5 kW (its device)" in lines["Hot tub"]
    assert "3 W while off" in lines["Hot tub"]
    assert "unknown" in lines["Pump"]
    assert "4.5 kW (its device)" in result_html(found, "home", "1")


@pytest.mark.parametrize("age_s", [None, 331.0])
def test_an_old_power_is_not_the_load_of_a_circuit(age_s: float | None) -> None:
    """Nor one of unknown age."""
    power = CircuitPower()
    power.take({"power_w": 4500.0, "power_age_s": age_s}, 1000.0)
    power.take({"power_w": None, "power_age_s": None}, 1001.0)
    assert power.before(1001.0) is None


def test_the_json_is_complete_and_unknown_is_null() -> None:
    """For programs, and for the next drill's list."""
    house = drilled(circuit("pump"), circuit("porch", kind=Kind.STANDARD))
    fields = json.loads(json.dumps(result_fields(house.result(), "home"), allow_nan=False))
    assert (fields["id"], fields["kind"], fields["site"], fields["by"], fields["passed"]) == (
        1,
        "drill",
        "home",
        "Ann",
        True,
    )
    assert (fields["for_s"], fields["held_s"], fields["generator_kw"]) == (60.0, 60.0, 14.0)
    pump = fields["circuits"]["pump"]
    assert (pump["off_after_s"], pump["on_after_s"], pump["kw"], pump["failed"]) == (0.04, 0.04, None, False)
    assert [*fields["manual"]] == ["porch"]
    assert fields["demand"]["shed_kw"] is None


def test_a_clock_that_may_be_wrong_is_said_to_be() -> None:
    """A Pi has none of its own: the report's date is what it is."""
    house = drilled(circuit("pump"))
    assert house.course is not None
    assert "clock" not in result_fields(house.result(), "home")
    house.course.clock_trusted = False
    assert result_fields(house.result(), "home")["clock"] == "untrusted"
    assert "(by a clock that may be wrong)" in result_text(house.result())


def test_nothing_that_was_off_before_comes_on() -> None:
    """The drill's first promise, seen at the breakers."""
    house = Drilled(*THREE)
    house.breaker("dryer").turn_off_by_hand()
    house.wait(5.0)
    house.follow(30.0)
    house.wait(200.0)
    assert house.breaker("dryer").position is Position.OFF
    assert [str(one.line.id) for one in house.result().outcomes] == ["hot-tub", "pump"]
    assert house.result().passed


def test_where_a_circuit_is_stands_on_the_bus_whatever_was_missed() -> None:
    """Heard to go off; the way back was missed, and it is on: when, was not heard."""
    house = Drilled(circuit("pump"), circuit("hot-tub"))
    course = house.follow(60.0)
    house.wait(20.0)
    course.away()
    for name, position in (("pump", "on"), ("hot-tub", "off")):
        course.circuit(name, {"position": position})
    course.state({"state": "utility", "outage": None, "kind": None}, house.now)
    found = house.result()
    assert outcome(found, "pump").text == messages.OFF_AND_ON_UNSEEN
    assert [str(one.line.id) for one in found.failed] == ["hot-tub"]


# --- silence explained -----------------------------------------------------------------------------------------------


def test_each_phase_names_what_is_waited_for_and_until_when() -> None:
    """A user who sees no new line for a while knows that the program has not stalled, and when to expect more."""
    house = Drilled(circuit("pump", rank=1), circuit("hot-tub", rank=2, min_off_s=120.0))
    course = house.follow(60.0)
    assert course.waiting_for(house.now) == "Waiting for the controller to start the drill."
    house.wait(21.0)
    held = course.waiting_for(house.now)
    assert held.startswith("Circuits stay off for 40 s more, until ")
    assert any("They stay off for 1 min 00 s (until " in line for line in house.lines)
    house.wait(60.0)
    (ended,) = [line for line in house.lines if line.startswith("The drill has ended: its time is up.")]
    assert "Turned on one at a time: Pump, Hot tub; the last one in about 1 min 00 s." in ended
    assert course.waiting_for(house.now).startswith("Next: Hot tub, turned on in about 4")
    house.wait(60.0)
    assert house.lines[-1] == messages.RESTORE_COMPLETE


def test_a_silent_device_is_what_is_waited_for() -> None:
    """Before the controller gives up, and when it does not report the ON either."""
    house = Drilled(*THREE)
    house.breaker("dryer").has(silent=True)
    course = house.follow(60.0)
    house.wait(3.0)
    assert course.waiting_for(house.now) == "Waiting for Dryer to report off; OFF is repeated until then."


def test_an_untrusted_clock_gives_no_time_of_day() -> None:
    """The remaining time is known without it."""
    house = Drilled(*THREE)
    course = house.follow(60.0)
    course.clock_trusted = False
    house.wait(21.0)
    course.clock_trusted = False
    assert course.waiting_for(house.now) == "Circuits stay off for 40 s more. Ctrl-C ends the drill now."


def test_texts_of_a_drill_never_name_an_outage() -> None:
    """Except that a real transfer makes it one."""
    house = Drilled(*THREE, circuit("range", restore=Restore.ASK))
    house.breaker("dryer").has(silent=True)
    plan = house.plan()
    house.follow(60.0)
    house.wait(200.0)
    found = house.result()
    pages = (plan_text(plan), "\n".join(house.lines), result_text(found), result_html(found, "home", "1"))
    assert not [page for page in pages if "outage" in page.lower()]


def test_a_drill_that_ends_early_names_the_longer_wait_of_a_minimum_off_time() -> None:
    """The plan was made for the whole time; the order and the last moment are of the time that circuits were off."""
    house = Drilled(circuit("freezer", rank=1, min_off_s=300.0), circuit("tub", rank=8))
    house.follow(600.0)
    house.wait(30.0)
    house.ask("drill-end", by="Ann")
    house.wait(10.0)
    (ended,) = [line for line in house.lines if line.startswith("The drill has ended")]
    assert "Turned on one at a time: Tub, Freezer; the last one in about 4 min" in ended


def test_restore_all_is_part_of_the_plan() -> None:
    """A circuit with `ask` is then restored in turn, and named so before the drill begins."""
    plan = Drilled(circuit("pump"), circuit("range", restore=Restore.ASK)).plan()
    assert [str(line.id) for line in plan.waiting] == ["range"]
    everything = plan.with_restore_all()
    assert everything.waiting == ()
    assert {str(line.id) for line in everything.in_turn} == {"pump", "range"}
