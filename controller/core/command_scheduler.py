"""Commands: what each circuit needs now, computed anew from wanted and reported, never replayed.

A circuit is looked at when something concerns it (a report, a reconnection, a deadline), not the whole house: the
cost of an event does not grow with the number of circuits, and one silent device delays no other.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

from controller.core.effects import SwitchOff, SwitchOn
from rules.controllability import commandable
from rules.device_reports import Phase
from rules.panel import Position
from rules.restore import ReturnQueue, Verdict, recalled, rested_at, verdict
from rules.shed import TRIES, next_off_at, pause_after_off, shed_order, wants_off

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from controller.core.state_machine import State
    from rules.device_reports import Reports
    from rules.ledger import Ledger
    from rules.ledger_entry import Entry, Wish
    from rules.panel import Circuit, CircuitId, Panel
    from rules.shed import Pace

Command = SwitchOff | SwitchOn


class Switchboard:
    """Decides what is commanded, circuit by circuit.

    `unsettled`: circuits on their way off or back that may still be confirmed. `unanswered`: those that did not
    answer three commands. `watched`: those that report on, and stay owed while an OFF may still take effect. All three
    are kept as circuits are looked at. `unobeyed`: circuits that did not do as a person asked, until the engine has
    said so. `sent`: the commands of this turn. `looked`: circuits that were looked at, until the watchman has been.
    """

    def __init__(self, panel: Panel, ledger: Ledger, reports: Reports, pace: Pace, stagger_s: float) -> None:
        at = ledger.started
        self._ledger = ledger
        self._reports = reports
        self._pace = pace
        self._queue = ReturnQueue(stagger_s, at)
        self._agenda: list[tuple[float, CircuitId]] = []
        self._turn: dict[CircuitId, float] = {}
        self._concerned: set[CircuitId] = set()
        self.eager_until = at + pace.eager_s
        self.connected = False
        self.phase = Phase.DOUBTS
        self.unsettled: set[CircuitId] = set()
        self.unanswered: set[CircuitId] = set()
        self.watched: set[CircuitId] = set()
        self.unobeyed: list[CircuitId] = []
        self.sent: list[Command] = []
        self.looked: set[CircuitId] = set()
        self.follow(panel)

    def follow(self, panel: Panel) -> None:
        """Work by this panel from now on."""
        self._panel = panel
        self._order = {circuit: place for place, circuit in enumerate(shed_order(panel))}
        for circuits in (self.unsettled, self.unanswered, self.watched):
            circuits.intersection_update(self._order)
        for circuit in [circuit for circuit in self._turn if circuit not in self._order]:
            del self._turn[circuit]
            self._queue.remove(circuit)
        self.concern(self._order)

    def drop_wishes(self) -> None:
        """Forget what people asked for on utility and did not get: on standby the rules begin anew."""
        for circuit, entry in self._ledger:
            if entry.wish is not None and entry.wish.position is Position.ON and not entry.taken_over:
                entry.wish = None
                self.unobeyed.append(circuit)

    def concern(self, circuits: Iterable[CircuitId]) -> None:
        """Look at these circuits before the turn ends."""
        self._concerned.update(circuits)

    def opened(self, at: float) -> None:
        """Begin to shed: what is wanted of every circuit has changed, and the first minutes are the dearest."""
        self.eager_until = at + self._pace.eager_s
        self._want_anew()

    def closed(self) -> None:
        """Begin to give back."""
        self._want_anew()

    def _want_anew(self) -> None:
        for _, entry in self._ledger:
            entry.fresh, entry.tries = True, 0
        self.unsettled.clear()
        self.unanswered.clear()
        self.concern(self._order)

    # --- time --------------------------------------------------------------------------------------------------------

    def deadline(self) -> float | None:
        """Return when a circuit must next be looked at; None: never, as things stand."""
        while self._agenda and self._turn.get(self._agenda[0][1]) != self._agenda[0][0]:
            heappop(self._agenda)
        return self._agenda[0][0] if self._agenda else None

    def next_turn(self) -> CircuitId:
        """Take the circuit whose deadline has come."""
        _, circuit = heappop(self._agenda)
        del self._turn[circuit]
        self._concerned.add(circuit)
        return circuit

    def expect(self, circuit: CircuitId, at: float | None) -> None:
        """Look at the circuit at `at` already, where nothing is expected earlier."""
        if at is not None and at < self._turn.get(circuit, at + 1):
            self._wake(circuit, at)

    def _wake(self, circuit: CircuitId, at: float | None) -> None:
        if at is None:
            self._turn.pop(circuit, None)
        elif self._turn.get(circuit) != at:
            self._turn[circuit] = at
            heappush(self._agenda, (at, circuit))

    # --- deciding ----------------------------------------------------------------------------------------------------

    def decide(self, now: float, state: State) -> None:
        """Look at the circuits concerned, the first to shed first, and command what they need."""
        concerned, self._concerned = self._concerned, set()
        for circuit in sorted(concerned & self._order.keys(), key=self._order.__getitem__):
            self._look(self._panel[circuit], now, state)

    def give_back(self, now: float, state: State) -> None:
        """Switch on whose turn it is. That utility is stable and no edge unsettled is for the engine to see to."""
        while self.connected and (circuit := self._queue.take(now)) is not None:
            self._switch_on(self._panel[circuit], now)
            self._look(self._panel[circuit], now, state)

    def give_back_at(self, now: float) -> float | None:
        """Return when the next may be switched on, as far as the queue goes; None: nobody waits."""
        return self._queue.deadline(now) if self.connected else None

    def awaits(self, circuit: CircuitId) -> bool:
        """Tell whether a command to the circuit has not been confirmed."""
        entry = self._ledger[circuit]
        if circuit in self.unanswered or entry.wish is not None:
            return True
        return circuit in self.unsettled and (entry.off_pending or entry.on_pending)

    def resting(self, at: float) -> Iterator[str]:
        """Say which circuits were called back by a changed tag, and must rest yet."""
        for circuit in self._panel:
            entry = self._ledger[circuit.id]
            rest_s = rested_at(circuit, entry) - at
            if rest_s > 0.0 and entry.debt is not None and entry.owed and recalled(circuit, entry.debt):
                yield f"{circuit.name} must rest: it is switched on in {rest_s:.0f} s"

    def carried_out(self, at: float) -> None:
        """Pace by the moment commands really left: a stall may lie between deciding and sending."""
        if any(isinstance(command, SwitchOn) for command in self.sent):
            self._queue.sent(at)

    def _look(self, circuit: Circuit, now: float, state: State) -> None:
        entry = self._ledger[circuit.id]
        self.looked.add(circuit.id)
        wake = self._reports.deadline(circuit.id, self.phase)
        turn, unsettled = None, False
        if entry.wish is not None and not commandable(circuit):
            entry.wish = None  # the file has changed since
            self.unobeyed.append(circuit.id)
        if entry.wish is not None:
            turn = self._grant(circuit, entry, entry.wish, now)
        if entry.wish is not None:
            pass  # theirs, until it is done or given up
        elif state.sheds and wants_off(circuit, entry):
            turn, unsettled = self._shed(circuit, entry, now)
        else:
            turn, unsettled = self._return(circuit, entry, now, state)
        (self.unsettled.add if unsettled else self.unsettled.discard)(circuit.id)
        is_on = entry.debt is not None and verdict(circuit, entry) is Verdict.IS_ON
        (self.watched.add if is_on else self.watched.discard)(circuit.id)
        # What was due by now has been played; a time in the past has nothing more to say.
        self._wake(circuit.id, min((at for at in (wake, turn) if at is not None and at > now), default=None))

    def _shed(self, circuit: Circuit, entry: Entry, now: float) -> tuple[float | None, bool]:
        """Switch off, or wait for the answer; return when to look again, and whether it is unsettled."""
        self._queue.remove(circuit.id)
        due = next_off_at(entry)
        tried = entry.tries if entry.sent is Position.OFF else 0
        if due is not None and tried >= TRIES and now >= entry.sent_at + self._pace.confirm_s:
            self.unanswered.add(circuit.id)
        if not self.connected:
            return None, True
        if due is None or due <= now:
            pause_s = pause_after_off(entry, now, self.eager_until, self._pace)
            self._ledger.off_sent(circuit.id, now, pause_s, ours=True)
            self.sent.append(SwitchOff(circuit.id, _expiry(pause_s)))
            due = now + pause_s
        return due, circuit.id not in self.unanswered

    def _return(self, circuit: Circuit, entry: Entry, now: float, state: State) -> tuple[float | None, bool]:
        """Let it wait for its turn, or for the answer; return when to look again, and whether it is unsettled."""
        recall = entry.debt is not None and recalled(circuit, entry.debt)
        if verdict(circuit, entry) is not Verdict.RETURNS or not (recall or state.on_utility):
            self._queue.remove(circuit.id)
            self.unanswered.discard(circuit.id)
            return None, False
        tried = entry.tries if entry.sent is Position.ON else 0
        answered_by = entry.sent_at + self._pace.confirm_s if tried and not entry.fresh else now
        if tried >= TRIES:
            self._queue.remove(circuit.id)
            if now < answered_by:
                return answered_by, True
            self.unanswered.add(circuit.id)
            return None, False
        self.unanswered.discard(circuit.id)
        ready_at = max(answered_by, rested_at(circuit, entry))
        if recall:
            return self._recall(circuit, now, ready_at), False
        self._queue.put(circuit.id, circuit.rank, self._order[circuit.id], ready_at, again=tried > 0)
        return None, True

    def _recall(self, circuit: Circuit, now: float, ready_at: float) -> float | None:
        """Switch on what was retagged essential: at once, on standby too, for a person asked for it."""
        self._queue.remove(circuit.id)
        if not self.connected:
            return None
        if now < ready_at:
            return ready_at
        self._switch_on(circuit, now)
        return now + self._pace.confirm_s

    def _grant(self, circuit: Circuit, entry: Entry, wish: Wish, now: float) -> float | None:
        """Do as a person asked; give up after three tries."""
        self._queue.remove(circuit.id)
        same = entry.sent is wish.position
        ready_at = max(wish.not_before, entry.sent_at + self._pace.confirm_s if same and not entry.fresh else now)
        if not self.connected:
            return None
        if now < ready_at:
            return ready_at
        if same and entry.tries >= TRIES:
            entry.wish = None
            self.unobeyed.append(circuit.id)
            self.unanswered.discard(circuit.id)
            return None
        if wish.position is Position.ON:
            self._switch_on(circuit, now)
        else:
            self._ledger.off_sent(circuit.id, now, self._pace.confirm_s, ours=False)
            self.sent.append(SwitchOff(circuit.id, _expiry(self._pace.confirm_s)))
        return now + self._pace.confirm_s

    def _switch_on(self, circuit: Circuit, now: float) -> None:
        self._ledger.on_sent(circuit.id, now, self._pace.confirm_s)
        self.sent.append(SwitchOn(circuit.id, _expiry(self._pace.confirm_s)))
        self._queue.sent(now)


def _expiry(pause_s: float) -> int:
    """Return when the broker must forget a command: when its next try is due, in whole seconds, at least 1."""
    return max(1, int(pause_s))
