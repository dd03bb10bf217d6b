"""Devices of the circuits on the bus: which message is about which circuit, and what it says.

One dictionary lookup per topic finds the readers of a message, so the cost does not grow with the number of circuits
or families. A payload is parsed as JSON at most once. What a profile does not expect is never a position.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from controller.bus.messages import Publication, Rejection, shown
from controller.bus.profiles import json_path
from controller.bus.profiles.schema import fill
from controller.core.effects import SwitchOn
from controller.core.events import (
    AvailabilityReported,
    BreakerReported,
    CommandRefused,
    DeviceAlive,
    DeviceIdentified,
    DeviceRestarted,
    PowerReported,
    TripWordReported,
)
from rules.panel import CircuitId, Position

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from controller.bus.messages import IncomingMessage
    from controller.bus.profiles.json_path import Step
    from controller.bus.profiles.schema import (
        Announcement,
        AvailabilityReport,
        Learned,
        Measurement,
        Profile,
        Refusal,
        StateReport,
        TripReport,
        Value,
    )
    from controller.core.effects import QueryDevice, SwitchOff
    from controller.core.events import Event

MAX_REASON_LENGTH = 200
_REASON_START, _REASON_END = 60, 100
_STAMP_UNITS = {"s": 1.0, "ms": 0.001}
_LONGEST_TEXT = 64
"""Longest payload in bytes that is compared as a whole: a position or an availability is a word."""


@dataclass(frozen=True, slots=True)
class _Reader:
    """One thing that one circuit reads in the messages of a topic. `steps`: empty for the whole payload."""

    circuit: CircuitId
    steps: tuple[Step, ...]
    read: Callable[[object, object, IncomingMessage], Event | Rejection | None]
    needles: tuple[bytes, ...] = ()


@dataclass(slots=True)
class _Route:
    """All readers of a topic. `first_needles`: if not None, a payload without one of them is ignored."""

    readers: list[_Reader] = field(default_factory=list)
    first_needles: set[bytes] | None = field(default_factory=set)

    def add(self, reader: _Reader) -> None:
        self.readers.append(reader)
        if self.first_needles is None or not reader.needles:
            self.first_needles = None
        else:
            self.first_needles.add(reader.needles[0])


class DeviceTopics:
    """Topics of the devices of some circuits. `profiles`: each with all of its topics."""

    def __init__(self, profiles: Mapping[CircuitId, Profile]) -> None:
        self.profiles = profiles
        self._routes: dict[str, _Route] = {}
        self._learned: dict[CircuitId, dict[str, str]] = {}
        for circuit, profile in profiles.items():
            self._add(circuit, profile)
        self._commanded = {
            topic: circuit for circuit, profile in profiles.items() for topic in profile.command_topics()
        }

    # --- topics ------------------------------------------------------------------------------------------------------

    def subscriptions(self, circuits: Iterable[CircuitId]) -> tuple[str, ...]:
        """Return the topics of these circuits' devices: all availabilities, then all states, then the rest."""
        profiles = [self.profiles[circuit] for circuit in circuits]
        availabilities = [one.topic for profile in profiles for one in profile.available]
        states = [one.topic for profile in profiles for one in profile.states]
        rest = [topic for profile in profiles for topic in profile.topics()]
        return tuple(dict.fromkeys((*availabilities, *states, *rest)))

    def state_topics(self, circuit: CircuitId) -> tuple[str, ...]:
        """Return the topics of a circuit's position."""
        return tuple(dict.fromkeys(one.topic for one in self.profiles[circuit].states))

    def command_topics(self) -> tuple[str, ...]:
        """Return the topics of the commands, each once."""
        return tuple(self._commanded)

    def commanded(self, topic: str) -> CircuitId | None:
        """Return one circuit that is commanded on this topic; None: there is none."""
        return self._commanded.get(topic)

    def reads(self, topic: str) -> bool:
        """Return whether a device publishes on this topic."""
        return topic in self._routes

    # --- outgoing ----------------------------------------------------------------------------------------------------

    def command(self, switch: SwitchOff | SwitchOn) -> Publication:
        """Return the command for one device. It is never retained, and expires at the broker when its retry is due."""
        command = self.profiles[switch.circuit].command
        payload = command.on if isinstance(switch, SwitchOn) else command.off
        return Publication(command.topic, payload.encode(), qos=command.qos, expiry_s=switch.expires_s, urgent=True)

    def query(self, query: QueryDevice) -> Publication | None:
        """Return the question to a device; None: it cannot be asked, or not yet."""
        profile = self.profiles.get(query.circuit)
        if profile is None:
            return None
        question = profile.power_query if query.ask == "power" else profile.query
        if question is None:
            return None
        if profile.learned:
            learned = self._learned.get(query.circuit, {})
            question = fill(question, learned)
            if any(f"{{{one.name}}}" in question.payload for one in profile.learned):
                return None  # the device has not said what the question needs
        return Publication(question.topic, question.payload.encode())

    # --- incoming ----------------------------------------------------------------------------------------------------

    def events(self, message: IncomingMessage) -> tuple[list[Event], Rejection | None]:
        """Return what a message says, and the reason if it is not valid. The topic must be one of ours."""
        route = self._routes[message.topic]
        payload = message.payload
        if not payload:
            return [], None  # a retained message was cleared
        if route.first_needles is not None and not any(needle in payload for needle in route.first_needles):
            return [], None
        text, content, parsed = _text(payload), None, False
        found: list[Event] = []
        refused: Rejection | None = None
        for reader in route.readers:
            if reader.needles and not all(needle in payload for needle in reader.needles):
                continue
            if reader.steps and not parsed:
                content, parsed = json_path.parse(payload), True
            value = json_path.look_up(content, reader.steps) if reader.steps else text
            if value is None:
                continue
            outcome = reader.read(value, content, message)
            if isinstance(outcome, Rejection):
                refused = outcome
            elif outcome is not None:
                found.append(outcome)
        return found, None if found else refused

    # --- readers -----------------------------------------------------------------------------------------------------

    def _add(self, circuit: CircuitId, profile: Profile) -> None:
        for number, available in enumerate(profile.available):
            self._route(available.topic, circuit, available.path, self._availability(circuit, available, number))
        for state in profile.states:
            self._route(state.topic, circuit, state.path, self._position(circuit, state))
        for announcement in profile.rebooted:
            self._route(announcement.topic, circuit, announcement.path, self._restart(circuit, announcement))
        for trip in profile.trips:
            self._route(trip.topic, circuit, trip.path, self._trip(circuit, trip))
        for watts in profile.power:
            self._route(watts.topic, circuit, watts.path, self._power(circuit, watts))
        for energy in profile.energy:
            self._route(energy.topic, circuit, energy.path, self._energy(circuit, energy))
        for refusal in profile.refusals:
            needles = tuple(text.encode() for text in refusal.contains)
            self._route(refusal.topic, circuit, refusal.path, self._refusal(circuit, refusal), needles)
        for learned in profile.learned:
            self._route(learned.topic, circuit, learned.path, self._learn(circuit, learned))
        for topic in profile.alive:
            self._route(topic, circuit, "", self._alive(circuit))

    def _route(
        self,
        topic: str,
        circuit: CircuitId,
        path: str,
        read: Callable[[object, object, IncomingMessage], Event | Rejection | None],
        needles: tuple[bytes, ...] = (),
    ) -> None:
        self._routes.setdefault(topic, _Route()).add(_Reader(circuit, json_path.steps(path), read, needles))

    @staticmethod
    def _position(
        circuit: CircuitId, state: StateReport
    ) -> Callable[[object, object, IncomingMessage], Event | Rejection | None]:
        values = [
            (value, position)
            for position, words in (
                (Position.ON, state.on),
                (Position.OFF, state.off),
                (Position.TRIPPED, state.tripped),
            )
            for value in words
        ]
        stamp, unit = json_path.steps(state.stamp), _STAMP_UNITS[state.stamp_unit]
        allowed = " or ".join(str(value) for value, _ in values)

        def read(value: object, content: object, message: IncomingMessage) -> Event | Rejection:
            position = next((one for known, one in values if json_path.same(value, known)), None)
            if position is None:
                return Rejection(f"a position must be {allowed}, not {_shown(value, message)}")
            stamped_at = None
            if stamp and message.offset_s is not None:
                at = json_path.look_up(content, stamp)
                if isinstance(at, int | float) and not isinstance(at, bool):
                    stamped_at = at * unit - message.offset_s
            return BreakerReported(message.at, circuit, position, message.retained, stamped_at, state.reply)

        return read

    @staticmethod
    def _availability(
        circuit: CircuitId, available: AvailabilityReport, number: int
    ) -> Callable[[object, object, IncomingMessage], Event | Rejection | None]:
        allowed = " or ".join(str(value) for value in (*available.online, *available.offline))

        def read(value: object, _content: object, message: IncomingMessage) -> Event | Rejection:
            online = _among(value, available.online)
            if not online and not _among(value, available.offline):
                return Rejection(f"an availability must be {allowed}, not {_shown(value, message)}")
            return AvailabilityReported(message.at, circuit, online, message.retained, number, available.gateway)

        return read

    @staticmethod
    def _restart(
        circuit: CircuitId, announcement: Announcement
    ) -> Callable[[object, object, IncomingMessage], Event | Rejection | None]:
        also = [(json_path.steps(path), value) for path, value in announcement.also]

        def read(value: object, content: object, message: IncomingMessage) -> Event | None:
            if message.retained or (announcement.equals is not None and not json_path.same(value, announcement.equals)):
                return None
            if all(json_path.same(json_path.look_up(content, path), expected) for path, expected in also):
                return DeviceRestarted(message.at, circuit)
            return None

        return read

    @staticmethod
    def _trip(
        circuit: CircuitId, trip: TripReport
    ) -> Callable[[object, object, IncomingMessage], Event | Rejection | None]:
        def read(value: object, _content: object, message: IncomingMessage) -> Event:
            word = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            is_trip = (
                _among(value, trip.words)
                or any(part in word for part in trip.containing)
                or (trip.any_entry and bool(value))
            )
            return TripWordReported(message.at, circuit, word[:MAX_REASON_LENGTH], is_trip)

        return read

    @staticmethod
    def _power(
        circuit: CircuitId, power: Measurement
    ) -> Callable[[object, object, IncomingMessage], Event | Rejection | None]:
        def read(value: object, _content: object, message: IncomingMessage) -> Event | None:
            watts = _number(value)
            if watts is None or message.retained:
                return None
            return PowerReported(message.at, circuit, abs(watts) * power.scale, honest=power.honest)

        return read

    @staticmethod
    def _energy(
        circuit: CircuitId, energy: Measurement
    ) -> Callable[[object, object, IncomingMessage], Event | Rejection | None]:
        def read(value: object, _content: object, message: IncomingMessage) -> Event | None:
            kwh = _number(value)
            if kwh is None or message.retained:
                return None
            return PowerReported(message.at, circuit, None, energy_kwh=abs(kwh) * energy.scale)

        return read

    @staticmethod
    def _refusal(
        circuit: CircuitId, refusal: Refusal
    ) -> Callable[[object, object, IncomingMessage], Event | Rejection | None]:
        def read(value: object, _content: object, message: IncomingMessage) -> Event | None:
            if message.retained or not isinstance(value, str) or not all(part in value for part in refusal.contains):
                return None
            text = "".join(sign if sign.isprintable() else " " for sign in value)
            return CommandRefused(message.at, circuit, _shortened(text), refusal.question)

        return read

    def _learn(
        self, circuit: CircuitId, learned: Learned
    ) -> Callable[[object, object, IncomingMessage], Event | Rejection | None]:
        def read(value: object, _content: object, message: IncomingMessage) -> Event | None:
            if not isinstance(value, str | int) or isinstance(value, bool):
                return None
            known = self._learned.setdefault(circuit, {})
            if known.get(learned.name) == str(value):
                return None
            known[learned.name] = str(value)
            return DeviceIdentified(message.at, circuit)

        return read

    @staticmethod
    def _alive(circuit: CircuitId) -> Callable[[object, object, IncomingMessage], Event | Rejection | None]:
        def read(_value: object, _content: object, message: IncomingMessage) -> Event | None:
            return None if message.retained else DeviceAlive(message.at, circuit)

        return read


def _shortened(reason: str) -> str:
    """Return a reason that is not too long. Zigbee2MQTT names the device first and the cause last."""
    if len(reason) <= MAX_REASON_LENGTH:
        return reason
    return f"{reason[:_REASON_START]} … {reason[-_REASON_END:]}"


def _text(payload: bytes) -> str:
    """Return a payload as text, to be compared as a whole; longer ones equal no word."""
    return payload[: _LONGEST_TEXT + 1].decode("utf-8", "replace")


def _among(value: object, known: tuple[Value, ...]) -> bool:
    return any(json_path.same(value, one) for one in known)


def _number(value: object) -> float | None:
    """Return a value as a number: JSON numbers, and texts that are one."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    number = float(value)
    return number if abs(number) < float("inf") else None


def _shown(value: object, message: IncomingMessage) -> str:
    return shown(message.payload) if isinstance(value, str) and value == _text(message.payload) else repr(value)[:80]
