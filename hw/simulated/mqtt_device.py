"""Base of simulated MQTT devices and gateways: relays, timers and the connection, without a socket or a clock."""

from __future__ import annotations

import heapq
import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from hw.simulated.device_faults import PHYSICAL_FAULTS, DeviceFaults, wrong_faults
from rules.panel import Position

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hw.mqtt_messages import Will

LINE_V = 240.0
"""Line voltage of the loads, in volts."""


class DeviceMessage(NamedTuple):
    """A message that a simulated device publishes."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False


class CommandReceived(NamedTuple):
    """A command that reached a device. `at`: its seconds. `address`: of the relay. `on`: the commanded state."""

    at: float
    address: str
    on: bool
    retained: bool


class RelayMoved(NamedTuple):
    """A movement of the contacts of a relay. `at`: seconds. `by`: what moved it, such as `command` or `manual`."""

    at: float
    on: bool
    by: str


@dataclass
class Relay:
    """A relay or breaker.

    `address`: as in circuits.toml, with family and channel. `switched_on`: state of the device's own switch, which is
    what an honest device reports. `energized`: actual state of the contacts. They differ only if the contacts are
    welded. `load_w`: power of the load while it is on, in watts. `powered`: its electronics have power.
    """

    address: str
    switched_on: bool = True
    load_w: float = 0.0
    faults: DeviceFaults = field(default_factory=DeviceFaults)
    powered: bool = True
    tripped: bool = False
    energy_wh: float = 0.0
    energized: bool = False
    moves: list[RelayMoved] = field(default_factory=list)
    metered_at: float = 0.0

    def __post_init__(self) -> None:
        self.energized = self.switched_on

    @property
    def position(self) -> Position:
        """Return the actual position of the contacts."""
        if self.tripped:
            return Position.TRIPPED
        return Position.ON if self.energized else Position.OFF

    @property
    def watts(self) -> float:
        """Return the power that the load draws now."""
        return self.load_w if self.energized and self.powered else 0.0

    @property
    def answers(self) -> bool:
        """Return whether its electronics run and are reached."""
        return self.powered and not self.faults.unreachable

    def move(self, on: bool, now: float, by: str) -> bool:
        """Move the switch; return whether its state changed."""
        self.meter(now)
        changed, was = on != self.switched_on, self.energized
        self.switched_on = on
        self.energized = on or (was and self.faults.welded)
        if self.energized != was:
            self.moves.append(RelayMoved(now, self.energized, by))
        return changed

    def meter(self, now: float) -> None:
        """Add the energy since the last call."""
        self.energy_wh += self.watts * max(0.0, now - self.metered_at) / 3600.0
        self.metered_at = now


class SimulatedDevice(ABC):
    """A device with its own broker connection, or a gateway with several devices behind it.

    `now` is in seconds, on any clock that never goes back; what happens to a device returns the messages to publish.
    `epoch_s`: Unix time at which `now` is 0, for time stamps in messages.

    Relays are named by their address in circuits.toml, such as `tasmota/heater#2`. `relays` has them with their actual
    positions. `log` has all commands received.
    """

    FAMILY: ClassVar[str]
    FACTORY_FAULTS: ClassVar[DeviceFaults]
    """What the real device does as shipped."""

    POSSIBLE_FAULTS: ClassVar[frozenset[str]] = PHYSICAL_FAULTS
    BOOT_S: ClassVar[float] = 3.0
    """Seconds from power to the first connection."""

    def __init__(self, client_id: str, relays: Iterable[Relay], *, epoch_s: float = 0.0, keepalive_s: int = 60) -> None:
        self.client_id = client_id
        self.keepalive_s = keepalive_s
        self.epoch_s = epoch_s
        self.relays = {relay.address: relay for relay in relays}
        self.log: list[CommandReceived] = []
        self.powered = True
        self.connected = False
        self.fresh = True
        """True until the first connection after a boot."""
        self.online_at = 0.0
        self.ended_cleanly = False
        """True after a clean stop: the connection is closed with DISCONNECT, and no last will follows."""
        self._timers: list[tuple[float, int, str, Callable[[float], None]]] = []
        self._numbers = count()
        self._outbox: list[DeviceMessage] = []
        for relay in self.relays.values():
            if wrong := wrong_faults(relay.faults, self.POSSIBLE_FAULTS):
                possible = ", ".join(sorted(self.POSSIBLE_FAULTS))
                raise ValueError(f"{relay.address} cannot have the fault {wrong[0]}. Possible faults: {possible}")

    # --- connection ---------------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def subscriptions(self) -> tuple[str, ...]:
        """Return the topic filters to subscribe at every connection."""

    @property
    @abstractmethod
    def will(self) -> Will | None:
        """Return the last will of the connection; None: it has none."""

    @property
    def retained_at_broker(self) -> tuple[DeviceMessage, ...]:
        """Return the retained commands (`retained_set`) to publish once, before the device first connects."""
        left = [relay for relay in self.relays.values() if relay.faults.retained_set]
        return tuple(self._command_message(relay, relay.faults.retained_set == "ON") for relay in left)

    @abstractmethod
    def _command_message(self, relay: Relay, on: bool) -> DeviceMessage:
        """Return the retained command that a careless program would have left."""

    def wants_connection(self, now: float) -> bool:
        """Return whether it is up, and connected or trying to connect."""
        return self.powered and now >= self.online_at

    def reconnect_s(self, attempt: int) -> float:
        """Return the seconds before this attempt to reconnect, counted from 1."""
        return min(2.0 * attempt, 30.0)

    def on_connected(self, now: float) -> tuple[DeviceMessage, ...]:
        """Return the messages after the broker has accepted the connection. Publish them, then subscribe.

        In this order a device does not receive its own messages, and receives retained commands after its greeting.
        """
        self._run_due(now)
        self.connected = True
        fresh, self.fresh = self.fresh, False
        self._greet(now, fresh=fresh)
        return self._sent()

    def on_disconnected(self, now: float) -> None:
        """Note that the connection has ended. Messages until the next one are lost."""
        self._run_due(now)
        self.connected = False
        self._outbox.clear()

    def on_message(self, topic: str, payload: bytes, retained: bool, now: float) -> tuple[DeviceMessage, ...]:
        """Return the messages after a message from the broker."""
        self._run_due(now)
        if self.powered and self.connected:
            self._hear(topic, payload, retained, now)
        return self._sent()

    @property
    def next_due(self) -> float | None:
        """Return when `advance` has something to do; None: nothing is pending."""
        return self._timers[0][0] if self._timers else None

    def advance(self, now: float) -> tuple[DeviceMessage, ...]:
        """Return the messages that are due by now."""
        self._run_due(now)
        return self._sent()

    # --- the physical device ------------------------------------------------------------------------------------------

    def move_manually(self, address: str, on: bool, now: float) -> tuple[DeviceMessage, ...]:
        """Move a relay by its handle or button, or by a wall switch. This also resets a trip."""
        self._run_due(now)
        relay = self.relays[address]
        relay.tripped = False
        changed = relay.move(on, now, "manual")
        if relay.answers and not relay.faults.mute:
            self._report_movement(relay, now, "manual", changed=changed)
        return self._sent()

    def trip(self, address: str, now: float) -> tuple[DeviceMessage, ...]:
        """Trip a breaker. Commands are then ignored until it is reset manually or recloses by itself."""
        self._run_due(now)
        relay = self.relays[address]
        relay.move(False, now, "trip")
        relay.tripped = True
        relay.energized = False
        if relay.faults.recloses_s > 0.0:
            self._later(now + relay.faults.recloses_s, lambda at: self._reclose(relay, at), address)
        if relay.answers and not relay.faults.mute:
            self._report_trip(relay, now)
        return self._sent()

    def set_load(self, address: str, watts: float, now: float) -> tuple[DeviceMessage, ...]:
        """Change the power of a load."""
        self._run_due(now)
        relay = self.relays[address]
        relay.meter(now)
        relay.load_w = watts
        if relay.answers:
            self._report_power(relay, now)
        return self._sent()

    def set_faults(self, address: str, faults: DeviceFaults) -> None:
        """Replace the faults of a relay. Raises ValueError for a fault that this family cannot have."""
        if wrong := wrong_faults(faults, self.POSSIBLE_FAULTS):
            raise ValueError(f"{address} cannot have the fault {wrong[0]}")
        self.relays[address].faults = faults

    def power_cut(self, now: float, address: str | None = None) -> None:
        """Remove power: the connection ends without a farewell.

        Behind a gateway, `address` means its device only, and None the computer of the gateway only.
        """
        self._run_due(now)
        for relay in self._sharing_power(address):
            relay.meter(now)
            relay.powered = False
            self._forget(relay.address)
        if address is None or not self._is_gateway:
            self._go_down()

    def power_back(self, now: float, address: str | None = None) -> tuple[DeviceMessage, ...]:
        """Return power. Each relay takes the state of its power-on setting; the connection follows."""
        self._run_due(now)
        for relay in self._sharing_power(address):
            if not relay.powered:
                relay.powered = True
                relay.metered_at = now
                self._wake(relay, now)
        if not self.powered and (address is None or not self._is_gateway):
            self.powered = True
            self.ended_cleanly = False
            self.online_at = now + self.BOOT_S
            self.fresh = True
            self._boot(now)
        return self._sent()

    def reboot(self, now: float, address: str | None = None) -> tuple[DeviceMessage, ...]:
        """Interrupt the power for a moment. The runner reconnects the device by itself."""
        self.power_cut(now, address)
        return self.power_back(now, address)

    # --- for families -------------------------------------------------------------------------------------------------

    _is_gateway: ClassVar[bool] = False

    def _has(self, fault: str) -> bool:
        return any(getattr(relay.faults, fault) for relay in self.relays.values())

    def _sharing_power(self, address: str | None) -> tuple[Relay, ...]:
        """Return the relays that lose power together with this one, or with the device or gateway (None)."""
        if address is not None and address not in self.relays:
            raise KeyError(address)
        return tuple(self.relays.values())

    def _go_down(self) -> None:
        """End the program of the device or gateway. What moves relays behind a gateway goes on."""
        self.powered = self.connected = False
        self._timers = [timer for timer in self._timers if self._is_gateway and timer[2] in self.relays]
        heapq.heapify(self._timers)
        self._outbox.clear()

    def _wake(self, relay: Relay, now: float) -> None:
        if relay.tripped:
            return
        on = relay.faults.wakes_on or self._power_up_state(relay)
        relay.move(on, now, "power-up")

    @abstractmethod
    def _power_up_state(self, relay: Relay) -> bool:
        """Return the state that the power-on setting asks for."""

    def _boot(self, now: float) -> None:
        """Prepare the device after its power has returned. Most families need no preparation."""
        del now

    @abstractmethod
    def _greet(self, now: float, *, fresh: bool) -> None:
        """Publish what the family publishes at a connection. `fresh`: the first one after a boot."""

    @abstractmethod
    def _hear(self, topic: str, payload: bytes, retained: bool, now: float) -> None:
        """Handle a message from the broker."""

    @abstractmethod
    def _report_movement(self, relay: Relay, now: float, by: str, *, changed: bool) -> None:
        """Publish the state of a relay after it moved, or after a command that it answers."""

    @abstractmethod
    def _report_trip(self, relay: Relay, now: float) -> None:
        """Publish a trip."""

    def _report_power(self, relay: Relay, now: float) -> None:
        """Publish the power after a change of the load. Some families do not."""
        del relay, now

    def _reclose(self, relay: Relay, now: float) -> None:
        relay.tripped = False
        changed = relay.move(True, now, "reclosing")
        if relay.answers and not relay.faults.mute:
            self._report_movement(relay, now, "reclosing", changed=changed)

    def _note_command(self, relay: Relay, on: bool, now: float, *, retained: bool) -> None:
        self.log.append(CommandReceived(now, relay.address, on, retained))

    def _obey(self, relay: Relay, on: bool, now: float) -> bool:
        """Move the relay as commanded, if it moves; return whether its state changed."""
        if relay.faults.stuck or relay.tripped or not relay.powered:
            return False
        return relay.move(on, now, "command")

    def _later(self, at: float, action: Callable[[float], None], owner: str = "") -> None:
        """Run an action at this time, unless its owner loses power first."""
        heapq.heappush(self._timers, (at, next(self._numbers), owner, action))

    def _repeat(self, at: float, interval_s: Callable[[], float], action: Callable[[float], None], owner: str) -> None:
        """Run an action at this time and every `interval_s()` seconds from then, instead of an earlier one."""
        self._forget(owner)

        def tick(now: float) -> None:
            action(now)
            self._later(now + interval_s(), tick, owner)

        self._later(at, tick, owner)

    def _forget(self, owner: str) -> None:
        self._timers = [timer for timer in self._timers if timer[2] != owner]
        heapq.heapify(self._timers)

    def _run_due(self, now: float) -> None:
        while self._timers and self._timers[0][0] <= now:
            at, _, _, action = heapq.heappop(self._timers)
            action(at)

    def _say(self, topic: str, content: object, *, qos: int = 0, retain: bool = False) -> None:
        """Queue a message: text as it is, anything else as JSON. Without a connection it is lost."""
        if self.connected and self.powered:
            text = content if isinstance(content, str) else json.dumps(content, separators=(",", ":"))
            self._outbox.append(DeviceMessage(topic, text.encode(), qos, retain))

    def _sent(self) -> tuple[DeviceMessage, ...]:
        sent = tuple(self._outbox)
        self._outbox.clear()
        return sent


class SimulatedGateway(SimulatedDevice):
    """Program with the broker connection, and devices with their own power behind it.

    Its power is that of its computer: `power_cut` and `power_back` without an address. `stop` ends the program cleanly.
    """

    _is_gateway = True

    @abstractmethod
    def _siblings(self, relay: Relay) -> tuple[Relay, ...]:
        """Return the relays of the device that this one is part of."""

    @abstractmethod
    def _close(self) -> None:
        """Publish what the program publishes before it ends."""

    def stop(self, now: float) -> tuple[DeviceMessage, ...]:
        """Stop the program cleanly; return its last messages. Publish them before the connection is closed."""
        self._run_due(now)
        self._close()
        sent = self._sent()
        self._go_down()
        self.ended_cleanly = True
        return sent

    def start(self, now: float) -> tuple[DeviceMessage, ...]:
        """Start the program again."""
        return self.power_back(now)

    def _sharing_power(self, address: str | None) -> tuple[Relay, ...]:
        return () if address is None else self._siblings(self.relays[address])


def joined(*levels: str) -> str:
    """Return the topic with these levels."""
    return "/".join(levels)


def parsed(payload: bytes) -> object:
    """Return the content of a payload: JSON, or else its text."""
    text = payload.decode("utf-8", "replace")
    try:
        return json.loads(text)
    except ValueError:
        return text
