"""ESPHome with `mqtt:`. A switch reports changes only; its retained state is read again when the device shows life."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.bus.profiles.family import AddressError, ContactProfile, Family, no_channel, text_setting
from controller.bus.profiles.schema import (
    AvailabilityReport,
    DeviceCommand,
    Measurement,
    OutgoingMessage,
    Profile,
    StateReport,
    fill,
)
from rules.contact_evidence import ContactEvidence

if TYPE_CHECKING:
    from controller.bus.profiles.family import Address, Settings

_SWITCH = "{prefix}/switch/{object}"

# The ping is answered while `discover_ip` is on, as it is by default.
_PROFILE = Profile(
    command=DeviceCommand(f"{_SWITCH}/command", on="ON", off="OFF"),
    states=(StateReport(f"{_SWITCH}/state", on=("ON",), off=("OFF",)),),
    query=OutgoingMessage("esphome/ping/{node}"),
    resubscribe=True,
    alive=("esphome/discover/{node}",),
    available=(AvailabilityReport("{prefix}/status", online=("online",), offline=("offline",)),),
)


# The contact is a binary sensor, ON while it is closed. Its retained state is the answer to a ping.
_CONTACT = ContactProfile(
    states=(StateReport("{prefix}/binary_sensor/{object}/state", on=("ON",), off=("OFF",)),),
    available=_PROFILE.available,
    proof="the node reports each movement and all positions at each connection; after a start of the controller the "
    "position that the broker keeps counts once the node answers a ping, which it does unless discover_ip is off; "
    "reboot_timeout: 0s keeps it from restarting while the broker is away",
    query=_PROFILE.query,
    alive=_PROFILE.alive,
    evidence=ContactEvidence.RETAINED,
)


def _split(address: Address) -> dict[str, str]:
    no_channel(address)
    prefix, slash, name = address.name.rpartition("/")
    if not slash or not prefix or not name:
        raise AddressError(
            'write the node\'s topic prefix and the object id of the switch or sensor: "esphome/garage-panel/relay_2"'
        )
    return {"prefix": prefix, "object": name, "node": prefix.rpartition("/")[2]}


def _profile(address: Address, settings: Settings) -> Profile:
    values = _split(address)
    profile = _PROFILE
    if sensor := text_setting(settings, "power_sensor"):
        profile = profile._replace(power=(Measurement("{prefix}/sensor/" + sensor + "/state"),))
    return fill(profile, values)


def _contact(address: Address, _settings: Settings) -> ContactProfile:
    return fill(_CONTACT, _split(address))


FAMILY = Family(
    name="esphome",
    title="ESPHome",
    form="esphome/TOPIC PREFIX/OBJECT ID",
    profile=_profile,
    settings={"power_sensor": ""},
    contact=_contact,
    discovery=("homeassistant/switch/#", "esphome/discover/#"),
)
