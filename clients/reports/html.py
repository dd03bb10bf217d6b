"""An outage as one HTML page that needs nothing else: no script, no network; it prints on paper, and can be mailed."""

from __future__ import annotations

from html import escape
from math import ceil
from typing import TYPE_CHECKING

from clients.reports import circuit_load
from clients.reports.chart import CurvePoint, PeakMark, demand_svg
from clients.reports.circuit_outcome import shed_summary
from clients.reports.html_page import chart, figures, listed, page, table
from clients.reports.outage_report import ACCURACY, DRILL, time_notes, title
from clients.reports.peaks import AVERAGES, FIFTEEN_MINUTES, LONG_WINDOW_S, SHORT_WINDOW_S
from clients.reports.text import before_words, peak_words
from clients.terminal.tables import figure
from clients.terminal.times import clock, day_and_time, format_elapsed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clients.reports.circuit_outcome import CircuitOutcome
    from clients.reports.outage_report import OutageReport
    from controller.storage.log_reader import OutageRow


TABLE_ROWS = 48
"""Most rows of the table beside the chart."""


def report_html(story: OutageReport) -> str:
    """Return the page. The chart needs pygal; without it the page names what to install."""
    parts = (*_head(story), *_demand(story), *_circuits(story), *_loads(story), *_events(story), _foot(story))
    return page(title(story.outage), parts)


def _head(story: OutageReport) -> Iterator[str]:
    outage = story.outage
    ended = day_and_time(outage.ended) if outage.ended else "not ended yet"
    yield f"<h1>{title(outage)}</h1>"
    yield f'<p class="when">{escape(day_and_time(outage.began))} – {escape(ended)}</p>'
    yield from (f"<p>{escape(note)}</p>" for note in time_notes(outage))
    peak = next((peak for peak in story.peaks if peak.what in (FIFTEEN_MINUTES, *AVERAGES)), None)
    pairs = (
        (format_elapsed(outage.lasted) if outage.ended else "not ended yet", "lasted"),
        *_transfers(outage),
        (figure(outage.energy_kwh, "kWh"), "energy during the drill" if outage.kind == DRILL else "energy on standby"),
        (
            figure(peak.kw if peak else None, "kW"),
            "average (shorter than 15 min)" if peak and peak.what in AVERAGES else "highest 15 minutes",
        ),
        (shed_summary(outage), "circuits"),
    )
    yield figures(pairs)


def _transfers(outage: OutageRow) -> Iterator[tuple[str, str]]:
    if outage.kind != DRILL:
        yield str(outage.transfers), "transfer to standby" if outage.transfers == 1 else "transfers to standby"


def _demand(story: OutageReport) -> Iterator[str]:
    yield "<h2>Demand</h2>"
    if not story.samples:
        yield "<p>Demand was not measured.</p>"
        return
    yield _picture(story)
    yield '<p class="small">An average is shown as soon as its whole window lies within the recorded time.</p>'
    if story.peaks:
        yield listed(f"Highest: {peak_words(peak)}" for peak in story.peaks)
    if story.gaps:
        yield "<h2>Gaps in the demand</h2>"
        rows = (
            (clock(gap.began), clock(gap.ended), escape(format_elapsed(gap.lasted)), escape(gap.reason))
            for gap in story.gaps
        )
        yield table(("from", "to", "for", "why"), rows)


def _picture(story: OutageReport) -> str:
    points = [
        CurvePoint(
            since.seconds,
            row.kw,
            row.demand_5min_kw if since.seconds >= SHORT_WINDOW_S else None,
            row.demand_15min_kw if since.seconds >= LONG_WINDOW_S else None,
        )
        for row in story.samples
        if (since := story.since_began(row.at)) is not None
    ]
    marks = [
        PeakMark(since.seconds, peak.kw, f"{peak.kw:.1f} kW")
        for peak in story.peaks
        if peak.what == FIFTEEN_MINUTES and peak.at and (since := story.since_began(peak.at)) is not None
    ]
    name = f"Demand in {title(story.outage).lower()}"
    try:
        wide = demand_svg(points, marks, title=name, rated_kw=story.rated_kw)
        narrow = demand_svg(points, marks, title=name, rated_kw=story.rated_kw, name="demand-narrow", narrow=True)
        return chart(wide, narrow, ("time", "now", "5 min", "15 min"), _rows(story))
    except ImportError:
        return "<p>The chart requires the extra <code>report</code>: <code>pip install loadshed[report]</code>.</p>"


def _rows(story: OutageReport) -> Iterator[tuple[str, ...]]:
    """Yield the figures of the chart, evenly over the outage, at most `TABLE_ROWS` of them."""
    step = max(1, ceil(len(story.samples) / TABLE_ROWS))
    for row in story.samples[::step]:
        since = story.since_began(row.at)
        inside_s = since.seconds if since else 0.0
        five_kw = row.demand_5min_kw if inside_s >= SHORT_WINDOW_S else None
        kws = (row.kw, five_kw, row.demand_15min_kw if inside_s >= LONG_WINDOW_S else None)
        yield clock(row.at), *("unknown" if kw is None else f"{kw:.1f} kW" for kw in kws)


def _circuits(story: OutageReport) -> Iterator[str]:
    yield "<h2>Circuits</h2>"
    if story.circuits:
        heads = ("circuit", "before", "off at", "confirmed after", "on again at", "how it ended")
        yield table(heads, (_outcome(outcome) for outcome in story.circuits))
    else:
        yield "<p>No circuit was shed.</p>"


def _outcome(outcome: CircuitOutcome) -> tuple[str, ...]:
    confirmed = "" if outcome.confirmed_after_s is None else f"{outcome.confirmed_after_s:.1f} s"
    if outcome.shed_at and outcome.confirmed_after_s is None:
        confirmed = '<span class="wrong">never</span>'
    end = escape(outcome.text)
    if "UNCONTROLLABLE" in outcome.text:
        end = f'<span class="wrong">{end}</span>'
    return (
        escape(outcome.name),
        escape(before_words(outcome)),
        clock(outcome.shed_at),
        confirmed,
        clock(outcome.restored_at),
        end,
    )


def _loads(story: OutageReport) -> Iterator[str]:
    if story.loads:
        yield f"<h2>{circuit_load.TITLE}</h2>"
        yield table(circuit_load.HEADS, (tuple(map(escape, load.cells)) for load in story.loads))
        yield f'<p class="small">{circuit_load.NOTE}</p>'


def _events(story: OutageReport) -> Iterator[str]:
    if story.events:
        yield "<h2>Notable events</h2>"
        yield table(("at", "what"), ((clock(told.at), escape(told.text)) for told in story.events))


def _foot(story: OutageReport) -> str:
    meter = f"Meter {story.meter_model}: accuracy {ACCURACY}. " if story.meter_model else ""
    return (
        f"<footer>{escape(meter)}Momentary demand comes from the meter's pulses or from its energy register.</footer>"
    )
