"""The few things a person must know at once."""

from __future__ import annotations

import pytest

from controller.core.alarms import Alarm, AlarmBook
from rules.panel import CircuitId

TUB, DRYER = CircuitId("hot-tub"), CircuitId("dryer")


@pytest.mark.parametrize("alarm", Alarm)
def test_each_alarm_says_what_it_means_and_what_to_do(alarm: Alarm) -> None:
    """With what it is about in the sentence."""
    book = AlarmBook()
    book.put(alarm, 5.0, " (why)", (TUB,))
    (view,) = book
    assert (view.id, view.since) == (alarm.value, 5.0)
    assert view.means
    assert view.do
    assert "{" not in view.means


def test_an_alarm_keeps_the_moment_it_was_raised_at() -> None:
    """What it is about may change meanwhile; the same again is no news."""
    book = AlarmBook()
    assert book.put(Alarm.OWED, 5.0, circuits=(TUB,))
    book.changed.clear()
    assert not book.put(Alarm.OWED, 6.0, circuits=(TUB,))
    assert book.changed == set()
    assert not book.put(Alarm.OWED, 7.0, circuits=(DRYER, TUB))
    view = book.get("owed")
    assert view is not None
    assert (view.since, view.circuits) == (5.0, (DRYER, TUB))
    assert book.changed == {"owed"}


def test_an_alarm_is_cleared_once() -> None:
    """What does not stand has nothing to clear."""
    book = AlarmBook()
    book.put(Alarm.OWED, 5.0)
    view = book.get("owed")
    assert (view is not None, book.clear(Alarm.OWED), book.clear(Alarm.OWED)) == (True, view, None)
    assert book.get("owed") is None
