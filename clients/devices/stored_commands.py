"""Commands that the broker stores for devices of our circuits: found and cleared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clients.devices.bus import device_bus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from controller.bus.messages import IncomingMessage
    from controller.bus.profiles.schema import Profile
    from hw.broker_socket import Broker
    from rules.panel import CircuitId

SEARCH_S = 3.0
_SHOWN_BYTES = 80


@dataclass(frozen=True, slots=True)
class StoredCommand:
    """Retained message on a command topic. `circuits`: those that it may switch. `payload`: shortened, printable."""

    topic: str
    payload: str
    circuits: tuple[CircuitId, ...]


async def find_stored_commands(
    broker: Broker, profiles: Mapping[CircuitId, Profile], complain: Callable[[str], None] = lambda _text: None
) -> tuple[StoredCommand, ...]:
    """Return the commands that the broker stores for these devices. Raises BrokerError."""
    commands: dict[str, tuple[CircuitId, ...]] = {}
    for circuit, profile in profiles.items():
        for topic in profile.command_topics():
            commands[topic] = (*commands.get(topic, ()), circuit)
    found: dict[str, StoredCommand] = {}

    def note(message: IncomingMessage) -> None:
        if message.retained and message.payload and message.topic in commands:
            shown = message.payload[:_SHOWN_BYTES].decode("utf-8", "replace")
            text = "".join(sign if sign.isprintable() else " " for sign in shown)
            found[message.topic] = StoredCommand(message.topic, text, commands[message.topic])

    async with device_bus(broker, complain) as bus:
        bus.subscribe(commands)
        await bus.hear(SEARCH_S, note)
    return tuple(found[topic] for topic in commands if topic in found)


async def clear_stored_commands(
    broker: Broker, commands: Iterable[StoredCommand], complain: Callable[[str], None] = lambda _text: None
) -> bool:
    """Clear these messages at the broker; return whether it acknowledged that. Raises BrokerError.

    Devices that are connected receive an empty message, which no family takes for a command.
    """
    async with device_bus(broker, complain) as bus:
        for command in commands:
            bus.link.publish(command.topic, b"", retain=True)
        bus.link.flush()
        return await bus.delivered()
