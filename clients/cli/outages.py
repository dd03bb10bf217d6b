"""`loadshed outages`: list of the recorded outages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.cli.shared import with_log
from clients.reports.export import outage_fields
from clients.reports.text import outages_text
from clients.terminal.arguments import folders
from clients.terminal.exit_codes import DONE
from clients.terminal.output import print_json, print_line
from controller.config.history import last_valid

if TYPE_CHECKING:
    import argparse

    from controller.storage.log_reader import EventLog


def add_outages(parser: argparse.ArgumentParser) -> None:
    """Add the options of `outages`."""
    parser.description = "List the recorded outages and drills, the latest last. The controller need not be running."
    folders(parser, state=True)
    parser.add_argument("--json", action="store_true", help="print JSON, with times in UTC")
    parser.set_defaults(call=lambda arguments: with_log(arguments, _outages))


def _outages(arguments: argparse.Namespace, log: EventLog) -> int:
    # An outage that is only being prepared may still turn out to be a bounce.
    outages = [outage for outage in log.outages() if outage.openings or outage.stage != "about"]
    if arguments.json:
        configuration = last_valid(arguments.state)
        panel = configuration.panel if configuration else None
        print_json([outage_fields(outage, panel) for outage in outages])
    else:
        print_line(outages_text(outages) if outages else "No outage recorded.")
    return DONE
