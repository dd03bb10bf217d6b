"""What people ask for and change: obeyed at once, or refused with the reason."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import pytest

from controller.core import events as ev
from rules.panel import CircuitId, Kind, Panel, Position, Restore, Tag
from tests.virtual_house import USUAL, VirtualHouse, circuit, essential
from tests.virtual_house_parts import LATENCY_S

if TYPE_CHECKING:
    from rules.requests import AskKind

ON, OFF = Position.ON, Position.OFF
TUB = circuit("hot-tub")


def shed(*circuits: object) -> VirtualHouse:
    """Return a house on standby, everything confirmed off."""
    house = VirtualHouse(*circuits)  # type: ignore[arg-type]
    house.contact.open()
    house.wait(60.0)
    house.commands.clear()
    return house


# --- on, off ---------------------------------------------------------------------------------------------------------


def test_a_shed_circuit_switched_on_by_request_is_left_to_the_user() -> None:
    """At once, and for the rest of the outage: the rules do not shed it again."""
    house = shed()
    asked = house.now
    assert house.ask("on", "hot-tub", by="Ann").ok
    assert house.times("ON", "hot-tub") == [asked]
    house.wait(60.0)
    assert house.taken_over() == ["hot-tub"]
    assert house.offs() == []
    assert house.breaker("hot-tub").position is ON


def test_an_essential_circuit_switched_off_by_request_stays_off() -> None:
    """The controller does not owe it and does not restore it."""
    house = shed()
    assert house.ask("off", "fridge", by="Ann", force=True).ok
    house.wait(10.0)
    assert house.breaker("fridge").position is OFF
    house.contact.close()
    house.wait(60.0)
    assert "fridge" not in house.ons()
    assert "switched off by Ann" in house.view("fridge").why


def test_a_request_without_an_answer_is_tried_three_times() -> None:
    """Then the log says that it was not done, and the rules take over again."""
    house = VirtualHouse()
    house.breaker("fridge").has(silent=True)
    house.ask("off", "fridge", force=True)
    assert house.state.unconfirmed == ("fridge",)
    house.wait(60.0)
    assert house.times("OFF", "fridge") == [house.commands[0].at + 5.0 * count for count in range(3)]
    assert [line.circuit for line in house.happened("request_failed")] == ["fridge"]


def test_a_request_waits_for_the_broker() -> None:
    """And is carried out once it is back."""
    house = VirtualHouse()
    house.broker.goes_away()
    house.happens(ev.Requested(house.mono, "off", CircuitId("fridge"), force=True))
    house.wait(10.0)
    house.broker.comes_back()
    house.wait(1.0)
    assert house.breaker("fridge").position is OFF


def test_the_minimum_off_time_delays_a_request_unless_it_says_now() -> None:
    """The answer says how long it takes."""
    house = VirtualHouse(circuit("heat-pump", min_off_s=300.0))
    house.contact.open()
    house.wait(60.0)
    off = house.times("OFF", "heat-pump")[0]
    assert "minimum off time" in house.ask("on", "heat-pump").reason
    house.wait(250.0)
    assert house.times("ON", "heat-pump")[0] - off == pytest.approx(300.0 + 2 * LATENCY_S)
    house.ask("off", "heat-pump")
    house.wait(10.0)
    house.ask("on", "heat-pump", now=True)
    assert house.times("ON", "heat-pump")[-1] == house.now


def test_the_minimum_off_time_also_runs_from_a_manual_off() -> None:
    """A compressor does not ask who stopped it; over a boot the rest begins with the start."""
    house = VirtualHouse(circuit("heat-pump", min_off_s=300.0))
    house.breaker("heat-pump").turn_off_by_hand()
    house.wait(100.0)
    house.ask("on", "heat-pump")
    house.wait(190.0)
    assert house.ons() == []
    house.wait(20.0)
    assert house.ons() == ["heat-pump"]
    house.breaker("heat-pump").turn_off_by_hand()
    house.restart(1000.0, rebooted=True)
    house.ask("on", "heat-pump")
    house.wait(290.0)
    assert house.ons() == ["heat-pump"]
    house.wait(20.0)
    assert house.ons() == ["heat-pump", "heat-pump"]


REFUSED: tuple[tuple[AskKind, str, str], ...] = (
    ("on", "router", "protected"),
    ("off", "router", "protected"),
    ("on", "sauna", "cannot be switched"),
    ("on", "nowhere", "there is no circuit"),
    ("restore", "hot-tub", "not owed"),
    ("release", "hot-tub", "not on hold"),
    ("forget", "hot-tub", "not owed"),
    ("reload", "hot-tub", "there is no request"),
)


@pytest.mark.parametrize(("request_", "name", "reason"), REFUSED)
def test_what_may_not_be_done_is_refused_with_the_reason(request_: AskKind, name: str, reason: str) -> None:
    """And nothing is commanded."""
    house = VirtualHouse(circuit("router", protected=True), circuit("sauna", kind=Kind.GEN1), TUB)
    answer = house.ask(request_, name)
    assert not answer.ok
    assert reason in answer.reason
    house.wait(10.0)
    assert house.commands == []


def test_a_tripped_circuit_is_not_switched_on_for_anybody() -> None:
    """The user finds the cause and resets the breaker by hand."""
    house = VirtualHouse()
    house.breaker("hot-tub").trip()
    assert "tripped" in house.ask("on", "hot-tub", now=True).reason


def test_each_request_is_in_the_log_with_who_asked_and_what_came_of_it() -> None:
    """Also the refused."""
    house = VirtualHouse()
    house.ask("on", "nowhere", by="Ann", note="guests")
    about = house.happened("request_received")[-1].details
    assert (about["by"], about["note"], about["ok"]) == ("Ann", "guests", False)


def test_who_waits_for_no_answer_gets_none() -> None:
    """The request is obeyed all the same."""
    house = VirtualHouse()
    house.happens(ev.Requested(house.mono, "off", CircuitId("fridge"), force=True))
    assert (house.answers, house.offs()) == ({}, ["fridge"])


# --- hold, release, restore, forget ----------------------------------------------------------------------------------


def test_nothing_of_ours_switches_on_what_is_on_hold() -> None:
    """Neither the rules nor another person, before it is released."""
    house = shed()
    house.ask("hold", "hot-tub", by="Ann", note="filter is out")
    assert "on hold by Ann (filter is out)" in house.ask("on", "hot-tub").reason
    house.contact.close()
    house.wait(120.0)
    assert "hot-tub" not in house.ons()
    assert "on hold" in house.ask("restore", "hot-tub").reason
    assert "lockout" in house.ask("hold", "dryer").reason


def test_a_release_switches_nothing_and_an_owed_circuit_then_waits_for_a_request() -> None:
    """They know what they were doing there, and when they are out of it."""
    house = shed()
    house.ask("hold", "hot-tub")
    house.contact.close()
    house.wait(120.0)
    assert house.ask("release", "hot-tub").ok
    house.wait(120.0)
    assert house.breaker("hot-tub").position is OFF
    assert house.ask("restore", "hot-tub").ok
    house.wait(10.0)
    assert house.breaker("hot-tub").position is ON


def test_restore_all_restores_owed_circuits_in_turn() -> None:
    """By rank and stagger; what may not come back is named, and what was off before stays off."""
    house = VirtualHouse(
        circuit("oven", rank=2, restore=Restore.ASK),
        circuit("kiln", rank=1, restore=Restore.ASK),
        circuit("saw", restore=Restore.ASK),
        circuit("lamp"),
    )
    house.breaker("lamp").turn_off_by_hand()
    house.contact.open()
    house.wait(30.0)
    house.ask("hold", "saw", by="Ann")
    assert "not on utility" in house.ask("restore").reason
    house.contact.close()
    house.wait(60.0)
    answer = house.ask("restore")
    assert answer.ok
    assert "Oven, Kiln" in answer.reason
    assert "on hold by Ann" in answer.reason
    house.wait(30.0)
    assert house.ons() == ["kiln", "oven"]
    assert house.times("ON", "oven")[0] - house.times("ON", "kiln")[0] == pytest.approx(5.0)
    assert not house.ask("restore").ok
    house.ask("forget", "saw")
    assert "nothing is owed" in house.ask("restore").reason
    assert house.breaker("lamp").position is OFF


def test_restore_on_standby_is_refused() -> None:
    """`on` is the word there: then it is theirs."""
    house = shed()
    assert "not on utility" in house.ask("restore", "hot-tub").reason
    assert house.owed() != []


def test_forget_leaves_the_circuit_as_it_is() -> None:
    """The user has decided so."""
    house = shed()
    assert house.ask("forget", "hot-tub").ok
    house.contact.close()
    house.wait(60.0)
    assert house.breaker("hot-tub").position is OFF
    assert house.owed() == []
    assert house.disk.histories[1, CircuitId("hot-tub")].end == "user_request"


# --- the file --------------------------------------------------------------------------------------------------------


def test_retagged_nonessential_on_standby_is_shed_at_once() -> None:
    """It is a user request."""
    house = shed()
    house.rewrite(circuit("fridge", rank=1), *USUAL[1:])
    assert house.offs() == ["fridge"]


def test_retagged_essential_comes_back_at_once_on_standby_too() -> None:
    """Its shed record ends with its report."""
    house = shed()
    house.rewrite(*(replace(one, tag=Tag.ESSENTIAL) if one.id == "hot-tub" else one for one in USUAL))
    assert house.ons() == ["hot-tub"]
    house.wait(10.0)
    assert house.breaker("hot-tub").position is ON
    assert "hot-tub" not in house.owed()
    assert house.ons() == ["hot-tub"]
    assert house.offs() == []


def test_retagged_essential_still_rests() -> None:
    """The minimum off time of a compressor applies to requests too."""
    pump = circuit("heat-pump", min_off_s=300.0)
    house = shed(pump)
    house.rewrite(replace(pump, tag=Tag.ESSENTIAL))
    house.wait(200.0)
    assert house.ons() == []
    house.wait(60.0)
    assert house.ons() == ["heat-pump"]


def test_retagged_essential_says_how_long_it_still_rests() -> None:
    """In the answer to the reload, or where the circuit says why it is off."""
    pump = circuit("heat-pump", min_off_s=300.0)
    house = shed(pump)
    house.rewrite(replace(pump, tag=Tag.ESSENTIAL), reply="reload")
    said = f"{house.answers['reload'].reason} {house.view('heat-pump').why}"
    assert "240 s" in said
    assert "when utility is stable" not in said


def test_retagged_essential_waits_for_the_broker() -> None:
    """And comes back with it."""
    house = shed(TUB)
    house.broker.goes_away()
    house.rewrite(replace(TUB, tag=Tag.ESSENTIAL))
    house.wait(10.0)
    house.broker.comes_back()
    house.wait(1.0)
    assert house.breaker("hot-tub").position is ON


def test_retagged_essential_and_silent_is_tried_three_times() -> None:
    """As any other ON."""
    house = shed(TUB)
    house.breaker("hot-tub").has(silent=True)
    house.rewrite(replace(TUB, tag=Tag.ESSENTIAL))
    house.wait(120.0)
    assert len(house.ons()) == 3
    assert house.alarm("breaker-no-response") is not None


def test_a_changed_file_is_answered_and_clears_the_alarm_of_the_last() -> None:
    """The refused one stays refused: the one in force goes on."""
    house = VirtualHouse()
    house.happens(ev.ConfigurationRefused(house.mono, ("line 3: no.",), reply="first"))
    assert not house.answers["first"].ok
    alarm = house.alarm("configuration-refused")
    assert alarm is not None
    assert "line 3: no." in alarm.message
    house.rewrite(*USUAL, circuit("sauna"), reply="second")
    assert house.answers["second"].ok
    assert house.alarm("configuration-refused") is None
    house.contact.open()
    house.wait(1.0)
    assert "sauna" in house.offs()


def test_a_circuit_that_leaves_the_file_is_not_touched_any_more() -> None:
    """Its topic is cleared; its deadlines go with it."""
    house = shed(TUB, circuit("dryer"))
    house.breaker("hot-tub").reboots()
    house.ask("forget", "hot-tub")
    house.rewrite(circuit("dryer"))
    house.wait(60.0)
    assert house.engine.circuit_view(CircuitId("hot-tub")) is None
    house.contact.close()
    house.wait(60.0)
    assert house.ons() == ["dryer"]


def test_a_circuit_in_the_middle_of_a_request_may_leave_the_file() -> None:
    """It is not owed, and its pending request ends."""
    house = VirtualHouse(TUB, essential("fridge"))
    house.breaker("fridge").has(silent=True)
    house.ask("off", "fridge", force=True)
    house.wait(2.0)
    house.rewrite(TUB)
    house.commands.clear()
    house.wait(60.0)
    assert house.commands == []


def test_a_file_that_drops_what_has_just_come_to_be_owed_is_refused() -> None:
    """It was read before the contact opened: the one in force goes on, and the tries with it."""
    house = VirtualHouse(TUB, circuit("dryer"))
    house.breaker("hot-tub").has(silent=True)
    house.contact.open()
    house.wait(2.0)
    house.rewrite(circuit("dryer"), reply="raced")
    assert not house.answers["raced"].ok
    assert "still owed" in house.answers["raced"].reason
    assert house.alarm("configuration-refused") is not None
    house.commands.clear()
    house.wait(10.0)
    assert house.offs() == ["hot-tub", "hot-tub"]


def test_what_is_owed_may_not_leave_the_file() -> None:
    """The daemon asks before it puts a file in force."""
    house = shed(TUB, circuit("dryer"))
    assert len(house.engine.objections(Panel.of(TUB))) == 1
    assert house.engine.objections(Panel.of(TUB, circuit("dryer"), essential("sauna"))) == ()


# --- the disk --------------------------------------------------------------------------------------------------------


def test_a_failing_disk_raises_an_alarm_and_shedding_goes_on() -> None:
    """Until it writes again."""
    house = VirtualHouse()
    house.happens(ev.DiskFailed(house.mono, "no space left"))
    alarm = house.alarm("disk-failing")
    assert alarm is not None
    assert "no space left" in alarm.message
    house.contact.open()
    house.wait(1.0)
    assert len(house.offs()) == 4
    house.happens(ev.DiskRecovered(house.mono))
    assert house.alarm("disk-failing") is None


def test_an_unknown_event_is_a_programming_error() -> None:
    """The program crashes and is restarted: it does not run on with an event that it does not process."""

    class Unknown(NamedTuple):
        at: float

    house = VirtualHouse()
    with pytest.raises(AssertionError):
        house.engine.advance([Unknown(house.mono)], house.mono)  # type: ignore[list-item]
