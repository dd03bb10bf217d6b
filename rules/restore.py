"""Restore decisions: which circuits, in which order, and when."""

from __future__ import annotations

from enum import Enum
from heapq import heappop, heappush
from typing import TYPE_CHECKING, NamedTuple

from rules.controllability import commandable
from rules.ledger_entry import ShedCause
from rules.panel import Position, Restore, Tag

if TYPE_CHECKING:
    from rules.boot_time import BootTime
    from rules.ledger_entry import CircuitEntry, ShedRecord
    from rules.panel import Circuit, CircuitId

LATE_OFF_S = 60.0
"""Time in seconds after the broker has discarded an unacknowledged OFF in which it can still take effect.

The slowest devices and hubs, with a margin.
"""


LATE_ON_S = 60.0
"""Time in seconds after an ON command in which a reported `on` can be its late acknowledgment.

It is then not a manual override: an ON and an OFF that cross in a slow hub look like manual switching.
"""


class RestoreDecision(Enum):
    """What happens to a circuit once utility is stable. Only `RESTORE` is switched on by the rules."""

    RESTORE = "returns"
    NOT_OWED = "not owed"
    IS_ON = "is on"
    TRIPPED = "tripped"
    ON_HOLD = "on hold"
    WAITS_FOR_REQUEST = "waits for a user request"
    STAYS_OFF = "restore is never"
    WAS_OFF = "was off before"
    BEFORE_UNKNOWN = "state before the outage unknown"
    NOT_BY_CONTROLLER = "may not be commanded"


def restore_decision(circuit: Circuit, entry: CircuitEntry) -> RestoreDecision:
    """Return whether the rules restore this circuit, and if not, why."""
    debt = entry.shed_record
    if debt is None or not debt.commanded or entry.taken_over:
        return RestoreDecision.NOT_OWED
    if not commandable(circuit):
        return RestoreDecision.NOT_BY_CONTROLLER
    if entry.position is Position.TRIPPED:
        return RestoreDecision.TRIPPED
    if entry.reports_on:
        return RestoreDecision.IS_ON
    if entry.hold is not None:
        return RestoreDecision.ON_HOLD
    return RestoreDecision.RESTORE if debt.released else _without_request(circuit, debt)


def _without_request(circuit: Circuit, debt: ShedRecord) -> RestoreDecision:
    if debt.before is Position.UNKNOWN:
        return RestoreDecision.BEFORE_UNKNOWN
    if debt.before is not Position.ON:
        return RestoreDecision.WAS_OFF
    if (debt.released_by_drill or debt.cause is ShedCause.TEST) and not debt.needs_request:
        return RestoreDecision.RESTORE
    if retagged_essential(circuit, debt):
        return RestoreDecision.RESTORE
    if circuit.restore is Restore.NEVER:
        return RestoreDecision.STAYS_OFF
    return (
        RestoreDecision.WAITS_FOR_REQUEST
        if debt.needs_request or circuit.restore is Restore.ASK
        else RestoreDecision.RESTORE
    )


def retagged_essential(circuit: Circuit, debt: ShedRecord) -> bool:
    """Return whether the owner has retagged a shed circuit essential: a user request, executed on standby too.

    A circuit that is off because of a power loss was essential before, and waits for utility.
    """
    return circuit.tag is Tag.ESSENTIAL and debt.cause is ShedCause.SHED and not debt.needs_request


def earliest_on_at(circuit: Circuit, entry: CircuitEntry) -> float:
    """Return from when the load may be switched on again (monotonic s), by its minimum off time."""
    return entry.shed_record.off_at.mono + circuit.min_off_s if entry.shed_record is not None else 0.0


def earliest_requested_on_at(circuit: Circuit, entry: CircuitEntry, started: BootTime) -> float:
    """Return when a user request may switch the load on (monotonic seconds); -inf: at any time.

    The minimum off time runs from the last OFF by the controller, or else from the last known change to off.
    `started`: this start of the program. It stands in for a change in an earlier boot.
    """
    if entry.shed_record is not None:
        return earliest_on_at(circuit, entry)
    last = entry.last_switch
    if last is None or last.position is Position.ON:
        return float("-inf")
    return (last.at if last.at.boot == started.boot else started).mono + circuit.min_off_s


class _Place(NamedTuple):
    at: float
    rank: int
    order: int
    circuit: CircuitId


class RestoreQueue:
    """Queue of circuits to restore: one at a time, rank 1 first, `stagger_s` apart.

    A circuit in its minimum off time lets the next in rank go first. A circuit that did not acknowledge is retried only
    if that does not delay the first attempt of another circuit. Cost: O(log n) per circuit.
    """

    def __init__(self, stagger_s: float, last_on_at: float) -> None:
        self._stagger_s = stagger_s
        self._slot = last_on_at + stagger_s
        self._places: dict[CircuitId, _Place] = {}
        self._first: list[tuple[int, int, _Place]] = []
        self._resting: list[_Place] = []
        self._retries: list[_Place] = []

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, circuit: CircuitId) -> bool:
        return circuit in self._places

    def put(self, circuit: CircuitId, rank: int, order: int, ready_at: float, *, again: bool) -> None:
        """Add a circuit that waits until `ready_at`. `again`: it has been tried without acknowledgment."""
        place = _Place(ready_at, rank, order, circuit)
        if self._places.get(circuit) != place:
            self._places[circuit] = place
            heappush(self._retries if again else self._resting, place)

    def remove(self, circuit: CircuitId) -> None:
        """Remove a circuit: it is on, or is no longer restored."""
        self._places.pop(circuit, None)

    def sent(self, at: float) -> None:
        """Record that an ON was sent at `at`, to any circuit: the next one waits for the stagger."""
        self._slot = max(self._slot, at + self._stagger_s)

    def pop_due(self, now: float) -> CircuitId | None:
        """Remove and return the circuit to switch on now; None if none is due."""
        if now < self._slot:
            return None
        self._wake(now)
        if self._first:
            circuit = heappop(self._first)[2].circuit
        elif (again := self._head(self._retries)) is not None and again.at <= now and not self._delays(now):
            circuit = heappop(self._retries).circuit
        else:
            return None
        del self._places[circuit]
        return circuit

    def deadline(self, now: float) -> float | None:
        """Return when `pop_due` may next return a circuit; None: never, as things stand."""
        slot = max(self._slot, now)
        self._wake(slot)
        if self._first:
            return slot
        resting, again = self._head(self._resting), self._head(self._retries)
        if again is None:
            return None if resting is None else resting.at
        turn = max(slot, again.at)
        return turn if resting is None or resting.at >= turn + self._stagger_s else resting.at

    def forecast(self, start: float) -> dict[CircuitId, float]:
        """Return when each circuit is switched on, if restoring may begin at `start` and every device acknowledges."""
        queue = RestoreQueue(self._stagger_s, self._slot - self._stagger_s)
        for place in self._places.values():
            queue.put(place.circuit, place.rank, place.order, place.at, again=False)
        now, times = start, {}
        while (due := queue.deadline(now)) is not None:
            now = max(due, now)
            if (circuit := queue.pop_due(now)) is not None:
                queue.sent(now)
                times[circuit] = now
        return times

    def _delays(self, now: float) -> bool:
        resting = self._head(self._resting)
        return resting is not None and resting.at < now + self._stagger_s

    def _wake(self, now: float) -> None:
        """Move circuits whose minimum off time is over to their place by rank; drop those removed in the meantime."""
        while (place := self._head(self._resting)) is not None and place.at <= now:
            heappop(self._resting)
            heappush(self._first, (place.rank, place.order, place))
        while self._first and self._places.get(self._first[0][2].circuit) != self._first[0][2]:
            heappop(self._first)

    def _head(self, heap: list[_Place]) -> _Place | None:
        while heap and self._places.get(heap[0].circuit) != heap[0]:
            heappop(heap)
        return heap[0] if heap else None
