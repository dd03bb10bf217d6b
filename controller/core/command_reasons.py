"""By which rule a command left, and for what: the log must answer it when nobody remembers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.core.effects import SwitchOff
from rules.panel import Position
from rules.restore import retagged_essential

if TYPE_CHECKING:
    from controller.core.effects import SwitchOn
    from controller.core.transfer import Transfer
    from rules.json_types import Json
    from rules.ledger import Ledger
    from rules.ledger_entry import CircuitEntry, ShedRecord
    from rules.panel import Circuit, CircuitId, Panel


class CommandReasons:
    """Says why each command was given, after it has left: nothing waits for it.

    `rule`: `shed`, `drill`, `shed_again`, `on_in_flight`, `retagged`, `auto_restore`, `restore_request`, `switch_request`; `by`: the person.
    """

    def __init__(self, ledger: Ledger, transfer: Transfer) -> None:
        self._ledger = ledger
        self._transfer = transfer
        self._retagged: set[CircuitId] = set()
        self._reloaded_at = ledger.started

    def reloaded(self, old: Panel, new: Panel, at: float) -> None:
        """Take that the homeowner's file has changed: what moves now moves for that."""
        known, self._reloaded_at = old.circuits, at
        self._retagged = {one.id for one in new if one.id not in known or known[one.id].tag is not one.tag}

    def reason_for(self, command: SwitchOff | SwitchOn, circuit: Circuit) -> dict[str, Json]:
        """Return what an event says of a command's cause, JSON-ready; moments are of this boot."""
        entry = self._ledger[command.circuit]
        position = Position.OFF if isinstance(command, SwitchOff) else Position.ON
        wish, debt = entry.request, entry.shed_record
        if debt is None or (wish is not None and wish.position is position):
            return {
                "rule": "switch_request",
                "by": "" if wish is None else wish.by,
            }  # the rules command nothing without a debt
        about: dict[str, Json] = {"outage": debt.outage}
        if position is Position.OFF:
            return {**self._of_off(command.circuit, entry, debt), **about, "opened_at": self._transfer.opened_at}
        return {"rule": _of_on(circuit, debt), **about, "closed_at": self._transfer.closed_at}

    def _of_off(self, circuit: CircuitId, entry: CircuitEntry, debt: ShedRecord) -> dict[str, Json]:
        if entry.on_pending:
            return {"rule": "on_in_flight"}  # our ON was under way when the contact opened
        if debt.confirmed and entry.position is Position.ON:
            return {"rule": "shed_again", "unexpected_on_at": entry.reported_at}
        if circuit in self._retagged and self._reloaded_at > self._transfer.shed_since:
            return {"rule": "retagged"}
        return {"rule": "drill" if self._transfer.drilling else "shed"}


def _of_on(circuit: Circuit, debt: ShedRecord) -> str:
    if retagged_essential(circuit, debt):
        return "retagged"
    return "restore_request" if debt.released else "auto_restore"
