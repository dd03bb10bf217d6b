"""Z-Wave JS UI. It repeats remembered values at its start, and reports a command before the relay has moved.

Its values have a time stamp: one that is newer than the gateway's start and the command proves a position.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.bus.profiles.family import Family, GatewayTopics, numbered_channel, text_setting
from controller.bus.profiles.schema import (
    AvailabilityReport,
    DeviceCommand,
    Learned,
    Measurement,
    OutgoingMessage,
    Profile,
    StateReport,
    TripReport,
    fill,
)
from rules.device import Evidence

if TYPE_CHECKING:
    from controller.bus.profiles.family import Address, Settings

_NODE = "{base}/{address}"
_GATEWAY = "{base}/_CLIENTS/ZWAVE_GATEWAY-{gateway}"

_PROFILE = Profile(
    command=DeviceCommand("{switch}/targetValue/set", on='{"value":true}', off='{"value":false}'),
    states=(StateReport("{switch}/currentValue", "value", on=(True,), off=(False,), stamp="time"),),
    evidence=Evidence.CACHE,
    settle_s=1.5,
    confirm_s=10.0,
    query=OutgoingMessage(
        f"{_GATEWAY}/api/pollValue/set",
        '{"args":[{"nodeId":{node},"commandClass":37,"endpoint":{channel},"property":"currentValue"}]}',
    ),
    available=(
        AvailabilityReport(f"{_GATEWAY}/status", "value", (True,), (False,), gateway=True),
        AvailabilityReport("{base}/driver/status", "", ("true",), ("false",), gateway=True),
        AvailabilityReport(f"{_NODE}/status", "value", (True,), (False,)),
    ),
    # Power Management notifications: over-current detected, over-load detected.
    trips=(
        TripReport("{management}/Over-current_status", "value", words=(6,)),
        TripReport("{management}/Over-load_status", "value", words=(8,)),
    ),
    power=(Measurement("{meter}/value/66049", "value"),),
    energy=(Measurement("{meter}/value/65537", "value"),),
    learned=(Learned("node", f"{_NODE}/status", "nodeId"),),
    gateway="{base}",
    further_commands=("{switch}/currentValue/set",),
)

_NAMES = {
    "value-id": {
        "switch": f"{_NODE}/37/{{channel}}",
        "meter": f"{_NODE}/50/{{channel}}",
        "management": f"{_NODE}/113/{{channel}}/Power_Management",
    },
    "named": {
        "switch": f"{_NODE}/switch_binary/endpoint_{{channel}}",
        "meter": f"{_NODE}/meter/endpoint_{{channel}}",
        "management": f"{_NODE}/notification/endpoint_{{channel}}/Power_Management",
    },
}


def _profile(address: Address, settings: Settings) -> Profile:
    names = text_setting(settings, "names")
    values = {
        "base": text_setting(settings, "base"),
        "gateway": text_setting(settings, "gateway").replace(" ", "_"),
        "address": address.name.replace(" ", "_"),
        "channel": str(numbered_channel(address, 0, 127, default=0)),
    }
    # A topic of one part holds placeholders of the other: both are filled, one after the other.
    profile = fill(fill(_PROFILE, _NAMES[names]), values)
    number = address.name.rpartition("/")[2].removeprefix("nodeID_")
    return fill(profile, {"node": number}) if number.isdecimal() else profile


FAMILY = Family(
    name="zwave",
    title="Z-Wave JS UI",
    form="zwave/NODE NAME or zwave/nodeID_3, with #1 … for further endpoints",
    profile=_profile,
    settings={"base": "zwave", "names": "value-id", "gateway": "zwave-js-ui"},
    choices={"names": ("value-id", "named")},
    gateway=GatewayTopics(owns=("{base}/#",)),
    discovery=("{base}/#",),
)
