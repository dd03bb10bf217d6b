"""A short connection to the broker for tools that look at devices. It publishes questions only, unless asked to."""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from controller.bus.messages import IncomingMessage
from hw.mqtt import MqttConnection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from controller.bus.profiles.schema import OutgoingMessage
    from hw.broker_socket import Broker

MOST_BYTES = 16 * 1024 * 1024
"""Maximum size of all messages of one look, in bytes: a flood of foreign messages ends it."""

ACKNOWLEDGED_S = 5.0


class DeviceBus:
    """Open connection. Times of messages are monotonic seconds. `flooded`: more arrived than is read."""

    def __init__(self, link: MqttConnection) -> None:
        self.link = link
        self.flooded = False
        self._bytes = 0

    def subscribe(self, topics: Iterable[str]) -> None:
        """Subscribe to topics; the broker sends its stored messages of them."""
        self.link.subscribe(tuple(dict.fromkeys(topics)))
        self.link.flush()

    def ask(self, question: OutgoingMessage) -> None:
        """Publish a question. It is never retained, and expires at the broker soon."""
        self.link.publish(question.topic, question.payload.encode(), expiry_s=10)
        self.link.flush()

    async def hear(
        self, seconds: float, on_message: Callable[[IncomingMessage], None], done: Callable[[], bool] = lambda: False
    ) -> None:
        """Pass on messages for this time, or until `done`. Raises BrokerError when the connection ends."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not done() and not self.flooded:
            await self.link.wait(min(left, 0.2))
            now, offset_s = time.monotonic(), time.time() - time.monotonic()
            for one in self.link.read():
                self._bytes += len(one.payload)
                self.flooded = self.flooded or self._bytes > MOST_BYTES
                on_message(IncomingMessage(now, one.topic, one.payload, one.retained, offset_s=offset_s))

    async def delivered(self) -> bool:
        """Return whether the broker has accepted what was published."""
        return await self.link.delivered(ACKNOWLEDGED_S)


@asynccontextmanager
async def device_bus(broker: Broker, complain: Callable[[str], None] = lambda _text: None) -> AsyncIterator[DeviceBus]:
    """Connect for a look at devices. Raises BrokerError.

    `complain`: receives what the broker forbids.
    """
    link = await MqttConnection.open(broker, f"loadshed-devices-{secrets.token_hex(4)}", complain=complain)
    try:
        yield DeviceBus(link)
        await asyncio.shield(link.close())
    finally:
        link.abort()
