"""How a night ends: every fault is over, the house has its time, and all is well or named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.panel import Kind
from tests.virtual import family_checks, invariants
from tests.virtual.disk import FLUSH_S

if TYPE_CHECKING:
    from rules.panel import CircuitId
    from tests.virtual.random_house import RandomHouse

LONGEST_FAULT_S = 60.0
"""Return temporary faults to normal after their time; permanent ones at the end of the night."""


def settle_down(house: RandomHouse, quiet_s: float, *, on_utility: bool) -> float:
    """End every fault, wait, and check that every circuit is in its place, or named; return when they ended."""
    house.run(LONGEST_FAULT_S)
    _heal(house, on_utility=on_utility)
    healed_at = house.at
    house.run(quiet_s)
    program = house.program
    engine, facts = program.engine, program.facts
    assert engine is not None
    invariants.every_circuit_is_where_it_belongs_or_is_named(facts, engine, house.devices, house.at)
    family_checks.devices_are_where_they_belong(facts, engine, house.devices, house.at)
    program.disk.commit(house.at)
    if not program.disk.damaged:
        invariants.the_disk_knows_what_the_engine_knows(facts, engine, program.disk.look())
    if house.meter is not None:
        house.meter.live(house.at)
        invariants.energy_is_what_went_through(facts, program.energies, house.meter)
    return healed_at


def _heal(house: RandomHouse, *, on_utility: bool) -> None:
    """End every fault, and let the contact be steady."""
    program = house.program
    program.disk.break_down(None)
    program.disk.flush_s = FLUSH_S
    program.crash_after, program.file_wrong = None, False
    house.stuck, house.edges_lost, house.drop_until = None, False, house.at
    house.wire.heal()
    if house.meter is not None:
        house.meter.silent = False
    house.contact(is_open=not on_utility)
    if house.contact_on_bus:
        house.after(1.0, house.contact_back_on_bus)
    house.families.heal()
    for circuit in program.panel:
        if circuit.kind in (Kind.GEN2, Kind.RELAY):
            house.devices[circuit.id].heal()
            house.after(house.random.choice((0.1, 1.0, 3.0)), lambda circuit=circuit: _found_well(house, circuit.id))  # type: ignore[misc]


def _found_well(house: RandomHouse, circuit: CircuitId) -> None:
    house.attach(circuit)
    house.says_again(circuit)
    house.after(60.0, lambda: house.says_again(circuit))  # the first may pass for an answer to a try
