"""Commands: derived per circuit from its wanted and its reported position, never replayed.

A circuit is evaluated when something concerns it (a report, a reconnection, a deadline). The cost of an event does not
grow with the number of circuits, and a device that does not respond delays no other.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

from controller.core.effects import SwitchOff, SwitchOn
from rules.controllability import commandable
from rules.ledger_entry import ShedCause
from rules.panel import Position
from rules.restore import RestoreDecision, RestoreQueue, earliest_on_at, restore_decision, retagged_essential
from rules.shed import (
    MAX_ATTEMPTS,
    confirm_s,
    next_off_at,
    retry_interval,
    shed_order,
    wants_off,
    wants_off_for_test,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from controller.core.context import CoreContext
    from controller.core.state_machine import State
    from rules.device_reports import ReportContext
    from rules.ledger_entry import CircuitEntry, PendingRequest
    from rules.panel import Circuit, CircuitId, Panel

Command = SwitchOff | SwitchOn

FORECAST_STEP_S = 1.0
"""Change of an expected time of return in seconds from which it is published again."""


class CommandScheduler:
    """Decides which commands to send, circuit by circuit.

    `unsettled`: circuits that still may confirm a command to shed or restore them. `unanswered`: circuits that did not
    acknowledge three commands. `late_off_watch`: circuits that report on and stay owed while an OFF may still take
    effect. `sent`: the commands of this turn.
    """

    def __init__(self, context: CoreContext) -> None:
        retry, at = context.settings.retry, context.ledger.started
        self._context = context
        self._ledger = context.ledger
        self._retry = retry
        self._queue = RestoreQueue(context.settings.stagger_s, at)
        self._deadlines: list[tuple[float, CircuitId]] = []
        self._due_at: dict[CircuitId, float] = {}
        self._dirty: set[CircuitId] = set()
        self._evaluated: set[CircuitId] = set()
        self._failed_requests: list[CircuitId] = []
        self._back_at: dict[CircuitId, float] = {}
        self._test: CircuitId | None = None  # the one circuit that a test switches off
        self._eager_until = at + retry.eager_s
        self.connected = False
        self.unsettled: set[CircuitId] = set()
        self.unanswered: set[CircuitId] = set()
        self.late_off_watch: set[CircuitId] = set()
        self.sent: list[Command] = []
        self.set_panel(context.panel.current)

    def set_panel(self, panel: Panel) -> None:
        """Use this panel from now on."""
        self._circuits = panel.circuits
        self._order = {circuit: place for place, circuit in enumerate(shed_order(panel))}
        for circuits in (self.unsettled, self.unanswered, self.late_off_watch):
            circuits.intersection_update(self._order)
        for circuit in [circuit for circuit in self._due_at if circuit not in self._order]:
            del self._due_at[circuit]
            self._queue.remove(circuit)
        self.mark_dirty(self._order)

    def bus_connected(self) -> None:
        """Send commands from now on."""
        self.connected = True

    def bus_lost(self) -> None:
        """Send no command until the broker is connected again."""
        self.connected = False

    def mark_dirty(self, circuits: Iterable[CircuitId]) -> None:
        """Evaluate these circuits before the turn ends."""
        self._dirty.update(circuits)

    def begin_shedding(self, at: float, test: CircuitId | None = None) -> None:
        """Record the circuits to shed as owed and start their attempts. The eager time for retries starts at `at`.

        `test`: the one circuit that a test switches off; None: all that the rules shed.
        """
        self._test = test
        cause = ShedCause.SHED if test is None else ShedCause.TEST
        self._failed_requests += self._ledger.drop_on_requests()
        for circuit in self._order:
            if circuit in self.late_off_watch:
                self._ledger.shed_from_on(circuit)
            if self.needs_off(self._circuits[circuit]):
                self._ledger.record_shed(circuit, at, cause, commanded=False)
        self._eager_until = at + self._retry.eager_s
        self._context.defer(self._empty_queue)
        self._reset_attempts()

    def needs_off(self, circuit: Circuit) -> bool:
        """Return whether the circuit still needs to be switched off, while the house sheds."""
        entry = self._ledger[circuit.id]
        if self._test is None:
            return wants_off(circuit, entry)
        return circuit.id == self._test and wants_off_for_test(circuit, entry)

    def begin_restoring(self) -> None:
        """Start the attempts of all circuits again: utility is back, or a drill is over."""
        self._test = None
        self._reset_attempts()

    def _reset_attempts(self) -> None:
        self._ledger.reset_attempts()
        self.unsettled.clear()
        self.unanswered.clear()
        self.mark_dirty(self._order)

    def _empty_queue(self) -> None:
        self._back_at = {}
        for circuit in self._order:
            self._queue.remove(circuit)

    def take_evaluated(self) -> set[CircuitId]:
        """Return the circuits evaluated since the last call."""
        evaluated, self._evaluated = self._evaluated, set()
        return evaluated

    def take_failed_requests(self) -> list[CircuitId]:
        """Return the circuits whose user request has failed since the last call."""
        failed, self._failed_requests = self._failed_requests, []
        return failed

    # --- time --------------------------------------------------------------------------------------------------------

    def deadline(self) -> float | None:
        """Return when a circuit must next be evaluated (monotonic seconds); None: not before the next event."""
        while self._deadlines and self._due_at.get(self._deadlines[0][1]) != self._deadlines[0][0]:
            heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None

    def next_due_circuit(self) -> CircuitId:
        """Remove and return the circuit whose deadline has come, and evaluate it this turn."""
        _, circuit = heappop(self._deadlines)
        del self._due_at[circuit]
        self._dirty.add(circuit)
        return circuit

    def expect(self, circuit: CircuitId, at: float | None) -> None:
        """Evaluate the circuit at `at` at the latest. None: no change."""
        if at is not None and at < self._due_at.get(circuit, at + 1):
            self._schedule(circuit, at)

    def _schedule(self, circuit: CircuitId, at: float | None) -> None:
        if at is None:
            self._due_at.pop(circuit, None)
        elif self._due_at.get(circuit) != at:
            self._due_at[circuit] = at
            heappush(self._deadlines, (at, circuit))

    # --- deciding ----------------------------------------------------------------------------------------------------

    def begin_turn(self) -> None:
        """Forget the commands of the last turn."""
        self.sent = []

    def decide(self, now: float, state: State, report_context: ReportContext) -> None:
        """Evaluate the circuits that something concerns, in shedding order, and command what they need."""
        dirty, self._dirty = self._dirty, set()
        for circuit in sorted(dirty & self._order.keys(), key=self._order.__getitem__):
            self._evaluate(self._circuits[circuit], now, state, report_context)

    def restore_due(self, now: float, state: State, report_context: ReportContext) -> None:
        """Switch on the circuits whose turn it is. The caller ensures that utility is stable and no edge unsettled."""
        while self.connected and (circuit := self._queue.pop_due(now)) is not None:
            self._switch_on(circuit, now)
            self._evaluate(self._circuits[circuit], now, state, report_context)

    def restore_due_at(self, now: float) -> float | None:
        """Return when the next circuit may be restored (monotonic seconds); None: none is waiting."""
        return self._queue.deadline(now) if self.connected else None

    def update_forecast(self, start: float) -> set[CircuitId]:
        """Update when each waiting circuit is expected to be restored; return those with another time than before.

        `start`: monotonic second from which circuits may be restored.
        """
        if not self._queue and not self._back_at:
            return set()
        times, known = self._queue.forecast(start), self._back_at
        moved = {one for one, at in times.items() if one not in known or abs(at - known[one]) > FORECAST_STEP_S}
        gone = known.keys() - times.keys()
        self._back_at = {one: at if one in moved else known[one] for one, at in times.items()}
        return moved | gone

    def back_at(self, circuit: CircuitId) -> float | None:
        """Return when the circuit is expected to be switched on (monotonic seconds); None: unknown, or it is not."""
        entry = self._ledger[circuit]
        if entry.request is not None and entry.request.position is Position.ON:
            return entry.request.not_before
        return self._back_at.get(circuit)

    def awaits_confirmation(self, circuit: CircuitId) -> bool:
        """Return whether a command to the circuit is unconfirmed."""
        entry = self._ledger[circuit]
        if circuit in self.unanswered or entry.request is not None:
            return True
        return circuit in self.unsettled and (entry.off_pending or entry.on_pending)

    def rest_notices(self, at: float) -> Iterator[str]:
        """Yield a sentence for each circuit that was retagged essential and waits for its minimum off time."""
        for circuit in self._circuits.values():
            entry = self._ledger[circuit.id]
            rest_s = earliest_on_at(circuit, entry) - at
            if (
                rest_s > 0.0
                and entry.shed_record is not None
                and entry.owed
                and retagged_essential(circuit, entry.shed_record)
            ):
                yield f"{circuit.name} must rest: it is switched on in {rest_s:.0f} s"

    def commands_sent(self, at: float) -> None:
        """Note when the commands of the last turn had left. The stagger time counts from then.

        The process may have been suspended between deciding and sending.
        """
        if any(isinstance(command, SwitchOn) for command in self.sent):
            self._queue.sent(at)

    def _evaluate(self, circuit: Circuit, now: float, state: State, report_context: ReportContext) -> None:
        entry = self._ledger[circuit.id]
        self._evaluated.add(circuit.id)
        due, unsettled, watched = None, False, False
        if entry.request is not None:
            due = self._serve_request(circuit, entry, entry.request, now)
        if entry.request is None and state.sheds and self.needs_off(circuit):
            due, unsettled = self._shed(circuit, entry, now)
        elif state.sheds and entry.request is None and not _concerns_restoring(entry):
            self.unanswered.discard(circuit.id)  # neither to shed nor to restore, and not in the queue
        else:
            if entry.request is None:
                due, unsettled = self._restore(circuit, entry, now, state)
            watched = entry.shed_record is not None and restore_decision(circuit, entry) is RestoreDecision.IS_ON
            report_due = self._context.reports.deadline(circuit.id, report_context)
            # Deadlines up to now have been processed.
            due = min((at for at in (due, report_due) if at is not None and at > now), default=None)
        (self.unsettled.add if unsettled else self.unsettled.discard)(circuit.id)
        (self.late_off_watch.add if watched else self.late_off_watch.discard)(circuit.id)
        self._schedule(circuit.id, due if due is not None and due > now else None)

    # --- one circuit -------------------------------------------------------------------------------------------------

    def _shed(self, circuit: Circuit, entry: CircuitEntry, now: float) -> tuple[float | None, bool]:
        """Switch off, or wait for the report; return when to evaluate again, and whether it is unsettled."""
        if entry.retry_reset and not entry.attempts:
            due = self._switch_off(circuit.id, now, self._confirm_s(entry), ours=True) if self.connected else None
            return due, due is None or circuit.id not in self.unanswered
        return self._retry_off(circuit, entry, now)

    def _retry_off(self, circuit: Circuit, entry: CircuitEntry, now: float) -> tuple[float | None, bool]:
        due = next_off_at(entry)
        attempts = entry.attempts if entry.sent is Position.OFF else 0
        if due is not None and attempts >= MAX_ATTEMPTS and now >= entry.sent_at + self._confirm_s(entry):
            self.unanswered.add(circuit.id)
        if not self.connected:
            return None, True
        if due is None or due <= now:
            interval_s = retry_interval(entry, now, self._eager_until, self._retry)
            due = self._switch_off(circuit.id, now, interval_s, ours=True)
        return due, circuit.id not in self.unanswered

    def _restore(self, circuit: Circuit, entry: CircuitEntry, now: float, state: State) -> tuple[float | None, bool]:
        """Queue the circuit, or wait for its report; return when to evaluate again, and whether it is unsettled."""
        retagged = entry.shed_record is not None and retagged_essential(circuit, entry.shed_record)
        if restore_decision(circuit, entry) is not RestoreDecision.RESTORE or not (retagged or state.on_utility):
            self._queue.remove(circuit.id)
            self.unanswered.discard(circuit.id)
            return None, False
        attempts = entry.attempts if entry.sent is Position.ON else 0
        answer_due = entry.sent_at + self._confirm_s(entry) if attempts and not entry.retry_reset else now
        if attempts >= MAX_ATTEMPTS:
            self._queue.remove(circuit.id)
            if now < answer_due:
                return answer_due, True
            self.unanswered.add(circuit.id)
            return None, False
        self.unanswered.discard(circuit.id)
        ready_at = max(answer_due, earliest_on_at(circuit, entry))
        if retagged:
            return self._restore_retagged(circuit, now, ready_at), False
        self._queue.put(circuit.id, circuit.rank, self._order[circuit.id], ready_at, again=attempts > 0)
        return None, True

    def _restore_retagged(self, circuit: Circuit, now: float, ready_at: float) -> float | None:
        """Switch on a circuit that was retagged essential: at once, on standby too, because the user asked for it."""
        self._queue.remove(circuit.id)
        if not self.connected:
            return None
        if now < ready_at:
            return ready_at
        return self._switch_on(circuit.id, now)

    def _serve_request(
        self, circuit: Circuit, entry: CircuitEntry, request: PendingRequest, now: float
    ) -> float | None:
        """Switch as the user asked; drop the request after three attempts, or if a reload forbids it."""
        if not commandable(circuit):
            self._fail_request(circuit.id)
            return None
        self._queue.remove(circuit.id)
        same = entry.sent is request.position
        ready_at = max(
            request.not_before, entry.sent_at + self._confirm_s(entry) if same and not entry.retry_reset else now
        )
        if not self.connected:
            return None
        if now < ready_at:
            return ready_at
        if same and entry.attempts >= MAX_ATTEMPTS:
            self._fail_request(circuit.id)
            self.unanswered.discard(circuit.id)
            return None
        if request.position is Position.ON:
            return self._switch_on(circuit.id, now)
        return self._switch_off(circuit.id, now, self._confirm_s(entry), ours=False)

    def _fail_request(self, circuit: CircuitId) -> None:
        self._ledger.drop_request(circuit)
        self._failed_requests.append(circuit)

    def _switch_off(self, circuit: CircuitId, now: float, interval_s: float, *, ours: bool) -> float:
        """Send OFF; return when it is repeated without a report."""
        self._ledger.off_sent(circuit, now, interval_s, ours=ours)
        self.sent.append(SwitchOff(circuit, _expiry(interval_s)))
        return now + interval_s

    def _switch_on(self, circuit: CircuitId, now: float) -> float:
        """Send ON; return when it is repeated without a report."""
        wait_s = self._confirm_s(self._ledger[circuit])
        self._ledger.on_sent(circuit, now, wait_s)
        self.sent.append(SwitchOn(circuit, _expiry(wait_s)))
        self._queue.sent(now)
        return now + wait_s

    def _confirm_s(self, entry: CircuitEntry) -> float:
        return confirm_s(entry, self._retry)


def _concerns_restoring(entry: CircuitEntry) -> bool:
    """Return whether the circuit is to be restored at some time, or may be under manual override."""
    return entry.shed_record is not None or entry.possible_override_since is not None


def _expiry(interval_s: float) -> int:
    """Return after how many whole seconds, at least 1, the broker discards a command: its retry is due then."""
    return max(1, int(interval_s))
