"""What an owed circuit waits for before it is switched on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from rules.remedy import gave_up
from rules.restore import RestoreDecision, earliest_on_at, restore_decision

if TYPE_CHECKING:
    from rules.ledger_entry import CircuitEntry
    from rules.panel import Circuit
    from rules.situation import HouseSituation

Waiting = Literal["utility", "drill", "stable_utility", "minimum_off_time", "turn", "device", "user", "release"]

_BY_USER = (RestoreDecision.WAITS_FOR_REQUEST, RestoreDecision.STAYS_OFF, RestoreDecision.BEFORE_UNKNOWN)


def waits_for(
    circuit: Circuit, entry: CircuitEntry, house: HouseSituation, now: float, *, stable: bool
) -> Waiting | None:
    """Return what the circuit waits for at `now` (monotonic seconds).

    None: it is not owed, stays as it is, or may be on. `stable`: the utility-stable wait is over. "device": three ON
    commands remained without an acknowledgment. "release": it is on hold.
    """
    if entry.request is not None:
        return "minimum_off_time" if entry.request.not_before > now else None
    if house.sheds and not entry.confirmed_off:
        return None
    decision = restore_decision(circuit, entry)
    if decision in _BY_USER:
        return "user"
    if decision is RestoreDecision.ON_HOLD:
        return "release"
    return _in_turn(circuit, entry, house, now, stable=stable) if decision is RestoreDecision.RESTORE else None


def _in_turn(circuit: Circuit, entry: CircuitEntry, house: HouseSituation, now: float, *, stable: bool) -> Waiting:
    if house.sheds:
        return "drill" if house.drill else "utility"
    if not house.on_utility:
        return "utility"
    if not stable:
        return "stable_utility"
    if gave_up(entry):
        return "device"
    return "minimum_off_time" if earliest_on_at(circuit, entry) > now else "turn"
