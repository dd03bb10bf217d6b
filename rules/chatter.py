"""A contact that chatters: edges that never settle, again and again, are a fault of the wiring."""

from __future__ import annotations

from collections import deque

WINDOW_S = 3600.0

FAULT_BOUNCES = 10
"""So many within an hour are no switch that moves, which bounces for a moment and then holds."""

BURST_S = 1.0
"""Bounces so close together are one: a contact bounces for milliseconds, whoever reads it."""

STEPS = (10, 20, 50, 100, 200, 500, 1000)
"""Figures that are told: each bounce would be a message of its own."""


class ChatterDetector:
    """Counts the bursts of bounces of the last hour, at most a thousand.

    The bounces with which the contact settles in a new position are its own: they are not counted.
    """

    def __init__(self) -> None:
        self._bursts: deque[float] = deque(maxlen=STEPS[-1])
        self._worst: int | None = None

    def bounced(self, at: float) -> None:
        """Take an edge that went back before it had settled."""
        if not self._bursts or at >= self._bursts[-1] + BURST_S:
            self._bursts.append(at)

    def settled(self, at: float) -> None:
        """Take that the contact has moved and held: what bounced on the way there was its movement."""
        if self._bursts and at < self._bursts[-1] + BURST_S:
            self._bursts.pop()

    def fault(self, now: float) -> int | None:
        """Return how often it has chattered within an hour at its worst, or more often; None: it is sound.

        A fault stands until the contact has been quiet for an hour.
        """
        while self._bursts and self._bursts[0] + WINDOW_S <= now:
            self._bursts.popleft()
        if not self._bursts:
            self._worst = None
        elif len(self._bursts) >= FAULT_BOUNCES:
            self._worst = max(self._worst or 0, *(step for step in STEPS if step <= len(self._bursts)))
        return self._worst

    def deadline(self) -> float | None:
        """Return when a fault that stands will be over, if it stays quiet; None: none stands."""
        return None if self._worst is None else self._bursts[-1] + WINDOW_S
