"""A recorded night, played again: the same inputs into a fresh engine, and what it decides beside what it decided then."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from controller.effects import Happened
from controller.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from controller.evidence import Command, Segment, Start, Turn


class Played(NamedTuple):
    """One recorded turn, played again. `decided`: the commands of now, beside `turn.commands`, those of then.

    `told`: what the log says of the turn.
    """

    turn: Turn
    decided: tuple[Command, ...]
    told: tuple[Happened, ...]

    @property
    def same(self) -> bool:
        return self.decided == self.turn.commands


def engine_of(start: Start) -> Engine:
    """Return the engine as it began. It has no meter: what the meter says decides nothing of switching."""
    return Engine(start.panel, start.settings, start.memory, start.boot, start.at, rebooted=start.rebooted)


def played(segment: Segment) -> Iterator[Played]:
    """Yield each turn, played again in order."""
    engine = engine_of(segment.start)
    for turn in segment.turns:
        decided = tuple(engine.command(turn.events, turn.now))
        if turn.left is not None:
            engine.carried_out(turn.left)
        told = tuple(effect for effect in engine.account(turn.now) if isinstance(effect, Happened))
        yield Played(turn, decided, told)
