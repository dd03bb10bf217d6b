"""Request that turns a circuit on, or brings that closer, and that the controller accepts now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.controllability import commandable
from rules.panel import Position, Tag
from rules.restore import RestoreDecision, restore_decision
from rules.shed import MAX_ATTEMPTS

if TYPE_CHECKING:
    from rules.ledger_entry import CircuitEntry
    from rules.panel import Circuit
    from rules.requests import AskKind
    from rules.situation import HouseSituation

_BY_REQUEST = (RestoreDecision.WAITS_FOR_REQUEST, RestoreDecision.STAYS_OFF, RestoreDecision.BEFORE_UNKNOWN)


def remedy(circuit: Circuit, entry: CircuitEntry, house: HouseSituation) -> AskKind | None:
    """Return the kind of request that helps a circuit that is off, and that the controller accepts now.

    None: no request helps. The circuit is on, is restored without a request, or can be switched at the panel only.
    """
    if not commandable(circuit) or entry.position is Position.TRIPPED:
        return None
    if entry.hold is not None:
        return "release"
    if house.sheds or not house.on_utility:
        essential_off = circuit.tag is Tag.ESSENTIAL and entry.position is Position.OFF
        return "on" if essential_off else None
    if not entry.owed or entry.taken_over:
        return "on" if entry.position is Position.OFF else None
    decision = restore_decision(circuit, entry)
    unanswered = decision is RestoreDecision.RESTORE and gave_up(entry)
    return "restore" if unanswered or decision in _BY_REQUEST else None


def gave_up(entry: CircuitEntry) -> bool:
    """Return whether three ON commands remained without an acknowledgment."""
    return entry.sent is Position.ON and entry.attempts >= MAX_ATTEMPTS


def command(request: AskKind, circuit: Circuit) -> str:
    """Return the command line that sends a request for the circuit."""
    return f"`loadshed ask {request} {circuit.id}`"
