"""A recorded night, played again: the same inputs into a fresh engine; what it decides, beside what it decided then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from controller.core.effects import Happened
from controller.core.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from controller.recording.format import Command, Segment, Start, Turn
    from rules.panel import CircuitId, Position


class Played(NamedTuple):
    """One recorded turn, played again. `decided`: the commands of now, beside `turn.commands`, those of then.

    `told`: what the log says of the turn. `outage`: the outage it belongs to; None: to none.
    """

    turn: Turn
    decided: tuple[Command, ...]
    told: tuple[Happened, ...]
    outage: int | None

    @property
    def same(self) -> bool:
        return self.decided == self.turn.commands


def engine_of(start: Start) -> Engine:
    """Return the engine as it began. It has no meter: what the meter says decides nothing of switching."""
    return Engine(start.panel, start.settings, start.memory, start.boot, start.at, rebooted=start.rebooted)


def played(segment: Segment) -> Iterator[Played]:
    """Yield each turn, played again in order."""
    engine = engine_of(segment.start)
    outage = segment.start.memory.outage.id if segment.start.memory.outage is not None else None
    for turn in segment.turns:
        decided = tuple(engine.command(turn.events, turn.now))
        if turn.left is not None:
            engine.carried_out(turn.left)
        told = tuple(effect for effect in engine.account(turn.now) if isinstance(effect, Happened))
        began = next((one.about["outage"] for one in told if one.event == "outage_began"), None)
        outage = began if isinstance(began, int) else outage
        yield Played(turn, decided, told, outage)
        if any(one.event == "outage_ended" for one in told):
            outage = None


class Given(NamedTuple):
    """One command: `at`, in monotonic seconds of the segment that began with `start`."""

    start: Start
    at: float
    word: Position
    circuit: CircuitId


# --- compared with what was decided then -----------------------------------------------------------------------------


class Wanted(NamedTuple):
    """What is to be told: one outage, or what came after a moment (seconds since 1970). None: all of it."""

    outage: int | None = None
    since_utc_s: float | None = None

    def holds(self, turn: Played, start: Start) -> bool:
        """Tell whether a turn is to be told; one whose time of day nobody knows is."""
        if self.outage is not None and turn.outage != self.outage:
            return False
        if self.since_utc_s is None or start.wall is None:
            return True
        return start.wall.seconds(turn.turn.now) >= self.since_utc_s


class Step(NamedTuple):
    """One step of the replay: a turn that is wanted, or the end of a segment where `turn` is None."""

    segment: Segment
    turn: Played | None


@dataclass(slots=True)
class Tally:
    """What a comparison came to. `told`: turns told. `commands`: recorded in them; `same`: decided alike.

    `difference`: the first turn that was decided otherwise, and the segment's start; None: none was.
    """

    told: int = 0
    commands: int = 0
    same: int = 0
    difference: tuple[Start, Played] | None = None

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


def compared(recording: Iterable[Segment], wanted: Wanted) -> Iterator[Step]:
    """Yield what is wanted of a recording, played again; of a segment nothing more after its first difference.

    From there on the engine is in another house than the recording, and what it decides says nothing.
    """
    for segment in recording:
        for turn in played(segment):
            if wanted.holds(turn, segment.start) or not turn.same:
                yield Step(segment, turn)
            if not turn.same:
                break
        yield Step(segment, None)


class Within(NamedTuple):
    """A stretch of a recording: from the first moment wanted until the next outage. Each: a segment's number, and s."""

    starts: tuple[Start, ...]
    first: tuple[int, float]
    last: tuple[int, float]

    @classmethod
    def of(cls, recording: Sequence[Segment], wanted: Wanted) -> Within | None:
        """Return where what is wanted stands; None: nowhere."""
        first: tuple[int, float] | None = None
        last = len(recording), 0.0
        for number, segment in enumerate(recording):
            for turn in played(segment):
                if first is None and wanted.holds(turn, segment.start):
                    first = number, turn.turn.now
                elif first is not None and wanted.outage is not None and turn.outage not in (None, wanted.outage):
                    return cls(tuple(one.start for one in recording), first, (number, turn.turn.now))
        return None if first is None else cls(tuple(one.start for one in recording), first, last)

    def holds(self, given: Given) -> bool:
        """Tell whether a command left in it."""
        number = next(number for number, start in enumerate(self.starts) if start is given.start)
        return self.first <= (number, given.at) < self.last
