"""Times that remain comparable across boots."""

from __future__ import annotations

from typing import NamedTuple


class BootTime(NamedTuple):
    """Boot ID and monotonic seconds of an event: a Pi has no battery-backed clock, and wall time jumps."""

    boot: str
    mono: float

    def since(self, now: BootTime) -> float | None:
        """Return the seconds from this time to `now`; None if the machine has booted in between."""
        return now.mono - self.mono if now.boot == self.boot else None
