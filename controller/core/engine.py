"""Engine: events in, effects out. It alone changes the state of the controller.

The engine uses no clock, socket, pin or disk. Events carry the time at which they happened, `now` is an argument, and
effects are returned as data. Events are processed in order, each after the deadlines that were due before it; commands
are computed once, from the state after the last event. A stalled program therefore neither invents nor hides an outage,
and never sends a burst of commands.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

from controller.core import events as ev
from controller.core.alarms import Alarm
from controller.core.circuit_loads import LoadRecorder
from controller.core.command_reasons import CommandReasons
from controller.core.command_scheduler import CommandScheduler
from controller.core.contact_handler import ContactHandler
from controller.core.context import CoreContext, PanelInForce
from controller.core.demand_recorder import DemandRecorder
from controller.core.device_tracker import DeviceTracker
from controller.core.drill import DrillController
from controller.core.effects import (
    PublishAlarm,
    PublishAlarmList,
    PublishCircuit,
    PublishDemand,
    PublishLastOutage,
    PublishMeter,
    PublishState,
    SwitchOff,
    SwitchOn,
)
from controller.core.outage import OutageLifecycle
from controller.core.outage_record import OutageRecord
from controller.core.outbox import Outbox
from controller.core.rate_limit import RateLimit
from controller.core.requests import RequestHandler
from controller.core.system_alarms import SystemAlarmMonitor
from controller.core.views import OutageView
from rules.contact import ContactDebouncer, PowerSource
from rules.device_reports import DeviceReports
from rules.flapping import FlapSettings
from rules.ledger import Ledger
from rules.panel import Position
from rules.requests import reload_conflicts
from rules.shed import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from controller.core.effects import Effect, SavedState
    from controller.core.meter_tracker import MeterTracker
    from controller.core.view_builder import ViewBuilder
    from controller.core.views import AlarmView, CircuitView, StateView
    from rules.json_types import Json
    from rules.metering.demand import DemandView
    from rules.panel import CircuitId, Panel

MAX_LOSS_EVENTS, LOSS_EVENTS_WINDOW_S = 6, 600.0
"""Maximum number of logged broker losses in this many seconds; further ones are counted.

Two programs of one site disconnect each other again and again.
"""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Settings of `installer.toml` that the decisions need. Times in seconds.

    `contact_on_bus`: the contact is an MQTT device. `contact_expect_s`: time after which its silence means that it is
    lost; 0: never. `contact_query`: it can be asked for its position. `contact_evidence`: what its reports prove, a
    value of `ContactEvidence`. `open_alarm_s`: time the contact may be open
    before an alarm is raised; 0: no alarm. `generator_kw`: rated power of the generator; None: not configured.
    `companion_confirm_s`: time in which a circuit that Leviton's energy monitor sheds must report off.
    """

    settle_s: float = 0.1
    contact_on_bus: bool = False
    on_lost_shed: bool = False
    contact_expect_s: float = 0.0
    contact_query: bool = False
    contact_evidence: str = "topic"
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    utility_stable_s: float = 10.0
    stagger_s: float = 5.0
    flapping: FlapSettings = field(default_factory=FlapSettings)
    sample_s: float = 5.0
    open_alarm_s: float = 86_400.0
    generator_kw: float | None = None
    companion_confirm_s: float = 60.0


class Engine:
    """Decides for one house.

    `boot`: the boot ID. `at`: monotonic second of this start. `rebooted`: the machine has booted since `memory` was
    written. `metering`: None without a meter.
    """

    def __init__(
        self,
        panel: Panel,
        settings: EngineSettings,
        memory: SavedState,
        boot: str,
        at: float,
        *,
        rebooted: bool = False,
        metering: MeterTracker | None = None,
    ) -> None:
        self._now = at
        self._contact_on_bus = settings.contact_on_bus
        self._deferred: deque[Callable[[], None]] = deque()
        self._ledger = Ledger(panel, boot, at, rebooted=rebooted)
        self._record = OutageRecord(boot, memory)
        self._outbox = Outbox(self._ledger, self._record, memory.entries)
        self._reports = DeviceReports(self._ledger, settings.retry.confirm_s)
        self._context = context = CoreContext(
            settings=settings,
            panel=PanelInForce(panel),
            ledger=self._ledger,
            reports=self._reports,
            record=self._record,
            outbox=self._outbox,
            loads=LoadRecorder(self._record),
            defer=self._deferred.append,
        )
        self._demand = DemandRecorder(context, metering)
        self._resume(memory, boot, at)
        self._scheduler = CommandScheduler(context)
        debouncer = ContactDebouncer(
            settings.settle_s,
            at,
            on_lost_shed=settings.on_lost_shed,
            distrust_retained=rebooted and memory.outage is not None,
        )
        self._outage = OutageLifecycle(context, debouncer, self._scheduler, self._demand)
        self._contact = ContactHandler(context, debouncer, self._outage)
        self._drill = DrillController(context, self._scheduler, self._contact, self._outage)
        self._devices = DeviceTracker(context, self._contact, self._outage)
        self._requests = RequestHandler(
            context, self._scheduler, self._contact, self._outage, self._drill, demand=self._demand
        )
        self._reasons = CommandReasons(context, self._contact, self._outage)
        self._losses = RateLimit(MAX_LOSS_EVENTS, LOSS_EVENTS_WINDOW_S)
        self._alarm_monitor = SystemAlarmMonitor(
            context, self._scheduler, self._contact, self._outage, demand=self._demand, devices=self._devices
        )
        self._extra_meters: dict[str, PublishMeter] = {}
        self._view_builder: ViewBuilder | None = None
        self._other_on_standby = False

    def _resume(self, memory: SavedState, boot: str, at: float) -> None:
        """Load what the disk has. The usual start of this program is in the middle of an outage."""
        unread = [str(circuit) for circuit in self._ledger.load(memory.entries)]
        self._outbox.log_event("started", at, rebooted=self._ledger.rebooted, unread=[*unread])
        if memory.outage is None:
            return
        self._record.resumed()
        self._context.loads.resume(memory.loads)
        self._ledger.begin(self._record.id, self._record.positions())
        self._ledger.resume(self._context.panel.current, about=memory.outage.stage == "about")
        self._demand.resume(memory.outage, at, boot)

    # --- interface ---------------------------------------------------------------------------------------------------

    def advance(self, events: Sequence[ev.Event], now: float) -> list[Effect]:
        """Process events, and the deadlines due by `now`; return all effects, commands first."""
        return [*self.decide(events, now), *self.follow_up(now)]

    def decide(self, events: Sequence[ev.Event], now: float) -> list[SwitchOff | SwitchOn]:
        """Process events, and the deadlines due by `now`; return the commands, which wait for nothing."""
        for event in sorted(events, key=lambda event: event.at):
            self._run_deadlines(min(event.at, now))
            self._run_deferred()
            self._handle(event)
        self._run_deadlines(now)
        self._now = now
        return self._commands(now)

    def follow_up(self, now: float) -> list[Effect]:
        """Return what the turn has to publish and to write, after its commands have left. Each turn calls both."""
        self._run_deferred()
        for command in self._scheduler.sent:
            self._log_command(command, now)
        self._devices.commands_sent(self._scheduler.sent, now)
        if self._outage.state.on_utility:
            stable_at = self._contact.stable_deadline()
            moved = self._scheduler.update_forecast(now if stable_at is None else max(now, stable_at))
            self._outbox.publish_circuits(moved)
        self._demand.advance(now, self._ledger.outage, may_draw=self._may_draw)
        self._alarm_monitor.update(now)
        for circuit in self._scheduler.take_failed_requests():
            self._outbox.log_event("request_failed", now, circuit)
        may_publish = self._may_publish()
        # Before the rest: a device that turns out to be unable to answer changes what there is to publish.
        questions = self._devices.questions(now) if may_publish else []
        return [*self._outbox.drain(now, may_publish=may_publish), *questions]

    def deadline(self) -> float | None:
        """Return when `advance` must be called at the latest (monotonic seconds); None: at the next event."""
        times = [self.next_decision_at(), self._demand.deadline(), self._alarm_monitor.deadline()]
        if self._may_publish():
            times += [self._outbox.deadline(), self._devices.deadline()]
        return min((at for at in times if at is not None), default=None)

    def next_decision_at(self) -> float | None:
        """Return when the passing of time alone may next change a breaker or the state; None: not by itself."""
        times = [at for at, _ in self._deadlines()]
        if self._may_restore():
            times.append(self._scheduler.restore_due_at(self._now))
        return min((at for at in times if at is not None), default=None)

    def opening_settles_at(self) -> float | None:
        """Return when the contact's opening will have settled (monotonic seconds); None: it is not opening."""
        return self._contact.contact.deadline() if self._contact.opening else None

    def on_standby(self) -> bool | None:
        """Return whether the settled contact reports standby; None: unknown."""
        settled = self._contact.contact.settled
        return None if settled is PowerSource.UNKNOWN else settled is PowerSource.STANDBY

    @property
    def sheds(self) -> bool:
        """Return whether circuits are to be off now, or may be in a moment: an opening settles."""
        return self._outage.state.sheds or self._contact.opening

    def commands_sent(self, at: float) -> None:
        """Note when the commands of the last turn had left."""
        self._scheduler.commands_sent(at)

    def closing(self) -> list[Effect]:
        """Return what to write before the program ends."""
        self._demand.closing()
        return self._outbox.drain(self._now, may_publish=False)

    def objections(self, panel: Panel) -> tuple[str, ...]:
        """Return why this panel must not be put in force: owed circuits would get out of reach. Empty: it may be."""
        current = self._context.panel.current
        return reload_conflicts(
            current, panel, tuple(current[circuit] for circuit in sorted(self._ledger.owed_circuits))
        )

    def state_view(self) -> StateView:
        """Return the content of `controller/state`."""
        return self._views().state(self._alarm_monitor.generator.stopped_at)

    def circuit_view(self, circuit: CircuitId) -> CircuitView | None:
        """Return the content of `circuits/<circuit>`; None: the circuit is not in the file any more."""
        panel = self._context.panel.current
        return self._views().circuit(panel[circuit], self._now) if circuit in panel else None

    def status_effects(self) -> list[Effect]:
        """Return what publishes all of the status as it is now, for a program that asks for it."""
        circuits = self._context.panel.current.circuits
        alarms = [PublishAlarm(alarm.id) for alarm in self._outbox.alarms]
        meters = self._extra_meters.values()
        rest = PublishAlarmList(), PublishLastOutage(), PublishDemand()
        return [PublishState(), *map(PublishCircuit, circuits), *alarms, *meters, *rest]

    def _views(self) -> ViewBuilder:
        if self._view_builder is None:
            from controller.core.view_builder import ViewBuilder  # noqa: PLC0415  # loaded after the first commands

            self._view_builder = ViewBuilder(self._context, self._contact, self._outage, self._scheduler, self._devices)
        return self._view_builder

    def alarm_views(self) -> tuple[AlarmView, ...]:
        """Return the content of `controller/alarms`: all active alarms, by id."""
        return tuple(sorted(self._outbox.alarms, key=lambda view: view.id))

    def last_outage_view(self) -> OutageView | None:
        """Return the content of `outages/last`; None: there was no outage yet."""
        last = self._record.latest
        if last is None:
            return None
        return OutageView(last.id, last.kind, last.began, last.ended, last.energy_kwh, last.peak_15min_kw)

    def alarm_view(self, alarm: str) -> AlarmView | None:
        """Return the content of `alarms/<id>`; None: the alarm is not active."""
        return self._outbox.alarms.get(alarm)

    def demand_view(self, now: float) -> DemandView | None:
        """Return the content of `demand` at `now`; None without a meter."""
        return self._demand.view(now)

    # --- a turn ------------------------------------------------------------------------------------------------------

    def _deadlines(self) -> tuple[tuple[float | None, Callable[[float], None]], ...]:
        """Return the deadlines of the decisions, each with its handler; None: not set."""
        return (
            (self._contact.contact.deadline(), self._contact.on_deadline),
            (self._contact.silence_deadline(), self._contact.on_silence),
            (self._contact.query_deadline(), self._contact.on_query_due),
            (self._contact.stable_deadline(), self._contact.on_stable),
            (self._drill.begins_at, self._drill.on_begin_deadline),
            (self._outage.drill_ends_at, self._drill.on_end_deadline),
            (self._scheduler.deadline(), self._outage.on_circuit_deadline),
        )

    def _run_deadlines(self, until: float) -> None:
        """Process the deadlines up to `until`, each at its own time, in order."""
        while True:
            due = [(at, handler) for at, handler in self._deadlines() if at is not None and at <= until]
            if not due:
                return
            self._run_deferred()
            at, handler = min(due, key=lambda item: item[0])
            handler(at)

    def _run_deferred(self) -> None:
        while self._deferred:
            self._deferred.popleft()()

    def _commands(self, now: float) -> list[SwitchOff | SwitchOn]:
        """Compute the commands from the state as it is now, and enter the next state if every circuit is settled."""
        outage, scheduler = self._outage, self._scheduler
        scheduler.begin_turn()
        report_context = outage.report_context
        scheduler.decide(now, outage.state, report_context)
        outage.settle(now)
        scheduler.decide(now, outage.state, report_context)
        if self._may_restore():
            scheduler.restore_due(now, outage.state, report_context)
        return [*scheduler.sent]

    def _may_restore(self) -> bool:
        """Return whether ON may be sent by the rules. Another controller on standby would send OFF again."""
        return self._outage.state.restores and self._contact.stable and not self._other_on_standby

    def _log_command(self, command: SwitchOff | SwitchOn, now: float) -> None:
        entry = self._ledger[command.circuit]
        if isinstance(command, SwitchOff) and entry.shed_record is not None:
            self._record.shed(command.circuit, entry.shed_record)
        name = "off_sent" if isinstance(command, SwitchOff) else "on_sent"
        details = self._reasons.reason_for(command, self._context.panel.current[command.circuit])
        self._outbox.log_event(name, now, command.circuit, details=details, attempt=entry.attempts)
        self._outbox.publish_circuits((command.circuit,))

    def _may_draw(self) -> bool:
        """Return whether some circuit is not known to be off: an unknown load counts as on."""
        return any(entry.position not in (Position.OFF, Position.TRIPPED) for _, entry in self._ledger)

    def _may_publish(self) -> bool:
        """Return whether anything but commands may be sent. OFF commands go first, so not while an opening settles."""
        return self._scheduler.connected and not self._contact.opening

    # --- events ------------------------------------------------------------------------------------------------------

    def _handle(self, event: ev.Event) -> None:
        match event:
            case ev.ContactChanged():
                source = PowerSource.STANDBY if event.open else PowerSource.UTILITY
                self._contact.on_position(source, event.at, retained=event.retained)
            case ev.ContactAlive():
                self._contact.on_device_alive(event.at, returned=event.returned)
            case ev.ContactLost():
                self._contact.on_lost(event.at, event.reason, offline=True)
            case ev.BusConnected():
                self._bus_connected(event)
            case ev.BusLost():
                self._bus_lost(event)
            case ev.ClientReported():
                self._outbox.set_client_problems(event.client, event.at, event.problems)
            case (
                ev.BreakerReported()
                | ev.AvailabilityReported()
                | ev.DeviceRestarted()
                | ev.DeviceAlive()
                | ev.DeviceIdentified()
                | ev.PowerReported()
                | ev.TripWordReported()
                | ev.CommandRefused()
            ):
                if event.circuit in self._context.panel.current:
                    self._handle_device(event)
            case _:
                self._handle_other(event)

    def _handle_device(
        self,
        event: ev.BreakerReported
        | ev.AvailabilityReported
        | ev.DeviceRestarted
        | ev.DeviceAlive
        | ev.DeviceIdentified
        | ev.PowerReported
        | ev.TripWordReported
        | ev.CommandRefused,
    ) -> None:
        match event:
            case ev.BreakerReported():
                self._devices.on_position(event)
            case ev.AvailabilityReported():
                self._devices.on_availability(event)
            case ev.DeviceRestarted():
                self._devices.on_restart(event)
            case ev.DeviceAlive():
                self._devices.on_alive(event)
            case ev.DeviceIdentified():
                self._devices.on_identified(event)
            case ev.PowerReported():
                self._devices.on_power(event)
            case ev.TripWordReported():
                self._devices.on_trip_word(event)
            case ev.CommandRefused():
                self._devices.on_refusal(event)
            case _:
                assert_never(event)

    def _handle_other(
        self,
        event: ev.EnergyRead
        | ev.MeterSilent
        | ev.MeterIdentified
        | ev.PulseSeen
        | ev.KwhPulseSeen
        | ev.MeterFindingReported
        | ev.ExtraMeterRead
        | ev.Requested
        | ev.CircuitsChanged
        | ev.ConfigurationRefused
        | ev.RetainedCommandsFound
        | ev.DiskFailed
        | ev.DiskRecovered
        | ev.BrokerFindingChanged
        | ev.OtherControllerChanged
        | ev.ClockTrusted
        | ev.ClockSet,
    ) -> None:
        match event:
            case ev.EnergyRead() | ev.MeterSilent() | ev.MeterIdentified() | ev.PulseSeen() | ev.KwhPulseSeen():
                self._demand.on_meter_event(event)
            case ev.MeterFindingReported():
                self._demand.on_finding(event)
            case ev.ExtraMeterRead():
                self._extra_meter_read(event)
            case ev.Requested():
                self._requested(event)
            case ev.CircuitsChanged():
                self._circuits_changed(event)
            case ev.ConfigurationRefused():
                self._configuration_refused(event)
            case ev.DiskFailed() | ev.DiskRecovered():
                detail = f" ({event.reason})" if isinstance(event, ev.DiskFailed) else None
                self._alarm_reported(Alarm.DISK_FAILING, event.at, detail)
            case ev.BrokerFindingChanged() | ev.OtherControllerChanged() | ev.RetainedCommandsFound():
                self._broker_watched(event)
            case ev.ClockTrusted() | ev.ClockSet():
                self._clock_set(event)
            case _:
                assert_never(event)

    def _clock_set(self, event: ev.ClockTrusted | ev.ClockSet) -> None:
        if isinstance(event, ev.ClockTrusted):
            self._alarm_monitor.clock_trusted()
            self._outbox.log_event("clock_trusted", event.at)
        self._republish(event.at)

    def _broker_watched(
        self, event: ev.BrokerFindingChanged | ev.OtherControllerChanged | ev.RetainedCommandsFound
    ) -> None:
        if isinstance(event, ev.OtherControllerChanged):
            self._other_on_standby = event.on_standby
        elif isinstance(event, ev.RetainedCommandsFound):
            self._alarm_monitor.retained_commands(event.circuits, event.at)
        else:
            self._alarm_reported(Alarm(event.alarm), event.at, event.detail)

    def _alarm_reported(self, alarm: Alarm, at: float, detail: str | None) -> None:
        self._outbox.set_alarm(alarm, at, active=detail is not None, detail=detail or "")

    # --- events: the bus and its devices -----------------------------------------------------------------------------

    def _bus_connected(self, event: ev.BusConnected) -> None:
        circuits = self._context.panel.current.circuits
        self._scheduler.bus_connected()
        self._reports.connected()
        self._devices.bus_connected(event.at)
        self._alarm_monitor.bus_connected()
        self._contact.bus_connected(event.at)
        self._log_bus_event("bus_connected", event.at, {})
        self._outage.refresh(circuits)
        self._republish(event.at)

    def _republish(self, at: float) -> None:
        """Publish every retained message again: the broker may have lost them, or their times were wrong."""
        circuits = self._context.panel.current.circuits
        self._outbox.republish_all(circuits, demand=self._demand.view(at) is not None)
        for reading in self._extra_meters.values():
            self._outbox.publish_meter(reading)

    def _bus_lost(self, event: ev.BusLost) -> None:
        if self._scheduler.connected:
            self._log_bus_event("bus_lost", event.at, {"reason": event.reason})
        self._alarm_monitor.bus_lost(event.at, event.reason)
        self._scheduler.bus_lost()
        self._devices.bus_lost()
        if self._contact_on_bus:
            self._contact.on_lost(event.at, event.reason, offline=False)

    def _log_bus_event(self, name: str, at: float, details: dict[str, Json]) -> None:
        self._outbox.log_limited(name, at, self._losses.allow(at, name), details)

    # --- events: user requests and files, further meters -------------------------------------------------------------

    def _requested(self, event: ev.Requested) -> None:
        decision = self._requests.handle(event)
        circuits = self._context.panel.current.circuits
        self._outbox.save_ended_records("user_request")
        self._outage.refresh(circuits.keys() & {event.circuit} or circuits)
        details: dict[str, Json] = {"request": event.request, "by": event.by, "note": event.note, "now": event.now}
        details |= {"force": True} if event.force else {}
        details |= {"ok": decision.ok, "reason": decision.reason}
        if event.for_s is not None:
            details["for_s"] = event.for_s
        self._outbox.log_event("request_received", event.at, event.circuit, may_be_delayed=False, details=details)
        self._outbox.reply(event.reply, ok=decision.ok, reason=decision.reason, needs_force=decision.needs_force)

    def _circuits_changed(self, event: ev.CircuitsChanged) -> None:
        if objections := self.objections(event.panel):
            # A circuit came to be owed after the file was checked.
            self._configuration_refused(ev.ConfigurationRefused(event.at, objections, event.reply))
            return
        old = self._context.panel.current
        self._reasons.reloaded(old, event.panel, event.at)
        self._context.panel.replace(event.panel)
        self._ledger.set_panel(event.panel)
        self._scheduler.set_panel(event.panel)
        self._devices.set_panel(event.at)
        self._alarm_monitor.set_panel(event.at)
        self._outage.refresh(event.panel.circuits)
        self._outbox.publish_circuits(old.circuits.keys() - event.panel.circuits.keys())
        self._outbox.set_alarm(Alarm.CONFIGURATION_REFUSED, event.at, active=False)
        self._outbox.log_event("circuits_reloaded", event.at, may_be_delayed=False, circuits=len(event.panel))
        sentences = [f"{len(event.panel)} circuits are in force", *self._scheduler.rest_notices(event.at)]
        self._outbox.reply(event.reply, ok=True, reason="; ".join(sentences))

    def _configuration_refused(self, event: ev.ConfigurationRefused) -> None:
        errors = " ".join(event.errors)
        self._outbox.set_alarm(Alarm.CONFIGURATION_REFUSED, event.at, active=True, detail=errors)
        self._outbox.reply(event.reply, ok=False, reason=errors)

    def _extra_meter_read(self, event: ev.ExtraMeterRead) -> None:
        if not self._demand.accepts_extra(event):
            return  # the last good value ages
        energy_kwh = None if event.tenths is None else event.tenths / 10
        reading = self._extra_meters[event.meter] = PublishMeter(event.meter, event.at, energy_kwh)
        self._outbox.publish_meter(reading)
