"""What a drill would do, told: to a person before they consent, and to a program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.drill.plan import Fate, Return
from clients.setup.panel_card import AT_THE_PANEL
from clients.terminal.tables import figure, sentence, span, table, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clients.drill.demand_readings import Figure, Rise
    from clients.drill.plan import Known, Line, Plan
    from controller.core.effects import Json


def plan_text(plan: Plan) -> str:
    """Return what would happen, in the order of shedding, and all that a person should know before."""
    heads = ("circuit", "space", "is now", "draws", "in a drill", "why, and how it comes back")
    rows = [_row(line) for line in plan.lines]
    parts = (
        [wrapped(_summary(plan))],
        [table(heads, rows)],
        [wrapped(said) for said in _sentences(plan)],
        _listed("What cannot be said now:", plan.unknown),
        [wrapped(sentence(f"A live drill would be REFUSED now: {plan.refused}"))] if plan.refused else [],
    )
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def _summary(plan: Plan) -> str:
    count = len(plan.goes_off)
    if not count:
        return "A drill now would switch nothing off."
    circuits = "1 circuit" if count == 1 else f"{count} circuits"
    at_once = "" if count == 1 else ", all at once,"
    return f"A drill now would switch {circuits} off{at_once} for {span(plan.for_s)}; {_how_much(plan)}."


def _how_much(plan: Plan) -> str:
    measured = len(plan.goes_off) - len(plan.unmeasured)
    if not measured:
        return "how many kW, was never measured"
    known = f"{plan.known_kw:.1f} kW when last measured"
    return known + (f", of {measured} of them: the rest is unknown" if plan.unmeasured else "")


def _row(line: Line) -> tuple[str, ...]:
    is_now = "?" if line.position is None else line.position.value
    fate = line.fate.value.upper() if line.fate is Fate.GOES_OFF else line.fate.value
    why = line.why if line.returns is None else f"{line.why}; {_back(line)}"
    if line.fate is Fate.BY_HAND:
        is_now = "" if is_now in ("?", "unknown") else is_now  # such a breaker may have nothing to say it with
    elif line.answers is False:
        is_now += ", SILENT"
    return line.name, line.spaces, is_now, _draws(line.known), fate, why


def _draws(known: Known | None) -> str:
    if known is None:
        return "unknown"
    return f"{'≥ ' if known.at_least else ''}{known.kw:.1f} kW ({known.at[:10]})"


def _back(line: Line) -> str:
    if line.back_after_s is not None:
        return f"on again {span(line.back_after_s)} after the end"
    return f"on again: {line.returns.value}" if line.returns is not None else ""


def _sentences(plan: Plan) -> Iterator[str]:
    if plan.demand is not None:
        rated = "" if plan.rated_kw is None else f"; the generator is rated {plan.rated_kw:g} kW"
        yield f"The house draws {kw_words(plan.demand)} now{rated}."
    if plan.in_turn:
        last_s = plan.in_turn[-1].back_after_s
        order = ", ".join(line.name for line in plan.in_turn)
        yield f"They come back in this order, the last {span(last_s)} after the end: {order}."
    for line in plan.waiting:
        yield f"{line.name} DOES NOT COME BACK by itself: {what_to_do(line)}."
    if plan.silent:
        names = ", ".join(line.name for line in plan.silent)
        yield f"Does not answer now, and would not be confirmed: {names}. Look at the breaker and its hub."
    if plan.by_hand:
        yield f"By hand: {', '.join(f'{line.name} (space {line.spaces})' for line in plan.by_hand)}. {AT_THE_PANEL}"


def what_to_do(line: Line) -> str:
    """Return what brings a circuit back that waits for a person, and why it waits."""
    restore = f"`loadshed ask restore {line.id}`"
    return {
        Return.ASK: f'restore = "ask": {restore}',
        Return.NEVER: 'restore = "never": switch it on at its breaker',
        Return.ON_HOLD: f"it is on hold: `loadshed ask release {line.id}`, then {restore}",
        Return.UNKNOWN: f"nobody knows whether it is on: {restore}",
    }.get(line.returns or Return.IN_TURN, restore)


def kw_words(demand: Figure | None) -> str:
    """Return a demand in words; one that is an upper bound says so."""
    return "unknown" if demand is None else f"{'≤ ' if demand.at_most else ''}{figure(demand.kw, 'kW', 2)}"


def rise_words(rise: Rise) -> str:
    """Return by how much demand rose or fell; one that is a lower bound says so."""
    return f"{'≥ ' if rise.at_least else ''}{rise.kw:.1f} kW"


def _listed(head: str, sentences: tuple[str, ...]) -> list[str]:
    return [head, *(wrapped(sentence, "  ", first="- ") for sentence in sentences)] if sentences else []


# --- for programs ----------------------------------------------------------------------------------------------------


def plan_fields(plan: Plan) -> dict[str, Json]:
    """Return it for programs. Null is unknown; `back_after_s` null: it does not go off, or waits for a person."""
    return {
        "for_s": plan.for_s,
        "demand_kw": None if plan.demand is None else plan.demand.kw,
        "demand_kw_at_most": plan.demand is not None and plan.demand.at_most,
        "known_kw": round(plan.known_kw, 2),
        "generator_kw": plan.rated_kw,
        "unknown": [*plan.unknown],
        "refused": plan.refused,
        "circuits": {str(line.id): line_fields(line) for line in plan.lines},
    }


def line_fields(line: Line) -> dict[str, Json]:
    """Return what is planned for one circuit."""
    return {
        "name": line.name,
        "space": line.spaces,
        "position": None if line.position is None else line.position.value,
        "available": line.answers,
        "fate": line.fate.name.lower().replace("_", "-"),
        "why": line.why,
        "returns": None if line.returns is None else line.returns.name.lower().replace("_", "-"),
        "back_after_s": None if line.back_after_s is None else round(line.back_after_s, 3),
        "last_measured_kw": None if line.known is None else line.known.kw,
        "last_measured_at": None if line.known is None else line.known.at,
    }
