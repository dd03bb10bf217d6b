"""What is written and told of what happens: events, alarms, the outage and its circuits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.core.alarms import Alarm, AlarmBook
from controller.core.effects import Answer, Happened, KeepEntry
from controller.core.outage_record import OutageBook
from controller.core.publish_queue import Telling
from rules.device_reports import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from controller.core.effects import DiskEffect, Effect, Json, Memory
    from rules.ledger import Ledger
    from rules.panel import CircuitId

_ENDS = {
    Outcome.CONFIRMED_ON: "restored",
    Outcome.CAME_BACK: "came back by itself or by hand",
    Outcome.TRIPPED: "tripped",
    Outcome.TAKEN_OVER: "taken over by a person",
}
_ON = (Outcome.CONFIRMED_ON, Outcome.CAME_BACK, Outcome.TAKEN_OVER)


class Chronicle:
    """Collects rows for the disk and words for the bus, in the order in which things happened."""

    def __init__(self, ledger: Ledger, boot: str, memory: Memory) -> None:
        self._ledger = ledger
        self._rows: list[DiskEffect] = []
        self._answers: list[Answer] = []
        self.book = OutageBook(boot, memory)
        self.alarms = AlarmBook()
        self.telling = Telling(memory.entries)

    def note(
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
        happened = Happened(at, event, circuit, {**(about or {}), **more}, lazy)
        self._rows.append(happened)
        self.telling.event(happened)

    def found(self, circuit: CircuitId, outcome: Outcome | None, at: float) -> None:
        """Write what a report turned out to mean."""
        debt = self._ledger[circuit].debt
        if outcome is Outcome.CONFIRMED_OFF and debt is not None:
            self.book.confirmed(circuit, debt, at)
        if outcome is not None:
            self.note(outcome.value, at, circuit, about=self._answered(circuit, outcome))
            self.ended(_ENDS.get(outcome, outcome.value), at if outcome in _ON else None)
        self.telling.circuits.add(circuit)
        self.telling.state = True

    def _answered(self, circuit: CircuitId, outcome: Outcome) -> dict[str, Json]:
        """Return how long after our last command the device said that it had obeyed, where that is what it said."""
        entry = self._ledger[circuit]
        answers = outcome in (Outcome.CONFIRMED_OFF, Outcome.CONFIRMED_ON) and entry.sent is not None
        # What it said before it was told, or what the broker remembers, is no answer.
        after_s = -1.0 if entry.reported_at is None else entry.reported_at - entry.sent_at
        return {"after_s": round(after_s, 3)} if answers and after_s >= 0.0 else {}

    def ended(self, how: str, at: float | None = None) -> None:
        """Write how the debts that have just ended did; `at`: when they were on again, None where they are not."""
        for circuit, debt in self._ledger.ended:
            self.book.ended(circuit, debt, how, at if debt.back_at is None else debt.back_at)
        self._ledger.ended.clear()

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
            if self.alarms.put(alarm, at if since is None else since, detail, circuits):
                view = self.alarms[alarm]
                about: dict[str, Json] = {"alarm": view.id, "circuits": [*circuits], "since_at": view.since}
                self.note("alarm_raised", at, about={**about, "means": view.means})
        elif (gone := self.alarms.clear(alarm)) is not None:
            self.note("alarm_cleared", at, alarm=gone.id, lasted_s=round(at - gone.since, 3))

    def everything(self, circuits: Iterable[CircuitId], *, demand: bool) -> None:
        """Tell all there is: the broker may have forgotten it. An alarm that no longer stands is cleared there too."""
        self.telling.everything(circuits, (alarm.value for alarm in Alarm), demand=demand)

    def answer(self, reply: object, *, ok: bool, reason: str) -> None:
        """Answer a person, where one waits."""
        if reply is not None:
            self._answers.append(Answer(reply, ok, reason))

    def sample(self, row: DiskEffect) -> None:
        """Write a row of the demand log."""
        self._rows.append(row)

    def take(self, now: float, *, may_tell: bool) -> list[Effect]:
        """Return what is to be told (where it may be) and written."""
        self.telling.alarms |= self.alarms.changed
        self.alarms.changed.clear()
        told: list[Effect] = []
        if may_tell:
            told += [*self._answers, *self.telling.take(now)]
            self._answers.clear()
        told += (KeepEntry(circuit, row) for circuit, row in self._ledger.take_changes())
        told += self.book.take_rows()
        told += self._rows
        self._rows = []
        return told
