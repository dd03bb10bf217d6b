"""What is switched off now, in which order, and when a command is retried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rules.controllability import commandable, sheddable
from rules.panel import Position

if TYPE_CHECKING:
    from rules.ledger import Ledger
    from rules.ledger_entry import CircuitEntry
    from rules.panel import Circuit, CircuitId, Panel

MAX_ATTEMPTS = 3
"""Number of unacknowledged commands after which a circuit is settled: an alarm is raised, and OFF retries continue."""

MAX_RETRY_INTERVAL_S = 60.0
"""Upper limit in seconds of the doubling interval between OFF retries."""

_OFF = (Position.OFF, Position.TRIPPED)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Intervals between retries of an unconfirmed OFF.

    `confirm_s`: time in seconds a device has to report. `eager_s`: time in seconds after the opening or the start in
    which the interval does not grow: hubs and access points are still booting, and overload stalls a generator in
    seconds.
    """

    confirm_s: float = 5.0
    eager_s: float = 180.0


def shed_order(panel: Panel) -> tuple[CircuitId, ...]:
    """Return all circuits in shedding order: falling rank number, then the order of the file."""
    return tuple(circuit.id for circuit in sorted(panel, key=lambda circuit: -circuit.rank))


def shed_plan(panel: Panel, ledger: Ledger) -> tuple[CircuitId, ...]:
    """Return the circuits to switch off on standby, highest rank number first.

    Uncontrollable and protected circuits are never included, nor those under manual override. Unknown positions are
    included: a load of unknown position counts as on.
    """
    return tuple(circuit for circuit in shed_order(panel) if wants_off(panel[circuit], ledger[circuit]))


def wants_off(circuit: Circuit, entry: CircuitEntry) -> bool:
    """Return whether a house on standby still needs this circuit switched off."""
    return sheddable(circuit) and _is_wanted_off(entry)


def wants_off_for_test(circuit: Circuit, entry: CircuitEntry) -> bool:
    """Return whether a test of this circuit still needs it switched off, essential or not."""
    return commandable(circuit) and _is_wanted_off(entry)


def _is_wanted_off(entry: CircuitEntry) -> bool:
    if entry.taken_over or entry.possible_override_since is not None:
        return False
    if entry.still_drawing:
        return True  # it reports off, and draws power
    if entry.recheck_off_since is not None and entry.position is not Position.TRIPPED:
        return True  # a gateway may repeat an old report of a relay that has powered up in the on position
    if entry.cannot_be_asked and not entry.live:
        return True  # what its gateway remembers is accepted for want of better, and is no proof of off
    # A circuit that was switched on a moment ago may still turn on, whatever it reported since.
    return entry.on_pending or entry.known not in _OFF


def confirm_s(entry: CircuitEntry, pace: RetryPolicy) -> float:
    """Return the time in seconds that the circuit's device has to confirm a command."""
    if entry.device is not None and entry.device.confirm_s is not None:
        return entry.device.confirm_s
    return pace.confirm_s


def next_off_at(entry: CircuitEntry) -> float | None:
    """Return when the next OFF may be sent; None: at once."""
    if entry.sent is not Position.OFF or entry.retry_reset:
        return None
    return entry.sent_at + entry.retry_interval_s


def retry_interval(entry: CircuitEntry, at: float, eager_until: float, pace: RetryPolicy) -> float:
    """Return the time in seconds to wait for an acknowledgment of an OFF sent at `at`.

    `confirm_s` in the eager time, then twice the previous interval each time, up to 60 s.
    """
    if at < eager_until or entry.sent is not Position.OFF or not entry.attempts:
        return confirm_s(entry, pace)
    least_s = confirm_s(entry, pace)  # a refusal has shortened the previous interval, not this one
    return max(least_s, min(2 * entry.retry_interval_s, max(MAX_RETRY_INTERVAL_S, least_s)))
