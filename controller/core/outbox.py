"""Outbox: rows for the disk and publications for the bus, in the order of the events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.core.alarms import RETIRED_IDS, ActiveAlarms, Alarm, AlarmSubject
from controller.core.effects import LogEvent, SaveEntry, SendReply
from controller.core.publish_queue import PublishQueue
from rules.device_reports import ReportOutcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from controller.core.effects import DiskEffect, Effect, PublishMeter
    from controller.core.outage_record import OutageRecord
    from rules.json_types import Json
    from rules.ledger import Ledger
    from rules.panel import CircuitId

_ENDS = {
    ReportOutcome.CONFIRMED_ON: "restored",
    ReportOutcome.ON_WITHOUT_COMMAND: "on_without_command",
    ReportOutcome.TRIPPED: "tripped",
    ReportOutcome.TAKEN_OVER: "taken_over",
    ReportOutcome.STAYED_ON: "stayed_on",
}
_ON = (ReportOutcome.CONFIRMED_ON, ReportOutcome.ON_WITHOUT_COMMAND, ReportOutcome.TAKEN_OVER)


class Outbox:
    """Collects what to write and to publish. The engine drains it after the commands of each turn have left.

    `known`: circuits that earlier starts may have published.
    """

    def __init__(self, ledger: Ledger, record: OutageRecord, known: Iterable[CircuitId]) -> None:
        self._ledger = ledger
        self._record = record
        self._rows: list[DiskEffect] = []
        self._replies: list[SendReply] = []
        self._queue = PublishQueue(known)
        self.alarms = ActiveAlarms()

    # --- events and rows ---------------------------------------------------------------------------------------------

    def log_event(
        self,
        event: str,
        at: float,
        circuit: CircuitId | None = None,
        *,
        may_be_delayed: bool = True,
        details: Mapping[str, Json] | None = None,
        **more: Json,
    ) -> None:
        """Log and publish an event. `may_be_delayed`: its row may wait for the next one that may not."""
        self._rows.append(LogEvent(at, event, circuit, {**(details or {}), **more}, may_be_delayed))

    def log_limited(self, event: str, at: float, suppressed: int | None, details: Mapping[str, Json]) -> None:
        """Log a rate-limited event: `suppressed` is what `RateLimit.allow` returned for it; None drops it."""
        if suppressed is not None:
            self.log_event(event, at, details={**details, "suppressed": suppressed} if suppressed else details)

    def save(self, row: DiskEffect) -> None:
        """Write a row that is not published."""
        self._rows.append(row)

    def on_report(self, circuit: CircuitId, outcome: ReportOutcome | None, at: float) -> None:
        """Log the outcome of a device report (None: nothing of note) and publish the circuit."""
        record = self._ledger[circuit].shed_record
        if outcome is ReportOutcome.CONFIRMED_OFF and record is not None:
            self._record.confirmed(circuit, record, at)
        if outcome is not None:
            self.log_event(outcome.value, at, circuit, details=self._response_time(circuit, outcome))
            self.save_ended_records(_ENDS.get(outcome, outcome.value), at if outcome in _ON else None)
        self.publish_circuits((circuit,))

    def _response_time(self, circuit: CircuitId, outcome: ReportOutcome) -> dict[str, Json]:
        """Return the seconds from the last command to its acknowledgment, if the report is one."""
        entry = self._ledger[circuit]
        confirms = outcome in (ReportOutcome.CONFIRMED_OFF, ReportOutcome.CONFIRMED_ON) and entry.sent is not None
        # A report from before the command, or a retained one, is no acknowledgment.
        after_s = -1.0 if entry.reported_at is None else entry.reported_at - entry.sent_at
        return {"after_s": round(after_s, 3)} if confirms and after_s >= 0.0 else {}

    def save_ended_records(self, how: str, at: float | None = None) -> None:
        """Write how the shed records ended that have just been closed.

        `at`: when the circuits were on again (monotonic seconds); None: they are not.
        """
        for circuit, record in self._ledger.take_closed_records():
            self._record.ended(circuit, record, how, at if record.on_reported_at is None else record.on_reported_at)

    # --- alarms and replies ------------------------------------------------------------------------------------------

    def set_alarm(
        self,
        alarm: Alarm,
        at: float,
        *,
        active: bool,
        detail: str = "",
        subject: AlarmSubject | None = None,
        since: float | None = None,
    ) -> None:
        """Raise the alarm, update its text, or clear it. `since`: None means `at`. `subject`: None: `detail` only."""
        if active:
            if self.alarms.set(alarm, at if since is None else since, subject or AlarmSubject(detail)):
                view = self.alarms[alarm]
                details: dict[str, Json] = {"alarm": view.id, "circuits": [*view.circuits], "since_at": view.since}
                self.log_event("alarm_raised", at, details={**details, "message": view.message})
        elif (cleared := self.alarms.clear(alarm)) is not None:
            self.log_event("alarm_cleared", at, alarm=cleared.id, lasted_s=round(at - cleared.since, 3))

    def set_client_problems(self, client: str, at: float, problems: Sequence[Mapping[str, Json]]) -> None:
        """Raise an alarm for each problem of a client, update them, and clear those that it no longer reports."""
        raised, cleared = self.alarms.set_of_client(client, at, problems)
        for view in raised:
            details: dict[str, Json] = {"alarm": view.id, "circuits": [*view.circuits], "since_at": view.since}
            self.log_event("alarm_raised", at, details={**details, "message": view.message})
        for view in cleared:
            self.log_event("alarm_cleared", at, alarm=view.id, lasted_s=round(at - view.since, 3))

    def reply(self, address: object, *, ok: bool, reason: str, needs_force: bool = False) -> None:
        """Reply to a user request; `address` None: the requester expects no reply."""
        if address is not None:
            self._replies.append(SendReply(address, ok, reason, needs_force))

    # --- publications ------------------------------------------------------------------------------------------------

    def publish_state(self) -> None:
        """Publish `controller/state`."""
        self._queue.add_state()

    def publish_last_outage(self) -> None:
        """Publish `outages/last`."""
        self._queue.add_last_outage()

    def query_contact(self) -> None:
        """Ask the contact's device for its position."""
        self._queue.add_contact_query()

    def publish_demand(self) -> None:
        """Publish `demand`."""
        self._queue.add_demand()

    def publish_circuits(self, circuits: Iterable[CircuitId]) -> None:
        """Publish these circuits, and `controller/state`, which lists them."""
        self._queue.add_circuits(circuits)
        self._queue.add_state()

    def publish_meter(self, reading: PublishMeter) -> None:
        """Publish the reading of a further meter."""
        self._queue.add_meter(reading)

    def republish_all(self, circuits: Iterable[CircuitId], *, demand: bool) -> None:
        """Publish everything: the broker may have lost it. The topics of alarms that are not active are cleared."""
        alarms = (*(alarm.value for alarm in Alarm), *RETIRED_IDS, *(view.id for view in self.alarms))
        self._queue.republish_all(circuits, alarms, demand=demand)

    def deadline(self) -> float | None:
        """Return when a rate-limited publication is due (monotonic seconds); None: none is waiting."""
        return self._queue.deadline()

    def drain(self, now: float, *, may_publish: bool) -> list[Effect]:
        """Return what to publish, if that is permitted now, and what to write; remove it."""
        self._queue.add_alarms(self.alarms.take_changes())
        for row in self._rows:
            if isinstance(row, LogEvent):
                self._queue.add_event(row)
        effects: list[Effect] = []
        if may_publish:
            effects += [*self._replies, *self._queue.drain(now)]
            self._replies.clear()
        effects += (SaveEntry(circuit, row) for circuit, row in self._ledger.take_changes())
        effects += self._record.take_rows()
        effects += self._rows
        self._rows = []
        return effects
