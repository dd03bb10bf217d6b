"""Random nights in the virtual house, some hundreds of them; `make nights N=…` plays more."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from clients.replay.replay import ReplaySummary, Wanted, compared
from controller.core import events as ev
from controller.core.effects import LogEvent
from controller.recording.format import sessions
from rules.panel import CircuitId, Panel, Position
from tests.virtual.facts import Contact, Facts
from tests.virtual.faults import NAMES, NO_FAULTS
from tests.virtual.invariants import no_command_twice_within_confirm_s
from tests.virtual.night import FAMILIES, Night, play, shrunk
from tests.virtual.random_outages import Campaign, campaign, in_parallel, story
from tests.virtual_house import circuit

if TYPE_CHECKING:
    from pathlib import Path

    from controller.core.events import Event

pytestmark = pytest.mark.timeout(300)  # the first test plays all outages

TUB = CircuitId("hot-tub")
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


OF_FAMILIES = {"device_tells_lies", "gateway_power_cut", "gateway_stopped", "relay_moved_unseen", "retained_command"}
"""What happens only to devices of MQTT families."""


def test_the_nights_exercise_every_invariant_and_every_fault(played: Campaign) -> None:
    """An invariant that nothing ever touched proves nothing."""
    assert len(played.guards) >= 16
    assert min(played.guard_nights.values()) >= played.nights / 100
    assert {*NAMES} - (OF_FAMILIES if FAMILIES == 0 else set()) <= played.faults.keys()


def test_the_nights_are_bad_ones(played: Campaign) -> None:
    """A crash in more than half of them, five faults of three names, and an outage."""
    assert played.sums["crashed"] >= played.nights / 2
    assert played.sums["faults"] >= 5 * played.nights
    assert played.sums["names"] >= 3 * played.nights
    assert played.faults["outage"] == played.nights


JUDGED = (
    # what the observer learns after the reconnection and its OFF, may an OFF follow at once
    ((ev.AvailabilityReported(9.0, TUB, online=True, retained=True),), False),
    ((ev.AvailabilityReported(9.0, TUB, online=True),), True),
    ((ev.ContactChanged(9.0, open=True, retained=True),), False),
    ((LogEvent(9.0, "state_changed", None, {"state": "shedding", "was": "shedding"}),), False),
    ((LogEvent(9.0, "state_changed", None, {"state": "shedding", "was": "stabilizing"}),), True),
)


@pytest.mark.parametrize(("news", "may_repeat"), JUDGED)
def test_the_judge_knows_what_permits_a_repeated_command(news: tuple[Event | LogEvent, ...], may_repeat: bool) -> None:
    """A contact that is open as before and a retained `online` change nothing that is wanted of a circuit."""
    facts = Facts(Panel.of(circuit("hot-tub")), Contact(0.1, on_lost_shed=False, on_bus=True))
    facts.take(ev.ContactChanged(1.0, open=True), 1.0, boot_at=0.0)
    facts.take(ev.AvailabilityReported(2.0, TUB, online=False), 2.0, boot_at=0.0)
    facts.take(ev.BusLost(3.0, "the broker has ended"), 3.0, boot_at=0.0)
    facts.take(ev.BusConnected(8.0), 8.0, boot_at=0.0)
    facts[TUB].off_at = 8.0
    for one in news:
        if isinstance(one, LogEvent):
            facts.happened([one], facts.panel, 9.0)
        else:
            facts.take(one, 9.0, boot_at=0.0)
    with nullcontext() if may_repeat else pytest.raises(AssertionError, match=r"again after 1\.0 s"):
        no_command_twice_within_confirm_s(facts, 5.0, TUB, Position.OFF, 9.0)


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


def test_a_night_can_be_described_in_words() -> None:
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
