"""`loadshed backup`: a whole copy of the house's files, with the daemon up or down."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clients.cli.cli import folders
from clients.cli.look import DONE, NOT_DONE, print_error
from clients.terminal.output import print_line

if TYPE_CHECKING:
    import argparse


def add_backup(parser: argparse.ArgumentParser) -> None:
    """Describe `backup`."""
    parser.description = (
        "Copy the ledger, the log of outages, both files and all that were in force into a new folder.\n"
        "The daemon goes on meanwhile. Passwords and certificates are not copied."
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="it must not be there yet")
    folders(parser, config=True, state=True)
    parser.set_defaults(call=_backup)


def _backup(arguments: argparse.Namespace) -> int:
    from clients.maintenance.backup import BackupError, copy_all  # noqa: PLC0415

    try:
        copied = copy_all(arguments.config, arguments.state, arguments.folder)
    except BackupError as error:
        print_error(str(error))
        return NOT_DONE
    print_line(f"{arguments.folder}: {', '.join(copied)}")
    return DONE
