"""Energy over time as counted by a meter: demand now, average over a trailing window, and peak."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from dataclasses import dataclass

LONGEST_WINDOW_S = 900.0
FLOOR_S = 180.0
"""If no count has arrived for this time, the estimate becomes an upper bound: 0.1 kW by edges, 2 kW by ticks."""

_TIDY_AT = 1024


@dataclass(frozen=True, slots=True)
class WindowAverage:
    """Average power over a trailing window; `kw` is None while unknown.

    `full`: the whole window was measured. Otherwise `kw` is the average of the measured part.
    """

    kw: float | None
    full: bool


@dataclass(frozen=True, slots=True)
class PowerEstimate:
    """Power now. `at_most`: the true value is `kw` or less, because nothing was counted for three minutes or more."""

    kw: float
    at_most: bool


class Peak:
    """Highest 15-minute average of windows that begin at `since` or later. `kw` is None before the first."""

    def __init__(self, since: float, kw: float | None = None) -> None:
        self.since = since
        self.kw = kw

    def offer(self, window_began: float, kw: float) -> None:
        if window_began >= self.since and (self.kw is None or kw > self.kw):
            self.kw = kw


class EnergyCurve:
    """Counts of one quantum of energy, connected by straight lines.

    The error of a window is below one quantum at either end, whatever the load did in between: 5 Wh are 0.06 kW over 5
    minutes and 0.02 kW over 15. `unit_kw_s`: the quantum in kW·s (18 for an edge of 5 Wh, 360 for a tick of 0.1 kWh).

    Sixteen bytes per count, kept for 15 minutes: 40 kB at 48 kW, 900 kB at 998 kW. Adding is O(1) on average.
    """

    def __init__(self, unit_kw_s: float) -> None:
        self._unit = unit_kw_s
        self._times = array("d")
        self._counts = array("q")
        self._head = 0
        self._start: float | None = None
        self._first: float | None = None
        self._first_count = 0
        self._peaks: list[Peak] = []

    def watch(self, peak: Peak) -> None:
        """Offer every window from now on to this peak, too."""
        self._peaks.append(peak)

    def forget(self, peak: Peak) -> None:
        self._peaks.remove(peak)

    def clear(self) -> None:
        """Clear everything: the next count is the first."""
        self._times, self._counts, self._head = array("d"), array("q"), 0
        self._start = self._first = None

    def start(self, at: float) -> None:
        """Restart: from `at` on every count is seen. The first count after it ends an interval of unknown energy."""
        self._times = array("d", [at])
        self._counts = array("q", [0])
        self._head = 0
        self._start = at
        self._first = None

    @property
    def last_at(self) -> float | None:
        """Return the time of the last count; None before the first."""
        return None if self._first is None else self._times[-1]

    def add(self, at: float, quanta: int = 1) -> None:
        """Add a count. One that is not later than the last is added at the same time: time never runs backward."""
        if self._start is None:
            self.start(at)
        if self._first is None:
            self._first = max(at, self._times[-1])
            self._first_count = self._counts[-1] + quanta
        if at <= self._times[-1]:
            self._counts[-1] += quanta
            return
        self._times.append(at)
        self._counts.append(self._counts[-1] + quanta)
        self._settle_windows()

    def rate(self, now: float) -> PowerEstimate | None:
        """Return min(quanta / last interval, one quantum / time since); None until one whole interval was seen."""
        pace = self._last_pace()
        if pace is None:
            return None
        since = now - self._times[-1]
        if since * pace <= 1.0:
            return PowerEstimate(pace * self._unit, at_most=False)
        return PowerEstimate(self._unit / since, at_most=since >= FLOOR_S)

    def quiet(self, now: float) -> PowerEstimate | None:
        """Return the upper bound that the silence alone gives; None until one count would have arrived by now."""
        since = now - self._times[-1] if self._times else 0.0
        return PowerEstimate(self._unit / since, at_most=True) if since >= FLOOR_S else None

    def overdue(self, now: float) -> float:
        """Return how many of the last intervals have passed since the last count; 0 if no interval is known."""
        pace = self._last_pace()
        return 0.0 if pace is None else (now - self._times[-1]) * pace

    def mean(self, now: float, window_s: float) -> WindowAverage:
        """Return the average over the trailing `window_s` (at most 900), interpolated, never from the falling bound."""
        if self._start is not None and now - window_s >= self._start:
            return WindowAverage(self._kw_between(now - window_s, now), full=True)
        return WindowAverage(self._mean_so_far(now), full=False)

    def mean_since(self, began: float, now: float) -> float | None:
        """Return the average since `began`, at most 15 minutes ago, or since the first count if that is later.

        None until one whole interval was seen: in a shorter time the count that has not arrived yet is most of it.
        """
        if self._start is None or began < self._start:
            return self._mean_so_far(now)
        return self._kw_between(began, now) if now > began and self._last_pace() is not None else None

    def _mean_so_far(self, now: float) -> float | None:
        # From the first count on: the position of the start within its interval is unknown.
        if self._first is None or self._last_pace() is None:
            return None
        return (self._count_at(now) - self._first_count) * self._unit / (now - self._first)

    def _kw_between(self, began: float, ended: float) -> float:
        return (self._count_at(ended) - self._count_at(began)) * self._unit / (ended - began)

    def _last_pace(self) -> float | None:
        """Return the quanta per second of the last whole interval."""
        if self._first is None or self._times[-1] <= self._first:
            return None
        return (self._counts[-1] - self._counts[-2]) / (self._times[-1] - self._times[-2])

    def _count_at(self, at: float) -> float:
        if at >= self._times[-1]:
            # What came since is less than one quantum, or it would have been counted.
            return self._counts[-1] + min(1.0, (at - self._times[-1]) * (self._last_pace() or 0.0))
        after = bisect_right(self._times, at, lo=self._head)
        return self._between(max(after, self._head + 1), at)

    def _between(self, after: int, at: float) -> float:
        t0, t1 = self._times[after - 1], self._times[after]
        c0, c1 = self._counts[after - 1], self._counts[after]
        return c0 + (c1 - c0) * (at - t0) / (t1 - t0)

    def _settle_windows(self) -> None:
        """Offer the 15-minute windows that are now certain, and drop counts that no window reaches any more.

        Between two corners of the curve the average changes linearly, so its maximum is at a corner: a count enters or
        leaves the window.
        """
        last = len(self._times) - 1
        entered, previous = self._times[last], self._times[last - 1]
        starts = [self._start or 0.0, *(peak.since for peak in self._peaks)]
        for began in [start for start in starts if previous < start + LONGEST_WINDOW_S < entered]:
            self._offer(began, self._between(last, began + LONGEST_WINDOW_S) - self._count_at(began))
        while self._times[self._head + 1] <= entered - LONGEST_WINDOW_S:
            self._head += 1
            left = self._times[self._head]
            self._offer(left, self._between(last, left + LONGEST_WINDOW_S) - self._counts[self._head])
        tail = entered - LONGEST_WINDOW_S
        if tail >= self._times[self._head]:
            self._offer(tail, self._counts[last] - self._between(self._head + 1, tail))
        self._tidy()

    def _offer(self, began: float, quanta: float) -> None:
        if self._start is None or began < self._start:
            return
        for peak in self._peaks:
            peak.offer(began, quanta * self._unit / LONGEST_WINDOW_S)

    def _tidy(self) -> None:
        if self._head >= _TIDY_AT and 2 * self._head > len(self._times):
            del self._times[: self._head]
            del self._counts[: self._head]
            self._head = 0
