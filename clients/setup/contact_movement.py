"""What a contact did when it was moved: came to rest after so many bounces, came back, or chattered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_EDGES = 40
"""A sound contact bounces a few times within some 10 ms; what moves more often is a loose wire or a hum."""

LONGEST_S = 3.0
"""One that has not come to rest by then chatters, however slowly."""


@dataclass(frozen=True, slots=True)
class Edge:
    """One change of the contact. `open`: standby. `at`: seconds of one clock."""

    open: bool
    at: float


@dataclass(frozen=True, slots=True)
class Swing:
    """One movement. `open`: where it came to rest. `settled_s`: from the first of its `edges` to the last."""

    open: bool
    edges: int
    settled_s: float
    chatters: bool

    @property
    def bounces(self) -> int:
        """Return how often it went back and came again."""
        return self.edges // 2

    @property
    def told(self) -> str:
        """Return it in the words of whoever holds the wire."""
        if self.chatters:
            return f"CHATTER: {self.edges} changes in {self.settled_s:.1f} s, and no rest"
        if not self.bounces:
            return "no bounce"
        times = "1 bounce" if self.bounces == 1 else f"{self.bounces} bounces"
        return f"{times}, settled after {1000 * self.settled_s:.0f} ms"


def swing(edges: Sequence[Edge]) -> Swing:
    """Return what one movement was. `edges`: at least one, in order; a bounce is a change there and back."""
    took_s = edges[-1].at - edges[0].at
    chatters = len(edges) >= MOST_EDGES or took_s >= LONGEST_S
    return Swing(edges[-1].open, len(edges), took_s, chatters)
