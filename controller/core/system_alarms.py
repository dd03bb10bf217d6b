"""Alarms about the system: contact, broker, clock and meter. Each is raised after a condition has lasted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.core.alarms import Alarm, AlarmSubject
from controller.core.circuit_alarms import CircuitAlarmMonitor
from rules.contact import PowerSource
from rules.contact_evidence import ContactEvidence

if TYPE_CHECKING:
    from controller.core.command_scheduler import CommandScheduler
    from controller.core.contact_handler import ContactHandler
    from controller.core.context import CoreContext
    from controller.core.demand_recorder import DemandRecorder
    from controller.core.device_tracker import DeviceTracker
    from controller.core.outage import OutageLifecycle
    from rules.generator_loss import GeneratorLossDetector
    from rules.panel import CircuitId

CONTACT_UNKNOWN_AFTER_S = 30.0

BROKER_DISCONNECTED_AFTER_S = 30.0
"""A broker restarts in seconds, and the controller tries to connect at least every two seconds."""

CLOCK_AFTER_S, CLOCK_IN_OUTAGE_AFTER_S = 600.0, 60.0
"""The network sets the clock within a minute of the start. In an outage the times in the log matter at once."""

STALE_ON_STANDBY_AFTER_S = 90.0
"""The meter loses power with the generator. After this time it is known whether everything else has lost it too."""

HOUR_S = 3600.0

_SILENT_CONTACT = (
    "A battery sensor reports by itself, some only every few hours; to know the position now, move the contact once. "
    "A Shelly or ESPHome device should answer at once: check its power and its settings (docs/devices/)."
)
_CACHED_CONTACT = (
    "The position is known after the contact has moved once. To know it after each of its reports, set the device's "
    "option filtered_cache in the gateway (docs/devices/zigbee2mqtt.md)."
)


class SystemAlarmMonitor:
    """Raises and clears the alarms of the system and, with `CircuitAlarmMonitor`, those of the circuits."""

    def __init__(
        self,
        context: CoreContext,
        scheduler: CommandScheduler,
        contact: ContactHandler,
        outage: OutageLifecycle,
        *,
        demand: DemandRecorder,
        devices: DeviceTracker,
    ) -> None:
        self._context = context
        self._contact = contact
        self._outage = outage
        self._demand = demand
        self._open_alarm_s = context.settings.open_alarm_s
        self._circuits = CircuitAlarmMonitor(context, scheduler, contact, outage, demand=demand, devices=devices)
        self._bus_lost_at: float | None = context.ledger.started
        self._bus_lost_reason = ""
        self._clock_trusted = False
        self._details: dict[Alarm, str | None] = {}  # of the active alarms; None: not active
        self._now = context.ledger.started

    @property
    def generator(self) -> GeneratorLossDetector:
        return self._circuits.generator

    def bus_lost(self, at: float, reason: str) -> None:
        """Note that the broker is disconnected."""
        self._bus_lost_at = at if self._bus_lost_at is None else self._bus_lost_at
        self._bus_lost_reason = f" ({reason})"

    def bus_connected(self) -> None:
        self._bus_lost_at = None

    def retained_commands(self, circuits: tuple[CircuitId, ...], at: float) -> None:
        """Raise the alarm about stored commands for these circuits; clear it if there are none."""
        self._circuits.retained_commands(circuits, at)

    def clock_trusted(self) -> None:
        self._clock_trusted = True

    def set_panel(self, now: float) -> None:
        """Follow a change of the panel in force."""
        self._circuits.set_panel(now)

    def deadline(self) -> float | None:
        """Return when time alone will next change an alarm (monotonic seconds); None: it will not."""
        times = (
            *self._circuits.deadlines(),
            self._contact.chatter.deadline(),
            self._unknown_at(),
            self._open_long_at(),
            self._broker_disconnected_at(),
            self._clock_alarm_at(),
            self._stale_at(),
        )
        return min((at for at in times if at is not None and at > self._now), default=None)

    def update(self, now: float) -> None:
        """Raise and clear alarms as of `now`."""
        self._now = now
        self._circuits.update(now)
        self._update_contact_alarms(now)
        self._raise_from(
            Alarm.BROKER_DISCONNECTED, self._broker_disconnected_at(), self._bus_lost_at, self._bus_lost_reason
        )
        self._raise_from(Alarm.CLOCK_UNTRUSTED, self._clock_alarm_at(), self._context.ledger.started)
        reason = self._demand.silent_reason
        self._raise_from(
            Alarm.METER_STALE, self._stale_at(), self._demand.stale_since, f" ({reason})" if reason else ""
        )

    def _update_contact_alarms(self, now: float) -> None:
        detail, remedies = self._unknown_because()
        self._raise_from(Alarm.CONTACT_UNKNOWN, self._unknown_at(), self._unknown_since(), detail, remedies)
        open_hours = f"{self._open_alarm_s / HOUR_S:g}"
        self._raise_from(Alarm.CONTACT_OPEN_LONG, self._open_long_at(), self._open_since(), open_hours)
        times = self._contact.chatter.fault(now)
        self._raise_from(Alarm.CONTACT_CHATTER, None if times is None else now, now, f"{times}")

    def _unknown_because(self) -> tuple[str, str]:
        """Return why the contact's position is unknown, and what to do."""
        reason = self._contact.lost_reason
        if not self._context.settings.contact_on_bus:
            return "" if reason is None else f" ({reason})", "Its wire or its input may be faulty."
        if reason is not None:
            return f" ({reason})", "Its device, the network or a broker may be down."
        match ContactEvidence(self._context.settings.contact_evidence):
            case ContactEvidence.CACHE:
                return " (its gateway may repeat an earlier position)", _CACHED_CONTACT
            case ContactEvidence.DEVICE | ContactEvidence.RETAINED:
                return " (its device has not reported since it was last connected)", _SILENT_CONTACT
        cure = "check [contact] query_topic" if self._context.settings.contact_query else "set [contact] query_topic"
        remedies = (
            "If its device publishes only changes, let it publish its position retained, or "
            f"{cure}. Until then, the position is known after the contact has moved once."
        )
        return " (its device has published no position since the start)", remedies

    def _raise_from(
        self, alarm: Alarm, at: float | None, since: float | None, detail: str = "", remedies: str = ""
    ) -> None:
        """Keep the alarm active from `at` on; None: not active. `since`: when its cause began."""
        active = at is not None and at <= self._now
        new_detail = f"{detail}{remedies}" if active else None
        if new_detail != self._details.get(alarm):
            self._details[alarm] = new_detail
            subject = AlarmSubject(detail, remedies=remedies)
            self._context.outbox.set_alarm(alarm, self._now, active=active, subject=subject, since=since)

    # --- times of the alarms (monotonic seconds; None: no cause) -----------------------------------------------------

    def _unknown_since(self) -> float:
        contact = self._contact.contact
        return contact.settled_at if contact.lost_since is None else contact.lost_since

    def _unknown_at(self) -> float | None:
        unknown = self._contact.contact.settled is PowerSource.UNKNOWN
        return self._unknown_since() + CONTACT_UNKNOWN_AFTER_S if unknown else None

    def _open_since(self) -> float:
        """Return since when the contact has been open; this start, if it opened before the last boot."""
        opened_at = self._context.record.opened_at
        return self._context.ledger.started if opened_at is None else opened_at

    def _open_long_at(self) -> float | None:
        never = not self._open_alarm_s or not self._outage.state.sheds or self._outage.drill_holds
        return None if never else self._open_since() + self._open_alarm_s

    def _broker_disconnected_at(self) -> float | None:
        return None if self._bus_lost_at is None else self._bus_lost_at + BROKER_DISCONNECTED_AFTER_S

    def _clock_alarm_at(self) -> float | None:
        if self._clock_trusted:
            return None
        ledger = self._context.ledger
        return ledger.started + (CLOCK_AFTER_S if ledger.outage is None else CLOCK_IN_OUTAGE_AFTER_S)

    def _stale_at(self) -> float | None:
        stale_since = self._demand.stale_since
        if stale_since is None or self.generator.stopped_at is not None:
            return None
        # An active alarm stays active: a transfer does not repair the meter.
        delayed = self._outage.state.sheds and self._details.get(Alarm.METER_STALE) is None
        return stale_since + (STALE_ON_STANDBY_AFTER_S if delayed else 0.0)
