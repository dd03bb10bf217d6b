"""Connect simulated devices to a real broker."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hw.broker_socket import BrokerError
from hw.mqtt import MqttConnection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hw.broker_socket import Broker
    from hw.simulated.mqtt_device import DeviceMessage, SimulatedDevice

LOOK_AGAIN_S = 0.05
"""Interval in seconds at which a device without power is looked at."""


class DeviceRunner:
    """One simulated device or gateway on real MQTT. Keep `run` running.

    `clock`: monotonic seconds of the house. `reconnect_s`: fixed interval between attempts to reconnect; None: as the
    real device does, which may take two minutes. `look_again_s`: interval at which the device is looked at, beside its
    messages and timers. `on_step`: called after messages and timers, when a load may have changed. `on_lost`: called
    with the reason when the connection is lost or refused.

    `silent_cuts`: a device whose power is cut leaves its connection open, so that the broker publishes its last will
    only after one and a half times its keep-alive time, as on a real network. Otherwise the will is published at once.
    """

    def __init__(
        self,
        device: SimulatedDevice,
        broker: Broker,
        clock: Callable[[], float],
        *,
        reconnect_s: float | None = 0.2,
        silent_cuts: bool = False,
        look_again_s: float = LOOK_AGAIN_S,
        on_step: Callable[[], None] = lambda: None,
        on_lost: Callable[[str], None] = lambda _reason: None,
    ) -> None:
        self.device = device
        self.connected = asyncio.Event()
        self._broker = broker
        self._clock = clock
        self._reconnect_s = reconnect_s
        self._silent_cuts = silent_cuts
        self._look_again_s = look_again_s
        self._on_step = on_step
        self._on_lost = on_lost
        self._link: MqttConnection | None = None
        self._abandoned: list[MqttConnection] = []
        self._left = False

    def say(self, messages: Iterable[DeviceMessage]) -> None:
        """Publish what a method of the device returned. Without a connection it is lost, as with a real device."""
        if self._link is None:
            return
        for message in messages:
            self._link.publish(message.topic, message.payload, qos=message.qos, retain=message.retain)
        self._link.flush()

    async def run(self) -> None:
        """Stay connected until canceled: reconnect when the broker is available and the device has power."""
        attempt = 0
        try:
            while True:
                while not self.device.wants_connection(self._clock()):
                    self.device.advance(self._clock())
                    await asyncio.sleep(self._look_again_s)
                try:
                    await self._one_connection()
                    attempt = 0
                except BrokerError as error:
                    self._on_lost(str(error))
                    attempt = 1 if self.connected.is_set() else attempt + 1
                    self.connected.clear()
                    await self._wait(self._reconnect_s or self.device.reconnect_s(attempt))
        finally:
            for link in self._abandoned:
                link.abort()

    async def _wait(self, seconds: float) -> None:
        """Wait before the next attempt, while the device goes on without a broker."""
        until = self._clock() + seconds
        while (left := until - self._clock()) > 0.0:
            self.device.advance(self._clock())
            await asyncio.sleep(min(left, self._look_again_s))

    async def _one_connection(self) -> None:
        """Serve one connection until it ends (BrokerError) or the device loses its power."""
        device = self.device
        link = await MqttConnection.open(
            self._broker, device.client_id, will=device.will, keepalive_s=device.keepalive_s, complain=lambda _: None
        )
        try:
            if not self._left:
                for message in device.retained_at_broker:
                    link.publish(message.topic, message.payload, qos=message.qos, retain=True)
                self._left = True
            self._link = link
            self.say(device.on_connected(self._clock()))
            link.subscribe(device.subscriptions)
            link.flush()
            self.connected.set()
            while device.wants_connection(self._clock()):
                for heard in link.read():
                    self.say(device.on_message(heard.topic, heard.payload, heard.retained, self._clock()))
                self.say(device.advance(self._clock()))
                self._on_step()
                await self._next(link)
            self.connected.clear()
        finally:
            self._link = None
            if device.ended_cleanly:
                await link.close()
            elif device.powered or not self._silent_cuts:
                device.on_disconnected(self._clock())
                link.abort()
            else:
                self._abandoned.append(link)

    async def _next(self, link: MqttConnection) -> None:
        """Wait for a message, for the next timer of the device, or to look at the device again."""
        due = self.device.next_due
        longest_s = self._look_again_s
        wait_s = longest_s if due is None else min(longest_s, max(0.001, due - self._clock()))
        await link.wait(wait_s)
