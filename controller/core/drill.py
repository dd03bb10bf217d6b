"""Drill controller: requests for drills, their beginning and their end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.core.alarms import Alarm
from controller.core.outage_record import DRILL
from rules.drill import DEFAULT_S, NOTICE_S, TEST_DEFAULT_S, DrillPreconditions, refusal_reason
from rules.requests import RequestDecision, may_be_tested
from rules.shed import shed_plan, wants_off_for_test

if TYPE_CHECKING:
    from controller.core.command_scheduler import CommandScheduler
    from controller.core.contact_handler import ContactHandler
    from controller.core.context import CoreContext
    from controller.core.events import Requested
    from controller.core.outage import OutageLifecycle
    from rules.panel import CircuitId

ENDED_BY_TIME = "its time is up"


class DrillController:
    """Begins and ends drills. `begins_at`: monotonic second at which an announced drill begins; None: none is."""

    def __init__(
        self,
        context: CoreContext,
        scheduler: CommandScheduler,
        contact: ContactHandler,
        outage: OutageLifecycle,
    ) -> None:
        self._context = context
        self._record = context.record
        self._outbox = context.outbox
        self._scheduler = scheduler
        self._contact = contact
        self._outage = outage
        self._announced: Requested | None = None
        self.begins_at: float | None = None

    def on_request(self, request: Requested) -> RequestDecision:
        """Reply to a request for a drill. If accepted, announce it: it begins when the disk has the plan."""
        if self._announced is not None:
            return RequestDecision(ok=False, reason="a drill is about to begin")
        test = request.circuit
        if test is not None and (decision := self._test_decision(test)) is not None:
            return decision
        preconditions = self._preconditions(test)
        if (reason := refusal_reason(preconditions)) is not None:
            return RequestDecision(ok=False, reason=reason)
        self._announced, self.begins_at = request, request.at + NOTICE_S
        self._record.prepare(request.at, self._outage.positions(), DRILL, restore_all=request.restore_all)
        if test is not None:
            name = self._context.panel.current[test].name
            reason = f"{name} is switched off for {_duration_s(request):g} s, then on again"
            return RequestDecision(ok=True, reason=reason)
        what = "circuit is" if preconditions.sheds == 1 else "circuits are"
        after = "; at its end all of them are restored" if request.restore_all else ""
        return RequestDecision(
            ok=True, reason=f"{preconditions.sheds} {what} switched off for {_duration_s(request):g} s{after}"
        )

    def _test_decision(self, test: CircuitId) -> RequestDecision | None:
        """Return the refusal of a test of this circuit; None: nothing about the circuit is against it."""
        panel = self._context.panel.current
        if test not in panel:
            return RequestDecision(ok=False, reason=f"there is no circuit {test!r} in circuits.toml")
        return may_be_tested(panel[test], self._context.ledger[test])

    def on_end_request(self, request: Requested) -> RequestDecision:
        """End the drill, and reply to the request."""
        if self._announced is not None:
            self._cancel("ended by a user before it began", request.at)
            return RequestDecision(ok=True, reason="the announced drill is canceled")
        if not self._outage.drill_holds:
            return RequestDecision(ok=False, reason="no drill is running")
        self._outage.end_drill(request.at, f"ended by {request.by or 'a user'}", stable=self._contact.stable)
        return RequestDecision(ok=True, reason="the drill is over; its circuits are restored in turn")

    def on_begin_deadline(self, at: float) -> None:
        """Begin the announced drill, or cancel it if the preconditions do not hold any more."""
        request = self._announced
        assert request is not None  # `begins_at` is set with it
        if (reason := self._obstacle()) is not None:
            self._cancel(reason, at)
        else:
            self._announced = self.begins_at = None
            self._outage.begin_drill(at, request.by, _duration_s(request), request.circuit)

    def on_end_deadline(self, at: float) -> None:
        """End the drill: its time is up."""
        self._outage.end_drill(at, ENDED_BY_TIME, stable=self._contact.stable)

    def _cancel(self, reason: str, at: float) -> None:
        """Cancel the announced drill. If the contact has opened since, the record is that of the outage."""
        self._announced = self.begins_at = None
        if self._record.is_drill:
            self._record.cancel()
        self._outbox.log_event("drill_canceled", at, reason=reason)

    def _obstacle(self) -> str | None:
        """Return what has come between the request and the beginning; None: nothing."""
        # The announced record is this drill. If it is gone, there was an edge: a bounce or an opening.
        test = None if self._announced is None else self._announced.circuit
        return refusal_reason(self._preconditions(test)._replace(outage_open=not self._record.is_drill))

    def _preconditions(self, test: CircuitId | None) -> DrillPreconditions:
        panel = self._context.panel.current
        ledger, scheduler = self._context.ledger, self._scheduler
        moving = scheduler.unsettled | scheduler.late_off_watch
        return DrillPreconditions(
            state=self._outage.state.value,
            on_utility=self._contact.contact.steady,
            stable=self._contact.stable,
            outage_open=self._record.outage is not None,
            owed=panel.names(ledger.owed_circuits - moving),
            under_way=panel.names(moving | {circuit for circuit, entry in ledger if entry.request is not None}),
            connected=scheduler.connected,
            disk_failing=Alarm.DISK_FAILING in self._outbox.alarms,
            sheds=len(shed_plan(panel, ledger)) if test is None else int(wants_off_for_test(panel[test], ledger[test])),
        )


def _duration_s(request: Requested) -> float:
    usual_s = DEFAULT_S if request.circuit is None else TEST_DEFAULT_S
    return usual_s if request.for_s is None else request.for_s
