"""The broker of the demo: amqtt, in this process, on loopback. Fine for a demo, never for a house.

It speaks MQTT 3.1.1 only, leaks retained messages between clients, and never says the last will of a client that was
cut off.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from hw.dial import Broker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HOST = "127.0.0.1"


@asynccontextmanager
async def embedded_broker() -> AsyncIterator[Broker]:
    """Run a broker on a free port of loopback, and give back where it is."""
    # Hundreds of milliseconds: whoever has no demo to show does not pay for it.
    from amqtt.broker import Broker as Amqtt  # noqa: PLC0415

    port = _free_port()
    broker = Amqtt(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"{HOST}:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    await broker.start()
    try:
        yield Broker(host=HOST, port=port, version="3.1.1")
    finally:
        await broker.shutdown()
        await asyncio.sleep(0)  # it leaves its transports to close in the loop's next turn


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
