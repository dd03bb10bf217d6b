"""What anybody may publish: hostile words change nothing, and requests are answered, once."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from clients.bus_client.request import send_request
from controller.core.effects import SendReply
from controller.core.events import BreakerReported, BusConnected, ContactAlive, Requested
from controller.core.rate_limit import RateLimit
from hw.broker_socket import Broker
from tests.controller.bus.bus_world import (
    TOPICS,
    Listener,
    listening,
    run,
    world,
)
from tests.mosquitto import Mosquitto, held_port

if TYPE_CHECKING:
    import pytest

from controller.core.events import Event

# --- what anybody may publish ----------------------------------------------------------------------------------------


def test_hostile_messages_change_nothing_and_leave_few_lines(
    mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    """Binary, a megabyte, deep JSON, wrong case, unknown circuits: fifty of them, ten lines, and the bus goes on."""
    state, on = "loadshed/home/breakers/hot-tub/state", "loadshed/home/ask/on"
    hostile = [
        (state, b"\xff\x00\xfe"),
        (state, b"O" * 1_000_000),
        (state, b"on"),
        ("loadshed/home/breakers/cellar/state", b"ON"),
        ("loadshed/home/breakers/a\nb\u2028/state".replace("\n", ""), b"ON"),
        (on, b"[" * 4000),
        (on, b'{"circuit":"cellar"}'),
        ("loadshed/home/ask/explode", b"{}"),
        ("ats/contact", b"\x00"),
        ("ats/status", b"?"),
    ]

    async def story() -> list[Event]:
        async with listening(mosquitto.broker) as listener, world(mosquitto.broker) as other:
            await listener.ready()
            for topic, payload in hostile * 5:
                other.say(topic, payload)
            other.say(state, b"OFF")
            await listener.until(BreakerReported)
            return listener.events

    with caplog.at_level(logging.WARNING):
        events = run(story())
    assert [type(event) for event in events] == [BusConnected, ContactAlive, BreakerReported]
    assert len(caplog.records) == 10
    assert all(len(record.getMessage()) < 400 for record in caplog.records)


def test_suppressed_warnings_are_counted() -> None:
    """The next warning after a flood shows how many were left out."""
    limit = RateLimit(2, 60.0)
    assert [limit.allow(now) for now in (0.0, 1.0, 2.0, 59.0)] == [0, 0, None, None]
    assert [limit.allow(now) for now in (61.0, 62.0)] == [2, 0]


# --- requests --------------------------------------------------------------------------------------------------------


def answering(listener: Listener) -> None:
    """Let the engine say yes to everything."""

    def answer(event: Event) -> None:
        if isinstance(event, Requested):
            said = TOPICS.answer(SendReply(event.reply, ok=True, reason="done"))
            assert said is not None
            listener.bus.publish(said)

    listener.do = answer


def test_a_request_is_answered(mosquitto: Mosquitto) -> None:
    """`loadshed ask` hears yes from the engine, and no from the bus where the request is wrong."""

    async def story() -> list[tuple[bool, str]]:
        async with listening(mosquitto.broker) as listener:
            answering(listener)
            await listener.ready()
            return [
                await send_request(mosquitto.broker, "home", "on", {"circuit": "hot-tub", "by": "Ada"}),
                await send_request(mosquitto.broker, "home", "on", {"circuit": "cellar"}),
            ]

    assert run(story()) == [(True, "done"), (False, "no circuit is named 'cellar'")]


def test_a_request_without_reply_is_reported(mosquitto: Mosquitto) -> None:
    """The daemon may be down, or another site be meant; or the broker."""

    async def story() -> list[tuple[bool, str]]:
        with held_port() as port:
            return [
                await send_request(mosquitto.broker, "home", "reload", {}, timeout_s=0.2),
                await send_request(Broker(port=port), "home", "reload", {}),
            ]

    (nobody, why_nobody), (nowhere, why_nowhere) = run(story())
    assert (nobody, nowhere) == (False, False)
    assert "check that loadshed runs" in why_nobody
    assert "check that the broker is running" in why_nowhere


def test_a_request_repeated_with_its_correlation_is_done_once(mosquitto: Mosquitto) -> None:
    """A program that is unsure sends again; the second is refused."""

    async def story() -> tuple[list[bytes], int]:
        async with listening(mosquitto.broker) as listener, world(mosquitto.broker, "ada/answers") as other:
            answering(listener)
            await listener.ready()
            for _ in range(2):
                other.link.publish(
                    "loadshed/home/ask/off", b'{"circuit":"hot-tub"}', response_topic="ada/answers", correlation=b"1"
                )
            heard = await other.until(lambda heard: len(heard) == 2)
            asked = sum(isinstance(event, Requested) for event in listener.events)
            return [one.payload for one in heard], asked

    answers, asked = run(story())
    assert asked == 1
    assert [json.loads(answer)["ok"] for answer in answers] == [True, False]
