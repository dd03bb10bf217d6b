"""Companion of Leviton's energy monitor (LWHEM-2): its own loop sheds, and this program watches each circuit."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from rules.panel import Position

if TYPE_CHECKING:
    from rules.ledger_entry import CircuitEntry

_OFF = (Position.OFF, Position.TRIPPED)


class CompanionOutcome(Enum):
    """What became of a circuit that the energy monitor should switch off. The value is the code of its end."""

    SEEN_OFF = "seen_off"
    NOT_SEEN_OFF = "not_seen_off"
    NO_REPORT = "no_report"


def companion_outcome(entry: CircuitEntry) -> CompanionOutcome:
    """Return what the circuit's reports show on standby: only a live report is evidence."""
    if not entry.live or not entry.available:
        return CompanionOutcome.NO_REPORT
    return CompanionOutcome.SEEN_OFF if entry.position in _OFF else CompanionOutcome.NOT_SEEN_OFF


def companion_finding(entry: CircuitEntry) -> str:
    """Return the same in words."""
    return {
        CompanionOutcome.SEEN_OFF: "seen off",
        CompanionOutcome.NOT_SEEN_OFF: "not seen off: treat as ON",
        CompanionOutcome.NO_REPORT: "no report: treat as ON",
    }[companion_outcome(entry)]
