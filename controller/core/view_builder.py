"""Views of the controller and of a circuit, built for publication."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.core.views import CircuitView, StateView
from rules.controllability import controllable
from rules.explain import explain
from rules.panel import Tag

if TYPE_CHECKING:
    from controller.core.command_scheduler import CommandScheduler
    from controller.core.contact_handler import ContactHandler
    from controller.core.context import CoreContext
    from controller.core.outage import OutageLifecycle
    from rules.boot_time import BootTime
    from rules.ledger_entry import CircuitEntry
    from rules.panel import Circuit


def state_view(
    context: CoreContext,
    contact: ContactHandler,
    outage: OutageLifecycle,
    scheduler: CommandScheduler,
    generator_power_lost_at: float | None,
) -> StateView:
    """Return the view of the controller. `generator_power_lost_at`: monotonic seconds; None: no sign of a loss."""
    ledger, panel = context.ledger, context.panel.current
    entries = list(ledger)
    return StateView(
        state=outage.state.value,
        source=contact.contact.settled.value,
        since=outage.state_since,
        outage=ledger.outage,
        shed=tuple(circuit for circuit, entry in entries if is_shed(entry, ledger.outage)),
        unconfirmed=tuple(circuit for circuit, _ in entries if scheduler.awaits_confirmation(circuit)),
        owed=tuple(circuit for circuit, entry in entries if entry.owed),
        uncontrollable=tuple(
            circuit.id for circuit in panel if circuit.tag is Tag.NONESSENTIAL and not controllable(circuit)
        ),
        taken_over=tuple(circuit for circuit, entry in entries if entry.taken_over),
        stable_at=contact.stable_deadline(),
        flap_openings=contact.flap_openings,
        generator_power_lost_at=generator_power_lost_at,
        kind=context.record.kind,
        drill_until=outage.drill_ends_at,
    )


def circuit_view(
    circuit: Circuit, entry: CircuitEntry, outage: int | None, now: BootTime, *, drill: bool
) -> CircuitView:
    """Return the view of a circuit. `now`: any time of this boot. `drill`: the open outage is a drill."""
    last = entry.last_switch
    in_this_boot = last is not None and last.at.boot == now.boot and last.position is entry.position
    return CircuitView(
        id=circuit.id,
        name=circuit.name,
        breaker=circuit.kind,
        tag=circuit.tag,
        controllable=controllable(circuit),
        position=entry.position,
        available=entry.available,
        shed=is_shed(entry, outage),
        why=explain(circuit, entry, drill=drill),
        switched_at=last.at.mono if last is not None and in_this_boot else None,
    )


def is_shed(entry: CircuitEntry, outage: int | None) -> bool:
    """Return whether the circuit is owed from the open outage."""
    return entry.owed and outage is not None and entry.shed_record is not None and entry.shed_record.outage == outage
