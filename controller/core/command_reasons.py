"""Reasons of commands for the event log: by which rule, and for which outage or user request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.core.effects import SwitchOff
from rules.command_rule import off_rule, on_rule
from rules.panel import Position

if TYPE_CHECKING:
    from controller.core.contact_handler import ContactHandler
    from controller.core.context import CoreContext
    from controller.core.effects import SwitchOn
    from controller.core.outage import OutageLifecycle
    from rules.json_types import Json
    from rules.panel import Circuit, CircuitId, Panel


class CommandReasons:
    """Looks up the reason of each command after it has left. No command waits for it.

    `rule`: `shed`, `drill`, `shed_again`, `device_returned`, `on_in_flight`, `retagged`, `auto_restore`,
    `restore_request` or `switch_request`. `by`: the user who asked.
    """

    def __init__(self, context: CoreContext, contact: ContactHandler, outage: OutageLifecycle) -> None:
        self._context = context
        self._contact = contact
        self._outage = outage
        self._retagged: set[CircuitId] = set()
        self._reloaded_at = context.ledger.started

    def reloaded(self, old: Panel, new: Panel, at: float) -> None:
        """Remember which circuits a reload has added or retagged: commands to these are due to the reload."""
        known, self._reloaded_at = old.circuits, at
        self._retagged = {one.id for one in new if one.id not in known or known[one.id].tag is not one.tag}

    def reason_for(self, command: SwitchOff | SwitchOn, circuit: Circuit) -> dict[str, Json]:
        """Return the reason of a command, JSON-ready. Times are monotonic seconds of this boot."""
        entry = self._context.ledger[command.circuit]
        position = Position.OFF if isinstance(command, SwitchOff) else Position.ON
        request, record = entry.request, entry.shed_record
        if record is None or (request is not None and request.position is position):
            # Without a shed record only a user request leads to a command.
            return {"rule": "switch_request", "by": "" if request is None else request.by}
        details: dict[str, Json] = {"outage": record.outage}
        if position is Position.ON:
            return {"rule": on_rule(circuit, record), **details, "closed_at": self._contact.closed_at}
        retagged = circuit.id in self._retagged and self._reloaded_at > self._outage.shed_since
        rule = off_rule(entry, record, retagged=retagged, drill=self._outage.drill_holds)
        if rule == "shed_again":
            details["unexpected_on_at"] = entry.reported_at
        return {"rule": rule, **details, "opened_at": self._context.record.opened_at}
