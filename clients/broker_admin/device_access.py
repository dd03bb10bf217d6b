"""Topics that the device of a circuit, and the gateway of a family, read and publish on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from controller.bus.profiles.family import parse_address
from controller.bus.profiles.registry import FAMILY_NAMES, family, profile_of
from controller.bus.profiles.schema import fill

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from controller.bus.profiles.registry import DeviceCatalog
    from controller.bus.profiles.schema import DeviceCommand, Profile
    from rules.panel import Panel


@dataclass(frozen=True, slots=True)
class DeviceAccess:
    """Topics of one device. `command`: its commands. `reads`: questions and settings. `writes`: its reports.

    `gateway`: family of the gateway that reports for it and has the login; None: the device has its own. `template`:
    its command before site and circuit are filled in; None: it is the contact's.
    """

    address: str
    command: tuple[str, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    gateway: str | None = None
    template: DeviceCommand | None = None


@dataclass(frozen=True, slots=True)
class GatewayAccess:
    """Topics of a gateway. `owns`: it reads and publishes. `reads`: it reads. `requests`: tools change settings."""

    owns: tuple[str, ...]
    reads: tuple[str, ...] = ()
    requests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HouseDevices:
    """Devices of a house. `gateways`: of the families that have one.

    `discovery`: filters of all families: devices can be listed before a circuit uses one.
    """

    catalog: DeviceCatalog
    devices: tuple[DeviceAccess, ...] = ()
    gateways: Mapping[str, GatewayAccess] = field(default_factory=dict)
    discovery: tuple[str, ...] = ()

    def of(self, address: str) -> tuple[DeviceAccess, ...]:
        """Return the devices of circuits that an address means: one channel, or all channels and objects of one device.

        Raises `AddressError` if it is no address.
        """
        wanted = parse_address(address)
        if wanted.channel is not None:
            if exact := tuple(one for one in self.devices if one.address == address):
                return exact
            # The first channel may be written or left out: the commands are the same.
            command = self.catalog.profile(address).command
            return tuple(one for one in self.devices if one.template == command)
        known = [(one, parse_address(one.address)) for one in self.devices]
        if same := [one for one, at in known if (at.family, at.name) == (wanted.family, wanted.name)]:
            return tuple(same)
        below = f"{wanted.name}/"
        return tuple(one for one, at in known if at.family == wanted.family and at.name.startswith(below))

    def with_contact(self, contact: DeviceAccess) -> HouseDevices:
        """Return the same with the device of the contact."""
        return replace(self, devices=(*self.devices, contact))


def house_devices(panel: Panel, site: str, catalog: DeviceCatalog) -> HouseDevices:
    """Return the topics of the devices in circuits.toml, and of all gateways."""
    devices = tuple(
        replace(
            _access(circuit.device.address, profile_of(circuit, site, catalog)),
            template=catalog.profile(circuit.device.address).command,
        )
        for circuit in panel
        if circuit.device is not None
    )
    return HouseDevices(catalog, devices, _gateways(site, catalog), _discovery(site, catalog))


def contact_access(address: str, site: str, catalog: DeviceCatalog) -> DeviceAccess:
    """Return the topics of the contact's device."""
    profile = fill(catalog.contact(address), {"site": site})
    asked = () if profile.query is None else (profile.query.topic,)
    gateway = None if profile.gateway is None else parse_address(address).family
    return DeviceAccess(address, (), asked, profile.topics(), gateway)


def _access(address: str, profile: Profile) -> DeviceAccess:
    settings = [] if profile.power_on is None else [profile.power_on]
    asked = [profile.query, profile.power_query]
    asked += [one for setting in settings for one in (setting.read, setting.set_off, setting.set_as_was)]
    asked += [watchdog.read for watchdog in profile.watchdogs]
    reports = [*profile.topics(), *(one.topic for one in settings), *(one.topic for one in profile.watchdogs)]
    return DeviceAccess(
        address,
        (profile.command.topic,),
        _once(one.topic for one in asked if one is not None and one.topic != profile.command.topic),
        _once(reports),
        None if profile.gateway is None else address.partition("/")[0],
    )


def _gateways(site: str, catalog: DeviceCatalog) -> dict[str, GatewayAccess]:
    found = {}
    for name in FAMILY_NAMES:
        if (topics := family(name).gateway) is not None:
            filled = fill(topics, _values(name, site, catalog))
            found[name] = GatewayAccess(filled.owns, filled.reads, filled.requests)
    return found


def _discovery(site: str, catalog: DeviceCatalog) -> tuple[str, ...]:
    return _once(fill(one, _values(name, site, catalog)) for name in FAMILY_NAMES for one in family(name).discovery)


def _values(name: str, site: str, catalog: DeviceCatalog) -> dict[str, str]:
    return {"site": site} | {key: str(value) for key, value in catalog.settings(name).items()}


def _once(topics: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(topics))
