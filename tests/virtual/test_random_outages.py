"""Random nights in the virtual house, some hundreds of them; `make nights N=…` plays more."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from clients.replay.replay import ReplaySummary, Wanted, compared
from controller.recording.format import sessions
from tests.virtual.faults import NAMES, NO_FAULTS
from tests.virtual.night import Night, play, shrunk
from tests.virtual.random_outages import Campaign, campaign, in_parallel, story

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(300)  # the first test plays all outages

NIGHTS = 300
BATCH = 50


@pytest.fixture(scope="module")
def played() -> Campaign:
    """Collect what the nights came to."""
    return Campaign()


@pytest.mark.parametrize("first", range(0, NIGHTS, BATCH))
def test_no_night_breaks_what_must_never_happen(played: Campaign, first: int) -> None:
    """Whatever fails, in whatever order, each invariant holds at each turn, and in the end all is well or named."""
    batch = campaign(range(first, first + BATCH))
    played.add(batch)
    assert not batch.failed, batch.report()


def test_the_nights_exercise_every_invariant_and_every_fault(played: Campaign) -> None:
    """An invariant that nothing ever touched proves nothing."""
    assert len(played.guards) >= 16
    assert min(played.guard_nights.values()) >= played.nights / 100
    assert {*NAMES} <= played.faults.keys()


def test_the_nights_are_bad_ones(played: Campaign) -> None:
    """A crash in more than half of them, five faults of three names, and an outage."""
    assert played.sums["crashed"] >= played.nights / 2
    assert played.sums["faults"] >= 5 * played.nights
    assert played.sums["names"] >= 3 * played.nights
    assert played.faults["outage"] == played.nights


def test_the_same_number_is_the_same_night() -> None:
    """A failing night can be replayed."""
    assert play(11) == play(11)


def test_a_failing_night_is_shrunk_to_what_it_takes() -> None:
    """What does not matter is left out, and what does is not."""
    night = Night(11)
    night.house.close()
    needed = {night.plan[2].name, night.plan[-1].name}
    least = shrunk(night.plan, lambda plan: needed <= {happening.name for happening in plan})
    assert {happening.name for happening in least} == needed
    assert len(least) == len(needed)


def test_a_night_can_be_told_in_words() -> None:
    """Each thing that happens has its sentence."""
    told: list[str] = []
    night = Night(11, told)
    night.play()
    assert all(any(happening.words in line for line in told) for happening in night.plan)
    assert story(11) == (f"night 11: nothing is wrong\n{play(11)}", False)


def test_recorded_nights_are_decided_the_same_again(tmp_path: Path) -> None:
    """What went into the engine is all that it decides by: over crashes, stalls and lost messages, to the byte."""
    file, tally = tmp_path / "night.jsonl", ReplaySummary()
    for seed in range(500, 512):
        story(seed, file)
        with file.open(encoding="utf-8") as lines:
            for step in compared(sessions(lines), Wanted()):
                tally.add(step)
    assert tally.difference is None
    assert tally.same == tally.commands > 50


def test_two_processes_find_what_one_does(tmp_path: Path) -> None:
    """How many share the work changes no figure but the time it took."""
    one, two = campaign(range(4)), in_parallel(0, 4, 2, tmp_path / "nights.json")
    assert (one.faults, one.guards, one.sums, one.worst) == (two.faults, two.guards, two.sums, two.worst)
    assert json.loads((tmp_path / "nights.json").read_text(encoding="utf-8"))["nights"] == 4
    assert "4 nights, 0 failed" in two.report()


def test_what_is_no_fault_is_not_counted_as_one() -> None:
    """Requests, retagging and transfers are good order."""
    played = campaign(range(5))
    assert played.sums["faults"] == played.faults.total() - sum(played.faults[name] for name in NO_FAULTS)
