"""What is believed of a breaker: push is the present, REST is a cache, a command proves nothing."""

from __future__ import annotations

from clients.leviton.belief import AGREE_AFTER_S, FRESH_AFTER_S, BeliefChange, BreakerBelief
from rules.panel import Position

ON = {"currentState": "ManualON", "remoteState": "RemoteON"}
OFF = {"currentState": "ManualON", "remoteState": "RemoteOFF"}
ALIVE = 100.0
FRESH = ALIVE + FRESH_AFTER_S


def known_on() -> BreakerBelief:
    """Return a breaker that was read as on."""
    belief = BreakerBelief()
    assert belief.read(ON, FRESH, ALIVE) == BeliefChange(Position.ON)
    return belief


def test_off_by_rest_counts_only_after_the_hub_has_reported() -> None:
    """Before, the cache may be hours old."""
    belief = BreakerBelief()
    assert belief.read(OFF, 90.0, None) == BeliefChange(ask_again=True)
    assert belief.read(OFF, FRESH - 1.0, ALIVE) == BeliefChange(ask_again=True)
    assert belief.position is None
    assert belief.read(OFF, FRESH, ALIVE) == BeliefChange(Position.OFF)


def test_one_reading_that_differs_changes_nothing() -> None:
    """A wrong answer of REST occurs after an OFF."""
    belief = known_on()
    belief.pushed({"remoteState": "RemoteOFF"}, FRESH + 1.0)
    assert belief.read(ON, FRESH + 20.0, ALIVE) == BeliefChange(ask_again=True)
    assert belief.position is Position.OFF
    assert belief.read(OFF, FRESH + 21.0, ALIVE) == BeliefChange(Position.OFF)


def test_a_second_reading_that_agrees_counts() -> None:
    """Push may have lost the change."""
    belief = known_on()
    assert belief.read(OFF, FRESH + 20.0, ALIVE).report is None
    assert belief.read(OFF, FRESH + 20.0 + AGREE_AFTER_S - 0.1, ALIVE).report is None
    assert belief.read(OFF, FRESH + 20.0 + AGREE_AFTER_S, ALIVE).report is Position.OFF


def test_the_awaited_position_counts_at_once() -> None:
    """It is the answer to our command."""
    assert known_on().read(OFF, FRESH + 1.0, ALIVE, awaited=Position.OFF) == BeliefChange(Position.OFF)


def test_an_answer_older_than_a_notification_does_not_overwrite_it() -> None:
    """The request was sent before the breaker moved."""
    belief = known_on()
    belief.pushed({"remoteState": "RemoteOFF"}, FRESH + 2.0)
    assert belief.read(ON, FRESH + 1.0, ALIVE) == BeliefChange(Position.OFF)


def test_null_in_a_notification_is_no_word() -> None:
    """It does not make the position unknown, nor on."""
    belief = known_on()
    belief.pushed({"remoteState": "RemoteOFF"}, FRESH + 1.0)
    assert belief.pushed({"remoteState": None, "power": 3}, FRESH + 2.0) == BeliefChange()
    assert belief.position is Position.OFF


def test_an_off_pushed_right_after_our_on_is_asked_for_again() -> None:
    """It may be older than the command."""
    belief = known_on()
    belief.command_sent(FRESH + 1.0, on=True)
    assert belief.pushed({"remoteState": "RemoteOFF"}, FRESH + 2.0) == BeliefChange(ask_again=True)
    assert belief.position is Position.ON


def test_an_echo_changes_nothing() -> None:
    """The cloud repeats our command to us."""
    belief = known_on()
    assert belief.pushed({"remoteTrip": True}, FRESH + 1.0) == BeliefChange()
    assert belief.position is Position.ON


def test_power_is_the_sum_of_both_poles_and_comes_from_push_only() -> None:
    """REST has zeros that mean nothing."""
    belief = BreakerBelief(poles=2)
    belief.read({**ON, "currentState2": "ManualON", "power": 0, "power2": 0}, FRESH, ALIVE)
    unknown = belief.power_w
    belief.pushed({"power": 1200}, FRESH + 1.0)
    belief.pushed({"power2": -1300}, FRESH + 2.0)
    assert (unknown, belief.power_w, belief.power_at) == (None, 2500.0, FRESH + 2.0)


def test_nothing_of_an_earlier_connection_is_remembered() -> None:
    """What happened between two connections is unknown."""
    belief = known_on()
    belief.forget()
    assert (belief.position, belief.words(), belief.power_w) == (None, {}, None)
