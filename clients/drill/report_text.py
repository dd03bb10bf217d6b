"""A drill's result as plain text, for the terminal; and as JSON, for programs and for the next drill."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from clients.drill.plan_text import kw_words, line_fields, rise_words
from clients.reports.circuit_load import power_words
from clients.setup.panel_card import AT_THE_PANEL, STAYS_ON
from clients.terminal.tables import format_duration, format_span, table, wrapped
from clients.terminal.times import date_and_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clients.drill.result import CircuitResult, DemandSummary, DrillResult
    from rules.json_types import Json

HEADS = ("circuit", "off after", "attempts", "on after", "attempts", "load", "result")


def result_text(result: DrillResult) -> str:
    """Return the summary: the drill, the result of each circuit, and the verdict."""
    parts = (
        [*_head(result)],
        [table(HEADS, [cells(one) for one in result.outcomes], right=(1, 2, 3, 4))] if result.outcomes else [],
        [wrapped(f"{what:10} {says}", " " * 11, first="") for what, says in demand_rows(result)],
        [*_by_hand(result)],
        [wrapped(result.verdict)],
    )
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def _head(result: DrillResult) -> Iterator[str]:
    head = title(result)
    yield head
    yield "═" * len(head)
    yield f"started    {began(result)}"
    yield f"requested  by {result.by or 'an unknown user'}"
    yield f"off for    {held(result)}"


def title(result: DrillResult) -> str:
    """Return what it is called."""
    return "Drill" if result.course.id is None else f"Drill {result.course.id}"


def began(result: DrillResult) -> str:
    """Return the time of the start in the time zone of the house."""
    try:
        sure = "" if result.course.clock_trusted else " (by a clock that may be wrong)"
        return date_and_time(datetime.fromisoformat(result.course.began).timestamp()) + sure
    except ValueError:
        return "not started" if result.course.id is None else "at an unknown time"


def held(result: DrillResult) -> str:
    """Return how long circuits were held off, and why no longer."""
    course = result.course
    if course.began_at is None or course.over_at is None:
        return f"an unknown time ({format_span(result.plan.for_s)} requested)"
    lasted = format_span(course.over_at - course.began_at)
    return f"{lasted} of {format_span(result.plan.for_s)}; ended because {course.because}"


def cells(outcome: CircuitResult) -> tuple[str, ...]:
    """Return one circuit's row."""
    progress = outcome.progress
    drew = _load(outcome)
    off, on = _after(progress.off_after_s, heard=progress.off_at), _after(progress.on_after_s, heard=progress.on_at)
    unknown = bool(outcome.drew_not) and outcome.power is None
    says = f"{outcome.text}; load unknown: {outcome.drew_not}" if unknown else outcome.text
    if outcome.power_off is not None:
        says += f"; {power_words(outcome.power_off.watts)} while off"
    return outcome.line.name, off, _tries(progress.off_tries), on, _tries(progress.on_tries), drew, says


def _load(outcome: CircuitResult) -> str:
    """Return the load of a circuit: by the meter, else as its own device measured it."""
    if outcome.drew is not None:
        return rise_words(outcome.drew)
    return "unknown" if outcome.power is None else f"{power_words(outcome.power.watts)} (its device)"


def _after(after_s: float | None, *, heard: float | None) -> str:
    if heard is None:
        return "–"
    return "?" if after_s is None else format_duration(after_s)


def _tries(tries: int) -> str:
    return str(tries) if tries else ""


def demand_rows(result: DrillResult) -> Iterator[tuple[str, str]]:
    """Yield the known demand figures of the house, each with its name."""
    demand, rated = result.demand, result.plan.rated_kw
    if demand.before is not None or demand.shed is not None:
        yield "before", kw_words(demand.before)
        yield "while off", kw_words(demand.shed) + _share(demand, rated)
        yield "after", kw_words(demand.after)
        yield "fell by", "unknown" if demand.fell is None else rise_words(demand.fell)
    if demand.circuits_unknown_reason:
        yield "circuits", f"load of each circuit unknown: {demand.circuits_unknown_reason}"
    yield (
        "generator",
        "rating unknown: set [generator] kw in installer.toml" if rated is None else f"rated {rated:g} kW",
    )


def _share(demand: DemandSummary, rated: float | None) -> str:
    if demand.shed is None or not rated:
        return ""
    too_much = demand.shed.kw > rated and not demand.shed.is_upper_bound
    return f", {demand.shed.kw / rated:.0%} of the generator's rating" + (": OVERLOAD" if too_much else "")


def _by_hand(result: DrillResult) -> Iterator[str]:
    if result.plan.by_hand:
        names = ", ".join(f"{line.name} (space {line.spaces})" for line in result.plan.by_hand)
        yield wrapped(f"{STAYS_ON}: {names}. {AT_THE_PANEL}")


# --- for programs ----------------------------------------------------------------------------------------------------


def result_fields(result: DrillResult, site: str) -> dict[str, Json]:
    """Return it for programs. Null is unknown, never 0."""
    course, demand = result.course, result.demand
    over_s = None if course.began_at is None or course.over_at is None else course.over_at - course.began_at
    return {
        "id": course.id,
        "kind": "drill",
        "site": site,
        "began": course.began or None,
        **({} if course.clock_trusted else {"clock": "untrusted"}),
        "by": result.by,
        "for_s": result.plan.for_s,
        "held_s": None if over_s is None else round(over_s, 3),
        "reason": course.because or course.dropped or None,
        "became_outage": course.taken_over,
        "passed": result.passed,
        "verdict": result.verdict,
        "generator_kw": result.plan.rated_kw,
        "demand": _demand_fields(demand),
        "circuits": {str(one.line.id): _outcome_fields(one) for one in result.outcomes},
        "manual": {str(line.id): line_fields(line) for line in result.plan.by_hand},
    }


def _demand_fields(demand: DemandSummary) -> dict[str, Json]:
    return {
        "before_kw": None if demand.before is None else demand.before.kw,
        "before_kw_is_upper_bound": demand.before is not None and demand.before.is_upper_bound,
        "shed_kw": None if demand.shed is None else demand.shed.kw,
        "shed_kw_is_upper_bound": demand.shed is not None and demand.shed.is_upper_bound,
        "after_kw": None if demand.after is None else demand.after.kw,
        "fell_kw": None if demand.fell is None else demand.fell.kw,
        "fell_kw_at_least": demand.fell is not None and demand.fell.is_lower_bound,
        "circuits_unknown_reason": demand.circuits_unknown_reason or None,
    }


def _outcome_fields(outcome: CircuitResult) -> dict[str, Json]:
    progress = outcome.progress
    return {
        "name": outcome.line.name,
        "space": outcome.line.spaces,
        "off": progress.off_at is not None,
        "off_after_s": progress.off_after_s,
        "off_tries": progress.off_tries,
        "on": outcome.back,
        "on_after_s": progress.on_after_s,
        "on_tries": progress.on_tries,
        "kw": None if outcome.drew is None else outcome.drew.kw,
        "kw_at_least": outcome.drew is not None and outcome.drew.is_lower_bound,
        "kw_unknown_reason": outcome.drew_not or None,
        "power_w": None if outcome.power is None else round(outcome.power.watts, 1),
        "power_off_w": None if outcome.power_off is None else round(outcome.power_off.watts, 1),
        "waiting_for_user": outcome.waits,
        "failed": outcome.failed,
        "text": outcome.text,
    }
