"""Demand of the house while circuits switch: which value of `demand` belongs to which time. Pure."""

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
"""Maximum delay in seconds of `demand` after its edge: it is published at most every 0.2 s, and sent over the bus."""

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
        self.silent = True  # no reading yet

    def take(self, fields: Mapping[str, Json], at: float) -> None:
        """Add one message; a message without a value only changes the quality."""
        kw, quality = fields.get("kw"), str(fields.get("kw_quality"))
        self.quality, self.silent = quality, False
        if isinstance(kw, bool) or not isinstance(kw, int | float) or kw <= 0 or quality not in _STEP_KW_S:
            return
        figure = PowerReading(float(kw), fields.get("kw_is_upper_bound") is True)
        interval_s = _STEP_KW_S[quality] / figure.kw
        late_s = LATE_S + (self._poll_s if quality == Quality.COARSE.value else 0.0)
        last = self._heard[-1] if self._heard else None
        if last is None or last.quality != quality or last.figure == figure:
            # Published within the interval after the one it describes, before the next edge was overdue.
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
        """Return whether the meter's pulses are available.

        Only they show one circuit switching on before the next does.
        """
        return self.quality == Quality.PULSES.value

    def last(self, until: float) -> PowerReading | None:
        """Return the last reading by then, as an upper bound if it may be less; None: there was none."""
        found = next((one for one in reversed(self._heard) if one.at <= until), None)
        return None if found is None else PowerReading(found.figure.kw, is_upper_bound=not found.sure)

    def steady(self, since: float, until: float) -> PowerReading | None:
        """Return the mean demand of a time in which nothing was switched; None: no whole interval fell into it."""
        figures = [one.figure.kw for one in self._heard if one.sure and since <= one.since and one.at <= until]
        return PowerReading(round(harmonic_mean(figures), 3)) if figures else None

    def fallen(self, since: float, until: float) -> PowerReading | None:
        """Return the demand after loads were switched off; if no whole interval fits, an upper bound."""
        if (figure := self.steady(since, until)) is not None:
            return figure
        # Every interval that reaches back before the fall has a higher mean than what came after it.
        bounds = [one.figure.kw for one in self._heard if since <= one.at <= until]
        return PowerReading(min(bounds), is_upper_bound=True) if bounds else None


def power_step(before: PowerReading, after: PowerReading) -> PowerStep | None:
    """Return the rise of demand; None: not distinguishable from noise."""
    kw = after.kw - before.kw
    if after.is_upper_bound or kw < max(NOISE_KW, NOISE_SHARE * before.kw):
        return None
    return PowerStep(round(kw, 2), is_lower_bound=before.is_upper_bound)
