"""A small MQTT broker, 5 and 3.1.1, that enforces the limits it announces. It runs in a thread of its own.

Mosquitto announces limits and does not enforce them. Other brokers disconnect a client that exceeds one.
"""

from __future__ import annotations

import asyncio
import struct
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

from hw.broker_socket import Broker
from tests.mosquitto import HOST, READY_S, held_port

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK = 1, 2, 3, 4, 8, 9
UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT = 10, 11, 12, 13, 14
V5 = 5
KEEP_ALIVE_TIMEOUT, TAKEN_OVER, RECEIVE_MAXIMUM_EXCEEDED, TOO_LARGE = 0x8D, 0x8E, 0x93, 0x95
NO_RETAIN, NO_QOS, NO_WILDCARD = 0x9A, 0x9B, 0xA2


@dataclass(frozen=True)
class Limits:
    """Limits of the broker. `ack_after_s`: time to each PUBACK. `extra`: further bytes of properties in CONNACK.

    `retained_to_wildcards`: whether a new subscription with a wildcard gets retained messages. `clients`: beginning of
    the ids of the clients that are limited.
    """

    receive_maximum: int | None = None
    maximum_packet_size: int | None = None
    maximum_qos: int | None = None
    retain_available: bool = True
    wildcards_available: bool = True
    server_keep_alive_s: int | None = None
    retained_to_wildcards: bool = True
    ack_after_s: float = 0.005
    extra: bytes = b""
    clients: str = ""

    def connack_properties(self) -> bytes:
        parts = [
            b"" if self.receive_maximum is None else b"\x21" + struct.pack("!H", self.receive_maximum),
            b"" if self.maximum_packet_size is None else b"\x27" + struct.pack("!I", self.maximum_packet_size),
            b"" if self.maximum_qos is None else bytes((0x24, self.maximum_qos)),
            b"" if self.retain_available else b"\x25\x00",
            b"" if self.wildcards_available else b"\x28\x00",
            b"" if self.server_keep_alive_s is None else b"\x13" + struct.pack("!H", self.server_keep_alive_s),
            self.extra,
        ]
        return b"".join(parts)


@dataclass(frozen=True)
class Published:
    """One message as the broker received it."""

    client: str
    topic: str
    payload: bytes
    qos: int
    retain: bool


@dataclass
class ScriptedBroker:
    """The broker.

    `published`: all messages received. `violations`: what a client did against the limits.

    `accepted`: the client ids of all connections, in their order. `silent`: it sends nothing any more.
    """

    limits: Limits = field(default_factory=Limits)
    published: list[Published] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    retained: dict[str, bytes] = field(default_factory=dict)
    silent: bool = False

    def __post_init__(self) -> None:
        self._held = ExitStack()
        self.port = self._held.enter_context(held_port())
        self._sessions: dict[str, _Session] = {}
        self._writers: set[asyncio.StreamWriter] = set()
        self._news = threading.Condition()
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Return when it accepts connections."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        serving = asyncio.start_server(self._serve, HOST, self.port)
        self._server = asyncio.run_coroutine_threadsafe(serving, self._loop).result(READY_S)

    def stop(self) -> None:
        """End all connections; no longer accept any."""
        if self._loop is None:
            return
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(READY_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(READY_S)
        self._loop.close()
        self._loop = None

    def kill(self) -> None:
        self.stop()

    def close(self) -> None:
        """End it for good."""
        self.stop()
        self._held.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def until(self, done: Callable[[], bool]) -> None:
        """Return when something has happened that is seen in the lists of this broker."""
        if not await asyncio.to_thread(self._happens, done):
            raise TimeoutError(f"in vain; violations: {self.violations}; {len(self.published)} messages")

    def _happens(self, done: Callable[[], bool]) -> bool:
        with self._news:
            return self._news.wait_for(done, READY_S)

    def note(self, add: Callable[[], None]) -> None:
        """Add to a list, and wake who waits for it."""
        with self._news:
            add()
            self._news.notify_all()

    @property
    def broker(self) -> Broker:
        return Broker(host=HOST, port=self.port)

    def published_on(self, part: str) -> list[Published]:
        """Return the messages on topics that contain this text."""
        return [one for one in list(self.published) if part in one.topic]

    def distribute(self, topic: str, payload: bytes, properties: bytes = b"", *, retain: bool = False) -> None:
        if retain and payload:
            self.retained[topic] = payload
        elif retain:
            self.retained.pop(topic, None)
        for session in self._sessions.values():
            if any(matches(one, topic) for one in session.filters):
                session.send_publish(topic, payload, properties, retain=False)

    def distribute_from_outside(self, topic: str, payload: bytes) -> None:
        """Pass a message on, as if a client had published it; from another thread."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self.distribute, topic, payload)

    def admit(self, session: _Session) -> None:
        """Add a session; disconnect an earlier one with the same client id, whose last will is published."""
        if (earlier := self._sessions.get(session.client)) is not None:
            earlier.end(TAKEN_OVER)
        self._sessions[session.client] = session
        self.note(lambda: self.accepted.append(session.client))

    def leave(self, session: _Session) -> None:
        if self._sessions.get(session.client) is session:
            del self._sessions[session.client]
        if session.will is not None:
            self.distribute(*session.will[:2], retain=session.will[2])
            session.will = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = _Session(self, writer)
        self._writers.add(writer)
        try:
            await session.run(reader)
        except (OSError, EOFError):
            pass
        finally:
            self.leave(session)
            self._writers.discard(writer)
            writer.close()

    async def _end(self) -> None:
        self._server.close()
        for writer in [*self._writers]:
            writer.transport.abort()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        if tasks:
            await asyncio.wait(tasks, timeout=READY_S)


class _Session:
    """One connection of a client."""

    def __init__(self, broker: ScriptedBroker, writer: asyncio.StreamWriter) -> None:
        self._broker = broker
        self._limits = Limits()
        self.writer = writer
        self.client = ""
        self.filters: list[str] = []
        self.will: tuple[str, bytes, bool] | None = None
        self._v5 = True
        self._unacknowledged = 0
        self._ended = False
        self._heard_at = 0.0

    async def run(self, reader: asyncio.StreamReader) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        while not self._ended:
            head = (await reader.readexactly(1))[0]
            length = await _length(reader)
            body = await reader.readexactly(length)
            self._heard_at = asyncio.get_running_loop().time()
            if self.client and self._limits.maximum_packet_size and length + 2 > self._limits.maximum_packet_size:
                self._violated(f"a packet of {length} bytes", TOO_LARGE)
                return
            if head >> 4 == DISCONNECT:
                self.will = None
                return
            self._handlers()[head >> 4](head & 0x0F, _Bytes(body))

    def end(self, reason: int) -> None:
        if self._v5 and not self._ended:
            self._send(DISCONNECT << 4, bytes((reason, 0)))
        self._ended = True
        self._broker.leave(self)
        self.writer.close()

    def send_publish(self, topic: str, payload: bytes, properties: bytes = b"", *, retain: bool) -> None:
        packed = _packed_length(len(properties)) + properties if self._v5 else b""
        self._send(PUBLISH << 4 | retain, _text(topic) + packed + payload)

    def _handlers(self) -> dict[int, Callable[[int, _Bytes], None]]:
        return {
            CONNECT: self._connect,
            PUBLISH: self._publish,
            SUBSCRIBE: self._subscribe,
            UNSUBSCRIBE: self._unsubscribe,
            PINGREQ: lambda *_: self._send(PINGRESP << 4, b""),
            PUBACK: lambda *_: None,
        }

    def _connect(self, _flags: int, body: _Bytes) -> None:
        body.text()
        self._v5 = body.number(1) == V5
        flags = body.number(1)
        body.number(2)  # the keep alive that the client asks for
        body.properties(self._v5)
        client = body.text()
        if client.startswith(self._broker.limits.clients):
            self._limits = self._broker.limits
        if flags & 0x04:
            body.properties(self._v5)
            self.will = body.text(), body.take(body.number(2)), bool(flags & 0x20)
        refused = 0
        if flags & 0x20 and not self._limits.retain_available:
            refused = NO_RETAIN
        elif self._limits.maximum_qos is not None and (flags >> 3) & 3 > self._limits.maximum_qos:
            refused = NO_QOS
        properties = self._limits.connack_properties() if not refused else b""
        self._send(CONNACK << 4, bytes((0, refused)) + (bytes((len(properties),)) + properties if self._v5 else b""))
        if refused:
            self.will, self._ended = None, True
            return
        self.client = client
        self._broker.admit(self)
        if self._limits.server_keep_alive_s:
            self._watch_silence(self._limits.server_keep_alive_s)

    def _watch_silence(self, keep_alive_s: float) -> None:
        loop = asyncio.get_running_loop()
        if self._ended:
            return
        if loop.time() - self._heard_at > 1.5 * keep_alive_s:
            self._violated("no packet within 1.5 times the keep alive", KEEP_ALIVE_TIMEOUT)
            return
        loop.call_later(0.05, self._watch_silence, keep_alive_s)

    def _publish(self, flags: int, body: _Bytes) -> None:
        topic, qos, retain = body.text(), flags >> 1 & 3, bool(flags & 1)
        mid = body.number(2) if qos else None
        properties = body.properties(self._v5)
        payload = body.rest()
        message = Published(self.client, topic, payload, qos, retain)
        self._broker.note(lambda: self._broker.published.append(message))
        limits = self._limits
        if retain and not limits.retain_available:
            self._violated(f"a retained message on {topic}", NO_RETAIN)
        elif limits.maximum_qos is not None and qos > limits.maximum_qos:
            self._violated(f"QoS {qos} on {topic}", NO_QOS)
        elif mid is not None:
            self._unacknowledged += 1
            if limits.receive_maximum is not None and self._unacknowledged > limits.receive_maximum:
                self._violated(f"{self._unacknowledged} messages in flight", RECEIVE_MAXIMUM_EXCEEDED)
                return
            asyncio.get_running_loop().call_later(limits.ack_after_s, self._acknowledge, mid)
        if not self._ended:
            self._broker.distribute(topic, payload, properties, retain=retain)

    def _acknowledge(self, mid: int) -> None:
        self._unacknowledged -= 1
        self._send(PUBACK << 4, struct.pack("!H", mid))

    def _subscribe(self, _flags: int, body: _Bytes) -> None:
        mid = body.number(2)
        body.properties(self._v5)
        added = []
        while not body.empty:
            added.append(body.text())
            body.number(1)
        wild = [one for one in added if _is_wild(one)]
        if wild and not self._limits.wildcards_available:
            self._violated(f"a subscription to {wild[0]}", NO_WILDCARD)
            return
        self.filters += added
        self._send(SUBACK << 4, struct.pack("!H", mid) + (b"\0" if self._v5 else b"") + bytes(len(added)))
        for one in added:
            self._send_retained(one)

    def _send_retained(self, one: str) -> None:
        if _is_wild(one) and not self._limits.retained_to_wildcards:
            return
        for topic, payload in self._broker.retained.items():
            if matches(one, topic):
                self.send_publish(topic, payload, retain=True)

    def _unsubscribe(self, _flags: int, body: _Bytes) -> None:
        mid = body.number(2)
        body.properties(self._v5)
        count = 0
        while not body.empty:
            one = body.text()
            self.filters = [other for other in self.filters if other != one]
            count += 1
        self._send(UNSUBACK << 4, struct.pack("!H", mid) + (b"\0" + bytes(count) if self._v5 else b""))

    def _violated(self, what: str, reason: int) -> None:
        self._broker.note(lambda: self._broker.violations.append(f"{self.client}: {what}"))
        self.end(reason)

    def _send(self, head: int, body: bytes) -> None:
        if not self._ended and not self._broker.silent:
            self.writer.write(bytes((head,)) + _packed_length(len(body)) + body)


class _Bytes:
    """Body of a packet, read from its beginning."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    @property
    def empty(self) -> bool:
        return not self._body

    def take(self, count: int) -> bytes:
        taken, self._body = self._body[:count], self._body[count:]
        return taken

    def rest(self) -> bytes:
        return self.take(len(self._body))

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def text(self) -> str:
        return self.take(self.number(2)).decode()

    def properties(self, v5: bool) -> bytes:
        """Return the properties that a message is passed on with."""
        return self.take(self._variable()) if v5 else b""

    def _variable(self) -> int:
        value, shift = 0, 0
        while True:
            byte = self.number(1)
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7


async def _length(reader: asyncio.StreamReader) -> int:
    value, shift = 0, 0
    while True:
        byte = (await reader.readexactly(1))[0]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value
        shift += 7


def _packed_length(length: int) -> bytes:
    packed = bytearray()
    while True:
        length, low = divmod(length, 128)
        packed.append(low | (0x80 if length else 0))
        if not length:
            return bytes(packed)


def _text(text: str) -> bytes:
    return struct.pack("!H", len(text.encode())) + text.encode()


def _is_wild(one: str) -> bool:
    return "+" in one or "#" in one


def matches(one: str, topic: str) -> bool:
    """Return whether a subscription's filter includes a topic."""
    wanted, levels = one.split("/"), topic.split("/")
    if wanted[-1] == "#":
        wanted, levels = wanted[:-1], levels[: len(wanted) - 1]
    return len(wanted) == len(levels) and all(a in ("+", b) for a, b in zip(wanted, levels, strict=True))


def topics_of(messages: Iterable[Published]) -> list[str]:
    """Return the topics of messages."""
    return [one.topic for one in messages]
