"""A clock that only moves when told to, and what is to happen by it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from heapq import heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_STEPS = 2000
"""So much never happens within a millisecond: a loop without end."""


class Clockwork(ABC):
    """`at`: the world's seconds."""

    def __init__(self) -> None:
        self.at = 100.0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Have something happen so many seconds from now."""
        self._count += 1
        heappush(self._heap, (self.at + seconds, self._count, action))

    def run(self, seconds: float) -> None:
        """Let the house live for so many seconds."""
        end = self.at + seconds
        stood, steps = self.at, 0
        while True:
            stood, steps = (stood, steps + 1) if self.at - stood < 0.001 else (self.at, 0)
            assert steps < MOST_STEPS, f"{self.at}: the house runs and its clock stands"
            world = self._heap[0][0] if self._heap else None
            turn = self._turn_due()
            if world is not None and world <= end and (turn is None or world <= turn):
                at, _, action = heappop(self._heap)
                self.at = max(self.at, at)
                action()
            elif turn is not None and turn <= end:
                self.at = max(self.at, turn)
                self._turn()
            else:
                self.at = end
                return

    @abstractmethod
    def _turn_due(self) -> float | None:
        """Return when the program takes its next turn; None: not before something happens."""

    @abstractmethod
    def _turn(self) -> None:
        """Let the program take its turn."""
