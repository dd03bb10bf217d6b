"""What else lives on the bus of a real house under test: the contact's device, and a recorder of all that is said."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hw.broker_socket import BrokerError
from hw.mqtt import MqttConnection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from hw.broker_socket import Broker

RECONNECT_S = 0.1
CONTACT = "ats/contact"
CONTACT_STATUS = "ats/status"
# Marks in the recorder's log where its connection restarted: earlier messages may be missing.
RECONNECTED = "(the recorder connected)"
# The contact's device is about to say this: what the payload says cannot have been known any earlier.
EDGE = "(the contact)"
# A witness is about to be sent: a question that the program answers as soon as it has read it, and no sooner.
WITNESS = "(a witness)"
WITNESSED = "witness-"
WITNESS_S = 0.1
# One that was lost, with a broker or a program, is not waited for any longer.
WITNESS_LOST_S = 0.5


def witnessed(topic: str) -> int | None:
    """Return which witness the program answers on this topic; None: it is no such answer."""
    leaf = topic.rpartition("/")[2]
    return int(leaf.removeprefix(WITNESSED)) if leaf.startswith(WITNESSED) else None


class OnBus:
    """A client that is on the bus while `run` runs, and comes back whenever the broker does."""

    def __init__(self, broker: Broker, name: str) -> None:
        self._broker = broker
        self._name = name
        self._link: MqttConnection | None = None
        self.connected = asyncio.Event()

    async def run(self) -> None:
        while True:
            try:
                await self._one_connection()
            except BrokerError:
                await asyncio.sleep(RECONNECT_S)

    async def _one_connection(self) -> None:
        link = await MqttConnection.open(self._broker, self._name)
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

    def greet(self, link: MqttConnection) -> None:
        """Say or ask for what is to be said and asked for at each connection."""

    def hear(self, topic: str, payload: bytes, *, retained: bool) -> None:
        """Process messages."""


class ContactDevice(OnBus):
    """The auxiliary contact as a device of its own. What it cannot say without a broker it says at the next one.

    `site`: whose program answers the witnesses. `note`: is told of each edge and each witness before it is sent.
    """

    def __init__(self, broker: Broker, site: str, note: Callable[[str, str], None] = lambda _what, _word: None) -> None:
        super().__init__(broker, "contact")
        self.is_open = False
        self.offline = False
        self._site = site
        self._note = note
        self._asked = 0
        self._answered = 0

    def move(self, *positions: bool) -> None:
        """Open (True) and close, in this order, in one breath."""
        for is_open in positions:
            self.is_open = is_open
            self._say_position()
        if self._link is not None:
            self._link.flush()

    def presence(self, *, offline: bool) -> None:
        """Be gone, as its last will would say; or be there again, with its position."""
        self.offline = offline
        if self._link is not None:
            self._say_all(self._link)
            self._link.flush()

    def greet(self, link: MqttConnection) -> None:
        link.subscribe([f"loadshed/{self._site}/answers/+"])
        self._say_all(link)

    def hear(self, topic: str, payload: bytes, *, retained: bool) -> None:
        del payload, retained
        if (answers := witnessed(topic)) is not None:
            self._answered = answers

    async def witness(self) -> None:
        """Send witnesses until cancelled, each as soon as the last was answered, but no oftener than `WITNESS_S`.

        They go the way of the edges, behind them: who answers one has read every edge before it.
        """
        asked_at = time.monotonic()
        while True:
            lost = time.monotonic() - asked_at > WITNESS_LOST_S
            if self._link is not None and (lost or self._answered == self._asked):
                self._asked += 1
                asked_at = time.monotonic()
                self._note(WITNESS, str(self._asked))
                self._link.publish(
                    f"loadshed/{self._site}/ask/witness",
                    str(self._asked).encode(),
                    expiry_s=1,
                    response_topic=f"loadshed/{self._site}/answers/{WITNESSED}{self._asked}",
                )
                self._link.flush()
            await asyncio.sleep(WITNESS_S)

    def _say_all(self, link: MqttConnection) -> None:
        if self.offline:
            self._note(EDGE, "offline")
        else:
            self._say_position()
        link.publish(CONTACT_STATUS, b"offline" if self.offline else b"online", retain=True)

    def _say_position(self) -> None:
        if self._link is not None and not self.offline:
            word = "open" if self.is_open else "closed"
            self._note(EDGE, word)
            self._link.publish(CONTACT, word.encode(), retain=True)


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
    """Writes down everything that is said, in the broker's own order. `also`: more topics than those of houses."""

    def __init__(self, broker: Broker, site: str, on_news: Callable[[], None], also: Iterable[str] = ()) -> None:
        super().__init__(broker, "recorder")
        self._site = site
        self._topics = ["loadshed/#", "ats/#", *also]
        self._on_news = on_news
        self.said: list[Said] = []
        self._last: dict[str, Said] = {}

    def greet(self, link: MqttConnection) -> None:
        self.note(RECONNECTED)
        link.subscribe(self._topics)

    def hear(self, topic: str, payload: bytes, *, retained: bool) -> None:
        said = Said(time.monotonic(), topic, payload, retained)
        self.said.append(said)
        self._last[topic] = said
        self._on_news()

    def note(self, what: str, word: str = "") -> None:
        """Write down what happened off the bus."""
        self.said.append(Said(time.monotonic(), what, word.encode(), retained=False))

    def on(self, leaf: str, since: int = 0) -> Iterator[Said]:
        """Yield what was said on `loadshed/<site>/<leaf>`, from the message with this number on."""
        topic = f"loadshed/{self._site}/{leaf}"
        return (one for one in self.said[since:] if one.topic == topic)

    def last(self, leaf: str) -> Said | None:
        """Return the last word on a topic."""
        return self._last.get(f"loadshed/{self._site}/{leaf}")

    def alarms(self) -> list[Said]:
        """Return the last word on each alarm."""
        return [one for topic, one in self._last.items() if topic.startswith(f"loadshed/{self._site}/alarms/")]
