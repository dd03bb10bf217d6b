"""What the engine's parts look like from outside, as the views that are told on the bus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.core.views import CircuitView, StateView
from rules.controllability import controllable
from rules.explain import explain
from rules.panel import Tag

if TYPE_CHECKING:
    from controller.core.command_scheduler import CommandScheduler
    from controller.core.transfer import Transfer
    from rules.boot_time import BootTime
    from rules.ledger import Ledger
    from rules.ledger_entry import CircuitEntry
    from rules.panel import Circuit, Panel


def state_view(
    panel: Panel,
    ledger: Ledger,
    transfer: Transfer,
    switches: CommandScheduler,
    generator_power_lost_at: float | None,
    *,
    drill_until: float | None,
) -> StateView:
    """Return the controller as a whole. Monotonic s; `drill_until`: None where no drill is on."""
    entries = list(ledger)
    return StateView(
        state=transfer.house.now.value,
        source=transfer.contact.settled.value,
        since=transfer.house.since,
        outage=ledger.outage,
        shed=tuple(circuit for circuit, entry in entries if is_shed(entry, ledger.outage)),
        unconfirmed=tuple(circuit for circuit, _ in entries if switches.awaits(circuit)),
        owed=tuple(circuit for circuit, entry in entries if entry.owed),
        uncontrollable=tuple(
            circuit.id for circuit in panel if circuit.tag is Tag.NONESSENTIAL and not controllable(circuit)
        ),
        taken_over=tuple(circuit for circuit, entry in entries if entry.taken_over),
        stable_at=transfer.stable_due(),
        flap_openings=transfer.flaps,
        generator_power_lost_at=generator_power_lost_at,
        kind=transfer.kind,
        drill_until=drill_until,
    )


def circuit_view(
    circuit: Circuit, entry: CircuitEntry, outage: int | None, now: BootTime, *, drill: bool
) -> CircuitView:
    """Return one circuit. `now`: any moment of this boot. `drill`: the open outage is one."""
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
    """Tell whether the circuit is owed from the present outage."""
    return entry.owed and outage is not None and entry.shed_record is not None and entry.shed_record.outage == outage
