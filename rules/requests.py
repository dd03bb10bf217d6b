"""Decisions on user requests: executed, or refused with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rules.controllability import commandable, shed_by_panel, uncontrollable_reason
from rules.panel import Position, Tag

if TYPE_CHECKING:
    from rules.headroom import Headroom
    from rules.ledger_entry import CircuitEntry
    from rules.panel import Circuit, Panel

AskKind = Literal["on", "off", "restore", "hold", "release", "forget", "reload", "drill", "drill-end", "test"]

NOT_A_LOCK = "a hold is a request to this program, not a lockout: lock the breaker before you work on the circuit"


@dataclass(frozen=True, slots=True)
class RequestDecision:
    """Decision on a request, with a sentence for the user. `needs_force`: it is accepted with `force`."""

    ok: bool
    reason: str
    needs_force: bool = False


def switch_off(circuit: Circuit, *, force: bool = False) -> RequestDecision:
    """Decide on a request to switch the circuit off. An essential circuit needs `force`."""
    if (why := _may_not(circuit)) is not None:
        return _refused(why)
    if circuit.tag is Tag.ESSENTIAL and not force:
        return _refused(f"{circuit.name} is essential. {_with_force('off', circuit)}", needs_force=True)
    return RequestDecision(ok=True, reason=f"{circuit.name} is being switched off; it is left to you now")


def switch_on(
    circuit: Circuit,
    entry: CircuitEntry,
    wait_s: float,
    *,
    now: bool,
    force: bool = False,
    room: Headroom | None = None,
) -> RequestDecision:
    """Decide on a request to switch the circuit on.

    `wait_s`: rest of its minimum off time in seconds; `now`: it is not waited for. `room`: headroom of the generator;
    None: the house is on utility. A nonessential circuit that does not fit needs `force`.
    """
    if (why := _may_not(circuit)) is not None:
        return _refused(why)
    if (why := _must_not_come_on(circuit, entry)) is not None:
        return _refused(why)
    if room is not None and room.exceeded and circuit.tag is Tag.NONESSENTIAL and not force:
        return _refused(
            f"{circuit.name} is too much for the generator: {room}. {_with_force('on', circuit)}", needs_force=True
        )
    figures = "" if room is None else f"; {room}"
    if wait_s > 0 and not now:
        rest = f"minimum off time; it is switched on in {wait_s:.0f} s (at once: `loadshed ask on {circuit.id} --now`)"
        return RequestDecision(ok=True, reason=f"{circuit.name}: {rest}{figures}")
    return RequestDecision(ok=True, reason=f"{circuit.name} is being switched on; it is left to you now{figures}")


def restore(circuit: Circuit, entry: CircuitEntry, *, on_utility: bool) -> RequestDecision:
    """Decide on a request to restore an owed circuit."""
    if not on_utility:
        return _refused(
            f"not on utility: nothing is restored before utility returns (to turn on one circuit now: "
            f"`loadshed ask on {circuit.id}`)"
        )
    if entry.owed and entry.reports_on:
        return _refused(f"{circuit.name} is on: there is nothing to restore")
    if not entry.owed:
        how = f"to turn it on: `loadshed ask on {circuit.id}`" if commandable(circuit) else "switch it at the panel"
        return _refused(f"{circuit.name} is not owed: the controller did not switch it off; {how}")
    if (why := _may_not(circuit)) is not None:
        return _refused(why)
    if (why := _must_not_come_on(circuit, entry)) is not None:
        return _refused(why)
    return RequestDecision(ok=True, reason=f"{circuit.name} is restored in its turn")


def may_be_tested(circuit: Circuit, entry: CircuitEntry) -> RequestDecision | None:
    """Return why a test must not switch the circuit off and on again; None if it may."""
    if (why := _may_not(circuit) or _must_not_come_on(circuit, entry)) is not None:
        return _refused(why)
    if entry.known is Position.OFF:
        return _refused(f"{circuit.name} is off: a test needs a circuit that is on")
    return None


def release(circuit: Circuit, entry: CircuitEntry) -> RequestDecision:
    """Decide on a request to release a hold."""
    if entry.hold is None:
        return RequestDecision(ok=False, reason=f"{circuit.name} is not on hold")
    then = "restore" if entry.owed else "on"
    turns_on = "" if entry.position is Position.ON else f"; to turn it on: `loadshed ask {then} {circuit.id}`"
    return RequestDecision(ok=True, reason=f"{circuit.name} is released; nothing was switched{turns_on}")


def forget(circuit: Circuit, entry: CircuitEntry) -> RequestDecision:
    """Decide on a request to delete a shed record."""
    if entry.shed_record is None and not entry.left_off_manually:
        return RequestDecision(ok=False, reason=f"{circuit.name} is not owed")
    return RequestDecision(ok=True, reason=f"{circuit.name} is no longer owed: it stays as it is")


def reload_conflicts(old: Panel, new: Panel, owed: tuple[Circuit, ...]) -> tuple[str, ...]:
    """Return the reasons why a changed file is refused: owed circuits that it drops or makes uncommandable.

    Empty: accepted.
    """
    said = []
    for circuit in owed:
        if circuit.id not in old:
            continue
        if circuit.id not in new:
            said.append(
                f"circuits.toml: [circuits.{circuit.id}] is missing, but the controller switched it off"
                " and it is still owed"
            )
        elif (why := _may_not(new[circuit.id])) is not None:
            said.append(
                f"circuits.toml: [circuits.{circuit.id}] {why}, but the controller switched it off and it is still owed"
            )
    how = ": keep it in the file until it is restored, or send `loadshed ask forget CIRCUIT` first"
    return tuple(sentence + how for sentence in said)


def _refused(reason: str, *, needs_force: bool = False) -> RequestDecision:
    return RequestDecision(ok=False, reason=reason, needs_force=needs_force)


def _with_force(request: AskKind, circuit: Circuit) -> str:
    return f"To do it anyway: `loadshed ask {request} {circuit.id} --force`"


def _may_not(circuit: Circuit) -> str | None:
    if circuit.protected:
        return f"{circuit.name} is protected: it is never commanded"
    if shed_by_panel(circuit):
        return f"Leviton sheds this circuit; use its app or the handle ({circuit.name})"
    why = uncontrollable_reason(circuit)
    return None if why is None else f"{circuit.name} cannot be switched: {why}"


def _must_not_come_on(circuit: Circuit, entry: CircuitEntry) -> str | None:
    if (hold := entry.hold) is not None:
        note = f" ({hold.note})" if hold.note else ""
        return f"{circuit.name} is on hold by {hold.by or 'a user'}{note}; first: `loadshed ask release {circuit.id}`"
    if entry.position is Position.TRIPPED:
        return f"{circuit.name} has tripped: find the cause, then reset the breaker"
    return None
