"""Shelly Gen2, Gen3 and Gen4 over MQTT RPC, with the factory's MQTT settings.

Only changes are reported, and nothing is retained: the position is asked for at each connection. Each circuit has a
reply topic of its own, so that an answer needs no number to be recognized.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.bus.profiles.family import ContactProfile, Family, numbered_channel
from controller.bus.profiles.schema import (
    AvailabilityReport,
    DeviceCommand,
    Measurement,
    OutgoingMessage,
    Profile,
    Refusal,
    Setting,
    StateReport,
    TripReport,
    Watchdog,
    fill,
)

if TYPE_CHECKING:
    from controller.bus.profiles.family import Address, Settings

_SOURCE = "loadshed/{site}/replies/{circuit}"
_REPLY = f"{_SOURCE}/rpc"
_REQUEST = '{"id":1,"src":"' + _SOURCE + '","method":"'


def _call(method: str, params: str) -> str:
    return f'{_REQUEST}{method}","params":{params}}}'


def _configure(setting: str, value: str) -> OutgoingMessage:
    config = f'{{"{setting}":{value}}}'
    return OutgoingMessage("{address}/rpc", _call("Switch.SetConfig", f'{{"id":{{channel}},"config":{config}}}'))


_CONFIG = OutgoingMessage("{address}/rpc", _call("Switch.GetConfig", '{"id":{channel}}'))
_STATUS = OutgoingMessage("{address}/rpc", _call("Switch.GetStatus", '{"id":{channel}}'))
_SWITCH = 'params."switch:{channel}"'
_PLACES = (
    ("{address}/events/rpc", f"{_SWITCH}."),
    ("{address}/status/switch:{channel}", ""),
    (_REPLY, "result."),
)

_PROFILE = Profile(
    command=DeviceCommand(
        "{address}/rpc",
        on=_call("Switch.Set", '{"id":{channel},"on":true}'),
        off=_call("Switch.Set", '{"id":{channel},"on":false}'),
    ),
    states=tuple(StateReport(topic, f"{path}output", on=(True,), off=(False,)) for topic, path in _PLACES),
    query=_STATUS,
    available=(AvailabilityReport("{address}/online", online=("true",), offline=("false",)),),
    trips=tuple(TripReport(topic, f"{path}errors", any_entry=True) for topic, path in _PLACES),
    power=tuple(Measurement(topic, f"{path}apower") for topic, path in _PLACES),
    energy=tuple(Measurement(topic, f"{path}aenergy.total", scale=0.001) for topic, path in _PLACES),
    power_query=_STATUS,
    further_commands=("{address}/command/switch:{channel}",),
    refusals=(Refusal(_REPLY, "error.message"),),
    power_on=Setting(
        _CONFIG,
        _REPLY,
        "result.initial_state",
        off=("off",),
        as_was=("restore_last",),
        on=("on", "match_input"),
        set_off=_configure("initial_state", '"off"'),
        set_as_was=_configure("initial_state", '"restore_last"'),
        note="match_input, the factory setting, follows the wire at the input.",
    ),
    watchdogs=(
        Watchdog("auto_on", _CONFIG, _REPLY, "result.auto_on", harmless=(False,)),
        Watchdog("auto_off", _CONFIG, _REPLY, "result.auto_off", harmless=(False,)),
    ),
)


# The input is a switch, not a button: a button has no state.
_INPUT = 'params."input:{channel}".state'
_CONTACT_SOURCE = "loadshed/{site}/replies/contact"
_CONTACT = ContactProfile(
    states=tuple(
        StateReport(topic, path, on=(True,), off=(False,))
        for topic, path in (
            ("{address}/events/rpc", _INPUT),
            ("{address}/status/input:{channel}", "state"),
            (f"{_CONTACT_SOURCE}/rpc", "result.state"),
        )
    ),
    available=(AvailabilityReport("{address}/online", online=("true",), offline=("false",)),),
    proof="the Shelly reports each movement and answers questions, so its position is known at once after each start; "
    "its input must be of type switch (a button has no position), and no relay may follow it (in_mode detached)",
    query=OutgoingMessage(
        "{address}/rpc",
        f'{{"id":1,"src":"{_CONTACT_SOURCE}","method":"Input.GetStatus","params":{{"id":{{channel}}}}}}',
    ),
)


def _profile(address: Address, _settings: Settings) -> Profile:
    channel = numbered_channel(address, 0, 15, default=0)
    return fill(_PROFILE, {"address": address.name, "channel": str(channel)})


def _contact(address: Address, _settings: Settings) -> ContactProfile:
    name = (address.channel or "").removeprefix("input:")
    channel = numbered_channel(address._replace(channel=name or None), 0, 15, default=0)
    return fill(_CONTACT, {"address": address.name, "channel": str(channel)})


FAMILY = Family(
    name="shelly",
    title="Shelly (Gen2 and later)",
    form="shelly/TOPIC PREFIX, with #1, #2 … for further outputs",
    profile=_profile,
    contact=_contact,
    discovery=("+/online",),
)
