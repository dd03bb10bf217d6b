"""Messages in flight above QoS 0, and messages that wait for a place (MQTT v5, 3.3.4 and 4.9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hw.broker_limits import FIXED_HEADER_MOST_BYTES

if TYPE_CHECKING:
    from paho.mqtt.properties import Properties

MAX_WAITING = 1000
"""Maximum number of waiting messages. A message beyond it is sent at QoS 0."""


class Outgoing(NamedTuple):
    """A message to send. `urgent`: a command, which never waits. `replaceable`: only the latest of its topic counts."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    properties: Properties | None = None
    urgent: bool = False
    replaceable: bool = False

    def packet_bytes(self) -> int:
        """Return the size of its PUBLISH packet in bytes, at most a few bytes too large."""
        properties = 1 if self.properties is None else len(self.properties.pack())  # type: ignore[no-untyped-call]
        return FIXED_HEADER_MOST_BYTES + 4 + len(self.topic.encode()) + properties + len(self.payload)


class SendWindow:
    """Window of at most `limit` messages that the broker has not acknowledged.

    A command leaves at once: if no place is free, at QoS 0, which the limit does not concern. Every command is repeated
    until its device reports. Other messages use at most half of the places and wait, in order, for a free one.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._limit_others = max(1, limit // 2)
        self._in_flight: dict[int, bool] = {}  # message id → whether it is urgent
        self._others = 0
        self._waiting: dict[object, Outgoing] = {}

    @property
    def idle(self) -> bool:
        """Return whether nothing waits and everything is acknowledged."""
        return not self._in_flight and not self._waiting

    def admit(self, message: Outgoing) -> Outgoing | None:
        """Return the message as it is to be sent now; None: it waits."""
        if message.qos == 0:
            return message
        if self._has_place(urgent=message.urgent) and (message.urgent or not self._waiting):
            return message
        if message.urgent or not self._keep(message):
            return message._replace(qos=0)
        return None

    def sent(self, message_id: int, message: Outgoing) -> None:
        """Note that a message was sent."""
        if message.qos > 0:
            self._in_flight[message_id] = message.urgent
            self._others += not message.urgent

    def acknowledged(self, message_id: int) -> None:
        """Note that the broker has acknowledged a message."""
        if self._in_flight.pop(message_id, True) is False:
            self._others -= 1

    def next(self) -> Outgoing | None:
        """Return a waiting message for which a place is free, and remove it; None: there is none."""
        if not self._waiting or not self._has_place(urgent=False):
            return None
        return self._waiting.pop(next(iter(self._waiting)))

    def _has_place(self, *, urgent: bool) -> bool:
        return len(self._in_flight) < self._limit and (urgent or self._others < self._limit_others)

    def _keep(self, message: Outgoing) -> bool:
        """Let a message wait, in the place of an older one that it replaces; return whether there was room."""
        key = message.topic if message.replaceable else object()
        if key not in self._waiting and len(self._waiting) >= MAX_WAITING:
            return False
        self._waiting[key] = message
        return True
