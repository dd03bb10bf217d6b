"""`loadshed status`: the present state of the house, from the running controller."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from clients.bus_client.status import HouseStatus, fetch_status, status_fields
from clients.cli.shared import site_or_error
from clients.cli.status_view import status_text
from clients.terminal.arguments import folders
from clients.terminal.exit_codes import DONE, NOT_DONE, WRONG_CONFIGURATION
from clients.terminal.output import print_json, print_line
from hw.broker_socket import BrokerError

if TYPE_CHECKING:
    import argparse


def add_status(parser: argparse.ArgumentParser) -> None:
    """Add the options of `status`."""
    parser.description = (
        "Show the present state of the house. It is read from the MQTT broker that installer.toml names.\n"
        "Exit code 1 if the state is unknown because the broker or the controller is not running."
    )
    folders(parser, config=True)
    parser.add_argument("--json", action="store_true", help="print JSON, with times in UTC")
    parser.set_defaults(call=_status)


def _status(arguments: argparse.Namespace) -> int:
    site = site_or_error(arguments.config)
    if site is None:
        return WRONG_CONFIGURATION
    house = HouseStatus()
    try:
        house = asyncio.run(fetch_status(site.broker, site.id, site.circuits))
        reason = house.trouble
    except BrokerError as error:
        reason = str(error)
    now = time.time()
    if arguments.json:
        print_json(status_fields(site, house, reason, now))
    else:
        print_line(status_text(site, house, reason, now))
    return DONE if reason is None else NOT_DONE
