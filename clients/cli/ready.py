"""`loadshed ready`: a score, and what still stands between this house and its next outage."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from clients.cli.cli import folders
from clients.cli.look import DONE, NOT_DONE, WRONG_CONFIGURATION, print_error, site_or_error
from clients.terminal.output import print_line
from clients.terminal.tables import wrapped

if TYPE_CHECKING:
    import argparse

    from clients.maintenance.readiness import Readiness
    from controller.core.effects import Json
    from hw.broker_socket import Broker

NOT_READY = 3
"""The exit code of a house that was judged, and is not ready: 1 says that it could not be judged, or not be told."""

_WORDS = {"ready": "READY", "limited": "READY, WITH RESERVATIONS", "not-ready": "NOT READY"}


def add_ready(parser: argparse.ArgumentParser) -> None:
    """Describe `ready`."""
    parser.description = (
        "Judge how ready this house is for its next outage: a score of a hundred, and each reason with what to do.\n"
        "Nothing is switched. The broker is also tried from outside, without a name. Exit 3 below a score of 60."
    )
    folders(parser, config=True, state=True)
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--publish", action="store_true", help="say it on the bus, too, retained, on `readiness`")
    parser.set_defaults(call=_ready)


def _ready(arguments: argparse.Namespace) -> int:
    import asyncio  # noqa: PLC0415

    from clients.cli.check_view import mistakes_text  # noqa: PLC0415
    from clients.maintenance.readiness import LIMITED, assess  # noqa: PLC0415
    from clients.maintenance.readiness_facts import Installation, collect_facts  # noqa: PLC0415
    from controller.config.errors import ConfigErrors  # noqa: PLC0415
    from controller.config.loader import load  # noqa: PLC0415

    configuration = load(arguments.config.absolute())
    if isinstance(configuration, ConfigErrors):
        sys.stderr.write(mistakes_text(configuration, arguments.config) + "\n")
        return WRONG_CONFIGURATION
    site = site_or_error(arguments.config)
    if site is None:
        return WRONG_CONFIGURATION
    found = assess(asyncio.run(collect_facts(Installation(configuration, site, arguments.state))))
    print_line(json.dumps(fields(found), indent=2, ensure_ascii=False) if arguments.json else text(found))
    if arguments.publish and not asyncio.run(_publish(site.broker, site.id, found)):
        return NOT_DONE
    return DONE if found.score >= LIMITED else NOT_READY


def text(found: Readiness) -> str:
    """Return the judgement for a person."""
    lines = [f"{_WORDS[found.word]}: {found.score} of 100"]
    for reason in found.reasons:
        lines.append(wrapped(reason.message, "       ", first=f"  -{reason.cost:<3} "))
        lines.append(wrapped(f"do: {reason.action}", "           ", first="       "))
    return "\n".join(lines)


def fields(found: Readiness) -> dict[str, Json]:
    """Return the judgement for programs: the payload of `readiness`."""
    from controller.runtime import clock  # noqa: PLC0415

    wall = clock.wall()
    return {
        "score": found.score,
        "ready": found.word,
        **clock.json_time(wall.seconds(clock.monotonic()), wall.trusted),
        "reasons": [
            {"id": reason.id, "cost": reason.cost, "message": reason.message, "action": reason.action}
            for reason in found.reasons
        ],
    }


async def _publish(broker: Broker, site: str, found: Readiness) -> bool:
    """Say it on the bus; return whether the broker took it."""
    from controller.bus.payloads import to_json  # noqa: PLC0415
    from hw.broker_socket import BrokerError  # noqa: PLC0415
    from hw.mqtt import MqttConnection  # noqa: PLC0415

    try:
        link = await MqttConnection.open(broker, f"loadshed-ready-{site}", complain=print_error)
    except BrokerError as error:
        print_error(str(error))
        return False
    link.publish(f"loadshed/{site}/readiness", to_json(fields(found)), retain=True)
    await link.close()
    return True
