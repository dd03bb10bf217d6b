"""Commands that look and change nothing: check, status, outages, report."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from clients.cli.cli import folders
from clients.terminal.output import print_line

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from pathlib import Path

    from clients.bus_client.site import Site
    from clients.reports.outage_report import OutageReport
    from controller.storage.log_reader import EventLog

DONE, NOT_DONE, WRONG_CONFIGURATION = 0, 1, 78


def print_error(text: str) -> None:
    """Write why something could not be done to stderr."""
    sys.stderr.write(f"loadshed: {text}\n")


# --- check -----------------------------------------------------------------------------------------------------------


def add_check(parser: argparse.ArgumentParser) -> None:
    """Describe `check`."""
    parser.description = (
        "Read both files and show what a transfer to standby will do to each circuit and why.\n"
        "All mistakes are named at once (exit 78), and what is legal but unwise (exit 0)."
    )
    folders(parser, config=True)
    parser.set_defaults(call=_check)


def _check(arguments: argparse.Namespace) -> int:
    from clients.bus_client.check import describe, unreadable_files  # noqa: PLC0415
    from clients.cli.check_view import description_text, mistakes_text  # noqa: PLC0415
    from controller.config.errors import ConfigErrors  # noqa: PLC0415
    from controller.config.loader import load  # noqa: PLC0415

    configuration = load(arguments.config.absolute())
    if isinstance(configuration, ConfigErrors):
        sys.stderr.write(mistakes_text(configuration, arguments.config) + "\n")
        return WRONG_CONFIGURATION
    print_line(description_text(describe(configuration)))
    if unreadable := unreadable_files(configuration):
        sys.stderr.write(mistakes_text(ConfigErrors(unreadable), arguments.config) + "\n")
        return WRONG_CONFIGURATION
    return DONE


# --- status ----------------------------------------------------------------------------------------------------------


def add_status(parser: argparse.ArgumentParser) -> None:
    """Describe `status`."""
    parser.description = (
        "Ask the running daemon, through the broker named in installer.toml, how the house stands.\n"
        "Exit 1 where that cannot be known: the broker is away, or the daemon is."
    )
    folders(parser, config=True)
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(call=_status)


def _status(arguments: argparse.Namespace) -> int:
    from clients.cli.status_view import status  # noqa: PLC0415

    site = site_or_error(arguments.config)
    return WRONG_CONFIGURATION if site is None else status(site, as_json=arguments.json)


def site_or_error(config_dir: Path) -> Site | None:
    """Return the site that a folder's files are about; None where they are wrong, which is then said."""
    from clients.bus_client.site import read_site  # noqa: PLC0415
    from clients.cli.check_view import mistakes_text  # noqa: PLC0415
    from controller.config.errors import ConfigErrors  # noqa: PLC0415

    site = read_site(config_dir)
    if isinstance(site, ConfigErrors):
        sys.stderr.write(mistakes_text(site, config_dir) + "\n")
        return None
    return site


# --- the log ---------------------------------------------------------------------------------------------------------


def add_outages(parser: argparse.ArgumentParser) -> None:
    """Describe `outages`."""
    parser.description = "List the outages in the log, the latest last. Works with the daemon up or down."
    folders(parser, state=True)
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(call=lambda arguments: _with_log(arguments, _outages))


def add_report(parser: argparse.ArgumentParser) -> None:
    """Describe `report`."""
    parser.description = (
        "Tell one outage in full: when and how long, each circuit, energy, peaks, gaps and their reasons.\n"
        "Works with the daemon up or down.\n\n"
        "  loadshed report --html > outage.html     the page with the demand curve, to print or mail"
    )
    parser.add_argument("number", nargs="?", type=int, metavar="N", help="its number; without one, the latest")
    folders(parser, state=True)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_const", const="csv", dest="form", help="the demand log, units in its head")
    form.add_argument("--json", action="store_const", const="json", dest="form", help="everything, for programs")
    form.add_argument("--html", action="store_const", const="html", dest="form", help="a page that needs nothing else")
    parser.set_defaults(call=lambda arguments: _with_log(arguments, _report), form="text")


def _with_log(arguments: argparse.Namespace, look: Callable[[argparse.Namespace, EventLog], int]) -> int:
    import sqlite3  # noqa: PLC0415

    from controller.storage.log_reader import EventLog  # noqa: PLC0415
    from controller.storage.schema import UnusableDatabaseError  # noqa: PLC0415

    try:
        with EventLog(arguments.state) as log:
            code = look(arguments, log)
            for what in log.unreadable:
                print_error(f"{what} cannot be read, and is left out")
            return code
    except FileNotFoundError:
        print_error(f"there is no log in {arguments.state}: has `loadshed run` been started with this --state?")
    except (sqlite3.DatabaseError, UnusableDatabaseError, OSError) as error:
        print_error(f"the log in {arguments.state} cannot be read: {error}")
    return NOT_DONE


def _outages(arguments: argparse.Namespace, log: EventLog) -> int:
    from clients.reports.export import outages_json  # noqa: PLC0415
    from clients.reports.text import outages_text  # noqa: PLC0415

    # One that is only about to begin may yet turn out to be a bounce.
    outages = [outage for outage in log.outages() if outage.openings or outage.stage != "about"]
    if arguments.json:
        print_line(outages_json(outages))
    else:
        print_line(outages_text(outages) if outages else "no outage so far")
    return DONE


def _report(arguments: argparse.Namespace, log: EventLog) -> int:
    from clients.reports.outage_report import build_report  # noqa: PLC0415
    from controller.config.history import last_valid  # noqa: PLC0415

    outage = log.outage(arguments.number)
    if outage is None:
        which = "no outage so far" if arguments.number is None else f"no outage {arguments.number}"
        print_error(f"{which} in {arguments.state}; `loadshed outages` lists them")
        return NOT_DONE
    _write_story(build_report(log, outage, last_valid(arguments.state)), arguments.form)
    return DONE


def _write_story(told: OutageReport, form: str) -> None:
    if form == "html":
        from clients.reports.html import report_html  # noqa: PLC0415

        sys.stdout.write(report_html(told))
        return
    if form == "text":
        from clients.reports.text import report_text  # noqa: PLC0415

        print_line(report_text(told))
        return
    from clients.reports.export import report_csv, report_json  # noqa: PLC0415

    sys.stdout.write(report_csv(told) if form == "csv" else report_json(told) + "\n")
