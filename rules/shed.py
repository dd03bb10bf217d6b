"""What must go off now, in which order, and when it is tried again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rules.controllability import sheddable
from rules.panel import Position

if TYPE_CHECKING:
    from rules.ledger import Ledger
    from rules.ledger_entry import CircuitEntry
    from rules.panel import Circuit, CircuitId, Panel

MAX_ATTEMPTS = 3
"""After so many unanswered commands a circuit is settled: said aloud, and (to switch off) tried on."""

MAX_RETRY_INTERVAL_S = 60.0
"""To switch off, the pause between tries doubles up to this."""

_OFF = (Position.OFF, Position.TRIPPED)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often an unconfirmed OFF is sent again.

    `confirm_s`: a device has so long to report. `eager_s`: for so long after the opening or the start the pause does
    not grow: hubs and access points are still booting, and overload stalls a generator in seconds.
    """

    confirm_s: float = 5.0
    eager_s: float = 180.0


def shed_order(panel: Panel) -> tuple[CircuitId, ...]:
    """Return all circuits, the first to shed first: falling rank, then the order of the file."""
    return tuple(circuit.id for circuit in sorted(panel, key=lambda circuit: -circuit.rank))


def shed_plan(panel: Panel, ledger: Ledger) -> tuple[CircuitId, ...]:
    """Return the circuits to switch off on standby, highest rank first.

    A circuit that may not or cannot be switched is never in it, nor one that a person took over. Unknown positions
    are: a load nobody vouches for counts as on.
    """
    return tuple(circuit for circuit in shed_order(panel) if wants_off(panel[circuit], ledger[circuit]))


def wants_off(circuit: Circuit, entry: CircuitEntry) -> bool:
    """Tell whether a house on standby still needs this circuit switched off."""
    if not sheddable(circuit) or entry.taken_over or entry.possible_override_since is not None:
        return False
    # What was switched on a moment ago may still come on, whatever it reported meanwhile.
    return entry.on_pending or entry.known not in _OFF


def next_off_at(entry: CircuitEntry) -> float | None:
    """Return when the next OFF may be sent; None: at once."""
    if entry.sent is not Position.OFF or entry.retry_reset:
        return None
    return entry.sent_at + entry.retry_interval_s


def retry_interval(entry: CircuitEntry, at: float, eager_until: float, pace: RetryPolicy) -> float:
    """Return how long to wait for an answer to an OFF sent at `at`, in seconds.

    `confirm_s` while the house is eager, then twice the last pause each time, up to 60 s.
    """
    if at < eager_until or entry.sent is not Position.OFF or not entry.attempts:
        return pace.confirm_s
    return min(2 * entry.retry_interval_s, max(MAX_RETRY_INTERVAL_S, pace.confirm_s))
