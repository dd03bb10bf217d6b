"""The virtual disk itself: what it keeps, and what a crash takes from it."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from controller.core.effects import LogEvent, SaveEntry
from rules.panel import CircuitId
from tests.virtual.disk import Disk, Loss, Trouble

if TYPE_CHECKING:
    from collections.abc import Iterator

TUB = CircuitId("hot-tub")
SEEDS = range(20)


def dice(seed: int) -> Random:
    """Return the chances of one crash."""
    return Random(seed)  # noqa: S311


def row(number: int) -> SaveEntry:
    """Return a row that says a number, longer than a sector."""
    return SaveEntry(TUB, {"number": number, "text": "x" * 2000})


@pytest.fixture
def disk() -> Iterator[Disk]:
    """Return a disk with one safe row."""
    made = Disk()
    made.load("boot-1")
    made.put([row(1)], 10.0)
    made.commit(20.0)
    yield made
    made.close()


def kept(disk: Disk) -> object:
    """Return what is safe, as another start reads it."""
    return disk.load("boot-2").entries[TUB]["number"]


@pytest.mark.parametrize("loss", Loss)
def test_what_was_flushed_is_kept(disk: Disk, loss: Loss) -> None:
    """A crash takes nothing of it."""
    disk.put([row(2)], 21.0)
    assert not disk.crash(21.02, loss, dice(1))
    assert kept(disk) == 2


@pytest.mark.parametrize("loss", Loss)
def test_a_commit_under_way_is_there_whole_or_not_at_all(loss: Loss) -> None:
    """Whatever sectors of it have reached the disk, and both ends of the chance are met."""
    found = set()
    for seed in SEEDS:
        disk = Disk()
        disk.load("boot-1")
        disk.put([row(1)], 10.0)
        disk.commit(20.0)
        disk.put([row(2)], 21.0)
        disk.crash(21.005, loss, dice(seed))
        found.add(kept(disk))
        assert disk.look().entries[TUB]["number"] in (1, 2)
        disk.close()
    assert 1 in found
    assert found <= {1, 2}


def test_what_waited_longer_than_a_contact_settles_is_said_to_have(disk: Disk) -> None:
    """The rules promise nothing on a disk that takes a second for a commit."""
    disk.flush_s = 1.0
    disk.put([row(2)], 21.0)
    assert disk.crash(21.5, Loss.POWER, dice(1))


def test_what_decides_nothing_waits_for_five_seconds(disk: Disk) -> None:
    """It rides with the next row that cannot wait, or goes alone."""
    disk.put([LogEvent(21.0, "bus_lost", may_be_delayed=True)], 21.0)
    assert disk.crash(25.0, Loss.KILL, dice(1))
    assert kept(disk) == 1


@pytest.mark.parametrize("trouble", Trouble)
def test_a_disk_that_takes_nothing_is_said_so_and_tried_again(trouble: Trouble) -> None:
    """Nothing is lost by it, as long as the program lives."""
    said: list[str | None] = []
    disk = Disk(said.append)
    disk.load("boot-1")
    disk.put([row(1)], 10.0)
    disk.commit(11.0)
    disk.break_down(trouble)
    disk.put([row(2)], 21.0)
    disk.commit(22.0)
    assert len(said) == 1
    assert said[0] is not None
    assert "cannot be written" in said[0]
    disk.break_down(None)
    disk.commit(30.0)
    assert said[-1] is None
    disk.crash(30.0, Loss.POWER, dice(1))
    assert kept(disk) == 2
    disk.close()


@pytest.mark.parametrize("trouble", Trouble)
def test_a_start_on_a_disk_that_takes_nothing_reads_what_is_there(disk: Disk, trouble: Trouble) -> None:
    """The shed records on it count all the same."""
    disk.break_down(trouble)
    disk.crash(21.0, Loss.POWER, dice(1))
    assert kept(disk) == 1


def test_noise_that_a_start_finds_is_said_or_does_no_harm() -> None:
    """A shed record is never missing silently."""
    missing = 0
    for seed in SEEDS:
        said: list[str | None] = []
        disk = Disk(said.append)
        disk.load("boot-1")
        disk.put([row(1)], 10.0)
        assert disk.stop(20.0)
        disk.corrupt(dice(seed))
        memory = disk.load("boot-1")
        disk.commit(21.0)
        if TUB not in memory.entries:
            missing += 1
            assert any("damaged" in (sentence or "") or "cannot be read" in (sentence or "") for sentence in said)
        disk.close()
    assert missing
