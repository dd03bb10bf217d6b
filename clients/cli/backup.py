"""`loadshed backup`: a consistent copy of the house's files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clients.maintenance.backup import BackupError, copy_all
from clients.terminal.arguments import folders
from clients.terminal.exit_codes import DONE, NOT_DONE
from clients.terminal.output import print_error, print_line

if TYPE_CHECKING:
    import argparse


def add_backup(parser: argparse.ArgumentParser) -> None:
    """Add the options of `backup`."""
    parser.description = (
        "Copy the ledger, the event log, both configuration files and their history to a new folder.\n"
        "The controller may be running. Passwords and certificates are not copied."
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder to create; it must not exist yet")
    folders(parser, config=True, state=True)
    parser.set_defaults(call=_backup)


def _backup(arguments: argparse.Namespace) -> int:
    try:
        copied = copy_all(arguments.config, arguments.state, arguments.folder)
    except BackupError as error:
        print_error(str(error))
        return NOT_DONE
    print_line(f"Backup written to {arguments.folder}: {', '.join(copied)}")
    return DONE
