"""Properties of PUBLISH packets (MQTT v5)."""

from __future__ import annotations

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties


def new_properties(kind: int) -> Properties:
    """Return an empty set of properties for a kind of packet."""
    return Properties(kind)  # type: ignore[no-untyped-call]  # paho's own


class PublishProperties:
    """Builds properties. Those that hold an expiry only are kept: paho takes longer to create than to send them."""

    def __init__(self) -> None:
        self._expiries: dict[int, Properties] = {}

    def of(self, expiry_s: int | None, response_topic: str | None, correlation: bytes | None) -> Properties | None:
        """Return the properties of a message; None: it has none."""
        if response_topic is not None or correlation is not None:
            return _new_publish(expiry_s, response_topic, correlation)
        if expiry_s is None:
            return None
        if expiry_s not in self._expiries:
            self._expiries[expiry_s] = _new_publish(expiry_s)
        return self._expiries[expiry_s]


def _new_publish(
    expiry_s: int | None, response_topic: str | None = None, correlation: bytes | None = None
) -> Properties:
    properties = new_properties(PacketTypes.PUBLISH)
    if expiry_s is not None:
        properties.MessageExpiryInterval = expiry_s
    if response_topic is not None:
        properties.ResponseTopic = response_topic
    if correlation is not None:
        properties.CorrelationData = correlation
    return properties
