"""What the profile of a device understands of recorded messages, in plain English."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.devices.recording import DeviceRecordingError
from controller.bus.device_topics import DeviceTopics
from controller.bus.profiles.family import AddressError
from controller.bus.profiles.native import NATIVE
from controller.bus.profiles.registry import DeviceCatalog, FamilySettings
from controller.bus.profiles.schema import fill
from controller.core import events as ev
from rules.device import Evidence

if TYPE_CHECKING:
    from clients.devices.recording import DeviceRecording
    from controller.bus.messages import IncomingMessage
    from controller.bus.profiles.schema import Profile

_LONGEST_PAYLOAD = 120

_PROOF = {
    Evidence.DEVICE: "a live report of the device",
    Evidence.ECHO: "a report that may repeat our last command",
    Evidence.CACHE: "the gateway may be repeating what it remembers: it counts only as an answer to a question",
}


def profile_of_recording(recording: DeviceRecording) -> Profile:
    """Return the profile that reads a recording. Raises DeviceRecordingError."""
    place = {"site": recording.site, "circuit": recording.circuit}
    if recording.device is None:
        return fill(NATIVE, place)
    family = recording.device.partition("/")[0]
    catalog = DeviceCatalog({family: FamilySettings(values=recording.settings)} if recording.settings else {})
    try:
        return fill(catalog.profile(recording.device), place)
    except AddressError as error:
        raise DeviceRecordingError(f"{recording.device}: {error}") from error


def play_text(recording: DeviceRecording) -> str:
    """Return each message with what is understood of it. Raises DeviceRecordingError."""
    profile = profile_of_recording(recording)
    topics = DeviceTopics({recording.circuit: profile})
    device = recording.device or "loadshed's own topics"
    lines = [f"Recording of {recording.circuit} ({device}), {len(recording.messages)} messages"]
    for message in recording.messages:
        kind = "stored" if message.retained else "live"
        lines.append(f"+{message.at:8.2f} s  {kind:6}  {message.topic}  {_shown(message.payload)}")
        lines += [f"{'':22}{sentence}" for sentence in _understood(message, topics, profile)]
    return "\n".join(lines)


def _shown(payload: bytes) -> str:
    text = payload.decode("utf-8", "replace")
    text = "".join(sign if sign.isprintable() else " " for sign in text)
    return text if len(text) <= _LONGEST_PAYLOAD else f"{text[:_LONGEST_PAYLOAD]}… ({len(payload)} bytes)"


def _understood(message: IncomingMessage, topics: DeviceTopics, profile: Profile) -> list[str]:
    """Return what a message says, in sentences."""
    if topics.reads(message.topic):
        events, rejection = topics.events(message)
        if rejection is not None:
            return [f"Not understood: {rejection.reason}."]
        if events:
            return list(dict.fromkeys(_sentence(event, profile) for event in events))
    if message.topic in profile.command_topics():
        return [_command(message, profile)]
    if message.topic in {one.topic for one in (profile.query, profile.power_query) if one is not None}:
        return ["A question to the device."]
    return ["Says nothing about position, availability or power."]


def _command(message: IncomingMessage, profile: Profile) -> str:
    """Return what a message on a command topic is."""
    if message.retained and message.payload:
        return "STORED COMMAND: it can switch the circuit by itself. Clear it: loadshed devices --clear-retained"
    word = {profile.command.on.encode(): "ON", profile.command.off.encode(): "OFF"}.get(message.payload)
    if word is not None:
        return f"Command: {word}."
    return "A question, or a command of another program."


def _sentence(event: ev.Event, profile: Profile) -> str:  # noqa: PLR0911  # one answer for each kind of event
    match event:
        case ev.BreakerReported():
            where = event.position.value.upper()
            if event.retained:
                return f"Position {where}, from the broker's memory."
            proof = "an answer to a question" if event.answers_query else _PROOF[profile.evidence]
            return f"Position {where}: {proof}."
        case ev.AvailabilityReported():
            who = "Gateway" if event.gateway else "Device"
            memory = ", from the broker's memory" if event.retained else ""
            return f"{who} {'online' if event.online else 'offline'}{memory}."
        case ev.DeviceAlive():
            return "The device is there."
        case ev.DeviceRestarted():
            return "The device has restarted: it is asked for its position."
        case ev.TripWordReported():
            return f"Word about a trip: {event.word}" + (" (a trip)." if event.is_trip else " (no trip).")
        case ev.PowerReported() if event.watts is not None:
            note = "" if event.honest else " Not used as a proof: while OFF, the gateway may write 0."
            return f"Power {event.watts:g} W.{note}"
        case ev.PowerReported():
            return f"Energy {event.energy_kwh:g} kWh."
        case ev.CommandRefused():
            return f"{'A question' if event.question else 'A command'} failed: {event.reason}."
    return "Understood."
