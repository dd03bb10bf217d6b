"""`loadshed replay`: a recorded night, played again, and compared with what was decided then."""

from __future__ import annotations

import argparse
import sqlite3
import sys
from contextlib import ExitStack, closing
from dataclasses import replace as with_changes
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from clients.cli.cli import folders
from clients.replay.replay import Wanted, Within, compared
from clients.replay.replay_view import as_json, as_text
from clients.terminal.exit_codes import DONE, NOT_DONE, WRONG_CONFIGURATION
from clients.terminal.tables import print_error
from controller.recording.format import RecordingError, sessions, to_lines
from controller.storage.recording_reader import recorded
from controller.storage.schema import LEDGER, UnusableDatabaseError, open_for_reading

if TYPE_CHECKING:
    from collections.abc import Iterable

    from controller.recording.format import Session

_SQLITE = b"SQLite format 3\x00"

_DESCRIPTION = """Play a recorded night again: feed what went into the daemon to a fresh engine, tell what it decides,
and compare each command with the one that left then. Exit 0: the same decisions; 1: another, which is shown.

SOURCE is a state folder or its ledger.db (the daemon may run; nothing is written there), or a recording that --export
wrote. Left out: the folder of --state."""

_EPILOG = """with another configuration (--with DIR):
  What came from outside goes in as it was recorded: the contact, the broker, requests, hands, devices that came and
  went. A command that was not given then is answered by assumption: the device obeys as fast as it did (one never
  commanded: as fast as the house's others), and not at all where it answered nothing then. Answers to commands that
  are not given now are left out. Assumptions are named. Nobody knows what people would have done.

not in the recording: what the meter said (it decides nothing of switching), what a device said again
without anything coming of it, what a power cut took of the last seconds, and what lay beyond the card's share in a
storm of events."""


def add_replay(parser: argparse.ArgumentParser) -> None:
    """Describe `replay`."""
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    parser.add_argument("source", nargs="?", metavar="SOURCE", help="a state folder, its ledger.db, or a recording")
    parser.add_argument("--outage", metavar="N", type=int, help="tell this outage alone")
    parser.add_argument(
        "--from", metavar="TIME", type=_time, dest="since", help="tell what came after, as 2026-01-31T18:00"
    )
    parser.add_argument("--with", metavar="DIR", type=Path, dest="other", help="decide by the two files in DIR instead")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--export", metavar="FILE", help="write the recording there instead, for a bug report")
    folders(parser, state=True)
    parser.set_defaults(call=_replay)


def _time(text: str) -> float:
    """Return seconds since 1970; without a zone the time is this machine's."""
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: write it as 2026-01-31T18:00") from error


def _replay(arguments: argparse.Namespace) -> int:
    source = Path(arguments.source) if arguments.source else arguments.state
    unreadable: list[str] = []
    try:
        with ExitStack() as opened:
            found = _segments(source, opened, unreadable)
            code = _do(arguments, found)
    except (FileNotFoundError, IsADirectoryError):
        print_error(f"there is no recording in {source}: has `loadshed run` been started with this --state?")
        return NOT_DONE
    except (sqlite3.DatabaseError, UnusableDatabaseError, RecordingError, OSError, UnicodeDecodeError) as error:
        print_error(f"the recording in {source} cannot be read: {error}")
        return NOT_DONE
    for what in unreadable:
        print_error(f"{what} cannot be read, and is left out")
    return code


def _do(arguments: argparse.Namespace, found: Iterable[Session]) -> int:
    if arguments.export:
        return _export(found, Path(arguments.export))
    return _play(arguments, found) if arguments.other is None else _play_otherwise(arguments, [*found])


def _segments(source: Path, opened: ExitStack, unreadable: list[str]) -> Iterable[Session]:
    """Return the segments of a folder, a database or a file of lines. Raises as reading does."""
    if source.is_dir():
        source /= LEDGER.file
    with source.open("rb") as file:
        is_database = file.read(len(_SQLITE)) == _SQLITE
    if is_database:
        layout = with_changes(LEDGER, file=source.name)
        return recorded(opened.enter_context(closing(open_for_reading(source.parent, layout))), unreadable)
    return sessions(opened.enter_context(source.open(encoding="utf-8")))


def _play(arguments: argparse.Namespace, found: Iterable[Session]) -> int:
    played = compared(found, Wanted(arguments.outage, arguments.since))
    tally = as_json(played, sys.stdout) if arguments.json else as_text(played, sys.stdout)
    if not tally.told:
        return _nothing(arguments)
    return DONE if tally.difference is None else NOT_DONE


def _nothing(arguments: argparse.Namespace) -> int:
    which = "nothing" if arguments.outage is None else f"no outage {arguments.outage}"
    print_error(f"{which} is in the recording; `loadshed outages` lists what there was")
    return NOT_DONE


def _play_otherwise(arguments: argparse.Namespace, found: list[Session]) -> int:
    """Decide by another configuration, and show which circuits fare otherwise."""
    from clients.bus_client.check_view import mistakes_text  # noqa: PLC0415
    from clients.replay import what_if_view  # noqa: PLC0415
    from clients.replay.what_if import WhatIf  # noqa: PLC0415
    from controller.config.errors import ConfigErrors  # noqa: PLC0415
    from controller.config.loader import load  # noqa: PLC0415
    from controller.runtime.startup import engine_settings  # noqa: PLC0415  # with another configuration only

    configuration = load(arguments.other.absolute())
    if isinstance(configuration, ConfigErrors):
        sys.stderr.write(mistakes_text(configuration, arguments.other) + "\n")
        return WRONG_CONFIGURATION
    within = Within.of(found, Wanted(arguments.outage, arguments.since))
    if within is None:
        return _nothing(arguments)
    what_if = WhatIf(found, configuration.panel, engine_settings(configuration))
    show = what_if_view.as_json if arguments.json else what_if_view.as_text
    show(what_if, what_if_view.compare_circuits(what_if, within.holds), sys.stdout)
    return DONE


def _export(found: Iterable[Session], file: Path) -> int:
    """Write the recording as lines."""
    written = 0
    try:
        out = file.open("w", encoding="utf-8")
    except OSError as error:
        print_error(f"{file} cannot be written: {error.strerror or error}")
        return NOT_DONE
    with out:
        for segment in found:
            lines = [*to_lines(segment)]
            out.writelines(f"{line}\n" for line in lines)
            written += len(lines)
    sys.stdout.write(f"{written} lines written to {file}; play them with: loadshed replay {file}\n")
    return DONE
