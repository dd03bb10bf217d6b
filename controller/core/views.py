"""What is told on the bus, as data: the engine fills these in, `topics.py` renders them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rules.panel import CircuitId, Kind, Position, Tag


@dataclass(frozen=True, slots=True)
class WallClock:
    """The wall clock beside the monotonic one: `offset_s` is UTC seconds since 1970 less monotonic seconds.

    A Pi has no clock of its own: until `trusted`, every time told says so.
    """

    offset_s: float
    trusted: bool

    def seconds(self, at: float) -> float:
        """Return UTC seconds since 1970 for a monotonic moment of this boot."""
        return at + self.offset_s


@dataclass(frozen=True, slots=True)
class StateView:
    """The controller as a whole. `since`: monotonic second at which `state` began. `outage`: its id, None without one.

    `owed` lists every debt, `shed` those of the present outage. `stable_at`: when utility will be stable, if it lasts;
    None: not as things stand, or it is. `flap_openings`: openings of late that make that wait longer, 0 where they do not.
    `generator_power_lost_at`: None where there is no sign that it has. `kind`: of the open outage, "outage" or "drill".
    `drill_until`: when the drill that holds circuits off will be over; None: none does.
    """

    state: str
    source: str
    since: float
    outage: int | None = None
    shed: tuple[CircuitId, ...] = ()
    unconfirmed: tuple[CircuitId, ...] = ()
    owed: tuple[CircuitId, ...] = ()
    uncontrollable: tuple[CircuitId, ...] = ()
    taken_over: tuple[CircuitId, ...] = ()
    stable_at: float | None = None
    flap_openings: int = 0
    generator_power_lost_at: float | None = None
    kind: str | None = None
    drill_until: float | None = None


@dataclass(frozen=True, slots=True)
class CircuitView:
    """One circuit. `why`: the sentence that answers "why is this off?" (or on).

    `switched_at`: the monotonic second at which it was last switched, as far as we know; None: not in this boot.
    """

    id: CircuitId
    name: str
    breaker: Kind
    tag: Tag
    controllable: bool
    position: Position
    available: bool
    shed: bool
    why: str
    switched_at: float | None = None


@dataclass(frozen=True, slots=True)
class AlarmView:
    """Something a person must know: what it means, and what to do about it. `since` is a monotonic second."""

    id: str
    since: float
    message: str
    action: str
    circuits: tuple[CircuitId, ...] = ()
