"""Step of setup: the MQTT devices of the circuits, and those of their settings that must fit the file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from clients.devices import messages
from clients.devices.listing import list_devices
from clients.devices.settings import set_power_on, set_zigbee_options
from controller.bus.profiles.family import AddressError
from controller.bus.profiles.registry import FamilySettings
from hw.broker_socket import BrokerError
from rules.controllability import controllable
from rules.device import DeviceTraits
from rules.panel import Panel, Wakes

if TYPE_CHECKING:
    from clients.devices.found import PowerOnWord
    from clients.devices.listing import ListedDevice
    from clients.setup.session import SetupSession
    from rules.panel import Circuit


async def devices(ground: SetupSession) -> bool:
    """Offer the devices found at the broker, then correct their settings with consent. False: no broker, or refused."""
    person = ground.prompt
    person.say(messages.LOOKING)
    try:
        listed = await list_devices(ground.broker, ground.site, ground.installer.devices, ground.panel)
        person.say(messages.list_text(listed))
        chosen = await _assigned(ground, [one for one in listed.devices if not one.circuits])
        if chosen != ground.panel and not ground.write_panel(chosen):
            return False
        for device in listed.devices:
            for circuit in ground.panel:
                if circuit.device is not None and (
                    circuit.id in device.circuits or circuit.device.address == device.candidate.address
                ):
                    await _fitted(ground, circuit, device)
    except (BrokerError, AddressError) as error:
        person.say(str(error))
        return False
    return True


async def _assigned(ground: SetupSession, free: list[ListedDevice]) -> Panel:
    """Return the panel with the devices that the user has chosen."""
    panel = ground.panel
    for circuit in panel:
        if not controllable(circuit) or circuit.device is not None or not free:
            continue
        ground.prompt.say("\n".join(f"  {place}: {one.candidate.address}" for place, one in enumerate(free, 1)))
        numbers = [str(place) for place in range(1, len(free) + 1)]
        answer = await ground.prompt.choose(messages.which_device(circuit.label), [*numbers, "none"], "none")
        if answer == "none":
            continue
        device = free.pop(int(answer) - 1)
        changed = replace(circuit, device=DeviceTraits(device.candidate.address))
        panel = Panel({**panel.circuits, circuit.id: changed})
    return panel


async def _fitted(ground: SetupSession, circuit: Circuit, device: ListedDevice) -> None:
    """Offer to correct the settings of one device."""
    person, catalog = ground.prompt, ground.installer.devices
    exposes = device.candidate.exposes
    if exposes is not None and exposes.reports_itself is False:
        if await person.confirm(messages.offer_options(circuit.id, ", ".join(exposes.state_keys))):
            done = await set_zigbee_options(ground.broker, ground.site, catalog, device.candidate)
            person.say(messages.options_result(circuit.id, done=done))
            if done:
                _note_own_reports(ground, device)
    elif exposes is not None and exposes.reports_itself:
        _note_own_reports(ground, device)
    wanted: PowerOnWord = "off" if circuit.wakes is Wakes.OFF else "as-was"
    seen = device.inspection
    if (
        seen.power_on is not None
        and seen.power_on != wanted
        and await person.confirm(messages.offer_power_on(circuit.id, messages.power_on_text(seen), wanted))
    ):
        found = await set_power_on(ground.broker, ground.site, catalog, device.candidate, wanted)
        person.say(messages.power_on_result(circuit.id, found, wanted))


def _note_own_reports(ground: SetupSession, device: ListedDevice) -> None:
    """Write into installer.toml that the reports of this device are its own."""
    catalog = ground.installer.devices
    old = catalog.families.get("zigbee2mqtt", FamilySettings())
    names = old.values.get("own_reports", ())
    name = device.candidate.address.partition("/")[2].partition("#")[0]
    if isinstance(names, tuple) and name not in names:
        changed = replace(old, values={**old.values, "own_reports": (*names, name)})
        ground.write_installer(devices=replace(catalog, families={**catalog.families, "zigbee2mqtt": changed}))
