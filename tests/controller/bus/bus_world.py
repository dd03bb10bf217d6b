"""A bus client whose events are kept, and another client of its broker."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, TypeVar

from controller.bus.connection import BusClient
from controller.bus.messages import Publication
from controller.bus.topics import ContactTopics, Topics
from controller.core.events import BusConnected, ContactAlive
from hw.mqtt import MqttConnection
from rules.panel import CircuitId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from controller.core.events import Event
    from hw.broker_socket import Broker
    from hw.mqtt_messages import Message

T = TypeVar("T")

HOT_TUB = CircuitId("hot-tub")
CIRCUITS = tuple(CircuitId(f"c{n}") for n in range(40))
TOPICS = Topics("home", {HOT_TUB, *CIRCUITS}, ContactTopics("ats/contact", "ats/status"))
SOON_S = 10.0


class Listener:
    """A bus whose events are kept, and waited for by name. `do`: what the engine would do about each."""

    def __init__(self, broker: Broker, topics: Topics = TOPICS) -> None:
        self.bus = BusClient(broker, topics, self._hear, time.monotonic)
        self.do: Callable[[Event], None] = lambda _event: None
        self.events: list[Event] = []
        self._news = asyncio.Event()

    def _hear(self, event: Event) -> None:
        self.events.append(event)
        self.do(event)
        self._news.set()

    async def ready(self) -> None:
        """Return when the broker has taken our subscriptions: a word of our own comes back."""
        await self.until(BusConnected)
        self.bus.publish(Publication("ats/status", b"online"))
        await self.until(ContactAlive)

    async def until(self, kind: type[T], count: int = 1) -> T:
        """Return the so-manieth event of a kind, when it has come."""
        async with asyncio.timeout(SOON_S):
            while len(found := [event for event in self.events if isinstance(event, kind)]) < count:
                self._news.clear()
                await self._news.wait()
        return found[count - 1]


@contextlib.asynccontextmanager
async def listening(broker: Broker, topics: Topics = TOPICS) -> AsyncIterator[Listener]:
    """Run a bus, connected or not."""
    listener = Listener(broker, topics)
    task = asyncio.create_task(listener.bus.run())
    try:
        yield listener
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class World:
    """Another client of the broker: it publishes, and keeps what it hears."""

    def __init__(self, link: MqttConnection) -> None:
        self.link = link
        self.heard: list[Message] = []

    def say(self, topic: str, payload: bytes, *, retain: bool = False, response_topic: str | None = None) -> None:
        # Urgent: this client reads only while it waits, and a message that waits for a place would stay here.
        self.link.publish(topic, payload, retain=retain, response_topic=response_topic, urgent=True)
        self.link.flush()

    async def until(self, enough: Callable[[list[Message]], bool]) -> list[Message]:
        async with asyncio.timeout(SOON_S):
            while not enough(self.heard):
                await self.link.wait()
                self.heard += self.link.read()
        return self.heard


@contextlib.asynccontextmanager
async def world(broker: Broker, *filters: str) -> AsyncIterator[World]:
    """Be another client, subscribed to these."""
    name = f"world-{time.monotonic_ns()}"
    link = await MqttConnection.open(broker, name)
    other = World(link)
    link.subscribe((*filters, name))
    other.say(name, b"")  # its return shows that the broker has taken the subscriptions
    try:
        await other.until(lambda heard: any(one.topic == name for one in heard))
        other.heard.clear()
        yield other
    finally:
        await link.close()


def run(story: Awaitable[T]) -> T:
    """Return how a story ends."""

    async def tell() -> T:
        return await story

    return asyncio.run(tell())


def sets(heard: list[Message]) -> list[Message]:
    """Return the commands among what was heard."""
    return [one for one in heard if one.topic.endswith("/set")]


def settled(heard: list[Message]) -> bool:
    """Return whether the last word of a story was heard: whatever was under way before it has come."""
    return any(one.topic == "settled" for one in heard)
