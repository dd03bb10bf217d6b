"""A recorded night, played again: the same inputs into a fresh engine; what it decides, beside what it decided then."""

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
    """One recorded turn, played again. `decided`: the commands of now, beside `turn.commands`, those of then.

    `told`: what the log says of the turn. `outage`: the outage it belongs to; None: to none.
    """

    turn: EngineTurn
    decided: tuple[Command, ...]
    told: tuple[LogEvent, ...]
    outage: int | None

    @property
    def same(self) -> bool:
        return self.decided == self.turn.commands


def build_engine(start: SessionStart) -> Engine:
    """Return the engine as it began. It has no meter: what the meter says decides nothing of switching."""
    return Engine(start.panel, start.settings, start.memory, start.boot, start.at, rebooted=start.rebooted)


def replay(segment: Session) -> Iterator[ReplayedTurn]:
    """Yield each turn, played again in order."""
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
    """One command: `at`, in monotonic seconds of the segment that began with `start`."""

    start: SessionStart
    at: float
    word: Position
    circuit: CircuitId


# --- compared with what was decided then -----------------------------------------------------------------------------


class Wanted(NamedTuple):
    """What is to be told: one outage, or what came after a moment (seconds since 1970). None: all of it."""

    outage: int | None = None
    since_utc_s: float | None = None

    def holds(self, turn: ReplayedTurn, start: SessionStart) -> bool:
        """Tell whether a turn is to be told; one whose time of day nobody knows is."""
        if self.outage is not None and turn.outage != self.outage:
            return False
        if self.since_utc_s is None or start.wall is None:
            return True
        return start.wall.seconds(turn.turn.now) >= self.since_utc_s


class Step(NamedTuple):
    """One step of the replay: a turn that is wanted, or the end of a segment where `turn` is None."""

    segment: Session
    turn: ReplayedTurn | None


@dataclass(slots=True)
class ReplaySummary:
    """What a comparison came to. `told`: turns told. `commands`: recorded in them; `same`: decided alike.

    `difference`: the first turn that was decided otherwise, and the segment's start; None: none was.
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
        """Return what it came to, in a line."""
        kind = "the same decisions" if self.difference is None else "ANOTHER DECISION"
        return f"{kind}: {self.same} of {self.commands} commands"


def compared(recording: Iterable[Session], wanted: Wanted) -> Iterator[Step]:
    """Yield what is wanted of a recording, played again; of a segment nothing more after its first difference.

    From there on the engine is in another house than the recording, and what it decides says nothing.
    """
    for segment in recording:
        for turn in replay(segment):
            if wanted.holds(turn, segment.start) or not turn.same:
                yield Step(segment, turn)
            if not turn.same:
                break
        yield Step(segment, None)


class Within(NamedTuple):
    """A stretch of a recording: from the first moment wanted until the next outage. Each: a segment's number, and s."""

    starts: tuple[SessionStart, ...]
    first: tuple[int, float]
    last: tuple[int, float]

    @classmethod
    def of(cls, recording: Sequence[Session], wanted: Wanted) -> Within | None:
        """Return where what is wanted stands; None: nowhere."""
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
        """Tell whether a command left in it."""
        number = next(number for number, start in enumerate(self.starts) if start is given.start)
        return self.first <= (number, given.at) < self.last
