"""Why a circuit is as it is: who switched it, by which rule, and what brings it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.controllability import uncontrollable_reason
from rules.ledger_entry import ShedCause
from rules.panel import Position, Tag
from rules.restore import RestoreDecision, restore_decision, retagged_essential
from rules.shed import MAX_ATTEMPTS

if TYPE_CHECKING:
    from rules.ledger_entry import CircuitEntry
    from rules.panel import Circuit

_BY = {
    ShedCause.SHED: "switched off by the controller: nonessential",
    ShedCause.POWER_LOSS: "fell with the power in the transfer (it wakes off)",
    ShedCause.UNEXPLAINED: "off since a restart in the outage, perhaps by the controller",
}

_BY_DRILL = "switched off by the controller: nonessential, for a drill"

_BACK = {
    RestoreDecision.RESTORE: "comes back when utility is stable, in its turn",
    RestoreDecision.IS_ON: "reports on",
    RestoreDecision.TRIPPED: "has tripped: reset it by hand",
    RestoreDecision.WAITS_FOR_REQUEST: "comes back when a person asks (restore)",
    RestoreDecision.STAYS_OFF: "stays off until a person switches it on (restore is never)",
    RestoreDecision.WAS_OFF: "was off before, and stays off",
    RestoreDecision.BEFORE_UNKNOWN: "nobody knows whether it was on before: ask `restore` to have it back",
    RestoreDecision.NOT_BY_CONTROLLER: "may not be commanded: switch it by hand",
}

_KEPT_OFF = {
    RestoreDecision.WAITS_FOR_REQUEST: "waits until a person asks",
    RestoreDecision.STAYS_OFF: "restore is never",
    RestoreDecision.BEFORE_UNKNOWN: "nobody knows whether it was on before",
}


def explain(circuit: Circuit, entry: CircuitEntry, *, drill: bool = False) -> str:
    """Return one sentence for the owner on why the circuit is as it is, and what will become of it.

    `drill`: what was shed was shed for a drill.
    """
    parts = [_position(circuit, entry, drill=drill)]
    if (hold := entry.hold) is not None:
        note = f", {hold.note}" if hold.note else ""
        parts.append(f"on hold by {hold.by or 'somebody'}{note}: nothing here switches it on (no lock-out)")
    elif entry.owed and not entry.taken_over:
        parts.append(_back(circuit, entry))
    if not entry.available:
        parts.append("its device does not answer")
    return "; ".join(parts)


def _back(circuit: Circuit, entry: CircuitEntry) -> str:
    found = restore_decision(circuit, entry)
    if found is RestoreDecision.RESTORE and entry.sent is Position.ON and entry.attempts >= MAX_ATTEMPTS:
        return "three commands to switch it on brought no answer: it is tried again when its device shows life"
    if (
        found is RestoreDecision.RESTORE
        and entry.shed_record is not None
        and retagged_essential(circuit, entry.shed_record)
    ):
        rest = f", when it has rested its {circuit.min_off_s:.0f} s" if circuit.min_off_s else ""
        return f"comes back at once{rest}: it is essential now"
    return _BACK[found]


def reason_kept_off(circuit: Circuit, entry: CircuitEntry) -> str | None:
    """Return whose word keeps a circuit off when the outage is over; None where nothing but an answer is missing."""
    found = restore_decision(circuit, entry)
    if found is RestoreDecision.ON_HOLD and entry.hold is not None:
        return f"on hold by {entry.hold.by or 'somebody'}{f', {entry.hold.note}' if entry.hold.note else ''}"
    if found in _KEPT_OFF:
        return _KEPT_OFF[found]
    if entry.left_off_manually:
        return f"off by {entry.last_switch.actor if entry.last_switch is not None else 'somebody'}"
    return None


def reason_not_shed(circuit: Circuit) -> str | None:
    """Return why a transfer to standby does not switch the circuit off; None where it does."""
    if circuit.tag is Tag.ESSENTIAL:
        return "essential: stays on"
    if circuit.protected:
        return "protected: never commanded"
    reason = uncontrollable_reason(circuit)
    return None if reason is None else f"UNCONTROLLABLE ({reason}): stays ON unless switched by hand"


def _position(circuit: Circuit, entry: CircuitEntry, *, drill: bool) -> str:
    if entry.position is Position.TRIPPED:
        return "tripped: find out why, and reset it by hand"
    if entry.taken_over:
        return "a person's for the rest of this outage"
    if entry.shed_record is not None and entry.owed:
        sent = "" if entry.shed_record.confirmed else ", not confirmed yet"
        return (
            _BY_DRILL if drill and entry.shed_record.cause is ShedCause.SHED else _BY[entry.shed_record.cause]
        ) + sent
    last = entry.last_switch
    if entry.position is Position.OFF:
        return f"off by {last.actor}" if last is not None and last.position is Position.OFF else "off, and not by us"
    return reason_not_shed(circuit) or "nonessential: goes off on standby"
