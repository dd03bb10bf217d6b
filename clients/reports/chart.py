"""The demand curve of an outage as an SVG that stands alone: no script, no network, no font of its own."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import groupby, pairwise
from math import ceil, inf, log10
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import ModuleType
    from xml.etree.ElementTree import Element

    from pygal import XY
    from pygal.style import Style

MOST_COLUMNS = 480
"""About two pixels each. A column shows the lowest and the highest of what falls into it, so that no peak is lost."""

_GAP_SAMPLES = 4.0
_NO_HOUSE_KW = 1.0
# pygal writes labels below and to the right of a dot.
_LABEL_LIFT, _LABEL_LEFT, _LABEL_ROOM, _LABEL_END = 33.0, 16.0, 130.0, 20.0

_INK, _PAPER, _FAINT = "#1f2933", "#ffffff", "#e3e8ed"
_NOW, _SHORT, _LONG, _PEAK, _RATED = "#7b8ea0", "#2f7fbd", "#14304d", "#b5371c", "#96600f"
"""Each has a contrast of 3:1 or more to the paper (WCAG 2.2, 1.4.11)."""
_FONTS = "system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif"

# pygal gives every line the same width by a rule of its own; a halo keeps a peak's label legible on the curve.
_RULES = {
    ".series .line": "stroke-linejoin: round; stroke-width: 1.6px",
    ".serie-0 .line": "stroke-width: 1.3px",
    ".serie-1 .line": "stroke-width: 1.8px",
    ".serie-2 .line": "stroke-width: 2.4px",
    "text.label": "font-weight: bold; paint-order: stroke; stroke: #ffffff !important; stroke-width: 4px",
}


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One sample of an outage, `seconds` after it began. None is unknown and leaves a gap."""

    seconds: float
    kw: float | None
    demand_5min_kw: float | None
    demand_15min_kw: float | None


@dataclass(frozen=True, slots=True)
class PeakMark:
    """A marked peak: seconds after the beginning, kW, and its label."""

    seconds: float
    kw: float
    label: str


Points = list[tuple[float, float | None]]

_LINE_LABELS = (("now", 0.25), ("5 min average", 0.6), ("15 min average", 0.85))
"""Name beside each line, and at which part of the time, so that they seldom meet."""


@dataclass(frozen=True, slots=True)
class ChartSize:
    """Size of a chart in pixels, with its text. `ticks`: most marks on the time axis."""

    width: int
    height: int
    font: int
    ticks: int


WIDE, NARROW = ChartSize(980, 430, 12, 10), ChartSize(366, 320, 11, 4)
"""For a page at a desk, and for a phone of 390 px: its text is drawn at its own size, 10 px or more."""


def demand_svg(
    samples: Iterable[CurvePoint],
    peaks: Iterable[PeakMark] = (),
    *,
    title: str = "Demand",
    rated_kw: float | None = None,
    name: str = "demand",
    narrow: bool = False,
) -> str:
    """Return the curve as one `<svg>` element for an HTML page.

    Three lines: demand now, over 5 and over 15 minutes. A line is interrupted while the value is unknown or samples are
    missing. Each line has its name beside it. `rated_kw`: the generator's rating, drawn as a dashed line. `narrow`: for
    a phone, with text that stays legible at its width. `name` separates the styles of several charts
    on one page. Needs pygal (the extra `report`); ImportError without it.
    """
    taken = sorted(samples, key=lambda sample: sample.seconds)
    dots = sorted(peaks, key=lambda peak: peak.seconds)
    ends = [sample.seconds for sample in taken] + [peak.seconds for peak in dots]
    span_s = max(ends, default=60.0) or 60.0
    lines = _lines(taken, span_s)
    seen = [kw for _, points in lines for _, kw in points if kw is not None] + [peak.kw for peak in dots]
    rated = [_RATED] if rated_kw is not None else []
    colors = (_NOW, _SHORT, _LONG, *([_PEAK] if dots else []), *rated, _NOW, _SHORT, _LONG, *rated)
    size = NARROW if narrow else WIDE
    chart = _chart(title, name, span_s, max([*seen, rated_kw or 0.0, _NO_HOUSE_KW]), colors, size=size)
    for label, points in lines:
        chart.add(label, points)
    if dots:
        values = [{"value": (dot.seconds, dot.kw), "label": dot.label} for dot in dots]
        chart.add("Highest 15 minutes", values, stroke=False, show_dots=True, dots_size=4)
    if rated_kw is not None:
        ends_kw = [(0.0, rated_kw), (span_s, rated_kw)]
        chart.add(f"Generator, {rated_kw:g} kW", ends_kw, stroke_style={"dasharray": "7, 5"})
    for (label, points), (short, place) in zip(lines, _LINE_LABELS, strict=True):
        chart.add(label, _label(points, short, place * span_s), stroke=False, show_dots=True, dots_size=2)
    if rated_kw is not None:
        name_of_line = [{"value": (0.4 * span_s, rated_kw), "label": f"generator, {rated_kw:g} kW"}]
        chart.add("Generator", name_of_line, stroke=False, show_dots=True, dots_size=0)
    rendered: str = chart.render(is_unicode=True)
    return rendered


def _lines(samples: Sequence[CurvePoint], span_s: float) -> list[tuple[str, Points]]:
    longest_s = _GAP_SAMPLES * median([b.seconds - a.seconds for a, b in pairwise(samples)] or [inf])
    named = (
        ("Now", [(sample.seconds, sample.kw) for sample in samples]),
        ("5-minute average", [(sample.seconds, sample.demand_5min_kw) for sample in samples]),
        ("15-minute average", [(sample.seconds, sample.demand_15min_kw) for sample in samples]),
    )
    return [(label, thinned(with_gaps(points, longest_s), span_s)) for label, points in named]


def _label(points: Points, label: str, at: float) -> list[object]:
    """Return the known point nearest to `at`, with the line's name; empty if no point is known."""
    known = [(seconds, kw) for seconds, kw in points if kw is not None]
    if not known:
        return []
    nearest: tuple[float, float] = min(known, key=lambda point: abs(point[0] - at))
    return [{"value": nearest, "label": label}]


def with_gaps(points: Points, longest_s: float) -> Points:
    """Put an unknown point between two that are further apart than `longest_s`: what was not seen is not drawn."""
    spaced: Points = []
    for at, kw in points:
        if spaced and at - spaced[-1][0] > longest_s:
            spaced.append(((at + spaced[-1][0]) / 2, None))
        spaced.append((at, kw))
    return spaced


def thinned(points: Points, span_s: float, columns: int = MOST_COLUMNS) -> Points:
    """Return few enough points to draw: of each column and each unbroken stretch in it the lowest and the highest."""
    if len(points) <= 2 * columns:
        return points
    wide_s = span_s / columns
    kept: Points = []
    for (_, unknown), group in groupby(points, key=lambda point: (int(point[0] / wide_s), point[1] is None)):
        column = list(group)
        kept += column[:1] if unknown else _extremes(column)
    return kept


def _extremes(points: Points) -> Iterator[tuple[float, float | None]]:
    lowest = min(points, key=lambda point: point[1] or 0.0)
    highest = max(points, key=lambda point: point[1] or 0.0)
    yield from sorted({lowest, highest})


def _chart(title: str, name: str, span_s: float, top_kw: float, colors: tuple[str, ...], *, size: ChartSize) -> XY:
    pygal = _pygal()
    step_kw = _step(top_kw, 5)
    rows = ceil(top_kw * 1.05 / step_kw)
    rules = "".join(f"#chart-{name} {what} {{{how}}}" for what, how in _RULES.items())
    chart = pygal.XY(
        style=_style(colors, size.font),
        css=["file://style.css", "file://graph.css", f"inline:{rules}"],
        title=title,
        x_title="hours : minutes since it began",
        y_title="kW",
        width=size.width,
        height=size.height,
        js=[],
        disable_xml_declaration=True,
        allow_interruptions=True,
        show_dots=False,
        print_labels=True,
        no_data_text="Nothing was measured",
        show_legend=False,
        x_value_formatter=_clock,
        x_labels=_ticks(span_s, size.ticks),
        xrange=(0.0, span_s),
        y_labels=[round(row * step_kw, 6) for row in range(rows + 1)],
        range=(0.0, rows * step_kw),
        margin=14,
    )
    chart.uuid = name
    chart.add_xml_filter(_still)
    return chart


def _pygal() -> ModuleType:
    import pygal  # noqa: PLC0415 — dear, and only a report needs it

    # For plug-ins we do not use it puts a finder into every import of the program, by an interface long withdrawn.
    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "pygal"]
    module: ModuleType = pygal
    return module


def _style(colors: tuple[str, ...], font: int) -> Style:
    from pygal.style import Style  # noqa: PLC0415

    return Style(
        background=_PAPER,
        plot_background=_PAPER,
        foreground=_INK,
        foreground_strong=_INK,
        foreground_subtle=_FAINT,
        colors=colors,
        font_family=_FONTS,
        title_font_size=font + 2,
        label_font_size=font,
        major_label_font_size=font,
        legend_font_size=font,
        value_label_font_size=font,
        no_data_font_size=22,
        guide_stroke_color=_FAINT,
        major_guide_stroke_color=_FAINT,
        guide_stroke_dasharray="1,0",
        major_guide_stroke_dasharray="1,0",
        opacity="1",
        stroke_opacity="1",
    )


def _still(root: Element) -> Element:
    """Remove everything that moves, loads or reacts to a pointer: charts are printed and mailed.

    Lift labels off the curve.
    """
    width = float(root.get("viewBox", "0 0 0 0").split()[2])
    for parent in list(root.iter()):
        for child in list(parent):
            if str(child.tag).endswith(("script", "desc")):
                parent.remove(child)
            elif child.get("class") == "label" and child.tag.endswith("text"):
                child.set("y", str(float(child.get("y", "0")) - _LABEL_LIFT))
                x = float(child.get("x", "0")) - _LABEL_LEFT
                at_the_end = x > width - _LABEL_ROOM
                child.set("x", str(x + _LABEL_END if at_the_end else x))
                child.set("text-anchor", "end" if at_the_end else "middle")
    return root


def _step(span: float, most: int) -> float:
    """Return the smallest of 1, 2, 5, 10, … that divides a span into at most `most` steps."""
    decade: float = 10.0 ** (ceil(log10(span / most)) - 1)
    return next(decade * nice for nice in (1, 2, 5, 10) if decade * nice * most >= span)


_TICK_STEPS_S = (10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


def _ticks(span_s: float, most: int) -> list[float]:
    step_s = next((step for step in _TICK_STEPS_S if step * most >= span_s), None)
    step_s = step_s or 86400 * ceil(span_s / 86400 / most)
    return [float(at) for at in range(0, int(span_s) + 1, step_s)]


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}" if not rest else f"{hours}:{minutes:02}:{rest:02}"
