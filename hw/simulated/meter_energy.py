"""The meter's measurement of a load: energy, pulses, demand. Exact, for loads that change in steps."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field

WH_PER_KW_S = 1000 / 3600
DEMAND_WINDOW_S = 300.0
PEAK_WINDOW_S = 900.0


@dataclass(frozen=True, slots=True)
class LoadInterval:
    """An interval of constant load: from `at` on, when `wh` had been counted, `kw` flows."""

    at: float
    wh: float
    kw: float

    def wh_at(self, at: float) -> float:
        return self.wh + self.kw * WH_PER_KW_S * (at - self.at)

    def reaches(self, wh: float) -> float:
        """Return when this energy will have been counted if the load stays; infinite without load."""
        wh_per_s = self.kw * WH_PER_KW_S
        return self.at + (wh - self.wh) / wh_per_s if wh_per_s > 0 else math.inf


class Energy:
    """The counted energy, now and in the recent past."""

    def __init__(self, wh: float, at: float) -> None:
        self._stretches = [LoadInterval(at, wh, 0.0)]

    @property
    def kw(self) -> float:
        return self._stretches[-1].kw

    @property
    def now(self) -> LoadInterval:
        return self._stretches[-1]

    def change_load(self, kw: float, at: float) -> None:
        """Change the load from `at` on, which must not be before the last change."""
        if kw != self.kw:
            self._stretches.append(LoadInterval(at, self.now.wh_at(at), kw))

    def wh_at(self, at: float) -> float:
        """Return the energy counted at a time; before the first known interval, its initial value."""
        index = self._index(at)
        return self._stretches[index].wh_at(at) if index >= 0 else self._stretches[0].wh

    def since(self, at: float) -> list[LoadInterval]:
        """Return the intervals that touch the time from `at` on, oldest first."""
        return self._stretches[max(self._index(at), 0) :]

    def forget_before(self, at: float) -> None:
        """Drop the intervals that ended before a time."""
        del self._stretches[: max(self._index(at), 0)]

    def _index(self, at: float) -> int:
        """Return the index of the interval that contains a time; −1: before all known ones."""
        return bisect_right(self._stretches, at, key=lambda stretch: stretch.at) - 1


class SimulatedPulseOutput:
    """An isolated output that changes its level every `step_wh`."""

    def __init__(self, energy: Energy, step_wh: float, at: float) -> None:
        self._energy = energy
        self._step_wh = step_wh
        self._told = math.floor(energy.wh_at(at) / step_wh)
        self._told_at = at

    @property
    def remembers_from(self) -> float:
        """The time up to which every edge was collected."""
        return self._told_at

    @property
    def closed(self) -> bool:
        """The level after the last collected edge."""
        return self._told % 2 == 1

    def edges(self, until: float) -> list[float]:
        """Return the time of each edge since the last call."""
        stretches = self._energy.since(self._told_at)
        ends = [stretch.at for stretch in stretches[1:]] + [until]
        found: list[float] = []
        for stretch, end in zip(stretches, ends, strict=True):
            while (edge := stretch.reaches((self._told + 1) * self._step_wh)) <= end:
                found.append(max(edge, self._told_at))
                self._told += 1
        self._told_at = until
        return found

    def next_edge(self) -> float | None:
        """Return when the next uncollected edge occurs if the load stays; None without load."""
        at = self._energy.now.reaches((self._told + 1) * self._step_wh)
        return at if math.isfinite(at) else None


@dataclass
class PeakDemand:
    """The highest trailing 15-minute average since the last reset, in kW; values before the reset do not count."""

    energy: Energy
    since: float
    kw: float = 0.0
    _looked_at: float = field(init=False)

    def __post_init__(self) -> None:
        self._looked_at = self.since

    def look(self, now: float) -> None:
        """Update the peak. The average is piecewise linear, so only its corners are checked."""
        corners = {now}
        for stretch in self.energy.since(self._looked_at - PEAK_WINDOW_S):
            corners |= {stretch.at, stretch.at + PEAK_WINDOW_S}
        for corner in corners:
            if self._looked_at < corner <= now:
                begin = max(corner - PEAK_WINDOW_S, self.since)
                gone_wh = self.energy.wh_at(corner) - self.energy.wh_at(begin)
                self.kw = max(self.kw, gone_wh / (PEAK_WINDOW_S * WH_PER_KW_S))
        self._looked_at = now
