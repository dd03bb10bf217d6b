"""`loadshed check`: what a transfer does to each circuit, and errors and advice about the configuration."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from clients.bus_client.check import describe
from clients.bus_client.check_view import description_text
from clients.bus_client.named_files import unreadable_files
from clients.cli.shared import load_or_error, print_config_errors
from clients.devices.assessment import assess_devices
from clients.devices.messages import findings_text
from clients.terminal.arguments import folders
from clients.terminal.exit_codes import DONE, NOT_DONE, WRONG_CONFIGURATION
from clients.terminal.output import print_error, print_line
from controller.config.errors import ConfigErrors
from hw.broker_socket import BrokerError

if TYPE_CHECKING:
    import argparse

    from controller.config.loader import Configuration


def add_check(parser: argparse.ArgumentParser) -> None:
    """Add the options of `check`."""
    parser.description = (
        "Check both configuration files and show what a transfer to standby does to each circuit, and why.\n"
        "All errors are listed at once (exit code 78). Advice about unwise settings does not change the exit code."
    )
    folders(parser, config=True)
    parser.add_argument(
        "--live",
        action="store_true",
        help="also ask the devices at the broker for their power-on setting and timers; nothing is switched",
    )
    parser.set_defaults(call=_check)


def _check(arguments: argparse.Namespace) -> int:
    configuration = load_or_error(arguments.config)
    if configuration is None:
        return WRONG_CONFIGURATION
    print_line(description_text(describe(configuration)))
    if unreadable := unreadable_files(configuration):
        print_config_errors(ConfigErrors(unreadable), arguments.config)
        return WRONG_CONFIGURATION
    return _check_live(configuration) if arguments.live else DONE


def _check_live(configuration: Configuration) -> int:
    try:
        findings = asyncio.run(assess_devices(configuration, print_error))
    except BrokerError as error:
        print_error(str(error))
        return NOT_DONE
    print_line("\n" + findings_text(findings))
    return DONE
