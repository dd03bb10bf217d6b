"""`loadshed demo`: one outage in a simulated house."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clients.demo.scenario import demo

if TYPE_CHECKING:
    import argparse


def add_demo(parser: argparse.ArgumentParser) -> None:
    """Add the options of `demo`."""
    parser.description = (
        "Play one outage in a simulated house, in less than a minute, and show its report.\n\n"
        "The controller is the real one. The broker, the breakers, the contact and the meter (real Modbus over a\n"
        "pseudo-terminal, and pulses) are simulated. Their clock runs faster than real time; the factor is shown.\n"
        "Only a temporary folder is written."
    )
    parser.add_argument("--short", action="store_true", help="play a shorter outage, in less than 15 seconds")
    parser.add_argument("--plain", action="store_true", help="print lines of text, also on a terminal")
    parser.add_argument("--keep", metavar="DIR", help="keep the controller's files and log in DIR, for other commands")
    parser.set_defaults(call=_demo)


def _demo(arguments: argparse.Namespace) -> int:
    return demo(short=arguments.short, plain=arguments.plain, keep=Path(arguments.keep) if arguments.keep else None)
