"""An event in, effects out: the only writer of state.

No clock, no wire, no disk: events carry the moment they happened, `now` is told, and what is to be done comes back as
data. Events are played through in order, with the deadlines that were due before each; commands are computed once,
from the state after the last event. So a stall neither invents nor hides an outage and never ends in a burst.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from controller.core import events as ev
from controller.core.alarms import Alarm
from controller.core.command_reasons import CommandReasons
from controller.core.command_scheduler import CommandScheduler
from controller.core.demand_recorder import DemandRecorder
from controller.core.drill import DrillController
from controller.core.effects import PublishMeter, SwitchOff, SwitchOn
from controller.core.outage_record import DRILL, FlapSettings
from controller.core.outbox import Outbox
from controller.core.rate_limit import RateLimit
from controller.core.requests import RequestHandler
from controller.core.system_alarms import SystemAlarmMonitor
from controller.core.transfer import Transfer
from rules.contact import ContactDebouncer, PowerSource
from rules.device_reports import DeviceReports
from rules.ledger import Ledger
from rules.panel import Position
from rules.requests import reload_conflicts
from rules.shed import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from controller.core.effects import Effect, SavedState
    from controller.core.meter_tracker import MeterTracker
    from controller.core.views import AlarmView, CircuitView, StateView
    from rules.json_types import Json
    from rules.metering.demand import DemandView
    from rules.panel import CircuitId, Panel

MAX_LOSS_EVENTS, LOSS_EVENTS_WINDOW_S = 6, 600.0
"""So many losses of the broker are told, and counted from then on: two programs of one site throw each other out."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What the installer's file says to the decisions. Seconds. `contact_on_bus`: the contact is an MQTT device.

    `open_alarm_s`: the contact may be open for so long before it is said; 0: never said.
    """

    settle_s: float = 0.1
    contact_on_bus: bool = False
    on_lost_shed: bool = False
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    utility_stable_s: float = 10.0
    stagger_s: float = 5.0
    flapping: FlapSettings = field(default_factory=FlapSettings)
    sample_s: float = 5.0
    open_alarm_s: float = 86_400.0


class Engine:
    """The controller's mind.

    `boot`: the boot's id; `at`: the monotonic second of this start. `rebooted`: the machine has booted since `memory`
    was written. `metering`: None without a meter.
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
        self._panel = panel
        self._contact_on_bus = settings.contact_on_bus
        self._ledger = Ledger(panel, boot, at)
        self._ledger.rebooted = rebooted
        self._reports = DeviceReports(self._ledger, settings.retry.confirm_s)
        self._chronicle = Outbox(self._ledger, boot, memory)
        self._demand = DemandRecorder(metering, settings.sample_s, self._chronicle)
        self._resume(memory, boot, at)
        self._switches = CommandScheduler(panel, self._ledger, self._reports, settings.retry, settings.stagger_s)
        self._other_meters: dict[str, PublishMeter] = {}
        self._transfer = Transfer(
            panel=panel,
            ledger=self._ledger,
            reports=self._reports,
            chronicle=self._chronicle,
            switches=self._switches,
            demand=self._demand,
            contact=ContactDebouncer(
                settings.settle_s,
                at,
                on_lost_shed=settings.on_lost_shed,
                distrust_retained=rebooted and memory.outage is not None,
            ),
            utility_stable_s=settings.utility_stable_s,
            flap=settings.flapping,
        )
        self._drilling = DrillController(self._ledger, self._switches, self._transfer, self._chronicle)
        self._people = RequestHandler(self._ledger, self._switches, self._transfer, self._drilling)
        self._causes = CommandReasons(self._ledger, self._transfer)
        self._losses = RateLimit(MAX_LOSS_EVENTS, LOSS_EVENTS_WINDOW_S)
        self._watchman = SystemAlarmMonitor(
            ledger=self._ledger,
            switches=self._switches,
            transfer=self._transfer,
            demand=self._demand,
            chronicle=self._chronicle,
            confirm_s=settings.retry.confirm_s,
            open_alarm_s=settings.open_alarm_s,
        )

    def _resume(self, memory: SavedState, boot: str, at: float) -> None:
        """Take what the disk remembers. The usual start of this program is in the dark, in the middle of an outage."""
        unread = [str(circuit) for circuit in self._ledger.load(memory.entries)]
        self._chronicle.log_event("started", at, rebooted=self._ledger.rebooted, unread=[*unread])
        if memory.outage is None:
            return
        book = self._chronicle.record
        book.resumed()
        self._ledger.outage, self._ledger.before = book.id, book.positions()
        self._ledger.resume(self._panel, about=memory.outage.stage == "about")
        self._demand.resume(memory.outage, at, boot)

    # --- the outside -------------------------------------------------------------------------------------------------

    def advance(self, events: Sequence[ev.Event], now: float) -> list[Effect]:
        """Take what has happened, play the deadlines due by `now`, and return what is to be done, commands first."""
        return [*self.decide(events, now), *self.follow_up(now)]

    def decide(self, events: Sequence[ev.Event], now: float) -> list[SwitchOff | SwitchOn]:
        """Take what has happened, play the deadlines due by `now`, and return the commands: they wait for nothing."""
        for event in sorted(events, key=lambda event: event.at):
            self._run_deadlines(min(event.at, now))
            _TAKE[type(event)](self, event)
        self._run_deadlines(now)
        self._now = now
        return self._commands(now)

    def follow_up(self, now: float) -> list[Effect]:
        """Return what is to be told and written of the turn whose commands have left. Each turn takes both."""
        for command in self._switches.sent:
            self._commanded(command, now)
        self._demand.advance(now, self._ledger.outage, may_draw=self._may_draw)
        self._watchman.update(now)
        for circuit in self._switches.failed_requests:
            self._chronicle.log_event("request_failed", now, circuit)
        self._switches.failed_requests.clear()
        return self._chronicle.drain(now, may_tell=self._may_tell())

    def deadline(self) -> float | None:
        """Return when `advance` must be called at the latest (monotonic s); None: not before the next event."""
        times = [self.next_decision_at(), self._demand.deadline(), self._watchman.deadline()]
        if self._may_tell():
            times.append(self._chronicle.publish_queue.deadline())
        return min((at for at in times if at is not None), default=None)

    def next_decision_at(self) -> float | None:
        """Return when time alone may next move a breaker or the house; None: never, as things stand."""
        transfer, switches = self._transfer, self._switches
        times = [transfer.contact.deadline(), transfer.stable_due(), switches.deadline(), self._drilling.deadline()]
        if transfer.house.now.restores and transfer.stable:
            times.append(switches.restore_due_at(self._now))
        return min((at for at in times if at is not None), default=None)

    def opening_settles_at(self) -> float | None:
        """Return when an opening that is settling will have settled (monotonic s); None: none is."""
        return self._transfer.contact.deadline() if self._transfer.opening else None

    def commands_sent(self, at: float) -> None:
        """Take the moment at which the last turn's commands had left."""
        self._switches.commands_sent(at)

    def closing(self) -> list[Effect]:
        """Return what to write before the program ends."""
        self._demand.closing()
        return self._chronicle.drain(self._now, may_tell=False)

    def objections(self, panel: Panel) -> tuple[str, ...]:
        """Say what a changed file would take from our reach while it is owed; empty: it may be taken."""
        return reload_conflicts(
            self._panel, panel, tuple(self._panel[circuit] for circuit in sorted(self._ledger.owed_circuits))
        )

    def state_view(self) -> StateView:
        """Return what `controller/state` says now."""
        from controller.core import view_builder  # noqa: PLC0415  # words come after the first commands

        stopped_at, drill_until = self._watchman.generator.stopped_at, self._drilling.until
        return view_builder.state_view(
            self._panel, self._ledger, self._transfer, self._switches, stopped_at, drill_until=drill_until
        )

    def circuit_view(self, circuit: CircuitId) -> CircuitView | None:
        """Return what `circuits/<circuit>` says now; None for a circuit no longer in the file."""
        from controller.core import view_builder  # noqa: PLC0415

        if circuit not in self._panel:
            return None
        entry, now, drill = self._ledger[circuit], self._ledger.boot_time(self._now), self._transfer.kind == DRILL
        return view_builder.circuit_view(self._panel[circuit], entry, self._ledger.outage, now, drill=drill)

    def alarm_view(self, alarm: str) -> AlarmView | None:
        """Return what `alarms/<id>` says now; None where it does not stand."""
        return self._chronicle.alarms.get(alarm)

    def demand_view(self, now: float) -> DemandView | None:
        """Return what `demand` says at `now`; None without a meter."""
        return self._demand.view(now)

    # --- a turn ------------------------------------------------------------------------------------------------------

    def _run_deadlines(self, until: float) -> None:
        """Play the deadlines up to `until`, each at its own time, in order."""
        transfer = self._transfer
        while True:
            due = (
                (transfer.contact.deadline(), transfer.on_contact_deadline),
                (transfer.stable_due(), transfer.became_stable),
                (self._drilling.deadline(), self._drilling.on_deadline),
                (self._switches.deadline(), transfer.on_circuit_deadline),
            )
            coming = [(at, play) for at, play in due if at is not None and at <= until]
            if not coming:
                return
            at, play = min(coming, key=lambda item: item[0])
            play(at)

    def _commands(self, now: float) -> list[SwitchOff | SwitchOn]:
        """Command what the circuits concerned need as things stand now, and see whether the house has settled."""
        transfer, switches = self._transfer, self._switches
        switches.sent.clear()
        switches.phase = transfer.phase
        switches.decide(now, transfer.house.now)
        transfer.settle(now)
        switches.decide(now, transfer.house.now)
        if transfer.house.now.restores and transfer.stable:
            switches.restore_due(now, transfer.house.now)
        return [*switches.sent]

    def _commanded(self, command: SwitchOff | SwitchOn, now: float) -> None:
        entry = self._ledger[command.circuit]
        if isinstance(command, SwitchOff) and entry.shed_record is not None:
            self._chronicle.record.shed(command.circuit, entry.shed_record)
        name = "off_sent" if isinstance(command, SwitchOff) else "on_sent"
        about = self._causes.reason_for(command, self._panel[command.circuit])
        self._chronicle.log_event(name, now, command.circuit, about=about, attempt=entry.attempts)
        self._chronicle.publish_queue.circuits.add(command.circuit)
        self._chronicle.publish_queue.state = True

    def _may_draw(self) -> bool:
        """Tell whether some circuit is not known to be off: a load nobody vouches for counts as on."""
        return any(entry.position not in (Position.OFF, Position.TRIPPED) for _, entry in self._ledger)

    def _may_tell(self) -> bool:
        """Tell whether anything but a command may be published: not while an opening settles, for its OFFs go first."""
        return self._switches.connected and not self._transfer.opening

    # --- events: the contact, the bus and its devices ----------------------------------------------------------------

    def _contact_changed(self, event: ev.ContactChanged) -> None:
        source = PowerSource.STANDBY if event.open else PowerSource.UTILITY
        self._transfer.on_position(source, event.at, retained=event.retained)

    def _contact_alive(self, event: ev.ContactAlive) -> None:
        self._transfer.on_device_alive(event.at)

    def _contact_lost(self, event: ev.ContactLost) -> None:
        self._transfer.on_lost(event.at, event.reason, offline=True)

    def _bus_connected(self, event: ev.BusConnected) -> None:
        self._switches.connected = True
        self._reports.connected()
        self._watchman.bus_connected()
        self._note_bus("bus_connected", event.at)
        self._transfer.refresh(self._panel.circuits)
        self._chronicle.republish_all(self._panel.circuits, demand=self._demand.view(event.at) is not None)
        self._chronicle.publish_queue.meters |= self._other_meters

    def _bus_lost(self, event: ev.BusLost) -> None:
        if self._switches.connected:
            self._note_bus("bus_lost", event.at, reason=event.reason)
        self._watchman.bus_lost(event.at, event.reason)
        self._switches.connected = False
        if self._contact_on_bus:
            self._transfer.on_lost(event.at, event.reason, offline=False)

    def _note_bus(self, name: str, at: float, **about: Json) -> None:
        """Write what the connection did; where it comes and goes without end, how often it did besides."""
        if (suppressed := self._losses.allow(at, name)) is not None:
            self._chronicle.log_event(name, at, about={**about, "suppressed": suppressed} if suppressed else about)

    def _breaker_reported(self, event: ev.BreakerReported) -> None:
        if event.circuit not in self._panel:
            return
        circuit, phase = self._panel[event.circuit], self._transfer.phase
        if not event.retained:
            self._transfer.on_report(circuit.id, self._reports.live(circuit, event.position, event.at, phase), event.at)
            return
        self._reports.retained(circuit, event.position)
        outcome = self._reports.accept_retained(circuit, event.at) if self._may_believe() else None
        self._transfer.on_report(circuit.id, outcome, event.at)

    def _availability_reported(self, event: ev.AvailabilityReported) -> None:
        if event.circuit not in self._panel:
            return
        circuit, phase = self._panel[event.circuit], self._transfer.phase
        outcome = self._reports.availability(circuit, event.at, phase, online=event.online, retained=event.retained)
        self._transfer.on_report(circuit.id, outcome, event.at)
        if event.online and self._may_believe():
            self._transfer.on_report(circuit.id, self._reports.accept_retained(circuit, event.at), event.at)

    def _may_believe(self) -> bool:
        """Tell whether what the broker remembers of devices may be taken for what is."""
        return self._transfer.stable

    # --- events: people and files, the meter, the disk, the clock ----------------------------------------------------

    def _asked(self, event: ev.Requested) -> None:
        reply = self._people.handle(event, self._panel)
        self._chronicle.ended("a person's request")
        self._transfer.refresh(self._panel.circuits.keys() & {event.circuit} or self._panel.circuits)
        about: dict[str, Json] = {"request": event.request, "by": event.by, "note": event.note, "now": event.now}
        about |= {"ok": reply.ok, "reason": reply.reason, **({} if event.for_s is None else {"for_s": event.for_s})}
        self._chronicle.log_event("request_received", event.at, event.circuit, lazy=False, about=about)
        self._chronicle.answer(event.reply, ok=reply.ok, reason=reply.reason)

    def _circuits_changed(self, event: ev.CircuitsChanged) -> None:
        if objections := self.objections(event.panel):
            # Something came to be owed between the reading of the file and now.
            self._configuration_refused(ev.ConfigurationRefused(event.at, objections, event.reply))
            return
        self._causes.reloaded(self._panel, event.panel, event.at)
        gone = self._panel.circuits.keys() - event.panel.circuits.keys()
        self._panel = self._transfer.panel = event.panel
        self._ledger.set_panel(event.panel)
        self._switches.set_panel(event.panel)
        self._watchman.set_panel(event.at)
        self._transfer.refresh(event.panel.circuits)
        self._chronicle.publish_queue.circuits |= gone
        self._chronicle.alarm(Alarm.CONFIGURATION_REFUSED, event.at, stands=False)
        self._chronicle.log_event("circuits_reloaded", event.at, lazy=False, circuits=len(event.panel))
        said = [f"{len(event.panel)} circuits are in force", *self._switches.resting(event.at)]
        self._chronicle.answer(event.reply, ok=True, reason="; ".join(said))

    def _configuration_refused(self, event: ev.ConfigurationRefused) -> None:
        mistakes = " ".join(event.errors)
        self._chronicle.alarm(Alarm.CONFIGURATION_REFUSED, event.at, stands=True, detail=mistakes)
        self._chronicle.answer(event.reply, ok=False, reason=mistakes)

    def _metered(self, event: ev.EnergyRead | ev.MeterSilent | ev.PulseSeen | ev.KwhPulseSeen) -> None:
        self._demand.on_meter_event(event)

    def _meter_noted(self, event: ev.MeterFindingReported) -> None:
        self._demand.on_finding(event)

    def _other_meter_heard(self, event: ev.ExtraMeterRead) -> None:
        energy_kwh = None if event.tenths is None else event.tenths / 10
        told = self._other_meters[event.meter] = PublishMeter(event.meter, event.at, energy_kwh)
        self._chronicle.publish_queue.meters[event.meter] = told

    def _disk_failed(self, event: ev.DiskFailed) -> None:
        self._chronicle.alarm(Alarm.DISK_FAILING, event.at, stands=True, detail=f" ({event.reason})")

    def _disk_recovered(self, event: ev.DiskRecovered) -> None:
        self._chronicle.alarm(Alarm.DISK_FAILING, event.at, stands=False)

    def _clock_trusted(self, event: ev.ClockTrusted) -> None:
        self._watchman.clock_trusted()
        self._chronicle.log_event("clock_trusted", event.at)
        self._chronicle.publish_queue.state = True


_TAKE: dict[type, Callable[..., None]] = {
    ev.ContactChanged: Engine._contact_changed,  # noqa: SLF001  # the engine's own table
    ev.ContactAlive: Engine._contact_alive,  # noqa: SLF001
    ev.ContactLost: Engine._contact_lost,  # noqa: SLF001
    ev.BusConnected: Engine._bus_connected,  # noqa: SLF001
    ev.BusLost: Engine._bus_lost,  # noqa: SLF001
    ev.BreakerReported: Engine._breaker_reported,  # noqa: SLF001
    ev.AvailabilityReported: Engine._availability_reported,  # noqa: SLF001
    ev.Requested: Engine._asked,  # noqa: SLF001
    ev.CircuitsChanged: Engine._circuits_changed,  # noqa: SLF001
    ev.ConfigurationRefused: Engine._configuration_refused,  # noqa: SLF001
    ev.EnergyRead: Engine._metered,  # noqa: SLF001
    ev.MeterSilent: Engine._metered,  # noqa: SLF001
    ev.PulseSeen: Engine._metered,  # noqa: SLF001
    ev.KwhPulseSeen: Engine._metered,  # noqa: SLF001
    ev.MeterFindingReported: Engine._meter_noted,  # noqa: SLF001
    ev.ExtraMeterRead: Engine._other_meter_heard,  # noqa: SLF001
    ev.DiskFailed: Engine._disk_failed,  # noqa: SLF001
    ev.DiskRecovered: Engine._disk_recovered,  # noqa: SLF001
    ev.ClockTrusted: Engine._clock_trusted,  # noqa: SLF001
}
