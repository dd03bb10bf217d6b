"""What is written and told of what happens: events, alarms, the outage and its circuits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.core.alarms import ActiveAlarms, Alarm
from controller.core.effects import LogEvent, SaveEntry, SendReply
from controller.core.outage_record import OutageRecord
from controller.core.publish_queue import PublishQueue
from rules.device_reports import ReportOutcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from controller.core.effects import DiskEffect, Effect, SavedState
    from rules.json_types import Json
    from rules.ledger import Ledger
    from rules.panel import CircuitId

_ENDS = {
    ReportOutcome.CONFIRMED_ON: "restored",
    ReportOutcome.ON_WITHOUT_COMMAND: "came back by itself or by hand",
    ReportOutcome.TRIPPED: "tripped",
    ReportOutcome.TAKEN_OVER: "taken over by a person",
}
_ON = (ReportOutcome.CONFIRMED_ON, ReportOutcome.ON_WITHOUT_COMMAND, ReportOutcome.TAKEN_OVER)


class Outbox:
    """Collects rows for the disk and words for the bus, in the order in which things happened."""

    def __init__(self, ledger: Ledger, boot: str, memory: SavedState) -> None:
        self._ledger = ledger
        self._rows: list[DiskEffect] = []
        self._answers: list[SendReply] = []
        self.record = OutageRecord(boot, memory)
        self.alarms = ActiveAlarms()
        self.publish_queue = PublishQueue(memory.entries)

    def log_event(
        self,
        event: str,
        at: float,
        circuit: CircuitId | None = None,
        *,
        lazy: bool = True,
        about: Mapping[str, Json] | None = None,
        **more: Json,
    ) -> None:
        """Write and tell an event, and what it is about. `lazy`: its row may wait for the next one that cannot."""
        happened = LogEvent(at, event, circuit, {**(about or {}), **more}, lazy)
        self._rows.append(happened)
        self.publish_queue.event(happened)

    def on_report(self, circuit: CircuitId, outcome: ReportOutcome | None, at: float) -> None:
        """Write what a report turned out to mean."""
        debt = self._ledger[circuit].shed_record
        if outcome is ReportOutcome.CONFIRMED_OFF and debt is not None:
            self.record.confirmed(circuit, debt, at)
        if outcome is not None:
            self.log_event(outcome.value, at, circuit, about=self._answered(circuit, outcome))
            self.ended(_ENDS.get(outcome, outcome.value), at if outcome in _ON else None)
        self.publish_queue.circuits.add(circuit)
        self.publish_queue.state = True

    def _answered(self, circuit: CircuitId, outcome: ReportOutcome) -> dict[str, Json]:
        """Return how long after our last command the device said that it had obeyed, where that is what it said."""
        entry = self._ledger[circuit]
        answers = outcome in (ReportOutcome.CONFIRMED_OFF, ReportOutcome.CONFIRMED_ON) and entry.sent is not None
        # What it said before it was told, or what the broker remembers, is no answer.
        after_s = -1.0 if entry.reported_at is None else entry.reported_at - entry.sent_at
        return {"after_s": round(after_s, 3)} if answers and after_s >= 0.0 else {}

    def ended(self, how: str, at: float | None = None) -> None:
        """Write how the debts that have just ended did; `at`: when they were on again, None where they are not."""
        for circuit, debt in self._ledger.closed_records:
            self.record.ended(circuit, debt, how, at if debt.on_reported_at is None else debt.on_reported_at)
        self._ledger.closed_records.clear()

    def alarm(
        self,
        alarm: Alarm,
        at: float,
        *,
        stands: bool,
        detail: str = "",
        circuits: tuple[CircuitId, ...] = (),
        since: float | None = None,
    ) -> None:
        """Raise an alarm, say anew what it is about, or clear it. `since`: None is now."""
        if stands:
            if self.alarms.set(alarm, at if since is None else since, detail, circuits):
                view = self.alarms[alarm]
                about: dict[str, Json] = {"alarm": view.id, "circuits": [*circuits], "since_at": view.since}
                self.log_event("alarm_raised", at, about={**about, "message": view.message})
        elif (gone := self.alarms.clear(alarm)) is not None:
            self.log_event("alarm_cleared", at, alarm=gone.id, lasted_s=round(at - gone.since, 3))

    def republish_all(self, circuits: Iterable[CircuitId], *, demand: bool) -> None:
        """Tell all there is: the broker may have forgotten it. An alarm that no longer stands is cleared there too."""
        self.publish_queue.republish_all(circuits, (alarm.value for alarm in Alarm), demand=demand)

    def answer(self, reply: object, *, ok: bool, reason: str) -> None:
        """Answer a person, where one waits."""
        if reply is not None:
            self._answers.append(SendReply(reply, ok, reason))

    def sample(self, row: DiskEffect) -> None:
        """Write a row of the demand log."""
        self._rows.append(row)

    def drain(self, now: float, *, may_tell: bool) -> list[Effect]:
        """Return what is to be told (where it may be) and written."""
        self.publish_queue.alarms |= self.alarms.changed
        self.alarms.changed.clear()
        told: list[Effect] = []
        if may_tell:
            told += [*self._answers, *self.publish_queue.drain(now)]
            self._answers.clear()
        told += (SaveEntry(circuit, row) for circuit, row in self._ledger.take_changes())
        told += self.record.drain_rows()
        told += self._rows
        self._rows = []
        return told
