"""Reason codes of MQTT as sentences that state what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paho.mqtt.reasoncodes import ReasonCode

    from hw.broker_socket import Broker

# MQTT v5, 2.4: reason codes. paho uses the same numbers for its own errors.
KEEP_ALIVE_TIMEOUT = 0x8D
SESSION_TAKEN_OVER = 0x8E
NO_RETAIN = 0x9A
NO_QOS = 0x9B


def access_advice(broker: Broker) -> str:
    """Return what to do if the access list forbids something."""
    return f"allow {broker.username or 'anonymous clients'} the topics of this site in its access list"


def refusal(broker: Broker, reason: ReasonCode) -> str:
    """Return the sentence for a connection that was refused."""
    advice = {
        0x84: 'it does not support this version: set version = "3.1.1" in [broker]',
        0x85: "it does not accept the client id: check [site] id",
        0x86: "wrong user name or password: see [broker] username and password_file",
        0x87: "not authorized: see [broker] username and password_file, and the broker's access list",
        0x88: "it is unavailable: see its log",
        0x89: "it is busy: see its log",
        0x8A: "it has banned this client: see its log",
    }.get(reason.value, f"{reason}: see its log")
    return f"the broker at {broker} refuses the connection: {advice}"


def loss(broker: Broker, reason: ReasonCode, *, by_broker: bool, accepted: bool) -> str:
    """Return the sentence for a connection that ended. `accepted`: it had been accepted before."""
    if by_broker and reason.value == SESSION_TAKEN_OVER:
        return f"another program connected to the broker at {broker} with this program's client id"
    if by_broker:
        return f"the broker at {broker} ended the connection: {reason}"
    if not accepted:
        trouble = f"the broker at {broker} closed the connection at once"
        return f'{trouble}: TLS on one side only, or it needs version = "3.1.1" in [broker]'
    why = (
        "it stopped responding"
        if reason.value == KEEP_ALIVE_TIMEOUT
        else "it closed the connection, or the line is dead"
    )
    return f"the connection to the broker at {broker} was lost: {why}"


def too_large(broker: Broker, topic: str, size: int, most: int) -> str:
    """Return the sentence for a message that the broker does not accept. `size`, `most`: bytes."""
    trouble = f"{topic} is not published: it has {size} bytes, and the broker at {broker} accepts {most} at most"
    return f"{trouble}. Raise its maximum packet size (Mosquitto: max_packet_size)"
