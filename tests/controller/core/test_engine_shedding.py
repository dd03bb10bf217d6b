"""Shedding: what goes off, at once and in which order, and who may have it on again."""

from __future__ import annotations

import pytest

from controller.core import events as ev
from controller.core.effects import DiskEffect, PublishAlarm, SwitchOff
from controller.core.engine import EngineSettings
from rules.panel import CircuitId, Kind, Position
from rules.shed import RetryPolicy
from tests.virtual_house import VirtualHouse, circuit, pauses
from tests.virtual_house_parts import LATENCY_S

ON, OFF = Position.ON, Position.OFF
ALL_OF_IT = ["ev-charger", "hot-tub", "dryer", "well-pump"]


def shed(*circuits: object) -> VirtualHouse:
    """Return a house on standby, everything confirmed off."""
    house = VirtualHouse(*circuits)  # type: ignore[arg-type]
    house.contact.open()
    house.wait(60.0)
    return house


# --- 1, 2: what, and in which order ----------------------------------------------------------------------------------


def test_a_transfer_sheds_the_nonessential_in_falling_rank() -> None:
    """And leaves the essential alone."""
    house = shed()
    assert house.offs() == ALL_OF_IT
    assert house.breaker("fridge").position is ON
    assert house.state.state == "standby"


def test_all_commands_leave_in_one_turn_before_anything_is_published() -> None:
    """Rows for the disk follow, and so does every word for the bus: even that of the edge itself."""
    house = VirtualHouse()
    house.effects.clear()
    house.contact.open()
    assert all(isinstance(effect, DiskEffect) for effect in house.effects), "told before the first OFF"
    house.wait(0.1)
    at_once = [effect for effect in house.effects if not isinstance(effect, DiskEffect)]
    assert [effect.circuit for effect in at_once[:4] if isinstance(effect, SwitchOff)] == ALL_OF_IT
    assert {one.at for one in house.commands} == {house.now}


def test_events_while_an_opening_settles_are_published_after_the_commands() -> None:
    """A report, an alarm, an answer: all of it waits for a tenth of a second."""
    house = VirtualHouse()
    house.contact.open()
    house.effects.clear()
    house.breaker("dryer").says("OFF")
    house.happens(ev.DiskFailed(house.mono, "no space left"))
    assert all(isinstance(effect, DiskEffect) for effect in house.effects), "told before the first OFF"
    house.wait(0.1)
    first = next(effect for effect in house.effects if not isinstance(effect, DiskEffect))
    assert isinstance(first, SwitchOff)
    assert PublishAlarm("disk-failing") in house.effects


def test_uncontrollable_and_protected_circuits_are_never_commanded() -> None:
    """They stay ON unless switched by hand, and are shown as such."""
    house = VirtualHouse(
        circuit("sauna", kind=Kind.GEN1),
        circuit("well", kind=Kind.STANDARD),
        circuit("router", protected=True),
        circuit("hot-tub"),
    )
    house.outage()
    assert {one.circuit for one in house.commands} == {"hot-tub"}
    assert house.state.uncontrollable == ("sauna", "well")
    assert "UNCONTROLLABLE" in house.view("sauna").why


def test_a_circuit_known_to_be_off_or_tripped_gets_no_command() -> None:
    """There is nothing to shed."""
    house = VirtualHouse()
    house.breaker("hot-tub").turn_off_by_hand()
    house.breaker("dryer").trip()
    house.contact.open()
    house.wait(60.0)
    assert house.offs() == ["ev-charger", "well-pump"]


def test_a_circuit_of_unknown_position_is_shed() -> None:
    """A device that has never been heard counts as on."""
    house = VirtualHouse(circuit("hot-tub"), started=False)
    house.broker.forgets("hot-tub")
    house.start()
    house.wait(1.0)
    house.contact.open()
    house.wait(1.0)
    assert house.offs() == ["hot-tub"]


def test_a_device_that_does_not_respond_delays_no_other() -> None:
    """The others are confirmed, and the house waits for the silent one alone."""
    house = VirtualHouse()
    house.breaker("hot-tub").has(silent=True)
    house.contact.open()
    house.wait(1.0)
    assert house.offs() == ALL_OF_IT
    assert house.state.unconfirmed == ("hot-tub",)
    assert house.state.state == "shedding"


# --- 3: again and again ----------------------------------------------------------------------------------------------


def test_an_unconfirmed_off_is_sent_again_each_confirm_s_then_ever_more_rarely() -> None:
    """Each 5 s for 180 s, then with the pause doubling up to 60 s, for as long as the house is on standby."""
    house = VirtualHouse()
    house.breaker("hot-tub").has(silent=True)
    house.contact.open()
    house.wait(900.0)
    times = house.times("OFF", "hot-tub")
    apart = pauses(times)
    assert apart[:36] == [5.0] * 36
    assert apart[36:39] == [10.0, 20.0, 40.0]
    assert set(apart[39:]) == {60.0}


def test_after_three_attempts_it_is_settled_raises_an_alarm_and_is_retried() -> None:
    """The alarm names it, the house stands by, and the tries go on."""
    house = VirtualHouse()
    house.breaker("hot-tub").has(silent=True)
    house.contact.open()
    house.wait(14.9)
    assert (house.state.state, house.alarm("breaker-no-response")) == ("shedding", None)
    house.wait(0.3)
    alarm = house.alarm("breaker-no-response")
    assert alarm is not None
    assert alarm.circuits == ("hot-tub",)
    assert house.state.state == "standby"
    assert house.state.unconfirmed == ("hot-tub",)
    tried = len(house.offs())
    house.wait(60.0)
    assert len(house.offs()) > tried


def test_a_sign_of_life_ends_the_pause() -> None:
    """A device that returns gets a command at once, however long the retry interval was."""
    house = VirtualHouse()
    house.breaker("hot-tub").has(silent=True)
    house.contact.open()
    house.wait(600.0)
    house.breaker("hot-tub").has()
    house.breaker("hot-tub").says("offline", "availability")
    tried = len(house.offs())
    house.breaker("hot-tub").says("online", "availability")
    assert len(house.offs()) == tried + 1
    house.wait(1.0)
    assert house.breaker("hot-tub").position is OFF
    assert house.alarm("breaker-no-response") is None


def test_any_report_is_a_sign_of_life() -> None:
    """It reports ON and not OFF, so the command is repeated."""
    house = VirtualHouse()
    house.breaker("hot-tub").has(silent=True)
    house.contact.open()
    house.wait(600.0)
    house.breaker("hot-tub").has()
    tried = len(house.offs())
    house.breaker("hot-tub").says("ON")
    house.wait(1.0)
    assert len(house.offs()) == tried + 1
    assert house.breaker("hot-tub").position is OFF


def test_a_device_that_returns_gets_a_command_at_once_however_recent_the_last() -> None:
    """The command sent before it left is lost."""
    house = VirtualHouse(circuit("hot-tub"))
    house.breaker("hot-tub").has(silent=True)
    house.contact.open()
    house.wait(1.0)
    house.breaker("hot-tub").says("offline", "availability")
    house.breaker("hot-tub").says("online", "availability")
    assert house.offs() == ["hot-tub", "hot-tub"]
    house.breaker("hot-tub").says("online", "availability")
    assert house.offs() == ["hot-tub", "hot-tub"]


def test_a_refusal_is_no_reason_to_ask_more_often() -> None:
    """A device that says ON to each OFF is asked each `confirm_s`, no sooner."""
    house = VirtualHouse()
    house.breaker("hot-tub").has(refuses=True)
    house.contact.open()
    house.wait(60.0)
    times = house.times("OFF", "hot-tub")
    assert min(pauses(times)) >= 5.0
    assert [*house.state.shed] == house.owed() == ["well-pump", "dryer", "ev-charger"]
    assert house.state.unconfirmed == ("hot-tub",)


def test_only_the_devices_own_report_confirms() -> None:
    """A broker that remembers OFF confirms nothing: it may remember the outage before."""
    house = VirtualHouse()
    house.breaker("hot-tub").has(mute=True)
    house.contact.open()
    house.wait(1.0)
    house.broker.remembers("hot-tub", "OFF")
    house.broker.goes_away()
    house.broker.comes_back()
    house.wait(0.1)
    assert house.view("hot-tub").why == "OFF command sent, no answer: treat as ON"


def test_a_slow_device_is_confirmed_when_it_reports() -> None:
    """The log says after how long."""
    house = VirtualHouse()
    house.breaker("hot-tub").has(slow_s=3.0)
    house.contact.open()
    house.wait(4.0)
    (row,) = [row for row in house.disk.histories.values() if row.circuit == "hot-tub"]
    assert row.confirmed_after_s == pytest.approx(3.0 + 2 * LATENCY_S)
    assert house.times("OFF", "hot-tub") == [house.commands[0].at]


# --- 4: derived, never replayed --------------------------------------------------------------------------------------


def test_nothing_is_sent_while_the_broker_is_away_and_what_is_needed_when_it_is_back() -> None:
    """Not what was queued: what the house needs now."""
    house = VirtualHouse()
    house.broker.goes_away()
    house.contact.open()
    house.wait(30.0)
    assert house.commands == []
    assert house.owed() == []
    house.broker.comes_back()
    assert house.offs() == ALL_OF_IT
    house.wait(1.0)
    assert house.state.state == "standby"


def test_an_outage_that_ended_before_the_broker_was_back_moves_nothing() -> None:
    """A stale OFF would darken a house on utility."""
    house = VirtualHouse()
    house.broker.goes_away()
    house.contact.open()
    house.wait(30.0)
    house.contact.close()
    house.wait(30.0)
    house.broker.comes_back()
    house.wait(60.0)
    assert house.commands == []
    assert house.state.state == "utility"


def test_a_reconnection_repeats_unconfirmed_commands() -> None:
    """What is confirmed is left in peace."""
    house = VirtualHouse()
    house.breaker("hot-tub").has(silent=True)
    house.contact.open()
    house.wait(1.0)
    house.broker.goes_away()
    house.commands.clear()
    house.broker.comes_back()
    house.wait(1.0)
    assert house.offs() == ["hot-tub"]


EXPIRIES = ((5.0, 5), (0.5, 1), (7.9, 7))


@pytest.mark.parametrize(("confirm_s", "expires_s"), EXPIRIES)
def test_a_command_expires_when_its_next_try_is_due(confirm_s: float, expires_s: int) -> None:
    """In whole seconds, and never less than one."""
    house = VirtualHouse(settings=EngineSettings(retry=RetryPolicy(confirm_s=confirm_s)))
    house.contact.open()
    house.wait(0.2)
    assert {one.expires_s for one in house.commands} == {expires_s}


# --- 6: after a stall ------------------------------------------------------------------------------------------------


def test_a_bounce_slept_through_is_no_outage() -> None:
    """Both edges are read late, with the times at which they happened."""
    house = VirtualHouse()
    house.contact.will(be_open=True, in_s=1.0)
    house.contact.will(be_open=False, in_s=1.05)
    house.stall(60.0)
    house.wait(60.0)
    assert house.commands == []
    assert house.disk.outages == {}


def test_an_outage_slept_through_is_in_the_log_and_moves_nothing() -> None:
    """States are played through in order; commands are computed once, from the state after the last."""
    house = VirtualHouse()
    house.contact.will(be_open=True, in_s=1.0)
    house.contact.will(be_open=False, in_s=31.0)
    house.stall(60.0)
    house.wait(60.0)
    assert house.commands == []
    (outage,) = house.disk.outages.values()
    assert outage.ended is not None
    assert outage.ended.mono - outage.began.mono == pytest.approx(30.0)


def test_a_stall_does_not_end_in_a_burst() -> None:
    """Ten tries slept through are one."""
    house = VirtualHouse()
    house.breaker("hot-tub").has(silent=True)
    house.contact.open()
    house.wait(1.0)
    house.commands.clear()
    house.stall(50.0)
    assert house.offs() == ["hot-tub"]
    house.wait(4.0)
    assert house.offs() == ["hot-tub"]


def test_what_is_said_of_a_circuit_the_file_does_not_have_changes_nothing() -> None:
    """Neither a report nor an availability."""
    house, sauna = VirtualHouse(), CircuitId("sauna")
    before = house.state
    house.happens(ev.BreakerReported(house.mono, sauna, ON), ev.AvailabilityReported(house.mono, sauna, online=True))
    assert house.state == before
    assert house.engine.circuit_view(sauna) is None
