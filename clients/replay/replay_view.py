"""A replay as people and programs read it: the decisions as they fall, and what the comparison came to."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

from clients.replay.replay import ReplaySummary
from controller.bus.payloads import rfc3339
from controller.core.effects import SwitchOff
from controller.runtime.journal import format_event

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from clients.replay.replay import ReplayedTurn, Step
    from controller.core.effects import LogEvent
    from controller.recording.format import Command, Session, SessionStart
    from rules.json_types import Json


def as_text(steps: Iterable[Step], out: TextIO) -> ReplaySummary:
    """Write the decisions as lines, and at the end what the comparison came to, which is returned."""
    tally = ReplaySummary()
    headed: SessionStart | None = None
    for step in steps:
        tally.add(step)
        if step.turn is None:
            if headed is step.segment.start and step.segment.end is not None and step.segment.end.cut is not None:
                out.write(f"  the recording was cut here: {step.segment.end.cut}\n")
            continue
        if headed is not step.segment.start:
            headed = step.segment.start
            out.write(f"{_head(step.segment)}\n")
        out.writelines(
            f"  {time_of(happened.at, headed)}  {format_event(happened.event, happened.circuit, happened.details)}\n"
            for happened in step.turn.told
        )
        if not step.turn.same:
            out.write(f"{_difference(step.turn, headed)}\n")
    if tally.told:
        out.write(f"{tally.sentence()}\n")
    return tally


def as_json(steps: Iterable[Step], out: TextIO) -> ReplaySummary:
    """Write one object: the decisions, and what the comparison came to, which is returned as well."""
    tally = ReplaySummary()
    decisions: list[Json] = []
    for step in steps:
        tally.add(step)
        if step.turn is not None:
            decisions += [_event(happened, step.segment.start) for happened in step.turn.told]
    told: dict[str, Json] = {
        "same": tally.difference is None,
        "commands": tally.commands,
        "commands_same": tally.same,
        "difference": None if tally.difference is None else _difference_row(*tally.difference),
        "decisions": decisions,
    }
    out.write(json.dumps(told, indent=2) + "\n")
    return tally


def time_of(at: float, start: SessionStart) -> str:
    """Return a moment as it is told: the time of day, with a mark where the clock was not known to be right."""
    if start.wall is None:
        return f"{at - start.at:+12.3f} s"
    when = datetime.fromtimestamp(start.wall.seconds(at), UTC).astimezone()
    return f"{when:%H:%M:%S}.{when.microsecond // 1000:03d}{'' if start.wall.trusted else '?'}"


def _head(segment: Session) -> str:
    start = segment.start
    if start.wall is None:
        day = "a start"
    else:
        day = f"{datetime.fromtimestamp(start.wall.seconds(start.at), UTC).astimezone():%Y-%m-%d %H:%M:%S}: a start"
    more = ", the machine had booted" if start.rebooted else ""
    doubt = "" if start.wall is None or start.wall.trusted else "; the clock was not known to be right (?)"
    return f"{day} of loadshed {start.version or '?'}{more}, {len(start.panel)} circuits{doubt}"


def _difference(turn: ReplayedTurn, start: SessionStart) -> str:
    then, now = _commands(turn.turn.commands), _commands(turn.decided)
    return f"  {time_of(turn.turn.now, start)}  DIFFERS: then {then}; now {now}"


def _commands(commands: Sequence[Command]) -> str:
    return ", ".join(_command(one) for one in commands) or "no command"


def _command(command: Command) -> str:
    return f"{'OFF' if isinstance(command, SwitchOff) else 'ON'} to {command.circuit} (for {command.expires_s} s)"


def _difference_row(start: SessionStart, turn: ReplayedTurn) -> Json:
    then: list[Json] = [_command(one) for one in turn.turn.commands]
    now: list[Json] = [_command(one) for one in turn.decided]
    return {**moment_of(turn.turn.now, start), "recorded": then, "replayed": now}


def _event(happened: LogEvent, start: SessionStart) -> Json:
    about: dict[str, Json] = {**happened.details, **moment_of(happened.at, start), "event": happened.event}
    return about | ({} if happened.circuit is None else {"circuit": happened.circuit})


def moment_of(at: float, start: SessionStart) -> dict[str, Json]:
    """Return a moment as it stands in JSON."""
    boot: dict[str, Json] = {"boot": start.boot, "monotonic_s": at}
    if start.wall is None:
        return {"at": None, **boot}
    return {"at": rfc3339(start.wall.seconds(at)), **boot} | ({} if start.wall.trusted else {"clock": "untrusted"})
