"""An outage as one HTML page that needs nothing else: no script, no network; it prints on paper, and can be mailed."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from controller.commands.tables import figure, span
from controller.reporting.picture import CurvePoint, PeakMark, demand_svg
from controller.reporting.report import ACCURACY, LONG_WINDOW_S, SHORT_WINDOW_S, SHORTER
from controller.reporting.report_text import before_words, clock, day_and_time, peak_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from controller.reporting.report import Fare, Story

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.45 system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; color: #1f2933; background: #fff;
  max-width: 62rem; margin: 2rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.6rem; margin: 0 0 .2rem; }
h2 { font-size: 1.1rem; margin: 1.8rem 0 .5rem; }
.when { color: #52606d; margin: 0 0 1.2rem; }
.figures { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1rem 0; padding: 0; list-style: none; }
.figures li { border: 1px solid #d9e2ec; border-radius: .4rem; padding: .5rem .9rem; min-width: 7.5rem; }
.figures b { display: block; font-size: 1.25rem; }
.figures span { color: #52606d; font-size: .85rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .7rem .3rem 0; border-bottom: 1px solid #e3e8ed; vertical-align: top; }
th { color: #52606d; font-weight: 600; }
td.time { white-space: nowrap; font-variant-numeric: tabular-nums; }
.wrong { color: #b42318; font-weight: 600; }
svg { width: 100%; height: auto; }
footer, .small { color: #52606d; font-size: .85rem; }
footer { margin-top: 2rem; }
td:first-child { white-space: nowrap; }
@media print { body { margin: 0; max-width: none; font-size: 11pt; } h2, svg { break-after: avoid; }
  tr, li, svg { break-inside: avoid; } }
@page { margin: 15mm; }
""".strip()


def story_html(story: Story) -> str:
    """Return the page. Needs pygal for the curve; without it the page says how to have one."""
    number = story.outage.id
    parts = (*_head(story), *_demand(story), *_circuits(story), *_events(story), _foot(story))
    body = "\n".join(parts)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Outage {number}</title>\n<style>\n{_STYLE}\n</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _head(story: Story) -> Iterator[str]:
    outage = story.outage
    ended = day_and_time(outage.ended) if outage.ended else "it still lasts"
    yield f"<h1>Outage {outage.id}</h1>"
    yield f'<p class="when">{escape(day_and_time(outage.began))} – {escape(ended)}</p>'
    if not outage.began.trusted:
        yield "<p>The clock was not known to be right in this outage: times of day may be off, durations are not.</p>"
    peak = next((peak for peak in story.peaks if peak.what in ("15 minutes", SHORTER)), None)
    figures = (
        (span(story.lasted_s) if outage.ended else "still lasts", "lasted"),
        (str(outage.transfers), "transfer to standby" if outage.transfers == 1 else "transfers to standby"),
        (figure(outage.energy_kwh, "kWh"), "energy on standby"),
        (
            figure(peak.kw if peak else None, "kW"),
            "average, for it was short" if peak and peak.what == SHORTER else "highest 15 minutes",
        ),
        (str(len(outage.histories)), "circuits shed"),
    )
    items = "".join(f"<li><b>{escape(value)}</b><span>{escape(what)}</span></li>" for value, what in figures)
    yield f'<ul class="figures">{items}</ul>'


def _demand(story: Story) -> Iterator[str]:
    yield "<h2>Demand</h2>"
    if not story.samples:
        yield "<p>Demand was not measured in this outage.</p>"
        return
    yield _picture(story)
    yield '<p class="small">An average begins once all of its window lies in the outage.</p>'
    if story.peaks:
        yield _listed(f"Highest: {peak_words(peak)}" for peak in story.peaks)
    if story.gaps:
        yield "<h2>Gaps in the demand</h2>"
        rows = (
            (clock(gap.began), clock(gap.ended), escape(span(gap.seconds)), escape(gap.reason)) for gap in story.gaps
        )
        yield _table(("from", "to", "for", "why"), rows)


def _picture(story: Story) -> str:
    points = [
        CurvePoint(
            seconds,
            row.kw,
            row.demand_5min_kw if seconds >= SHORT_WINDOW_S else None,
            row.demand_15min_kw if seconds >= LONG_WINDOW_S else None,
        )
        for row in story.samples
        if (seconds := story.seconds(row.at)) is not None
    ]
    marks = [
        PeakMark(seconds, peak.kw, f"{peak.kw:.1f} kW")
        for peak in story.peaks
        if peak.what == "15 minutes" and peak.at and (seconds := story.seconds(peak.at)) is not None
    ]
    try:
        return demand_svg(points, marks, title=f"Demand in outage {story.outage.id}", rated_kw=story.rated_kw)
    except ImportError:
        return "<p>For the curve install the extra <code>report</code>: <code>pip install loadshed[report]</code>.</p>"


def _circuits(story: Story) -> Iterator[str]:
    yield "<h2>Circuits</h2>"
    if story.fares:
        heads = ("circuit", "before", "off at", "confirmed after", "on again at", "how it ended")
        yield _table(heads, (_fare(fare) for fare in story.fares))
    else:
        yield "<p>No circuit was shed.</p>"


def _fare(fare: Fare) -> tuple[str, ...]:
    confirmed = "" if fare.confirmed_after_s is None else f"{fare.confirmed_after_s:.1f} s"
    if fare.shed_at and fare.confirmed_after_s is None:
        confirmed = '<span class="wrong">never</span>'
    end = escape(fare.end)
    if "UNCONTROLLABLE" in fare.end:
        end = f'<span class="wrong">{end}</span>'
    return escape(fare.name), escape(before_words(fare)), clock(fare.shed_at), confirmed, clock(fare.restored_at), end


def _events(story: Story) -> Iterator[str]:
    if story.told:
        yield "<h2>Worth telling</h2>"
        yield _table(("at", "what"), ((clock(told.at), escape(told.says)) for told in story.told))


def _foot(story: Story) -> str:
    meter = f"Meter {story.meter_model}: accuracy {ACCURACY}. " if story.meter_model else ""
    return f"<footer>{escape(meter)}Demand now comes from the meter's pulses or from its energy register.</footer>"


def _listed(lines: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a table; the cells are HTML already."""
    head = "".join(f"<th>{escape(one)}</th>" for one in heads)
    body = "".join(f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(cell: str) -> str:
    kind = ' class="time"' if cell[:2].isdigit() and ":" in cell[:3] else ""
    return f"<td{kind}>{cell}</td>"
