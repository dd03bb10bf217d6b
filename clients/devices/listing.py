"""List of the devices that the broker knows, with the circuits that use them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clients.devices.bus import device_bus
from clients.devices.discovery import discover
from clients.devices.found import Candidate, Inspection
from clients.devices.inspection import inspect, profile_of_candidate
from controller.bus.profiles.family import AddressError
from controller.bus.profiles.registry import profile_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from controller.bus.profiles.registry import DeviceCatalog
    from controller.bus.profiles.schema import Profile
    from hw.broker_socket import Broker
    from rules.panel import Circuit, CircuitId


@dataclass(frozen=True, slots=True)
class ListedDevice:
    """One switch. `circuits`: those that use it. `found`: it describes itself; if not, a circuit names it.

    `setting`: what installer.toml must hold for it, as one line; empty: nothing.
    """

    candidate: Candidate
    inspection: Inspection
    circuits: tuple[CircuitId, ...] = ()
    found: bool = True
    setting: str = ""


@dataclass(frozen=True, slots=True)
class DeviceList:
    """All of them, and what the reader must know of the search."""

    devices: tuple[ListedDevice, ...]
    notes: tuple[str, ...] = ()


async def list_devices(
    broker: Broker,
    site: str,
    catalog: DeviceCatalog,
    circuits: Iterable[Circuit],
    complain: Callable[[str], None] = lambda _text: None,
) -> DeviceList:
    """Return the devices at the broker and those of the circuits. It takes some 10 s. Raises BrokerError."""
    used = [one for one in circuits if one.device is not None]
    async with device_bus(broker, complain) as bus:
        shellies = [
            one.device.address.partition("/")[2].partition("#")[0]
            for one in used
            if one.device is not None and one.device.family == "shelly"
        ]
        found = await discover(bus, catalog, site, shellies)
        profiles: dict[str, Profile] = {}
        candidates: dict[str, Candidate] = {}
        for candidate in found.candidates:
            try:
                profiles[candidate.address] = profile_of_candidate(catalog, candidate, site, len(profiles))
            except AddressError as error:
                found.notes.append(f"{candidate.address} cannot be used: {error}.")
                continue
            candidates[candidate.address] = candidate
        users = {address: _users(profile, used, site, catalog) for address, profile in profiles.items()}
        known = {circuit for circuits_of_one in users.values() for circuit in circuits_of_one}
        for circuit in used:
            if circuit.id not in known and circuit.device is not None:
                address = circuit.device.address
                if address not in profiles:
                    candidates[address] = Candidate(address)
                    profiles[address] = profile_of_candidate(catalog, candidates[address], site, len(profiles))
                users[address] = (*users.get(address, ()), circuit.id)
        inspections = await inspect(bus, profiles)
    discovered = {one.address for one in found.candidates}
    devices = tuple(
        ListedDevice(
            candidates[address],
            inspections[address],
            users.get(address, ()),
            address in discovered,
            _setting_line(candidates[address]),
        )
        for address in candidates
    )
    return DeviceList(devices, tuple(found.notes))


def _users(profile: Profile, circuits: Iterable[Circuit], site: str, catalog: DeviceCatalog) -> tuple[CircuitId, ...]:
    """Return the circuits that switch the same relay: `tasmota/heater` and `tasmota/heater#1` are one."""
    return tuple(one.id for one in circuits if _switch(profile) == _switch(profile_of(one, site, catalog)))


def _switch(profile: Profile) -> tuple[object, ...]:
    """Return what identifies a relay: where it reports, apart from replies to a question."""
    first = profile.states[0]
    return first.topic, first.path


def _setting_line(candidate: Candidate) -> str:
    return ", ".join(
        f'[families.{candidate.family}] {key} = "{value}"' for key, value in sorted(candidate.settings.items())
    )
