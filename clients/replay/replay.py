"""Replay of a recording: the same inputs into a new engine, and its commands beside the recorded ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from controller.core.effects import LogEvent
from controller.core.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from controller.recording.format import Command, EngineTurn, Session, SessionStart
    from rules.panel import CircuitId, Position


class ReplayedTurn(NamedTuple):
    """A replayed turn. `decided`: the commands of the replay, beside `turn.commands`, the recorded ones.

    `told`: the turn's log events. `outage`: the outage it belongs to; None: none.
    """

    turn: EngineTurn
    decided: tuple[Command, ...]
    told: tuple[LogEvent, ...]
    outage: int | None

    @property
    def same(self) -> bool:
        return self.decided == self.turn.commands


def build_engine(start: SessionStart) -> Engine:
    """Return the engine in its initial state. It has no meter: meter readings do not affect switching."""
    return Engine(start.panel, start.settings, start.memory, start.boot, start.at, rebooted=start.rebooted)


def replay(segment: Session) -> Iterator[ReplayedTurn]:
    """Yield each replayed turn in order."""
    engine = build_engine(segment.start)
    outage = segment.start.memory.outage.id if segment.start.memory.outage is not None else None
    for turn in segment.turns:
        decided = tuple(engine.decide(turn.events, turn.now))
        if turn.left is not None:
            engine.commands_sent(turn.left)
        told = tuple(effect for effect in engine.follow_up(turn.now) if isinstance(effect, LogEvent))
        began = next((one.details["outage"] for one in told if one.event == "outage_began"), None)
        outage = began if isinstance(began, int) else outage
        yield ReplayedTurn(turn, decided, told, outage)
        if any(one.event == "outage_ended" for one in told):
            outage = None


class IssuedCommand(NamedTuple):
    """A command: `at`, in monotonic seconds of the session that began with `start`."""

    start: SessionStart
    at: float
    word: Position
    circuit: CircuitId


# --- comparison with the recording ------------------------------------------------------------------------------------


class Wanted(NamedTuple):
    """Selection of a recording: one outage, or everything after a time (seconds since 1970). None: all of it."""

    outage: int | None = None
    since_utc_s: float | None = None

    def holds(self, turn: ReplayedTurn, start: SessionStart) -> bool:
        """Return whether a turn is selected. A turn of unknown time of day is."""
        if self.outage is not None and turn.outage != self.outage:
            return False
        if self.since_utc_s is None or start.wall is None:
            return True
        return start.wall.seconds(turn.turn.now) >= self.since_utc_s


class Step(NamedTuple):
    """A step of the replay: a selected turn, or the end of a session if `turn` is None."""

    segment: Session
    turn: ReplayedTurn | None


@dataclass(slots=True)
class ReplaySummary:
    """Result of a comparison. `told`: number of turns. `commands`: recorded commands; `same`: replayed alike.

    `difference`: the first turn with different commands, and the session's start; None: no difference.
    """

    told: int = 0
    commands: int = 0
    same: int = 0
    difference: tuple[SessionStart, ReplayedTurn] | None = None

    def add(self, step: Step) -> None:
        """Count one step."""
        if step.turn is None:
            return
        self.told += 1
        self.commands += len(step.turn.turn.commands)
        if step.turn.same:
            self.same += len(step.turn.decided)
        elif self.difference is None:
            self.difference = step.segment.start, step.turn

    def sentence(self) -> str:
        """Return the result in one line."""
        kind = "the same decisions" if self.difference is None else "ANOTHER DECISION"
        return f"{kind}: {self.same} of {self.commands} commands"


def compared(recording: Iterable[Session], wanted: Wanted) -> Iterator[Step]:
    """Yield the selected part of a recording, replayed; after its first difference no more of a session.

    From there on the engine is in another situation than the recording, and its decisions mean nothing.
    """
    for segment in recording:
        for turn in replay(segment):
            if wanted.holds(turn, segment.start) or not turn.same:
                yield Step(segment, turn)
            if not turn.same:
                break
        yield Step(segment, None)


class Within(NamedTuple):
    """Part of a recording: from the first selected time until the next outage, each as session number and seconds."""

    starts: tuple[SessionStart, ...]
    first: tuple[int, float]
    last: tuple[int, float]

    @classmethod
    def of(cls, recording: Sequence[Session], wanted: Wanted) -> Within | None:
        """Return the selected part; None: nothing is selected."""
        first: tuple[int, float] | None = None
        last = len(recording), 0.0
        for number, segment in enumerate(recording):
            for turn in replay(segment):
                if first is None and wanted.holds(turn, segment.start):
                    first = number, turn.turn.now
                elif first is not None and wanted.outage is not None and turn.outage not in (None, wanted.outage):
                    return cls(tuple(one.start for one in recording), first, (number, turn.turn.now))
        return None if first is None else cls(tuple(one.start for one in recording), first, last)

    def holds(self, given: IssuedCommand) -> bool:
        """Return whether a command was sent within it."""
        number = next(number for number, start in enumerate(self.starts) if start is given.start)
        return self.first <= (number, given.at) < self.last
