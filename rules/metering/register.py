"""Plausibility check of the meter's energy register."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

ROLLOVER_TENTHS = 10_000_000
NEARLY_ROLLED_TENTHS = 9_900_000
JUST_ROLLED_TENTHS = 100_000

TICK_KW_S = 360.0
"""Energy of one register tick in kW·s: 0.1 kWh is 360 kW for one second."""

LARGEST_METER_KW = 998.0
"""Rating in kW assumed if the model is not known: three phases, 480 V, 1200 A."""

OVERLOAD = 1.1
"""Overload factor up to which the meter measures: its rated current + 10 % (maker's guide)."""


class ReadingVerdict(Enum):
    """Verdict on a register reading."""

    FIRST = "first"
    GOOD = "good"
    ROLLED_OVER = "rolled-over"
    READING_HELD = "reading-held"
    REPLACED = "replaced"

    @property
    def counts(self) -> bool:
        """Return whether the reading is accepted as the register's value."""
        return self is not ReadingVerdict.READING_HELD


@dataclass(frozen=True, slots=True)
class Reading:
    """Register value in tenths of a kWh, and the monotonic second at which it was read."""

    tenths: int
    at: float


def register_rise(before: int, after: int) -> int | None:
    """Return the tenths of a kWh counted from one value to a later one; None for a fall that is not a rollover.

    The register never runs backward: only a fall from above 9.9 M to below 0.1 M is a rollover.
    """
    if after >= before:
        return after - before
    if NEARLY_ROLLED_TENTHS < before < ROLLOVER_TENTHS and after < JUST_ROLLED_TENTHS:
        return after + ROLLOVER_TENTHS - before
    return None


class Register:
    """Holds implausible readings: a fall, or a rise beyond 110 % of the rating, until a second reading agrees.

    `max_kw`: the rating; None if the model is not known, then that of the largest meter made.
    """

    def __init__(self, max_kw: float | None) -> None:
        self._most_kw = OVERLOAD * (max_kw or LARGEST_METER_KW)
        self._held: Reading | None = None
        self._still_at = 0.0
        self.last: Reading | None = None
        self.before_last_at: float | None = None

    def read(self, tenths: int, at: float) -> tuple[ReadingVerdict, int]:
        """Evaluate a reading. Return the verdict and the ticks of 0.1 kWh counted since the last accepted one."""
        new = Reading(tenths, at)
        last = self.last
        if last is None:
            return self._believe(new, ReadingVerdict.FIRST, 0)
        ticks = self._plausible_rise(last, new, last.at)
        if ticks is not None:
            return self._believe(new, _rise_verdict(last, new), ticks)
        if self._held is None or self._plausible_rise(self._held, new, self._held.at) is None:
            self._held = new
            return ReadingVerdict.READING_HELD, 0
        # A register may be refreshed in steps (the guide does not say): a step is compared with the time without
        # change.
        ticks = self._plausible_rise(last, new, self._still_at)
        if ticks is not None:
            return self._believe(new, _rise_verdict(last, new), ticks)
        return self._believe(new, ReadingVerdict.REPLACED, 0)

    def _plausible_rise(self, old: Reading, new: Reading, since: float) -> int | None:
        ticks = register_rise(old.tenths, new.tenths)
        # The first tick may already have been due when the old value was read: one is always plausible.
        if ticks is None or (ticks - 1) * TICK_KW_S > self._most_kw * (new.at - since):
            return None
        return ticks

    def _believe(self, new: Reading, verdict: ReadingVerdict, ticks: int) -> tuple[ReadingVerdict, int]:
        self.before_last_at = self.last.at if self.last else None
        if ticks or verdict in (ReadingVerdict.FIRST, ReadingVerdict.REPLACED):
            self._still_at = self.before_last_at if ticks and self.before_last_at is not None else new.at
        self._held = None
        self.last = new
        return verdict, ticks


def _rise_verdict(old: Reading, new: Reading) -> ReadingVerdict:
    return ReadingVerdict.ROLLED_OVER if new.tenths < old.tenths else ReadingVerdict.GOOD
