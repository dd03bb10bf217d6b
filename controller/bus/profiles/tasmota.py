"""Tasmota: the device answers each command; two formats may share a topic, and one relay is POWER or POWER1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.bus.profiles.family import AddressError, Family, numbered_channel, text_setting
from controller.bus.profiles.schema import (
    Announcement,
    AvailabilityReport,
    DeviceCommand,
    Measurement,
    OutgoingMessage,
    Profile,
    Setting,
    StateReport,
    TripReport,
    Watchdog,
)

if TYPE_CHECKING:
    from controller.bus.profiles.family import Address, Settings

RELAYS = 32


def _profile(address: Address, settings: Settings) -> Profile:
    if "/" in address.name:
        raise AddressError("the address of a Tasmota device is its Topic (Configure MQTT), without a slash")
    relay = numbered_channel(address, 1, RELAYS, default=1)
    command, status, telemetry = (_prefix(address.name, settings, f"{one}_prefix") for one in ("cmnd", "stat", "tele"))
    on, off = text_setting(settings, "on"), text_setting(settings, "off")
    keys = (f"POWER{relay}", "POWER") if relay == 1 else (f"POWER{relay}",)
    reports = [StateReport(f"{status}RESULT", key, (on,), (off,)) for key in keys]
    for key in keys:
        # SetOption4 puts JSON on the topic of the plain word.
        reports += [StateReport(f"{status}{key}", path, (on,), (off,)) for path in ("", key)]
    reports += [StateReport(f"{telemetry}STATE", key, (on,), (off,)) for key in keys]
    # Of several relays, each has an entry of a list. One value for several relays says nothing about one of them.
    entries = [f".{relay - 1}"] if address.channel is not None else ["", ".0"]
    sources = ((f"{telemetry}SENSOR", "ENERGY"), (f"{status}STATUS10", "StatusSNS.ENERGY"))
    return Profile(
        command=DeviceCommand(f"{command}POWER{relay}", on, off),
        states=tuple(reports),
        query=OutgoingMessage(f"{command}POWER{relay}"),
        available=(AvailabilityReport(f"{telemetry}LWT", online=("Online",), offline=("Offline",)),),
        rebooted=tuple(Announcement(f"{telemetry}INFO3", path) for path in ("Info3.RestartReason", "RestartReason")),
        trips=(TripReport(f"{status}WARNING", "MaxPowerReached", any_entry=True),),
        power=tuple(Measurement(topic, f"{path}.Power{entry}") for topic, path in sources for entry in entries),
        energy=tuple(Measurement(topic, f"{path}.Total{entry}") for topic, path in sources for entry in entries),
        power_query=OutgoingMessage(f"{command}STATUS", "10"),
        # POWER is relay 1, and POWER0 is all relays.
        further_commands=tuple(f"{command}{key}" for key in (*keys, "POWER0")),
        power_on=Setting(
            OutgoingMessage(f"{command}PowerOnState"),
            f"{status}RESULT",
            "PowerOnState",
            off=(0,),
            as_was=(3,),
            on=(1, 2, 4, 5),
            set_off=OutgoingMessage(f"{command}PowerOnState", "0"),
            set_as_was=OutgoingMessage(f"{command}PowerOnState", "3"),
            note="It is one setting for all relays of the device.",
        ),
        watchdogs=(
            Watchdog(
                f"PulseTime{relay}",
                OutgoingMessage(f"{command}PulseTime{relay}"),
                f"{status}RESULT",
                f"PulseTime{relay}.Set",
                harmless=(0,),
            ),
            Watchdog(
                "SetOption65 (seven quick power cycles restore the factory settings)",
                OutgoingMessage(f"{command}SetOption65"),
                f"{status}RESULT",
                "SetOption65",
                harmless=("ON",),
            ),
        ),
    )


def _prefix(topic: str, settings: Settings, prefix: str) -> str:
    """Return the topics of one prefix up to the last slash, after Tasmota's FullTopic."""
    full = text_setting(settings, "full_topic")
    if "%prefix%" not in full or "%topic%" not in full:
        raise AddressError('full_topic holds both %prefix% and %topic%, such as "%prefix%/%topic%/"')
    filled = full.replace("%prefix%", text_setting(settings, prefix)).replace("%topic%", topic)
    return filled if filled.endswith("/") else f"{filled}/"


FAMILY = Family(
    name="tasmota",
    title="Tasmota",
    form="tasmota/TOPIC, with #2 … #32 for further relays",
    profile=_profile,
    settings={
        "full_topic": "%prefix%/%topic%/",
        "cmnd_prefix": "cmnd",
        "stat_prefix": "stat",
        "tele_prefix": "tele",
        "on": "ON",
        "off": "OFF",
    },
    choices={"on": (), "off": ()},
    discovery=("tasmota/discovery/#",),
)
