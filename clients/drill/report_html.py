"""A drill's report as one HTML page: for the binder beside the panel, the inspector, and the next owner."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from clients.drill.plan_text import kw_words, rise_words
from clients.drill.report_text import HEADS, began, cells, demand_rows, held, title
from clients.reports.html_page import figures, page, table
from clients.setup.panel_card import AT_THE_PANEL, STAYS_ON
from clients.terminal.tables import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clients.drill.plan import PlannedCircuit
    from clients.drill.result import CircuitResult, DrillResult

_HOW = (
    "Times run from the first command to the report of the device. All circuits go off at once, so the load of each is "
    "measured when it is restored: the rise of the house's demand at that time. The meter cannot separate it from "
    "another load that starts or stops at the same moment. A load that is not running shows no rise."
)


def result_html(result: DrillResult, site: str, program: str) -> str:
    """Return the page. `program`: its version."""
    parts = (*_head(result, site), *_circuits(result), *_demand(result), *_by_hand(result), *_stayed(result))
    return page(f"{title(result)}: {site}", (*parts, _foot(program)))


def _head(result: DrillResult, site: str) -> Iterator[str]:
    yield f"<h1>{title(result)}</h1>"
    yield (
        f'<p class="when">House {escape(site)}, {escape(began(result))}; requested by '
        f"{escape(result.by or 'an unknown user')}; off for {escape(held(result))}</p>"
    )
    kind = "" if result.passed else ' class="wrong"'
    yield f"<p{kind}><b>{escape(result.verdict)}</b></p>"
    off = [one for one in result.outcomes if one.progress.off_at is not None]
    slowest = max((one.progress.off_after_s for one in off if one.progress.off_after_s is not None), default=None)
    yield figures(
        (
            (f"{len(off)} of {len(result.outcomes)}", "circuits went off"),
            ("?" if slowest is None else format_duration(slowest), "slowest"),
            (str(sum(1 for one in result.outcomes if one.back)), "came on again"),
            ("unknown" if result.demand.fell is None else rise_words(result.demand.fell), "demand fell by"),
            (kw_words(result.demand.shed), "demand while off"),
        )
    )


def _circuits(result: DrillResult) -> Iterator[str]:
    yield "<h2>Circuits that go off</h2>"
    if not result.outcomes:
        yield "<p>None.</p>"
        return
    yield table(("space", *HEADS), (_row(one) for one in result.outcomes))


def _row(outcome: CircuitResult) -> tuple[str, ...]:
    *first, says = (escape(cell) for cell in cells(outcome))
    return escape(outcome.line.spaces), *first, f'<span class="wrong">{says}</span>' if outcome.failed else says


def _demand(result: DrillResult) -> Iterator[str]:
    yield "<h2>Demand of the house</h2>"
    yield table(("", ""), ((escape(what), escape(says)) for what, says in demand_rows(result)))


def _by_hand(result: DrillResult) -> Iterator[str]:
    if result.plan.by_hand:
        yield f"<h2>{STAYS_ON}</h2><p>{AT_THE_PANEL}</p>"
        yield table(("space", "circuit", "why"), (_why(line) for line in result.plan.by_hand))


def _stayed(result: DrillResult) -> Iterator[str]:
    shown = {*(one.line.id for one in result.outcomes), *(line.id for line in result.plan.by_hand)}
    if rest := [line for line in result.plan.lines if line.id not in shown]:
        yield "<h2>Not touched</h2>"
        yield table(("space", "circuit", "why"), (_why(line) for line in rest))


def _why(line: PlannedCircuit) -> tuple[str, ...]:
    return escape(line.spaces), escape(line.name), escape(line.why)


def _foot(program: str) -> str:
    return f"<footer>{_HOW} Made by loadshed {escape(program)}.</footer>"
