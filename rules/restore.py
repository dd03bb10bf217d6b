"""What may come back, which next, and when."""

from __future__ import annotations

from enum import Enum
from heapq import heappop, heappush
from typing import TYPE_CHECKING, NamedTuple

from rules.controllability import commandable
from rules.ledger_entry import Cause
from rules.panel import Position, Restore, Tag

if TYPE_CHECKING:
    from rules.ledger_entry import Debt, Entry
    from rules.panel import Circuit, CircuitId

LATE_OFF_S = 60.0
"""An OFF nobody confirmed may still take effect so long after the broker has forgotten it: the slowest devices and
hubs, with a margin."""


LATE_ON_S = 60.0
"""So long after our own ON an `on` may be its late answer, and is no person's: an ON and an OFF that cross in a slow
hub look like a hand that switches on again."""


class Verdict(Enum):
    """What becomes of a circuit once utility is stable. Only `RETURNS` is switched on by the rules."""

    RETURNS = "returns"
    NOT_OWED = "not owed"
    IS_ON = "is on"
    TRIPPED = "tripped"
    ON_HOLD = "on hold"
    ASKS = "waits until a person asks"
    STAYS_OFF = "restore is never"
    WAS_OFF = "was off before"
    BEFORE_UNKNOWN = "nobody knows whether it was on before"
    NOT_OURS = "may not be commanded"


def verdict(circuit: Circuit, entry: Entry) -> Verdict:
    """Say whether the rules give this circuit back, and why not."""
    debt = entry.debt
    if debt is None or not debt.commanded or entry.taken_over:
        return Verdict.NOT_OWED
    if not commandable(circuit):
        return Verdict.NOT_OURS
    if entry.position is Position.TRIPPED:
        return Verdict.TRIPPED
    if entry.position is Position.ON and entry.heard_since_off:
        return Verdict.IS_ON
    if entry.hold is not None:
        return Verdict.ON_HOLD
    return Verdict.RETURNS if debt.released else _unasked(circuit, debt)


def _unasked(circuit: Circuit, debt: Debt) -> Verdict:
    if debt.before is Position.UNKNOWN:
        return Verdict.BEFORE_UNKNOWN
    if debt.before is not Position.ON:
        return Verdict.WAS_OFF
    if recalled(circuit, debt):
        return Verdict.RETURNS
    if circuit.restore is Restore.NEVER:
        return Verdict.STAYS_OFF
    return Verdict.ASKS if debt.waits or circuit.restore is Restore.ASK else Verdict.RETURNS


def recalled(circuit: Circuit, debt: Debt) -> bool:
    """Tell whether the owner has retagged a shed circuit essential: a person's request, obeyed on standby too.

    What fell with the power was essential all along, and waits for utility.
    """
    return circuit.tag is Tag.ESSENTIAL and debt.cause is Cause.SHED and not debt.waits


def rested_at(circuit: Circuit, entry: Entry) -> float:
    """Return from when on the load may be switched on again (monotonic s): compressors must rest."""
    return entry.debt.off_at.mono + circuit.min_off_s if entry.debt is not None else 0.0


class _Place(NamedTuple):
    at: float
    rank: int
    order: int
    circuit: CircuitId


class ReturnQueue:
    """The circuits on their way back: one at a time, rank 1 first, `stagger_s` apart.

    One that must rest lets the next in rank go first. One that did not answer is tried again only where that delays
    nobody's first try: a silent circuit holds up no other. Costs O(log n) a circuit.
    """

    def __init__(self, stagger_s: float, last_on_at: float) -> None:
        self._stagger_s = stagger_s
        self._slot = last_on_at + stagger_s
        self._places: dict[CircuitId, _Place] = {}
        self._first: list[tuple[int, int, _Place]] = []
        self._resting: list[_Place] = []
        self._again: list[_Place] = []

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, circuit: CircuitId) -> bool:
        return circuit in self._places

    def put(self, circuit: CircuitId, rank: int, order: int, ready_at: float, *, again: bool) -> None:
        """Let a circuit wait until `ready_at`; `again`: it has been tried and did not answer."""
        place = _Place(ready_at, rank, order, circuit)
        if self._places.get(circuit) != place:
            self._places[circuit] = place
            heappush(self._again if again else self._resting, place)

    def remove(self, circuit: CircuitId) -> None:
        """Take a circuit out: it is back, or no longer comes back."""
        self._places.pop(circuit, None)

    def sent(self, at: float) -> None:
        """Note that an ON was sent at `at`, to whomever: the next waits for its turn."""
        self._slot = max(self._slot, at + self._stagger_s)

    def take(self, now: float) -> CircuitId | None:
        """Return the circuit to switch on now, and let it wait no longer; None where none may."""
        if now < self._slot:
            return None
        self._wake(now)
        if self._first:
            circuit = heappop(self._first)[2].circuit
        elif (again := self._head(self._again)) is not None and again.at <= now and not self._delays(now):
            circuit = heappop(self._again).circuit
        else:
            return None
        del self._places[circuit]
        return circuit

    def deadline(self, now: float) -> float | None:
        """Return when `take` may next have something to give; None: never, as things stand."""
        slot = max(self._slot, now)
        self._wake(slot)
        if self._first:
            return slot
        resting, again = self._head(self._resting), self._head(self._again)
        if again is None:
            return None if resting is None else resting.at
        turn = max(slot, again.at)
        return turn if resting is None or resting.at >= turn + self._stagger_s else resting.at

    def _delays(self, now: float) -> bool:
        resting = self._head(self._resting)
        return resting is not None and resting.at < now + self._stagger_s

    def _wake(self, now: float) -> None:
        """Move those who have rested to their place by rank; forget those taken out meanwhile."""
        while (place := self._head(self._resting)) is not None and place.at <= now:
            heappop(self._resting)
            heappush(self._first, (place.rank, place.order, place))
        while self._first and self._places.get(self._first[0][2].circuit) != self._first[0][2]:
            heappop(self._first)

    def _head(self, heap: list[_Place]) -> _Place | None:
        while heap and self._places.get(heap[0].circuit) != heap[0]:
            heappop(heap)
        return heap[0] if heap else None
