"""A contact that chatters has a fault in its wiring."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.chatter import FAULT_BOUNCES, STEPS, WINDOW_S, ChatterDetector


def bounced(*times: float) -> ChatterDetector:
    """Return what has followed these bounces."""
    one = ChatterDetector()
    for at in times:
        one.bounced(at)
    return one


def each(seconds: float, times: int) -> tuple[float, ...]:
    """Return this number of times, this far apart, from 0 on."""
    return tuple(number * seconds for number in range(times))


FAULTS = (
    # bounces, reported at, lower bound
    ((), 0.0, None),
    (each(60.0, 9), 540.0, None),
    (each(60.0, 10), 540.0, 10),
    (each(60.0, 19), 1140.0, 10),
    (each(60.0, 20), 1140.0, 20),
    (each(0.01, 500), 5.0, None),  # one burst each second: a relay that hums for five
    (each(1.0, 70), 70.0, 50),
    (each(2.0, 3000), 6000.0, 1000),
    (each(400.0, 40), 15_600.0, None),  # never ten in one hour
)


@pytest.mark.parametrize(("bounces", "at", "fault"), FAULTS)
def test_ten_bursts_within_an_hour_are_a_fault(bounces: tuple[float, ...], at: float, fault: int | None) -> None:
    """Bounces within a second are one burst; the number is reported in steps."""
    assert bounced(*bounces).fault(at) == fault


def test_a_contact_that_moves_may_bounce_on_its_way() -> None:
    """Each weekly exercise bounces twice, and no wire is loose."""
    one = ChatterDetector()
    for week in each(100.0, 30):
        one.bounced(week)
        one.bounced(week + 0.02)
        one.settled(week + 0.1)
    assert one.fault(3000.0) is None
    one.settled(3001.0)
    one = bounced(*each(60.0, 10))
    one.settled(541.0)  # the last bounce is a whole second ago: it was none of this movement's
    assert one.fault(541.0) == 10


def test_a_fault_stands_until_an_hour_has_been_quiet_and_says_its_worst() -> None:
    """It is not cleared and raised again with every bounce that leaves the window."""
    one = bounced(*each(60.0, 25))
    assert one.deadline() is None
    assert (one.fault(1440.0), one.deadline()) == (20, 1440.0 + WINDOW_S)
    assert one.fault(1440.0 + WINDOW_S - 1.0) == 20
    assert (one.fault(1440.0 + WINDOW_S), one.deadline()) == (None, None)
    one.bounced(9000.0)
    assert one.fault(9000.0) is None


def test_a_contact_that_chatters_for_ever_takes_no_more_memory() -> None:
    """More than a thousand within an hour add nothing."""
    one = bounced(*each(1.0, 3000))
    assert one.fault(3000.0) == STEPS[-1]
    assert len(one._bursts) == STEPS[-1]


@given(st.lists(st.floats(0.0, 20_000.0), max_size=200))
def test_the_deadline_of_a_fault_always_ends_it(times: list[float]) -> None:
    """No rounding may leave a deadline that has come and changes nothing."""
    one = bounced(*sorted(times))
    fault = one.fault(max(times, default=0.0))
    assert fault is None or fault in STEPS
    assert (one.deadline() is None) == (fault is None)
    if (deadline := one.deadline()) is not None:
        assert len(times) >= FAULT_BOUNCES
        assert one.fault(deadline) is None
