"""The contact as it moves, for a user at its terminals: on a pin of this Pi, or as an MQTT device."""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from clients.setup.contact_movement import MAX_DURATION_S, MAX_EDGES, ContactMovement, Edge, contact_movement
from controller.bus.messages import IncomingMessage
from controller.config.model import GpioContact
from controller.runtime import startup
from hw.broker_socket import BrokerError
from hw.contact import ContactInput
from hw.gpio import GpioError
from hw.mqtt import MqttConnection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from controller.bus.topics import Topics
    from controller.config.loader import Configuration
    from controller.config.model import ContactSettings
    from hw.broker_socket import Broker
    from hw.mqtt_messages import Message

POLL_S = 0.25
FIRST_WORD_S = 3.0
"""A pin is read at once; a broker sends what it keeps as soon as it is asked."""

LEAST_QUIET_S = 0.3
"""Time in seconds without an edge after which the contact has settled, whatever `settle_s` is."""


class UnreadableError(Exception):
    """The contact position cannot be determined. The text states why, and what to do."""


class ContactMonitor:
    """One contact, watched. `moved` puts in what happened; the rest waits for it."""

    def __init__(self, settle_s: float) -> None:
        self._quiet_s = max(LEAST_QUIET_S, 2 * settle_s)
        self._edges: asyncio.Queue[Edge | str] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._last: bool | None = None
        self.open: bool | None = None

    def moved(self, is_open: bool, at: float) -> None:
        """Record a change, from any thread."""
        self._loop.call_soon_threadsafe(self._edges.put_nowait, Edge(is_open, at))

    def lost(self, reason: str, _at: float = 0.0) -> None:
        """Record that the contact can no longer be read, from any thread."""
        self._loop.call_soon_threadsafe(self._edges.put_nowait, reason)

    async def first(self, within_s: float = FIRST_WORD_S) -> bool:
        """Return whether it stands open (standby) now. Raises UnreadableError."""
        try:
            async with asyncio.timeout(within_s):
                self.open = (await self._next()).open
        except TimeoutError:
            raise UnreadableError("nothing was heard of it: is its device on the bus, and its topic right?") from None
        with suppress(TimeoutError):  # it may be moving at this very moment
            while True:
                async with asyncio.timeout(self._quiet_s):
                    self.open = (await self._next()).open
        return self.open

    async def moves(self) -> ContactMovement:
        """Return the next movement, once it is over, or has gone on for too long to be one. Raises UnreadableError."""
        edges = [await self._next()]
        with suppress(TimeoutError):
            while len(edges) < MAX_EDGES and edges[-1].at - edges[0].at < MAX_DURATION_S:
                async with asyncio.timeout(self._quiet_s):
                    edges.append(await self._next())
        self.open = edges[-1].open
        return contact_movement(edges)

    async def rests(self) -> None:
        """Return when it has been at rest for a while: a chatter is over. Raises UnreadableError."""
        with suppress(TimeoutError):
            while True:
                async with asyncio.timeout(self._quiet_s):
                    self.open = (await self._next()).open

    async def _next(self) -> Edge:
        while True:
            edge = await self._edges.get()
            if isinstance(edge, str):
                raise UnreadableError(edge)
            if edge.open != self._last:  # a device on the bus says the same word again whenever it likes
                self._last = edge.open
                return edge


@asynccontextmanager
async def contact_monitor(settings: ContactSettings, configuration: Configuration) -> AsyncIterator[ContactMonitor]:
    """Watch the contact that these settings describe. Raises UnreadableError where that cannot even begin."""
    found = ContactMonitor(settings.settle_s)
    watching = _wire(settings, found) if isinstance(settings, GpioContact) else _device(configuration, found)
    async with watching:
        yield found


@asynccontextmanager
async def _wire(settings: GpioContact, found: ContactMonitor) -> AsyncIterator[None]:
    try:
        contact = ContactInput(settings.pin, settings.normally, found.moved, found.lost)
    except GpioError as error:
        raise UnreadableError(str(error)) from error
    polling = asyncio.create_task(_poll(contact))
    try:
        yield
    finally:
        polling.cancel()
        with suppress(asyncio.CancelledError):
            await polling
        contact.close()


async def _poll(contact: ContactInput) -> None:
    while True:
        await asyncio.sleep(POLL_S)
        contact.poll()


@asynccontextmanager
async def _device(configuration: Configuration, found: ContactMonitor) -> AsyncIterator[None]:
    topics = startup.topics(configuration, configuration.panel)
    listening = asyncio.create_task(_listen(startup.broker(configuration), topics, found))
    try:
        yield
    finally:
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening


async def _listen(broker: Broker, topics: Topics, found: ContactMonitor) -> None:
    try:
        link = await MqttConnection.open(broker, f"loadshed-setup-{secrets.token_hex(4)}")
    except BrokerError as error:
        found.lost(str(error))
        return
    try:
        link.subscribe(topics.contact_topics())
        if (query := topics.contact_query()) is not None:
            link.publish(query.topic, query.payload)
        link.flush()
        while True:
            for heard in link.read():
                _take(heard, topics, found)
            await link.wait()
    except BrokerError as error:
        found.lost(str(error))
    finally:
        link.abort()


def _take(heard: Message, topics: Topics, found: ContactMonitor) -> None:
    now = time.monotonic()
    report = topics.contact_report(IncomingMessage(now, heard.topic, heard.payload, heard.retained))
    if isinstance(report, bool):
        found.moved(report, now)
    elif report is not None:
        found.lost("its device says that it is gone: has it power, and is it on the network?")
