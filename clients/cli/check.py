"""`loadshed check`: what a transfer does to each circuit, and errors and advice about the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.bus_client.check import describe
from clients.bus_client.check_view import description_text
from clients.bus_client.named_files import unreadable_files
from clients.cli.shared import load_or_error, print_config_errors
from clients.terminal.arguments import folders
from clients.terminal.exit_codes import DONE, WRONG_CONFIGURATION
from clients.terminal.output import print_line
from controller.config.errors import ConfigErrors

if TYPE_CHECKING:
    import argparse


def add_check(parser: argparse.ArgumentParser) -> None:
    """Add the options of `check`."""
    parser.description = (
        "Check both configuration files and show what a transfer to standby does to each circuit, and why.\n"
        "All errors are listed at once (exit code 78). Advice about unwise settings does not change the exit code."
    )
    folders(parser, config=True)
    parser.set_defaults(call=_check)


def _check(arguments: argparse.Namespace) -> int:
    configuration = load_or_error(arguments.config)
    if configuration is None:
        return WRONG_CONFIGURATION
    print_line(description_text(describe(configuration)))
    if unreadable := unreadable_files(configuration):
        print_config_errors(ConfigErrors(unreadable), arguments.config)
        return WRONG_CONFIGURATION
    return DONE
