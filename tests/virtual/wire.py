"""The way through the broker: per topic first in, first out; across topics as it comes; now and then not at all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

WIRE_S = 0.004


@dataclass(slots=True)
class Wire:
    """`loses`, `repeats`: of so many messages one. `late_s`: each topic up to so much later. `slow_s`: all of them."""

    random: Random
    loses: float = 0.0
    repeats: float = 0.0
    late_s: float = 0.0
    slow_s: float = 0.0
    _last: dict[str, float] = field(default_factory=dict)

    def arrivals(self, topic: str, at: float) -> tuple[float, ...]:
        """Return when what is said now arrives: once, twice, or never."""
        if self.loses and self.random.random() < self.loses:
            return ()
        late_s = self.random.uniform(0.0, self.late_s) if self.late_s else 0.0
        due = max(at + WIRE_S + self.slow_s + late_s, self._last.get(topic, 0.0))
        self._last[topic] = due
        return (due, due) if self.repeats and self.random.random() < self.repeats else (due,)

    def heal(self) -> None:
        """Pass on everything, once and at once."""
        self.loses = self.repeats = self.late_s = self.slow_s = 0.0
