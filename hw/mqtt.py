"""One MQTT connection on the running asyncio loop, over paho, without a thread.

An object serves one connection and is never reused: paho queues QoS 1 messages while disconnected and would send them
late, and a late OFF or ON is worse than none.
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

# The broker considers this client gone, and publishes its last will, after 1.5 times this time.
KEEPALIVE_S = 5
# From CONNECT to CONNACK. A broker that takes longer hangs.
ACCEPT_S = 5.0
# Maximum number of messages read before the loop runs other tasks.
READ_MOST = 200
# Maximum size of a message from the broker: a larger one is dropped there, before it is sent (MQTT v5).
PACKET_MOST_BYTES = 2 * 1024 * 1024

_log = logging.getLogger(__name__)


class Message(NamedTuple):
    """A received message. `retained`: the broker's stored copy."""

    topic: str
    payload: bytes
    retained: bool
    response_topic: str | None = None
    correlation: bytes | None = None


@dataclass(frozen=True, slots=True)
class Will:
    """Message that the broker publishes, retained, if this client disappears."""

    topic: str
    payload: bytes


class _Client(Client):
    """A paho client on a connected socket: paho's own way of connecting blocks."""

    dialled: socket.socket

    def _create_socket(self) -> socket.socket:
        return self.dialled


class MqttConnection:
    """An accepted connection. Created by `MqttConnection.open`; when it ends, `wait` raises the reason."""

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
        """Return an accepted connection. Raises BrokerError with a sentence that states what to do.

        A hanging broker is detected after two `keepalive_s`. `on_warning` receives what the broker forbids on an open
        connection.
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
        client.max_inflight_messages_set(0)  # no limit of its own: 40 commands in waves of 20 would wait for each other
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

    # --- public -------------------------------------------------------------------------------------------------------

    def subscribe(self, filters: Iterable[str], *, as_published: bool = False) -> None:
        """Subscribe to these topics, in this order, in one packet.

        At QoS 0: TCP loses nothing on an open connection, and nothing survives a closed one. At QoS 1 the broker would
        send its retained topics in waves of 20, and drop those beyond its queue.

        `as_published`: a live message published with the retain flag keeps that flag (MQTT v5 only).
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
        """Send a message with the next `flush`, which follows automatically; drop it if the connection has ended.

        Expiry (whole seconds), response topic and correlation need MQTT v5 and are omitted without it.
        """
        if self._ended is None:
            properties = self._properties(expiry_s, response_topic, correlation)
            self._last = self._client.publish(topic, payload, qos, retain, properties)

    def flush(self) -> None:
        """Write queued packets now, as far as the socket accepts them; the rest follows automatically."""
        if self._client.want_write() and self._ended is None:
            self._together(on=True)
            self._client.loop_write()
            self._together(on=False)
        self._watch_for_room(self._client.want_write())

    def read(self) -> list[Message]:
        """Return the messages received so far, without waiting, at most a few hundred; [] if there are none."""
        for _ in range(READ_MOST):
            if self._ended is not None or not self._pending():
                break
            self._client.loop_read()
        self._acknowledge()
        heard, self._inbox = self._inbox, []
        return heard

    async def wait(self, at_most_s: float = 1.0) -> None:
        """Return when messages may have arrived. Call it after each `read`: it keeps the connection alive.

        Raises BrokerError when the connection has ended.
        """
        # Only now, after received data has been read: a stall of this program is not silence of the broker.
        self._client.loop_misc()
        if self._ended is not None:
            raise BrokerError(self._ended)
        if self._pending():
            await asyncio.sleep(0)  # a flood must not keep the loop from its other tasks
            return
        self._woken.clear()
        timer = self._loop.call_later(at_most_s, self._woken.set)
        await self._woken.wait()
        timer.cancel()

    async def close(self, at_most_s: float = 1.0) -> None:
        """Disconnect when the broker has confirmed what was published, or after a timeout; no last will is published.

        If the socket were closed with unread data, the kernel would reset the connection and discard data on its way.
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
        """End the connection without DISCONNECT, as a crash would: the broker publishes the last will."""
        self._ended = self._ended or "closed"
        self._let_go()
        self._sock.close()

    # --- connection ---------------------------------------------------------------------------------------------------

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
            trouble = (
                f"the broker at {self._broker} accepted the connection and does not respond: restart it if it hangs"
            )
            raise BrokerError(trouble) from error

    def _pending(self) -> bool:
        """Return whether there is data to read. TLS may hold data that the socket no longer shows."""
        if isinstance(self._sock, ssl.SSLSocket) and self._sock.pending():
            return True
        return bool(self._readable.poll(0))

    def _together(self, *, on: bool) -> None:
        """Let the kernel hold written data, or release it.

        Forty commands then leave as one segment: otherwise each of them wakes the broker separately.
        """
        if self._ended is None:
            set_tcp_option(self._sock, "TCP_CORK", int(on))

    def _acknowledge(self) -> None:
        """Make the kernel acknowledge received data now.

        Mosquitto leaves Nagle's algorithm on: while one small message is unacknowledged it holds the next ones back, up
        to 40 ms. The kernel resets this option by itself, hence after each read.
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
            return self._expiries[expiry_s]  # paho takes longer to create properties than to send the message
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

    # --- paho callbacks; they only record, because paho holds a lock --------------------------------------------------

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
            self._on_warning(f"the broker at {self._broker} refuses publications ({reason}): {_access(self._broker)}")


def _properties(kind: int) -> Properties:
    return Properties(kind)  # type: ignore[no-untyped-call]  # paho's own


# --- reason codes as sentences ----------------------------------------------------------------------------------------

# MQTT v5, 2.4: reason codes. paho uses the same numbers for its own errors.
_KEEP_ALIVE_TIMEOUT = 0x8D
_SESSION_TAKEN_OVER = 0x8E


def _access(broker: Broker) -> str:
    return f"allow {broker.username or 'anonymous clients'} the topics of this site in its access list"


def _refused(broker: Broker, reason: ReasonCode) -> str:
    advice = {
        0x84: 'it does not support this version: set version = "3.1.1" in [broker]',
        0x85: "it does not accept the client id: check [site] id",
        0x86: "wrong user name or password: see [broker] username and password_file",
        0x87: "not authorized: see [broker] username and password_file, and the broker's access list",
        0x88: "it is unavailable: see its log",
        0x89: "it is busy: see its log",
        0x8A: "it has banned this client: see its log",
    }.get(reason.value, f"{reason}: see its log")
    return f"the broker at {broker} refuses the connection: {advice}"


def _went_away(broker: Broker, reason: ReasonCode, *, by_broker: bool, accepted: bool) -> str:
    if by_broker and reason.value == _SESSION_TAKEN_OVER:
        return f"another program connected to the broker at {broker} with this program's client id"
    if by_broker:
        return f"the broker at {broker} ended the connection: {reason}"
    if not accepted:
        trouble = f"the broker at {broker} closed the connection at once"
        return f'{trouble}: TLS on one side only, or it needs version = "3.1.1" in [broker]'
    why = (
        "it stopped responding"
        if reason.value == _KEEP_ALIVE_TIMEOUT
        else "it closed the connection, or the line is dead"
    )
    return f"the connection to the broker at {broker} was lost: {why}"
