"""What a just observer knows of a drill: what was asked and answered, what was said of it, and its own clock."""

from __future__ import annotations

from dataclasses import dataclass, field

NOTICE_S = 1.0
"""From the request to the first OFF: the disk learns what is about to be shed before anything is."""

EPS_S = 1e-6


@dataclass(slots=True)
class Drill:
    """A drill that somebody asked for. Times are the world's seconds.

    `against`: why it must be refused; `against_beginning`: why it must not begin, though it was accepted; None: its
    moment has not come. `began_at`: the turn in which it began; None: not yet. `over_at`: likewise of its end, by time,
    a person or a transfer (`taken_over`).
    """

    asked_at: float
    for_s: float
    against: list[str] = field(default_factory=list)
    against_beginning: list[str] | None = None
    began_at: float | None = None
    over_at: float | None = None
    taken_over: bool = False

    @property
    def due_at(self) -> float:
        """Return when it is to begin."""
        return self.asked_at + NOTICE_S

    @property
    def holds(self) -> bool:
        """Return whether it has begun, and has not been reported as over."""
        return self.began_at is not None and self.over_at is None

    def may_hold(self, at: float) -> bool:
        """Return whether it may hold circuits off: by the events, and by the clock."""
        return self.began_at is not None and self.over_at is None and at <= self.began_at + self.for_s + EPS_S

    def took_over(self, settled_at: float) -> bool:
        """Return whether the opening that settled then is the one that made it an outage."""
        return self.taken_over and self.over_at is not None and settled_at <= self.over_at + EPS_S
