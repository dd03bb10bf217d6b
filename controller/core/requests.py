"""User requests about circuits: permitted or refused, carried out, and answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules import requests
from rules.headroom import headroom
from rules.ledger_entry import Hold, PendingRequest
from rules.panel import Position
from rules.requests import RequestDecision
from rules.restore import RestoreDecision, earliest_requested_on_at, restore_decision

if TYPE_CHECKING:
    from controller.core.command_scheduler import CommandScheduler
    from controller.core.contact_handler import ContactHandler
    from controller.core.context import CoreContext
    from controller.core.demand_recorder import DemandRecorder
    from controller.core.drill import DrillController
    from controller.core.events import Requested
    from controller.core.outage import OutageLifecycle
    from rules.panel import Circuit


class RequestHandler:
    """Serves user requests about circuits and drills, or refuses them with a reason."""

    def __init__(
        self,
        context: CoreContext,
        scheduler: CommandScheduler,
        contact: ContactHandler,
        outage: OutageLifecycle,
        drill: DrillController,
        *,
        demand: DemandRecorder,
    ) -> None:
        self._context = context
        self._ledger = context.ledger
        self._scheduler = scheduler
        self._contact = contact
        self._outage = outage
        self._drill = drill
        self._demand = demand

    def handle(self, request: Requested) -> RequestDecision:
        """Do what was asked for, if it is permitted; return the reply."""
        match request.request:
            case "drill" | "test":
                return self._drill.on_request(request)
            case "drill-end":
                return self._drill.on_end_request(request)
            case "restore" if self._outage.drill_holds:
                return RequestDecision(
                    ok=False, reason="a drill is running; `loadshed drill --end` ends it and restores its circuits"
                )
            case "restore" if request.circuit is None:
                return self._restore_all()
        panel = self._context.panel.current
        if request.circuit is None or request.circuit not in panel:
            return RequestDecision(ok=False, reason=f"there is no circuit {request.circuit!r} in circuits.toml")
        circuit = panel[request.circuit]
        decision = self._handle_circuit_request(request, circuit)
        self._scheduler.mark_dirty((circuit.id,))
        return decision

    def _handle_circuit_request(self, request: Requested, circuit: Circuit) -> RequestDecision:
        match request.request:
            case "on":
                decision = self._on(request, circuit)
            case "off":
                decision = self._off(request, circuit)
            case "restore":
                decision = self._restore(circuit)
            case "hold":
                decision = self._hold(request, circuit)
            case "release":
                decision = self._release(circuit)
            case "forget":
                decision = self._forget(circuit)
            case _:
                decision = RequestDecision(ok=False, reason=f"there is no request {request.request!r}")
        return decision

    def _on(self, request: Requested, circuit: Circuit) -> RequestDecision:
        entry = self._ledger[circuit.id]
        rested_at = earliest_requested_on_at(circuit, entry, self._ledger.boot_time(self._ledger.started))
        room = None
        if self._outage.situation.on_standby:
            capacity_kw = self._context.settings.generator_kw
            room = headroom(circuit, self._demand.view(request.at), capacity_kw)
        decision = requests.switch_on(
            circuit, entry, rested_at - request.at, now=request.now, force=request.force, room=room
        )
        if decision.ok:
            not_before = request.at if request.now else max(rested_at, request.at)
            self._ledger.add_request(circuit.id, PendingRequest(Position.ON, request.by, not_before))
        return decision

    def _off(self, request: Requested, circuit: Circuit) -> RequestDecision:
        decision = requests.switch_off(circuit, force=request.force)
        if decision.ok:
            self._ledger.add_request(circuit.id, PendingRequest(Position.OFF, request.by, request.at))
            self._ledger.record_switch(circuit.id, Position.OFF, request.by or "a user's request", request.at)
        return decision

    def _hold(self, request: Requested, circuit: Circuit) -> RequestDecision:
        self._ledger.hold(circuit.id, Hold(request.by, request.note, self._ledger.boot_time(request.at)))
        return RequestDecision(ok=True, reason=f"{circuit.name} is on hold; {requests.NOT_A_LOCK}")

    def _release(self, circuit: Circuit) -> RequestDecision:
        decision = requests.release(circuit, self._ledger[circuit.id])
        if decision.ok:
            self._ledger.release(circuit.id)
        return decision

    def _forget(self, circuit: Circuit) -> RequestDecision:
        decision = requests.forget(circuit, self._ledger[circuit.id])
        if decision.ok:
            self._ledger.clear(circuit.id)
        return decision

    def _restore(self, circuit: Circuit) -> RequestDecision:
        decision = requests.restore(circuit, self._ledger[circuit.id], on_utility=self._contact.contact.steady)
        if decision.ok:
            self._ledger.release_for_restore(circuit.id)
        return decision

    def _restore_all(self) -> RequestDecision:
        restored, refusals = [], []
        for circuit in self._context.panel.current:
            entry = self._ledger[circuit.id]
            # A circuit that is on is only watched for a late OFF.
            if not entry.owed or entry.reports_on:
                continue
            if restore_decision(circuit, entry) is RestoreDecision.WAS_OFF:
                refusals.append(f"{circuit.name} was off before the {self._outage.situation.occasion}, and stays off")
                continue
            decision = self._restore(circuit)
            (restored.append(circuit.name) if decision.ok else refusals.append(decision.reason))
            self._scheduler.mark_dirty((circuit.id,))
        if not restored and not refusals:
            return RequestDecision(ok=False, reason="nothing is owed")
        summary = f"restored in turn: {', '.join(restored)}" if restored else "no circuit is restored"
        return RequestDecision(ok=bool(restored), reason="; ".join((summary, *dict.fromkeys(refusals))))
