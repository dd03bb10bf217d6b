"""Homie 4 and 5: retained states, and a last will on the root device only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.bus.profiles.family import AddressError, Family, GatewayTopics, no_channel, text_setting
from controller.bus.profiles.schema import AvailabilityReport, DeviceCommand, Profile, StateReport

if TYPE_CHECKING:
    from controller.bus.profiles.family import Address, Settings

_LEVELS = ("device", "node", "property")
ONLINE, OFFLINE = ("ready",), ("lost", "disconnected", "sleeping")


def presence(device_topic: str, root_topic: str) -> tuple[AvailabilityReport, ...]:
    """Return the availability of a device and of its root, if that is another one."""
    own = AvailabilityReport(f"{device_topic}/$state", online=ONLINE, offline=OFFLINE)
    root = AvailabilityReport(f"{root_topic}/$state", online=ONLINE, offline=OFFLINE, gateway=True)
    return (own,) if root_topic == device_topic else (root, own)


def _profile(address: Address, settings: Settings) -> Profile:
    no_channel(address)
    parts = address.name.split("/")
    if len(parts) != len(_LEVELS) or not all(parts):
        raise AddressError('write device, node and property: "homie/boiler-relay/relay/power"')
    version = text_setting(settings, "version")
    base = text_setting(settings, "domain") + ("/5" if version == "5" else "")
    root = text_setting(settings, "root") or parts[0]
    prop = f"{base}/{address.name}"
    return Profile(
        command=DeviceCommand(f"{prop}/set", on="true", off="false"),
        states=(StateReport(prop, on=("true",), off=("false",)),),
        resubscribe=True,
        available=presence(f"{base}/{parts[0]}", f"{base}/{root}"),
        gateway=None if root == parts[0] else f"{base}/{root}",
    )


FAMILY = Family(
    name="homie",
    title="Homie",
    form="homie/DEVICE/NODE/PROPERTY",
    profile=_profile,
    settings={"domain": "homie", "version": "5", "root": ""},
    choices={"version": ("4", "5")},
    gateway=GatewayTopics(owns=("{domain}/#",)),
    discovery=("{domain}/#",),
)
