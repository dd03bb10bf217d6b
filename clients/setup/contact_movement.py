"""Movement of a contact: settled after a number of bounces, returned, or chattered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_EDGES = 40
"""A sound contact bounces a few times within some 10 ms; what moves more often is a loose wire or a hum."""

MAX_DURATION_S = 3.0
"""One that has not come to rest by then chatters, however slowly."""


@dataclass(frozen=True, slots=True)
class Edge:
    """One change of the contact. `open`: standby. `at`: seconds of one clock."""

    open: bool
    at: float


@dataclass(frozen=True, slots=True)
class ContactMovement:
    """One movement.

    `open`: the position in which it settled. `settled_s`: from the first of its `edges` to the last.
    """

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
        """Return a description for the user at the contact."""
        if self.chatters:
            return f"CHATTER: {self.edges} changes in {self.settled_s:.1f} s, and no rest"
        if not self.bounces:
            return "no bounce"
        times = "1 bounce" if self.bounces == 1 else f"{self.bounces} bounces"
        return f"{times}, settled after {1000 * self.settled_s:.0f} ms"


def contact_movement(edges: Sequence[Edge]) -> ContactMovement:
    """Return what one movement was. `edges`: at least one, in order; a bounce is a change there and back."""
    took_s = edges[-1].at - edges[0].at
    chatters = len(edges) >= MAX_EDGES or took_s >= MAX_DURATION_S
    return ContactMovement(edges[-1].open, len(edges), took_s, chatters)
