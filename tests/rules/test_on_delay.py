"""A blink is no news; what lasts is."""

from __future__ import annotations

from rules.on_delay import OnDelay
from rules.panel import CircuitId

TUB, DRYER, FRIDGE = CircuitId("hot-tub"), CircuitId("dryer"), CircuitId("fridge")


def test_what_holds_for_long_enough_is_said_with_the_moment_it_began() -> None:
    """Not a moment sooner; and it stays said while it holds."""
    one = OnDelay(10.0)
    one.set(TUB, 100.0, holds=True)
    assert (one.on_deadline(109.9), one.active, one.deadline()) == (False, {}, 110.0)
    one.set(TUB, 109.9, holds=True)
    assert (one.on_deadline(110.0), one.active, one.deadline()) == (True, {TUB: 100.0}, None)
    one.set(TUB, 111.0, holds=True)
    assert (one.on_deadline(500.0), one.active) == (False, {TUB: 100.0})


def test_a_blink_restarts_the_delay() -> None:
    """Whether it had been said or not."""
    one = OnDelay(10.0)
    one.set(TUB, 100.0, holds=True)
    one.set(TUB, 105.0, holds=False)
    one.set(TUB, 106.0, holds=True)
    assert (one.on_deadline(115.9), one.deadline()) == (False, 116.0)
    assert one.on_deadline(116.0)
    one.set(TUB, 117.0, holds=False)
    assert (one.active, one.deadline()) == ({}, None)


def test_each_circuit_has_a_time_of_its_own_and_the_earliest_is_the_deadline() -> None:
    """All that are due come at once after a stall."""
    one = OnDelay(10.0)
    for at, name in ((1.0, TUB), (2.0, DRYER), (9.0, FRIDGE)):
        one.set(name, at, holds=True)
    assert one.deadline() == 11.0
    assert one.on_deadline(12.0)
    assert (one.active, one.deadline()) == ({TUB: 1.0, DRYER: 2.0}, 19.0)


def test_a_circuit_that_left_the_file_is_nobodys_news() -> None:
    """Whether it waits or was said."""
    one = OnDelay(10.0)
    one.set(TUB, 0.0, holds=True)
    one.on_deadline(10.0)
    one.set(DRYER, 10.0, holds=True)
    one.set(FRIDGE, 11.0, holds=True)
    one.follow({FRIDGE}, 12.0)
    assert (one.active, one.deadline()) == ({}, 21.0)


def test_every_delay_restarts_or_is_cleared() -> None:
    """After a power gap that explains it all; and when the condition has changed its meaning."""
    one = OnDelay(10.0)
    one.set(TUB, 0.0, holds=True)
    one.on_deadline(10.0)
    one.set(DRYER, 12.0, holds=True)
    one.restart(15.0)
    assert (one.active, one.deadline()) == ({}, 25.0)
    one.on_deadline(25.0)
    assert one.active == {TUB: 15.0, DRYER: 15.0}
    one.set(FRIDGE, 26.0, holds=True)
    one.forget()
    assert (one.active, one.deadline()) == ({}, None)
