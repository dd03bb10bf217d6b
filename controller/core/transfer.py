"""What the contact does to the house: an edge, a settled source, a state entered, an outage begun and ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.core.outage_record import DRILL
from controller.core.rate_limit import RateLimit
from controller.core.state_machine import State, StateMachine, Trigger
from rules.chatter import ChatterDetector
from rules.contact import ContactDebouncer, PowerSource
from rules.controllability import commandable
from rules.device_reports import DeviceReports, ReportContext, ReportOutcome
from rules.explain import explain
from rules.panel import Position
from rules.restore import RestoreDecision, restore_decision
from rules.shed import shed_plan

if TYPE_CHECKING:
    from collections.abc import Iterable

    from controller.core.command_scheduler import CommandScheduler
    from controller.core.demand_recorder import DemandRecorder
    from controller.core.outage_record import FlapSettings
    from controller.core.outbox import Outbox
    from rules.json_types import Json
    from rules.ledger import Ledger
    from rules.panel import CircuitId, Panel

_MOVED_BY = {
    Trigger.ON_STANDBY: "the contact opened",
    Trigger.ON_UTILITY: "the contact closed",
    Trigger.SETTLED: "every circuit is settled",
    Trigger.STABLE: "utility was unbroken for long enough",
    Trigger.DRILL: "a drill was asked for",
    Trigger.DRILL_ENDED: "the drill is over",
}

MOST_BOUNCES, BOUNCES_WITHIN_S = 6, 600.0
"""So many bounces are told; more of them are counted: the alarm says the rest."""


class Transfer:
    """Follows the house from utility to standby and back, and keeps the outage by it.

    `utility_stable_s`: utility must be unbroken for so long before anything is given back; longer where it flaps.
    """

    def __init__(
        self,
        *,
        panel: Panel,
        ledger: Ledger,
        reports: DeviceReports,
        chronicle: Outbox,
        switches: CommandScheduler,
        demand: DemandRecorder,
        contact: ContactDebouncer,
        utility_stable_s: float,
        flap: FlapSettings,
    ) -> None:
        self.panel = panel
        self.contact = contact
        self.house = StateMachine(ledger.started)
        self._ledger = ledger
        self._reports = reports
        self._chronicle = chronicle
        self._switches = switches
        self._demand = demand
        self._utility_stable_s = utility_stable_s
        self._flap = flap
        self._stable_since: float | None = None  # the steady stretch that has already been found stable
        self._drill_over_at: float | None = None
        self._bounces = RateLimit(MOST_BOUNCES, BOUNCES_WITHIN_S)
        self.chatter = ChatterDetector()

    @property
    def phase(self) -> ReportContext:
        """Return what the house wants of nonessential circuits now."""
        if self.house.now.sheds:
            return ReportContext.SHEDDING
        return ReportContext.UTILITY if self.contact.steady else ReportContext.UNCERTAIN

    @property
    def opening(self) -> bool:
        """Tell whether the contact has opened and not settled yet."""
        return self.contact.pending is PowerSource.STANDBY

    @property
    def drilling(self) -> bool:
        """Tell whether circuits are held off by a drill, and not by the contact."""
        return self.house.now.sheds and self._chronicle.record.is_drill

    @property
    def kind(self) -> str | None:
        """Return what the open outage is: an outage, or a drill; None where there is none."""
        outage = self._chronicle.record.outage
        return None if outage is None or self._chronicle.record.id is None else outage.kind

    @property
    def opened_at(self) -> float | None:
        """Return when the contact last opened in the open outage; None: not in this boot, or there is no outage."""
        return self._chronicle.record.opened_at

    @property
    def shed_since(self) -> float:
        """Return when shedding last began, by the contact or for a drill; the start, where it went on over that."""
        drilled_at = self._chronicle.record.drilled_at
        return self.opened_at or (self._ledger.started if drilled_at is None else drilled_at)

    @property
    def closed_at(self) -> float | None:
        """Return when the contact last closed; None: it is not on utility."""
        return self.contact.settled_at if self.contact.settled is PowerSource.UTILITY else None

    @property
    def stable(self) -> bool:
        """Tell whether utility has been unbroken for long enough, and still is."""
        return self.contact.steady and self.contact.steady_since == self._stable_since

    @property
    def over(self) -> bool:
        """Tell whether everything that the rules give back has been: the house is on utility, and stays there."""
        return self.house.now is State.UTILITY and self.stable

    # --- circuits ----------------------------------------------------------------------------------------------------

    def on_report(self, circuit: CircuitId, outcome: ReportOutcome | None, at: float) -> None:
        """Look at the circuit anew, and write down what its report meant."""
        self._chronicle.on_report(circuit, outcome, at)
        if self.house.now.restores and self.contact.steady:
            self._discharge(circuit)
        self._switches.mark_dirty((circuit,))
        self._switches.expect(circuit, self._reports.deadline(circuit, self.phase))

    def refresh(self, circuits: Iterable[CircuitId]) -> None:
        """Look at these circuits anew."""
        circuits = tuple(circuits)
        self._switches.mark_dirty(circuits)
        self._chronicle.publish_queue.circuits.update(circuits)
        self._chronicle.publish_queue.state = True

    def on_circuit_deadline(self, at: float) -> None:
        """Play the deadline of the circuit whose turn has come."""
        circuit = self.panel[self._switches.next_due_circuit()]
        self.on_report(circuit.id, self._reports.on_deadline(circuit, at, self.phase), at)

    # --- the contact -------------------------------------------------------------------------------------------------

    def on_position(self, source: PowerSource, at: float, *, retained: bool) -> None:
        """Take the position the contact showed, or that the broker remembers of it."""
        settled, was_opening = self.contact.settled, self.opening
        (self.contact.on_retained if retained else self.contact.on_position)(source, at)
        self._after_edge(settled, was_opening=was_opening, at=at)

    def on_device_alive(self, at: float) -> None:
        """Take a live word of the contact's device that is no position."""
        settled, was_opening = self.contact.settled, self.opening
        self.contact.on_device_alive(at)
        self._after_edge(settled, was_opening=was_opening, at=at)

    def _after_edge(self, settled: PowerSource, *, was_opening: bool, at: float) -> None:
        if self.contact.settled is not settled:
            self._settled(self.contact.settled, at)
        elif self.opening and not was_opening:
            self._first_edge(at)
        elif was_opening and not self.opening:
            self._bounced(at)

    def on_lost(self, at: float, reason: str, *, offline: bool) -> None:
        """Take that nobody can say where the contact is. It begins and ends no outage."""
        if self.contact.settled is not PowerSource.UNKNOWN:
            self._chronicle.log_event("contact_lost", at, reason=reason)
        if self.opening:
            self._chronicle.record.cancel()
        self.contact.on_lost(at, offline=offline)
        if self.drilling:
            self.end_drill(at, f"nobody can say where the contact is: {reason}")
        self._chronicle.publish_queue.state = True

    def on_contact_deadline(self, at: float) -> None:
        """Play the contact's deadline: a position has held for long enough, or has been lost for too long."""
        self.contact.on_deadline(at)
        self._settled(self.contact.settled, at)

    def _first_edge(self, at: float) -> None:
        """Write what is about to be shed while the contact settles: the power may go before it has."""
        if not self.house.now.sheds:
            self._chronicle.record.prepare(at, self.positions())

    def _bounced(self, at: float) -> None:
        if not self.house.now.sheds:
            self._chronicle.record.cancel()
        self.chatter.bounced(at)
        if (suppressed := self._bounces.allow(at)) is not None:
            more: dict[str, Json] = {"suppressed": suppressed} if suppressed else {}
            self._chronicle.log_event("contact_bounced", at, about=more, bounces=self.contact.bounces)

    def _settled(self, source: PowerSource, at: float) -> None:
        self._chronicle.publish_queue.state = True
        self.chatter.settled(at)
        lost: dict[str, Json] = {} if self.contact.lost_since is None else {"reason": "nobody can say where it is"}
        self._chronicle.log_event(
            "contact_settled", at, about=lost, source=source.value, began_at=self.contact.settled_at
        )
        if source is PowerSource.STANDBY:
            if self.drilling:
                self.transition(
                    Trigger.DRILL_ENDED, at
                )  # one and the same moment: nothing is given back between the two
            self.transition(Trigger.ON_STANDBY, at)
            return
        self._tell_flapping(at)
        self._judge(at)
        unfinished = self._chronicle.record.outage is not None or bool(self._ledger.owed_circuits)
        self.transition(Trigger.ON_UTILITY, at, unfinished=unfinished)

    def _judge(self, at: float) -> None:
        """End what is owed and need not be given back: it was never switched off, or is on."""
        for circuit in self.panel:
            self.on_report(circuit.id, self._reports.close_if_on(circuit, at), at)

    # --- utility, unbroken -------------------------------------------------------------------------------------------

    def stable_from(self) -> float | None:
        """Return when utility will have been unbroken for long enough; None while it is not there beyond doubt."""
        since = self.contact.steady_since
        if since is None:
            return None
        return since + self._chronicle.record.stable_wait(since, self._utility_stable_s, self._flap)

    def stable_due(self) -> float | None:
        """Return when utility is to be found stable; None: not as things stand, or it has been."""
        return None if self.contact.steady_since == self._stable_since else self.stable_from()

    def became_stable(self, at: float) -> None:
        """Play that utility has been unbroken for long enough: the broker's memory of devices counts from now on."""
        self._stable_since = self.contact.steady_since
        for circuit in self.panel:
            self.on_report(circuit.id, self._reports.accept_retained(circuit, at), at)
        self.transition(Trigger.STABLE, at)

    @property
    def flaps(self) -> int:
        """Return how many openings of late make the stable wait longer; 0: it is as long as ever."""
        since = self.contact.steady_since
        return 0 if since is None else self._chronicle.record.flaps(since, self._flap)

    def _tell_flapping(self, at: float) -> None:
        """Say why everything stays off for longer than usual."""
        since = self.contact.steady_since
        if since is not None and (flaps := self.flaps):
            wait_s = self._chronicle.record.stable_wait(since, self._utility_stable_s, self._flap)
            about: dict[str, Json] = {"openings": flaps, "within_s": self._flap.window_s, "wait_s": wait_s}
            self._chronicle.log_event("utility_flapping", at, about={**about, "usual_s": self._utility_stable_s})

    # --- a drill -----------------------------------------------------------------------------------------------------

    def end_drill(self, at: float, because: str) -> None:
        """Give back what the drill has shed: at once, where utility is stable."""
        self._chronicle.log_event("drill_ended", at, lazy=False, outage=self._chronicle.record.id, reason=because)
        self._judge(at)
        self.transition(Trigger.DRILL_ENDED, at)
        if self.stable:
            self.transition(Trigger.STABLE, at)

    # --- states ------------------------------------------------------------------------------------------------------

    def settle(self, at: float) -> None:
        """Move on, where every circuit is settled: confirmed, beyond us, or tried three times."""
        if self.house.now in (State.SHEDDING, State.RESTORING) and not self._switches.unsettled:
            self.transition(Trigger.SETTLED, at)

    def transition(self, trigger: Trigger, at: float, *, unfinished: bool = False) -> None:
        """Move the house by `trigger`, if it moves it, and do what belongs to the state entered."""
        was = self.house.now
        if (state := self.house.fire(trigger, at, unfinished=unfinished)) is not None:
            self._chronicle.log_event("state_changed", at, state=state.value, was=was.value, reason=_MOVED_BY[trigger])
            self._enter(state, at)

    def _enter(self, state: State, at: float) -> None:
        self.refresh(self.panel.circuits)
        if state is State.SHEDDING:
            self._began(at)
        elif state is State.STABILIZING:
            self._returned(at)
        elif state is State.RESTORING:
            for circuit in self.panel:
                self._discharge(circuit.id)
        elif state is State.UTILITY and self._chronicle.record.outage is not None:
            self._closed(at)

    def _began(self, at: float) -> None:
        """Begin to shed. The plan is owed from now on, whether or not the broker is there to be told."""
        book = self._chronicle.record
        by_drill = self.contact.settled is not PowerSource.STANDBY
        since = at if by_drill else self.contact.settled_at
        if not by_drill:
            self._opened()
        if self._ledger.outage is None:
            self._ledger.outage, self._ledger.before = book.id, book.positions()
            if not by_drill:
                self._chronicle.log_event("outage_began", since, lazy=False, outage=book.id)
        self._demand.began(since)
        self._switches.drop_requests()
        for circuit in shed_plan(self.panel, self._ledger):
            self._ledger.record_shed(circuit, at, commanded=False)
        self._switches.opened(at)

    def _opened(self) -> None:
        """Write the opening; a drill that was on, or being given back, goes on as an outage with its own `before`."""
        book = self._chronicle.record
        was_drill = book.is_drill and book.id is not None
        if self.house.previous is State.STARTING and book.id is not None and not was_drill:
            book.resumed()  # the same outage goes on: no transfer was seen
        else:
            book.opened(self.contact.settled_at, self.positions(), self._better_known())
        if was_drill:
            self._chronicle.log_event("drill_became_outage", self.contact.settled_at, lazy=False, outage=book.id)
            self._chronicle.log_event("outage_began", self.contact.settled_at, lazy=False, outage=book.id)

    def _returned(self, at: float) -> None:
        """Begin the wait for a utility that is stable: its own return, or that of a house from a drill."""
        book = self._chronicle.record
        self._drill_over_at = at if book.is_drill else None
        if book.is_drill and self.house.previous is State.STARTING:
            because = "the program was started anew"
            self._chronicle.log_event("drill_ended", at, lazy=False, outage=book.id, reason=because)
        self._demand.returned(at if book.is_drill else self.contact.settled_at)
        self._switches.closed()

    def _discharge(self, circuit: CircuitId) -> None:
        """Give back what was off before, by leaving it off: at once, or when a late OFF has taken effect."""
        if restore_decision(self.panel[circuit], self._ledger[circuit]) is RestoreDecision.WAS_OFF:
            self._ledger.clear(circuit)
            self._chronicle.ended("off before: stays off")

    def _closed(self, at: float) -> None:
        """End the outage; what is not back stays owed."""
        book = self._chronicle.record
        outage, owed = (
            book.id,
            [str(circuit) for circuit in sorted(self._ledger.owed_circuits - self._switches.watched)],
        )
        energy_kwh, peak_kw = self._demand.closed(at)
        about: dict[str, Json] = {"outage": outage, "kind": DRILL if book.is_drill else "outage"}
        book.closed(
            self.contact.settled_at if self._drill_over_at is None else self._drill_over_at, energy_kwh, peak_kw
        )
        self._ledger.close()
        figures: dict[str, Json] = {"energy_kwh": energy_kwh, "peak_15min_kw": peak_kw, "owed": [*owed]}
        self._chronicle.log_event("outage_ended", at, lazy=False, about={**about, **figures})
        self._chronicle.log_event("restore_finished", at, lazy=False, about=about, not_restored=self._not_back())

    def _not_back(self) -> dict[str, Json]:
        """Return what is not as it was before the outage, each circuit with why: nobody else will say it again.

        What is on and only watched, lest an OFF still take effect, is back: if it falls, it is given back again.
        """
        return {
            str(circuit.id): explain(circuit, entry)
            for circuit in self.panel
            if (
                (
                    (entry := self._ledger[circuit.id]).owed
                    and restore_decision(circuit, entry) is not RestoreDecision.IS_ON
                )
                or entry.left_off_manually
                or entry.position is Position.TRIPPED
            )
        }

    def _better_known(self) -> dict[CircuitId, Position]:
        """Return where circuits were as far as is known by now: at a start the broker speaks after the first edge."""
        if self.house.previous is not State.STARTING:
            return {}
        written = self._chronicle.record.positions()
        return {
            circuit: position
            for circuit, position in self.positions().items()
            if not self._ledger[circuit].live or (position is Position.ON and written.get(circuit) is Position.UNKNOWN)
        }

    def positions(self) -> dict[CircuitId, Position]:
        """Return the position each commandable circuit has as an outage begins."""
        return {
            circuit.id: self._ledger[circuit.id].position_before(
                wakes_off=self._ledger.may_be_off_after_power_loss(circuit)
            )
            for circuit in self.panel
            if commandable(circuit)
        }
