"""What must never happen to circuits on devices of MQTT families, judged by the actual contacts of their relays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.panel import Position
from tests.virtual.family_device import FamilyDevice
from tests.virtual.invariants import sheddable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from controller.core.effects import LogEvent
    from controller.core.engine import Engine
    from rules.panel import CircuitId
    from tests.virtual.device import Device
    from tests.virtual.facts import Facts

SLACK_S = 20.0
"""A report may be on its way for so long: hubs and stalls."""

RECHECK_S = 345.0
"""After this time the program has asked again: each 300 s, with the time for the questions."""

POWER_PROOF_S = 90.0
_MEASURED = ("tasmota", "shelly", "span")


def what_is_confirmed_was_so(
    facts: Facts, devices: Mapping[CircuitId, Device], rows: Iterable[LogEvent], at: float
) -> None:
    """A position that is called confirmed, and that the contacts never had since the command."""
    for row in rows:
        device = None if row.circuit is None else devices.get(row.circuit)
        if isinstance(device, FamilyDevice) and row.event in ("confirmed_off", "confirmed_on"):
            _was_so(facts, device, row, at)


def _was_so(facts: Facts, device: FamilyDevice, row: LogEvent, at: float) -> None:
    known, is_on = facts[device.circuit], row.event == "confirmed_on"
    began = (known.on_at if is_on else known.off_at) - SLACK_S
    if device.disturbed_at >= began or device.welded_at >= began:
        return
    facts.guards[f"family: {row.event}"] += 1
    facts.guards[f"family: {row.event} by {device.family}"] += 1
    is_so = (device.position is Position.ON) is is_on
    was_so = any(move.at >= began for move in device.relay.moves)
    assert is_so or was_so, f"{at}: {device.circuit} ({device.text}) is {row.event}, and never was"


def nothing_on_is_called_off(facts: Facts, engine: Engine, devices: Mapping[CircuitId, Device], at: float) -> None:
    """A circuit that is called off, and whose relay has been on for long enough to know."""
    energized = [
        one for one in devices.values() if isinstance(one, FamilyDevice) and one.relay.energized and one.relay.powered
    ]
    if not energized:
        return
    state = engine.state_view()
    called_off = {*state.shed} - {*state.unconfirmed}
    for device in energized:
        if device.circuit not in called_off or device.circuit not in facts.panel:
            continue
        faults = device.relay.faults
        welded = faults.welded
        if welded and (device.family not in _MEASURED or faults.false_watts):
            continue  # nothing in the house can know
        since = max(device.clear_since, device.on_at, facts.started_at, facts.connected_at)
        if welded:
            since = max(since, facts[device.circuit].off_at)
        facts.guards["family: on and called off, not known yet"] += 1
        limit_s = POWER_PROOF_S if welded else RECHECK_S
        assert at <= since + limit_s, f"{at}: {device.circuit} ({device.text}) is on, and called off"


def devices_are_where_they_belong(facts: Facts, engine: Engine, devices: Mapping[CircuitId, Device], at: float) -> None:
    """Long enough after the last fault: what is to be shed is off, and what is called off is off."""
    nothing_on_is_called_off(facts, engine, devices, at)
    sheds = facts.contact.settled_open is True
    for circuit in facts.panel:
        device = devices[circuit.id]
        if not isinstance(device, FamilyDevice):
            continue
        if sheds and sheddable(circuit) and not facts[circuit.id].taken_over:
            facts.guards["family: off in the end"] += 1
            assert not device.relay.energized, f"{at}: {circuit.id} ({device.text}) is on, on standby"
