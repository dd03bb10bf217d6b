"""Simulated breakers with named faults, without a connection; and a client that connects them to MQTT.

`SimulatedBreaker` takes the time as an argument, so that a year of outages can be simulated in seconds. Its messages
are returned as reports; commands it received stay in its log.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Literal, Protocol

from hw.broker_socket import BrokerError
from hw.mqtt import MqttConnection
from hw.mqtt_messages import Will
from rules.panel import CircuitId, Position

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hw.broker_socket import Broker

# Interval in seconds between reconnection attempts of a device.
RECONNECT_S = 0.2


class PowerUpState(Enum):
    """Position of a breaker when its own power returns."""

    AS_WAS = "as-was"
    ON = "on"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class BreakerFaults:
    """Faults of a breaker. Several may be present at once.

    `silent`: receives nothing and publishes nothing, its radio is dead. `mute`: obeys, and publishes nothing.
    `refuses`: does not switch, and reports its position. `slow_s`: switches and reports this number of seconds late.
    `reports_stale`: switches, and reports its previous position. `wakes`: reboots on, off, or as it was.
    `never_writes_availability`: as many devices do.
    """

    silent: bool = False
    mute: bool = False
    refuses: bool = False
    slow_s: float = 0.0
    reports_stale: bool = False
    wakes: PowerUpState = PowerUpState.AS_WAS
    never_writes_availability: bool = False


SOUND = BreakerFaults()


@dataclass(frozen=True, slots=True)
class Report:
    """Retained report of a device: its state or its availability."""

    circuit: CircuitId
    leaf: Literal["state", "availability"]
    word: str


@dataclass(frozen=True, slots=True)
class Commanded:
    """A command as received by a device. `at`: the host's seconds."""

    at: float
    circuit: CircuitId
    word: str
    retained: bool = False


@dataclass
class SimulatedBreaker:
    """A smart breaker. `remote`: it accepts commands; a standard one has a handle only.

    `position` is the actual position of its contacts; a faulty device may report another. `powered`: its electronics
    have power (its position does not change without power).
    """

    circuit: CircuitId
    position: Position = Position.ON
    faults: BreakerFaults = SOUND
    remote: bool = True
    powered: bool = True
    log: list[Commanded] = field(default_factory=list)
    _late: list[tuple[float, Position]] = field(default_factory=list)

    # --- input --------------------------------------------------------------------------------------------------------

    def command(self, word: str, now: float, *, retained: bool = False) -> tuple[Report, ...]:
        """Return the reports after a command, `ON` or `OFF`; late ones are returned by `advance`."""
        if not self.powered or not self.remote or self.faults.silent:
            return ()
        self.log.append(Commanded(now, self.circuit, word, retained))
        if word not in ("ON", "OFF"):
            return ()
        wanted = Position[word]
        if self.faults.refuses or self.position is Position.TRIPPED:
            return self._say_state()
        if self.faults.slow_s > 0.0:
            self._late.append((now + self.faults.slow_s, wanted))
            return ()
        return self._obey(wanted)

    def advance(self, now: float) -> tuple[Report, ...]:
        """Return the reports of a slow breaker that are due by now."""
        due = [late for late in self._late if late[0] <= now]
        self._late = [late for late in self._late if late[0] > now]
        if not self.powered:
            return ()
        return tuple(report for _, wanted in due for report in self._obey(wanted))

    @property
    def next_due(self) -> float | None:
        """Return when `advance` next has something to do; None: nothing is pending."""
        return min((late[0] for late in self._late), default=None)

    def flip_by_hand(self, position: Position) -> tuple[Report, ...]:
        """Return the reports when a user moves the handle; this also resets a tripped breaker."""
        self.position = position
        return self._say_state()

    def trip(self) -> tuple[Report, ...]:
        """Return the reports when the breaker trips. It can only be reset manually."""
        self.position = Position.TRIPPED
        return self._say_state()

    def power_lost(self) -> tuple[Report, ...]:
        """Remove the power of its electronics. It publishes nothing; pending switching is dropped."""
        self.powered = False
        self._late.clear()
        return ()

    def power_back(self) -> tuple[Report, ...]:
        """Return the reports of the breaker after booting: availability and position."""
        self.powered = True
        if self.position is not Position.TRIPPED and self.faults.wakes is not PowerUpState.AS_WAS:
            self.position = Position(self.faults.wakes.value)
        return self.greeting()

    def reboot(self) -> tuple[Report, ...]:
        """Return the reports after a short interruption of its power."""
        self.power_lost()
        return self.power_back()

    # --- reports ------------------------------------------------------------------------------------------------------

    def greeting(self) -> tuple[Report, ...]:
        """Return the reports that a device publishes at every connection."""
        if not self.powered or not self.remote or self.faults.silent:
            return ()
        there = () if self.faults.never_writes_availability else (Report(self.circuit, "availability", "online"),)
        return there + self._say_state()

    def _obey(self, wanted: Position) -> tuple[Report, ...]:
        before = self.position
        if before is Position.TRIPPED:
            return self._say_state()
        self.position = wanted
        return self._say(before if self.faults.reports_stale else wanted)

    def _say_state(self) -> tuple[Report, ...]:
        return self._say(self.position)

    def _say(self, position: Position) -> tuple[Report, ...]:
        if not self.powered or not self.remote or self.faults.silent or self.faults.mute:
            return ()
        return (Report(self.circuit, "state", position.name),)


class BreakerTopics(Protocol):
    """Topic strings of the breakers of one site. `circuit`: a circuit ID, or `+` for all of them."""

    @property
    def site(self) -> str: ...

    def breaker_command(self, circuit: str) -> str: ...

    def breaker_state(self, circuit: str) -> str: ...

    def breaker_availability(self, circuit: str) -> str: ...


class BreakersOnBus:
    """Breakers on real MQTT, behind one client: a hub. A single breaker is a client of its own, with a last will.

    `clock`: the host's monotonic seconds. `on_command`: called after each command, when a load may have changed. Keep
    `run` running; reports of manual switching go through `say`.
    """

    def __init__(
        self,
        breakers: Iterable[SimulatedBreaker],
        broker: Broker,
        topics: BreakerTopics,
        clock: Callable[[], float],
        on_command: Callable[[], None] = lambda: None,
    ) -> None:
        self.breakers = {breaker.circuit: breaker for breaker in breakers if breaker.remote}
        self.connected = asyncio.Event()
        self._broker = broker
        self._topics = topics
        self._circuits = {topics.breaker_command(circuit): circuit for circuit in self.breakers}
        self._name = f"{topics.site}-{'-'.join(self.breakers) if len(self.breakers) == 1 else 'hub'}"
        self._clock = clock
        self._on_command = on_command
        self._link: MqttConnection | None = None

    @property
    def log(self) -> list[Commanded]:
        """Return every command received by any of them, in order."""
        return sorted((one for breaker in self.breakers.values() for one in breaker.log), key=lambda one: one.at)

    def say(self, reports: Iterable[Report]) -> None:
        """Publish reports; without a broker they are lost, as with real breakers."""
        if self._link is None:
            return
        for report in reports:
            self._link.publish(self._topic(report), report.word.encode(), retain=True)
        self._link.flush()

    async def run(self) -> None:
        """Stay connected until canceled, and reconnect when the broker is available."""
        while True:
            try:
                await self._one_connection()
            except BrokerError:
                await asyncio.sleep(RECONNECT_S)

    async def _one_connection(self) -> None:
        link = await MqttConnection.open(self._broker, self._name, will=self._will())
        self._link = link
        try:
            link.subscribe([self._topics.breaker_command("+")] if len(self.breakers) > 1 else [*self._circuits])
            self.say(report for breaker in self.breakers.values() for report in breaker.greeting())
            self.connected.set()
            while True:
                for heard in link.read():
                    self._heard(heard.topic, heard.payload, retained=heard.retained)
                await link.wait()
        finally:
            self._link = None
            self.connected.clear()
            link.abort()

    def _topic(self, report: Report) -> str:
        if report.leaf == "state":
            return self._topics.breaker_state(report.circuit)
        return self._topics.breaker_availability(report.circuit)

    def _will(self) -> Will | None:
        """Return the last will of a single breaker. A hub has none: one will cannot cover several circuits."""
        if len(self.breakers) != 1:
            return None
        (breaker,) = self.breakers.values()
        if breaker.faults.never_writes_availability:
            return None
        return Will(self._topics.breaker_availability(breaker.circuit), b"offline")

    def _heard(self, topic: str, payload: bytes, *, retained: bool) -> None:
        if (circuit := self._circuits.get(topic)) is None:
            return
        breaker = self.breakers[circuit]
        now = self._clock()
        self.say(breaker.command(payload.decode("utf-8", "replace"), now, retained=retained))
        self._on_command()
        self._wait_for(breaker)

    def _wait_for(self, breaker: SimulatedBreaker) -> None:
        """Run again when the breaker's next report is due: a second command may still be pending then."""
        if breaker.next_due is not None:
            asyncio.get_running_loop().call_later(breaker.next_due - self._clock(), self._come_late, breaker)

    def _come_late(self, breaker: SimulatedBreaker) -> None:
        self.say(breaker.advance(self._clock()))
        self._on_command()
        self._wait_for(breaker)
