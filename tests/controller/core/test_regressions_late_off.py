"""What random nights found of commands that cross in a slow hub, each with its story in a sentence."""

from __future__ import annotations

from controller.core import events as ev
from rules.panel import Position
from tests.controller.core.test_regressions import TUB, engine, house, owed


def test_a_late_answer_to_our_own_on_is_no_hand() -> None:
    """An ON and an OFF crossed in a slow hub: the ON was taken for a manual override, then the OFF took effect."""
    made = house()
    made.contact(is_open=True)
    made.run(5.0)
    made.devices[TUB].slow_s = 20.0
    made.contact(is_open=False)
    made.run(10.3)  # our ON is on its way
    made.run(7.0)
    made.contact(is_open=True)
    made.run(0.2)  # and our OFF behind it
    made.says_again(TUB)  # off, as it was: it answers neither
    made.run(30.0)
    assert not engine(made).state_view().taken_over
    assert owed(made) == (TUB,)
    made.devices[TUB].slow_s = 0.0
    made.run(60.0)
    made.contact(is_open=False)
    made.run(200.0)
    assert made.devices[TUB].position is Position.ON
    assert owed(made) == ()


def test_a_manual_override_counts_again_a_minute_after_the_last_on_command() -> None:
    """What may be a late answer of ours may be so for a minute, and no longer."""
    made = house()
    made.contact(is_open=True)
    made.run(5.0)
    made.contact(is_open=False)
    made.run(11.0)
    made.contact(is_open=True)
    made.run(30.0)
    made.hand(TUB, Position.ON)
    made.run(10.0)
    assert made.devices[TUB].position is Position.OFF
    made.run(25.0)
    made.hand(TUB, Position.ON)
    made.run(10.0)
    assert made.devices[TUB].position is Position.ON
    assert engine(made).state_view().taken_over == (TUB,)


def test_an_off_that_was_off_already_confirms_no_off_of_ours() -> None:
    """Shed again after an old retained report, it reported `off` and was switched on by hand; the OFF came last."""
    made = house()
    made.contact(is_open=True)
    made.run(5.0)
    made.devices[TUB].slow_s = 8.0
    made.program.inbox.append(lambda now: ev.BreakerReported(now, TUB, Position.ON, retained=True))
    made.run(0.1)
    assert made.program.facts[TUB].off_at > made.at - 1.0
    made.says_again(TUB)
    made.contact(is_open=False)
    made.run(1.0)
    made.hand(TUB, Position.ON)
    made.run(10.0)  # invariant 5 is held at each turn
    made.devices[TUB].slow_s = 0.0
    made.run(200.0)
    assert made.devices[TUB].position is Position.ON
    assert owed(made) == ()


def test_what_left_before_a_restart_may_take_effect_after_it() -> None:
    """An ON and an OFF were in flight as the program died; the ON ended the shed record, and the OFF came after it."""
    made = house()
    made.contact(is_open=True)
    made.run(5.0)
    made.devices[TUB].slow_s = 8.0
    made.contact(is_open=False)
    made.run(10.3)
    made.contact(is_open=True)
    made.run(5.0)
    made.crash(0.5)
    made.contact(is_open=False)
    made.run(15.0)  # invariant 5 is held at each turn
    made.devices[TUB].slow_s = 0.0
    made.run(300.0)
    assert made.devices[TUB].position is Position.ON
    assert owed(made) == ()


def test_an_off_by_hand_between_our_on_and_our_off_confirms_neither() -> None:
    """Both still lay in the hub: the ON paid for what the hand had done, and then the OFF took effect."""
    made = house(utility_stable_s=0.0)
    made.contact(is_open=True)
    made.run(5.0)
    made.devices[TUB].slow_s = 20.0
    made.contact(is_open=False)
    made.run(1.0)
    made.hand(TUB, Position.ON)
    made.run(1.0)
    made.contact(is_open=True)
    made.run(1.0)
    made.hand(TUB, Position.OFF)
    made.run(1.0)
    made.contact(is_open=False)
    made.run(25.0)  # invariant 5 is held at each turn
    made.devices[TUB].slow_s = 0.0
    made.run(300.0)
    assert made.devices[TUB].position is Position.ON
    assert owed(made) == ()
