"""What the house draws while circuits go and come: which figure of `demand` belongs to which moment. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import harmonic_mean
from typing import TYPE_CHECKING

from rules.metering.demand import EDGE_KW_S, Quality
from rules.metering.register import TICK_KW_S

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rules.json_types import Json

LATE_S = 0.3
"""`demand` is told at most each 0.2 s, and takes its way over the bus: so much later than its edge it may come."""

NOISE_KW, NOISE_SHARE = 0.1, 0.05
"""A rise smaller than this, or than this share of what the house drew before it, may be anybody's."""

_STEP_KW_S = {Quality.PULSES.value: EDGE_KW_S, Quality.COARSE.value: TICK_KW_S}


@dataclass(frozen=True, slots=True)
class PowerReading:
    """Demand in kW. `at_most`: the truth is this or less."""

    kw: float
    is_upper_bound: bool = False


@dataclass(frozen=True, slots=True)
class PowerStep:
    """By how much demand rose, in kW. `at_least`: what it rose from is only known to be that or less."""

    kw: float
    is_lower_bound: bool = False


@dataclass(slots=True)
class _Reading:
    """One word of `demand`. `since`: no later than this began the interval between two edges that it is the mean of.

    `sure`: an edge has ended that interval. While one is overdue the controller says less and less, as a bound.
    """

    at: float
    figure: PowerReading
    quality: str
    since: float
    sure: bool


class DemandReadings:
    """Everything that `demand` has said. Times are seconds of the listener's own clock. `poll_s`: of the register."""

    def __init__(self, poll_s: float) -> None:
        self._poll_s = poll_s
        self._heard: list[_Reading] = []
        self.quality = Quality.NONE.value
        self.silent = True  # nobody has ever said anything

    def take(self, fields: Mapping[str, Json], at: float) -> None:
        """Take one word; one without a figure only says how good it is."""
        kw, quality = fields.get("kw"), str(fields.get("kw_quality"))
        self.quality, self.silent = quality, False
        if isinstance(kw, bool) or not isinstance(kw, int | float) or kw <= 0 or quality not in _STEP_KW_S:
            return
        figure = PowerReading(float(kw), fields.get("kw_is_upper_bound") is True)
        interval_s = _STEP_KW_S[quality] / figure.kw
        late_s = LATE_S + (self._poll_s if quality == Quality.COARSE.value else 0.0)
        last = self._heard[-1] if self._heard else None
        if last is None or last.quality != quality or last.figure == figure:
            # Said within the interval after the one that it tells of, before the next edge was overdue.
            sure = not figure.is_upper_bound
            if last is not None and last.figure == figure:
                last.sure = sure
            self._heard.append(_Reading(at, figure, quality, at - 2 * interval_s - late_s, sure))
            return
        if not last.sure:
            # An edge came with the last word if this interval began there; else that one only said that none had come.
            last.sure = abs(at - interval_s - last.at) <= late_s and not last.figure.is_upper_bound
        # Demand rises by an edge alone.
        rose = figure.kw > last.figure.kw and not figure.is_upper_bound
        self._heard.append(_Reading(at, figure, quality, at - interval_s - late_s, sure=rose))

    @property
    def by_pulses(self) -> bool:
        """Tell whether the meter's pulses speak: only they see one circuit come on before the next does."""
        return self.quality == Quality.PULSES.value

    def last(self, until: float) -> PowerReading | None:
        """Return the last figure told by then, as a bound where it may be no more; None: there was none."""
        found = next((one for one in reversed(self._heard) if one.at <= until), None)
        return None if found is None else PowerReading(found.figure.kw, is_upper_bound=not found.sure)

    def steady(self, since: float, until: float) -> PowerReading | None:
        """Return the mean demand of a time in which nothing was switched; None: no whole interval fell into it."""
        figures = [one.figure.kw for one in self._heard if one.sure and since <= one.since and one.at <= until]
        return PowerReading(round(harmonic_mean(figures), 3)) if figures else None

    def fallen(self, since: float, until: float) -> PowerReading | None:
        """Return the demand after loads went off: where no whole interval fell into the time, what it is at most."""
        if (figure := self.steady(since, until)) is not None:
            return figure
        # Every interval that reaches back before the fall has a higher mean than what came after it.
        bounds = [one.figure.kw for one in self._heard if since <= one.at <= until]
        return PowerReading(min(bounds), is_upper_bound=True) if bounds else None


def power_step(before: PowerReading, after: PowerReading) -> PowerStep | None:
    """Return by how much demand rose; None: by nothing that could be told from noise."""
    kw = after.kw - before.kw
    if after.is_upper_bound or kw < max(NOISE_KW, NOISE_SHARE * before.kw):
        return None
    return PowerStep(round(kw, 2), is_lower_bound=before.is_upper_bound)
