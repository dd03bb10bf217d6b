"""Explanations for the owner: who switched a circuit, by which rule, and what restores it."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from rules.companion import companion_finding
from rules.controllability import uncontrollable_reason, watched
from rules.ledger_entry import ShedCause
from rules.panel import Position, Tag
from rules.remedy import command, gave_up, remedy
from rules.restore import RestoreDecision, restore_decision, retagged_essential

if TYPE_CHECKING:
    from rules.ledger_entry import CircuitEntry, ShedRecord
    from rules.panel import Circuit
    from rules.situation import HouseSituation

_BY = {
    ShedCause.SHED: "switched off by the controller: nonessential",
    ShedCause.POWER_LOSS: "lost power in the transfer (wakes = off)",
    ShedCause.TEST: "switched off by the controller for a test",
    ShedCause.UNEXPLAINED: "off since a restart of the controller, possibly switched off by it",
}

_BY_DRILL = "switched off by the controller: nonessential, for a drill"

STILL_DRAWING = "its device reports off, but it still draws power: treat as ON (welded contact, or a wrong clamp)"
CANNOT_CONFIRM = "OFF command sent; its gateway only repeats what it remembers: verify at the panel"
NO_ANSWER = "OFF command sent, no answer: treat as ON"
STILL_ON = "OFF command sent, but its device still reports on: treat as ON"
CAME_BACK = "its device was away; OFF command sent again, no answer yet: treat as ON"
"""Explanations of a circuit to be switched off whose device has not confirmed it."""

LEVITON_SHEDS = "Leviton sheds; loadshed watches"

_BEFORE_UNKNOWN = "its state before it was switched off is unknown"

_KEPT_OFF = {
    RestoreDecision.WAITS_FOR_REQUEST: "waits for a user request",
    RestoreDecision.STAYS_OFF: "restore is never",
}


def explain(circuit: Circuit, entry: CircuitEntry, house: HouseSituation) -> str:
    """Return one sentence that explains the circuit's state to the owner, and what happens next.

    It names the command that turns the circuit on if there is one that the controller accepts now.
    """
    draws = entry.still_drawing and not house.sheds
    parts = [STILL_DRAWING if draws else _position(circuit, entry, house)]
    request = remedy(circuit, entry, house)
    if (hold := entry.hold) is not None:
        note = f", {hold.note}" if hold.note else ""
        parts.append(f"on hold by {hold.by or 'a user'}{note}: the controller does not switch it on (not a lockout)")
    elif entry.owed and not entry.taken_over and _may_be_restored(entry, house):
        parts.append(_restored(circuit, entry, house))
    if request is not None:
        purpose = "to end the hold" if request == "release" else "to turn it on"
        parts.append(f"{purpose}: {command(request, circuit)}")
    if not entry.available:
        parts.append("its device does not respond")
    return "; ".join(parts)


def _may_be_restored(entry: CircuitEntry, house: HouseSituation) -> bool:
    """Return whether the circuit is off as far as known; while the house sheds, only if its device confirmed it."""
    if entry.position is Position.TRIPPED:
        return False
    return entry.confirmed_off or not (house.sheds or entry.reports_on)


def _restored(circuit: Circuit, entry: CircuitEntry, house: HouseSituation) -> str:
    """Return what restores an owed circuit."""
    decision = restore_decision(circuit, entry)
    text = ""
    match decision:
        case RestoreDecision.RESTORE:
            text = _in_turn(circuit, entry, house)
        case RestoreDecision.WAITS_FOR_REQUEST:
            text = f"waits for a restore request{_after(house)}"
        case RestoreDecision.STAYS_OFF:
            text = f"stays off until a user switches it on{_after(house)} (restore is never)"
        case RestoreDecision.BEFORE_UNKNOWN:
            text = f"{_BEFORE_UNKNOWN}: stays off until a user restores it{_after(house)}"
        case RestoreDecision.WAS_OFF:
            text = "was off before, and stays off"
        case RestoreDecision.NOT_BY_CONTROLLER:
            text = "may not be commanded: switch it manually"
        case RestoreDecision.IS_ON | RestoreDecision.TRIPPED | RestoreDecision.ON_HOLD | RestoreDecision.NOT_OWED:
            raise AssertionError("such a circuit is explained by its position")
        case _:
            assert_never(decision)
    return text


def _after(house: HouseSituation) -> str:
    if house.sheds:
        return " after the drill" if house.drill else " after utility returns"
    return ""


def _in_turn(circuit: Circuit, entry: CircuitEntry, house: HouseSituation) -> str:
    if gave_up(entry):
        return "no response to three ON commands: retried when its device reports again"
    if entry.shed_record is not None and retagged_essential(circuit, entry.shed_record):
        rest = f", after its minimum off time of {circuit.min_off_s:.0f} s" if circuit.min_off_s else ""
        return f"is restored at once{rest}: it is essential now"
    return f"is restored in its turn {'after the drill' if house.drill else 'when utility is stable'}"


def reason_kept_off(circuit: Circuit, entry: CircuitEntry) -> str | None:
    """Return what keeps a circuit off after the outage; None if only an acknowledgment is missing."""
    decision = restore_decision(circuit, entry)
    if decision is RestoreDecision.ON_HOLD and entry.hold is not None:
        return f"on hold by {entry.hold.by or 'a user'}{f', {entry.hold.note}' if entry.hold.note else ''}"
    if decision is RestoreDecision.BEFORE_UNKNOWN:
        return _BEFORE_UNKNOWN
    if decision in _KEPT_OFF:
        return _KEPT_OFF[decision]
    if entry.left_off_manually:
        return f"switched off by {entry.last_switch.actor if entry.last_switch is not None else 'a user'}"
    return None


def reason_not_shed(circuit: Circuit) -> str | None:
    """Return the reason why a transfer to standby does not switch the circuit off; None if it does."""
    if circuit.tag is Tag.ESSENTIAL:
        return "essential: stays on"
    if circuit.protected:
        return "protected: never commanded"
    if watched(circuit):
        return LEVITON_SHEDS
    reason = uncontrollable_reason(circuit)
    return None if reason is None else f"UNCONTROLLABLE ({reason}): stays ON unless switched manually"


def _position(circuit: Circuit, entry: CircuitEntry, house: HouseSituation) -> str:
    if entry.position is Position.TRIPPED:
        return "tripped: find the cause, then reset the breaker"
    if watched(circuit):
        return LEVITON_SHEDS + (f"; {companion_finding(entry)}" if house.on_standby else "")
    if entry.taken_over:
        return f"under manual override for the rest of this {house.occasion}"
    if entry.shed_record is not None and entry.owed:
        if (text := _owed(entry, entry.shed_record, house)) is not None:
            return text
    elif entry.shown is Position.OFF:
        last = entry.last_switch
        by_whom = last is not None and last.position is Position.OFF
        return f"switched off by {last.actor}" if last and by_whom else "off, not switched by the controller"
    return reason_not_shed(circuit) or "nonessential: goes off on standby"


def _owed(entry: CircuitEntry, record: ShedRecord, house: HouseSituation) -> str | None:
    """Return how an owed circuit was switched off; None: it is on, and only a late OFF is watched for."""
    if entry.confirmed_off:
        return _BY_DRILL if house.drill and record.cause is ShedCause.SHED else _BY[record.cause]
    if house.sheds:
        return _not_confirmed(entry)
    if entry.reports_on:
        return None
    return "OFF command sent, never confirmed: on or off is unknown"


def _not_confirmed(entry: CircuitEntry) -> str:
    """Return why the OFF of a circuit does not count as done."""
    if entry.still_drawing:
        return STILL_DRAWING
    if entry.recheck_off_since is not None:
        return CAME_BACK
    if entry.refusal is not None:
        return f"OFF command failed ({entry.refusal}): treat as ON"
    if entry.device is not None and not entry.device.can_be_confirmed:
        return CANNOT_CONFIRM
    return STILL_ON if entry.reports_on else NO_ANSWER
