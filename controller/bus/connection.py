"""MQTT bus: keep one connection to the broker, turn incoming messages into events, and publish.

Everything runs on the daemon's event loop. Messages that cannot be sent are discarded, never queued: at every
connection the engine computes again what is needed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from typing import TYPE_CHECKING, NoReturn

from controller.bus.client_ids import ClientIds
from controller.bus.messages import (
    ControllerId,
    IncomingMessage,
    OwnRetained,
    Rejection,
    ReplyAddress,
    StatusRequested,
)
from controller.bus.requests import DuplicateFilter
from controller.bus.retained_commands import SEARCH_S, RetainedCommands
from controller.bus.rivals import ControllerSeen, Rivals
from controller.core.effects import SendReply
from controller.core.events import BusConnected, BusLost, Requested
from controller.core.rate_limit import RateLimit
from hw.broker_addresses import BrokerAddresses
from hw.broker_socket import BrokerError
from hw.mqtt import MqttConnection
from hw.mqtt_messages import ConnectRefusedError, TakenOverError, Will

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from controller.bus.messages import Publication
    from controller.bus.topics import BusNews, Topics
    from controller.core.events import Event
    from hw.broker_socket import Broker
    from hw.broker_tls import CertificateDates
    from hw.mqtt_messages import Message
    from rules.panel import CircuitId

# Seconds from the start of one attempt to the start of the next. The first follows at once. Documented maximum: 2 s.
RETRY_STEPS_S = (0.0, 0.1, 0.2, 0.5, 1.0)
# After a connection that lasted this long, the next attempt follows at once. Two programs with the same client ID
# disconnect each other at once, and must not do so in a tight loop.
GOOD_CONNECTION_S = 10.0

SHORT_CONNECTIONS = 3
"""Number of short connections in a row after which a second program with our client ID is suspected."""

LOOK_S = 0.2
"""Interval in seconds at which a wait is ended if commands are due."""

NO_RETAINED = (
    "It keeps no retained messages. Circuits are still shed and restored. After a start, however, a position is "
    "unknown until the device reports: in an outage, such a circuit then waits for a user. An MQTT contact is unknown "
    "until its device reports. Status reaches programs that listen, or ask for it."
)

MAX_WARNINGS = 10
WARNINGS_WINDOW_S = 60.0

_log = logging.getLogger(__name__)


class BusClient:
    """Connection to the broker that reconnects by itself.

    `on_event` is called on the loop, never from within `publish` or `flush`. It must not publish: the message would
    leave before the subscriptions. `clock`: monotonic seconds. `clock_offset`: UTC seconds since 1970 minus monotonic
    seconds; None: the clock is not trusted.
    """

    def __init__(
        self,
        broker: Broker,
        topics: Topics,
        on_event: Callable[[Event], None],
        clock: Callable[[], float],
        addresses: BrokerAddresses | None = None,
        *,
        clock_offset: Callable[[], float | None] = lambda: None,
    ) -> None:
        self._broker = broker
        self.addresses = addresses or BrokerAddresses(broker.host, broker.port)
        self._topics = topics
        self._on_event = on_event
        self._clock = clock
        self._clock_offset = clock_offset
        self._link: MqttConnection | None = None
        self._last_loss: str | None = None  # reason of the loss that was reported last; None: connected since
        self._was_connected = False
        self.instance = os.urandom(4).hex()
        self.rivals = Rivals(self.instance)
        self.news = asyncio.Event()  # something about another controller has changed
        self.urgent: Callable[[], bool] = lambda: False  # commands are due, or will be in a moment
        self._ids = ClientIds(topics.site, self.instance)
        self._requests = DuplicateFilter()
        self._retained_commands = RetainedCommands()
        self.on_status_request: Callable[[ReplyAddress | None], None] = lambda _reply: None
        self.on_own_retained: Callable[[str], None] = lambda _name: None
        self._warnings = RateLimit(MAX_WARNINGS, WARNINGS_WINDOW_S)

    @property
    def topics(self) -> Topics:
        return self._topics

    @property
    def connected(self) -> bool:
        return self._link is not None and self._link.alive

    @property
    def local_address(self) -> str:
        """Return the address of this end of the connection; empty while disconnected."""
        return "" if self._link is None else self._link.local_address

    @property
    def identity(self) -> ControllerId:
        """Return what identifies this controller among others."""
        return ControllerId(self.instance, socket.gethostname(), self.local_address)

    @property
    def certificate_dates(self) -> CertificateDates | None:
        """Return the dates of the broker's certificate; None without TLS, and while disconnected."""
        return self._link.certificate_dates if self._link is not None and self._link.alive else None

    def restrictions(self) -> str:
        """Return what the broker does not support and what is lost by it, in sentences; empty: nothing is."""
        if self._link is None:
            return ""
        lost = [] if self._link.limits.retain else [NO_RETAINED]
        if self._link.oversized:
            names = ", ".join(sorted(self._topics.names.name_of(topic) for topic in self._link.oversized))
            lost.append(
                f"It accepts messages of {self._link.limits.maximum_packet_bytes} bytes at most; these are not "
                f"published: {names}."
            )
        return " ".join(lost)

    async def run(self) -> NoReturn:
        """Stay connected until cancelled. Then publish `offline` and disconnect."""
        failed = 0
        while True:
            began = self._clock()
            try:
                await self._one_connection()
            except BrokerError as error:
                was_good = self._clock() - began >= GOOD_CONNECTION_S
                failed = 0 if was_good else failed + 1
                self._lose(str(error) + self._note_takeover(error, failed))
            step_s = RETRY_STEPS_S[min(failed, len(RETRY_STEPS_S) - 1)]
            await asyncio.sleep(max(0.0, began + step_s - self._clock()))
            await self._back_off()

    def _note_takeover(self, error: BrokerError, failed: int) -> str:
        """Note if another program uses our client id; return a hint for the journal if that is only suspected.

        Mosquitto ends our connection then without a reason.
        """
        if isinstance(error, TakenOverError):
            self._ids.taken_over()
            self.rivals.taken_over(self._clock())
            self.news.set()
        elif isinstance(error, ConnectRefusedError):
            self._ids.refused()
        elif failed >= SHORT_CONNECTIONS and self._last_loss is None and self._was_connected:
            self._ids.taken_over()
            site = self._topics.site
            return (
                f". Each connection ended soon after it began: check whether a second loadshed runs for site {site!r}"
            )
        return ""

    async def _back_off(self) -> None:
        """Leave the broker to the other program for a while, unless commands are due."""
        for _ in range(int(self._ids.wait_s / LOOK_S)):
            if self.urgent():
                return
            await asyncio.sleep(LOOK_S)

    def publish(self, publication: Publication) -> bool:
        """Send with the next `flush`, which follows by itself. While disconnected, discard it and return False."""
        if self._link is None or not self._link.alive:
            return False
        self._link.publish(
            publication.topic,
            publication.payload,
            qos=publication.qos,
            retain=publication.retain,
            expiry_s=publication.expiry_s,
            correlation=publication.correlation,
            urgent=publication.urgent,
        )
        return True

    def flush(self) -> None:
        """Write pending messages to the socket now, within this callback."""
        if self._link is not None:
            self._link.flush()

    def drain(self) -> None:
        """Read the socket until it is empty, and turn the messages into events. Not from within `on_event`.

        After a stall, acknowledgments wait there. They must be processed before a late deadline.
        """
        while self._link is not None and (messages := self._link.read()):
            self._handle(messages)

    def set_topics(self, topics: Topics) -> None:
        """Use these topics from now on: subscribe to new ones, and no longer to those that no circuit has any more."""
        old, self._topics = self._topics, topics
        if self._link is None or not self._link.alive:
            return
        before, after = old.device_topics(), topics.device_topics()
        self._link.subscribe(tuple(topic for topic in after if topic not in before))
        self._link.unsubscribe(tuple(topic for topic in before if topic not in after))
        commands = {*topics.devices.command_topics()}
        self._link.unsubscribe(tuple(topic for topic in old.devices.command_topics() if topic not in commands))
        self._search_commands(self._link)

    def resubscribe(self, topics: Sequence[str]) -> None:
        """Subscribe to these topics once more: the broker sends its retained copies again."""
        if self._link is not None and self._link.alive:
            self._link.subscribe(tuple(topics))

    # --- one connection --------------------------------------------------------------------------------------------

    async def _one_connection(self) -> None:
        will = Will(self._topics.names.availability, self._topics.availability(online=False).payload)
        link = await MqttConnection.open(
            self._broker,
            self._ids.current,
            will=will,
            complain=self._log_warning,
            addresses=self.addresses,
        )
        self._link = link
        try:
            self._subscribe(link)
            while True:
                await link.wait()
                self._handle(link.read())
        except asyncio.CancelledError:
            self.publish(self._topics.availability(online=False))
            await link.close()
            raise
        finally:
            self._link = None
            link.abort()

    def _subscribe(self, link: MqttConnection) -> None:
        self._last_loss = None
        self._was_connected = True
        # Before anything is sent: commands that are due leave in one TCP segment with the subscriptions, after them,
        # without waiting for the broker's acknowledgment of the subscriptions.
        self._on_event(BusConnected(self._clock()))
        self.news.set()
        # The subscriptions are first in the stream: the reports that follow a command arrive live.
        topics = self._topics
        link.subscribe(topics.contact_topics())
        link.subscribe(topics.device_topics())
        link.subscribe((*topics.client_topics(wildcards=link.limits.wildcards), topics.names.alive))
        # As published: a request with the retain flag is refused at once, not only when the broker delivers its copy.
        link.subscribe(topics.request_topics(wildcards=link.limits.wildcards), as_published=True)
        self._search_commands(link)
        # Last: a program that died, and clients that are gone, leave retained messages that nothing else would clear.
        link.subscribe(topics.own_topics(wildcards=link.limits.wildcards), own=False)

    def _search_commands(self, link: MqttConnection) -> None:
        """Look for retained messages on the command topics, now and as long as the connection lasts."""
        self._retained_commands.begin_search()
        link.subscribe(self._topics.devices.command_topics(), as_published=True, own=False)
        asyncio.get_running_loop().call_later(SEARCH_S, self._end_search, link)

    def _end_search(self, link: MqttConnection) -> None:
        if link is self._link and (found := self._retained_commands.end_search(self._clock())) is not None:
            self._on_event(found)

    def _lose(self, reason: str) -> None:
        if reason != self._last_loss:  # a broker that is down for a day is reported once
            self._last_loss = reason
            if not self._was_connected:  # nothing was lost, so the event log has no entry
                _log.warning("not connected: %s", reason)
            self._on_event(BusLost(self._clock(), reason))

    # --- incoming --------------------------------------------------------------------------------------------------

    def _handle(self, messages: list[Message]) -> None:
        at, offset_s = self._clock(), self._clock_offset()
        for one in messages:
            self._handle_one(
                IncomingMessage(at, one.topic, one.payload, one.retained, one.response_topic, one.correlation, offset_s)
            )
        self.flush()

    def _handle_one(self, message: IncomingMessage) -> None:
        if (circuit := self._topics.devices.commanded(message.topic)) is not None:
            if message.retained:
                self._found_command(circuit, message)
            if not self._topics.devices.reads(message.topic):
                return
        for parsed in self._topics.read(message):
            self._handle_parsed(message, parsed)

    def _found_command(self, circuit: CircuitId, message: IncomingMessage) -> None:
        found = self._retained_commands.received(circuit, message.payload, message.at)
        if found is not None:
            self._on_event(found)

    def _handle_parsed(self, message: IncomingMessage, parsed: Event | BusNews | Rejection) -> None:
        if (
            isinstance(parsed, Requested)
            and isinstance(parsed.reply, ReplyAddress)
            and self._requests.repeats(parsed.reply)
        ):
            parsed = Rejection("this request was already received (same correlation data)", parsed.reply)
        if isinstance(parsed, Rejection):
            self._refuse(message, parsed)
        elif isinstance(parsed, StatusRequested):
            self.on_status_request(parsed.reply)
        elif isinstance(parsed, OwnRetained):
            self.on_own_retained(parsed.name)
        elif isinstance(parsed, ControllerSeen):
            if self.rivals.seen(parsed, message.at):
                self.news.set()
        else:
            self._on_event(parsed)

    def _refuse(self, message: IncomingMessage, rejection: Rejection) -> None:
        self._log_warning(f"message on {message.topic[:100]!r} refused: {rejection.reason}")
        answer = self._topics.answer(SendReply(rejection.reply, ok=False, reason=rejection.reason))
        if answer is not None:
            self.publish(answer)

    def _log_warning(self, text: str) -> None:
        """Log a warning, at most `MAX_WARNINGS` within `WARNINGS_WINDOW_S`: a flood must not fill the journal."""
        suppressed = self._warnings.allow(self._clock())
        if suppressed is not None:
            _log.warning("%s%s", text, f" ({suppressed} warnings before it left out)" if suppressed else "")
