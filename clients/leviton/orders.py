"""Commands on their way: one order per circuit, the newest request, in memory only.

An order is *sent* when a request with it leaves, *accepted* when the cloud has answered 2xx, and *reported* when the
breaker itself reports the position. Neither of the first two confirms anything. Orders end when they are no longer
valid: the controller sends again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from rules.panel import Position

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

    from rules.panel import CircuitId

CONNECTIONS = 8
"""Commands on their way to the cloud at the same time."""

VALID_S = 15.0
"""Time in seconds after which a command counts as expired: the controller's retry is due then."""

SAME_AGAIN_S = 5.0
"""Time in seconds after an accepted command in which the same request is not sent again."""

RETRY_S = (0.5, 1.0, 2.0, 4.0)
"""Pauses in seconds after a request without an answer, or with a server's error. An OFF done twice does no harm."""

SLOW_FIRST_S, SLOW_MOST_S = 5.0, 60.0
"""Pause in seconds after a 429 without `Retry-After`: it doubles."""

READ_AFTER_S = (1.0, 2.0, 4.0, 8.0)
"""Times in seconds after the acceptance at which the breaker is read by REST."""

SEEN_FROM_W, SEEN_TO_W = 30.0, 5.0
"""Power in W before and after an OFF by which it is seen."""


class Level(Enum):
    """How far a command has come. The last four end it."""

    WAITING = "waiting"
    SENT = "sent"
    ACCEPTED = "accepted by the cloud"
    REPORTED = "reported by the breaker"
    SEEN = "seen as a drop of power"
    NOT_ACCEPTED = "not accepted by the cloud"
    NOT_REPORTED = "accepted by the cloud, not reported by the breaker"
    MAY_STILL_COME = "accepted by the cloud for a hub that has gone: it may still be carried out"


OPEN_LEVELS = (Level.WAITING, Level.SENT, Level.ACCEPTED)


@dataclass(slots=True)
class Order:
    """A command to one circuit. Times in monotonic seconds.

    `number`: of the request on its way; None: none is. `turned`: the opposite was requested while this was on its way.
    `reads`: number of readings since the acceptance. `power_w`: before the command; None: not known. `refusal`: the
    last error, in words.
    """

    circuit: CircuitId
    on: bool
    rank: int
    asked_at: float
    level: Level = Level.WAITING
    tries: int = 0
    next_at: float = 0.0
    sent_at: float | None = None
    number: int | None = None
    turned: bool = False
    found_again: bool = False
    accepted_at: float | None = None
    reads: int = 0
    power_w: float | None = None
    refusal: str = ""
    valid_until: float = 0.0

    @property
    def wanted(self) -> Position:
        """Return the position that it wants."""
        return Position.ON if self.on else Position.OFF

    @property
    def open(self) -> bool:
        """Return whether it may still come further than it has."""
        return self.level in OPEN_LEVELS


@dataclass(slots=True)
class OrderBook:
    """All orders. `jitter`: returns a factor around 1 for pauses. `slow_until`: the cloud has asked for a pause."""

    jitter: Callable[[], float]
    slow_until: float = 0.0
    _slow_s: float = SLOW_FIRST_S
    _orders: dict[CircuitId, Order] = field(default_factory=dict)

    def __getitem__(self, circuit: CircuitId) -> Order | None:
        return self._orders.get(circuit)

    def __iter__(self) -> Iterator[Order]:
        return iter(self._orders.values())

    def keep(self, circuits: Container[CircuitId]) -> None:
        """Forget the orders of all other circuits."""
        self._orders = {name: order for name, order in self._orders.items() if name in circuits}

    def request(self, circuit: CircuitId, rank: int, now: float, power_w: float | None, *, on: bool) -> Order | None:
        """Add a request; return its order if it is new."""
        order = self._orders.get(circuit)
        if order is not None and order.open:
            if order.number is not None:
                order.turned = order.on != on
                order.valid_until = now + VALID_S
                return None
            if order.on == on and order.accepted_at is None:
                order.valid_until = now + VALID_S
                return None
        if order is not None and order.on == on and order.accepted_at is not None:  # noqa: SIM102  # one reason each
            if now - order.accepted_at < SAME_AGAIN_S:
                return None
        new = Order(circuit, on, rank, now, next_at=now, power_w=power_w, valid_until=now + VALID_S)
        self._orders[circuit] = new
        return new

    def due(self, now: float) -> list[Order]:
        """Return the orders to send at `now`: OFF before ON, the largest rank first. ON one at a time."""
        on_its_way = [order for order in self if order.number is not None]
        free = CONNECTIONS - len(on_its_way)
        waiting = [
            order for order in self if order.level is Level.WAITING and order.number is None and order.next_at <= now
        ]
        if now < self.slow_until:
            waiting = [order for order in waiting if not order.on and not order.tries]
        waiting.sort(key=lambda order: (order.on, order.rank if order.on else -order.rank, order.asked_at))
        found: list[Order] = []
        switching_on = any(order.on for order in on_its_way)
        for order in waiting:
            if len(found) >= free or (order.on and switching_on):
                continue
            switching_on = switching_on or order.on
            found.append(order)
        return found

    def sent(self, order: Order, number: int, now: float) -> None:
        """Note that a request with an order has left."""
        order.level, order.number, order.sent_at = Level.SENT, number, now
        order.tries += 1

    def answered(self, order: Order, now: float) -> None:
        """Note an answer that accepts an order."""
        order.number, self._slow_s = None, SLOW_FIRST_S
        order.level, order.accepted_at, order.reads = Level.ACCEPTED, now, 0

    def try_again(self, order: Order, now: float, reason: str, after_s: float | None = None) -> None:
        """Note a request that failed. `after_s`: pause before the next one; None: the usual one."""
        order.number, order.level, order.refusal = None, Level.WAITING, reason
        pause_s = RETRY_S[min(order.tries - 1, len(RETRY_S) - 1)] * self.jitter() if after_s is None else after_s
        order.next_at = now + pause_s

    def slow_down(self, now: float, retry_after_s: float | None) -> float:
        """Pause, as the cloud asks for; return the pause in seconds."""
        pause_s = self._slow_s if retry_after_s is None else min(retry_after_s, SLOW_MOST_S)
        self._slow_s = min(2 * self._slow_s, SLOW_MOST_S)
        self.slow_until = max(self.slow_until, now + pause_s)
        return self.slow_until - now

    def refused(self, order: Order, reason: str) -> None:
        """End an order that the cloud will not accept."""
        order.number, order.level, order.refusal = None, Level.NOT_ACCEPTED, reason

    def turn(self, order: Order, now: float) -> Order | None:
        """Replace an order whose opposite was requested while it was on its way; return the new one."""
        if not order.turned or order.number is not None:
            return None
        new = Order(order.circuit, not order.on, order.rank, now, next_at=now, power_w=order.power_w)
        new.valid_until = now + VALID_S
        self._orders[order.circuit] = new
        return new

    def expire(self, now: float) -> list[Order]:
        """End the orders that are no longer valid, and return them. A request on its way is waited for."""
        ended = [order for order in self if order.open and order.number is None and order.valid_until <= now]
        for order in ended:
            order.level = Level.NOT_ACCEPTED if order.accepted_at is None else Level.NOT_REPORTED
        return ended

    def hub_gone(self, circuit: CircuitId) -> Order | None:
        """End the order of a circuit that can no longer be commanded; return it. Nothing is sent later."""
        order = self._orders.get(circuit)
        if order is None or not order.open or order.number is not None:
            return None
        order.level = Level.NOT_ACCEPTED if order.accepted_at is None else Level.MAY_STILL_COME
        order.refusal = ""
        return order

    def reported(self, order: Order, now: float, position: Position) -> bool:
        """Note a report of the breaker, of `now`; return whether it confirms the order.

        A command whose answer was lost may have been carried out: the breaker decides.
        """
        since = order.sent_at if order.accepted_at is None else order.accepted_at
        if since is None or now < since or order.number is not None or order.level in (Level.REPORTED, Level.SEEN):
            return False
        if position is not order.wanted and not (position is Position.TRIPPED and not order.on):
            return False
        order.level = Level.REPORTED
        return True

    @staticmethod
    def seen(order: Order, power_w: float) -> bool:
        """Note a measurement; return whether the command is now seen in it."""
        if order.level is not Level.REPORTED or order.power_w is None:
            return False
        fell = order.power_w >= SEEN_FROM_W and power_w < SEEN_TO_W
        rose = order.power_w < SEEN_TO_W and power_w >= SEEN_FROM_W
        if not (rose if order.on else fell):
            return False
        order.level = Level.SEEN
        return True

    def reads_due(self, now: float) -> list[Order]:
        """Return the accepted orders whose breaker is to be read now, and count the reading."""
        due = [order for order in self if (at := self._read_at(order)) is not None and at <= now]
        for order in due:
            order.reads += 1
        return due

    @staticmethod
    def _read_at(order: Order) -> float | None:
        if order.level is not Level.ACCEPTED or order.accepted_at is None or order.reads >= len(READ_AFTER_S):
            return None
        return order.accepted_at + READ_AFTER_S[order.reads]

    def deadline(self, now: float) -> float:
        """Return when something is to be done next; infinite: never."""
        times = [float("inf")]
        full = sum(order.number is not None for order in self) >= CONNECTIONS
        switching_on = any(order.on and order.number is not None for order in self)
        for order in self:
            if order.number is not None:
                continue
            if order.open:
                times.append(order.valid_until)
            if (read_at := self._read_at(order)) is not None:
                times.append(read_at)
            if order.level is Level.WAITING and not full and not (order.on and switching_on):
                held = now < self.slow_until and (order.on or order.tries)
                times.append(max(order.next_at, self.slow_until) if held else max(order.next_at, now))
        return min(times)
