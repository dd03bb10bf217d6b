"""`loadshed metrics`: metrics for Prometheus, as a file for node_exporter."""

from __future__ import annotations

import asyncio
import signal
from argparse import ArgumentTypeError
from pathlib import Path
from typing import TYPE_CHECKING

from clients.cli.argument_types import non_negative
from clients.cli.shared import site_or_error
from clients.maintenance.metrics import INTERVAL_S, watch
from clients.terminal.arguments import folders
from clients.terminal.exit_codes import DONE, NOT_DONE, WRONG_CONFIGURATION
from clients.terminal.interrupt import accept_ctrl_c
from clients.terminal.output import print_error

if TYPE_CHECKING:
    import argparse

METRICS_FILE = Path("/run/loadshed-metrics/loadshed.prom")
MAX_INTERVAL_S = 3600.0


def add_metrics(parser: argparse.ArgumentParser) -> None:
    """Add the options of `metrics`."""
    parser.description = (
        "Follow the house on the MQTT bus and write its metrics to a file for node_exporter's textfile collector,\n"
        "until Ctrl-C or SIGTERM. The file is then removed, so that no outdated value is read."
    )
    text = "file to write; its name ends in .prom (default: %(default)s)"
    parser.add_argument("--file", type=_prom_file, default=METRICS_FILE, metavar="PATH", help=text)
    text = "seconds between two updates (default: %(default)g)"
    parser.add_argument("--every", type=_interval_s, default=INTERVAL_S, metavar="SECONDS", help=text)
    folders(parser, config=True)
    parser.set_defaults(call=_metrics)


def _prom_file(text: str) -> Path:
    if not text.endswith(".prom"):
        raise ArgumentTypeError(f"{text}: the name must end in .prom, or node_exporter does not read the file")
    return Path(text)


def _interval_s(text: str) -> float:
    if not 1 <= (interval_s := non_negative(text)) <= MAX_INTERVAL_S:
        raise ArgumentTypeError(f"{text}: use 1 to {MAX_INTERVAL_S:g}")
    return interval_s


def _metrics(arguments: argparse.Namespace) -> int:
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
        print_error(f"{arguments.file} cannot be written: {error.strerror or error}. Use --file for another file.")
    return NOT_DONE
