"""Alarms about circuits. They are updated as circuits are evaluated: a large panel does not slow down a turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.core.alarms import Alarm, AlarmSubject
from controller.core.companion_watch import CompanionWatch
from controller.core.state_machine import State
from rules.explain import reason_kept_off
from rules.generator_loss import GeneratorLossDetector
from rules.on_delay import OnDelay
from rules.panel import Position, Tag
from rules.remedy import command, remedy
from rules.shed import MAX_ATTEMPTS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from controller.core.command_scheduler import CommandScheduler
    from controller.core.contact_handler import ContactHandler
    from controller.core.context import CoreContext
    from controller.core.demand_recorder import DemandRecorder
    from controller.core.device_tracker import DeviceTracker
    from controller.core.outage import OutageLifecycle
    from rules.panel import Circuit, CircuitId

OFF_AFTER_S = 10.0
"""Time an essential circuit is off before the alarm, in seconds: a relay that reboots reports off for a moment."""

UNAVAILABLE_AFTER_S = 120.0
"""Longer than devices take to start after a transfer, and than last wills take after a generator stops, in seconds."""


class CircuitAlarmMonitor:
    """Raises and clears the alarms about circuits.

    `generator`: while it has lost power, no alarm is raised for circuits that only lack that power.
    """

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
        self._ledger = context.ledger
        self._outbox = context.outbox
        self._scheduler = scheduler
        self._contact = contact
        self._outage = outage
        self._demand = demand
        self._devices = devices
        self._off, self._unavailable = OnDelay(OFF_AFTER_S), OnDelay(UNAVAILABLE_AFTER_S)
        self._on = OnDelay(MAX_ATTEMPTS * context.settings.retry.confirm_s)
        self._delays = (self._off, self._unavailable, self._on)
        self._tripped: set[CircuitId] = set()
        self._left_off: set[CircuitId] = set()
        self._drawing: set[CircuitId] = set()
        self._sheds = self._over = self._on_generator = False
        self._demand_text: tuple[tuple[CircuitId, ...], str] = ((), "")
        self.generator = GeneratorLossDetector()
        self._companion = CompanionWatch(context, outage)

    def deadlines(self) -> tuple[float | None, ...]:
        """Return when conditions will have lasted long enough for an alarm (monotonic seconds); None: no condition."""
        return (*(delay.deadline() for delay in self._delays), self._companion.deadline())

    def set_panel(self, now: float) -> None:
        """Follow a change of the panel in force: circuits that are not in it have no alarms."""
        circuits = self._context.panel.current.circuits
        for delay in self._delays:
            delay.follow(circuits, now)
        for known in (self._tripped, self._left_off, self._drawing):
            known.intersection_update(circuits)
        self.generator.set_circuits(self._devices.units())

    def update(self, now: float) -> None:
        """Update the alarms from what the turn has changed and from conditions that have lasted long enough."""
        sheds = self._outage.state.sheds
        over = self._outage.state is State.UTILITY and self._contact.stable
        changed = (sheds, over) != (self._sheds, self._over)
        if self._sheds and not sheds:
            for delay in self._delays:
                delay.forget()
        self._sheds, self._over = sheds, over
        self._watch_generator(now, runs=sheds and not self._outage.drill_holds)
        evaluated = self._scheduler.take_evaluated()
        for circuit in evaluated:
            self._follow_circuit(self._context.panel.current[circuit], now)
        lasted = [delay.on_deadline(now) for delay in self._delays]
        generator_changed, companion_changed = self._evaluate_generator(now), self._companion.update(now)
        if changed or evaluated or any(lasted) or generator_changed or companion_changed:
            self._update_alarms(now)

    def _watch_generator(self, now: float, *, runs: bool) -> None:
        """Start or stop watching for a loss of generator power. In a drill the house is on utility."""
        if runs is not self._on_generator:
            self._on_generator = runs
            if runs:
                self.generator.opened(now)
            else:
                self.generator.closed()

    def _follow_circuit(self, circuit: Circuit, now: float) -> None:
        entry, name = self._ledger[circuit.id], circuit.id
        if self._sheds:
            essential = circuit.tag is Tag.ESSENTIAL
            self._off.set(name, now, holds=essential and entry.position is Position.OFF)
            self._unavailable.set(name, now, holds=essential and not entry.available)
            self._on.set(name, now, holds=self._scheduler.needs_off(circuit))
        (self._tripped.add if entry.position is Position.TRIPPED else self._tripped.discard)(name)
        (self._left_off.add if entry.left_off_manually else self._left_off.discard)(name)
        (self._drawing.add if entry.still_drawing else self._drawing.discard)(name)
        self._devices.update_generator(self.generator, circuit.id, now)

    def _evaluate_generator(self, now: float) -> bool:
        """Log whether generator power was lost or is back; return whether either is new."""
        lost = self.generator.evaluate(meter_answers=self._demand.answers)
        if lost is None:
            return False
        self._outbox.publish_state()
        if lost:
            meter = {None: "not installed", False: "silent"}[self._demand.answers]
            self._outbox.log_event(
                "generator_power_lost",
                now,
                may_be_delayed=False,
                began_at=self.generator.stopped_at,
                devices=self.generator.gone,
                meter=meter,
            )
        else:
            self._outbox.log_event("generator_power_restored", now, may_be_delayed=False)
            for delay in self._delays:
                delay.restart(now)  # all devices start again
        return True

    # --- alarms ------------------------------------------------------------------------------------------------------

    def _update_alarms(self, now: float) -> None:
        power_lost = self.generator.stopped_at is not None
        self._set_alarm(Alarm.CIRCUIT_TRIPPED, now, self._tripped, since=self._switched_at(self._tripped, now))
        off: dict[CircuitId, float] = {} if power_lost else self._unavailable.active | self._off.active
        self._set_alarm(Alarm.ESSENTIAL_OFF, now, off, self._off_detail, since=min(off.values(), default=now))
        on: dict[CircuitId, float] = {} if power_lost else self._on.active
        not_off = self._companion.not_off if not power_lost else set()
        since = min(on.values(), default=now)
        self._set_alarm(Alarm.SHED_INCOMPLETE, now, {*on, *not_off}, self._still_on, since=since)
        self._set_alarm(Alarm.COMPANION_BLIND, now, () if power_lost else self._companion.blind)
        silent = [one for one in self._scheduler.unanswered if not power_lost and not self._ledger[one].still_drawing]
        self._set_alarm(Alarm.BREAKER_NO_RESPONSE, now, silent, self._sent)
        self._set_alarm(Alarm.STILL_DRAWING, now, self._drawing, self._drawn)
        self._update_not_restored(now)

    def retained_commands(self, circuits: Collection[CircuitId], now: float) -> None:
        """Raise the alarm about stored commands for these circuits; clear it if there are none."""
        panel = self._context.panel.current
        self._set_alarm(Alarm.RETAINED_COMMAND, now, [circuit for circuit in circuits if circuit in panel])

    def _update_not_restored(self, now: float) -> None:
        """After the outage: update the alarms about circuits that are not restored or wait for the user."""
        owed: set[CircuitId] = set()
        waiting: set[CircuitId] = set()
        if self._over:
            owed = self._ledger.owed_circuits - self._scheduler.unsettled - self._scheduler.late_off_watch
            waiting = {circuit for circuit in owed if self._kept_off(circuit)}
        self._set_alarm(Alarm.NOT_RESTORED, now, owed - waiting)
        # A circuit that still draws power is not off: another alarm names it.
        awaiting_user = (waiting | self._left_off) - self._drawing if self._over else waiting
        self._set_alarm(Alarm.OFF_AWAITING_USER, now, awaiting_user, self._kept_off)

    def _set_alarm(
        self,
        alarm: Alarm,
        now: float,
        circuits: Collection[CircuitId],
        describe: Callable[[CircuitId], str] | None = None,
        since: float | None = None,
    ) -> None:
        """Raise the alarm for these circuits, each with its description; clear it if there are no circuits."""
        if not circuits and alarm not in self._outbox.alarms:
            return
        panel, names = self._context.panel.current, tuple(sorted(circuits))
        labels = tuple(panel[name].label for name in names)
        detail = ""
        if describe is not None:
            texts = zip(labels, map(describe, names), strict=True)
            detail = "; ".join(f"{label} ({text})" if text else label for label, text in texts)
        if alarm is Alarm.SHED_INCOMPLETE and names:
            detail += self._demand_detail(names, now)
        subject = AlarmSubject(detail, names, labels, self._remedies(names))
        self._outbox.set_alarm(alarm, now, active=bool(names), subject=subject, since=since)

    # --- texts -------------------------------------------------------------------------------------------------------

    def _remedies(self, circuits: tuple[CircuitId, ...]) -> str:
        """Return a sentence with the command for each circuit that the controller accepts now; empty: none helps."""
        panel, house = self._context.panel.current, self._outage.situation
        found = [(panel[circuit], remedy(panel[circuit], self._ledger[circuit], house)) for circuit in circuits]
        commands = [f"{one.name}: {command(request, one)}" for one, request in found if request is not None]
        return f"{'; '.join(commands)}." if commands else ""

    def _sent(self, circuit: CircuitId) -> str:
        entry = self._ledger[circuit]
        off = entry.sent is Position.OFF
        return "OFF sent, not confirmed: treat as ON" if off else "ON sent, not confirmed: it may still be off"

    def _drawn(self, circuit: CircuitId) -> str:
        watts, _ = self._devices.power(circuit, 0.0)
        return "" if watts is None else f"reports off but draws {watts / 1000:.1f} kW"

    def _off_detail(self, circuit: CircuitId) -> str:
        entry = self._ledger[circuit]
        if entry.position is not Position.OFF:
            return "no response from its device"
        if self._ledger.before.get(circuit) is Position.OFF:
            return "off before the outage"
        return f"switched off by {entry.last_switch.actor}" if entry.last_switch is not None else "off"

    def _kept_off(self, circuit: CircuitId) -> str:
        return reason_kept_off(self._context.panel.current[circuit], self._ledger[circuit]) or ""

    def _still_on(self, circuit: CircuitId) -> str:
        """Return the rating of a circuit that is not off, and who sheds it if that is not this program."""
        amps = self._context.panel.current[circuit].amps
        parts = [] if amps is None else [f"{amps:g} A"]
        if circuit in self._companion.not_off:
            parts.append("shed by Leviton, and still reported on")
        return ", ".join(parts)

    def _demand_detail(self, circuits: tuple[CircuitId, ...], now: float) -> str:
        """Return the demand of the house when exactly these circuits were first found on."""
        if circuits != self._demand_text[0]:
            view = self._demand.view(now)
            kw = None if view is None else view.kw
            self._demand_text = circuits, "" if kw is None else f". The house drew {kw:.1f} kW then"
        return self._demand_text[1]

    def _switched_at(self, circuits: Collection[CircuitId], now: float) -> float:
        """Return when the first of these circuits was last switched, as far as known in this boot; else `now`."""
        switches = (self._ledger[circuit].last_switch for circuit in circuits)
        boot = self._ledger.boot_time(now).boot
        return min((one.at.mono for one in switches if one is not None and one.at.boot == boot), default=now)
