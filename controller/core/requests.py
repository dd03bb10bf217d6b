"""What people ask for: decided, done, and answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules import requests
from rules.ledger_entry import Hold, PendingRequest
from rules.panel import Position
from rules.requests import RequestDecision
from rules.restore import RestoreDecision, restore_decision

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.core.command_scheduler import CommandScheduler
    from controller.core.drill import DrillController
    from controller.core.events import Requested
    from controller.core.transfer import Transfer
    from rules.ledger import Ledger
    from rules.panel import Circuit, Panel


class RequestHandler:
    """Obeys requests about circuits and drills, or says why not."""

    def __init__(
        self, ledger: Ledger, switches: CommandScheduler, transfer: Transfer, drilling: DrillController
    ) -> None:
        self._ledger = ledger
        self._switches = switches
        self._transfer = transfer
        self._drilling = drilling

    def handle(self, asked: Requested, panel: Panel) -> RequestDecision:
        """Do what was asked, if it may be done; return the answer."""
        if asked.request == "drill":
            return self._drilling.on_request(asked)
        if asked.request == "drill-end":
            return self._drilling.on_end_request(asked)
        return self._handle_circuit_request(asked, panel, on_utility=self._transfer.contact.steady)

    def _handle_circuit_request(self, asked: Requested, panel: Panel, *, on_utility: bool) -> RequestDecision:
        if asked.request == "restore" and self._transfer.drilling:
            return RequestDecision(
                ok=False, reason="a drill is on: `loadshed drill --end` gives back what it switched off"
            )
        if asked.request == "restore" and asked.circuit is None:
            return self._restore_all(panel, on_utility=on_utility)
        if asked.circuit is None or asked.circuit not in panel:
            return RequestDecision(ok=False, reason=f"there is no circuit {asked.circuit!r} in circuits.toml")
        act: dict[str, Callable[[Requested, Circuit], RequestDecision]] = {
            "on": self._on,
            "off": self._off,
            "hold": self._hold,
            "release": self._release,
            "forget": self._forget,
        }
        circuit = panel[asked.circuit]
        if asked.request == "restore":
            reply = self._restore(circuit, on_utility=on_utility)
        elif asked.request in act:
            reply = act[asked.request](asked, circuit)
        else:
            reply = RequestDecision(ok=False, reason=f"there is no request {asked.request!r}")
        self._switches.mark_dirty((circuit.id,))
        return reply

    def _on(self, asked: Requested, circuit: Circuit) -> RequestDecision:
        rested_at = self._earliest_on_at(circuit)
        reply = requests.switch_on(circuit, self._ledger[circuit.id], rested_at - asked.at, force=asked.now)
        if reply.ok:
            not_before = asked.at if asked.now else max(rested_at, asked.at)
            self._ledger.add_request(circuit.id, PendingRequest(Position.ON, asked.by, not_before))
        return reply

    def _earliest_on_at(self, circuit: Circuit) -> float:
        """Return from when on the load may run again: after its rest since our OFF, or since it was seen to go off."""
        entry = self._ledger[circuit.id]
        if entry.shed_record is not None:
            return entry.shed_record.off_at.mono + circuit.min_off_s
        if entry.last_switch is None or entry.last_switch.position is Position.ON:
            return float("-inf")
        rested_s = entry.last_switch.at.since(self._ledger.boot_time(0.0))
        return (self._ledger.started if rested_s is None else -rested_s) + circuit.min_off_s

    def _off(self, asked: Requested, circuit: Circuit) -> RequestDecision:
        reply = requests.switch_off(circuit)
        if reply.ok:
            self._ledger.add_request(circuit.id, PendingRequest(Position.OFF, asked.by, asked.at))
            self._ledger.record_switch(circuit.id, Position.OFF, asked.by or "a person's request", asked.at)
        return reply

    def _hold(self, asked: Requested, circuit: Circuit) -> RequestDecision:
        self._ledger.hold(circuit.id, Hold(asked.by, asked.note, self._ledger.boot_time(asked.at)))
        return RequestDecision(ok=True, reason=f"{circuit.name} is on hold; {requests.NOT_A_LOCK}")

    def _release(self, _asked: Requested, circuit: Circuit) -> RequestDecision:
        reply = requests.release(circuit, self._ledger[circuit.id])
        if reply.ok:
            self._ledger.release(circuit.id)
        return reply

    def _forget(self, _asked: Requested, circuit: Circuit) -> RequestDecision:
        reply = requests.forget(circuit, self._ledger[circuit.id])
        if reply.ok:
            self._ledger.clear(circuit.id)
        return reply

    def _restore(self, circuit: Circuit, *, on_utility: bool) -> RequestDecision:
        reply = requests.restore(circuit, self._ledger[circuit.id], on_utility=on_utility)
        if reply.ok:
            self._ledger.release_for_restore(circuit.id)
        return reply

    def _restore_all(self, panel: Panel, *, on_utility: bool) -> RequestDecision:
        given, kept = [], []
        for circuit in panel:
            entry = self._ledger[circuit.id]
            # What was off before is where it belongs; so is what is on, and only watched lest an OFF still take effect.
            if not entry.owed or restore_decision(circuit, entry) in (RestoreDecision.WAS_OFF, RestoreDecision.IS_ON):
                continue
            reply = self._restore(circuit, on_utility=on_utility)
            (given.append(circuit.id) if reply.ok else kept.append(reply.reason))
            self._switches.mark_dirty((circuit.id,))
        if not given and not kept:
            return RequestDecision(ok=False, reason="nothing is owed")
        said = f"given back in turn: {', '.join(given)}" if given else "nothing is given back"
        return RequestDecision(ok=bool(given), reason="; ".join((said, *dict.fromkeys(kept))))
