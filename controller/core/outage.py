"""Outage lifecycle: states, beginning, return of utility, end; the same for drills."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from controller.core.outage_record import DRILL
from controller.core.state_machine import State, StateMachine, Trigger
from rules.contact import PowerSource
from rules.controllability import commandable
from rules.device_reports import ReportContext
from rules.explain import explain
from rules.panel import Position
from rules.restore import RestoreDecision, restore_decision
from rules.situation import HouseSituation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from controller.core.command_scheduler import CommandScheduler
    from controller.core.context import CoreContext
    from controller.core.demand_recorder import DemandRecorder
    from rules.contact import ContactDebouncer
    from rules.device_reports import ReportOutcome
    from rules.json_types import Json
    from rules.panel import CircuitId

_REASONS = {
    Trigger.ON_STANDBY: "the contact opened",
    Trigger.ON_UTILITY: "the contact closed",
    Trigger.SETTLED: "every circuit is settled",
    Trigger.STABLE: "utility is stable",
    Trigger.DRILL: "a drill was requested",
    Trigger.DRILL_ENDED: "the drill is over",
}


class OutageLifecycle:
    """Moves the house between its states and keeps the outage record accordingly.

    `contact`: the settled position; the contact handler owns it.
    """

    def __init__(
        self,
        context: CoreContext,
        contact: ContactDebouncer,
        scheduler: CommandScheduler,
        demand: DemandRecorder,
    ) -> None:
        self._context = context
        self._ledger = context.ledger
        self._record = context.record
        self._outbox = context.outbox
        self._contact = contact
        self._scheduler = scheduler
        self._demand = demand
        self._machine = StateMachine(context.ledger.started)
        self._drill_over_at: float | None = None
        self._test: CircuitId | None = None  # the one circuit that the drill switches off
        self.drill_ends_at: float | None = None  # monotonic seconds; None: no drill holds circuits off

    @property
    def state(self) -> State:
        """Return the state of the house."""
        return self._machine.now

    @property
    def state_since(self) -> float:
        """Return when the state was entered (monotonic seconds)."""
        return self._machine.since

    @property
    def report_context(self) -> ReportContext:
        """Return what is wanted of nonessential circuits now, by which device reports are evaluated."""
        if self.state.sheds:
            return ReportContext.SHEDDING
        return ReportContext.UTILITY if self._contact.steady else ReportContext.UNCERTAIN

    @property
    def situation(self) -> HouseSituation:
        """Return the situation of the house, for explanations and decisions on requests."""
        drill = self._record.is_drill and self._record.id is not None
        return HouseSituation(sheds=self.state.sheds, drill=drill, on_utility=self._contact.steady)

    @property
    def drill_holds(self) -> bool:
        """Return whether a drill, and not the contact, holds circuits off."""
        return self.state.sheds and self._record.is_drill

    @property
    def shed_since(self) -> float:
        """Return when shedding last began (monotonic seconds): by the contact or a drill, or else at the start."""
        drill_began_at = self._record.drill_began_at
        return self._record.opened_at or (self._ledger.started if drill_began_at is None else drill_began_at)

    # --- circuits ----------------------------------------------------------------------------------------------------

    def on_report(self, circuit: CircuitId, outcome: ReportOutcome | None, at: float) -> None:
        """Record the outcome of a device report (None: nothing of note) and evaluate the circuit."""
        self._outbox.on_report(circuit, outcome, at)
        if self.state.restores and self._contact.steady:
            self._clear_if_was_off(circuit)
        self._scheduler.mark_dirty((circuit,))
        self._scheduler.expect(circuit, self._context.reports.deadline(circuit, self.report_context))

    def refresh(self, circuits: Iterable[CircuitId]) -> None:
        """Evaluate and publish these circuits."""
        circuits = tuple(circuits)
        self._scheduler.mark_dirty(circuits)
        self._context.defer(partial(self._outbox.publish_circuits, circuits))

    def on_circuit_deadline(self, at: float) -> None:
        """Process the deadline of the circuit that is due next."""
        circuit = self._context.panel.current[self._scheduler.next_due_circuit()]
        self.on_report(circuit.id, self._context.reports.on_deadline(circuit, at, self.report_context), at)

    def accept_retained_reports(self, at: float) -> None:
        """Accept the retained reports of available devices: utility is stable."""
        for circuit in self._context.panel.current:
            self.on_report(circuit.id, self._context.reports.accept_retained(circuit, at), at)

    def _close_records_of_on_circuits(self, at: float) -> None:
        """End the shed records of circuits that are on or were never switched off: utility is back."""
        for circuit in self._context.panel.current:
            self.on_report(circuit.id, self._context.reports.close_if_on(circuit, at), at)

    def _clear_if_was_off(self, circuit: CircuitId) -> None:
        """End the shed record of a circuit that was off before, and leave it off."""
        if restore_decision(self._context.panel.current[circuit], self._ledger[circuit]) is RestoreDecision.WAS_OFF:
            self._ledger.clear(circuit)
            self._outbox.save_ended_records("off_before")

    # --- the contact -------------------------------------------------------------------------------------------------

    def announce(self, at: float) -> None:
        """Write which circuits are about to be shed: power may fail before the opening has settled."""
        if not self.state.sheds:
            self._record.prepare(at, self.positions())
            self._record.correct_before(self._on_again())

    def withdraw(self) -> None:
        """Delete what `announce` wrote: the opening was a bounce."""
        if not self.state.sheds:
            self._record.cancel()

    def on_standby(self, at: float) -> None:
        """Process an opening that has settled. A drill ends at the same moment: nothing is restored in between."""
        if self.drill_holds:
            self.transition(Trigger.DRILL_ENDED, at)
        self.transition(Trigger.ON_STANDBY, at)

    def on_utility(self, at: float) -> None:
        """Process a closing that has settled."""
        self._close_records_of_on_circuits(at)
        unfinished = self._record.outage is not None or bool(self._ledger.owed_circuits)
        self.transition(Trigger.ON_UTILITY, at, unfinished=unfinished)

    # --- drills ------------------------------------------------------------------------------------------------------

    def begin_drill(self, at: float, by: str, for_s: float, test: CircuitId | None) -> None:
        """Shed for a drill of `for_s` seconds, requested by the user `by`.

        `test`: the one circuit that is switched off; None: all that a transfer sheds.
        """
        self._test = test
        self.drill_ends_at = at + for_s
        self._record.drill_began(at, self.positions())
        self._outbox.log_event("drill_began", at, may_be_delayed=False, outage=self._record.id, by=by, for_s=for_s)
        self.transition(Trigger.DRILL, at)

    def void_restore_all(self) -> None:
        """Restore after the drill only what the rules restore: the source is unknown, or a transfer came."""
        if (drill := self._record.id) is not None:
            self._record.void_restore_all()
            self._ledger.release_by_drill(drill, released=False)

    def end_drill(self, at: float, reason: str, *, stable: bool) -> None:
        """End the drill and restore its circuits: at once if utility is `stable`, otherwise when it is."""
        self._outbox.log_event("drill_ended", at, may_be_delayed=False, outage=self._record.id, reason=reason)
        self._close_records_of_on_circuits(at)
        self.transition(Trigger.DRILL_ENDED, at)
        if stable:
            self.transition(Trigger.STABLE, at)

    # --- states ------------------------------------------------------------------------------------------------------

    def settle(self, at: float) -> None:
        """Enter the next state if every circuit is settled: confirmed, out of reach, or attempted three times."""
        if self.state in (State.SHEDDING, State.RESTORING) and not self._scheduler.unsettled:
            self.transition(Trigger.SETTLED, at)

    def transition(self, trigger: Trigger, at: float, *, unfinished: bool = False) -> None:
        """Enter the state that `trigger` leads to, if any. `unfinished`: an outage is open or a circuit is owed."""
        previous = self.state
        if (state := self._machine.fire(trigger, at, unfinished=unfinished)) is not None:
            reason = _REASONS[trigger]
            self._outbox.log_event("state_changed", at, state=state.value, was=previous.value, reason=reason)
            self._enter(state, at)

    def _enter(self, state: State, at: float) -> None:
        circuits = self._context.panel.current.circuits
        self.refresh(circuits)
        if state is State.SHEDDING:
            self._begin(at)
        elif state is State.STABILIZING:
            self._return(at)
        elif state is State.RESTORING:
            for circuit in circuits:
                self._clear_if_was_off(circuit)
        elif state is State.UTILITY and self._record.outage is not None:
            self._close(at)

    def _begin(self, at: float) -> None:
        """Begin to shed. The planned circuits are owed from now on, also if the broker is disconnected."""
        by_drill = self._contact.settled is not PowerSource.STANDBY
        since = at if by_drill else self._contact.settled_at
        if not by_drill:
            self._record_opening(since)
        new = self._ledger.outage is None
        if new or not by_drill:
            self._ledger.begin(self._record.id, self._record.positions())
        if new and not by_drill:
            self._outbox.log_event("outage_began", since, may_be_delayed=False, outage=self._record.id)
        self._context.defer(self._outbox.publish_last_outage)
        self._context.defer(partial(self._demand.outage_began, since))
        self._context.defer(partial(self._context.loads.began, self._record.id, since))
        self._end_watches(at)
        self._scheduler.begin_shedding(at, self._test if by_drill else None)

    def _end_watches(self, at: float) -> None:
        """End the shed records of earlier outages whose circuits are on: this outage has records of its own."""
        for circuit in tuple(self._scheduler.late_off_watch):
            record = self._ledger[circuit].shed_record
            if record is not None and record.outage != self._ledger.outage:
                self._outbox.on_report(circuit, self._context.reports.end_watch(circuit, at), at)

    def _record_opening(self, at: float) -> None:
        """Write the opening at `at`. A drill continues as an outage with its own `before`."""
        record = self._record
        was_drill = record.is_drill and record.id is not None
        self.void_restore_all()
        if self._machine.previous is State.STARTING and record.id is not None and not was_drill:
            record.resumed()  # the same outage continues: no transfer was seen
        else:
            record.opened(at, self.positions(), self._better_known())
        if was_drill:
            self._outbox.log_event("drill_became_outage", at, may_be_delayed=False, outage=record.id)
            self._outbox.log_event("outage_began", at, may_be_delayed=False, outage=record.id)

    def _return(self, at: float) -> None:
        """Begin the utility-stable wait: utility is back, or a drill is over."""
        record = self._record
        self._drill_over_at = at if record.is_drill else None
        self.drill_ends_at = None
        if record.restores_all and record.id is not None:
            self._ledger.release_by_drill(record.id, released=True)
        if record.is_drill and self._machine.previous is State.STARTING:
            reason = "the program was restarted"
            self._outbox.log_event("drill_ended", at, may_be_delayed=False, outage=record.id, reason=reason)
        self._demand.utility_returned(at if record.is_drill else self._contact.settled_at)
        self._context.loads.ended(at)
        self._scheduler.begin_restoring()

    def _close(self, at: float) -> None:
        """Close the outage. Circuits that are not restored stay owed."""
        record, house = self._record, self.situation
        owed = [str(circuit) for circuit in sorted(self._ledger.owed_circuits - self._scheduler.late_off_watch)]
        energy_kwh, peak_kw = self._demand.outage_closed(at)
        details: dict[str, Json] = {"outage": record.id, "kind": DRILL if record.is_drill else "outage"}
        ended_at = self._contact.settled_at if self._drill_over_at is None else self._drill_over_at
        record.closed(ended_at, energy_kwh, peak_kw)
        self._outbox.publish_last_outage()
        self._ledger.close()
        figures: dict[str, Json] = {"energy_kwh": energy_kwh, "peak_15min_kw": peak_kw, "owed": [*owed]}
        self._outbox.log_event("outage_ended", at, may_be_delayed=False, details={**details, **figures})
        self._outbox.log_event(
            "restore_finished", at, may_be_delayed=False, details=details, not_restored=self._not_restored(house)
        )

    def _not_restored(self, house: HouseSituation) -> dict[str, Json]:
        """Return the circuits that are not as before the outage, each with its explanation.

        A circuit that is on and only watched for a late OFF counts as restored: if that OFF takes effect, the circuit
        is restored again.
        """
        explanations: dict[str, Json] = {}
        for circuit in self._context.panel.current:
            entry = self._ledger[circuit.id]
            owed = entry.owed and restore_decision(circuit, entry) is not RestoreDecision.IS_ON
            if owed or entry.left_off_manually or entry.position is Position.TRIPPED:
                explanations[circuit.id] = explain(circuit, entry, house)
        return explanations

    def _better_known(self) -> dict[CircuitId, Position]:
        """Return positions that became known after the first edge: at a start, the broker connects later."""
        if self._machine.previous is not State.STARTING:
            return {}
        written = self._record.positions()
        return {
            circuit: position
            for circuit, position in self.positions().items()
            if not self._ledger[circuit].live or (position is Position.ON and written.get(circuit) is Position.UNKNOWN)
        }

    def _on_again(self) -> dict[CircuitId, Position]:
        """Return the circuits that have reported on since an earlier opening of this outage, and are not owed."""
        return {
            circuit.id: Position.ON
            for circuit in self._context.panel.current.circuits.values()
            if commandable(circuit)
            and (entry := self._ledger[circuit.id]).live
            and entry.position is Position.ON
            and not entry.taken_over
            and (entry.shed_record is None or entry.reports_on)
        }

    def positions(self) -> dict[CircuitId, Position]:
        """Return the position of each commandable circuit as an outage begins now."""
        return {
            circuit.id: self._ledger[circuit.id].position_before(
                wakes_off=self._ledger.may_be_off_after_power_loss(circuit)
            )
            for circuit in self._context.panel.current.circuits.values()
            if commandable(circuit)
        }
