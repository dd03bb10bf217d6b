"""Random nights in the virtual house, some hundreds of them; `python -m tests.virtual.nights N` plays more."""

from __future__ import annotations

import pytest

from tests.virtual.nights import campaign, play

NIGHTS = 400
BATCH = 50


@pytest.mark.parametrize("first", range(0, NIGHTS, BATCH))
def test_no_night_breaks_what_must_never_happen(first: int) -> None:
    """Whatever fails, in whatever order, each invariant holds at each turn, and in the end all is well or named."""
    failed = campaign(range(first, first + BATCH)).failed
    assert not failed, "\n".join(
        f"{why}\n  again: python -m tests.virtual.nights --seed {seed}" for seed, why in failed
    )


def test_the_same_number_is_the_same_night() -> None:
    """A failing night can be replayed."""
    assert play(11) == play(11)


def test_the_nights_exercise_every_invariant_and_every_fault() -> None:
    """An invariant that nothing ever touched proves nothing."""
    told = campaign(range(60))
    assert len(told.guards) >= 13
    assert min(told.guards.values()) > 0
    assert len(told.faults) >= 26
