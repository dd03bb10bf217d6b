"""Chatter of the contact: repeated edges that never settle indicate a wiring fault."""

from __future__ import annotations

from collections import deque

WINDOW_S = 3600.0

FAULT_BOUNCES = 10
"""Number of bursts within an hour that indicate a wiring fault. A switch that moves bounces briefly and then holds."""

BURST_S = 1.0
"""Bounces within this time count as one burst: a contact bounces for milliseconds, however it is read."""

STEPS = (10, 20, 50, 100, 200, 500, 1000)
"""Counts at which the burst counter is reported. Reporting each bounce would flood the log."""


class ChatterDetector:
    """Counts the bursts of bounces of the last hour, at most a thousand.

    Bounces while the contact settles in a new position are normal and not counted.
    """

    def __init__(self) -> None:
        self._bursts: deque[float] = deque(maxlen=STEPS[-1])
        self._worst: int | None = None

    def bounced(self, at: float) -> None:
        """Record an edge that returned before the contact settled."""
        if not self._bursts or at >= self._bursts[-1] + BURST_S:
            self._bursts.append(at)

    def settled(self, at: float) -> None:
        """Record that the contact settled in a new position. Bounces shortly before that belong to the movement."""
        if self._bursts and at < self._bursts[-1] + BURST_S:
            self._bursts.pop()

    def fault(self, now: float) -> int | None:
        """Return the highest number of bursts within an hour, in reporting steps; None: no fault.

        A fault lasts until the contact has been quiet for an hour.
        """
        while self._bursts and self._bursts[0] + WINDOW_S <= now:
            self._bursts.popleft()
        if not self._bursts:
            self._worst = None
        elif len(self._bursts) >= FAULT_BOUNCES:
            self._worst = max(self._worst or 0, *(step for step in STEPS if step <= len(self._bursts)))
        return self._worst

    def deadline(self) -> float | None:
        """Return when a present fault ends if the contact stays quiet; None: no fault."""
        return None if self._worst is None else self._bursts[-1] + WINDOW_S
