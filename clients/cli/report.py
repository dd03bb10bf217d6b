"""`loadshed report`: one outage in detail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.cli.shared import with_log
from clients.reports.export import report_csv, report_fields
from clients.reports.html import report_html
from clients.reports.outage_report import build_report
from clients.reports.text import report_text
from clients.terminal.arguments import folders
from clients.terminal.exit_codes import DONE, NOT_DONE
from clients.terminal.output import print_document, print_error, print_json, print_line
from controller.config.history import last_valid

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from clients.reports.outage_report import OutageReport
    from controller.storage.log_reader import EventLog

_FORMATS: dict[str, Callable[[OutageReport], str]] = {
    "text": report_text,
    "html": report_html,
    "csv": report_csv,
}


def add_report(parser: argparse.ArgumentParser) -> None:
    """Add the options of `report`."""
    parser.description = (
        "Show one outage in detail: time and duration, each circuit, energy, peaks, gaps in the data and their\n"
        "reasons.\n"
        "The controller need not be running.\n\n"
        "  loadshed report --html > outage.html     a page with the demand curve, to print or mail"
    )
    parser.add_argument("number", nargs="?", type=int, metavar="N", help="number of the outage (default: the latest)")
    folders(parser, state=True)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_const", const="csv", dest="form", help="print the demand log as CSV")
    form.add_argument("--json", action="store_const", const="json", dest="form", help="print everything as JSON")
    form.add_argument("--html", action="store_const", const="html", dest="form", help="print a self-contained page")
    parser.set_defaults(form="text", call=lambda arguments: with_log(arguments, _report))


def _report(arguments: argparse.Namespace, log: EventLog) -> int:
    outage = log.outage(arguments.number)
    if outage is None:
        missing = "No outage recorded" if arguments.number is None else f"There is no outage {arguments.number}"
        print_error(f"{missing} in {arguments.state}. `loadshed outages` lists the recorded outages.")
        return NOT_DONE
    report = build_report(log, outage, last_valid(arguments.state))
    if arguments.form == "json":
        print_json(report_fields(report))
    else:
        (print_line if arguments.form == "text" else print_document)(_FORMATS[arguments.form](report))
    return DONE
