"""MQTT messages on their way in and out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

# A position or an availability is a single short payload. Longer payloads are not copied into a log line.
MAX_SHOWN_BYTES = 64


class IncomingMessage(NamedTuple):
    """Message as the broker delivered it.

    `at`: monotonic seconds. `retained`: the broker's stored copy, not published now. `offset_s`: UTC seconds since 1970
    minus monotonic seconds; None: the clock is not trusted, so time stamps in payloads prove nothing.
    """

    at: float
    topic: str
    payload: bytes
    retained: bool = False
    response_topic: str | None = None
    correlation: bytes | None = None
    offset_s: float | None = None


class ControllerId(NamedTuple):
    """One running controller. `instance`: random, of one program start. `address`: of its connection to the broker."""

    instance: str
    host: str
    address: str


class OwnRetained(NamedTuple):
    """A retained message of the controller's own topics, of any run. `name`: below the site's base."""

    name: str


class StatusRequested(NamedTuple):
    """A program asks the controller to publish all of its status now. `reply`: None if it expects no reply."""

    reply: ReplyAddress | None


class Publication(NamedTuple):
    """Message to publish. `expiry_s`: seconds after which the broker must discard it; None: no expiry.

    `urgent`: a command, which waits for no other message.
    """

    topic: str
    payload: bytes
    qos: Literal[0, 1] = 1
    retain: bool = False
    expiry_s: int | None = None
    correlation: bytes | None = None
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class ReplyAddress:
    """Topic and correlation data for the answer to a request."""

    response_topic: str
    correlation: bytes | None = None


@dataclass(frozen=True, slots=True)
class Rejection:
    """Reason why a message cannot be used. `reply`: where to send the reason; None: no answer is expected."""

    reason: str
    reply: ReplyAddress | None = None


def shown(payload: bytes) -> str:
    """Return a payload as text for one log line; only its length if it is longer than `MAX_SHOWN_BYTES`."""
    if len(payload) > MAX_SHOWN_BYTES:
        return f"{len(payload)} bytes"
    return repr(payload.decode("utf-8", "replace"))
