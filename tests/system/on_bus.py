"""What else lives on the bus of a real house under test: the contact's device, and a recorder of all that is said."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hw.dial import BrokerError
from hw.mqtt import Link

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hw.dial import Broker

RECONNECT_S = 0.1
CONTACT = "ats/contact"
CONTACT_STATUS = "ats/status"
# Stands in the recorder's log where its connection began anew: what was said before it may be missing.
RECONNECTED = "(the recorder connected)"
# The program stood still until then: what it does next is judged by when it heard of things.
WENT_ON = "(the program went on)"


class OnBus:
    """A client that is on the bus while `run` runs, and comes back whenever the broker does."""

    def __init__(self, broker: Broker, name: str) -> None:
        self._broker = broker
        self._name = name
        self._link: Link | None = None
        self.connected = asyncio.Event()

    async def run(self) -> None:
        while True:
            try:
                await self._one_connection()
            except BrokerError:
                await asyncio.sleep(RECONNECT_S)

    async def _one_connection(self) -> None:
        link = await Link.open(self._broker, self._name)
        self._link = link
        try:
            self.greet(link)
            link.flush()
            self.connected.set()
            while True:
                for heard in link.read():
                    self.hear(heard.topic, heard.payload, retained=heard.retained)
                await link.wait()
        finally:
            self._link = None
            self.connected.clear()
            link.abort()

    def greet(self, link: Link) -> None:
        """Say or ask for what is to be said and asked for at each connection."""

    def hear(self, topic: str, payload: bytes, *, retained: bool) -> None:
        """Take what comes."""


class ContactDevice(OnBus):
    """The auxiliary contact as a device of its own. What it cannot say without a broker it says at the next one."""

    def __init__(self, broker: Broker, *, is_open: bool = False) -> None:
        super().__init__(broker, "contact")
        self.is_open = is_open

    def move(self, *positions: bool) -> None:
        """Open (True) and close, in this order, in one breath."""
        for is_open in positions:
            self.is_open = is_open
            if self._link is not None:
                self._link.publish(CONTACT, b"open" if is_open else b"closed", retain=True)
        if self._link is not None:
            self._link.flush()

    def greet(self, link: Link) -> None:
        link.publish(CONTACT, b"open" if self.is_open else b"closed", retain=True)
        link.publish(CONTACT_STATUS, b"online", retain=True)


@dataclass(frozen=True, slots=True)
class Said:
    """One message as the broker passed it on. `at`: monotonic s. `retained`: its memory, not a word said now."""

    at: float
    topic: str
    payload: bytes
    retained: bool

    @property
    def fields(self) -> Any:
        return json.loads(self.payload)


class Recorder(OnBus):
    """Writes down everything that is said, in the broker's own order."""

    def __init__(self, broker: Broker, site: str, on_news: Callable[[], None]) -> None:
        super().__init__(broker, "recorder")
        self._site = site
        self._on_news = on_news
        self.said: list[Said] = []

    def greet(self, link: Link) -> None:
        self.note(RECONNECTED)
        link.subscribe(["loadshed/#", "ats/#"])

    def hear(self, topic: str, payload: bytes, *, retained: bool) -> None:
        self.said.append(Said(time.monotonic(), topic, payload, retained))
        self._on_news()

    def note(self, what: str) -> None:
        """Write down what happened off the bus."""
        self.said.append(Said(time.monotonic(), what, b"", retained=False))

    def on(self, leaf: str, since: int = 0) -> Iterator[Said]:
        """Yield what was said on `loadshed/<site>/<leaf>`, from the message with this number on."""
        topic = f"loadshed/{self._site}/{leaf}"
        return (one for one in self.said[since:] if one.topic == topic)

    def last(self, leaf: str) -> Said | None:
        """Return the last word on a topic."""
        return next((one for one in reversed(self.said) if one.topic == f"loadshed/{self._site}/{leaf}"), None)
