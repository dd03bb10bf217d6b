"""Retained messages on the command topics of circuits, also against a real Mosquitto."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import pytest

from controller.bus.retained_commands import RetainedCommands
from controller.core.effects import SwitchOff
from controller.core.events import RetainedCommandsFound
from rules.panel import CircuitId
from tests.controller.bus.bus_world import CIRCUITS, HOT_TUB, listening, run, world

if TYPE_CHECKING:
    from tests.mosquitto import Mosquitto

PUMP = CircuitId("pump")
TOPIC = "loadshed/home/breakers/hot-tub/set"


def test_what_was_found_stays_reported_until_the_next_search_is_over() -> None:
    """A reconnection neither ends nor repeats an alarm."""
    commands = RetainedCommands()
    assert commands.received(HOT_TUB, b"ON", 1.0) == RetainedCommandsFound(1.0, (HOT_TUB,))
    assert commands.end_search(5.0) is None
    commands.begin_search()
    assert commands.received(HOT_TUB, b"ON", 11.0) is None
    assert commands.received(PUMP, b"ON", 11.0) == RetainedCommandsFound(11.0, (HOT_TUB, PUMP))
    assert commands.end_search(15.0) is None
    commands.begin_search()
    assert commands.received(PUMP, b"ON", 21.0) is None
    assert commands.end_search(25.0) == RetainedCommandsFound(25.0, (PUMP,))
    assert commands.received(PUMP, b"", 26.0) == RetainedCommandsFound(26.0, ())


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_stored_command_is_found_at_the_connection(mosquitto: Mosquitto, version: Literal["5", "3.1.1"]) -> None:
    """A search of the command topics is part of each connection. A command without the flag does not count."""

    async def story() -> list[RetainedCommandsFound]:
        async with world(mosquitto.broker) as other:
            other.say(TOPIC, b"ON", retain=True)
            async with listening(replace(mosquitto.broker, version=version)) as listener:
                await listener.ready()
                await listener.until(RetainedCommandsFound)
                listener.bus.publish(listener.bus.topics.command(SwitchOff(CIRCUITS[0], 5)))
                other.say("ats/status", b"online")
                return [event for event in listener.events if isinstance(event, RetainedCommandsFound)]

    (found,) = run(story())
    assert found.circuits == (HOT_TUB,)


def test_a_command_that_is_stored_later_is_found_at_once_and_its_removal_too(mosquitto: Mosquitto) -> None:
    """With MQTT v5, the flag of a live message is kept."""

    async def story() -> list[tuple[CircuitId, ...]]:
        async with world(mosquitto.broker) as other, listening(mosquitto.broker) as listener:
            await listener.ready()
            other.say(TOPIC, b"OFF")
            other.say(TOPIC, b"ON", retain=True)
            await listener.until(RetainedCommandsFound)
            other.say(TOPIC, b"", retain=True)
            await listener.until(RetainedCommandsFound, 2)
            return [event.circuits for event in listener.events if isinstance(event, RetainedCommandsFound)]

    assert run(story()) == [(HOT_TUB,), ()]
