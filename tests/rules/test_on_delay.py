"""A blink is no news; what lasts is."""

from __future__ import annotations

from rules.on_delay import Lasting
from rules.panel import CircuitId

TUB, DRYER, FRIDGE = CircuitId("hot-tub"), CircuitId("dryer"), CircuitId("fridge")


def test_what_holds_for_long_enough_is_said_with_the_moment_it_began() -> None:
    """Not a moment sooner; and it stays said while it holds."""
    one = Lasting(10.0)
    one.mark(TUB, 100.0, holds=True)
    assert (one.due(109.9), one.long, one.deadline()) == (False, {}, 110.0)
    one.mark(TUB, 109.9, holds=True)
    assert (one.due(110.0), one.long, one.deadline()) == (True, {TUB: 100.0}, None)
    one.mark(TUB, 111.0, holds=True)
    assert (one.due(500.0), one.long) == (False, {TUB: 100.0})


def test_a_blink_begins_anew() -> None:
    """Whether it had been said or not."""
    one = Lasting(10.0)
    one.mark(TUB, 100.0, holds=True)
    one.mark(TUB, 105.0, holds=False)
    one.mark(TUB, 106.0, holds=True)
    assert (one.due(115.9), one.deadline()) == (False, 116.0)
    assert one.due(116.0)
    one.mark(TUB, 117.0, holds=False)
    assert (one.long, one.deadline()) == ({}, None)


def test_each_circuit_has_a_time_of_its_own_and_the_earliest_is_the_deadline() -> None:
    """All that are due come at once after a stall."""
    one = Lasting(10.0)
    for at, name in ((1.0, TUB), (2.0, DRYER), (9.0, FRIDGE)):
        one.mark(name, at, holds=True)
    assert one.deadline() == 11.0
    assert one.due(12.0)
    assert (one.long, one.deadline()) == ({TUB: 1.0, DRYER: 2.0}, 19.0)


def test_a_circuit_that_left_the_file_is_nobodys_news() -> None:
    """Whether it waits or was said."""
    one = Lasting(10.0)
    one.mark(TUB, 0.0, holds=True)
    one.due(10.0)
    one.mark(DRYER, 10.0, holds=True)
    one.mark(FRIDGE, 11.0, holds=True)
    one.follow({FRIDGE}, 12.0)
    assert (one.long, one.deadline()) == ({}, 21.0)


def test_everything_begins_anew_or_is_forgotten() -> None:
    """After a dark that explains it all; and where it has lost its meaning."""
    one = Lasting(10.0)
    one.mark(TUB, 0.0, holds=True)
    one.due(10.0)
    one.mark(DRYER, 12.0, holds=True)
    one.begin_anew(15.0)
    assert (one.long, one.deadline()) == ({}, 25.0)
    one.due(25.0)
    assert one.long == {TUB: 15.0, DRYER: 15.0}
    one.mark(FRIDGE, 26.0, holds=True)
    one.forget()
    assert (one.long, one.deadline()) == ({}, None)
