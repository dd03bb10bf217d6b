"""`loadshed replay`: replay of a recording, compared with the recorded decisions."""

from __future__ import annotations

import argparse
import sqlite3
import sys
from contextlib import ExitStack, closing
from dataclasses import replace as with_changes
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from clients.cli.shared import load_or_error
from clients.replay import what_if_view
from clients.replay.replay import Wanted, Within, compared
from clients.replay.replay_view import as_json, as_text
from clients.replay.what_if import WhatIf
from clients.terminal.arguments import folders
from clients.terminal.exit_codes import DONE, NOT_DONE, WRONG_CONFIGURATION
from clients.terminal.output import print_error, print_line
from controller.recording.format import RecordingError, sessions, to_lines
from controller.runtime.startup import engine_settings
from controller.storage.recording_reader import recorded
from controller.storage.schema import LEDGER, UnusableDatabaseError, open_for_reading

if TYPE_CHECKING:
    from collections.abc import Iterable

    from controller.recording.format import Session

_SQLITE = b"SQLite format 3\x00"

_DESCRIPTION = """\
Replay a recording: feed the recorded inputs to the program's decision logic, show its decisions, and compare
each command with the recorded one. Exit code 0: all decisions are the same; 1: a decision differs, which is shown.

SOURCE is a state folder or its ledger.db, which is only read (the controller may be running), or a recording
written with --export. The default is the --state folder."""

_EPILOG = """with another configuration (--with DIR):
  External inputs are replayed as recorded: contact, broker, requests, manual switching, device availability.
  A command that was not recorded is answered by assumption: the device responds as fast as it did in the recording
  (a device that was never commanded: as fast as the others), and not at all if it never responded. Responses to
  commands that are no longer sent are omitted. All assumptions are listed. User actions are not adjusted.

not in the recording:
  - meter readings, which have no influence on switching
  - repeated device reports without effect
  - the last seconds before a power cut
  - inputs beyond the recording's write limit in a burst of events"""


def add_replay(parser: argparse.ArgumentParser) -> None:
    """Add the options of `replay`."""
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    parser.add_argument("source", nargs="?", metavar="SOURCE", help="a state folder, its ledger.db, or a recording")
    parser.add_argument("--outage", metavar="N", type=int, help="show only this outage")
    text = "show only what came after a local time, such as 2026-01-31T18:00"
    parser.add_argument("--from", metavar="TIME", type=_time, dest="since", help=text)
    text = "decide with the configuration files in DIR instead"
    parser.add_argument("--with", metavar="DIR", type=Path, dest="other", help=text)
    parser.add_argument("--json", action="store_true", help="print JSON, with times in UTC")
    parser.add_argument("--export", metavar="FILE", help="write the recording to FILE instead, for a bug report")
    folders(parser, state=True)
    parser.set_defaults(call=_replay)


def _time(text: str) -> float:
    """Return seconds since 1970. A time without a zone is in the machine's time zone."""
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time. Write it as 2026-01-31T18:00") from error


def _replay(arguments: argparse.Namespace) -> int:
    source = Path(arguments.source) if arguments.source else arguments.state
    unreadable: list[str] = []
    try:
        with ExitStack() as stack:
            recording = _sessions(source, stack, unreadable)
            code = _dispatch(arguments, recording)
    except (FileNotFoundError, IsADirectoryError):
        print_error(f"There is no recording in {source}. Has `loadshed run` been started with this --state?")
        return NOT_DONE
    except (sqlite3.DatabaseError, UnusableDatabaseError, RecordingError, OSError, UnicodeDecodeError) as error:
        print_error(f"The recording in {source} cannot be read: {error}")
        return NOT_DONE
    for item in unreadable:
        print_error(f"{item} cannot be read and is left out.")
    return code


def _dispatch(arguments: argparse.Namespace, recording: Iterable[Session]) -> int:
    if arguments.export:
        return _export(recording, Path(arguments.export))
    if arguments.other is None:
        return _compare(arguments, recording)
    return _replay_with(arguments, [*recording])


def _sessions(source: Path, stack: ExitStack, unreadable: list[str]) -> Iterable[Session]:
    """Return the sessions of a folder, a database or an exported recording. Raises as reading does."""
    if source.is_dir():
        source /= LEDGER.file
    with source.open("rb") as file:
        is_database = file.read(len(_SQLITE)) == _SQLITE
    if is_database:
        layout = with_changes(LEDGER, file=source.name)
        return recorded(stack.enter_context(closing(open_for_reading(source.parent, layout))), unreadable)
    return sessions(stack.enter_context(source.open(encoding="utf-8")))


def _compare(arguments: argparse.Namespace, recording: Iterable[Session]) -> int:
    steps = compared(recording, Wanted(arguments.outage, arguments.since))
    summary = as_json(steps, sys.stdout) if arguments.json else as_text(steps, sys.stdout)
    if not summary.told:
        return _report_nothing_found(arguments)
    return DONE if summary.difference is None else NOT_DONE


def _report_nothing_found(arguments: argparse.Namespace) -> int:
    if arguments.outage is None:
        print_error("The recording has nothing for this time. `loadshed outages` lists the recorded outages.")
    else:
        print_error(f"The recording has no outage {arguments.outage}. `loadshed outages` lists the recorded outages.")
    return NOT_DONE


def _replay_with(arguments: argparse.Namespace, recording: list[Session]) -> int:
    """Decide with another configuration and show the circuits that are treated differently."""
    configuration = load_or_error(arguments.other)
    if configuration is None:
        return WRONG_CONFIGURATION
    within = Within.of(recording, Wanted(arguments.outage, arguments.since))
    if within is None:
        return _report_nothing_found(arguments)
    what_if = WhatIf(recording, configuration.panel, engine_settings(configuration))
    show = what_if_view.as_json if arguments.json else what_if_view.as_text
    show(what_if, what_if_view.compare_circuits(what_if, within.holds), sys.stdout)
    return DONE


def _export(recording: Iterable[Session], file: Path) -> int:
    """Write the recording as lines of JSON."""
    written = 0
    try:
        out = file.open("w", encoding="utf-8")
    except OSError as error:
        print_error(f"{file} cannot be written: {error.strerror or error}")
        return NOT_DONE
    with out:
        for session in recording:
            lines = [*to_lines(session)]
            out.writelines(f"{line}\n" for line in lines)
            written += len(lines)
    print_line(f"{written} lines written to {file}. To replay them: loadshed replay {file}")
    return DONE
