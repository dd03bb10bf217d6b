"""`loadshed ready`: assessment of whether the house is ready for its next outage."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from clients.cli.shared import load_or_error, site_or_error
from clients.maintenance.readiness import LIMITED, assess
from clients.maintenance.readiness_facts import Installation, collect_facts
from clients.maintenance.readiness_view import readiness_fields, readiness_text
from clients.terminal.arguments import folders
from clients.terminal.exit_codes import DONE, NOT_DONE, NOT_READY, WRONG_CONFIGURATION
from clients.terminal.output import print_error, print_json, print_line
from controller.bus.payloads import to_json
from controller.bus.topics import SiteTopics
from hw.broker_socket import BrokerError
from hw.mqtt import MqttConnection

if TYPE_CHECKING:
    import argparse

    from clients.maintenance.readiness import Readiness
    from hw.broker_socket import Broker


ACKNOWLEDGED_S = 5.0


def add_ready(parser: argparse.ArgumentParser) -> None:
    """Add the options of `ready`."""
    parser.description = (
        "Assess whether the house is ready for its next outage: a score of up to 100, and for each deduction\n"
        "the reason and what to do. Nothing is switched. The command also tries to connect to the broker\n"
        "without a password.\n"
        f"Exit code {NOT_READY} if the score is below {LIMITED}."
    )
    folders(parser, config=True, state=True)
    parser.add_argument("--json", action="store_true", help="print JSON, with times in UTC")
    parser.add_argument(
        "--publish", action="store_true", help="also publish the result on the bus, retained, as `readiness`"
    )
    parser.set_defaults(call=_ready)


def _ready(arguments: argparse.Namespace) -> int:
    configuration = load_or_error(arguments.config)
    if configuration is None:
        return WRONG_CONFIGURATION
    site = site_or_error(arguments.config)
    if site is None:
        return WRONG_CONFIGURATION
    readiness = assess(asyncio.run(collect_facts(Installation(configuration, site, arguments.state))))
    if arguments.json:
        print_json(readiness_fields(readiness))
    else:
        print_line(readiness_text(readiness))
    if arguments.publish and not asyncio.run(_publish(site.broker, site.id, readiness)):
        return NOT_DONE
    return DONE if readiness.score >= LIMITED else NOT_READY


async def _publish(broker: Broker, site: str, readiness: Readiness) -> bool:
    """Publish the result; return False if the broker cannot be reached."""
    try:
        link = await MqttConnection.open(broker, f"loadshed-ready-{site}", complain=print_error)
    except BrokerError as error:
        print_error(str(error))
        return False
    link.publish(SiteTopics(site).readiness, to_json(readiness_fields(readiness)), retain=True)
    delivered = await link.delivered(ACKNOWLEDGED_S)
    if not delivered:
        print_error(f"the broker at {broker} did not accept the result: see its log. It may keep no retained messages")
    elif not link.limits.retain:
        print_error(f"the broker at {broker} keeps no retained messages: only programs that listen now get the result")
    await link.close()
    return delivered
