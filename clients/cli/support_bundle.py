"""`loadshed support-bundle`: the files for a bug report, without secrets."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from clients.maintenance.support_bundle import Folders, write_bundle
from clients.terminal.arguments import folders
from clients.terminal.exit_codes import DONE, NOT_DONE
from clients.terminal.output import print_error, print_line

if TYPE_CHECKING:
    import argparse


def add_support_bundle(parser: argparse.ArgumentParser) -> None:
    """Add the options of `support-bundle`."""
    parser.description = (
        "Collect the files for a bug report: both configuration files without secrets, versions, the last events,\n"
        "the output of `status`, `check` and `ready`, and the result of a database check. The contents are listed.\n"
        "Review the file before you share it."
    )
    text = "file to write (default: loadshed-support-DATE.tar.gz in the current folder)"
    parser.add_argument("--out", type=Path, metavar="FILE", help=text)
    folders(parser, config=True, state=True)
    parser.set_defaults(call=_support_bundle)


def _support_bundle(arguments: argparse.Namespace) -> int:
    out = arguments.out or Path(time.strftime("loadshed-support-%Y%m%d-%H%M%S.tar.gz"))
    try:
        contents = write_bundle(Folders(arguments.config.absolute(), arguments.state.absolute()), out)
    except OSError as error:
        print_error(f"{out} cannot be written: {error.strerror or error}")
        return NOT_DONE
    print_line(f"{out}:")
    for line in contents:
        print_line(f"  {line}")
    print_line(
        "Passwords and keys are not included. Names of users and circuits are: review the file before you share it."
    )
    return DONE
