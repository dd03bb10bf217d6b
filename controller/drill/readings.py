"""What the house draws while circuits go and come: which figure of `demand` belongs to which moment. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import harmonic_mean
from typing import TYPE_CHECKING

from rules.demand import EDGE_KW_S, Quality
from rules.register import TICK_KW_S

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from controller.effects import Json

LATE_S = 0.3
"""`demand` is told at most each 0.2 s, and takes its way over the bus: so much later than its edge it may come."""

NOISE_KW, NOISE_SHARE = 0.1, 0.05
"""A rise smaller than this, or than this share of what the house drew before it, may be anybody's."""

_STEP_KW_S = {Quality.PULSES.value: EDGE_KW_S, Quality.COARSE.value: TICK_KW_S}


@dataclass(frozen=True, slots=True)
class Figure:
    """Demand in kW. `at_most`: the truth is this or less."""

    kw: float
    at_most: bool = False


@dataclass(frozen=True, slots=True)
class Rise:
    """By how much demand rose, in kW. `at_least`: what it rose from is only known to be that or less."""

    kw: float
    at_least: bool = False


@dataclass(frozen=True, slots=True)
class _Reading:
    """One word of `demand`. `since`: no later than this began the interval between two edges that it is the mean of."""

    at: float
    figure: Figure
    quality: str
    since: float


class Readings:
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
        figure = Figure(float(kw), fields.get("kw_at_most") is True)
        self._heard.append(_Reading(at, figure, quality, at - self._reaches_back_s(figure, quality)))

    def _reaches_back_s(self, figure: Figure, quality: str) -> float:
        """Return how long before a word the interval began that it tells of, at most.

        A figure that has changed came with the edge that ended its interval. One that is repeated came within the next
        interval, before its edge was overdue.
        """
        interval_s = _STEP_KW_S[quality] / figure.kw
        late_s = LATE_S + (self._poll_s if quality == Quality.COARSE.value else 0.0)
        last = self._heard[-1] if self._heard else None
        fresh = last is not None and last.quality == quality and last.figure != figure
        return (interval_s if fresh else 2 * interval_s) + late_s

    @property
    def by_pulses(self) -> bool:
        """Tell whether the meter's pulses speak: only they see one circuit come on before the next does."""
        return self.quality == Quality.PULSES.value

    def last(self, until: float) -> Figure | None:
        """Return the last figure told by then; None: there was none."""
        return next((one.figure for one in reversed(self._heard) if one.at <= until), None)

    def steady(self, since: float, until: float) -> Figure | None:
        """Return the mean demand of a time in which nothing was switched; None: no whole interval fell into it."""
        figures = [one.kw for one in self._inside(since, until) if not one.at_most]
        return Figure(round(harmonic_mean(figures), 3)) if figures else None

    def fallen(self, since: float, until: float) -> Figure | None:
        """Return the demand after loads went off: where no whole interval fell into the time, what it is at most."""
        if (figure := self.steady(since, until)) is not None:
            return figure
        # Every interval that reaches back before the fall has a higher mean than what came after it.
        bounds = [one.figure.kw for one in self._heard if since <= one.at <= until]
        return Figure(min(bounds), at_most=True) if bounds else None

    def _inside(self, since: float, until: float) -> Iterator[Figure]:
        return (one.figure for one in self._heard if since <= one.since and one.at <= until)


def rise(before: Figure, after: Figure) -> Rise | None:
    """Return by how much demand rose; None: by nothing that could be told from noise."""
    kw = after.kw - before.kw
    if after.at_most or kw < max(NOISE_KW, NOISE_SHARE * before.kw):
        return None
    return Rise(round(kw, 2), at_least=before.at_most)
