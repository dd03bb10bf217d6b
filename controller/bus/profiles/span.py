"""SPAN panels over eBus (Homie 5, domain `ebus`): `OPEN` is off. A locked circuit ignores commands without a word."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.bus.profiles.family import AddressError, Family, GatewayTopics, no_channel, text_setting
from controller.bus.profiles.homie import presence
from controller.bus.profiles.schema import DeviceCommand, Measurement, Profile, StateReport, TripReport

if TYPE_CHECKING:
    from controller.bus.profiles.family import Address, Settings


def _profile(address: Address, settings: Settings) -> Profile:
    no_channel(address)
    if "/" in address.name:
        raise AddressError('the address of a SPAN circuit is its id alone: "span/c-heater"')
    circuit = f"ebus/5/{address.name}"
    panel = text_setting(settings, "panel")
    return Profile(
        command=DeviceCommand(f"{circuit}/switch/relay/set", on="CLOSED", off="OPEN"),
        states=(StateReport(f"{circuit}/switch/relay", on=("CLOSED",), off=("OPEN",)),),
        resubscribe=True,
        available=presence(circuit, f"ebus/5/{panel}" if panel else circuit),
        trips=(TripReport(f"{circuit}/switch/relay-requester", "", words=("FAULT",)),),
        power=(Measurement(f"{circuit}/meter/active-power"),),
        gateway=f"ebus/5/{panel}" if panel else "ebus/5",
    )


FAMILY = Family(
    name="span",
    title="SPAN panel",
    form="span/CIRCUIT ID",
    profile=_profile,
    settings={"panel": ""},
    gateway=GatewayTopics(owns=("ebus/#",)),
    discovery=("ebus/#",),
)
