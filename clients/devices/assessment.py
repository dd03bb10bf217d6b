"""Assessment of the devices of a house: what in their own settings, or at the broker, works against the controller.

Devices are only asked; nothing is switched or changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clients.devices import messages
from clients.devices.listing import list_devices
from clients.devices.stored_commands import find_stored_commands
from controller.bus.profiles.registry import profile_of
from controller.runtime import startup
from rules.controllability import controllable
from rules.panel import Tag, Wakes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clients.devices.listing import ListedDevice
    from controller.config.loader import Configuration
    from rules.panel import Circuit

WAKES_ON, WAKES_OTHERWISE, WATCHDOG, STORED, UNCONFIRMABLE, SILENT = (
    "wakes-on",
    "wakes-otherwise",
    "device-watchdog",
    "stored-command",
    "unconfirmable",
    "device-silent",
)
"""Kinds of findings."""


@dataclass(frozen=True, slots=True)
class DeviceFinding:
    """One finding about a circuit. `kind`: one of the words above. `message` and `action`: sentences."""

    kind: str
    circuit: str
    message: str
    action: str


async def assess_devices(
    configuration: Configuration, complain: Callable[[str], None] = lambda _text: None
) -> tuple[DeviceFinding, ...]:
    """Return what was found about the circuits' devices. It takes some 15 s. Raises BrokerError."""
    broker, site = startup.broker(configuration), configuration.site.id
    catalog, panel = configuration.installer.devices, configuration.panel
    profiles = {one.id: profile_of(one, site, catalog) for one in panel if controllable(one)}
    found = [
        DeviceFinding(STORED, circuit, messages.stored_command(circuit, one.topic), messages.CLEAR_STORED)
        for one in await find_stored_commands(broker, profiles, complain)
        for circuit in one.circuits
    ]
    if any(one.device is not None for one in panel):
        listed = await list_devices(broker, site, catalog, panel, complain)
        own = catalog.families["zigbee2mqtt"].values if "zigbee2mqtt" in catalog.families else {}
        for device in listed.devices:
            for circuit in device.circuits:
                found += judge(device, panel[circuit], own.get("own_reports", ()))
    return tuple(found)


def judge(device: ListedDevice, circuit: Circuit, own_reports: object = ()) -> Iterator[DeviceFinding]:
    """Yield the findings about the device of one circuit.

    `own_reports`: names in `[families.zigbee2mqtt] own_reports`.
    """
    seen = device.inspection
    shed = circuit.tag is Tag.NONESSENTIAL
    if shed and seen.power_on == "on":
        text = messages.wakes_on(circuit.id, seen.power_on_value)
        yield DeviceFinding(WAKES_ON, circuit.id, text, messages.set_power_on(circuit.wakes.value))
    elif seen.power_on is not None and seen.power_on != _wanted(circuit):
        text = messages.wakes_otherwise(circuit.id, messages.power_on_text(seen), circuit.wakes.value)
        yield DeviceFinding(WAKES_OTHERWISE, circuit.id, text, messages.set_power_on(circuit.wakes.value))
    elif seen.power_on is None and seen.can_read_power_on:
        yield DeviceFinding(SILENT, circuit.id, messages.silent(circuit.id), messages.CHECK_DEVICE)
    for one in seen.watchdogs:
        if one.value is not None and not one.harmless:
            text = messages.watchdog(circuit.id, one.what, one.value)
            yield DeviceFinding(WATCHDOG, circuit.id, text, messages.END_WATCHDOG)
    exposes = device.candidate.exposes
    if exposes is not None and not exposes.readable:
        name = device.candidate.address.partition("/")[2].partition("#")[0]
        if not exposes.reports_itself:
            cure = messages.zigbee_options(", ".join(exposes.state_keys))
            yield DeviceFinding(UNCONFIRMABLE, circuit.id, messages.unconfirmable(circuit.id), cure)
        elif not (isinstance(own_reports, tuple) and name in own_reports):
            cure = messages.own_reports(name)
            yield DeviceFinding(UNCONFIRMABLE, circuit.id, messages.unconfirmable(circuit.id), cure)
    elif circuit.device is not None and not circuit.device.can_be_confirmed:
        yield DeviceFinding(UNCONFIRMABLE, circuit.id, messages.unconfirmable(circuit.id), messages.CHECK_PROFILE)


def _wanted(circuit: Circuit) -> str:
    return "off" if circuit.wakes is Wakes.OFF else "as-was"
