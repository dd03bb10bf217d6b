"""What is to be told on the bus, and when: after the commands, at most so often, the last word always."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from controller.core.effects import TellAlarm, TellCircuit, TellDemand, TellEvent, TellState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from controller.core.effects import Effect, Happened, TellMeter
    from rules.panel import CircuitId

INTERVAL_S = 0.2
"""`controller/state` and `demand` are told at most this often."""

MOST_EVENTS = 500
"""So many events wait for a broker that is away; older ones are in the log on the disk."""


class Telling:
    """What has changed since it was last told.

    `known`: circuits of which earlier starts may have told. What is no longer in the file is told to be gone.
    """

    def __init__(self, known: Iterable[CircuitId] = ()) -> None:
        self._known = {*known}
        self.state = True
        self.demand = False
        self.circuits: set[CircuitId] = set()
        self.alarms: set[str] = set()
        self.meters: dict[str, TellMeter] = {}
        self._events: deque[Happened] = deque(maxlen=MOST_EVENTS)
        self._state_at = self._demand_at = float("-inf")

    def event(self, happened: Happened) -> None:
        """Let an event wait its turn."""
        self._events.append(happened)

    def everything(self, circuits: Iterable[CircuitId], alarms: Iterable[str], *, demand: bool) -> None:
        """Tell all there is: the broker may have forgotten it."""
        self.state, self.demand = True, demand
        self._known.update(circuits)
        # Retained there, a circuit that was dropped from the file over a restart would stand for ever.
        self.circuits |= self._known
        self.alarms.update(alarms)

    def take(self, now: float) -> list[Effect]:
        """Return what may be told now, and count it as told."""
        told: list[Effect] = [TellEvent(event) for event in self._events]
        self._events.clear()
        if self.state and now >= self._state_at + INTERVAL_S:
            told.append(TellState())
            self.state, self._state_at = False, now
        told += [TellCircuit(circuit) for circuit in self.circuits]
        self.circuits.clear()
        told += [TellAlarm(alarm) for alarm in sorted(self.alarms)]
        self.alarms.clear()
        told += self.meters.values()
        self.meters.clear()
        if self.demand and now >= self._demand_at + INTERVAL_S:
            told.append(TellDemand())
            self.demand, self._demand_at = False, now
        return told

    def deadline(self) -> float | None:
        """Return when something that waits may be told; None: nothing waits for a time."""
        times = []
        if self.state:
            times.append(self._state_at + INTERVAL_S)
        if self.demand:
            times.append(self._demand_at + INTERVAL_S)
        return min(times, default=None)
