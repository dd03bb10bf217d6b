"""Restoring: what comes back, when, and what stays off."""

from __future__ import annotations

import pytest

from controller.core import events as ev
from controller.core.engine import EngineSettings
from rules.panel import Position, Restore
from tests.virtual_house import VirtualHouse, circuit, pauses
from tests.virtual_house_parts import LATENCY_S

ON, OFF, TRIPPED = Position.ON, Position.OFF, Position.TRIPPED
IN_TURN = ["well-pump", "dryer", "hot-tub", "ev-charger"]


def shed(*circuits: object) -> VirtualHouse:
    """Return a house on standby, everything confirmed off."""
    house = VirtualHouse(*circuits)  # type: ignore[arg-type]
    house.contact.open()
    house.wait(60.0)
    return house


def given_back(house: VirtualHouse, seconds: float = 120.0) -> None:
    """Let utility return, and everything have its time."""
    house.contact.close()
    house.wait(seconds)


# --- 1: what comes back ----------------------------------------------------------------------------------------------


def test_what_was_on_comes_back_and_the_outage_is_closed() -> None:
    """Each circuit is on again, nothing is owed, and the log says when the contact closed."""
    house = VirtualHouse()
    house.outage(minutes=10)
    assert house.ons() == IN_TURN
    assert all(house.breaker(name).position is ON for name in IN_TURN)
    assert (house.state.state, house.state.owed, house.state.outage) == ("utility", (), None)
    (outage,) = house.disk.outages.values()
    assert outage.ended is not None
    assert (outage.stage, outage.transfers) == ("closed", 1)
    assert outage.ended.mono - outage.began.mono == pytest.approx(600.0)
    assert {row.end for row in house.disk.histories.values()} == {"restored"}


def test_a_breaker_that_was_off_stays_off() -> None:
    """Normal operating state is not the same as on."""
    house = VirtualHouse()
    house.breaker("hot-tub").turn_off_by_hand()
    house.outage(minutes=10)
    assert house.breaker("hot-tub").position is OFF
    assert "hot-tub" not in house.ons()


def test_a_breaker_that_was_off_and_was_shed_for_want_of_news_stays_off() -> None:
    """Disk and broker say off before; a device that reports on in the transfer is shed, and before is unknown then."""
    house = VirtualHouse()
    house.breaker("hot-tub").turn_off_by_hand()
    house.contact.open()
    house.wait(10.0)
    house.breaker("hot-tub").loses_power()
    house.breaker("hot-tub").gets_power()
    house.wait(10.0)
    given_back(house)
    assert house.breaker("hot-tub").position is OFF
    assert house.owed() == []


def test_what_is_off_by_our_off_though_it_was_off_before_is_left_off() -> None:
    """An unheard circuit is shed; the disk has it as off: nothing is owed once utility is stable."""
    house = VirtualHouse()
    house.breaker("hot-tub").turn_off_by_hand()
    house.crash()
    house.contact.is_open = True
    house.broker.remembers("hot-tub", "ON")
    house.start(rebooted=True)
    house.wait(30.0)
    assert "hot-tub" in house.offs()
    given_back(house)
    assert "hot-tub" not in house.ons()


def test_a_trip_ends_the_shed_record() -> None:
    """The circuit is left to the user from then on, at any time."""
    house = shed()
    house.contact.close()
    house.wait(5.0)
    house.breaker("hot-tub").trip()
    house.wait(120.0)
    assert "hot-tub" not in house.ons()
    assert house.owed() == []
    assert "reset" in house.view("hot-tub").why or "tripped" in house.view("hot-tub").why


def test_what_is_on_hold_stays_as_it_is() -> None:
    """It stays owed until the user decides otherwise."""
    house = shed()
    house.ask("hold", "hot-tub", by="Ann")
    given_back(house)
    assert "hot-tub" not in house.ons()
    assert house.owed() == ["hot-tub"]
    assert house.state.state == "utility"


# --- 2: one at a time ------------------------------------------------------------------------------------------------


def test_they_come_back_one_at_a_time_rank_1_first_a_stagger_apart() -> None:
    """None before utility has been unbroken for `utility_stable_s`."""
    house = shed()
    closed = house.now
    given_back(house)
    assert [(round(one.at - closed, 3), one.circuit) for one in house.commands if one.word == "ON"] == [
        (10.1, "well-pump"),
        (15.1, "dryer"),
        (20.1, "hot-tub"),
        (25.1, "ev-charger"),
    ]


def test_a_compressor_rests_and_lets_the_next_go_first() -> None:
    """It is not settled until then: the outage does not end before it is restored."""
    house = VirtualHouse(circuit("heat-pump", rank=1, min_off_s=300.0), circuit("dryer", rank=9))
    house.contact.open()
    house.wait(10.0)
    off = house.times("OFF", "heat-pump")[0]
    given_back(house, 30.0)
    assert house.ons() == ["dryer"]
    assert house.state.state == "restoring"
    house.wait(300.0)
    assert house.times("ON", "heat-pump")[0] - off == pytest.approx(300.0 + 2 * LATENCY_S)
    assert house.state.state == "utility"


def test_a_compressors_rest_is_counted_from_the_start_where_the_machine_booted_between() -> None:
    """It is unknown how long the machine was down."""
    house = VirtualHouse(circuit("heat-pump", min_off_s=300.0))
    house.contact.open()
    house.wait(400.0)
    house.restart(5.0, rebooted=True)
    started = house.now
    given_back(house, 400.0)
    assert house.times("ON", "heat-pump")[0] - started == pytest.approx(300.0, abs=1.0)


def test_a_silent_circuit_on_its_way_back_holds_up_no_other() -> None:
    """Each first try comes before anybody's second."""
    house = shed()
    house.breaker("well-pump").has(silent=True)
    given_back(house, 40.0)
    assert house.ons()[:4] == IN_TURN


def test_a_stall_brings_no_burst_of_ons() -> None:
    """Two never leave nearer than the stagger, in real time."""
    house = shed()
    house.contact.close()
    house.stall(60.0)
    house.wait(60.0)
    times = [one.at for one in house.commands if one.word == "ON"]
    assert min(pauses(times)) >= 5.0


def test_a_stall_between_deciding_and_sending_counts_from_the_sending() -> None:
    """The stagger is kept between the moments at which the commands really left."""
    house = shed()
    house.contact.close()
    house.wait(10.05)
    house.sending_s = 3.0
    house.wait(0.1)
    house.sending_s = 0.0
    assert house.ons() == ["well-pump"]
    house.wait(60.0)
    assert min(pauses([one.at for one in house.commands if one.word == "ON"])) >= 5.0


def test_a_restart_between_two_ons_keeps_the_stagger() -> None:
    """Our last ON may have left a moment before the crash."""
    house = shed()
    house.contact.close()
    house.wait(15.2)
    assert house.ons() == IN_TURN[:2]
    house.restart(0.1)
    house.wait(120.0)
    times = [one.at for one in house.commands if one.word == "ON"]
    assert min(pauses(times)) >= 5.0
    assert house.ons() == IN_TURN


# --- 3: auto, ask, never ---------------------------------------------------------------------------------------------


def test_ask_waits_for_a_request_and_never_stays_off() -> None:
    """Both are said, each with whose word keeps it off, and both are owed."""
    house = shed(circuit("oven", restore=Restore.ASK), circuit("sauna", restore=Restore.NEVER))
    given_back(house)
    assert house.ons() == []
    assert house.state.state == "utility"
    alarm = house.alarm("off-awaiting-user")
    assert alarm is not None
    assert alarm.circuits == ("oven", "sauna")
    assert "Oven, space 1 (waits for a user request); Sauna, space 1 (restore is never)" in alarm.message
    assert house.alarm("not-restored") is None
    assert "waits for a restore request" in house.view("oven").why
    assert house.ask("restore", "oven").ok
    house.wait(10.0)
    assert house.ons() == ["oven"]
    alarm = house.alarm("off-awaiting-user")
    assert alarm is not None
    assert alarm.circuits == ("sauna",)


# --- 4: what is under way --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("says_on", [False, True])
def test_an_off_in_flight_when_utility_returns_is_owed_and_restored(says_on: bool) -> None:
    """A slow device goes off after the contact has closed, although it reported on in between."""
    house = VirtualHouse(circuit("hot-tub"))
    house.breaker("hot-tub").has(slow_s=30.0)
    house.contact.open()
    house.wait(2.0)
    house.contact.close()
    house.wait(5.0)
    if says_on:
        house.breaker("hot-tub").says("ON")
    house.wait(24.0)
    assert house.breaker("hot-tub").position is OFF
    house.wait(90.0)
    assert house.breaker("hot-tub").position is ON
    assert house.owed() == []


def test_an_off_that_takes_effect_no_more_is_owed_no_more() -> None:
    """After a minute on, the slowest device has had its time."""
    house = VirtualHouse(circuit("hot-tub"))
    house.breaker("hot-tub").has(silent=True)
    house.contact.open()
    house.wait(2.0)
    house.contact.close()
    house.wait(1.0)
    house.breaker("hot-tub").has()
    house.breaker("hot-tub").says("ON")
    house.wait(50.0)
    assert (house.owed(), house.state.late_off_watch) == ([], ("hot-tub",))
    house.wait(20.0)
    assert (house.state.late_off_watch, house.ons()) == ((), [])


def test_an_on_under_way_when_the_contact_opens_is_answered_by_off() -> None:
    """What was switched on a moment ago may still come on, on the generator."""
    house = VirtualHouse(circuit("hot-tub"))
    house.contact.open()
    house.wait(10.0)
    house.breaker("hot-tub").has(slow_s=3.0)
    house.contact.close()
    house.wait(10.2)
    assert house.ons() == ["hot-tub"]
    house.commands.clear()
    house.contact.open()
    house.wait(0.2)
    assert house.offs() == ["hot-tub"]
    house.wait(60.0)
    assert house.breaker("hot-tub").position is OFF
    assert house.state.state == "standby"


def test_an_outage_that_comes_back_while_restoring_is_the_same_one() -> None:
    """Its transfers count the openings; what was back is shed again, and `before` stands."""
    house = shed()
    house.contact.close()
    house.wait(16.0)
    house.contact.open()
    house.wait(30.0)
    assert house.state.state == "standby"
    given_back(house)
    (outage,) = house.disk.outages.values()
    assert (outage.transfers, outage.stage) == (2, "closed")
    assert all(house.breaker(name).position is ON for name in IN_TURN)


# --- 5: confirmed by the report alone --------------------------------------------------------------------------------


def test_an_unacknowledged_on_is_attempted_three_times_then_raises_an_alarm() -> None:
    """The state becomes utility, and the circuit stays owed."""
    house = shed(circuit("hot-tub"), circuit("dryer"))
    house.breaker("hot-tub").has(silent=True)
    given_back(house, 60.0)
    assert len(house.times("ON", "hot-tub")) == 3
    assert (house.state.state, house.owed()) == ("utility", ["hot-tub"])
    alarm = house.alarm("breaker-no-response")
    assert alarm is not None
    assert alarm.circuits == ("hot-tub",)
    house.wait(3600.0)
    assert len(house.times("ON", "hot-tub")) == 3


def test_it_is_tried_again_when_the_device_shows_life_also_on_utility() -> None:
    """By the same rules and pace. The shed record ends with its report."""
    house = shed(circuit("hot-tub"))
    house.breaker("hot-tub").has(silent=True)
    given_back(house, 600.0)
    house.breaker("hot-tub").has()
    house.breaker("hot-tub").says("offline", "availability")
    house.breaker("hot-tub").says("online", "availability")
    house.wait(10.0)
    assert house.breaker("hot-tub").position is ON
    assert (house.state.owed, house.alarm("not-restored"), house.alarm("breaker-no-response")) == ((), None, None)


def test_a_repeated_report_is_a_sign_of_life_too() -> None:
    """Many never write that they are there; their next report, long after the third try, is all that will come."""
    house = shed(circuit("hot-tub"))
    house.breaker("hot-tub").has(silent=True)
    given_back(house, 600.0)
    house.breaker("hot-tub").has()
    house.breaker("hot-tub").says("OFF")
    house.wait(10.0)
    assert house.breaker("hot-tub").position is ON
    assert house.owed() == []


@pytest.mark.parametrize("after_s", [0.5, 4.9])
def test_it_is_tried_again_when_it_comes_back_at_once_after_the_third_try(after_s: float) -> None:
    """It was away, so it has heard none of them: that is no refusal, and nothing else may come from it for hours."""
    house = shed(circuit("hot-tub"))
    house.breaker("hot-tub").says("offline", "availability")
    house.breaker("hot-tub").has(silent=True)
    house.contact.close()
    house.wait(20.0 + after_s)
    assert len(house.times("ON", "hot-tub")) == 3
    house.breaker("hot-tub").has()
    house.breaker("hot-tub").says("online", "availability")
    house.breaker("hot-tub").says("OFF")
    house.wait(10.0)
    assert house.breaker("hot-tub").position is ON
    assert house.owed() == []


def test_it_is_tried_again_when_the_broker_comes_back_at_once_after_the_third_try() -> None:
    """It is unknown whether the old process's commands arrived; the device only repeats its position."""
    house = shed(circuit("hot-tub"))
    house.breaker("hot-tub").has(silent=True)
    house.contact.close()
    house.wait(21.0)
    assert len(house.times("ON", "hot-tub")) == 3
    house.breaker("hot-tub").has()
    house.broker.goes_away()
    house.wait(1.0)
    house.broker.comes_back()
    house.wait(30.0)
    assert house.breaker("hot-tub").position is ON
    assert house.owed() == []


def test_a_device_that_came_back_while_we_were_away_is_tried_again() -> None:
    """The broker remembers that it is there; when we last heard, it was not."""
    house = shed(circuit("hot-tub"))
    house.breaker("hot-tub").has(silent=True)
    given_back(house, 600.0)
    house.breaker("hot-tub").says("offline", "availability")
    house.breaker("hot-tub").has()
    house.wait(60.0)
    assert house.owed() == ["hot-tub"]
    house.broker.drops_us()
    house.wait(10.0)
    assert house.breaker("hot-tub").position is ON
    assert house.owed() == []


def test_a_circuit_owed_from_the_last_outage_is_restored_after_the_next() -> None:
    """With the `before` it had in the first."""
    house = shed(circuit("hot-tub"), circuit("dryer"))
    house.breaker("hot-tub").has(silent=True)
    given_back(house, 60.0)
    house.contact.open()
    house.wait(30.0)
    assert (house.state.shed, house.state.owed) == (("dryer",), ("hot-tub", "dryer"))
    house.breaker("hot-tub").has()
    given_back(house)
    assert house.breaker("hot-tub").position is ON
    assert house.owed() == []


def test_a_circuit_that_comes_on_by_itself_on_utility_is_paid() -> None:
    """By hand or by the device: the shed record ends and no command is sent."""
    house = shed(circuit("hot-tub", restore=Restore.ASK))
    given_back(house, 60.0)
    house.breaker("hot-tub").turn_on_by_hand()
    house.wait(10.0)
    assert house.owed() == house.ons() == []


# --- utility that comes and goes -------------------------------------------------------------------------------------


def test_utility_must_be_unbroken_before_anything_comes_back() -> None:
    """A bounce restarts the wait."""
    house = shed()
    house.contact.close()
    house.wait(8.0)
    house.contact.open()
    house.wait(0.05)
    house.contact.close()
    house.wait(9.9)
    assert house.ons() == []
    house.wait(0.3)
    assert house.ons() == ["well-pump"]


def test_an_unsettled_edge_stops_the_ons_at_once() -> None:
    """Before it has settled; and a bounce restarts the wait."""
    house = shed()
    house.contact.close()
    house.wait(15.09)
    house.contact.open()
    house.wait(0.05)
    assert house.ons() == ["well-pump"]
    house.contact.close()
    house.wait(9.0)
    assert house.ons() == ["well-pump"]
    house.wait(30.0)
    assert house.ons() == IN_TURN


def test_a_contact_that_flaps_doubles_the_wait() -> None:
    """Three openings within ten minutes: 20 s; the fourth: 40 s."""
    house = VirtualHouse(circuit("hot-tub"))
    for wait_s in (10.0, 10.0, 20.0, 40.0):
        house.contact.open()
        house.wait(30.0)
        closed = house.now
        house.contact.close()
        house.wait(wait_s + 30.0)
        assert house.times("ON", "hot-tub")[-1] - closed == pytest.approx(wait_s + 0.1)


def test_settings_say_how_long() -> None:
    """Stable wait and stagger are the installer's."""
    house = VirtualHouse(settings=EngineSettings(utility_stable_s=60.0, stagger_s=1.0))
    house.contact.open()
    house.wait(10.0)
    closed = house.now
    given_back(house)
    assert [round(one.at - closed, 1) for one in house.commands if one.word == "ON"] == [60.1, 61.1, 62.1, 63.1]


# --- another controller of this site ---------------------------------------------------------------------------------


def test_nothing_is_restored_while_another_controller_reports_standby() -> None:
    """It would send OFF again. Shedding goes on, and everything is restored when the other one is gone."""
    house = VirtualHouse()
    house.happens(ev.OtherControllerChanged(house.mono, on_standby=True))
    house.contact.open()
    house.wait(60.0)
    assert all(house.breaker(name).position is OFF for name in IN_TURN)
    given_back(house)
    assert house.ons() == []
    assert sorted(house.owed()) == sorted(IN_TURN)
    house.happens(ev.OtherControllerChanged(house.mono, on_standby=False))
    house.wait(60.0)
    assert house.ons() == IN_TURN
    assert house.state.state == "utility"


def test_a_user_request_is_executed_while_another_controller_reports_standby() -> None:
    """The user sees the house."""
    house = shed()
    house.happens(ev.OtherControllerChanged(house.mono, on_standby=True))
    given_back(house)
    house.ask("on", "dryer")
    house.wait(5.0)
    assert house.ons() == ["dryer"]
