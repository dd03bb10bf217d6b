"""A drill, from the request to its end: what a person may ask for, and when time begins and ends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.core.alarms import Alarm
from controller.core.outage_record import DRILL
from controller.core.state_machine import Trigger
from rules.drill import DEFAULT_S, NOTICE_S, DrillPreconditions, refusal_reason
from rules.requests import RequestDecision
from rules.shed import shed_plan

if TYPE_CHECKING:
    from controller.core.command_scheduler import CommandScheduler
    from controller.core.events import Requested
    from controller.core.outbox import Outbox
    from controller.core.transfer import Transfer
    from rules.ledger import Ledger

ENDED_BY_TIME = "its time is up"


class DrillController:
    """Begins and ends drills. `until`: when the one that is on will be over (monotonic s); None: none is on."""

    def __init__(self, ledger: Ledger, switches: CommandScheduler, transfer: Transfer, chronicle: Outbox) -> None:
        self._ledger = ledger
        self._switches = switches
        self._transfer = transfer
        self._chronicle = chronicle
        self._pending: Requested | None = None
        self._until = 0.0

    @property
    def until(self) -> float | None:
        return self._until if self._transfer.drilling else None

    def on_request(self, asked: Requested) -> RequestDecision:
        """Answer a request for a drill; where it may be, write the plan, and let it begin when the disk has it."""
        if self._pending is not None:
            return RequestDecision(ok=False, reason="a drill is about to begin")
        standing = self._preconditions()
        if (reason := refusal_reason(standing)) is not None:
            return RequestDecision(ok=False, reason=reason)
        self._pending = asked
        self._chronicle.record.prepare(asked.at, self._transfer.positions(), DRILL)
        what = "circuit is" if standing.sheds == 1 else "circuits are"
        return RequestDecision(ok=True, reason=f"{standing.sheds} {what} switched off for {_for_s(asked):g} s")

    def on_end_request(self, asked: Requested) -> RequestDecision:
        """Answer a request to end the drill, and end it."""
        if self._pending is not None:
            self._cancel("a person ended it before it began", asked.at)
            return RequestDecision(ok=True, reason="the drill does not begin")
        if not self._transfer.drilling:
            return RequestDecision(ok=False, reason="no drill is on")
        self._transfer.end_drill(asked.at, f"ended by {asked.by or 'a person'}")
        return RequestDecision(ok=True, reason="the drill is over: what it switched off is given back in turn")

    def deadline(self) -> float | None:
        """Return when a drill begins, or is over (monotonic s); None: neither is to come."""
        return self._pending.at + NOTICE_S if self._pending is not None else self.until

    def on_deadline(self, at: float) -> None:
        """Play the deadline that has come."""
        if (asked := self._pending) is None:
            self._transfer.end_drill(at, ENDED_BY_TIME)
        elif (because := self._came_between()) is not None:
            self._cancel(because, at)
        else:
            self._pending = None
            self._begin(at, asked.by, _for_s(asked))

    def _begin(self, at: float, by: str, for_s: float) -> None:
        """Shed as on standby. What was announced is owed from now on."""
        book = self._chronicle.record
        self._until = at + for_s
        book.drilled(at, self._transfer.positions())
        self._chronicle.log_event("drill_began", at, lazy=False, outage=book.id, by=by, for_s=for_s)
        self._transfer.transition(Trigger.DRILL, at)

    def _cancel(self, because: str, at: float) -> None:
        """Take back what was announced; where the contact has opened since, it is the opening's."""
        self._pending = None
        if self._chronicle.record.is_drill:
            self._chronicle.record.cancel()
        self._chronicle.log_event("drill_canceled", at, reason=because)

    def _came_between(self) -> str | None:
        """Return what has come between the request and the beginning; None: nothing."""
        # What is written as about to be is this drill; where it is gone, an edge came, and was a bounce or an opening.
        return refusal_reason(self._preconditions()._replace(outage_open=not self._chronicle.record.is_drill))

    def _preconditions(self) -> DrillPreconditions:
        transfer, switches = self._transfer, self._switches
        moving = switches.unsettled | switches.watched
        return DrillPreconditions(
            state=transfer.house.now.value,
            on_utility=transfer.contact.steady,
            stable=transfer.stable,
            outage_open=self._chronicle.record.outage is not None,
            owed=tuple(sorted(self._ledger.owed_circuits - moving)),
            under_way=tuple(sorted(moving | {circuit for circuit, entry in self._ledger if entry.request is not None})),
            connected=switches.connected,
            disk_failing=Alarm.DISK_FAILING in self._chronicle.alarms,
            sheds=len(shed_plan(transfer.panel, self._ledger)),
        )


def _for_s(asked: Requested) -> float:
    return DEFAULT_S if asked.for_s is None else asked.for_s
