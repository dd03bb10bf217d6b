"""All families of devices, and the profile of each circuit's device."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING

from controller.bus.profiles.family import AddressError, Family, Settings, parse_address
from controller.bus.profiles.native import NATIVE
from controller.bus.profiles.schema import Profile, fill
from rules.device import DeviceTraits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from controller.bus.profiles.family import ContactProfile
    from rules.panel import Circuit

FAMILY_NAMES = ("zigbee2mqtt", "tasmota", "shelly", "esphome", "zwave", "homie", "span", "homeassistant")
"""Families that the program knows, each in a module of the same name."""


def family(name: str) -> Family:
    """Return a family by its name, one of `FAMILY_NAMES`. Only the families that a house uses are loaded."""
    found: Family = import_module(f"controller.bus.profiles.{name}").FAMILY
    return found


@dataclass(frozen=True, slots=True)
class FamilySettings:
    """`[families.NAME]` of a house. `confirm_s`: None: as the family has it. `values`: settings that differ."""

    confirm_s: float | None = None
    values: Settings = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeviceCatalog:
    """Families and profiles that a house knows: those of the program, with its settings, and its own."""

    families: Mapping[str, FamilySettings] = field(default_factory=dict)
    profiles: Mapping[str, Profile] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names that may stand before the first slash of a device."""
        return (*FAMILY_NAMES, *self.profiles)

    def knows(self, name: str) -> bool:
        """Return whether a device may begin with this name."""
        return name in FAMILY_NAMES or name in self.profiles

    def profile(self, text: str) -> Profile:
        """Return the profile of a device `family/address#channel`. Raises `AddressError`.

        Its topics may still hold the placeholders of a circuit: see `profile_of`.
        """
        address = parse_address(text)
        own = self.profiles.get(address.family)
        if own is not None:
            return fill(own, {"address": address.name, "channel": address.channel or ""})
        if address.family not in FAMILY_NAMES:
            raise AddressError(f"unknown family {address.family!r}; known: {', '.join(self.names)}")
        kind = family(address.family)
        return kind.profile(address, self._settings(kind))

    def contact(self, text: str) -> ContactProfile:
        """Return how a device reports the auxiliary contact. Raises `AddressError`."""
        address = parse_address(text)
        if address.family not in FAMILY_NAMES:
            if address.family in self.profiles:
                raise AddressError("a profile of your own has no contact: write topic = … in place of device")
            raise AddressError(f'unknown family "{address.family}"; known here: shelly, esphome, zigbee2mqtt')
        kind = family(address.family)
        if kind.contact is None:
            raise AddressError(
                f"loadshed does not know the inputs of {kind.title}: write topic = … in place of device, or use a "
                "device of shelly, esphome or zigbee2mqtt"
            )
        return kind.contact(address, self._settings(kind))

    def traits(self, text: str) -> DeviceTraits:
        """Return what decisions need to know of a device. Raises `AddressError`."""
        profile = self.profile(text)
        settings = self.families.get(text.partition("/")[0], FamilySettings())
        return DeviceTraits(
            address=text,
            evidence=profile.evidence,
            settle_s=profile.settle_s,
            can_query=profile.query is not None,
            resubscribe=profile.resubscribe,
            gateway=profile.gateway,
            stamped=any(state.stamp for state in profile.states),
            confirm_s=profile.confirm_s if settings.confirm_s is None else settings.confirm_s,
            availability_sources=len(profile.available),
            power_query=profile.power_query is not None,
        )

    def settings(self, name: str) -> Settings:
        """Return the settings of one of `FAMILY_NAMES`: its defaults, and what the house has set."""
        return self._settings(family(name))

    def _settings(self, kind: Family) -> Settings:
        return kind.settings | self.families.get(kind.name, FamilySettings()).values


def profile_of(circuit: Circuit, site: str, catalog: DeviceCatalog) -> Profile:
    """Return the profile of a circuit's device with all its topics; that of loadshed's own topics without a device."""
    template = NATIVE if circuit.device is None else catalog.profile(circuit.device.address)
    return fill(template, {"site": site, "circuit": circuit.id})
