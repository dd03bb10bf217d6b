"""`loadshed status`: the present state of the house, from the running controller."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from clients.bus_client.status import HouseStatus, fetch_status, status_fields
from clients.bus_client.status_watch import watch_status
from clients.cli.shared import site_or_error
from clients.cli.status_screen import can_watch, draw, other_screen, rows
from clients.cli.status_view import status_text, watch_text
from clients.terminal.arguments import folders
from clients.terminal.exit_codes import DONE, NOT_DONE, WRONG_CONFIGURATION, WRONG_USE
from clients.terminal.interrupt import accept_ctrl_c
from clients.terminal.output import print_error, print_json, print_line
from hw.broker_socket import BrokerError

if TYPE_CHECKING:
    import argparse

    from clients.bus_client.site import Site


def add_status(parser: argparse.ArgumentParser) -> None:
    """Add the options of `status`."""
    parser.description = (
        "Show the present state of the house. It is read from the MQTT broker that installer.toml names.\n"
        "Exit code 1 if the state is unknown because the broker or the controller is not running."
    )
    folders(parser, config=True)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON, with times in UTC")
    form.add_argument("--watch", action="store_true", help="keep showing the state until Ctrl-C")
    parser.set_defaults(call=_status)


def _status(arguments: argparse.Namespace) -> int:
    site = site_or_error(arguments.config)
    if site is None:
        return WRONG_CONFIGURATION
    if arguments.watch:
        return _watch(site)
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


def _watch(site: Site) -> int:
    """Show the status until Ctrl-C."""
    if not can_watch():
        print_error("--watch needs a terminal. Without one, use `loadshed status` or `loadshed status --json`.")
        return WRONG_USE
    accept_ctrl_c()

    def show(house: HouseStatus, reason: str | None) -> None:
        draw(watch_text(site, house, reason, time.time(), rows()))

    with other_screen():
        try:
            asyncio.run(watch_status(site.broker, site.id, site.circuits, show))
        except KeyboardInterrupt:
            return DONE
