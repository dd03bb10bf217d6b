"""What the engine's parts look like from outside, as the views that are told on the bus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.core.views import CircuitView, StateView
from rules.controllability import controllable
from rules.explain import why
from rules.panel import Tag

if TYPE_CHECKING:
    from controller.core.command_scheduler import Switchboard
    from controller.core.transfer import Transfer
    from rules.boot_time import Moment
    from rules.ledger import Ledger
    from rules.ledger_entry import Entry
    from rules.panel import Circuit, Panel


def state_view(
    panel: Panel,
    ledger: Ledger,
    transfer: Transfer,
    switches: Switchboard,
    generator_stopped_at: float | None,
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
        flaps=transfer.flaps,
        generator_stopped_at=generator_stopped_at,
        kind=transfer.kind,
        drill_until=drill_until,
    )


def circuit_view(circuit: Circuit, entry: Entry, outage: int | None, now: Moment, *, drill: bool) -> CircuitView:
    """Return one circuit. `now`: any moment of this boot. `drill`: the open outage is one."""
    last = entry.switched
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
        why=why(circuit, entry, drill=drill),
        switched_at=last.at.mono if last is not None and in_this_boot else None,
    )


def is_shed(entry: Entry, outage: int | None) -> bool:
    """Tell whether the circuit is owed from the present outage."""
    return entry.owed and outage is not None and entry.debt is not None and entry.debt.outage == outage
