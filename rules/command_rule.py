"""Name of the rule by which a command is sent, for the event log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.panel import Position
from rules.restore import retagged_essential

if TYPE_CHECKING:
    from rules.ledger_entry import CircuitEntry, ShedRecord
    from rules.panel import Circuit


def off_rule(entry: CircuitEntry, record: ShedRecord, *, retagged: bool, drill: bool) -> str:
    """Return the rule behind an OFF by the controller.

    `retagged`: a reload has made the circuit nonessential since shedding began. `drill`: a drill holds circuits off.
    """
    if entry.on_pending:
        return "on_in_flight"  # an ON was in flight when the contact opened
    if record.confirmed and entry.position is Position.ON:
        return "shed_again"
    if entry.recheck_off_since is not None:
        return "device_returned"
    if retagged:
        return "retagged"
    return "drill" if drill else "shed"


def on_rule(circuit: Circuit, record: ShedRecord) -> str:
    """Return the rule behind an ON by the controller."""
    if retagged_essential(circuit, record):
        return "retagged"
    return "restore_request" if record.released else "auto_restore"
