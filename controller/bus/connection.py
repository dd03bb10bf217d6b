"""The MQTT bus: keeps one connection to the broker, turns what comes into events, says what is to be said.

Everything runs on the daemon's loop, without a hand-over. Nothing that could not be sent is kept: what is needed is
computed anew at every connection, by those who decide.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, NoReturn

from controller.bus.topics import DuplicateFilter, IncomingMessage, Rejection, ReplyAddress
from controller.core.effects import SendReply
from controller.core.events import BusConnected, BusLost, Requested
from controller.core.rate_limit import RateLimit
from hw.broker_socket import BrokerError
from hw.mqtt import MqttConnection, Will

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.bus.topics import Publication, Topics
    from controller.core.events import Event
    from hw.broker_socket import Broker
    from hw.mqtt import Message

# From one try's begin to the next one's. The first comes at once; two seconds are promised at most.
TRY_STEPS_S = (0.0, 0.1, 0.2, 0.5, 1.0)
# A connection that held so long was a good one: the next try comes at once again. Two programs with one client id
# throw each other out at once, and must not spin.
HELD_S = 10.0

SUSPICIOUS_TIMES = 3

MAX_LOG_LINES = 10
LOG_WINDOW_S = 60.0

_log = logging.getLogger(__name__)


class BusClient:
    """The connection to the broker, and its return.

    `on_event` is called on the loop, never from within `publish` or `flush`; it may only hand over: what it published
    itself would leave before we listen. `clock`: monotonic seconds.
    """

    def __init__(
        self, broker: Broker, topics: Topics, on_event: Callable[[Event], None], clock: Callable[[], float]
    ) -> None:
        self._broker = broker
        self._topics = topics
        self._on_event = on_event
        self._clock = clock
        self._link: MqttConnection | None = None
        self._said: str | None = None
        self._met = False
        self._suspected = False
        self._asked = DuplicateFilter()
        self._warnings = RateLimit(MAX_LOG_LINES, LOG_WINDOW_S)

    @property
    def topics(self) -> Topics:
        return self._topics

    @property
    def connected(self) -> bool:
        return self._link is not None and self._link.alive

    async def run(self) -> NoReturn:
        """Stay connected until cancelled; then say `offline` and goodbye."""
        failed = 0
        while True:
            began = self._clock()
            try:
                await self._one_connection()
            except BrokerError as error:
                held = self._clock() - began >= HELD_S
                failed = 0 if held else failed + 1
                self._suspected = self._suspected and not held
                self._lose(str(error) + self._duplicate_client_hint(failed))
            step_s = TRY_STEPS_S[min(failed, len(TRY_STEPS_S) - 1)]
            await asyncio.sleep(max(0.0, began + step_s - self._clock()))

    def publish(self, publication: Publication) -> bool:
        """Send with the next `flush`, which follows by itself; return False, and forget it, while not connected."""
        if self._link is None or not self._link.alive:
            return False
        self._link.publish(
            publication.topic,
            publication.payload,
            qos=publication.qos,
            retain=publication.retain,
            expiry_s=publication.expiry_s,
            correlation=publication.correlation,
        )
        return True

    def flush(self) -> None:
        """Write what was published out now, within this callback."""
        if self._link is not None:
            self._link.flush()

    def drain(self) -> None:
        """Take everything that lies on the socket now, as events. Not from within `on_event`.

        After a stall of ours the confirmations lie there, and must be heard before a late deadline is judged.
        """
        while self._link is not None and (heard := self._link.read()):
            self._take(heard)

    def set_topics(self, topics: Topics, added: tuple[tuple[str, ...], ...] = ()) -> None:
        """Go by these names from now on. `added`: the topics of new circuits, whose retained words are fetched."""
        self._topics = topics
        if self._link is None or not self._link.alive:
            return
        for filters in added:
            # The wildcard brings what is said from now on; only a subscription of its own brings what is remembered.
            self._link.subscribe(filters)
            self._link.unsubscribe(filters)

    # --- one connection --------------------------------------------------------------------------------------------

    async def _one_connection(self) -> None:
        will = Will(self._topics.availability_topic, self._topics.availability(online=False).payload)
        link = await MqttConnection.open(
            self._broker, f"loadshed-{self._topics.site}", will=will, complain=self._log_warning
        )
        self._link = link
        try:
            self._greet(link)
            while True:
                await link.wait()
                self._take(link.read())
        except asyncio.CancelledError:
            self.publish(self._topics.availability(online=False))
            await link.close()
            raise
        finally:
            self._link = None
            link.abort()

    def _greet(self, link: MqttConnection) -> None:
        self._said = None
        self._met = True
        # Told before anything is sent: what is due now leaves in one segment with the subscriptions, behind them, and
        # not only when the broker has answered those.
        self._on_event(BusConnected(self._clock()))
        # The subscriptions stand first on the stream: the confirmations of what follows are heard live.
        first, *others, requests = self._topics.subscriptions()
        link.subscribe([first])
        link.subscribe(others)
        # A request to be retained is refused at once, not only when it comes back from the broker's memory.
        link.subscribe([requests], as_published=True)

    def _duplicate_client_hint(self, failed: int) -> str:
        """Return what repeated short connections make one think of: once, until one has held again.

        Mosquitto throws out without giving a reason.
        """
        if self._suspected or self._said is not None or failed < SUSPICIOUS_TIMES:
            return ""
        self._suspected = True
        return f", soon after it was made, again and again: does a second loadshed run for site {self._topics.site!r}?"

    def _lose(self, reason: str) -> None:
        if reason != self._said:  # a broker that is away for a day is told of once
            self._said = reason
            if not self._met:  # nothing was lost yet, so the log of events has nothing to say
                _log.warning("not connected: %s", reason)
            self._on_event(BusLost(self._clock(), reason))

    # --- what comes ------------------------------------------------------------------------------------------------

    def _take(self, heard: list[Message]) -> None:
        at = self._clock()
        for one in heard:
            self._take_one(
                IncomingMessage(at, one.topic, one.payload, one.retained, one.response_topic, one.correlation),
            )
        self.flush()

    def _take_one(self, message: IncomingMessage) -> None:
        meant = self._topics.parse(message)
        if isinstance(meant, Requested) and isinstance(meant.reply, ReplyAddress) and self._asked.repeats(meant.reply):
            meant = Rejection("this request was made before (same correlation data)", meant.reply)
        if isinstance(meant, Rejection):
            self._refuse(message, meant)
        elif meant is not None:
            self._on_event(meant)

    def _refuse(self, message: IncomingMessage, refusal: Rejection) -> None:
        self._log_warning(f"refused {message.topic[:100]!r}: {refusal.reason}")
        answer = self._topics.answer(SendReply(refusal.reply, ok=False, reason=refusal.reason))
        if answer is not None:
            self.publish(answer)

    def _log_warning(self, text: str) -> None:
        """Write one line, unless there were too many: a flood must not fill the journal."""
        suppressed = self._warnings.allow(self._clock())
        if suppressed is not None:
            _log.warning("%s%s", text, f" (and {suppressed} lines like it left out)" if suppressed else "")
