"""Topics and payloads ↔ events and commands. Pure: what a message means, and how an effect is said.

Whatever anybody publishes on a topic we read ends here as an event, as a refusal, or as nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from controller.bus import payloads
from controller.core.effects import SwitchOn
from controller.core.events import (
    AvailabilityReported,
    BreakerReported,
    ContactAlive,
    ContactChanged,
    ContactLost,
    Requested,
)
from rules.drill import LONGEST_S, SHORTEST_S
from rules.panel import CircuitId, Position
from rules.requests import AskKind

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from controller.core.effects import LogEvent, PublishMeter, SendReply, SwitchOff
    from controller.core.events import Event
    from controller.core.views import AlarmView, CircuitView, StateView, WallClock
    from rules.json_types import Json
    from rules.metering.demand import DemandView

# A position or an availability is one word; a request is a small object. Longer is refused before it is decoded.
MAX_DEVICE_PAYLOAD_BYTES = 64
MAX_REQUEST_BYTES = 4096
MAX_TEXT_LENGTH = 200

ASK_KINDS: tuple[AskKind, ...] = get_args(AskKind)


@dataclass(frozen=True, slots=True)
class Profile:
    """How one family of devices says things: topics below `breakers/<circuit>/`, and their words."""

    command: str
    state: str
    availability: str
    on: bytes
    off: bytes
    positions: Mapping[bytes, Position]
    presence: Mapping[bytes, bool]


NATIVE = Profile(
    command="set",
    state="state",
    availability="availability",
    on=b"ON",
    off=b"OFF",
    positions={b"ON": Position.ON, b"OFF": Position.OFF, b"TRIPPED": Position.TRIPPED},
    presence={b"online": True, b"offline": False},
)


@dataclass(frozen=True, slots=True)
class ContactTopics:
    """The MQTT contact: where it speaks, and its words. No `availability_topic`: the device never says it is away."""

    topic: str
    availability_topic: str | None = None
    open: str = "open"
    closed: str = "closed"
    available: str = "online"
    unavailable: str = "offline"


class IncomingMessage(NamedTuple):
    """One message from the broker, as it came. `retained`: the broker's memory, not a word said now."""

    at: float
    topic: str
    payload: bytes
    retained: bool = False
    response_topic: str | None = None
    correlation: bytes | None = None


class Publication(NamedTuple):
    """One message to publish. `expiry_s`: seconds after which the broker must forget it; None keeps it."""

    topic: str
    payload: bytes
    qos: Literal[0, 1] = 1
    retain: bool = False
    expiry_s: int | None = None
    correlation: bytes | None = None


@dataclass(frozen=True, slots=True)
class ReplyAddress:
    """Where the answer to a request goes."""

    response_topic: str
    correlation: bytes | None = None


@dataclass(frozen=True, slots=True)
class Rejection:
    """A message that means nothing to us, and why. `reply`: who waits for an answer; None where nobody does."""

    reason: str
    reply: ReplyAddress | None = None


@dataclass(frozen=True, slots=True)
class Topics:
    """The names of one site. `circuits`: those a message may be about."""

    site: str
    circuits: Container[CircuitId] = ()
    contact: ContactTopics | None = None
    profile: Profile = NATIVE
    base: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "base", f"loadshed/{self.site}/")

    # --- what we read ----------------------------------------------------------------------------------------------

    def subscriptions(self) -> tuple[str, ...]:
        """Return the topic filters to subscribe to, in this order.

        The contact's word comes first, because it sheds; its device's availability after it, so that what the broker
        remembers of a device that is away ends as "unknown", whatever the word was.
        """
        contact = () if self.contact is None else (self.contact.topic, self.contact.availability_topic)
        return (
            *(topic for topic in contact if topic is not None),
            f"{self.base}breakers/+/{self.profile.availability}",
            f"{self.base}breakers/+/{self.profile.state}",
            f"{self.base}ask/+",
        )

    def of_circuit(self, circuit: CircuitId) -> tuple[str, str]:
        """Return the topics on which one circuit's device speaks: availability, state."""
        base = f"{self.base}breakers/{circuit}/"
        return base + self.profile.availability, base + self.profile.state

    def parse(self, message: IncomingMessage) -> Event | Rejection | None:
        """Return what a message says; a refusal where it cannot be understood; None where it says nothing to us."""
        if self.contact is not None and message.topic == self.contact.topic:
            return self._contact_word(self.contact, message)
        if self.contact is not None and message.topic == self.contact.availability_topic:
            return self._contact_presence(self.contact, message)
        if not message.topic.startswith(self.base):
            return Rejection("a topic we never subscribed to")
        match message.topic.removeprefix(self.base).split("/"):
            case ["breakers", circuit, leaf]:
                return self._device(CircuitId(circuit), leaf, message)
            case ["ask", request]:
                return self._asked(request, message)
            case _:
                return Rejection("a topic we never subscribed to")

    def _contact_word(self, contact: ContactTopics, message: IncomingMessage) -> ContactChanged | Rejection | None:
        if not message.payload:
            return None  # a retained word was cleared: nobody said anything
        words = {contact.open.encode(): True, contact.closed.encode(): False}
        if (is_open := words.get(message.payload)) is None:
            return Rejection(f"a contact says {contact.open!r} or {contact.closed!r}, not {_shown(message.payload)}")
        return ContactChanged(message.at, open=is_open, retained=message.retained)

    def _contact_presence(
        self, contact: ContactTopics, message: IncomingMessage
    ) -> ContactAlive | ContactLost | Rejection | None:
        if message.payload == contact.unavailable.encode():
            return ContactLost(message.at, f"the contact's device says {contact.unavailable!r} on {message.topic}")
        if message.payload == contact.available.encode():
            # The broker's memory of a device that was there is no sign of life.
            return None if message.retained else ContactAlive(message.at)
        if not message.payload:
            return None
        words = f"{contact.available!r} or {contact.unavailable!r}"
        return Rejection(f"the contact's device says {words}, not {_shown(message.payload)}")

    def _device(
        self, circuit: CircuitId, leaf: str, message: IncomingMessage
    ) -> BreakerReported | AvailabilityReported | Rejection | None:
        if leaf not in (self.profile.state, self.profile.availability):
            return Rejection("a topic we never subscribed to")
        if circuit not in self.circuits:
            return Rejection("no circuit of this name is in circuits.toml")
        if not message.payload:
            return None  # a retained report was cleared: the device said nothing
        if leaf == self.profile.state:
            return self._position(circuit, message)
        return self._presence(circuit, message)

    def _position(self, circuit: CircuitId, message: IncomingMessage) -> BreakerReported | Rejection:
        if (position := self.profile.positions.get(message.payload)) is None:
            return Rejection(f"a position is {_words(self.profile.positions)}, not {_shown(message.payload)}")
        return BreakerReported(message.at, circuit, position, message.retained)

    def _presence(self, circuit: CircuitId, message: IncomingMessage) -> AvailabilityReported | Rejection:
        if (online := self.profile.presence.get(message.payload)) is None:
            return Rejection(f"an availability is {_words(self.profile.presence)}, not {_shown(message.payload)}")
        return AvailabilityReported(message.at, circuit, online, message.retained)

    # --- a person's request ----------------------------------------------------------------------------------------

    def _asked(self, request: str, message: IncomingMessage) -> Requested | Rejection | None:
        if not message.payload and message.retained:
            return None
        reply = self._ticket(message)
        if message.retained:
            # Whoever asked is long gone, and it would be asked again at every connection.
            return Rejection("a request is never retained: publish it again without the retain flag", reply)
        if request not in ASK_KINDS:
            return Rejection(f"a request is one of {', '.join(ASK_KINDS)}", reply)
        fields = _request_fields(message.payload)
        if isinstance(fields, str):
            return Rejection(fields, reply)
        return self._request(ASK_KINDS[ASK_KINDS.index(request)], fields, message.at, reply)

    def _request(
        self, request: AskKind, fields: Mapping[str, Json], at: float, reply: ReplyAddress | None
    ) -> Requested | Rejection:
        circuit, by, note, now, for_s = (fields.get(name) for name in ("circuit", "by", "note", "now", "for_s"))
        wrong = _wrong_field(fields) or self._wrong_circuit(request, circuit)
        if wrong is None and for_s is not None and request != "drill":
            wrong = '"for_s" is for a drill'
        if wrong is not None:
            return Rejection(wrong, reply)
        named = isinstance(circuit, str) and not (request == "restore" and circuit == "all")
        return Requested(
            at,
            request,
            CircuitId(str(circuit)) if named else None,
            by=str(by or ""),
            note=str(note or ""),
            now=now is True,
            reply=reply,
            for_s=float(for_s) if isinstance(for_s, int | float) else None,
        )

    def _wrong_circuit(self, request: AskKind, circuit: Json) -> str | None:
        if request in ("reload", "drill", "drill-end"):
            return None if circuit is None else f'"{request}" concerns no single circuit: leave "circuit" out'
        if request == "restore" and circuit == "all":
            return None
        if not isinstance(circuit, str):
            return f'"{request}" needs "circuit": the id of a circuit in circuits.toml'
        return None if CircuitId(circuit) in self.circuits else f"no circuit is named {_shown(circuit.encode())}"

    def _ticket(self, message: IncomingMessage) -> ReplyAddress | None:
        topic = message.response_topic
        if topic is None or not self._may_answer_on(topic):
            return None
        return ReplyAddress(topic, message.correlation)

    def _may_answer_on(self, topic: str) -> bool:
        """Return whether an answer may go to this topic: a request must not make us write where devices listen."""
        if not topic or len(topic) > MAX_TEXT_LENGTH or topic.startswith("$") or any(c in topic for c in "+#\0"):
            return False
        if self.contact is not None and topic in (self.contact.topic, self.contact.availability_topic):
            return False
        return not topic.startswith("loadshed/") or topic.startswith(f"{self.base}answers/")

    # --- what we say -----------------------------------------------------------------------------------------------

    def command(self, switch: SwitchOff | SwitchOn) -> Publication:
        """Return the command for one breaker: never retained, and forgotten by the broker when its next try is due."""
        word = self.profile.on if isinstance(switch, SwitchOn) else self.profile.off
        topic = f"{self.base}breakers/{switch.circuit}/{self.profile.command}"
        return Publication(topic, word, expiry_s=switch.expires_s)

    @property
    def availability_topic(self) -> str:
        return f"{self.base}controller/availability"

    def availability(self, online: bool) -> Publication:
        return self._kept("controller/availability", b"online" if online else b"offline")

    def state(self, view: StateView, wall: WallClock) -> Publication:
        return self._kept("controller/state", payloads.state(view, wall))

    def circuit(self, view: CircuitView, wall: WallClock) -> Publication:
        return self._kept(f"circuits/{view.id}", payloads.circuit(view, wall))

    def cleared_circuit(self, circuit: CircuitId) -> Publication:
        return self._kept(f"circuits/{circuit}", b"")

    def demand(self, view: DemandView, at: float, wall: WallClock) -> Publication:
        return self._kept("demand", payloads.demand(view, at, wall))

    def meter(self, told: PublishMeter, wall: WallClock) -> Publication:
        return self._kept(f"meters/{told.meter}", payloads.meter(told, wall))

    def event(self, happened: LogEvent, wall: WallClock) -> Publication:
        return Publication(f"{self.base}events", payloads.event(happened, wall))

    def alarm(self, view: AlarmView, wall: WallClock) -> Publication:
        return self._kept(f"alarms/{view.id}", payloads.alarm(view, wall))

    def cleared_alarm(self, alarm: str) -> Publication:
        return self._kept(f"alarms/{alarm}", b"")

    def answer(self, answer: SendReply) -> Publication | None:
        """Return the answer to a request; None where nobody waits for one."""
        if not isinstance(answer.reply, ReplyAddress):
            return None
        body = payloads.answer(answer.ok, answer.reason)
        return Publication(answer.reply.response_topic, body, correlation=answer.reply.correlation)

    def _kept(self, topic: str, payload: bytes) -> Publication:
        return Publication(self.base + topic, payload, retain=True)


class DuplicateFilter:
    """Remembers which requests were heard, so that one sent twice is done once. Bounded: the oldest is forgotten."""

    def __init__(self, most: int = 1000) -> None:
        self._most = most
        self._heard: dict[ReplyAddress, None] = {}

    def repeats(self, ticket: ReplyAddress) -> bool:
        """Return whether this correlation was heard before; from now on it was. One without correlation never was."""
        if ticket.correlation is None:
            return False
        if ticket in self._heard:
            return True
        self._heard[ticket] = None
        if len(self._heard) > self._most:
            del self._heard[next(iter(self._heard))]
        return False


def _request_fields(payload: bytes) -> dict[str, Json] | str:
    """Return the request's fields, or the sentence that says what is wrong with it."""
    if len(payload) > MAX_REQUEST_BYTES:
        return f"a request has at most {MAX_REQUEST_BYTES} bytes, not {len(payload)}"
    if not payload:
        return {}
    try:
        fields = json.loads(payload)
    except (ValueError, RecursionError):  # the second for a thousand brackets
        return f"a request is a JSON object, not {_shown(payload)}"
    return fields if isinstance(fields, dict) else f"a request is a JSON object, not {_shown(payload)}"


def _wrong_field(fields: Mapping[str, Json]) -> str | None:
    for name, value in fields.items():
        if name in ("circuit", "by", "note"):
            # Printable only: these words end in the journal and in reports.
            if value is not None and not (
                isinstance(value, str) and len(value) <= MAX_TEXT_LENGTH and value.isprintable()
            ):
                return f'"{name}" is a text of at most {MAX_TEXT_LENGTH} printable characters'
        elif name == "now":
            if value is not None and not isinstance(value, bool):
                return '"now" is true or false'
        elif name == "for_s":
            if value is not None and not _is_a_drills_length(value):
                return f'"for_s" is how long a drill lasts, {SHORTEST_S:g} to {LONGEST_S:g} seconds'
        else:
            return f'{_shown(name.encode())} is no field of a request: use "circuit", "by", "note", "now", "for_s"'
    return None


def _is_a_drills_length(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and SHORTEST_S <= value <= LONGEST_S


def _words(table: Mapping[bytes, object]) -> str:
    return " or ".join(word.decode() for word in table)


def _shown(payload: bytes) -> str:
    """Return a payload fit for one line of a journal."""
    if len(payload) > MAX_DEVICE_PAYLOAD_BYTES:
        return f"{len(payload)} bytes"
    return repr(payload.decode("utf-8", "replace"))
