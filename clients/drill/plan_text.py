"""The plan of a drill, for a user before they confirm it, and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.drill.plan import PlannedAction, RestoreMode
from clients.setup.panel_card import AT_THE_PANEL
from clients.terminal.tables import figure, format_span, sentence, table, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clients.drill.demand_readings import PowerReading, PowerStep
    from clients.drill.plan import DrillPlan, MeasuredLoad, PlannedCircuit
    from rules.json_types import Json


def plan_text(plan: DrillPlan) -> str:
    """Return what a drill would do, in shedding order, with everything to know before it."""
    heads = ("circuit", "space", "is now", "load", "in a drill", "reason, and when it is on again")
    rows = [_row(line) for line in plan.lines]
    refused = [wrapped(sentence(f"A live drill would be REFUSED now: {plan.refused}"))] if plan.refused else []
    parts = (
        refused,
        [wrapped(_summary(plan, refused=bool(refused)))],
        [table(heads, rows)],
        [wrapped(said) for said in _sentences(plan)],
        _listed("Unknown now:", plan.unknown),
    )
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def _summary(plan: DrillPlan, *, refused: bool) -> str:
    count, begin = len(plan.goes_off), "Once it is possible, a drill" if refused else "A drill now"
    if not count:
        silent = f"; {len(plan.silent)} would not be confirmed" if plan.silent else ""
        return f"{begin} would switch no circuit off{silent}."
    circuits = "1 circuit" if count == 1 else f"{count} circuits"
    at_once = "" if count == 1 else ", all at once,"
    return f"{begin} would switch {circuits} off{at_once} for {format_span(plan.for_s)}. Load: {_how_much(plan)}."


def _how_much(plan: DrillPlan) -> str:
    measured = len(plan.goes_off) - len(plan.unmeasured)
    if not measured:
        return "unknown, because it was never measured"
    known = f"{plan.known_kw:.1f} kW when last measured"
    return known + (f" for {measured} of them; the rest is unknown" if plan.unmeasured else "")


def _row(line: PlannedCircuit) -> tuple[str, ...]:
    is_now = "?" if line.position is None else line.position.value
    action = line.action.value.upper() if line.action is PlannedAction.GOES_OFF else line.action.value
    why = line.why if line.restore is None else f"{line.why}; {_back(line)}"
    if line.action is PlannedAction.BY_HAND:
        is_now = "" if is_now in ("?", "unknown") else is_now  # such a breaker may have no means to report
    elif line.answers is False:
        is_now += ", SILENT"
    return line.name, line.spaces, is_now, _draws(line.known), action, why


def _draws(known: MeasuredLoad | None) -> str:
    if known is None:
        return "unknown"
    return f"{'≥ ' if known.at_least else ''}{known.kw:.1f} kW ({known.at[:10]})"


def _back(line: PlannedCircuit) -> str:
    if line.restored_after_s is not None:
        return (
            f"on again {format_span(line.restored_after_s)} after the end"
            if line.restored_after_s >= 1.0
            else "on again at the end"
        )
    return f"on again: {line.restore.value}" if line.restore is not None else ""


def _sentences(plan: DrillPlan) -> Iterator[str]:
    if plan.demand is not None:
        rated = "" if plan.rated_kw is None else f"; the generator is rated {plan.rated_kw:g} kW"
        yield f"Demand of the house now: {kw_words(plan.demand)}{rated}."
    if plan.in_turn:
        last_s = plan.in_turn[-1].restored_after_s
        order = ", ".join(line.name for line in plan.in_turn)
        last = f" The last one is turned on {format_span(last_s)} after the end." if (last_s or 0.0) >= 1.0 else ""
        yield f"Turned on again in this order: {order}.{last}"
    for line in plan.waiting:
        yield f"{line.name} STAYS OFF after the drill: {what_to_do(line)}."
    if plan.silent:
        names = ", ".join(line.name for line in plan.silent)
        yield f"Does not respond now, and would not be confirmed: {names}. Check the breaker and its hub."
    if plan.by_hand:
        yield f"Manual only: {', '.join(f'{line.name} (space {line.spaces})' for line in plan.by_hand)}. {AT_THE_PANEL}"


def what_to_do(line: PlannedCircuit) -> str:
    """Return why a circuit stays off, and the command that turns it on."""
    restore = f"`loadshed ask restore {line.id}`"
    return {
        RestoreMode.ASK: f'restore = "ask"; to turn it on: {restore}',
        RestoreMode.NEVER: f'restore = "never"; to turn it on: {restore}, or at the breaker',
        RestoreMode.ON_HOLD: f"on hold; to turn it on: `loadshed ask release {line.id}`, then {restore}",
        RestoreMode.UNKNOWN: f"position before the drill unknown; to turn it on: {restore}",
    }.get(line.restore or RestoreMode.IN_TURN, restore)


def kw_words(demand: PowerReading | None) -> str:
    """Return a demand; `≤` marks an upper bound."""
    return "unknown" if demand is None else f"{'≤ ' if demand.is_upper_bound else ''}{figure(demand.kw, 'kW', 2)}"


def rise_words(rise: PowerStep) -> str:
    """Return a rise or fall of demand; `≥` marks a lower bound."""
    return f"{'≥ ' if rise.is_lower_bound else ''}{rise.kw:.1f} kW"


def _listed(head: str, sentences: tuple[str, ...]) -> list[str]:
    return [head, *(wrapped(sentence, "  ", first="- ") for sentence in sentences)] if sentences else []


# --- for programs ----------------------------------------------------------------------------------------------------


def plan_fields(plan: DrillPlan) -> dict[str, Json]:
    """Return the plan for programs.

    Null is unknown; `restored_after_s` null: it does not go off, or waits for a user.
    """
    return {
        "for_s": plan.for_s,
        "demand_kw": None if plan.demand is None else plan.demand.kw,
        "demand_kw_is_upper_bound": plan.demand is not None and plan.demand.is_upper_bound,
        "known_kw": round(plan.known_kw, 2),
        "generator_kw": plan.rated_kw,
        "unknown": [*plan.unknown],
        "refused": plan.refused,
        "circuits": {str(line.id): line_fields(line) for line in plan.lines},
    }


def line_fields(line: PlannedCircuit) -> dict[str, Json]:
    """Return what is planned for one circuit."""
    return {
        "name": line.name,
        "space": line.spaces,
        "position": None if line.position is None else line.position.value,
        "available": line.answers,
        "action": line.action.name.lower().replace("_", "-"),
        "why": line.why,
        "restore": None if line.restore is None else line.restore.name.lower().replace("_", "-"),
        "restored_after_s": None if line.restored_after_s is None else round(line.restored_after_s, 3),
        "last_measured_kw": None if line.known is None else line.known.kw,
        "last_measured_at": None if line.known is None else line.known.at,
    }
