"""Topics of the bus: the only file that spells them.

`SiteTopics` builds the topic strings of one site, for the controller and for every client. `Topics` converts between
messages and the events and effects of the engine. Both are pure. Any message on a topic that the controller reads
becomes an event, a rejection, or nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from controller.bus import payloads
from controller.bus.client_reports import KNOWN_CLIENTS, parse_client_report
from controller.bus.device_topics import DeviceTopics
from controller.bus.messages import OwnRetained, Publication, Rejection, ReplyAddress, StatusRequested, shown
from controller.bus.outage_classes import OutageClasses
from controller.bus.profiles.native import NATIVE
from controller.bus.profiles.schema import Profile, fill
from controller.bus.requests import ANY_REQUEST, ASK_KINDS, MAX_TEXT_LENGTH, STATUS_REQUEST, parse_request
from controller.bus.rivals import ControllerSeen, parse_alive
from controller.config.local_time import LocalTime
from controller.core.events import (
    ContactAlive,
    ContactChanged,
    ContactLost,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from controller.bus.contact_device import ContactDevice
    from controller.bus.messages import ControllerId, IncomingMessage
    from controller.core.effects import LogEvent, PublishMeter, QueryDevice, SendReply, SwitchOff, SwitchOn
    from controller.core.events import Event, Requested
    from controller.core.views import AlarmView, CircuitView, OutageView, StateView, WallClock
    from rules.metering.demand import DemandView
    from rules.panel import CircuitId

ANY = "+"
"""Wildcard for one topic level, in place of a circuit, an alarm or a request."""

AVAILABILITY, STATE, ALIVE = "controller/availability", "controller/state", "controller/alive"
ALARM_LIST, LAST_OUTAGE = "controller/alarms", "outages/last"
DEMAND, EVENTS, READINESS = "demand", "events", "readiness"
CIRCUITS, ALARMS = "circuits", "alarms"
"""Names below a site's base topic, as `SiteTopics.name_of` returns them. The last two have one level below them."""

_ROOT = "loadshed/"


@dataclass(frozen=True, slots=True)
class SiteTopics:
    """Topic strings of one site."""

    site: str

    @property
    def base(self) -> str:
        """Return the prefix of every topic of the site, with a slash at the end."""
        return f"{_ROOT}{self.site}/"

    @property
    def everything(self) -> str:
        """Return the filter for every topic of the site."""
        return f"{self.base}#"

    def name_of(self, topic: str) -> str:
        """Return the name of a topic below the site's base, such as `controller/state`."""
        return topic.removeprefix(self.base)

    @property
    def availability(self) -> str:
        return self.base + AVAILABILITY

    @property
    def state(self) -> str:
        return self.base + STATE

    @property
    def alarm_list(self) -> str:
        return self.base + ALARM_LIST

    @property
    def last_outage(self) -> str:
        return self.base + LAST_OUTAGE

    @property
    def alive(self) -> str:
        return self.base + ALIVE

    @property
    def demand(self) -> str:
        return self.base + DEMAND

    @property
    def events(self) -> str:
        return self.base + EVENTS

    @property
    def readiness(self) -> str:
        return self.base + READINESS

    def circuit(self, circuit: str) -> str:
        return f"{self.base}{CIRCUITS}/{circuit}"

    def alarm(self, alarm: str) -> str:
        return f"{self.base}{ALARMS}/{alarm}"

    def meter(self, meter: str) -> str:
        return f"{self.base}meters/{meter}"

    def client_state(self, client: str) -> str:
        return f"{self.base}clients/{client}/state"

    def ask(self, request: str) -> str:
        return f"{self.base}ask/{request}"

    def answers(self, token: str) -> str:
        """Return the topic for answers to one client. `token`: random; `#` for all clients."""
        return f"{self.base}answers/{token}"

    def circuit_of(self, breaker_topic: str) -> str:
        """Return the circuit of a topic of a breaker."""
        return breaker_topic.removeprefix(f"{self.base}breakers/").partition("/")[0]

    def breaker_command(self, circuit: str) -> str:
        return self._native(circuit).command.topic

    def breaker_state(self, circuit: str) -> str:
        return self._native(circuit).states[0].topic

    def breaker_availability(self, circuit: str) -> str:
        return self._native(circuit).available[0].topic

    def _native(self, circuit: str) -> Profile:
        return fill(NATIVE, {"site": self.site, "circuit": circuit})

    def status_filters(self, circuits: Iterable[str] = (ANY,)) -> tuple[str, ...]:
        """Return the filters for the controller's status: presence, state, demand, alarms, and these circuits."""
        singles = self.availability, self.alive, self.state, self.demand, self.alarm_list
        return (*singles, *map(self.circuit, circuits))

    def status_order(self) -> tuple[str, str, str]:
        """Return topics of a requested status in the order of their publication: the first, a late one, the last."""
        return self.state, self.alarm_list, self.alive


@dataclass(frozen=True, slots=True)
class ContactTopics:
    """Topics and payloads of an MQTT contact. `availability_topic`: None if its device never publishes availability.

    It may be `topic` itself. `query_topic`: where the device is asked for its position; None: it is not asked.
    """

    topic: str
    availability_topic: str | None = None
    open: str = "open"
    closed: str = "closed"
    available: str = "online"
    unavailable: str = "offline"
    query_topic: str | None = None
    query_payload: str = ""


BusNews = StatusRequested | ControllerSeen | OwnRetained
"""Message that concerns the connection and its topics, not the decisions."""

_NOT_SUBSCRIBED = "the controller does not subscribe to this topic"


@dataclass(frozen=True, slots=True)
class Topics:
    """Converts messages of one site. `circuits`: the circuits that a message may be about.

    `contact_device`: the contact, if a device of a known family reports it.
    `profiles`: of the circuits whose device does not use loadshed's own topics, each with all of its topics.
    `local_time`: of times in texts for people. `classes`: for the class of an outage.
    """

    site: str
    circuits: Collection[CircuitId] = ()
    contact: ContactTopics | None = None
    local_time: LocalTime = field(default_factory=LocalTime)
    classes: OutageClasses = field(default_factory=OutageClasses)
    profiles: Mapping[CircuitId, Profile] = field(default_factory=dict)
    contact_device: ContactDevice | None = None
    names: SiteTopics = field(init=False)
    devices: DeviceTopics = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", SiteTopics(self.site))
        profiles = {
            one: self.profiles.get(one) or fill(NATIVE, {"site": self.site, "circuit": one}) for one in self.circuits
        }
        object.__setattr__(self, "devices", DeviceTopics(profiles))

    # --- incoming --------------------------------------------------------------------------------------------------

    def contact_topics(self) -> tuple[str, ...]:
        """Return the topics of the contact, in the order in which to subscribe to them.

        The position comes first, because it sheds. The availability of its device comes after it: if the retained
        availability is `offline`, the position ends as unknown, whatever the retained position was.
        """
        if self.contact_device is not None:
            return self.contact_device.topics()
        contact = () if self.contact is None else (self.contact.topic, self.contact.availability_topic)
        return tuple(dict.fromkeys(topic for topic in contact if topic is not None))

    def device_topics(self, circuits: Iterable[CircuitId] | None = None) -> tuple[str, ...]:
        """Return the topics of these circuits' devices: all availabilities, then all states. None: of all circuits.

        No wildcards: some brokers deliver no retained message to a subscription with one.
        """
        return self.devices.subscriptions(self.circuits if circuits is None else circuits)

    def client_topics(self, *, wildcards: bool = True) -> tuple[str, ...]:
        """Return the topics of the clients' states, known ones by name. `wildcards`: see `request_topics`."""
        return tuple(self.names.client_state(one) for one in (*KNOWN_CLIENTS, *((ANY,) if wildcards else ())))

    def request_topics(self, *, wildcards: bool = True) -> tuple[str, ...]:
        """Return the topics of user requests. `wildcards`: whether the broker supports them."""
        if wildcards:
            return (self.names.ask(ANY),)
        return tuple(self.names.ask(request) for request in (*ASK_KINDS, ANY_REQUEST, STATUS_REQUEST))

    def own_topics(self, *, wildcards: bool = True) -> tuple[str, ...]:
        """Return those of the controller's own topics that an earlier run may have left. `wildcards`: as above."""
        names = self.names
        groups = (names.circuit(ANY), names.alarm(ANY), names.meter(ANY)) if wildcards else ()
        return (*groups, names.demand)

    def read(self, message: IncomingMessage) -> Sequence[Event | BusNews | Rejection]:
        """Return the events of a message, or a rejection if it is not valid; empty: it changes nothing."""
        if self.contact_device is not None and self.contact_device.reads(message.topic):
            return self._contact_and_circuits(self.contact_device, message)
        if self.devices.reads(message.topic):
            events, rejection = self.devices.events(message)
            return events if rejection is None else (rejection,)
        parsed = self._parse(message)
        return () if parsed is None else (parsed,)

    def contact_report(self, message: IncomingMessage) -> bool | str | None:
        """Return whether the contact is open, by this message; a text: its device is lost; None: neither."""
        for event in self.read(message):
            if isinstance(event, ContactChanged):
                return event.open
            if isinstance(event, ContactLost):
                return event.reason
        return None

    def _contact_and_circuits(self, contact: ContactDevice, message: IncomingMessage) -> Sequence[Event | Rejection]:
        """Return what a message says about the contact first, and then about circuits of the same device or gateway."""
        events, rejection = contact.events(message)
        if self.devices.reads(message.topic):
            more, refused = self.devices.events(message)
            events, rejection = [*events, *more], rejection or refused
        return events if events or rejection is None else (rejection,)

    def _parse(self, message: IncomingMessage) -> Event | BusNews | Rejection | None:
        if self.contact is not None and message.topic == self.contact.topic:
            return self._contact_position(self.contact, message)
        if self.contact is not None and message.topic == self.contact.availability_topic:
            return self._contact_availability(self.contact, message)
        event: Event | BusNews | Rejection | None = Rejection(_NOT_SUBSCRIBED)
        if not message.topic.startswith(self.names.base):
            return event
        match self.names.name_of(message.topic).split("/"):
            case ["breakers", circuit, "state" | "availability"] if circuit not in self.circuits:
                event = Rejection("circuits.toml has no circuit with this id")
            case ["circuits" | "alarms" | "meters", _] | ["demand"]:
                event = OwnRetained(self.names.name_of(message.topic)) if message.retained and message.payload else None
            case ["controller", "alive"]:
                event = parse_alive(message)
            case ["clients", client, "state"]:
                event = parse_client_report(client, message)
            case ["ask", request]:
                event = self._request(request, message)
        return event

    def _contact_position(
        self, contact: ContactTopics, message: IncomingMessage
    ) -> ContactChanged | ContactAlive | ContactLost | Rejection | None:
        if not message.payload:
            return None  # a retained message was cleared
        positions = {contact.open.encode(): True, contact.closed.encode(): False}
        if (is_open := positions.get(message.payload)) is None:
            # Many devices have their last will on the topic of their state.
            if message.payload in (contact.available.encode(), contact.unavailable.encode()):
                return self._contact_availability(contact, message)
            allowed = f"{contact.open!r} or {contact.closed!r}"
            return Rejection(f"the position of the contact must be {allowed}, not {shown(message.payload)}")
        return ContactChanged(message.at, open=is_open, retained=message.retained)

    def _contact_availability(
        self, contact: ContactTopics, message: IncomingMessage
    ) -> ContactAlive | ContactLost | Rejection | None:
        if message.payload == contact.unavailable.encode():
            return ContactLost(message.at, f"the contact's device reports {contact.unavailable!r} on {message.topic}")
        if message.payload == contact.available.encode():
            # A retained `available` is not a sign of life.
            return None if message.retained else ContactAlive(message.at)
        if not message.payload:
            return None
        allowed = f"{contact.available!r} or {contact.unavailable!r}"
        return Rejection(f"the availability of the contact's device must be {allowed}, not {shown(message.payload)}")

    def _request(self, request: str, message: IncomingMessage) -> Requested | StatusRequested | Rejection | None:
        reply = self._reply_address(message)
        if request == STATUS_REQUEST and not message.retained:
            return StatusRequested(reply)
        return parse_request(request, message, self.circuits, reply)

    def _reply_address(self, message: IncomingMessage) -> ReplyAddress | None:
        topic = message.response_topic
        if topic is None or not self._may_answer_on(topic):
            return None
        return ReplyAddress(topic, message.correlation)

    def _may_answer_on(self, topic: str) -> bool:
        """Return whether an answer may be published there: a request must not make us publish where devices listen."""
        if not topic or len(topic) > MAX_TEXT_LENGTH or topic.startswith("$") or any(c in topic for c in "+#\0"):
            return False
        if topic in self.contact_topics():
            return False
        return not topic.startswith(_ROOT) or topic.startswith(self.names.answers(""))

    # --- outgoing --------------------------------------------------------------------------------------------------

    def command(self, switch: SwitchOff | SwitchOn) -> Publication:
        """Return the command for one breaker. It is never retained, and expires at the broker when its retry is due."""
        return self.devices.command(switch)

    def device_query(self, query: QueryDevice) -> Publication | None:
        """Return the question to a device; None: it cannot be asked, or not yet."""
        return self.devices.query(query)

    def availability(self, online: bool) -> Publication:
        return _retained(self.names.availability, b"online" if online else b"offline")

    def contact_query(self) -> Publication | None:
        """Return the request to the contact's device for its position; None: it is not asked."""
        if self.contact_device is not None:
            return self.contact_device.query()
        if self.contact is None or self.contact.query_topic is None:
            return None
        return Publication(self.contact.query_topic, self.contact.query_payload.encode())

    def alive(
        self, at: float, uptime_s: float, controller: ControllerId, on_standby: bool | None, wall: WallClock
    ) -> Publication:
        """Return the message that shows that the controller runs now: at QoS 0, and never retained."""
        return Publication(self.names.alive, payloads.alive(at, uptime_s, controller, on_standby, wall), qos=0)

    def state(self, view: StateView, wall: WallClock) -> Publication:
        return _retained(self.names.state, payloads.state(view, wall))

    def circuit(self, view: CircuitView, wall: WallClock) -> Publication:
        return _retained(self.names.circuit(view.id), payloads.circuit(view, wall, self.local_time))

    def cleared(self, name: str) -> Publication:
        """Return what removes a retained message of this site. `name`: below the site's base."""
        return _retained(self.names.base + name, b"")

    def cleared_circuit(self, circuit: CircuitId) -> Publication:
        return _retained(self.names.circuit(circuit), b"")

    def demand(self, view: DemandView, at: float, wall: WallClock) -> Publication:
        return _retained(self.names.demand, payloads.demand(view, at, wall))

    def meter(self, reading: PublishMeter, wall: WallClock) -> Publication:
        return _retained(self.names.meter(reading.meter), payloads.meter(reading, wall))

    def event(self, event: LogEvent, wall: WallClock) -> Publication:
        return Publication(self.names.events, payloads.event(event, wall))

    def alarm(self, view: AlarmView, wall: WallClock) -> Publication:
        return _retained(self.names.alarm(view.id), payloads.alarm(view, wall))

    def alarm_list(self, views: Sequence[AlarmView], wall: WallClock) -> Publication:
        return _retained(self.names.alarm_list, payloads.alarm_list(views, wall))

    def last_outage(self, view: OutageView, wall: WallClock) -> Publication:
        return _retained(self.names.last_outage, payloads.last_outage(view, wall, self.classes))

    def cleared_alarm(self, alarm: str) -> Publication:
        return _retained(self.names.alarm(alarm), b"")

    def answer(self, answer: SendReply) -> Publication | None:
        """Return the answer to a request; None if the request has no reply address."""
        if not isinstance(answer.reply, ReplyAddress):
            return None
        body = payloads.answer(answer.ok, answer.reason, needs_force=answer.needs_force)
        return Publication(answer.reply.response_topic, body, correlation=answer.reply.correlation)


def _retained(topic: str, payload: bytes) -> Publication:
    return Publication(topic, payload, retain=True)
