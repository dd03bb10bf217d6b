"""Times of several boots: in order, and subtracted only where the clocks allow it."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from controller.storage.boot_clocks import BootClocks, Elapsed, LoggedTime, RecordedBoot, elapsed, merged
from rules.boot_time import BootTime

EARLIER_S = 3300.0
NOON = 1_790_000_000.0


def boots(*rows: tuple[float, bool, float]) -> BootClocks:
    """Return boots a, b, c, … of offset, trust and last event; each was recorded from its second 10 on."""
    return BootClocks(
        [RecordedBoot("abcdefgh"[n], offset, trusted, 10.0, last) for n, (offset, trusted, last) in enumerate(rows)]
    )


def between(clocks: BootClocks, first: tuple[str, float], second: tuple[str, float]) -> Elapsed | None:
    """Return the time between two stored times."""
    return elapsed(clocks.when(BootTime(*first)), clocks.when(BootTime(*second)))


def test_a_clock_that_is_behind_after_a_boot_gives_a_lower_bound() -> None:
    """The outage began 100 s before the power cut, and ended 40 s after the second start: at least 140 s."""
    clocks = boots((NOON, True, 600.0), (NOON + 700.0 - EARLIER_S, False, 50.0))
    assert between(clocks, ("a", 500.0), ("b", 50.0)) == Elapsed(140.0, at_least=True)


def test_times_within_one_boot_are_exact_whatever_the_clock() -> None:
    """The monotonic clock needs no setting."""
    clocks = boots((NOON, False, 600.0))
    assert between(clocks, ("a", 500.0), ("a", 550.0)) == Elapsed(50.0)


def test_times_between_two_set_clocks_are_exact() -> None:
    """The machine was off for 700 - 600 s."""
    clocks = boots((NOON, True, 600.0), (NOON + 700.0, True, 50.0))
    assert between(clocks, ("a", 500.0), ("b", 50.0)) == Elapsed(250.0)


def test_two_set_clocks_that_contradict_each_other_give_a_lower_bound() -> None:
    """The later one counts for the time of day; no end stands before its beginning."""
    clocks = boots((NOON, True, 600.0), (NOON - EARLIER_S, True, 50.0))
    assert between(clocks, ("a", 500.0), ("b", 50.0)) == Elapsed(140.0, at_least=True)
    began, ended = clocks.when(BootTime("a", 500.0)), clocks.when(BootTime("b", 50.0))
    assert began.utc_s is not None
    assert ended.utc_s == NOON - EARLIER_S + 50.0
    assert (began.utc_s < ended.utc_s, began.trusted, ended.trusted) == (True, False, True)


def test_a_boot_nothing_is_known_about_gives_no_duration() -> None:
    """Its row was lost with another database."""
    clocks = boots((NOON, True, 600.0))
    assert clocks.when(BootTime("z", 5.0)) == LoggedTime(None, trusted=False, moment=BootTime("z", 5.0))
    assert between(clocks, ("a", 500.0), ("z", 5.0)) is None


def test_an_unset_clock_that_contradicts_nothing_is_left_as_it_is() -> None:
    """A clock module runs on without a network."""
    clocks = boots((NOON, True, 600.0), (NOON + 700.0, False, 50.0))
    assert clocks.when(BootTime("b", 50.0)).utc_s == NOON + 750.0


def test_boots_of_two_databases_have_one_order() -> None:
    """One was set aside: the other has the older boots."""
    assert merged(["c", "d"], ["a", "b", "c"]) == ("a", "b", "c", "d")
    assert merged(["a", "b", "c"], ["b"]) == ("a", "b", "c")
    assert merged([], ["a"]) == ("a",)


CLOCKS = st.lists(
    st.tuples(st.floats(0.0, 2e9), st.booleans(), st.floats(10.0, 1e6)),
    min_size=1,
    max_size=8,
)


@given(CLOCKS)
def test_no_event_stands_before_an_earlier_one(rows: list[tuple[float, bool, float]]) -> None:
    """Whatever the clocks say: neither in time of day nor as a negative duration."""
    clocks = boots(*rows)
    moments = [
        clocks.when(BootTime("abcdefgh"[n], at)) for n, (_, _, last) in enumerate(rows) for at in sorted((10.0, last))
    ]
    for first, second in pairwise(moments):
        assert first.utc_s is not None
        assert second.utc_s is not None
        assert second.utc_s >= first.utc_s - 2.0
        passed = elapsed(first, second)
        assert passed is not None
        assert passed.seconds >= 0.0
