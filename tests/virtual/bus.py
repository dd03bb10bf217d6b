"""The virtual broker: what it remembers, whom it reaches, and what it keeps for those who are away."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rules.panel import CircuitId, Position
    from tests.virtual.device import Origin


class Queued(NamedTuple):
    """A command kept for a device that is away, until it expires."""

    expires: float
    word: Position
    origin: Origin


@dataclass(slots=True)
class Broker:
    """`link`: the controller's connection stands. `saved`: what a power cut leaves of its memory."""

    up: bool = True
    link: bool = False
    reachable: bool = True
    states: dict[CircuitId, Position] = field(default_factory=dict)
    availability: dict[CircuitId, bool] = field(default_factory=dict)
    contact_open: bool | None = None
    contact_online: bool | None = None
    queued: dict[CircuitId, list[Queued]] = field(default_factory=lambda: defaultdict(list))
    saved: tuple[dict[CircuitId, Position], dict[CircuitId, bool], bool | None, bool | None] = field(
        default_factory=lambda: ({}, {}, None, None)
    )

    def save(self) -> None:
        """Write the memory, as brokers do now and then."""
        self.saved = (dict(self.states), dict(self.availability), self.contact_open, self.contact_online)

    def lose_memory(self, *, all_of_it: bool) -> None:
        """Come back with the last save, or with nothing."""
        saved = ({}, {}, None, None) if all_of_it else self.saved
        states, availability, self.contact_open, self.contact_online = saved
        self.states, self.availability = dict(states), dict(availability)
        self.queued.clear()

    def keep(self, circuit: CircuitId, command: Queued) -> None:
        """Keep a command for a device that is away."""
        self.queued[circuit].append(command)

    def take(self, circuit: CircuitId, at: float) -> list[Queued]:
        """Return what still lives of what was kept."""
        return [command for command in self.queued.pop(circuit, []) if command.expires > at]
