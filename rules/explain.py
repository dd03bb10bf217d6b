"""Why a circuit is as it is: who switched it, by which rule, and what brings it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.controllability import why_uncontrollable
from rules.ledger_entry import Cause
from rules.panel import Position, Tag
from rules.restore import Verdict, recalled, verdict
from rules.shed import TRIES

if TYPE_CHECKING:
    from rules.ledger_entry import Entry
    from rules.panel import Circuit

_BY = {
    Cause.SHED: "switched off by the controller: nonessential",
    Cause.FELL: "fell with the power in the transfer (it wakes off)",
    Cause.DOUBTFUL: "off since a restart in the outage, perhaps by the controller",
}

_BY_DRILL = "switched off by the controller: nonessential, for a drill"

_BACK = {
    Verdict.RETURNS: "comes back when utility is stable, in its turn",
    Verdict.IS_ON: "reports on",
    Verdict.TRIPPED: "has tripped: reset it by hand",
    Verdict.ASKS: "comes back when a person asks (restore)",
    Verdict.STAYS_OFF: "stays off until a person switches it on (restore is never)",
    Verdict.WAS_OFF: "was off before, and stays off",
    Verdict.BEFORE_UNKNOWN: "nobody knows whether it was on before: ask `restore` to have it back",
    Verdict.NOT_OURS: "may not be commanded: switch it by hand",
}

_KEPT_OFF = {
    Verdict.ASKS: "waits until a person asks",
    Verdict.STAYS_OFF: "restore is never",
    Verdict.BEFORE_UNKNOWN: "nobody knows whether it was on before",
}


def why(circuit: Circuit, entry: Entry, *, drill: bool = False) -> str:
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


def _back(circuit: Circuit, entry: Entry) -> str:
    found = verdict(circuit, entry)
    if found is Verdict.RETURNS and entry.sent is Position.ON and entry.tries >= TRIES:
        return "three commands to switch it on brought no answer: it is tried again when its device shows life"
    if found is Verdict.RETURNS and entry.debt is not None and recalled(circuit, entry.debt):
        rest = f", when it has rested its {circuit.min_off_s:.0f} s" if circuit.min_off_s else ""
        return f"comes back at once{rest}: it is essential now"
    return _BACK[found]


def kept_off_by(circuit: Circuit, entry: Entry) -> str | None:
    """Return whose word keeps a circuit off when the outage is over; None where nothing but an answer is missing."""
    found = verdict(circuit, entry)
    if found is Verdict.ON_HOLD and entry.hold is not None:
        return f"on hold by {entry.hold.by or 'somebody'}{f', {entry.hold.note}' if entry.hold.note else ''}"
    if found in _KEPT_OFF:
        return _KEPT_OFF[found]
    if entry.left_off:
        return f"off by {entry.switched.who if entry.switched is not None else 'somebody'}"
    return None


def stays_on(circuit: Circuit) -> str | None:
    """Return why a transfer to standby does not switch the circuit off; None where it does."""
    if circuit.tag is Tag.ESSENTIAL:
        return "essential: stays on"
    if circuit.protected:
        return "protected: never commanded"
    reason = why_uncontrollable(circuit)
    return None if reason is None else f"UNCONTROLLABLE ({reason}): stays ON unless switched by hand"


def _position(circuit: Circuit, entry: Entry, *, drill: bool) -> str:
    if entry.position is Position.TRIPPED:
        return "tripped: find out why, and reset it by hand"
    if entry.taken_over:
        return "a person's for the rest of this outage"
    if entry.debt is not None and entry.owed:
        sent = "" if entry.debt.confirmed else ", not confirmed yet"
        return (_BY_DRILL if drill and entry.debt.cause is Cause.SHED else _BY[entry.debt.cause]) + sent
    last = entry.switched
    if entry.position is Position.OFF:
        return f"off by {last.who}" if last is not None and last.position is Position.OFF else "off, and not by us"
    return stays_on(circuit) or "nonessential: goes off on standby"
