"""Devices of the circuits: what their reports prove, when they are asked, and what they measure.

A circuit without a device of a known family uses loadshed's own topics: each of its live reports is the device's own.
For all others, `rules/evidence.py` decides whether a report is proof. What is not proof counts like a retained report.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from controller.core.effects import QueryDevice, SwitchOff
from rules.evidence import SECOND_QUERY_S, DeviceEvidence, Grade
from rules.panel import CircuitId, Position
from rules.power_proof import FALL_S, still_draws

if TYPE_CHECKING:
    from collections.abc import Iterable

    from controller.core import events as ev
    from controller.core.command_scheduler import Command
    from controller.core.contact_handler import ContactHandler
    from controller.core.context import CoreContext
    from controller.core.outage import OutageLifecycle
    from rules.generator_loss import GeneratorLossDetector
    from rules.ledger_entry import CircuitEntry
    from rules.panel import Circuit

MOST_QUESTIONS = 4
"""Questions to one gateway that may be open at the same time."""

MAX_QUERY_INTERVAL_S = 60.0
RARE_QUERY_INTERVAL_S = 600.0
RARE_AFTER = 10
"""A device that has answered none of this many questions is asked rarely."""

IGNORED_QUESTIONS = 3
"""A device that was silent after this many questions in a row cannot be asked, as far as known."""

RECHECK_S = 300.0
"""Time in seconds after which a circuit that the controller switched off is asked again.

A device behind a gateway may restart, or be moved by hand, and nothing reports it.
"""


@dataclass(slots=True)
class _Device:
    """State of one device. `ask_at`: when it is asked next (monotonic seconds); None: not.

    `recheck_at`: when its `off` is verified again; None: not. `sources`: what each availability topic says;
    `gateway_sources`: those about its gateway. `power_w` at `power_at`: None: unknown. `off_at`: when it first reported
    off after the last command; None: it has not. `draws`: measurements in a row that contradict that. `trip_word`:
    None: not said yet, empty: it reported on and gave no reason.
    """

    evidence: DeviceEvidence
    ask_at: float | None = None
    recheck_at: float | None = None
    sources: dict[int, bool] = field(default_factory=dict)
    gateway_sources: set[int] = field(default_factory=set)
    power_w: float | None = None
    power_at: float | None = None
    energy_kwh: float | None = None
    ask_power_at: float | None = None
    off_at: float | None = None
    draws: int = 0
    trip_word: str | None = None
    tripped: bool = False

    @property
    def gateway_away(self) -> bool:
        """Return whether its gateway is known to be away."""
        return any(self.sources.get(one) is False for one in self.gateway_sources)


class DeviceTracker:
    """Grades reports, combines availabilities, and asks devices. `still_drawing`: circuits off that draw power."""

    def __init__(self, context: CoreContext, contact: ContactHandler, outage: OutageLifecycle) -> None:
        self._context = context
        self._ledger = context.ledger
        self._reports = context.reports
        self._contact = contact
        self._outage = outage
        self._devices: dict[CircuitId, _Device] = {}
        self._gateways: dict[str, list[CircuitId]] = {}
        self._connected = False
        self.set_panel(context.ledger.started)

    def set_panel(self, at: float) -> None:
        """Follow the panel in force: new devices are asked, devices that are not in it any more are forgotten."""
        old, self._devices, self._gateways = self._devices, {}, {}
        # Largest rank first: the order in which devices are asked.
        for circuit in sorted(self._context.panel.current, key=lambda one: -one.rank):
            traits = circuit.device
            if traits is None:
                continue
            known = old.get(circuit.id)
            if known is None or known.evidence.traits != traits:
                known = _Device(DeviceEvidence(traits, trusted_since=at))
                if self._connected:
                    self._ask(known, at)
            self._devices[circuit.id] = known
            if traits.gateway is not None:
                self._gateways.setdefault(traits.gateway, []).append(circuit.id)

    # --- what others ask ---------------------------------------------------------------------------------------------

    def power(self, circuit: CircuitId, now: float) -> tuple[float | None, float | None]:
        """Return the power of a circuit in W and the age of the measurement in seconds; None: unknown."""
        device = self._devices.get(circuit)
        if device is None or device.power_w is None or device.power_at is None:
            return None, None
        return device.power_w, now - device.power_at

    def energy_kwh(self, circuit: CircuitId) -> float | None:
        """Return the energy counter of a circuit's device in kWh; None: unknown."""
        device = self._devices.get(circuit)
        return None if device is None else device.energy_kwh

    def gateway_away(self, circuit: CircuitId) -> bool:
        """Return whether the circuit's device has a gateway, and that is away."""
        device = self._devices.get(circuit)
        return device is not None and device.gateway_away

    def units(self) -> set[CircuitId]:
        """Return what may lose its power on its own: circuits, and gateways of several circuits."""
        return {*self._context.panel.current.circuits, *map(CircuitId, self._gateways)}

    def update_generator(self, detector: GeneratorLossDetector, circuit: CircuitId, now: float) -> None:
        """Pass a device to the detection of a stopped generator.

        The devices behind one gateway count as one, which is there while any of them is. If the gateway itself is what
        went away, they say nothing about the generator.
        """
        device = self._devices.get(circuit)
        gateway = None if device is None else device.evidence.traits.gateway
        if gateway is None:
            detector.update(circuit, self._ledger[circuit], now)
            return
        members = self._gateways[gateway]
        if self._devices[members[0]].gateway_away:
            detector.forget(CircuitId(gateway))
            return
        entries = [self._ledger[one] for one in members]
        heard = [entry for entry in entries if entry.publishes_availability]
        if heard:
            # The one that was heard last among those that are there, else the one that went last.
            there = [entry for entry in heard if entry.available] or heard
            detector.update(CircuitId(gateway), max(there, key=lambda entry: entry.availability_at or 0.0), now)

    # --- connection, commands ----------------------------------------------------------------------------------------

    def bus_connected(self, at: float) -> None:
        """Ask every device: most say nothing after a reconnection."""
        self._connected = True
        for circuit, device in self._devices.items():
            device.sources.clear()
            self._restarted(circuit, device, at, alive=False)

    def bus_lost(self) -> None:
        """Ask nothing while the broker is disconnected."""
        self._connected = False
        for device in self._devices.values():
            device.ask_at = device.ask_power_at = device.recheck_at = None

    def commands_sent(self, commands: Iterable[Command], at: float) -> None:
        """Note the commands that left at `at`: reports that follow may be their echo."""
        for command in commands:
            device = self._devices.get(command.circuit)
            if device is None:
                continue
            position = Position.OFF if isinstance(command, SwitchOff) else Position.ON
            device.evidence.command_sent(position, at)
            device.tripped = False
            if position is Position.ON:
                device.draws, device.off_at = 0, None
            # A repeated OFF leaves `off_at` as it is: otherwise retries would put off the next measurement for ever.
            traits = device.evidence.traits
            # A device of its own word answers by itself; one that reports changes only is asked before the retry.
            later_s = traits.settle_s if traits.remembers else self._confirm_s(device) / 2
            self._ask(device, at + later_s)

    # --- events ------------------------------------------------------------------------------------------------------

    def on_position(self, event: ev.BreakerReported) -> None:
        """Process the report of a position."""
        circuit = self._context.panel.current[event.circuit]
        device = self._devices.get(circuit.id)
        if device is None:
            self._report(circuit, event.position, event.at, live=not event.retained)
            return
        if not event.retained:
            self._shows_life(device, event.at)
        waiting = device.evidence.asked_at is not None
        grade = device.evidence.grade(
            event.position,
            event.at,
            retained=event.retained,
            stamped_at=event.stamped_at,
            reply=event.answers_query,
        )
        if waiting and device.evidence.asked_at is None:
            self._release(device, event.at)
        if grade is Grade.LIVE:
            self._proven(circuit, device, event.position, event.at)
            return
        if device.evidence.needs_second_answer():
            asked_at = device.evidence.last_asked_at or event.at
            device.ask_at = max(event.at, asked_at + SECOND_QUERY_S)
        elif grade is Grade.CONTRADICTION:
            self._ask(device, event.at)
        self._report(circuit, event.position, event.at, live=False)

    def on_availability(self, event: ev.AvailabilityReported) -> None:
        """Process a report of whether a device, or its gateway, is there."""
        circuit = self._context.panel.current[event.circuit]
        device = self._devices.get(circuit.id)
        if device is None:
            self._available(circuit, event.at, online=event.online, retained=event.retained)
            return
        device.sources[event.source] = event.online
        if event.gateway:
            device.gateway_sources.add(event.source)
        if event.online and not event.retained:
            # It has started, or come back: what it said before no longer counts.
            self._restarted(circuit.id, device, event.at, alive=True)
        self._combine(circuit, device, event.at, retained=event.retained)

    def on_restart(self, event: ev.DeviceRestarted) -> None:
        """Process the announcement of a device that it has started: it may have another position now."""
        circuit = self._context.panel.current[event.circuit]
        device = self._devices.get(circuit.id)
        if device is None:
            return
        self._restarted(circuit.id, device, event.at, alive=True)
        self._reports.restarted(circuit, event.at, self._outage.report_context)
        self._outage.on_report(circuit.id, None, event.at)

    def on_alive(self, event: ev.DeviceAlive) -> None:
        """Process a live message that says nothing about the position."""
        if (device := self._devices.get(event.circuit)) is not None:
            self._shows_life(device, event.at)

    def on_identified(self, event: ev.DeviceIdentified) -> None:
        """Ask a device again that could not be asked yet."""
        if (device := self._devices.get(event.circuit)) is not None and device.evidence.unanswered:
            device.evidence.query_failed()
            self._ask(device, event.at)

    def on_power(self, event: ev.PowerReported) -> None:
        """Process a measurement of a circuit."""
        device = self._devices.get(event.circuit)
        if device is None:
            return
        self._shows_life(device, event.at)
        self._record_load(device, event)
        if event.energy_kwh is not None:
            device.energy_kwh = event.energy_kwh
        if event.watts is None:
            return
        circuit, entry = self._context.panel.current[event.circuit], self._ledger[event.circuit]
        if not event.honest and not event.watts:
            # The gateway writes 0 when it believes the circuit to be off, and repeats it with later positions.
            if device.power_w is not None:
                device.power_w = device.power_at = None
                self._context.outbox.publish_circuits((circuit.id,))
            return
        device.power_w, device.power_at = event.watts, event.at
        self._context.outbox.publish_circuits((circuit.id,))
        self._prove_by_power(circuit, device, entry, event.watts, event.at)

    def _record_load(self, device: _Device, event: ev.PowerReported) -> None:
        """Record a measurement for the outage. Power that a gateway derives from its memory is not recorded."""
        watts = event.watts if event.honest else None
        if watts is not None or event.energy_kwh is not None:
            off = device.off_at is not None and event.at > device.off_at
            remembers = device.evidence.traits.remembers
            loads = self._context.loads
            loads.measured(event.circuit, event.at, watts, event.energy_kwh, off=off, changes_only=remembers)

    def on_trip_word(self, event: ev.TripWordReported) -> None:
        """Process the reason of an opening. It is judged by its change: gateways repeat the last word for ever."""
        device = self._devices.get(event.circuit)
        if device is None:
            return
        before, device.trip_word = device.trip_word, event.word
        if before is None or before == event.word:
            return
        device.tripped = event.is_trip
        circuit, entry = self._context.panel.current[event.circuit], self._ledger[event.circuit]
        if event.is_trip and entry.live and entry.position is Position.OFF:
            self._report(circuit, Position.TRIPPED, event.at, live=True)

    def on_refusal(self, event: ev.CommandRefused) -> None:
        """Process a failure that a device or its gateway reports."""
        device = self._devices.get(event.circuit)
        if device is None:
            return
        if event.question:
            device.evidence.query_failed()
            self._release(device, event.at)
            return
        circuit = self._context.panel.current[event.circuit]
        self._reports.refused(circuit, event.at, event.reason)
        self._outage.on_report(circuit.id, None, event.at)

    # --- questions ---------------------------------------------------------------------------------------------------

    def deadline(self) -> float | None:
        """Return when a device must next be asked (monotonic seconds); None: none is to be asked."""
        if not self._connected:
            return None
        devices = self._devices.values()
        times = [at for one in devices for at in (one.ask_at, one.ask_power_at, one.recheck_at) if at is not None]
        return min(times, default=None)

    def questions(self, now: float) -> list[QueryDevice]:
        """Return the questions that are due at `now`: largest rank first, a few to each gateway at a time."""
        if not self._connected:
            return []
        asked: list[QueryDevice] = []
        for circuit, device in self._devices.items():
            if device.ask_power_at is not None and device.ask_power_at <= now:
                device.ask_power_at = None
                asked.append(QueryDevice(circuit, "power"))
            if device.recheck_at is not None and device.recheck_at <= now:
                device.recheck_at = None
                if self._ledger[circuit].shed_record is not None:
                    self._ask(device, now)
            if device.ask_at is not None and device.ask_at <= now:
                asked += self._question(circuit, device, now)
        return asked

    def _question(self, circuit: CircuitId, device: _Device, now: float) -> list[QueryDevice]:
        evidence, confirm_s = device.evidence, self._confirm_s(device)
        settles_at = evidence.settles_at
        if evidence.traits.remembers and settles_at is not None and now < settles_at:
            device.ask_at = settles_at  # an answer now may be the echo of the command
            return []
        if evidence.traits.resubscribe and evidence.alive_since is not None:
            device.ask_at = None
            evidence.resubscribed = True
            return [QueryDevice(circuit, "retained")]
        if evidence.asked_at is not None and now < evidence.asked_at + confirm_s:
            device.ask_at = evidence.asked_at + confirm_s  # one question at a time
            return []
        if (free_at := self._gateway_free_at(evidence.traits.gateway, now)) is not None:
            device.ask_at = free_at
            return []
        if not evidence.traits.can_query:
            device.ask_at = None
            return []
        if evidence.ignored >= IGNORED_QUESTIONS:
            self._cannot_be_asked(circuit, now)
        evidence.query_sent(now)
        interval_s = min(confirm_s * 2.0 ** (evidence.unanswered - 1), max(MAX_QUERY_INTERVAL_S, confirm_s))
        device.ask_at = now + (RARE_QUERY_INTERVAL_S if evidence.unanswered > RARE_AFTER else interval_s)
        return [QueryDevice(circuit)]

    def _gateway_free_at(self, gateway: str | None, now: float) -> float | None:
        """Return when the gateway may be asked again; None: now."""
        if gateway is None:
            return None
        ends = [
            asked_at + self._confirm_s(self._devices[one])
            for one in self._gateways[gateway]
            if (asked_at := self._devices[one].evidence.asked_at) is not None
        ]
        pending = [at for at in ends if at > now]
        return min(pending) if len(pending) >= MOST_QUESTIONS else None

    def _release(self, device: _Device, at: float) -> None:
        """Let the devices that wait for this one's gateway be asked."""
        for one in self._gateways.get(device.evidence.traits.gateway or "", ()):
            other = self._devices[one]
            if other.ask_at is not None and other.evidence.asked_at is None and not other.evidence.unanswered:
                other.ask_at = max(at, other.evidence.settles_at or at) if other.evidence.traits.remembers else at

    def _cannot_be_asked(self, circuit: CircuitId, at: float) -> None:
        """Accept what the gateway remembers: there will be nothing better."""
        if not self._ledger[circuit].cannot_be_asked:
            self._ledger[circuit].cannot_be_asked = True
            if self._contact.stable:
                self._accept_retained(self._context.panel.current[circuit], at)

    def _ask(self, device: _Device, at: float) -> None:
        """Ask the device at `at`, or earlier if that is due."""
        traits = device.evidence.traits
        if traits.can_query or (traits.resubscribe and device.evidence.alive_since is not None):
            device.ask_at = at if device.ask_at is None else min(device.ask_at, at)

    # --- inside ------------------------------------------------------------------------------------------------------

    def _proven(self, circuit: Circuit, device: _Device, position: Position, at: float) -> None:
        """Process a position that is proven."""
        entry = self._ledger[circuit.id]
        entry.cannot_be_asked = False
        device.ask_at = None
        device.recheck_at = at + RECHECK_S if entry.shed_record is not None else None
        if position is Position.ON:
            device.tripped, device.draws = False, 0
            device.trip_word = device.trip_word or ""  # a word that comes after this one is new
        elif position is Position.OFF and device.tripped:
            position = Position.TRIPPED
        if not device.gateway_away and not entry.available:
            # The device responds: its own `offline` is older.
            device.sources = {one: said for one, said in device.sources.items() if one in device.gateway_sources}
            self._available(circuit, at, online=True, retained=True)
        self._report(circuit, position, at, live=True)
        if position is not Position.OFF:
            device.off_at, entry.still_drawing = None, False
        elif device.off_at is None:
            device.off_at = at
            device.ask_power_at = at + FALL_S if device.evidence.traits.power_query else None

    def _prove_by_power(self, circuit: Circuit, device: _Device, entry: CircuitEntry, watts: float, at: float) -> None:
        if entry.position is not Position.OFF or not entry.live or device.off_at is None:
            return
        contradicts = still_draws(circuit, watts, at, device.off_at)
        if contradicts is None:
            return
        device.draws = device.draws + 1 if contradicts else 0
        # A gateway may repeat an old value: it must say so twice.
        needed = 2 if device.evidence.traits.remembers else 1
        if contradicts and device.draws < needed:
            device.ask_power_at = at + SECOND_QUERY_S if device.evidence.traits.power_query else None
            return
        if contradicts and device.evidence.traits.power_query:
            device.ask_power_at = at + FALL_S
        if contradicts is not entry.still_drawing:
            entry.still_drawing = contradicts
            self._context.outbox.publish_state()
            self._outage.on_report(circuit.id, None, at)

    def _shows_life(self, device: _Device, at: float) -> None:
        new = device.evidence.alive_since is None
        device.evidence.sign_of_life(at)
        if new and device.evidence.traits.resubscribe:
            self._ask(device, at)

    def _restarted(self, circuit: CircuitId, device: _Device, at: float, *, alive: bool) -> None:
        """Doubt what was proven before, and ask. `alive`: the device or its gateway has just shown life."""
        device.evidence.restarted(at)
        if alive:
            device.evidence.sign_of_life(at)
        device.trip_word = device.recheck_at = None
        self._doubt(circuit, device)
        self._ask(device, at)

    def _doubt(self, circuit: CircuitId, device: _Device) -> None:
        """Mark what a device behind a gateway reported before as unproven."""
        if device.evidence.traits.remembers or device.evidence.traits.gateway is not None:
            self._ledger[circuit].live = False

    def _combine(self, circuit: Circuit, device: _Device, at: float, *, retained: bool) -> None:
        said = device.sources.values()
        if not all(said):
            self._available(circuit, at, online=False, retained=retained)
        elif len(said) >= device.evidence.traits.availability_sources:
            self._available(circuit, at, online=True, retained=retained)
        elif not self._ledger[circuit.id].available:
            self._available(circuit, at, online=True, retained=True)  # unknown: it may be there, and shows no life

    def _available(self, circuit: Circuit, at: float, *, online: bool, retained: bool) -> None:
        context = self._outage.report_context
        outcome = self._reports.availability(circuit, at, context, online=online, retained=retained)
        self._outage.on_report(circuit.id, outcome, at)
        if online and self._contact.stable:
            self._accept_retained(circuit, at)

    def _report(self, circuit: Circuit, position: Position, at: float, *, live: bool) -> None:
        if live:
            outcome = self._reports.live(circuit, position, at, self._outage.report_context)
            self._outage.on_report(circuit.id, outcome, at)
            return
        self._reports.retained(circuit, position)
        if self._contact.stable:
            self._accept_retained(circuit, at)
        else:
            self._outage.on_report(circuit.id, None, at)

    def _accept_retained(self, circuit: Circuit, at: float) -> None:
        self._outage.on_report(circuit.id, self._reports.accept_retained(circuit, at), at)

    def _confirm_s(self, device: _Device) -> float:
        return device.evidence.traits.confirm_s or self._context.settings.retry.confirm_s
