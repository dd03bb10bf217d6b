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
import struct
from functools import cached_property
from typing import TYPE_CHECKING, Any

from paho.mqtt.exception import MQTTException
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.subscribeoptions import SubscribeOptions

from hw import tcp_options
from hw.broker_addresses import BrokerAddresses
from hw.broker_limits import BrokerLimits
from hw.broker_socket import Broker, BrokerError, UnusableAddressError
from hw.broker_tls import CertificateDates, certificate_dates, connect
from hw.mqtt_messages import ConnectRefusedError, Message, TakenOverError, Will
from hw.mqtt_reasons import SESSION_TAKEN_OVER, access_advice, loss, refusal, too_large
from hw.paho_client import PahoClient, new_client
from hw.publish_properties import PublishProperties, new_properties
from hw.send_window import Outgoing, SendWindow

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable

    from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

# The broker considers this client gone, and publishes its last will, after 1.5 times this time.
KEEPALIVE_S = 5
# From CONNECT to CONNACK. A broker that takes longer hangs.
ACCEPT_S = 5.0
# Time for the lookup of the broker's name, for a program that connects once: a resolver may ask its second server.
LOOKUP_S = 12.0
# Maximum number of messages read before the loop runs other tasks.
READ_MOST = 200
# Maximum size of a message from the broker: a larger one is dropped there, before it is sent (MQTT v5).
PACKET_MOST_BYTES = 2 * 1024 * 1024

# What paho raises, beside its own exceptions, if the broker sends reason codes or properties that do not exist.
_MALFORMED = (MQTTException, ValueError, LookupError, AssertionError, TypeError, struct.error)

_log = logging.getLogger(__name__)


class MqttConnection:
    """An accepted connection. Created by `MqttConnection.open`; when it ends, `wait` raises the reason."""

    def __init__(
        self, broker: Broker, client: PahoClient, sock: socket.socket, complain: Callable[[str], None]
    ) -> None:
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
        self._error: BrokerError | None = None  # the reason, if it needs an answer of its own
        self._writing = False
        self._keepalive_s = KEEPALIVE_S
        self.limits = BrokerLimits()
        self.oversized: set[str] = set()  # topics with messages that the broker does not accept
        self._window = SendWindow(self.limits.receive_maximum)
        self._properties = PublishProperties()
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
        addresses: BrokerAddresses | None = None,
    ) -> MqttConnection:
        """Return an accepted connection. Raises BrokerError with a sentence that states what to do.

        A hanging broker is detected after two `keepalive_s`. `complain` receives what the broker forbids on an open
        connection. A last will that the broker does not support is reduced to what it does support. `addresses`: kept
        over several connections; None: of this one only.
        """
        addresses = addresses or BrokerAddresses(broker.host, broker.port, wait_s=LOOKUP_S)
        first: ConnectRefusedError | None = None
        accepted_will = will
        while True:
            try:
                link = await cls._open(broker, addresses, complain, keepalive_s, (client_id, accepted_will))
            except ConnectRefusedError as error:
                first = first or error
                accepted_will = accepted_will.without(error.code) if accepted_will is not None else None
                if accepted_will is not None:
                    continue
                if error.code is not None or not addresses.another():
                    raise first from error
                accepted_will, first = will, None
            except UnusableAddressError:
                if not addresses.another():
                    raise
            else:
                if accepted_will is not None and not accepted_will.retain:
                    link.limits = link.limits._replace(retain=False)  # with MQTT 3.1.1 the only sign of it
                return link

    @classmethod
    async def _open(
        cls,
        broker: Broker,
        addresses: BrokerAddresses,
        complain: Callable[[str], None],
        keepalive_s: int,
        who: tuple[str, Will | None],
    ) -> MqttConnection:
        password = broker.password()
        sock = await connect(broker, addresses)
        client = new_client(sock, *who, v5=broker.version == "5")
        client.username_pw_set(broker.username, password) if broker.username else None
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

    @property
    def carries_replies(self) -> bool:
        """Return whether requests on this connection can have a reply (MQTT v5)."""
        return self._v5

    @property
    def local_address(self) -> str:
        return str(self._sock.getsockname()[0]) if self.alive else ""

    @cached_property
    def certificate_dates(self) -> CertificateDates | None:
        """Dates of the broker's certificate; None without TLS."""
        return certificate_dates(self._sock)

    # --- public -------------------------------------------------------------------------------------------------------

    def subscribe(self, filters: Iterable[str], *, as_published: bool = False, own: bool = True) -> None:
        """Subscribe to these topics, in this order.

        At QoS 0: TCP loses nothing on an open connection, and nothing survives a closed one. At QoS 1 the broker would
        send its retained topics in waves of 20, and drop those beyond its queue.

        `as_published`: a live message published with the retain flag keeps that flag (MQTT v5 only).
        `own`: whether this connection's own messages are delivered as well (never with MQTT v5 if False).
        """
        for batch in self.limits.batches(tuple(filters)):
            if self._v5:
                options = SubscribeOptions(qos=0, noLocal=not own, retainAsPublished=as_published)
                self._client.subscribe([(topic, options) for topic in batch])
            else:
                self._client.subscribe([(topic, 0) for topic in batch])

    def unsubscribe(self, filters: Iterable[str]) -> None:
        for batch in self.limits.batches(tuple(filters)):
            self._client.unsubscribe(batch)

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
        urgent: bool = False,
    ) -> None:
        """Send a message with the next `flush`, which follows automatically; drop it if the connection has ended.

        Expiry (whole seconds), response topic and correlation need MQTT v5 and are omitted without it. `urgent`: a
        command; other messages wait if the broker limits the number of unacknowledged messages. Of a retained topic
        only the latest message waits.
        """
        if self._ended is not None:
            return
        limits = self.limits
        properties = self._properties.of(expiry_s, response_topic, correlation) if self._v5 else None
        qos, kept = min(qos, limits.maximum_qos), retain and limits.retain
        message = Outgoing(topic, payload, qos, kept, properties, urgent, replaceable=retain)
        if limits.maximum_packet_bytes is not None and not limits.fits(size := message.packet_bytes()):
            self.oversized.add(topic)
            self._on_warning(too_large(self._broker, topic, size, limits.maximum_packet_bytes))
        elif (admitted := self._window.admit(message)) is not None:
            self._send(admitted)

    def flush(self) -> None:
        """Write queued packets now, as far as the socket accepts them; the rest follows automatically."""
        if self._client.want_write() and self._ended is None:
            tcp_options.hold(self._sock, on=True)
            self._client.loop_write()
            if self._ended is None:
                tcp_options.hold(self._sock, on=False)
        self._watch_for_room(self._client.want_write())

    def read(self) -> list[Message]:
        """Return the messages received so far, without waiting, at most a few hundred; [] if there are none."""
        for _ in range(READ_MOST):
            if self._ended is not None or not self._pending():
                break
            try:
                self._client.loop_read()
            except _MALFORMED as error:
                self._end(f"the broker at {self._broker} sent something that is not MQTT: {error}")
        while self._ended is None and (waiting := self._window.next()) is not None:
            self._send(waiting)
        if self._ended is None:
            tcp_options.acknowledge_now(self._sock)
        heard, self._inbox = self._inbox, []
        return heard

    async def wait(self, at_most_s: float = 1.0) -> None:
        """Return when messages may have arrived. Call it after each `read`: it keeps the connection alive.

        Raises BrokerError when the connection has ended.
        """
        # Only now, after received data has been read: a stall of this program is not silence of the broker.
        self._client.loop_misc()
        if self._ended is not None:
            raise self._error or BrokerError(self._ended)
        if self._pending():
            await asyncio.sleep(0)  # a flood must not keep the loop from its other tasks
            return
        self._woken.clear()
        timer = self._loop.call_later(min(at_most_s, self._client.ping_s / 4), self._woken.set)
        await self._woken.wait()
        timer.cancel()

    async def delivered(self, at_most_s: float = 1.0) -> bool:
        """Wait until the broker has acknowledged what was published at QoS 1; return whether it has."""
        with contextlib.suppress(TimeoutError, BrokerError):
            async with asyncio.timeout(at_most_s):
                while not self._window.idle:
                    self.flush()
                    await self.wait()
                    self.read()
                return True
        return False

    async def close(self, at_most_s: float = 1.0) -> None:
        """Disconnect when the broker has confirmed what was published, or after a timeout; no last will is published.

        If the socket were closed with unread data, the kernel would reset the connection and discard data on its way.
        """
        await self.delivered(at_most_s)
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
        self._keepalive_s = keepalive_s
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_socket_close = lambda *_: self._let_go()
        client.on_socket_register_write = self._flush_soon
        self._loop.add_reader(self._sock, self._woken.set)
        if self._v5:
            limits = new_properties(PacketTypes.CONNECT)
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
            raise UnusableAddressError(trouble) from error

    def _send(self, message: Outgoing) -> None:
        info = self._client.publish(message.topic, message.payload, message.qos, message.retain, message.properties)
        self._window.sent(info.mid, message)

    def _pending(self) -> bool:
        """Return whether there is data to read. TLS may hold data that the socket no longer shows."""
        if isinstance(self._sock, ssl.SSLSocket) and self._sock.pending():
            return True
        return bool(self._readable.poll(0))

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

    # --- paho callbacks; they only record, because paho holds a lock --------------------------------------------------

    def _on_connect(
        self, _client: Client, _data: object, _flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._error = ConnectRefusedError(refusal(self._broker, reason), reason.value)
            self._end(str(self._error))
            return
        if self._v5:
            self.limits = BrokerLimits.of(properties)
            self._window = SendWindow(self.limits.receive_maximum)
        self._client.follow_keep_alive(self._keepalive_s, self.limits.keep_alive_s)
        self._accepted = True

    def _on_disconnect(
        self, _client: Client, _data: object, flags: DisconnectFlags, reason: ReasonCode, _properties: object
    ) -> None:
        by_broker = flags.is_disconnect_packet_from_server
        text = loss(self._broker, reason, by_broker=by_broker, accepted=self._accepted)
        if by_broker and reason.value == SESSION_TAKEN_OVER:
            self._error = TakenOverError(text)
        elif not self._accepted and self._error is None:
            self._error = ConnectRefusedError(text, None)
        self._end(text)

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
            self._on_warning(f"the broker at {self._broker} forbids reading: {access_advice(self._broker)}")

    def _on_publish(self, _client: Client, _data: object, mid: int, reason: ReasonCode, _properties: object) -> None:
        self._window.acknowledged(mid)
        if reason.is_failure:
            self._on_warning(
                f"the broker at {self._broker} refuses publications ({reason}): {access_advice(self._broker)}"
            )
