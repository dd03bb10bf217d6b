"""One MQTT connection on the running asyncio loop, over paho, without a thread.

A link lives as long as one connection and is never reused: paho queues QoS 1 messages while it is away and would
send them late, and a late OFF or ON is worse than none.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import select
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from paho.mqtt.client import Client, MQTTMessage, MQTTMessageInfo, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from hw.broker_socket import Broker, BrokerError, connect, set_tcp_option

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable

    from paho.mqtt.client import ConnectFlags, DisconnectFlags
    from paho.mqtt.reasoncodes import ReasonCode

# The broker calls us dead, and says our last will, after half as long again.
KEEPALIVE_S = 5
# From CONNECT to CONNACK. A broker that takes longer hangs.
ACCEPT_S = 5.0
# Messages taken in one go before the loop gets its turn.
READ_MOST = 200
# What the broker may send us at most: above it the message is dropped there, not in our memory (MQTT v5).
PACKET_MOST_BYTES = 2 * 1024 * 1024

_log = logging.getLogger(__name__)


class Message(NamedTuple):
    """One message, as it came. `retained`: the broker's memory."""

    topic: str
    payload: bytes
    retained: bool
    response_topic: str | None = None
    correlation: bytes | None = None


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker says for us, retained, when we are gone without a word."""

    topic: str
    payload: bytes


class _Client(Client):
    """A paho client on a socket that is connected already: paho's own way to one blocks."""

    dialled: socket.socket

    def _create_socket(self) -> socket.socket:
        return self.dialled


class MqttConnection:
    """A connection the broker accepted. Made by `Link.open`; when it ends, `wait` says why."""

    def __init__(self, broker: Broker, client: _Client, sock: socket.socket, complain: Callable[[str], None]) -> None:
        self._broker = broker
        self._v5 = broker.version == "5"
        self._client = client
        self._sock = sock
        self._on_warning = complain
        self._loop = asyncio.get_running_loop()
        self._inbox: list[Message] = []
        self._woken = asyncio.Event()
        self._accepted = False
        self._ended: str | None = None
        self._writing = False
        self._last: MQTTMessageInfo | None = None
        self._expiries: dict[int, Properties] = {}
        self._readable = select.poll()
        self._readable.register(sock, select.POLLIN)

    @classmethod
    async def open(
        cls,
        broker: Broker,
        client_id: str,
        *,
        will: Will | None = None,
        keepalive_s: int = KEEPALIVE_S,
        complain: Callable[[str], None] = _log.warning,
    ) -> MqttConnection:
        """Return a link the broker accepted. Raises BrokerError with a sentence that tells what to do.

        A broker that hangs is noticed after two `keepalive_s`. `complain` is told what the broker forbids on a link
        that stands.
        """
        password = broker.password()
        sock = await connect(broker)
        client = _Client(
            CallbackAPIVersion.VERSION2,
            client_id,
            protocol=MQTTv5 if broker.version == "5" else MQTTv311,
            reconnect_on_failure=False,
        )
        client.dialled = sock
        client.username_pw_set(broker.username, password) if broker.username else None
        client.max_inflight_messages_set(0)  # no limit of ours: 40 commands in waves of 20 would wait for each other
        if will is not None:
            client.will_set(will.topic, will.payload, qos=1, retain=True)
        link = cls(broker, client, sock, complain)
        link._begin(keepalive_s)
        try:
            await link._accept()
        finally:
            if not link.alive:
                link.abort()
        return link

    @property
    def alive(self) -> bool:
        return self._accepted and self._ended is None

    # --- what others do with it ------------------------------------------------------------------------------------

    def subscribe(self, filters: Iterable[str], *, as_published: bool = False) -> None:
        """Ask for these topics, in this order, in one packet.

        At QoS 0: TCP loses nothing on a connection that stands, and nothing survives one that does not. QoS 1 would
        have the broker send its retained topics in waves of 20, and drop those beyond its queue.

        `as_published`: a word said now to be retained is told as retained too (MQTT v5; before it nobody can tell).
        """
        if self._v5:
            options = SubscribeOptions(qos=0, retainAsPublished=as_published)
            self._client.subscribe([(topic, options) for topic in filters])
        else:
            self._client.subscribe([(topic, 0) for topic in filters])

    def unsubscribe(self, filters: Iterable[str]) -> None:
        self._client.unsubscribe([*filters])

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        expiry_s: int | None = None,
        response_topic: str | None = None,
        correlation: bytes | None = None,
    ) -> None:
        """Send a message with the next `flush`, which follows by itself; forget it where the connection has ended.

        Expiry (whole seconds), response topic and correlation need MQTT v5 and are left out without it.
        """
        if self._ended is None:
            properties = self._properties(expiry_s, response_topic, correlation)
            self._last = self._client.publish(topic, payload, qos, retain, properties)

    def flush(self) -> None:
        """Write what is queued out now, as far as the socket takes it; the rest follows by itself."""
        if self._client.want_write() and self._ended is None:
            self._together(on=True)
            self._client.loop_write()
            self._together(on=False)
        self._watch_for_room(self._client.want_write())

    def read(self) -> list[Message]:
        """Return what has come so far, without waiting, at most a few hundred messages; [] when there is nothing."""
        for _ in range(READ_MOST):
            if self._ended is not None or not self._pending():
                break
            self._client.loop_read()
        self._acknowledge()
        heard, self._inbox = self._inbox, []
        return heard

    async def wait(self, at_most_s: float = 1.0) -> None:
        """Return when something may have come. Call it after each `read`: it keeps the connection alive.

        Raises BrokerError when the connection has ended.
        """
        # Only now, after what came has been read: a stall of ours is not the broker's silence.
        self._client.loop_misc()
        if self._ended is not None:
            raise BrokerError(self._ended)
        if self._pending():
            await asyncio.sleep(0)  # a flood must not keep the loop from its other duties
            return
        self._woken.clear()
        timer = self._loop.call_later(at_most_s, self._woken.set)
        await self._woken.wait()
        timer.cancel()

    async def close(self, at_most_s: float = 1.0) -> None:
        """Say goodbye when the broker has confirmed what was published, or has had its time; no last will is said.

        Closed at once, with something still unread, the kernel would reset the connection, and take back what is on
        its way.
        """
        with contextlib.suppress(TimeoutError, BrokerError):
            async with asyncio.timeout(at_most_s):
                while self._last is not None and not self._last.is_published():
                    self.flush()
                    await self.wait()
                    self.read()
        if self._ended is None:
            self._client.disconnect()
            self.flush()
        self.abort()

    def abort(self) -> None:
        """End the connection without a word, as a crash would: the broker says our last will."""
        self._ended = self._ended or "closed"
        self._let_go()
        self._sock.close()

    # --- the connection's life -------------------------------------------------------------------------------------

    def _begin(self, keepalive_s: int) -> None:
        client = self._client
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_socket_close = lambda *_: self._let_go()
        client.on_socket_register_write = self._flush_soon
        self._loop.add_reader(self._sock, self._woken.set)
        if self._v5:
            limits = _properties(PacketTypes.CONNECT)
            limits.MaximumPacketSize = PACKET_MOST_BYTES
            client.connect(self._broker.host, self._broker.port, keepalive_s, clean_start=True, properties=limits)
        else:
            client.connect(self._broker.host, self._broker.port, keepalive_s)
        self.flush()

    async def _accept(self) -> None:
        try:
            async with asyncio.timeout(ACCEPT_S):
                while not self._accepted:
                    await self.wait()
                    self.read()
        except TimeoutError as error:
            trouble = f"the broker at {self._broker} took the connection and says nothing: does it hang?"
            raise BrokerError(trouble) from error

    def _pending(self) -> bool:
        """Return whether there is something to read. TLS may hold what the socket no longer shows."""
        if isinstance(self._sock, ssl.SSLSocket) and self._sock.pending():
            return True
        return bool(self._readable.poll(0))

    def _together(self, *, on: bool) -> None:
        """Let the kernel hold what is written, or let it go.

        Forty commands then leave as one segment: else each of them wakes the broker for itself.
        """
        if self._ended is None:
            set_tcp_option(self._sock, "TCP_CORK", int(on))

    def _acknowledge(self) -> None:
        """Have the kernel acknowledge what came, now.

        Mosquitto leaves Nagle's algorithm on: while one small message is unacknowledged it holds the next ones back,
        up to 40 ms. The kernel forgets this wish by itself, hence after each read.
        """
        if self._ended is None:
            set_tcp_option(self._sock, "TCP_QUICKACK", 1)

    def _flush_soon(self, *_: object) -> None:
        self._loop.call_soon(self.flush)

    def _watch_for_room(self, wanted: bool) -> None:
        if wanted and not self._writing and self._ended is None:
            self._loop.add_writer(self._sock, self.flush)
        elif self._writing and not wanted:
            self._loop.remove_writer(self._sock)
        self._writing = wanted

    def _let_go(self) -> None:
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock)
            self._loop.remove_writer(self._sock)
        self._writing = False

    def _end(self, reason: str) -> None:
        self._ended = self._ended or reason
        self._woken.set()

    def _properties(
        self, expiry_s: int | None, response_topic: str | None, correlation: bytes | None
    ) -> Properties | None:
        if not self._v5 or (expiry_s is None and response_topic is None and correlation is None):
            return None
        if response_topic is None and correlation is None and expiry_s in self._expiries:
            return self._expiries[expiry_s]  # paho takes longer to make one than to send the message
        properties = _properties(PacketTypes.PUBLISH)
        if expiry_s is not None:
            properties.MessageExpiryInterval = expiry_s
        if response_topic is not None:
            properties.ResponseTopic = response_topic
        if correlation is not None:
            properties.CorrelationData = correlation
        elif expiry_s is not None and response_topic is None:
            self._expiries[expiry_s] = properties
        return properties

    # --- paho calls; only notes are taken, because it holds a lock -------------------------------------------------

    def _on_connect(
        self, _client: Client, _data: object, _flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._end(_refused(self._broker, reason))
        else:
            self._accepted = True

    def _on_disconnect(
        self, _client: Client, _data: object, flags: DisconnectFlags, reason: ReasonCode, _properties: object
    ) -> None:
        by_broker = flags.is_disconnect_packet_from_server
        self._end(_went_away(self._broker, reason, by_broker=by_broker, accepted=self._accepted))

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        properties: Any = message.properties
        self._inbox.append(
            Message(
                message.topic,
                bytes(message.payload),
                message.retain,
                getattr(properties, "ResponseTopic", None),
                getattr(properties, "CorrelationData", None),
            )
        )

    def _on_subscribe(
        self, _client: Client, _data: object, _mid: int, reasons: list[ReasonCode], _properties: object
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            self._on_warning(f"the broker at {self._broker} forbids reading: {_access(self._broker)}")

    def _on_publish(self, _client: Client, _data: object, _mid: int, reason: ReasonCode, _properties: object) -> None:
        if reason.is_failure:
            self._on_warning(
                f"the broker at {self._broker} refuses what we publish ({reason}): {_access(self._broker)}"
            )


def _properties(kind: int) -> Properties:
    return Properties(kind)  # type: ignore[no-untyped-call]  # paho's own


# --- the broker's words, as sentences --------------------------------------------------------------------------------

# MQTT v5, 2.4: reason codes. paho gives its own errors the same numbers.
_KEEP_ALIVE_TIMEOUT = 0x8D
_SESSION_TAKEN_OVER = 0x8E


def _access(broker: Broker) -> str:
    return f"allow {broker.username or 'anonymous clients'} the topics of this site in its access list"


def _refused(broker: Broker, reason: ReasonCode) -> str:
    advice = {
        0x84: 'it does not speak this version: set version = "3.1.1" in [broker]',
        0x85: "it does not like the client id: is [site] id unusual?",
        0x86: "wrong user name or password: see [broker] username and password_file",
        0x87: "not authorized: see [broker] username and password_file, and the broker's access list",
        0x88: "it is unavailable: see its log",
        0x89: "it is busy: see its log",
        0x8A: "it banned us: see its log",
    }.get(reason.value, f"{reason}: see its log")
    return f"the broker at {broker} refuses us: {advice}"


def _went_away(broker: Broker, reason: ReasonCode, *, by_broker: bool, accepted: bool) -> str:
    if by_broker and reason.value == _SESSION_TAKEN_OVER:
        return f"another program took our place at the broker at {broker}, with our client id"
    if by_broker:
        return f"the broker at {broker} ended the connection: {reason}"
    if not accepted:
        trouble = f"the broker at {broker} hung up at our greeting"
        return f'{trouble}: TLS where none is expected or the reverse, or it needs version = "3.1.1" in [broker]'
    why = "it fell silent" if reason.value == _KEEP_ALIVE_TIMEOUT else "it hung up, or the line is dead"
    return f"the connection to the broker at {broker} was lost: {why}"
