"""Commands for whoever watches over the program: metrics, support-bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clients.cli.argument_types import amount
from clients.cli.cli import folders
from clients.cli.look import DONE, NOT_DONE, WRONG_CONFIGURATION, print_error, site_or_error
from clients.terminal.interrupt import accept_ctrl_c
from clients.terminal.output import print_line

if TYPE_CHECKING:
    import argparse

METRICS_FILE = Path("/run/loadshed-metrics/loadshed.prom")
MOST_S = 3600.0

# --- metrics ---------------------------------------------------------------------------------------------------------


def add_metrics(parser: argparse.ArgumentParser) -> None:
    """Describe `metrics`."""
    parser.description = (
        "Follow the house on the bus and write it, again and again, as a file for node_exporter's textfile\n"
        "collector. Ends on SIGTERM or Ctrl-C, and takes the file away: nothing old is left to be read."
    )
    says = "the file, ending in .prom (%(default)s)"
    parser.add_argument("--file", type=_prom, default=METRICS_FILE, metavar="PATH", help=says)
    parser.add_argument("--every", type=_interval, default=15.0, metavar="SECONDS", help="how often (%(default)g)")
    folders(parser, config=True)
    parser.set_defaults(call=_metrics)


def _prom(text: str) -> Path:
    if not text.endswith(".prom"):
        from argparse import ArgumentTypeError  # noqa: PLC0415

        raise ArgumentTypeError(f"{text}: node_exporter reads files that end in .prom")
    return Path(text)


def _interval(text: str) -> float:
    from argparse import ArgumentTypeError  # noqa: PLC0415

    if not 1 <= (every_s := amount(text)) <= MOST_S:
        raise ArgumentTypeError(f"{text}: use 1 to {MOST_S:g}")
    return every_s


def _metrics(arguments: argparse.Namespace) -> int:
    import asyncio  # noqa: PLC0415
    import signal  # noqa: PLC0415

    from clients.maintenance.metrics import watch  # noqa: PLC0415

    site = site_or_error(arguments.config)
    if site is None:
        return WRONG_CONFIGURATION
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    accept_ctrl_c()
    try:
        asyncio.run(watch(site, arguments.file, arguments.every))
    except KeyboardInterrupt:
        return DONE
    except OSError as error:
        print_error(f"{arguments.file} cannot be written: {error.strerror or error}; --file names another")
    return NOT_DONE


# --- support-bundle --------------------------------------------------------------------------------------------------


def add_support_bundle(parser: argparse.ArgumentParser) -> None:
    """Describe `support-bundle`."""
    parser.description = (
        "Collect what a bug report needs: both files without secrets, versions, the last events, status, check, and\n"
        "whether the databases are whole. It says what is in it; look before you send it to anybody."
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="where it goes (loadshed-support-DATE.tar.gz, here)")
    folders(parser, config=True, state=True)
    parser.set_defaults(call=_support_bundle)


def _support_bundle(arguments: argparse.Namespace) -> int:
    import time  # noqa: PLC0415

    from clients.maintenance.support_bundle import Folders, write_bundle  # noqa: PLC0415

    out = arguments.out or Path(time.strftime("loadshed-support-%Y%m%d-%H%M%S.tar.gz"))
    try:
        inside = write_bundle(Folders(arguments.config.absolute(), arguments.state.absolute()), out)
    except OSError as error:
        print_error(f"{out} cannot be written: {error.strerror or error}")
        return NOT_DONE
    print_line(f"{out}:")
    for line in inside:
        print_line(f"  {line}")
    print_line("Password files and keys are not in it. Names of people and circuits are: look before you send it.")
    return DONE
