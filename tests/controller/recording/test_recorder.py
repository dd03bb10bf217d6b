"""What is recorded: each turn that could move a breaker, and no word said again of which nothing came."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from clients.replay.replay import replay
from controller.core import events as ev
from controller.core.effects import LogEvent, SavedState, SaveSample, SwitchOff
from controller.core.engine import EngineSettings
from controller.recording.format import EngineTurn, Part, SessionEnd, SessionStart, sessions, to_line
from controller.recording.recorder import Recorder
from rules.panel import CircuitId, Panel, Position
from tests.recorded_house import TapedHouse
from tests.virtual_house import essential

if TYPE_CHECKING:
    from collections.abc import Sequence

    from controller.core.effects import Effect

FRIDGE, TUB = CircuitId("fridge"), CircuitId("hot-tub")
ON, OFF = Position.ON, Position.OFF
SAMPLE = SaveSample(1.0, 1, 1.0, False, "pulses", 0.0, None, None, None, None)


class Notes:
    """A recorder and what it keeps."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.recorder = Recorder(
            SessionStart("boot", 0.0, False, Panel({}), EngineSettings(), SavedState()), self.parts.append
        )
        self.turn(0.0)

    def turn(
        self,
        now: float,
        *events: ev.Event,
        commands: Sequence[SwitchOff] = (),
        effects: Sequence[Effect] = (),
        decided: bool = False,
    ) -> None:
        self.recorder.turn(events, now, commands, now, effects, decided=decided)

    @property
    def turns(self) -> list[EngineTurn]:
        """What was kept but the start and the first turn."""
        return [part for part in self.parts if isinstance(part, EngineTurn)][1:]

    def times(self) -> list[float]:
        return [turn.now for turn in self.turns]


def on(at: float, circuit: CircuitId = FRIDGE) -> ev.BreakerReported:
    """Return that the circuit says it is on."""
    return ev.BreakerReported(at, circuit, ON)


@pytest.fixture
def notes() -> Notes:
    """Return a recorder that has taken its first turn."""
    return Notes()


def test_a_recording_begins_with_its_start_and_the_first_turn(notes: Notes) -> None:
    """In the first turn every circuit is looked at, whether or not anything has happened."""
    start, first = notes.parts
    assert isinstance(start, SessionStart)
    assert first == EngineTurn(0.0, (), (), 0.0)


def test_turns_that_only_publish_or_sample_are_not_recorded(notes: Notes) -> None:
    """Nor what the meter says: it decides nothing of switching."""
    meter = (ev.EnergyRead(1.0, 5), ev.MeterSilent(1.0, "?"), ev.PulseSeen(1.0), ev.ExtraMeterRead(1.0, "barn", 1))
    notes.turn(1.0, *meter, effects=[SAMPLE])
    notes.turn(2.0)
    notes.turn(3.0, meter[0], on(3.0))
    assert notes.turns == [EngineTurn(3.0, (on(3.0),), (), 3.0)]


def test_a_turn_that_wrote_of_anything_is_recorded(notes: Notes) -> None:
    """An alarm that time alone raises is raised at the same time again."""
    notes.turn(1.0, ev.MeterSilent(1.0, "?"), effects=[LogEvent(1.0, "alarm_raised")])
    assert notes.turns == [EngineTurn(1.0, (), (), 1.0)]


def test_a_turn_that_time_alone_brought_about_is_recorded(notes: Notes) -> None:
    """With a command or without: a deadline that passed moves what comes after it."""
    notes.turn(1.0, commands=[SwitchOff(TUB, 5)])
    notes.turn(2.0, decided=True)
    assert notes.turns == [EngineTurn(1.0, (), (SwitchOff(TUB, 5),), 1.0), EngineTurn(2.0, (), (), 2.0)]


def test_what_is_said_again_without_anything_coming_of_it_is_recorded_once(notes: Notes) -> None:
    """The last of it, with the next turn of which something comes."""
    for at in (1.0, 61.0, 121.0, 181.0):
        notes.turn(at, on(at))
    assert notes.times() == [1.0]
    notes.turn(200.0, ev.ContactChanged(200.0, open=True))
    assert notes.turns[1].events == (on(181.0), ev.ContactChanged(200.0, open=True))


@pytest.mark.parametrize(
    "news",
    [
        [ev.BreakerReported(2.0, FRIDGE, OFF)],
        [ev.BreakerReported(2.0, FRIDGE, ON, retained=True)],
        [on(2.0, TUB)],
        [on(2.0), on(2.0, TUB)],
        [ev.AvailabilityReported(2.0, FRIDGE, online=True)],
    ],
)
def test_a_word_that_is_new_is_recorded(notes: Notes, news: list[ev.Event]) -> None:
    """Another position, another device, the broker's memory instead of its own word."""
    notes.turn(1.0, on(1.0))
    notes.turn(2.0, *news)
    assert notes.turns[1].events == tuple(news)


@pytest.mark.parametrize(
    ("commands", "effects", "decided"),
    [([SwitchOff(TUB, 5)], [], False), ([], [LogEvent(3.0, "unexpected_on", FRIDGE)], False), ([], [], True)],
)
def test_a_repetition_of_which_something_comes_is_recorded(
    notes: Notes, commands: list[SwitchOff], effects: list[Effect], decided: bool
) -> None:
    """A command, a row, or a deadline that was due by then."""
    notes.turn(1.0, on(1.0))
    notes.turn(3.0, on(3.0), commands=commands, effects=effects, decided=decided)
    assert notes.times() == [1.0, 3.0]


@pytest.mark.parametrize(
    "word", [ev.ContactChanged(0.0, open=True), ev.ContactAlive(0.0), ev.AvailabilityReported(0.0, TUB, online=True)]
)
def test_a_contact_that_repeats_itself_is_recorded_once_too(notes: Notes, word: ev.ContactChanged) -> None:
    """Some publish their position, or that they are there, every minute."""
    for at in (1.0, 61.0, 121.0):
        notes.turn(at, word._replace(at=at))
    assert notes.times() == [1.0]
    notes.turn(122.0, ev.BusLost(122.0, "gone"))
    assert [*notes.turns[1].events] == [word._replace(at=121.0), ev.BusLost(122.0, "gone")]


def test_what_is_no_word_of_a_device_is_never_held_back(notes: Notes) -> None:
    """Two requests are two requests."""
    for at in (1.0, 2.0):
        notes.turn(at, ev.Requested(at, "off", TUB))
    assert notes.times() == [1.0, 2.0]


def test_after_any_event_the_next_report_counts_again(notes: Notes) -> None:
    """The same word means something else after a command."""
    for at in (1.0, 2.0):
        notes.turn(at, on(at))
    notes.turn(3.0, commands=[SwitchOff(FRIDGE, 5)])
    for at in (4.0, 5.0):
        notes.turn(at, on(at))
    assert notes.times() == [1.0, 3.0, 4.0]


def test_a_devices_own_words_stay_in_order(notes: Notes) -> None:
    """What is held of a device goes before what is new of it; another's waits on."""
    for at in (1.0, 2.0):
        notes.turn(at, on(at))
        notes.turn(at + 0.5, on(at + 0.5, TUB))
    away = ev.AvailabilityReported(3.0, FRIDGE, online=False)
    notes.turn(3.0, away)
    assert [*notes.turns[-1].events] == [on(2.0), away]
    notes.turn(4.0, decided=True)
    assert [*notes.turns[-1].events] == [on(2.5, TUB)]


def test_a_program_that_ends_well_says_when(notes: Notes) -> None:
    """One that was killed does not."""
    notes.recorder.end(9.0)
    assert notes.parts[-1] == SessionEnd(9.0)


def test_an_hour_of_repetitions_on_utility_leaves_no_trace() -> None:
    """Forty devices that say each minute where they are: once each, after the last thing of which anything came."""
    house = TapedHouse(*(essential(f"c{number}") for number in range(40)))
    settled = len(house.parts)
    for _ in range(60):
        house.wait(60.0)
        house.happens(*(on(house.mono, one.id) for one in house.panel))
    assert len(house.parts) - settled < 5


def test_what_was_left_out_changes_nothing() -> None:
    """Devices repeat themselves all through an outage: the recording of it is decided the same again."""
    house = TapedHouse()
    happenings = {20: house.contact.open, 120: house.breaker("hot-tub").turn_on_by_hand, 200: house.contact.close}
    happenings[150] = house.restart
    said = 0
    for step in range(400):
        happenings.get(step, lambda: None)()
        house.wait(1.7)
        for breaker in house.breakers.values():
            said += len(breaker.greeting())
            house.publish(breaker.greeting())
    recorded = sessions(map(to_line, house.parts))
    assert len(recorded) == 2
    again = [turn for segment in recorded for turn in replay(segment)]
    assert [turn.decided for turn in again] == [turn.turn.commands for turn in again]
    assert sum(len(turn.decided) for turn in again) == len(house.commands)
    assert sum(len(turn.turn.events) for turn in again) < said / 4
    assert all(sooner.now <= later.now for segment in recorded for sooner, later in pairwise(segment.turns))
