"""A broker between simulated devices and an observer, in virtual time: retained messages, last wills, restarts."""

from __future__ import annotations

from collections import deque
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from paho.mqtt.client import topic_matches_sub

from hw.simulated.mqtt_device import DeviceMessage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hw.mqtt_messages import Will
    from hw.simulated.mqtt_device import SimulatedDevice


class Heard(NamedTuple):
    """A message as the observer receives it. `at`: seconds."""

    at: float
    topic: str
    payload: bytes
    retained: bool


class VirtualBroker:
    """A broker to which simulated devices connect when they have power. Delivery takes no time.

    `heard`: all messages, in order; an observer that connects later calls `retained_messages` first. `retained`: the
    stored messages by topic.
    """

    def __init__(self, devices: Iterable[SimulatedDevice]) -> None:
        self.devices = list(devices)
        self.retained: dict[str, bytes] = {}
        self.heard: list[Heard] = []
        self.up = True
        self._queue: deque[DeviceMessage] = deque()
        self._sessions: dict[str, Will | None] = {}
        self._lost: dict[str, float] = {}
        self._subscribers: set[str] = set()
        for device in self.devices:
            for message in device.retained_at_broker:
                self.retained[message.topic] = message.payload

    @property
    def next_due(self) -> float | None:
        """Return when `advance` has something to do; None: nothing is pending."""
        due = [at for device in self.devices if (at := device.next_due) is not None]
        if self.up:
            due += self._lost.values()
            due += [device.online_at for device in self.devices if device.powered and not device.connected]
        return min(due, default=None)

    def advance(self, now: float) -> None:
        """Run all timers that are due by now, in order, and connect the devices that have booted."""
        while (due := self.next_due) is not None and due <= now:
            for device in self.devices:
                self.take(device.advance(due), due)
                self._notice(device, due)
                if self._lost.get(device.client_id, due + 1.0) <= due:
                    self._publish_will(device.client_id, due)
            self._connect(due)

    def take(self, messages: Iterable[DeviceMessage], now: float) -> None:
        """Deliver what a device published, and all that follows from it."""
        self._queue.extend(messages)
        while self._queue:
            message = self._queue.popleft()
            if not self.up:
                continue
            if message.retain and message.payload:
                self.retained[message.topic] = message.payload
            elif message.retain:
                self.retained.pop(message.topic, None)
            self.heard.append(Heard(now, message.topic, message.payload, retained=False))
            for device in self.devices:
                if device.connected and device.client_id in self._subscribers and _subscribed(device, message.topic):
                    self._queue.extend(device.on_message(message.topic, message.payload, False, now))

    def publish(self, topic: str, payload: bytes, now: float, *, retain: bool = False) -> None:
        """Deliver a message of the observer."""
        self.advance(now)
        self.take((DeviceMessage(topic, payload, 0, retain),), now)

    def power_cut(self, device: SimulatedDevice, now: float, address: str | None = None) -> None:
        """Cut the power of a device; the broker notices it after one and a half times the keep-alive time."""
        self.advance(now)
        device.power_cut(now, address)
        self._notice(device, now)

    def power_back(self, device: SimulatedDevice, now: float, address: str | None = None) -> None:
        """Return the power of a device."""
        self.advance(now)
        self.take(device.power_back(now, address), now)
        self._connect(now)

    def goes_down(self, now: float) -> None:
        """End all connections."""
        self.advance(now)
        self.up = False
        self._sessions.clear()
        self._lost.clear()
        for device in self.devices:
            if device.connected:
                device.on_disconnected(now)

    def comes_up(self, now: float, *, remembers: bool = True) -> None:
        """Start again, with or without the retained messages. Devices reconnect at once."""
        self.advance(now)
        self.up = True
        if not remembers:
            self.retained.clear()
        self._connect(now)

    def retained_messages(self, now: float) -> list[Heard]:
        """Return the stored messages as a new subscriber receives them."""
        return [Heard(now, topic, payload, retained=True) for topic, payload in self.retained.items()]

    def _connect(self, now: float) -> None:
        for device in self.devices:
            if self.up and not device.connected and device.wants_connection(now):
                self._publish_will(device.client_id, now)  # of its earlier connection, which this one ends
                self._sessions[device.client_id] = device.will
                self._subscribers.discard(device.client_id)
                self.take(device.on_connected(now), now)
                self._subscribers.add(device.client_id)
                stored = [item for item in self.retained.items() if _subscribed(device, item[0])]
                for topic, payload in stored:
                    self.take(device.on_message(topic, payload, True, now), now)

    def _notice(self, device: SimulatedDevice, now: float) -> None:
        """Note a connection that has become silent."""
        if self.up and not device.connected and device.client_id in self._sessions:
            if device.ended_cleanly:
                self._sessions.pop(device.client_id)
            else:
                self._lost.setdefault(device.client_id, now + 1.5 * device.keepalive_s)

    def _publish_will(self, client_id: str, now: float) -> None:
        will = self._sessions.pop(client_id, None)
        self._lost.pop(client_id, None)
        if will is not None:
            self.take((DeviceMessage(*will),), now)


def _subscribed(device: SimulatedDevice, topic: str) -> bool:
    return any(_matches(one, topic) for one in device.subscriptions)


@lru_cache(maxsize=4096)
def _matches(subscription: str, topic: str) -> bool:
    return topic_matches_sub(subscription, topic)
