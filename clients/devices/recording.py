"""Recording of the messages of one device, for a bug report: one JSON object on each line.

The first line describes the device; each further line is one message with its time and its retain flag.
"""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from clients.devices.bus import device_bus
from clients.terminal.output import print_error
from controller.bus.messages import IncomingMessage
from controller.bus.profiles.registry import profile_of
from controller.runtime import startup
from controller.version import version
from rules.panel import CircuitId

if TYPE_CHECKING:
    from pathlib import Path

    from controller.bus.profiles.family import Settings
    from controller.bus.profiles.schema import Profile
    from controller.config.loader import Configuration

LONGEST_S = 3600.0
MOST_BYTES = 20 * 1024 * 1024
"""Maximum size of a recording, in bytes of its messages."""

FORMAT = "loadshed-device-recording"
_VERSION = 1


class DeviceRecordingError(Exception):
    """The recording cannot be made or read; the text states why."""


@dataclass(frozen=True, slots=True)
class DeviceRecording:
    """A recording. `device`: address as in circuits.toml; None: loadshed's own topics.

    `settings`: `[families.NAME]` of the house. `messages`: times in seconds since the start of the recording.
    `began`: UTC seconds since 1970, by the clock of the recording machine.
    """

    circuit: CircuitId
    site: str
    device: str | None
    settings: Settings = field(default_factory=dict)
    began: float = 0.0
    messages: tuple[IncomingMessage, ...] = ()


async def record(configuration: Configuration, circuit_id: str, path: Path, seconds: float) -> int:
    """Write the messages of a circuit's device for this time, or until canceled; return their number.

    Raises DeviceRecordingError, BrokerError.
    """
    circuit = configuration.panel.circuits.get(CircuitId(circuit_id))
    if circuit is None:
        raise DeviceRecordingError(
            f"circuits.toml has no circuit {circuit_id!r}. Circuits: {', '.join(configuration.panel.circuits)}"
        )
    site, catalog = configuration.site.id, configuration.installer.devices
    profile = profile_of(circuit, site, catalog)
    device = None if circuit.device is None else circuit.device.address
    family = "" if device is None else device.partition("/")[0]
    settings = catalog.families[family].values if family in catalog.families else {}
    try:
        file = path.open("x", encoding="utf-8")
    except FileExistsError:
        raise DeviceRecordingError(f"{path} exists already: choose another name, or remove it") from None
    except OSError as error:
        raise DeviceRecordingError(f"{path} cannot be written: {error.strerror}") from error
    with file:
        began = time.monotonic()
        head = {"format": FORMAT, "version": _VERSION, "loadshed": version(), "circuit": circuit.id, "site": site}
        _write(file, {**head, "device": device, "settings": settings, "began": time.time()})
        writer = _Writer(file, began, _only_of(profile, device))
        async with device_bus(startup.broker(configuration), print_error) as bus:
            bus.subscribe(recorded_topics(profile))
            await bus.hear(seconds, writer.note, lambda: writer.full)
        if writer.full or bus.flooded:
            print_error("The recording ends here: it has reached its maximum size.")
        return writer.count


def recorded_topics(profile: Profile) -> tuple[str, ...]:
    """Return all topics of a device: its reports, the answers to our questions, and its commands."""
    settings = [one.topic for one in (profile.power_on, *profile.watchdogs) if one is not None]
    questions = [one.topic for one in (profile.query, profile.power_query) if one is not None]
    return tuple(dict.fromkeys((*profile.topics(), *settings, *questions, *profile.command_topics())))


def _only_of(profile: Profile, device: str | None) -> dict[str, bytes]:
    """Return the topics that a gateway's devices share, each with what a message about this device contains."""
    name = "" if device is None else device.partition("/")[2].partition("#")[0]
    shared = (*(one.topic for one in profile.refusals), *(one.topic for one in profile.rebooted))
    return {topic: name.encode() for topic in shared if name and name not in topic and "/bridge/" in topic}


class _Writer:
    """Writes messages. `only`: by topic, what a message must contain: others are about other devices."""

    def __init__(self, file: TextIO, began: float, only: dict[str, bytes]) -> None:
        self.count = 0
        self.full = False
        self._file = file
        self._began = began
        self._only = only
        self._bytes = 0

    def note(self, message: IncomingMessage) -> None:
        if self._only.get(message.topic, b"") not in message.payload or self.full:
            return
        self._bytes += len(message.payload)
        self.full = self._bytes > MOST_BYTES
        self.count += 1
        at = round(message.at - self._began, 3)
        _write(
            self._file, {"at": at, "topic": message.topic, "retained": message.retained, **_payload(message.payload)}
        )


def _write(file: TextIO, fields: dict[str, object]) -> None:
    file.write(json.dumps(fields, ensure_ascii=False) + "\n")
    file.flush()  # Ctrl-C or a power cut must not lose what is there


def _payload(payload: bytes) -> dict[str, object]:
    try:
        return {"payload": payload.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(payload).decode()}


def read_recording(path: Path) -> DeviceRecording:
    """Return a recording. Raises DeviceRecordingError. A line that was cut off by a power loss ends it."""
    try:
        if path.stat().st_size > 2 * MOST_BYTES:
            raise DeviceRecordingError(f"{path} is too large for a recording of `loadshed devices record`")
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DeviceRecordingError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        lines = []
    try:
        head = json.loads(lines[0])
        if head["format"] != FORMAT or head["version"] != _VERSION:
            raise KeyError(FORMAT)  # one answer for all that is no recording
        offset_s = float(head["began"])
        messages = tuple(_message(line, offset_s) for line in _whole(lines[1:]))
        settings = {str(key): _setting(value) for key, value in dict(head["settings"]).items()}
        return DeviceRecording(
            CircuitId(str(head["circuit"])), str(head["site"]), head["device"], settings, offset_s, messages
        )
    except (LookupError, TypeError, ValueError, RecursionError) as error:
        raise DeviceRecordingError(f"{path} is not a recording of `loadshed devices record`") from error


def _setting(value: object) -> str | float | bool | tuple[str, ...]:
    if isinstance(value, list):
        return tuple(map(str, value))
    return value if isinstance(value, bool | float | int) else str(value)


def _whole(lines: list[str]) -> list[str]:
    """Return the lines without a last one that was cut off."""
    try:
        json.loads(lines[-1] if lines else "{}")
    except ValueError:
        return lines[:-1]
    return lines


def _message(line: str, offset_s: float) -> IncomingMessage:
    fields = json.loads(line)
    payload = base64.b64decode(fields["base64"]) if "base64" in fields else str(fields["payload"]).encode()
    at, retained = float(fields["at"]), fields["retained"] is True
    return IncomingMessage(at, str(fields["topic"]), payload, retained, offset_s=offset_s)
