"""A drill, from the request to its end: what a person may ask for, and when time begins and ends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.core.alarms import Alarm
from controller.core.outage_record import DRILL
from controller.core.state_machine import Trigger
from rules.drill import NOTICE_S, USUAL_S, Standing, why_not
from rules.requests import Reply
from rules.shed import shed_plan

if TYPE_CHECKING:
    from controller.core.command_scheduler import Switchboard
    from controller.core.events import Asked
    from controller.core.outbox import Chronicle
    from controller.core.transfer import Transfer
    from rules.ledger import Ledger

ENDED_BY_TIME = "its time is up"


class Drilling:
    """Begins and ends drills. `until`: when the one that is on will be over (monotonic s); None: none is on."""

    def __init__(self, ledger: Ledger, switches: Switchboard, transfer: Transfer, chronicle: Chronicle) -> None:
        self._ledger = ledger
        self._switches = switches
        self._transfer = transfer
        self._chronicle = chronicle
        self._coming: Asked | None = None
        self._until = 0.0

    @property
    def until(self) -> float | None:
        return self._until if self._transfer.drilling else None

    def asked(self, asked: Asked) -> Reply:
        """Answer a request for a drill; where it may be, write the plan, and let it begin when the disk has it."""
        if self._coming is not None:
            return Reply(ok=False, reason="a drill is about to begin")
        standing = self._standing()
        if (reason := why_not(standing)) is not None:
            return Reply(ok=False, reason=reason)
        self._coming = asked
        self._chronicle.book.about(asked.at, self._transfer.positions(), DRILL)
        what = "circuit is" if standing.sheds == 1 else "circuits are"
        return Reply(ok=True, reason=f"{standing.sheds} {what} switched off for {_for_s(asked):g} s")

    def asked_to_end(self, asked: Asked) -> Reply:
        """Answer a request to end the drill, and end it."""
        if self._coming is not None:
            self._drop("a person ended it before it began", asked.at)
            return Reply(ok=True, reason="the drill does not begin")
        if not self._transfer.drilling:
            return Reply(ok=False, reason="no drill is on")
        self._transfer.end_drill(asked.at, f"ended by {asked.by or 'a person'}")
        return Reply(ok=True, reason="the drill is over: what it switched off is given back in turn")

    def deadline(self) -> float | None:
        """Return when a drill begins, or is over (monotonic s); None: neither is to come."""
        return self._coming.at + NOTICE_S if self._coming is not None else self.until

    def due(self, at: float) -> None:
        """Play the deadline that has come."""
        if (asked := self._coming) is None:
            self._transfer.end_drill(at, ENDED_BY_TIME)
        elif (because := self._came_between()) is not None:
            self._drop(because, at)
        else:
            self._coming = None
            self._begin(at, asked.by, _for_s(asked))

    def _begin(self, at: float, by: str, for_s: float) -> None:
        """Shed as on standby. What was announced is owed from now on."""
        book = self._chronicle.book
        self._until = at + for_s
        book.drilled(at, self._transfer.positions())
        self._chronicle.note("drill_began", at, lazy=False, outage=book.id, by=by, for_s=for_s)
        self._transfer.fire(Trigger.DRILL, at)

    def _drop(self, because: str, at: float) -> None:
        """Take back what was announced; where the contact has opened since, it is the opening's."""
        self._coming = None
        if self._chronicle.book.is_drill:
            self._chronicle.book.dropped()
        self._chronicle.note("drill_dropped", at, because=because)

    def _came_between(self) -> str | None:
        """Return what has come between the request and the beginning; None: nothing."""
        # What is written as about to be is this drill; where it is gone, an edge came, and was a bounce or an opening.
        return why_not(self._standing()._replace(outage_open=not self._chronicle.book.is_drill))

    def _standing(self) -> Standing:
        transfer, switches = self._transfer, self._switches
        moving = switches.unsettled | switches.watched
        return Standing(
            state=transfer.house.now.value,
            on_utility=transfer.contact.steady,
            stable=transfer.stable,
            outage_open=self._chronicle.book.outage is not None,
            owed=tuple(sorted(self._ledger.owing - moving)),
            under_way=tuple(sorted(moving | {circuit for circuit, entry in self._ledger if entry.wish is not None})),
            connected=switches.connected,
            disk_failing=Alarm.DISK_FAILING in self._chronicle.alarms,
            sheds=len(shed_plan(transfer.panel, self._ledger)),
        )


def _for_s(asked: Asked) -> float:
    return USUAL_S if asked.for_s is None else asked.for_s
