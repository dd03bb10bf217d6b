"""What a person must know of the circuits: kept as they are looked at, so that a large panel costs no more a turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.core.alarms import Alarm
from rules.explain import reason_kept_off
from rules.generator_loss import GeneratorLossDetector
from rules.on_delay import OnDelay
from rules.panel import Position, Tag
from rules.shed import MAX_ATTEMPTS, wants_off

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from controller.core.command_scheduler import CommandScheduler
    from controller.core.demand_recorder import DemandRecorder
    from controller.core.outbox import Outbox
    from controller.core.transfer import Transfer
    from rules.ledger import Ledger
    from rules.panel import Circuit, CircuitId

OFF_AFTER_S = 10.0
"""An essential circuit is off for so long before it is said: a relay that reboots says so for a moment."""

AWAY_AFTER_S = 120.0
"""Longer than a device takes to wake after a transfer, and than the last wills of a generator that stops."""


class CircuitAlarmMonitor:
    """Raises and clears the alarms about circuits.

    `generator`: while it has stopped, none is raised for what only lacks its power.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        switches: CommandScheduler,
        transfer: Transfer,
        demand: DemandRecorder,
        chronicle: Outbox,
        confirm_s: float,
    ) -> None:
        self._ledger = ledger
        self._switches = switches
        self._transfer = transfer
        self._demand = demand
        self._chronicle = chronicle
        self._off, self._away = OnDelay(OFF_AFTER_S), OnDelay(AWAY_AFTER_S)
        self._on = OnDelay(MAX_ATTEMPTS * confirm_s)
        self._tripped: set[CircuitId] = set()
        self._left: set[CircuitId] = set()
        self._sheds = self._over = self._on_generator = False
        self._found_on: tuple[tuple[CircuitId, ...], str] = ((), "")
        self.generator = GeneratorLossDetector()

    def deadlines(self) -> tuple[float | None, ...]:
        """Return when something will have lasted long enough to be said."""
        return self._off.deadline(), self._away.deadline(), self._on.deadline()

    def set_panel(self, now: float) -> None:
        """Follow a changed file: what is no longer in it is nobody's alarm."""
        circuits = self._transfer.panel.circuits
        for lasting in (self._off, self._away, self._on):
            lasting.follow(circuits, now)
        for known in (self._tripped, self._left):
            known.intersection_update(circuits)
        self.generator.set_circuits(circuits)

    def update(self, now: float) -> None:
        """See what the turn has changed, and what has lasted long enough by `now`."""
        sheds, over = self._transfer.house.now.sheds, self._transfer.over
        changed = (sheds, over) != (self._sheds, self._over)
        if self._sheds and not sheds:
            for lasting in (self._off, self._away, self._on):
                lasting.forget()
        self._sheds, self._over = sheds, over
        self._follow_generator(now, runs=sheds and not self._transfer.drilling)
        looked, self._switches.evaluated = self._switches.evaluated, set()
        for circuit in looked:
            self._look(self._transfer.panel[circuit], now)
        lasted = [one.on_deadline(now) for one in (self._off, self._away, self._on)]
        judged = self._evaluate(now)
        if changed or looked or any(lasted) or judged:
            self._update_alarms(now)

    def _follow_generator(self, now: float, *, runs: bool) -> None:
        """Begin or end to watch whether it stops. In a drill the house is on utility."""
        if runs is not self._on_generator:
            self._on_generator = runs
            if runs:
                self.generator.opened(now)
            else:
                self.generator.closed()

    def _look(self, circuit: Circuit, now: float) -> None:
        entry, name = self._ledger[circuit.id], circuit.id
        if self._sheds:
            essential = circuit.tag is Tag.ESSENTIAL
            self._off.set(name, now, holds=essential and entry.position is Position.OFF)
            self._away.set(name, now, holds=essential and not entry.available)
            self._on.set(name, now, holds=wants_off(circuit, entry))
        (self._tripped.add if entry.position is Position.TRIPPED else self._tripped.discard)(name)
        (self._left.add if entry.left_off_manually else self._left.discard)(name)
        self.generator.update(name, entry, now)

    def _evaluate(self, now: float) -> bool:
        """See whether the generator has stopped, or runs again; return whether either is news."""
        found = self.generator.evaluate(meter_answers=self._demand.answers)
        if found is None:
            return False
        self._chronicle.publish_queue.state = True
        if found:
            meter = {None: "there is none", False: "silent"}[self._demand.answers]
            began_at, gone = self.generator.stopped_at, self.generator.gone
            self._chronicle.log_event(
                "generator_power_lost", now, lazy=False, began_at=began_at, devices=gone, meter=meter
            )
        else:
            self._chronicle.log_event("generator_power_restored", now, lazy=False)
            for lasting in (self._off, self._away, self._on):
                lasting.restart(now)  # everything wakes in the dark once more
        return True

    # --- alarms ------------------------------------------------------------------------------------------------------

    def _update_alarms(self, now: float) -> None:
        dark = self.generator.stopped_at is not None
        self._alarm(Alarm.CIRCUIT_TRIPPED, now, self._tripped, since=self._switched_at(self._tripped, now))
        off: dict[CircuitId, float] = {} if dark else self._away.active | self._off.active
        self._alarm(Alarm.ESSENTIAL_OFF, now, off, self._how_off, since=min(off.values(), default=now))
        on: dict[CircuitId, float] = {} if dark else self._on.active
        self._alarm(Alarm.SHED_INCOMPLETE, now, on, self._rated, since=min(on.values(), default=now))
        self._alarm(Alarm.BREAKER_NO_RESPONSE, now, () if dark else self._switches.unanswered)
        self._tell_what_is_not_back(now)

    def _tell_what_is_not_back(self, now: float) -> None:
        """Tell, once the outage is over, what we could not give back, and what waits for a person."""
        owed: set[CircuitId] = set()
        left: set[CircuitId] = set()
        if self._over:
            owed = self._ledger.owed_circuits - self._switches.unsettled - self._switches.watched
            left = {circuit for circuit in owed if self._whose(circuit)}
        self._alarm(Alarm.NOT_RESTORED, now, owed - left)
        self._alarm(Alarm.OFF_AWAITING_USER, now, left | self._left if self._over else left, self._whose)

    def _alarm(
        self,
        alarm: Alarm,
        now: float,
        circuits: Collection[CircuitId],
        how: Callable[[CircuitId], str] | None = None,
        since: float | None = None,
    ) -> None:
        """Raise the alarm about these circuits, or clear it where there are none; `how` it is with each."""
        if not circuits and alarm not in self._chronicle.alarms:
            return
        names = tuple(sorted(circuits))
        detail = "" if how is None else ", ".join(f"{name} ({said})" if (said := how(name)) else name for name in names)
        if alarm is Alarm.SHED_INCOMPLETE and names:
            detail += self._drew(names, now)
        self._chronicle.alarm(alarm, now, stands=bool(names), detail=detail, circuits=names, since=since)

    # --- in words ----------------------------------------------------------------------------------------------------

    def _how_off(self, circuit: CircuitId) -> str:
        entry = self._ledger[circuit]
        if entry.position is not Position.OFF:
            return "its device does not answer"
        if self._ledger.before.get(circuit) is Position.OFF:
            return "off before the outage"
        return f"off by {entry.last_switch.actor}" if entry.last_switch is not None else "off"

    def _whose(self, circuit: CircuitId) -> str:
        return reason_kept_off(self._transfer.panel[circuit], self._ledger[circuit]) or ""

    def _rated(self, circuit: CircuitId) -> str:
        amps = self._transfer.panel[circuit].amps
        return "" if amps is None else f"{amps:g} A"

    def _drew(self, circuits: tuple[CircuitId, ...], now: float) -> str:
        """Say what the house drew when it was found that just these are still on: the figure of a moment, said once."""
        if circuits != self._found_on[0]:
            view = self._demand.view(now)
            kw = None if view is None else view.kw
            self._found_on = circuits, "" if kw is None else f"; the house drew {kw:.1f} kW then"
        return self._found_on[1]

    def _switched_at(self, circuits: Collection[CircuitId], now: float) -> float:
        """Return when the first of them moved, as far as this boot knows."""
        moved = (self._ledger[circuit].last_switch for circuit in circuits)
        here = self._ledger.boot_time(now)
        return min((one.at.mono for one in moved if one is not None and one.at.boot == here.boot), default=now)
