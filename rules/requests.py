"""Decisions on user requests: executed, or refused with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rules.controllability import uncontrollable_reason
from rules.panel import Position

if TYPE_CHECKING:
    from rules.ledger_entry import CircuitEntry
    from rules.panel import Circuit, Panel

NOT_A_LOCK = "a hold is a request to this program, not a lockout: lock the breaker before you work on the circuit"


@dataclass(frozen=True, slots=True)
class RequestDecision:
    """Decision on a request, with a sentence for the user."""

    ok: bool
    reason: str


def switch_off(circuit: Circuit) -> RequestDecision:
    """Decide on a request to switch the circuit off."""
    if (why := _may_not(circuit)) is not None:
        return RequestDecision(ok=False, reason=why)
    return RequestDecision(ok=True, reason=f"{circuit.name} is being switched off; it is left to you now")


def switch_on(circuit: Circuit, entry: CircuitEntry, wait_s: float, *, force: bool) -> RequestDecision:
    """Decide on a request to switch the circuit on; `wait_s`: rest of its minimum off time in seconds."""
    if (why := _may_not(circuit)) is not None:
        return RequestDecision(ok=False, reason=why)
    if (why := _must_not_come_on(circuit, entry)) is not None:
        return RequestDecision(ok=False, reason=why)
    if wait_s > 0 and not force:
        return RequestDecision(
            ok=True,
            reason=f"{circuit.name}: minimum off time; it is switched on in {wait_s:.0f} s (at once with now: true)",
        )
    return RequestDecision(ok=True, reason=f"{circuit.name} is being switched on; it is left to you now")


def restore(circuit: Circuit, entry: CircuitEntry, *, on_utility: bool) -> RequestDecision:
    """Decide on a request to restore an owed circuit."""
    if not on_utility:
        return RequestDecision(
            ok=False, reason="not on utility: nothing is restored before utility returns (`on` switches one circuit on)"
        )
    if not entry.owed:
        return RequestDecision(
            ok=False, reason=f"{circuit.name} is not owed: the controller did not switch {circuit.id} off"
        )
    if (why := _may_not(circuit)) is not None:
        return RequestDecision(ok=False, reason=why)
    if (why := _must_not_come_on(circuit, entry)) is not None:
        return RequestDecision(ok=False, reason=why)
    return RequestDecision(ok=True, reason=f"{circuit.name} is restored in its turn")


def release(circuit: Circuit, entry: CircuitEntry) -> RequestDecision:
    """Decide on a request to release a hold."""
    if entry.hold is None:
        return RequestDecision(ok=False, reason=f"{circuit.name} is not on hold")
    return RequestDecision(ok=True, reason="released; nothing was switched: `restore` or `on` turns it on")


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


def _may_not(circuit: Circuit) -> str | None:
    if circuit.protected:
        return f"{circuit.name} is protected: it is never commanded"
    why = uncontrollable_reason(circuit)
    return None if why is None else f"{circuit.name} cannot be switched: {why}"


def _must_not_come_on(circuit: Circuit, entry: CircuitEntry) -> str | None:
    if (hold := entry.hold) is not None:
        return f"{circuit.name} is on hold by {hold.by or 'a user'}{f' ({hold.note})' if hold.note else ''}"
    if entry.position is Position.TRIPPED:
        return f"{circuit.name} has tripped: find the cause, then reset the breaker"
    return None
