"""Views of the controller and of a circuit, built for publication."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.core.views import CircuitView, HoldView, StateView
from rules.controllability import controllable
from rules.explain import explain
from rules.panel import Tag
from rules.remedy import remedy
from rules.waiting import waits_for

if TYPE_CHECKING:
    from controller.core.command_scheduler import CommandScheduler
    from controller.core.contact_handler import ContactHandler
    from controller.core.context import CoreContext
    from controller.core.device_tracker import DeviceTracker
    from controller.core.outage import OutageLifecycle
    from rules.boot_time import BootTime
    from rules.ledger_entry import CircuitEntry, Hold
    from rules.panel import Circuit, CircuitId


class ViewBuilder:
    """Builds the views from the parts of one engine."""

    def __init__(
        self,
        context: CoreContext,
        contact: ContactHandler,
        outage: OutageLifecycle,
        scheduler: CommandScheduler,
        devices: DeviceTracker,
    ) -> None:
        self._context = context
        self._ledger = context.ledger
        self._contact = contact
        self._outage = outage
        self._scheduler = scheduler
        self._devices = devices

    def state(self, generator_power_lost_at: float | None) -> StateView:
        """Return the view of the controller. `generator_power_lost_at`: monotonic seconds; None: no sign of a loss."""
        ledger, panel, outage = self._ledger, self._context.panel.current, self._outage
        entries = list(ledger)
        watched = tuple(circuit for circuit, entry in entries if circuit in self._scheduler.late_off_watch)
        return StateView(
            state=outage.state.value,
            source=self._contact.contact.settled.value,
            since=outage.state_since,
            outage=ledger.outage,
            shed=tuple(circuit for circuit, entry in entries if self._is_shed(circuit, entry)),
            unconfirmed=tuple(circuit for circuit, entry in entries if self._is_unconfirmed(circuit, entry)),
            owed=tuple(circuit for circuit, entry in entries if entry.owed and not entry.reports_on),
            uncontrollable=tuple(
                circuit.id for circuit in panel if circuit.tag is Tag.NONESSENTIAL and not controllable(circuit)
            ),
            taken_over=tuple(circuit for circuit, entry in entries if entry.taken_over),
            stable_at=self._contact.stable_deadline(),
            flap_openings=self._contact.flap_openings,
            generator_power_lost_at=generator_power_lost_at,
            kind=self._context.record.kind,
            drill_until=outage.drill_ends_at,
            late_off_watch=watched,
        )

    def circuit(self, circuit: Circuit, now: float) -> CircuitView:
        """Return the view of a circuit. `now`: monotonic seconds of this boot."""
        entry, house, boot = self._ledger[circuit.id], self._outage.situation, self._ledger.boot_time(now)
        last = entry.last_switch
        power_w, power_age_s = self._devices.power(circuit.id, now)
        in_this_boot = last is not None and last.at.boot == boot.boot and last.position is entry.shown
        return CircuitView(
            id=circuit.id,
            name=circuit.name,
            breaker=circuit.kind,
            tag=circuit.tag,
            controllable=controllable(circuit),
            position=entry.shown,
            available=entry.available,
            shed=self._is_shed(circuit.id, entry),
            why=explain(circuit, entry, house),
            switched_at=last.at.mono if last is not None and in_this_boot else None,
            owed=entry.owed and not entry.reports_on,
            protected=circuit.protected,
            spaces=circuit.spaces,
            amps=circuit.amps,
            rank=circuit.rank,
            hold=None if entry.hold is None else _hold(entry.hold, boot),
            remedy=remedy(circuit, entry, house),
            back_at=self._scheduler.back_at(circuit.id),
            waits_for=waits_for(circuit, entry, house, now, stable=self._contact.stable),
            power_w=power_w,
            power_age_s=power_age_s,
        )

    def _is_shed(self, circuit: CircuitId, entry: CircuitEntry) -> bool:
        """Return whether the controller switched the circuit off in the open outage, and the device confirmed it."""
        record, outage = entry.shed_record, self._ledger.outage
        if record is None or outage is None or record.outage != outage:
            return False
        return entry.confirmed_off and not self._is_unconfirmed(circuit, entry)

    def _is_unconfirmed(self, circuit: CircuitId, entry: CircuitEntry) -> bool:
        """Return whether the device has not confirmed the position that it was commanded."""
        if self._scheduler.awaits_confirmation(circuit):
            return True
        if not (self._outage.state.sheds and entry.owed):
            return False
        return self._scheduler.needs_off(self._context.panel.current[circuit])


def _hold(hold: Hold, boot: BootTime) -> HoldView:
    return HoldView(hold.by, hold.note, hold.since.mono if hold.since.boot == boot.boot else None)
