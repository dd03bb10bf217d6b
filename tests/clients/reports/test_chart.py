"""The demand curve as a picture: gaps stay gaps, peaks stay peaks, and nothing is loaded from anywhere."""

from __future__ import annotations

import re
import sys
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.reports.chart import CurvePoint, PeakMark, demand_svg, thinned, with_gaps

SVG = "{http://www.w3.org/2000/svg}"
POINTS = st.lists(st.one_of(st.none(), st.floats(0.0, 100.0)), max_size=400)


def steady(seconds: int, kw: float = 4.0, every_s: int = 5) -> list[CurvePoint]:
    """Give a row of samples of one steady load."""
    return [CurvePoint(float(at), kw, kw, kw) for at in range(0, seconds, every_s)]


def parsed(svg: str) -> ET.Element:
    """Return the picture as a browser's parser would see it."""
    return ET.fromstring(svg)  # noqa: S314  # our own text, made a line before


def strokes(svg: str) -> list[int]:
    """Return of each of the lines drawn into how many pieces it falls."""
    series = [group for group in parsed(svg).iter(f"{SVG}g") if "series" in group.get("class", "").split()]
    drawn = [group for group in series if group.find(f"{SVG}path") is not None]
    return [sum(path.get("d", "").count("M") for path in group.iter(f"{SVG}path")) for group in drawn]


def test_the_picture_is_one_svg_that_needs_nothing_else() -> None:
    """No script, no network, no font to fetch: it stands in a file that is mailed and printed."""
    svg = demand_svg(steady(3600), [PeakMark(1800.0, 4.0, "4.0 kW at 0:30")], rated_kw=10.0)
    root = parsed(svg)
    assert root.tag == f"{SVG}svg"
    assert not list(root.iter(f"{SVG}script"))
    assert not re.search(r"(href|src|url\()", svg)
    assert "@import" not in svg
    assert "4.0 kW at 0:30" in svg
    assert "generator, 10 kW" in svg


def test_drawing_leaves_the_programs_imports_alone() -> None:
    """The library would listen in on each of them."""
    demand_svg(steady(60))
    assert not [finder for finder in sys.meta_path if type(finder).__module__.startswith("pygal")]


def test_the_same_outage_gives_the_same_picture() -> None:
    """No chance in it: two reports can be compared."""
    assert demand_svg(steady(600)) == demand_svg(steady(600))


def test_two_pictures_on_one_page_keep_their_styles_apart() -> None:
    """Every rule names the picture it is for."""
    svg = demand_svg(steady(600), name="outage-7")
    rules = re.findall(r"([^{}]+)\{[^}]*\}", svg.partition("<style")[2].partition(">")[2].partition("</style>")[0])
    assert rules
    assert all(part.strip().startswith("#chart-outage-7") for rule in rules for part in rule.split(","))


def test_what_is_unknown_is_a_gap() -> None:
    """Never nought, and never a line across."""
    samples = steady(600)
    samples[50:60] = [CurvePoint(sample.seconds, None, None, None) for sample in samples[50:60]]
    assert strokes(demand_svg(samples)) == [2, 2, 2]


def test_samples_that_are_missing_are_a_gap() -> None:
    """The program was down: unknown."""
    samples = steady(600)
    del samples[50:60]
    assert strokes(demand_svg(samples)) == [2, 2, 2]


def test_one_late_sample_is_no_gap() -> None:
    """A busy machine writes a row later now and then."""
    samples = steady(600)
    del samples[50]
    assert strokes(demand_svg(samples)) == [1, 1, 1]


@pytest.mark.parametrize("samples", [[], [CurvePoint(0.0, None, None, None)] * 3])
def test_an_outage_without_a_figure_says_so(samples: list[CurvePoint]) -> None:
    """The picture stands all the same."""
    assert "Nothing was measured" in demand_svg(samples)


@pytest.mark.parametrize("kw", [0.0, 0.004, 1.0, 47.9, 998.0])
def test_any_load_fits_into_the_picture(kw: float) -> None:
    """From an idle house to the largest meter."""
    svg = demand_svg(steady(600, kw), [PeakMark(300.0, kw, "peak")])
    assert strokes(svg)[:3] == [1, 1, 1]


def test_three_days_are_a_picture_of_bounded_size() -> None:
    """51 840 rows would be 5 MB in a report."""
    assert len(demand_svg(steady(3 * 86400))) < 150_000


def test_a_title_is_text_and_never_markup() -> None:
    """Names come from a file."""
    svg = demand_svg(steady(60), title="<script>alert(1)</script>")
    assert not list(parsed(svg).iter(f"{SVG}script"))


@given(kws=POINTS, columns=st.integers(1, 40))
def test_thinning_keeps_the_extremes_the_order_and_the_gaps(kws: list[float | None], columns: int) -> None:
    """Of each column the lowest and the highest; nothing is invented."""
    points = [(float(at), kw) for at, kw in enumerate(kws)]
    kept = thinned(points, max(1.0, float(len(points))), columns)
    assert set(kept) <= set(points)
    assert [at for at, _ in kept] == sorted(at for at, _ in kept)
    known = [kw for kw in kws if kw is not None]
    left = [kw for _, kw in kept if kw is not None]
    assert (min(known, default=None), max(known, default=None)) == (min(left, default=None), max(left, default=None))
    assert _pieces(kept) == _pieces(points)


def _pieces(points: list[tuple[float, float | None]]) -> int:
    return len(re.findall("x+", "".join("x" if kw is not None else " " for _, kw in points)))


def test_a_point_is_put_between_what_is_too_far_apart() -> None:
    """Unknown, half way."""
    points: list[tuple[float, float | None]] = [(0.0, 1.0), (5.0, 1.0), (65.0, 1.0)]
    assert with_gaps(points, 20.0) == [(0.0, 1.0), (5.0, 1.0), (35.0, None), (65.0, 1.0)]
