"""Highest demand of an outage: over 15 minutes, over 5 minutes and for a moment, each with the time it covers.

One definition for text, page, JSON and the list: the peak of an outage that was shorter than 15 minutes is its average.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from controller.storage.boot_clocks import elapsed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from controller.storage.boot_clocks import LoggedTime
    from controller.storage.log_reader import OutageRow, SampleRow

SHORT_WINDOW_S, LONG_WINDOW_S = 300.0, 900.0

FIFTEEN_MINUTES, FIVE_MINUTES, MOMENT = "15 minutes", "5 minutes", "a moment"

SHORTER = "its whole time (shorter than 15 minutes)"
"""Time covered by the peak of an outage that was shorter than 15 minutes: its average."""

MEASURED_PART = "the measured part of it (shorter than 15 minutes)"
"""The same, if demand was not measured all the time."""

AVERAGES = (SHORTER, MEASURED_PART)

_GAP_S = 60.0
"""Averages start again after a longer time without a reading."""


@dataclass(frozen=True, slots=True)
class DemandPeak:
    """The highest figure of one kind, in kW. `what`: the time it covers.

    `at`: None where the log has no row that shows it. `at_least`: a lower bound: an average was higher than every
    momentary figure in the log, which has one each few seconds.
    """

    what: str
    kw: float
    at: LoggedTime | None
    at_least: bool = False


def is_partial(outage: OutageRow) -> bool:
    """Return whether its 15-minute peak covers less than 15 minutes: it is an average."""
    if outage.peak_15min_kw is None or outage.ended is None:
        return False
    return outage.lasted is None or outage.lasted.seconds < LONG_WINDOW_S


def demand_peaks(outage: OutageRow, samples: Sequence[SampleRow]) -> Iterator[DemandPeak]:
    """Yield the highest demand over 15 and 5 minutes, and of a moment. No shorter time has a lower peak.

    Of windows, those that lie in the outage; of moments, those that are no mere upper bound.
    """
    highest = _highest(_inside(outage, samples, LONG_WINDOW_S, lambda row: row.demand_15min_kw), FIFTEEN_MINUTES)
    # The controller's own figure has every corner of the curve, the rows have one each few seconds.
    if outage.peak_15min_kw is not None:
        what = _average_over(samples) if is_partial(outage) else FIFTEEN_MINUTES
        highest = DemandPeak(what, outage.peak_15min_kw, highest.at if highest else None)
    five = _highest(_inside(outage, samples, SHORT_WINDOW_S, lambda row: row.demand_5min_kw), FIVE_MINUTES)
    moment = _highest(_inside(outage, samples, 0.0, lambda row: None if row.kw_is_upper_bound else row.kw), MOMENT)
    floor_kw = 0.0
    for peak in (highest, five, moment):
        if peak is not None:
            yield peak if peak.kw >= floor_kw else DemandPeak(peak.what, floor_kw, None, at_least=True)
            floor_kw = max(floor_kw, peak.kw)


def _highest(rows: Sequence[tuple[float, LoggedTime]], what: str) -> DemandPeak | None:
    return DemandPeak(what, *max(rows, key=lambda one: one[0])) if rows else None


def _average_over(samples: Sequence[SampleRow]) -> str:
    """Return the time that the average of a short outage covers."""
    for unknown, group in groupby(samples, key=lambda row: row.kw_quality == "stale"):
        rows = list(group)
        gap = elapsed(rows[0].at, rows[-1].at) if unknown else None
        if gap is not None and gap.seconds > _GAP_S:
            return MEASURED_PART
    return SHORTER


def _inside(
    outage: OutageRow, samples: Sequence[SampleRow], window_s: float, figure: Callable[[SampleRow], float | None]
) -> list[tuple[float, LoggedTime]]:
    """Return the known figures whose window began in the outage, and when each was taken."""
    known = ((figure(row), row.at, elapsed(outage.began, row.at)) for row in samples)
    return [(kw, at) for kw, at, since in known if kw is not None and (since.seconds if since else 0.0) >= window_s]
