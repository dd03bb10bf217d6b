"""Moments that outlive the boot they were taken in."""

from __future__ import annotations

from typing import NamedTuple


class Moment(NamedTuple):
    """The boot's id and its monotonic seconds: a Pi has no clock of its own, and wall time jumps."""

    boot: str
    mono: float

    def since(self, now: Moment) -> float | None:
        """Return the seconds from here to `now`; None where the machine has booted between."""
        return now.mono - self.mono if now.boot == self.boot else None
