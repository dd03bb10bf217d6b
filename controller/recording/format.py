"""Format of the recording of engine inputs, line by line: complete enough to replay every decision exactly.

A session is one run of the program: its start (panel, settings and saved state), then each turn that could switch a
breaker, with the commands sent. Every line is JSON. The file holds no secret: no password, no broker address, no reply
address.
"""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from controller.core import events as ev
from controller.core.effects import SavedState, SaveHistory, SaveOutage, SwitchOff, SwitchOn
from controller.core.engine import EngineSettings
from controller.core.views import WallClock
from controller.recording import stored_names
from rules.boot_time import BootTime
from rules.device import DeviceTraits, Evidence
from rules.panel import Circuit, CircuitId, Kind, Override, Panel, Position, Restore, ShedBy, Tag, Wakes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

Command = SwitchOff | SwitchOn

FORMAT = 2
"""Format version; it increases when an older program could not read what a newer one writes."""


class RecordingError(Exception):
    """The recording is not one of loadshed's, is damaged, or is from a newer program; the text states which."""


class SessionStart(NamedTuple):
    """Initial state of the engine. `at`: monotonic seconds. `wall`: the wall clock at that time; None: unknown.

    `version`: version of the program that recorded.
    """

    boot: str
    at: float
    rebooted: bool
    panel: Panel
    settings: EngineSettings
    memory: SavedState
    version: str = ""
    wall: WallClock | None = None


class EngineTurn(NamedTuple):
    """One turn of the engine: events processed at `now`, commands, and when they had been sent (monotonic s).

    `left`: None if the program died before.
    """

    now: float
    events: tuple[ev.Event, ...]
    commands: tuple[Command, ...]
    left: float | None


class SessionEnd(NamedTuple):
    """End of the session at this monotonic second. `cut`: why the recording ends earlier; None: regular end."""

    at: float
    cut: str | None = None


Part = SessionStart | EngineTurn | SessionEnd


class Session(NamedTuple):
    """One run of the program. `end`: None if it was killed, lost power, or still runs."""

    start: SessionStart
    turns: tuple[EngineTurn, ...]
    end: SessionEnd | None = None

    @property
    def last_at(self) -> float:
        """Return the last recorded monotonic second."""
        if self.end is not None:
            return self.end.at
        return self.turns[-1].now if self.turns else self.start.at


# --- writing ---------------------------------------------------------------------------------------------------------


def to_line(part: Part) -> str:
    """Return one part as a line of JSON, without line end."""
    match part:
        case SessionStart():
            row: dict[str, Any] = {"start": _start_row(part)}
        case EngineTurn():
            row = {"turn": part.now}
            if part.events:
                row["events"] = [_event_row(event) for event in part.events]
            if part.commands:
                row["out"] = [_command_row(command) for command in part.commands]
            if part.left is not None:
                row["left"] = part.left
        case SessionEnd():
            row = {"end": part.at} | ({} if part.cut is None else {"cut": part.cut})
    return json.dumps(row, separators=(",", ":"), allow_nan=False)


def to_lines(recorded: Session) -> Iterator[str]:
    """Yield the lines of one session."""
    parts: list[Part] = [recorded.start, *recorded.turns]
    yield from map(to_line, parts if recorded.end is None else [*parts, recorded.end])


def _start_row(start: SessionStart) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": start.version,
        "boot": start.boot,
        "at": start.at,
        "rebooted": start.rebooted,
        "wall": None if start.wall is None else [start.wall.offset_s, start.wall.trusted],
        "settings": asdict(start.settings),
        "circuits": [circuit_row(circuit) for circuit in start.panel],
        "memory": _memory_row(start.memory),
    }


def circuit_row(circuit: Circuit) -> dict[str, Any]:
    """Return a circuit, JSON-ready, without fields that have their default."""
    return {
        field.name: _plain(value)
        for field in fields(circuit)
        if (value := getattr(circuit, field.name)) != field.default
    }


def _memory_row(memory: SavedState) -> dict[str, Any]:
    return {
        "entries": {circuit: dict(row) for circuit, row in memory.entries.items()},
        "outage": None if memory.outage is None else _plain(memory.outage),
        "history": [_plain(row) for row in memory.history],
        "last_outage": memory.last_outage,
        "openings": _plain(memory.openings),
        "boot": memory.boot,
        "pulse_count": memory.pulse_count,
        "kwh_pulse_count": memory.kwh_pulse_count,
    }


def _event_row(event: ev.Event) -> list[Any]:
    row = event._asdict()
    if "reply" in row:
        # The reply address is an object of the running program: only its presence is recorded.
        row["reply"] = row["reply"] is not None
    return [_EVENT_NAMES[type(event)], *map(_plain, row.values())]


def _command_row(command: Command) -> list[Any]:
    return ["OFF" if isinstance(command, SwitchOff) else "ON", command.circuit, command.expires_s]


def _plain(value: Any) -> Any:  # noqa: ANN401  # a field of any event or row
    match value:
        case Enum():
            return value.value
        case BootTime():
            return [value.boot, value.mono]
        case DeviceTraits():
            return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
        case SaveOutage() | SaveHistory():
            return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
        case tuple() | list() | Panel():
            return [circuit_row(one) if isinstance(one, Circuit) else _plain(one) for one in value]
    return value if value is None or isinstance(value, str | int | float) else dict(value)


# --- reading ---------------------------------------------------------------------------------------------------------


def from_line(text: str) -> Part:
    """Return the part in a line. Raises `RecordingError`."""
    try:
        row = json.loads(text)
        if "start" in row:
            return _start(row["start"])
        if "turn" in row:
            events = tuple(_event(one) for one in row.get("events", ()))
            commands = tuple(_command(*one) for one in row.get("out", ()))
            return EngineTurn(_number(row["turn"]), events, commands, _maybe(_number, row.get("left")))
        return SessionEnd(_number(row["end"]), _maybe(str, row.get("cut")))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise RecordingError(f"not a line of a recording ({type(error).__name__}: {error})") from error


def sessions(lines: Iterable[str]) -> tuple[Session, ...]:
    """Return the sessions in the lines, in order. Raises `RecordingError`, with the number of the line."""
    found: list[list[Part]] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            part = from_line(line)
        except RecordingError as error:
            raise RecordingError(f"line {number}: {error}") from error
        if isinstance(part, SessionStart):
            found.append([part])
        elif found:
            found[-1].append(part)
        else:
            raise RecordingError(f"line {number}: a recording begins with a start")
    return tuple(segment(parts) for parts in found)


def segment(parts: Sequence[Part]) -> Session:
    """Return the session made of a start and the parts that follow it."""
    start, *others = parts
    if not isinstance(start, SessionStart):
        raise RecordingError("a recording begins with a start")
    turns = tuple(part for part in others if isinstance(part, EngineTurn))
    return Session(start, turns, next((part for part in others if isinstance(part, SessionEnd)), None))


def _start(row: Mapping[str, Any]) -> SessionStart:
    if row["format"] not in (1, FORMAT):
        raise ValueError(f"format {row['format']!r}: recorded by another version of loadshed; this one reads {FORMAT}")
    wall = row["wall"]
    return SessionStart(
        boot=str(row["boot"]),
        at=_number(row["at"]),
        rebooted=row["rebooted"] is True,
        panel=_panel(row["circuits"]),
        settings=_settings(row["settings"]),
        memory=_memory(row["memory"]),
        version=str(row["version"]),
        wall=None if wall is None else WallClock(_number(wall[0]), trusted=wall[1] is True),
    )


def _settings(row: Mapping[str, Any]) -> EngineSettings:
    defaults = EngineSettings()
    named = {stored_names.SETTINGS.get(name, name): value for name, value in row.items()}
    parts = {name: type(getattr(defaults, name))(**value) for name, value in named.items() if isinstance(value, dict)}
    return EngineSettings(**{**named, **parts})


def _panel(rows: Iterable[Mapping[str, Any]]) -> Panel:
    return Panel.of(*(_circuit(row) for row in rows))


_WORDS: dict[str, Callable[[Any], Any]] = {
    "id": CircuitId,
    "spaces": tuple,
    "kind": Kind,
    "tag": Tag,
    "restore": Restore,
    "override": Override,
    "wakes": Wakes,
    "shed_by": ShedBy,
    "device": lambda row: DeviceTraits(**{**row, "evidence": Evidence(row["evidence"])}),
}


def _circuit(row: Mapping[str, Any]) -> Circuit:
    return Circuit(**{name: _WORDS[name](value) if name in _WORDS else value for name, value in row.items()})


def _memory(row: Mapping[str, Any]) -> SavedState:
    return SavedState(
        entries={CircuitId(circuit): stored_names.entry_row(kept) for circuit, kept in row["entries"].items()},
        outage=_maybe(_outage, row["outage"]),
        history=tuple(_history(kept) for kept in row["history"]),
        last_outage=int(row["last_outage"]),
        openings=tuple(_moment(moment) for moment in row["openings"]),
        boot=_maybe(str, row["boot"]),
        pulse_count=int(row["pulse_count"]),
        kwh_pulse_count=int(row["kwh_pulse_count"]),
    )


def _outage(row: Mapping[str, Any]) -> SaveOutage:
    moments = {"began": _moment(row["began"]), "ended": _maybe(_moment, row["ended"])}
    return SaveOutage(**{**row, **moments, "openings": tuple(_moment(one) for one in row["openings"])})


def _history(row: Mapping[str, Any]) -> SaveHistory:
    moments = {name: _maybe(_moment, row[name]) for name in ("shed_at", "restored_at")}
    end = stored_names.ENDS.get(row["end"], row["end"])
    return SaveHistory(**{**row, **moments, "end": end})


def _moment(row: list[Any]) -> BootTime:
    boot, mono = row
    return BootTime(str(boot), _number(mono))


def _command(word: str, circuit: str, expires_s: int) -> Command:
    kinds: dict[str, type[Command]] = {"OFF": SwitchOff, "ON": SwitchOn}
    return kinds[word](CircuitId(circuit), expires_s)


TICKET = "a recorded reply address"
"""Stands for the reply address of a recorded request."""


def _event(row: list[Any]) -> ev.Event:
    kind = _EVENTS[stored_names.INPUTS.get(row[0], row[0])]
    if len(row) > len(kind._fields) + 1:
        raise ValueError(f"{row[0]} has more fields than this version of loadshed knows")
    # Fewer fields are valid: later additions have defaults.
    named = zip(kind._fields, row[1:], strict=False)
    event: ev.Event = kind(**{name: _FIELDS[name](value) if name in _FIELDS else value for name, value in named})
    return event


def _number(value: Any) -> float:  # noqa: ANN401  # whatever stands there
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    return value


def _maybe(read: Callable[[Any], Any], value: Any) -> Any:  # noqa: ANN401  # None, or what `read` makes of it
    return None if value is None else read(value)


_EVENTS: dict[str, type[Any]] = {
    "ContactChanged": ev.ContactChanged,
    "ContactAlive": ev.ContactAlive,
    "ContactLost": ev.ContactLost,
    "BusConnected": ev.BusConnected,
    "BusLost": ev.BusLost,
    "BreakerReported": ev.BreakerReported,
    "AvailabilityReported": ev.AvailabilityReported,
    "DeviceRestarted": ev.DeviceRestarted,
    "DeviceAlive": ev.DeviceAlive,
    "DeviceIdentified": ev.DeviceIdentified,
    "PowerReported": ev.PowerReported,
    "TripWordReported": ev.TripWordReported,
    "CommandRefused": ev.CommandRefused,
    "RetainedCommandsFound": ev.RetainedCommandsFound,
    "ClientReported": ev.ClientReported,
    "Requested": ev.Requested,
    "CircuitsChanged": ev.CircuitsChanged,
    "ConfigurationRefused": ev.ConfigurationRefused,
    "EnergyRead": ev.EnergyRead,
    "MeterSilent": ev.MeterSilent,
    "MeterIdentified": ev.MeterIdentified,
    "MeterFindingReported": ev.MeterFindingReported,
    "ExtraMeterRead": ev.ExtraMeterRead,
    "PulseSeen": ev.PulseSeen,
    "KwhPulseSeen": ev.KwhPulseSeen,
    "DiskFailed": ev.DiskFailed,
    "DiskRecovered": ev.DiskRecovered,
    "BrokerFindingChanged": ev.BrokerFindingChanged,
    "OtherControllerChanged": ev.OtherControllerChanged,
    "ClockTrusted": ev.ClockTrusted,
    "ClockSet": ev.ClockSet,
}
"""Names of the engine's inputs in a recording. They are pinned: a class may be renamed, its recorded name may not."""

_EVENT_NAMES = {kind: name for name, kind in _EVENTS.items()}

_FIELDS: dict[str, Callable[[Any], Any]] = {
    "at": _number,
    "position": Position,
    "panel": _panel,
    "errors": tuple,
    "circuits": tuple,
    "problems": tuple,
    "reply": lambda waits: TICKET if waits else None,
}
