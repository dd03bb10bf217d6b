"""Explanations for the owner: who switched a circuit, by which rule, and what restores it."""

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
    ShedCause.POWER_LOSS: "lost power in the transfer (wakes = off)",
    ShedCause.UNEXPLAINED: "off since a restart during the outage, possibly by the controller",
}

_BY_DRILL = "switched off by the controller: nonessential, for a drill"

_BACK = {
    RestoreDecision.RESTORE: "is restored in its turn when utility is stable",
    RestoreDecision.IS_ON: "reports on",
    RestoreDecision.TRIPPED: "has tripped: find the cause, then reset the breaker",
    RestoreDecision.WAITS_FOR_REQUEST: "waits for a restore request",
    RestoreDecision.STAYS_OFF: "stays off until a user switches it on (restore is never)",
    RestoreDecision.WAS_OFF: "was off before, and stays off",
    RestoreDecision.BEFORE_UNKNOWN: "state before the outage unknown. To turn it on: `loadshed ask restore`",
    RestoreDecision.NOT_BY_CONTROLLER: "may not be commanded: switch it manually",
}

_KEPT_OFF = {
    RestoreDecision.WAITS_FOR_REQUEST: "waits for a user request",
    RestoreDecision.STAYS_OFF: "restore is never",
    RestoreDecision.BEFORE_UNKNOWN: "state before the outage unknown",
}


def explain(circuit: Circuit, entry: CircuitEntry, *, drill: bool = False) -> str:
    """Return one sentence that explains the circuit's state to the owner, and what happens next.

    `drill`: the circuits were shed for a drill.
    """
    parts = [_position(circuit, entry, drill=drill)]
    if (hold := entry.hold) is not None:
        note = f", {hold.note}" if hold.note else ""
        parts.append(f"on hold by {hold.by or 'a user'}{note}: the controller does not switch it on (not a lockout)")
    elif entry.owed and not entry.taken_over:
        parts.append(_back(circuit, entry))
    if not entry.available:
        parts.append("its device does not respond")
    return "; ".join(parts)


def _back(circuit: Circuit, entry: CircuitEntry) -> str:
    found = restore_decision(circuit, entry)
    if found is RestoreDecision.RESTORE and entry.sent is Position.ON and entry.attempts >= MAX_ATTEMPTS:
        return "no response to three ON commands: retried when its device reports again"
    if (
        found is RestoreDecision.RESTORE
        and entry.shed_record is not None
        and retagged_essential(circuit, entry.shed_record)
    ):
        rest = f", after its minimum off time of {circuit.min_off_s:.0f} s" if circuit.min_off_s else ""
        return f"is restored at once{rest}: it is essential now"
    return _BACK[found]


def reason_kept_off(circuit: Circuit, entry: CircuitEntry) -> str | None:
    """Return what keeps a circuit off after the outage; None if only an acknowledgment is missing."""
    found = restore_decision(circuit, entry)
    if found is RestoreDecision.ON_HOLD and entry.hold is not None:
        return f"on hold by {entry.hold.by or 'a user'}{f', {entry.hold.note}' if entry.hold.note else ''}"
    if found in _KEPT_OFF:
        return _KEPT_OFF[found]
    if entry.left_off_manually:
        return f"switched off by {entry.last_switch.actor if entry.last_switch is not None else 'a user'}"
    return None


def reason_not_shed(circuit: Circuit) -> str | None:
    """Return the reason why a transfer to standby does not switch the circuit off; None if it does."""
    if circuit.tag is Tag.ESSENTIAL:
        return "essential: stays on"
    if circuit.protected:
        return "protected: never commanded"
    reason = uncontrollable_reason(circuit)
    return None if reason is None else f"UNCONTROLLABLE ({reason}): stays ON unless switched manually"


def _position(circuit: Circuit, entry: CircuitEntry, *, drill: bool) -> str:
    if entry.position is Position.TRIPPED:
        return "tripped: find the cause, then reset the breaker"
    if entry.taken_over:
        return "under manual override for the rest of this outage"
    if entry.shed_record is not None and entry.owed:
        sent = "" if entry.shed_record.confirmed else ", not confirmed yet"
        return (
            _BY_DRILL if drill and entry.shed_record.cause is ShedCause.SHED else _BY[entry.shed_record.cause]
        ) + sent
    last = entry.last_switch
    if entry.position is Position.OFF:
        return (
            f"switched off by {last.actor}"
            if last is not None and last.position is Position.OFF
            else "off, not switched by the controller"
        )
    return reason_not_shed(circuit) or "nonessential: goes off on standby"
