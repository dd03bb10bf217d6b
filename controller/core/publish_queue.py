"""Queue of publications: sent after the commands, rate-limited, latest value wins."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from controller.core.effects import (
    PublishAlarm,
    PublishAlarmList,
    PublishCircuit,
    PublishDemand,
    PublishEvent,
    PublishLastOutage,
    PublishState,
    QueryContact,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from controller.core.effects import Effect, LogEvent, PublishMeter
    from rules.panel import CircuitId

MIN_INTERVAL_S = 0.2
"""Minimum time between two publications of `controller/state`, and between two of `demand`, in seconds."""

MAX_EVENTS = 500
"""Maximum number of events kept for a broker that is disconnected. The log on disk has the older ones."""


class PublishQueue:
    """What has changed since it was last published.

    `known`: circuits that earlier starts may have published. The topics of those no longer in the file are cleared.
    """

    def __init__(self, known: Iterable[CircuitId] = ()) -> None:
        self._known = {*known}
        self._state = True
        self._demand = False
        self._alarm_list = self._last_outage = False
        self._contact_query = False
        self._circuits: set[CircuitId] = set()
        self._alarms: set[str] = set()
        self._meters: dict[str, PublishMeter] = {}
        self._events: deque[LogEvent] = deque(maxlen=MAX_EVENTS)
        self._state_at = self._demand_at = float("-inf")

    def add_event(self, event: LogEvent) -> None:
        """Queue an event."""
        self._events.append(event)

    def add_contact_query(self) -> None:
        """Queue a request to the contact's device, in place of one that still waits."""
        self._contact_query = True

    def add_state(self) -> None:
        """Queue `controller/state`."""
        self._state = True

    def add_demand(self) -> None:
        """Queue `demand`."""
        self._demand = True

    def add_circuits(self, circuits: Iterable[CircuitId]) -> None:
        """Queue these circuits."""
        self._circuits.update(circuits)

    def add_alarms(self, alarms: Iterable[str]) -> None:
        """Queue these alarms, by id, and the list of all alarms."""
        before = len(self._alarms)
        self._alarms.update(alarms)
        self._alarm_list = self._alarm_list or len(self._alarms) > before

    def add_last_outage(self) -> None:
        """Queue `outages/last`."""
        self._last_outage = True

    def add_meter(self, reading: PublishMeter) -> None:
        """Queue the reading of a further meter, in place of an earlier one."""
        self._meters[reading.meter] = reading

    def republish_all(self, circuits: Iterable[CircuitId], alarms: Iterable[str], *, demand: bool) -> None:
        """Queue everything: the broker may have lost its retained messages."""
        self._state, self._demand = True, demand
        self._known.update(circuits)
        # A circuit removed from the file while the program was down would stay retained at the broker.
        self._circuits |= self._known
        self._alarms.update(alarms)
        self._alarm_list = self._last_outage = True

    def drain(self, now: float) -> list[Effect]:
        """Return what may be published now, and remove it."""
        effects: list[Effect] = [QueryContact()] if self._contact_query else []
        self._contact_query = False
        effects += [PublishEvent(event) for event in self._events]
        self._events.clear()
        if self._state and now >= self._state_at + MIN_INTERVAL_S:
            effects.append(PublishState())
            self._state, self._state_at = False, now
        effects += [PublishCircuit(circuit) for circuit in self._circuits]
        self._circuits.clear()
        effects += [PublishAlarm(alarm) for alarm in sorted(self._alarms)]
        self._alarms.clear()
        if self._alarm_list:
            effects.append(PublishAlarmList())
        if self._last_outage:
            effects.append(PublishLastOutage())
        self._alarm_list = self._last_outage = False
        effects += self._meters.values()
        self._meters.clear()
        if self._demand and now >= self._demand_at + MIN_INTERVAL_S:
            effects.append(PublishDemand())
            self._demand, self._demand_at = False, now
        return effects

    def deadline(self) -> float | None:
        """Return when a rate-limited publication is due (monotonic seconds); None: none is waiting."""
        times = []
        if self._state:
            times.append(self._state_at + MIN_INTERVAL_S)
        if self._demand:
            times.append(self._demand_at + MIN_INTERVAL_S)
        return min(times, default=None)
