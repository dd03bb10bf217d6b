"""Alarms: their texts, and when they are raised and cleared."""

from __future__ import annotations

import pytest

from controller.core.alarms import ActiveAlarms, Alarm, AlarmSubject
from rules.panel import CircuitId

TUB, DRYER = CircuitId("hot-tub"), CircuitId("dryer")


@pytest.mark.parametrize("alarm", Alarm)
def test_each_alarm_says_what_it_means_and_what_to_do(alarm: Alarm) -> None:
    """With what it is about in the sentence."""
    book = ActiveAlarms()
    book.set(alarm, 5.0, AlarmSubject(" (why)", (TUB,), ("Hot tub, space 1",)))
    (view,) = book
    assert (view.id, view.since) == (alarm.value, 5.0)
    assert view.message
    assert view.action
    assert "{" not in view.message + view.action


def test_an_alarm_keeps_the_moment_it_was_raised_at() -> None:
    """Its text may change; setting it unchanged reports no change."""
    book = ActiveAlarms()
    assert book.set(Alarm.NOT_RESTORED, 5.0, AlarmSubject(circuits=(TUB,)))
    book.take_changes()
    assert not book.set(Alarm.NOT_RESTORED, 6.0, AlarmSubject(circuits=(TUB,)))
    assert book.take_changes() == ()
    assert not book.set(Alarm.NOT_RESTORED, 7.0, AlarmSubject(circuits=(DRYER, TUB)))
    view = book.get("not-restored")
    assert view is not None
    assert (view.since, view.circuits) == (5.0, (DRYER, TUB))
    assert book.take_changes() == ("not-restored",)


def test_an_alarm_is_cleared_once() -> None:
    """What does not stand has nothing to clear."""
    book = ActiveAlarms()
    book.set(Alarm.NOT_RESTORED, 5.0, AlarmSubject())
    view = book.get("not-restored")
    assert (view is not None, book.clear(Alarm.NOT_RESTORED), book.clear(Alarm.NOT_RESTORED)) == (True, view, None)
    assert book.get("not-restored") is None
