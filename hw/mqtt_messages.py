"""Messages of an MQTT connection, its last will, and the error of a connection that was refused."""

from __future__ import annotations

from typing import NamedTuple

from hw.broker_socket import BrokerError
from hw.mqtt_reasons import NO_QOS, NO_RETAIN


class Message(NamedTuple):
    """A received message. `retained`: the broker's stored copy."""

    topic: str
    payload: bytes
    retained: bool
    response_topic: str | None = None
    correlation: bytes | None = None


class Will(NamedTuple):
    """Message that the broker publishes if this client disappears; retained, if the broker retains messages."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = True

    def without(self, refused: int | None) -> Will | None:
        """Return this will as a broker accepts it that refused it for this reason; None: that was not the reason.

        `refused`: reason code of CONNACK; None: the broker closed the connection without one, as brokers do with
        MQTT 3.1.1.
        """
        if refused == NO_QOS and self.qos > 0:
            return self._replace(qos=0)
        return self._replace(retain=False) if refused in (NO_RETAIN, None) and self.retain else None


class TakenOverError(BrokerError):
    """Another program connected with the client id of this connection, which ended it."""


class ConnectRefusedError(BrokerError):
    """The broker refused the connection. `code`: reason code; None: it closed the connection without one."""

    def __init__(self, text: str, code: int | None) -> None:
        super().__init__(text)
        self.code = code
