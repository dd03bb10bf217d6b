"""A dozen random outages of real houses, within the time of the other tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.stress.plan import CONTACT_PLAYS, FAULTS, dice, draw
from tests.stress.stress import StressRun

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(300)  # a dozen outages in real time

CIRCUITS = [f"c{number}" for number in range(8)]


async def test_a_dozen_outages_with_everything_failing_end_right(tmp_path: Path) -> None:
    """Kills, stalls, brokers, disks, files, devices and people at random moments: nothing wrong, nothing stuck."""
    tally = await StressRun(tmp_path, 12, seed=1, at_once=6).run()
    assert tally.outages >= 12
    assert tally.commands > 0
    assert not tally.failed, tally.table(1, 0.0)


def test_the_same_number_is_the_same_story() -> None:
    """What failed once can be played again: all that will happen is drawn before it begins."""
    first, again = ([draw(dice("7-2-1"), CIRCUITS)] for _ in range(2))
    assert first == again
    assert str(first[0]) == str(again[0])


def test_each_fault_and_each_play_of_the_contact_is_drawn() -> None:
    """Five hundred outages leave no name out."""
    fall = dice("1")
    plans = [draw(fall, CIRCUITS) for _ in range(500)]
    assert {fault.name for plan in plans for fault in (*plan.early, *plan.faults)} == {*FAULTS}
    assert {plan.play for plan in plans} == {*CONTACT_PLAYS}
