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


FALL_AGREES_S = 60.0
"""Time in seconds for which readings must agree before a fall counts: meters answer 0 while they boot."""


class ReadingVerdict(Enum):
    """Verdict on a register reading.

    `RETURNED`: the register continues from before a replacement, so the meter was not replaced.
    """

    FIRST = "first"
    GOOD = "good"
    ROLLED_OVER = "rolled-over"
    READING_HELD = "reading-held"
    REPLACED = "replaced"
    RETURNED = "returned"

    @property
    def counts(self) -> bool:
        """Return whether the reading is accepted as the register's value."""
        return self is not ReadingVerdict.READING_HELD

    @property
    def restarts(self) -> bool:
        """Return whether counting starts again at this reading."""
        return self in (ReadingVerdict.FIRST, ReadingVerdict.REPLACED, ReadingVerdict.RETURNED)


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
    """Holds implausible readings until later ones agree.

    A rise beyond 110 % of the rating counts when a second reading agrees. A fall counts when the readings have agreed
    for `FALL_AGREES_S` and the meter does not report the identity that it had before. `max_kw`: the rating; None if the
    model is not known, then that of the largest meter made.
    """

    def __init__(self, max_kw: float | None) -> None:
        self._most_kw = OVERLOAD * (max_kw or LARGEST_METER_KW)
        self._held: Reading | None = None  # latest of the readings that agree with each other
        self._held_since = 0.0
        self._still_at = 0.0
        self._expected: int | None = None
        self._before_replacement: Reading | None = None
        self.last: Reading | None = None
        self.before_last_at: float | None = None

    def expect(self, tenths: int) -> None:
        """Expect no first reading below this value, which was read before this start."""
        self._expected = tenths

    def read(self, tenths: int, at: float, *, same_meter: bool = False) -> tuple[ReadingVerdict, int]:
        """Evaluate a reading. Return the verdict and the ticks of 0.1 kWh counted since the last accepted one.

        `same_meter`: the meter reports the identity that it had at the last accepted reading: a fall never counts.
        """
        new, last = Reading(tenths, at), self.last
        if last is None:
            return self._first(new)
        if (counted := self._plausible(last, new, last.at)) is not None:
            return counted
        held_s = self._hold(new)
        if held_s is None:
            return ReadingVerdict.READING_HELD, 0
        return self._agreed(last, new, held_s, same_meter=same_meter)

    def _agreed(self, last: Reading, new: Reading, held_s: float, *, same_meter: bool) -> tuple[ReadingVerdict, int]:
        """Evaluate a reading that does not continue the last accepted one, and that an earlier reading agrees with."""
        # A register may be refreshed in steps (the guide does not say): a step is compared with the time without
        # change.
        if (counted := self._plausible(last, new, self._still_at)) is not None:
            return counted
        old = self._before_replacement
        if old is not None and self._plausible_rise(old, new, old.at) is not None:
            return self._believe(new, ReadingVerdict.RETURNED, 0)
        if last.tenths == 0:
            # It has only ever answered 0: it was booting, and this is its register.
            return self._believe(new, ReadingVerdict.FIRST, 0)
        if register_rise(last.tenths, new.tenths) is None and (same_meter or held_s < FALL_AGREES_S):
            return ReadingVerdict.READING_HELD, 0
        self._before_replacement = last
        return self._believe(new, ReadingVerdict.REPLACED, 0)

    def _first(self, new: Reading) -> tuple[ReadingVerdict, int]:
        if self._expected is None or register_rise(self._expected, new.tenths) is not None:
            return self._believe(new, ReadingVerdict.FIRST, 0)
        held_s = self._hold(new)
        if held_s is None or held_s < FALL_AGREES_S:
            return ReadingVerdict.READING_HELD, 0
        self._before_replacement = Reading(self._expected, float("-inf"))
        return self._believe(new, ReadingVerdict.REPLACED, 0)

    def _hold(self, new: Reading) -> float | None:
        """Hold a reading. Return for how many seconds readings have agreed with it; None: it is the first."""
        held, self._held = self._held, new
        if held is None or self._plausible_rise(held, new, held.at) is None:
            self._held_since = new.at
            return None
        return new.at - self._held_since

    def _plausible(self, last: Reading, new: Reading, since: float) -> tuple[ReadingVerdict, int] | None:
        """Accept a reading that continues the last accepted one; None: it does not."""
        ticks = self._plausible_rise(last, new, since)
        if ticks is None:
            return None
        rolled_over = new.tenths < last.tenths
        return self._believe(new, ReadingVerdict.ROLLED_OVER if rolled_over else ReadingVerdict.GOOD, ticks)

    def _plausible_rise(self, old: Reading, new: Reading, since: float) -> int | None:
        ticks = register_rise(old.tenths, new.tenths)
        # The first tick may already have been due when the old value was read: one is always plausible.
        if ticks is None or (ticks - 1) * TICK_KW_S > self._most_kw * (new.at - since):
            return None
        return ticks

    def _believe(self, new: Reading, verdict: ReadingVerdict, ticks: int) -> tuple[ReadingVerdict, int]:
        self.before_last_at = self.last.at if self.last else None
        if ticks or verdict.restarts:
            self._still_at = self.before_last_at if ticks and self.before_last_at is not None else new.at
        if verdict in (ReadingVerdict.FIRST, ReadingVerdict.RETURNED):
            self._before_replacement = None
        self._held = None
        self.last = new
        return verdict, ticks
