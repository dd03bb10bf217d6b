"""What people ask for: decided, done, and answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules import requests
from rules.ledger_entry import Hold, Wish
from rules.panel import Position
from rules.requests import Reply
from rules.restore import Verdict, verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.core.command_scheduler import Switchboard
    from controller.core.drill import Drilling
    from controller.core.events import Asked
    from controller.core.transfer import Transfer
    from rules.ledger import Ledger
    from rules.panel import Circuit, Panel


class People:
    """Obeys requests about circuits and drills, or says why not."""

    def __init__(self, ledger: Ledger, switches: Switchboard, transfer: Transfer, drilling: Drilling) -> None:
        self._ledger = ledger
        self._switches = switches
        self._transfer = transfer
        self._drilling = drilling

    def obey(self, asked: Asked, panel: Panel) -> Reply:
        """Do what was asked, if it may be done; return the answer."""
        if asked.request == "drill":
            return self._drilling.asked(asked)
        if asked.request == "drill-end":
            return self._drilling.asked_to_end(asked)
        return self._obey_about_circuits(asked, panel, on_utility=self._transfer.contact.steady)

    def _obey_about_circuits(self, asked: Asked, panel: Panel, *, on_utility: bool) -> Reply:
        if asked.request == "restore" and self._transfer.drilling:
            return Reply(ok=False, reason="a drill is on: `loadshed drill --end` gives back what it switched off")
        if asked.request == "restore" and asked.circuit is None:
            return self._restore_all(panel, on_utility=on_utility)
        if asked.circuit is None or asked.circuit not in panel:
            return Reply(ok=False, reason=f"there is no circuit {asked.circuit!r} in circuits.toml")
        act: dict[str, Callable[[Asked, Circuit], Reply]] = {
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
            reply = Reply(ok=False, reason=f"there is no request {asked.request!r}")
        self._switches.concern((circuit.id,))
        return reply

    def _on(self, asked: Asked, circuit: Circuit) -> Reply:
        rested_at = self._rested_at(circuit)
        reply = requests.switch_on(circuit, self._ledger[circuit.id], rested_at - asked.at, insists=asked.now)
        if reply.ok:
            not_before = asked.at if asked.now else max(rested_at, asked.at)
            self._ledger.wish(circuit.id, Wish(Position.ON, asked.by, not_before))
        return reply

    def _rested_at(self, circuit: Circuit) -> float:
        """Return from when on the load may run again: after its rest since our OFF, or since it was seen to go off."""
        entry = self._ledger[circuit.id]
        if entry.debt is not None:
            return entry.debt.off_at.mono + circuit.min_off_s
        if entry.switched is None or entry.switched.position is Position.ON:
            return float("-inf")
        rested_s = entry.switched.at.since(self._ledger.moment(0.0))
        return (self._ledger.started if rested_s is None else -rested_s) + circuit.min_off_s

    def _off(self, asked: Asked, circuit: Circuit) -> Reply:
        reply = requests.switch_off(circuit)
        if reply.ok:
            self._ledger.wish(circuit.id, Wish(Position.OFF, asked.by, asked.at))
            self._ledger.switched(circuit.id, Position.OFF, asked.by or "a person's request", asked.at)
        return reply

    def _hold(self, asked: Asked, circuit: Circuit) -> Reply:
        self._ledger.hold(circuit.id, Hold(asked.by, asked.note, self._ledger.moment(asked.at)))
        return Reply(ok=True, reason=f"{circuit.name} is on hold; {requests.NOT_A_LOCK}")

    def _release(self, _asked: Asked, circuit: Circuit) -> Reply:
        reply = requests.release(circuit, self._ledger[circuit.id])
        if reply.ok:
            self._ledger.release(circuit.id)
        return reply

    def _forget(self, _asked: Asked, circuit: Circuit) -> Reply:
        reply = requests.forget(circuit, self._ledger[circuit.id])
        if reply.ok:
            self._ledger.forgive(circuit.id)
        return reply

    def _restore(self, circuit: Circuit, *, on_utility: bool) -> Reply:
        reply = requests.give_back(circuit, self._ledger[circuit.id], on_utility=on_utility)
        if reply.ok:
            self._ledger.call_in(circuit.id)
        return reply

    def _restore_all(self, panel: Panel, *, on_utility: bool) -> Reply:
        given, kept = [], []
        for circuit in panel:
            entry = self._ledger[circuit.id]
            # What was off before is where it belongs; so is what is on, and only watched lest an OFF still take effect.
            if not entry.owed or verdict(circuit, entry) in (Verdict.WAS_OFF, Verdict.IS_ON):
                continue
            reply = self._restore(circuit, on_utility=on_utility)
            (given.append(circuit.id) if reply.ok else kept.append(reply.reason))
            self._switches.concern((circuit.id,))
        if not given and not kept:
            return Reply(ok=False, reason="nothing is owed")
        said = f"given back in turn: {', '.join(given)}" if given else "nothing is given back"
        return Reply(ok=bool(given), reason="; ".join((said, *dict.fromkeys(kept))))
