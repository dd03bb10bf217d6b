"""paho's client on a socket that is connected already, with pings that follow the broker's keep alive."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from paho.mqtt.client import Client, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

if TYPE_CHECKING:
    import socket

    from hw.mqtt_messages import Will


class PahoClient(Client):
    """A client that keeps its own interval between pings.

    paho's way of connecting blocks. paho's ping is sent only after silence, and its one figure is both the interval
    of pings and the time to wait for the reply: a broker that asks for a ping each second would get it too late.
    """

    dialled: socket.socket
    ping_s = 5.0
    _pinged_at = 0.0

    def follow_keep_alive(self, own_s: int, broker_s: int | None) -> None:
        """Ping often enough for the broker. `broker_s`: maximum time between two packets; None or 0: no maximum.

        The line counts as dead if a ping is not answered within `own_s`.
        """
        self.ping_s = min(float(own_s), broker_s / 2) if broker_s else float(own_s)
        self._keepalive = own_s
        self._pinged_at = time.monotonic()

    def _create_socket(self) -> socket.socket:
        return self.dialled

    def _check_keepalive(self) -> None:
        now = time.monotonic()
        if self._ping_t == 0 and self.is_connected() and now - self._pinged_at >= self.ping_s:
            self._pinged_at = now
            self._send_pingreq()


def new_client(sock: socket.socket, client_id: str, will: Will | None, *, v5: bool) -> PahoClient:
    """Return a client for a connected socket."""
    client = PahoClient(
        CallbackAPIVersion.VERSION2, client_id, protocol=MQTTv5 if v5 else MQTTv311, reconnect_on_failure=False
    )
    client.dialled = sock
    client.max_inflight_messages_set(0)  # no limit of paho's own: `SendWindow` keeps the broker's
    if will is not None:
        client.will_set(will.topic, will.payload, qos=will.qos, retain=will.retain)
    return client
