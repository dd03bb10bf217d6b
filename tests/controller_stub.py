"""A stand-in for the running controller: it publishes what it is given, retained, and answers `ask/status`."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from controller.bus.topics import SiteTopics
from hw.mqtt import MqttConnection

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hw.broker_socket import Broker

READY_S = 10.0


@contextmanager
def controller_stub(broker: Broker, said: Mapping[str, bytes], site: str = "home") -> Iterator[None]:
    """Run it in a thread of its own. `said`: payload by topic, below the site's."""
    ready, loop = threading.Event(), asyncio.new_event_loop()
    task = loop.create_task(_serve(broker, said, SiteTopics(site), ready))

    def run() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(task)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        if not ready.wait(READY_S):
            raise TimeoutError("the stand-in of the controller is not connected")
        yield
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(READY_S)
        loop.close()


async def _serve(broker: Broker, said: Mapping[str, bytes], names: SiteTopics, ready: threading.Event) -> None:
    link = await MqttConnection.open(broker, "controller-stub")
    try:
        link.subscribe([names.ask("status")])
        _publish(link, said, names)
        link.flush()
        ready.set()
        while True:
            for one in link.read():
                _publish(link, said, names)
                if one.response_topic is not None:
                    link.publish(one.response_topic, b'{"ok":true}', correlation=one.correlation)
            await link.wait()
    finally:
        link.abort()


def _publish(link: MqttConnection, said: Mapping[str, bytes], names: SiteTopics) -> None:
    for name, payload in said.items():
        link.publish(names.base + name, payload, retain=True)
    link.publish(names.alive, b"{}", qos=0)
