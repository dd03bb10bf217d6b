"""A switch of Home Assistant: its statestream reports, and an automation of the user carries commands out.

Use it last: Home Assistant starts slowly, repeats nothing after a restart, and may itself only believe its positions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.bus.profiles.family import AddressError, Family, GatewayTopics, no_channel, text_setting
from controller.bus.profiles.schema import AvailabilityReport, DeviceCommand, Profile, StateReport, fill

if TYPE_CHECKING:
    from controller.bus.profiles.family import Address, Settings

_STATE = "{base}/switch/{address}/state"

_PROFILE = Profile(
    command=DeviceCommand("loadshed/{site}/homeassistant/{address}/set", on="ON", off="OFF"),
    states=(StateReport(_STATE, on=("on",), off=("off",)),),
    available=(AvailabilityReport(_STATE, online=("on", "off"), offline=("unavailable", "unknown")),),
    gateway="homeassistant",
)


def _profile(address: Address, settings: Settings) -> Profile:
    no_channel(address)
    if "/" in address.name or "." in address.name:
        raise AddressError('write the object id of the switch: "homeassistant/pump" for switch.pump')
    return fill(_PROFILE, {"base": text_setting(settings, "base"), "address": address.name})


FAMILY = Family(
    name="homeassistant",
    title="Home Assistant",
    form="homeassistant/OBJECT ID",
    profile=_profile,
    settings={"base": "homeassistant"},
    gateway=GatewayTopics(owns=("{base}/#",), reads=("loadshed/{site}/homeassistant/+/set",)),
    discovery=("{base}/switch/#",),
)
