"""One breaker or relay of the virtual house: its actual position, its reports, and its faults."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, NamedTuple

from rules.panel import CircuitId, Position


class Origin(Enum):
    """Who moved a device last."""

    NOBODY = "nobody"
    RULES = "the rules"
    PERSON = "a person's request"
    HAND = "a hand"
    POWER = "its own power"


class Late(NamedTuple):
    """A command on its way through a slow hub: first in, first out."""

    due: float
    word: Position
    origin: Origin


@dataclass(slots=True)
class Device:
    """`position` is where the contacts really are; a device that lies says something else.

    `silent`: hears nothing, says nothing. `mute`: obeys and says nothing. `refuses`: says where it is, and stays there.
    `lies`: obeys, and reports what it was before. `slow_s`: so late does it obey and report. `wakes`: how it comes back
    from a loss of power. `writes_availability`: many never do. `keeps_session`: the broker keeps commands for it while
    it is away, as long as they live. `on_bus`: its connection to the broker stands.
    """

    circuit: CircuitId
    position: Position = Position.ON
    moved_by: Origin = Origin.NOBODY
    silent: bool = False
    mute: bool = False
    refuses: bool = False
    lies: bool = False
    slow_s: float = 0.0
    wakes: Position | None = None
    writes_availability: bool = True
    keeps_session: bool = False
    repeats: bool = False
    on_bus: bool = True
    away: bool = False
    moves: int = 0
    late: list[Late] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Return whether it is available, responsive, obedient and truthful at once."""
        wrong = self.silent or self.mute or self.refuses or self.lies or self.away
        return self.on_bus and not wrong and self.slow_s == 0.0

    @property
    def speaks(self) -> bool:
        return self.on_bus and not self.silent and not self.mute

    def fail(self, how: Literal["silent", "mute", "refuses", "lies"]) -> None:
        """Fail in this way from now on."""
        setattr(self, how, True)

    def heal(self) -> None:
        """End every fault but those it was born with."""
        self.silent = self.mute = self.refuses = self.lies = self.repeats = self.away = False
        self.slow_s = 0.0
        self.wakes = None

    def hear(self, word: Position, origin: Origin, at: float) -> float | None:
        """Receive a command; return when it takes effect, None if it never does."""
        if self.silent or not self.on_bus:
            return None
        due = max(at + self.slow_s, self.late[-1].due if self.late else at)
        self.late.append(Late(due, word, origin))
        return due

    def obey(self, at: float) -> list[Position]:
        """Carry out what is due; return what it says then."""
        said = []
        while self.late and self.late[0].due <= at:
            command = self.late.pop(0)
            was = self.position
            if self.position is not Position.TRIPPED and not self.refuses:
                if self.position is not command.word:
                    self.moved_by = command.origin
                    self.moves += 1
                self.position = command.word
            if self.speaks:
                said.append(was if self.lies else self.position)
        return said

    def lose_power(self) -> None:
        """Go dark, and forget what was under way."""
        self.on_bus = False
        self.late.clear()

    def wake(self) -> None:
        """Come back from a loss of power: as it was, or on, or off."""
        self.on_bus = not self.away
        if self.wakes is not None and self.position is not Position.TRIPPED:
            if self.position is not self.wakes:
                self.moved_by = Origin.POWER
            self.position = self.wakes
