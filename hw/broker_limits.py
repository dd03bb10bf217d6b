"""Limits that a broker announces when it accepts a connection (MQTT v5, 3.2.2.3)."""

from __future__ import annotations

from typing import NamedTuple, Self

RECEIVE_MAXIMUM = 65535
"""Maximum number of messages in flight of a broker that announces none."""

FIXED_HEADER_MOST_BYTES = 5

FILTERS_PER_SUBSCRIBE = 8
"""Maximum number of topic filters in one SUBSCRIBE. No limit is announced for it; cloud brokers disconnect above 8."""


class BrokerLimits(NamedTuple):
    """Limits of one connection. The defaults are those of MQTT v5 for a broker that announces none.

    `receive_maximum`: messages above QoS 0 that may be unacknowledged. `maximum_packet_bytes`: None: no limit.
    `keep_alive_s`: maximum time between two packets of the client, in place of the time asked for; None: as asked for.
    """

    receive_maximum: int = RECEIVE_MAXIMUM
    maximum_packet_bytes: int | None = None
    maximum_qos: int = 2
    retain: bool = True
    wildcards: bool = True
    keep_alive_s: int | None = None

    @classmethod
    def of(cls, properties: object) -> Self:
        """Return the limits in the properties of a CONNACK; paho sets them as attributes."""
        return cls(
            receive_maximum=getattr(properties, "ReceiveMaximum", RECEIVE_MAXIMUM),
            maximum_packet_bytes=getattr(properties, "MaximumPacketSize", None),
            maximum_qos=getattr(properties, "MaximumQoS", 2),
            retain=bool(getattr(properties, "RetainAvailable", True)),
            wildcards=bool(getattr(properties, "WildcardSubscriptionAvailable", True)),
            keep_alive_s=getattr(properties, "ServerKeepAlive", None),
        )

    def fits(self, packet_bytes: int) -> bool:
        """Return whether the broker accepts a packet of this size."""
        return self.maximum_packet_bytes is None or packet_bytes <= self.maximum_packet_bytes

    def batches(self, filters: tuple[str, ...]) -> list[list[str]]:
        """Return topic filters in groups that each fit into one SUBSCRIBE, in the same order."""
        groups: list[list[str]] = []
        size = 0
        for one in filters:
            needs = 3 + len(one.encode())
            if not groups or len(groups[-1]) == FILTERS_PER_SUBSCRIBE or not self.fits(size + needs):
                groups.append([])
                size = FIXED_HEADER_MOST_BYTES + 3
            groups[-1].append(one)
            size += needs
        return groups
