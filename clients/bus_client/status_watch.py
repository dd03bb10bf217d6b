"""Live status of the house: stays connected, and reports each change and each second."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import TYPE_CHECKING, NoReturn

from clients.bus_client.status import LOOK_S, HouseStatus, remembered
from controller.bus.topics import SiteTopics
from hw.broker_socket import BrokerError
from hw.mqtt import MqttConnection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hw.broker_socket import Broker

    Show = Callable[[HouseStatus, str | None], None]

REDRAW_S = 1.0
"""Time in seconds after which the screen is drawn again without a message: ages and times left change."""

GONE_S = 12.0
"""Time in seconds without a sign of life after which the state is unknown: two of them, and a little."""

AGAIN_S = 2.0
"""Time in seconds between two attempts to connect."""


async def watch_status(broker: Broker, site: str, circuits: Iterable[str], show: Show) -> NoReturn:
    """Call `show` with the status and, if the present state is unknown, the reason, until cancelled.

    While the broker is disconnected, `show` gets the last known status. `circuits`: ids, for a broker without
    wildcards.
    """
    house, names, known = HouseStatus(), SiteTopics(site), tuple(circuits)
    show(house, f"connecting to the broker at {broker.host}:{broker.port}")
    while True:
        try:
            await _connected(broker, names, known, house, show)
        except BrokerError as error:
            house.alive = False
            show(house, str(error))
        await asyncio.sleep(AGAIN_S)


async def _connected(
    broker: Broker, names: SiteTopics, circuits: tuple[str, ...], house: HouseStatus, show: Show
) -> NoReturn:
    """Show the status for as long as the connection lasts. Raises BrokerError at its end."""
    link = await MqttConnection.open(broker, f"loadshed-status-{secrets.token_hex(4)}")
    filters = names.status_filters() if link.limits.wildcards else names.status_filters(circuits)
    try:
        house.forget()
        house.alive = await remembered(link, names.site, house.take, filters)
        alive_at = shown_at = float("-inf")
        if house.alive:
            alive_at = time.monotonic()
        while True:
            news = link.read()
            now = time.monotonic()
            for one in news:
                house.take(names.name_of(one.topic), one.payload)
                if one.topic == names.alive and not one.retained:
                    alive_at = now
                elif one.topic == names.availability and house.availability != "online":
                    alive_at = float("-inf")
            house.alive = now - alive_at < GONE_S
            if news or now - shown_at >= REDRAW_S:
                shown_at = now
                show(house, house.trouble)
            await link.wait(LOOK_S)
    finally:
        await link.close()
