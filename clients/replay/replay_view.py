"""Output of `loadshed replay`: the decisions, and the result of the comparison."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TextIO

from clients.replay.replay import ReplaySummary
from clients.terminal.times import date_and_time, local
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
    """Write the decisions as lines, then the result of the comparison. Return that result."""
    summary = ReplaySummary()
    headed: SessionStart | None = None
    for step in steps:
        summary.add(step)
        if step.turn is None:
            if headed is step.segment.start and step.segment.end is not None and step.segment.end.cut is not None:
                out.write(f"  the recording stops here: {step.segment.end.cut}\n")
            continue
        if headed is not step.segment.start:
            headed = step.segment.start
            out.write(f"{_heading(step.segment)}\n")
        out.writelines(
            f"  {time_of(happened.at, headed)}  {format_event(happened.event, happened.circuit, happened.details)}\n"
            for happened in step.turn.told
        )
        if not step.turn.same:
            out.write(f"{_difference(step.turn, headed)}\n")
    if summary.told:
        out.write(f"{summary.sentence()}\n")
    return summary


def as_json(steps: Iterable[Step], out: TextIO) -> ReplaySummary:
    """Write one object with the decisions and the result of the comparison. Return that result."""
    summary = ReplaySummary()
    decisions: list[Json] = []
    for step in steps:
        summary.add(step)
        if step.turn is not None:
            decisions += [_event(event, step.segment.start) for event in step.turn.told]
    fields: dict[str, Json] = {
        "same": summary.difference is None,
        "commands": summary.commands,
        "commands_same": summary.same,
        "difference": None if summary.difference is None else _difference_row(*summary.difference),
        "decisions": decisions,
    }
    out.write(json.dumps(fields, indent=2) + "\n")
    return summary


def time_of(at: float, start: SessionStart) -> str:
    """Return the local time of day, with `?` if the clock was not synchronized; else seconds since the start.

    `at`: monotonic seconds. The time zone is in the session's heading.
    """
    if start.wall is None:
        return f"{at - start.at:+12.3f} s"
    when = local(start.wall.seconds(at))
    return f"{when:%H:%M:%S}.{when.microsecond // 1000:03d}{'' if start.wall.trusted else '?'}"


def _heading(session: Session) -> str:
    start = session.start
    when = "Time unknown" if start.wall is None else date_and_time(start.wall.seconds(start.at))
    boot = " after a boot of the machine" if start.rebooted else ""
    doubt = "" if start.wall is None or start.wall.trusted else "; the clock was not synchronized (?)"
    return f"{when}: start of loadshed {start.version or '?'}{boot}, {len(start.panel)} circuits{doubt}"


def _difference(turn: ReplayedTurn, start: SessionStart) -> str:
    recorded, replayed = _commands(turn.turn.commands), _commands(turn.decided)
    return f"  {time_of(turn.turn.now, start)}  DIFFERENT: recorded {recorded}; replayed {replayed}"


def _commands(commands: Sequence[Command]) -> str:
    return ", ".join(_command(command) for command in commands) or "no command"


def _command(command: Command) -> str:
    return f"{'OFF' if isinstance(command, SwitchOff) else 'ON'} to {command.circuit} (for {command.expires_s} s)"


def _difference_row(start: SessionStart, turn: ReplayedTurn) -> Json:
    recorded: list[Json] = [_command(command) for command in turn.turn.commands]
    replayed: list[Json] = [_command(command) for command in turn.decided]
    return {**moment_of(turn.turn.now, start), "recorded": recorded, "replayed": replayed}


def _event(event: LogEvent, start: SessionStart) -> Json:
    fields: dict[str, Json] = {**event.details, **moment_of(event.at, start), "event": event.event}
    return fields | ({} if event.circuit is None else {"circuit": event.circuit})


def moment_of(at: float, start: SessionStart) -> dict[str, Json]:
    """Return the JSON fields of a time. `at`: monotonic seconds. The field `at` is UTC, None if unknown."""
    boot: dict[str, Json] = {"boot": start.boot, "monotonic_s": at}
    if start.wall is None:
        return {"at": None, **boot}
    return {"at": rfc3339(start.wall.seconds(at)), **boot} | ({} if start.wall.trusted else {"clock": "untrusted"})
