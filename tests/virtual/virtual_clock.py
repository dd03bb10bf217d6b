"""A clock that only the test moves, and its scheduled calls."""

from __future__ import annotations

from abc import ABC, abstractmethod
from heapq import heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_STEPS = 2000
"""This number of calls within a millisecond is an endless loop."""


class Clockwork(ABC):
    """`at`: the world's seconds."""

    def __init__(self) -> None:
        self.at = 100.0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Schedule a call this number of seconds from now."""
        self._count += 1
        heappush(self._heap, (self.at + seconds, self._count, action))

    def run(self, seconds: float) -> None:
        """Run the house for this number of seconds."""
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
