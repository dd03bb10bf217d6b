"""Zigbee2MQTT 2.x: JSON on the device's topic, which carries all that the gateway remembers.

As shipped, any message may be old, and a commanded position is reported as soon as the radio has acknowledged. With the
device options `optimistic: false` and `filtered_cache: [state]`, `state` is the device's own word: such devices are
named in `own_reports`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.bus.profiles.family import (
    AddressError,
    ContactProfile,
    Family,
    GatewayTopics,
    no_channel,
    text_setting,
)
from controller.bus.profiles.schema import (
    Announcement,
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
from rules.contact_evidence import ContactEvidence
from rules.device import Evidence

if TYPE_CHECKING:
    from controller.bus.profiles.family import Address, Settings

_DEVICE = "{base}/{address}"
_FAILED = ("to '{address}' failed",)

_PROFILE = Profile(
    command=DeviceCommand(f"{_DEVICE}/set", on='{"{key}":"ON"}', off='{"{key}":"OFF"}'),
    states=(StateReport(_DEVICE, "{key}", on=("ON",), off=("OFF",)),),
    evidence=Evidence.CACHE,
    settle_s=1.5,
    confirm_s=10.0,
    query=OutgoingMessage(f"{_DEVICE}/get", '{"{key}":""}'),
    available=(
        AvailabilityReport("{base}/bridge/state", "state", ("online",), ("offline",), gateway=True),
        AvailabilityReport(f"{_DEVICE}/availability", "state", ("online",), ("offline",)),
    ),
    rebooted=(
        Announcement("{base}/bridge/event", "type", "device_announce", also=(("data.friendly_name", "{address}"),)),
    ),
    # The keys of Tuya breakers: the last event, the list of faults, and the one fault.
    trips=(
        TripReport(_DEVICE, "last_event", containing=("trip_",)),
        TripReport(_DEVICE, "event", containing=("_trip",)),
        TripReport(_DEVICE, "faults", any_entry=True),
        TripReport(_DEVICE, "fault", containing=("_alarm",), words=("ov_cr", "unbalance_alarm")),
    ),
    power=(Measurement(_DEVICE, "power", honest=False),),
    energy=(Measurement(_DEVICE, "energy"),),
    power_query=OutgoingMessage(f"{_DEVICE}/get", '{"power":""}'),
    refusals=(
        Refusal("{base}/bridge/logging", "message", ("Publish 'set'", *_FAILED)),
        Refusal("{base}/bridge/logging", "message", ("Publish 'get'", *_FAILED), question=True),
    ),
    gateway="{base}",
    further_commands=(f"{_DEVICE}/set/{{key}}",),
    power_on=Setting(
        OutgoingMessage(f"{_DEVICE}/get", '{"{power_on}":""}'),
        _DEVICE,
        "{power_on}",
        off=("off",),
        as_was=("previous",),
        on=("on", "toggle"),
        set_off=OutgoingMessage(f"{_DEVICE}/set", '{"{power_on}":"off"}'),
        set_as_was=OutgoingMessage(f"{_DEVICE}/set", '{"{power_on}":"previous"}'),
        note="The answer to a setting is what was set: it is read once more.",
    ),
    watchdogs=(
        Watchdog(
            "countdown", OutgoingMessage(f"{_DEVICE}/get", '{"countdown":""}'), _DEVICE, "countdown", harmless=(0,)
        ),
    ),
)


_ASLEEP = (
    "after a start of Zigbee2MQTT, broker or controller the position is unknown until the sensor reports by itself, "
    "which may take hours (an alarm says so, and no circuit is switched on); a transfer in that time is noticed"
)

_CONTACT = ContactProfile(
    states=(StateReport(_DEVICE, "contact", on=(True,), off=(False,)),),
    available=_PROFILE.available,
    proof="Zigbee2MQTT may repeat an earlier position: after a start of Zigbee2MQTT, broker or controller the position "
    "is unknown until the contact moves, and a movement while it was away may be missed; in Zigbee2MQTT set the "
    'option filtered_cache: [contact] for this device, then here own_reports = ["{address}"] in '
    "[families.zigbee2mqtt]",
    evidence=ContactEvidence.CACHE,
    gateway="{base}",
)


def _contact(address: Address, settings: Settings) -> ContactProfile:
    no_channel(address)
    _check_name(address)
    contact = fill(_CONTACT, {"base": text_setting(settings, "base"), "address": address.name})
    if not _reports_itself(address, settings):
        return contact
    proof = f"a battery sensor reports each movement and cannot be asked: {_ASLEEP}"
    return contact._replace(evidence=ContactEvidence.DEVICE, proof=proof)


def _check_name(address: Address) -> None:
    if address.name.startswith("bridge/") or address.name.rpartition("/")[2] in ("set", "get"):
        raise AddressError("this is a topic of Zigbee2MQTT itself: write the device's friendly name")


def _reports_itself(address: Address, settings: Settings) -> bool:
    own = settings["own_reports"]
    return isinstance(own, tuple) and address.name in own


def _profile(address: Address, settings: Settings) -> Profile:
    gang = address.channel
    if gang is not None and not (gang.startswith("l") and gang[1:].isdecimal()):
        raise AddressError(f"the channel of a zigbee2mqtt device is a gang such as l1 or l2, not {gang!r}")
    _check_name(address)
    suffix = "" if gang is None else f"_{gang}"
    values = {"base": text_setting(settings, "base"), "address": address.name}
    profile = fill(_PROFILE, values | {"key": f"state{suffix}", "power_on": f"power_on_behavior{suffix}"})
    if gang is not None:
        of_gang = tuple(f"{values['base']}/{address.name}/{gang}/set{end}" for end in ("", "/state"))
        profile = profile._replace(further_commands=(*profile.further_commands, *of_gang))
    return _with_own_reports(profile) if _reports_itself(address, settings) else profile


def _with_own_reports(profile: Profile) -> Profile:
    honest = tuple(one._replace(honest=True) for one in profile.power)
    return profile._replace(evidence=Evidence.DEVICE, settle_s=0.0, power=honest)


FAMILY = Family(
    name="zigbee2mqtt",
    title="Zigbee2MQTT",
    form="zigbee2mqtt/FRIENDLY NAME, with #l1, #l2 for the gangs of one device",
    profile=_profile,
    settings={"base": "zigbee2mqtt", "own_reports": ()},
    contact=_contact,
    gateway=GatewayTopics(owns=("{base}/#",), requests=("{base}/bridge/request/device/options",)),
    discovery=("{base}/#",),
)
