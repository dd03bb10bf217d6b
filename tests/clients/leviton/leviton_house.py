"""The bridge's core with the simulated cloud, in virtual time: no socket, no process."""

from __future__ import annotations

import heapq
import itertools
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from clients.leviton import signals as sig
from clients.leviton.bridge import Bridge
from clients.leviton.inventory import Binding, bindings
from hw.simulated.leviton_cloud import CloudRequest, LevitonCloud
from hw.simulated.leviton_panel import BreakerGeneration, CloudBreaker, CloudHub, simulated_hub
from rules.device import DeviceTraits
from rules.panel import Circuit, CircuitId, Kind, Position, Tag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

TIMEOUT_S = 5.0
UPLINK_S = 0.03
PING_S = 16.0
"""Time in seconds after which a push connection is found to be dead."""


def circuits_of(hubs: Iterable[CloudHub]) -> list[Circuit]:
    """Return a circuit for each 2nd Gen breaker, the first with the largest rank."""
    found = []
    for hub in hubs:
        for number, breaker in enumerate(hub.breakers):
            if breaker.generation is BreakerGeneration.SECOND and breaker.position is not None:
                name = f"{breaker.name.lower().replace(' ', '-')}-{hub.serial[-4:]}"
                spaces = (breaker.position,) if breaker.poles == 1 else (breaker.position, breaker.position + 2)
                found.append(
                    Circuit(
                        CircuitId(name),
                        breaker.name,
                        spaces,
                        Kind.GEN2,
                        Tag.NONESSENTIAL,
                        amps=breaker.amps,
                        rank=9 - number % 9,
                        device=DeviceTraits(f"leviton/{hub.serial}/{breaker.serial}"),
                    )
                )
    return found


@dataclass
class LevitonHouse:
    """A cloud, and a bridge that is connected to a bus. `published`: what it has published, with the time.

    `push_delay`: seconds until a notification arrives, called for each.
    """

    cloud: LevitonCloud
    circuits: list[Circuit] = field(default_factory=list)
    companion: bool = False
    push_delay: Callable[[], float] = lambda: 0.02
    now: float = 0.0
    published: list[tuple[float, sig.BridgeEffect]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    kind: type[Bridge] = Bridge
    on_effect: Callable[[float, sig.BridgeEffect], None] = lambda _at, _effect: None

    def __post_init__(self) -> None:
        """Log in and start the bridge."""
        self.circuits = self.circuits or circuits_of(self.cloud.hubs)
        self.bridge = self.kind(bindings(self.circuits).values(), companion=self.companion)
        self.token: dict[str, Any] = dict(self.cloud.issue_token())
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._sessions: dict[int, int] = {}
        self._links: dict[int, int] = {}
        self._due = float("inf")
        self.positions: dict[str, Position] = {}
        self.available: dict[str, bool] = {}
        self.report: dict[str, Any] = {}
        self.details: dict[str, dict[str, Any]] = {}
        self.power: dict[str, tuple[float, float]] = {}

    def start(self) -> LevitonHouse:
        """Connect the bus and read the login."""
        self.feed(sig.BusJoined())
        self.feed(sig.LoginChanged("person-1", 50 * 86400.0))
        return self

    # --- events ------------------------------------------------------------------------------------------------------

    def feed(self, event: sig.BridgeEvent | None) -> None:
        """Let the bridge process an event now."""
        for effect in self.bridge.decide(event, self.now):
            self._carry_out(effect)
        self._due = self.bridge.deadline(self.now)  # only `decide` changes it

    def command(self, circuit: str, *, on: bool = False) -> None:
        """Send a command on the bus."""
        self.feed(sig.CircuitCommanded(CircuitId(circuit), on))

    def standby(self) -> None:
        """Let the controller publish that it sheds."""
        self.feed(sig.HouseReported("shedding"))

    def at(self, when: float, action: Callable[[], None]) -> None:
        """Do something at a time."""
        heapq.heappush(self._queue, (when, next(self._order), action))

    def run(self, until: float) -> None:
        """Let time pass."""
        idle = 0
        while True:
            due = min(self._due, self.cloud.next_due, self._queue[0][0] if self._queue else float("inf"))
            if due > until:
                break
            idle = idle + 1 if due <= self.now else 0
            assert idle < 5000, f"the bridge is due at {due} and does nothing at {self.now}"
            self.now = max(self.now, due)
            while self._queue and self._queue[0][0] <= self.now:
                heapq.heappop(self._queue)[2]()
            if self.cloud.next_due <= self.now:
                self._deliver()
            if self._due <= self.now:
                self.feed(None)
        self.now = until

    # --- effects -----------------------------------------------------------------------------------------------------

    def _carry_out(self, effect: sig.BridgeEffect) -> None:
        self.on_effect(self.now, effect)
        match effect:
            case sig.CallCloud():
                self.at(self.now + UPLINK_S, lambda: self._call(effect))
            case sig.OpenPush(link):
                self.at(self.now + 2 * UPLINK_S, lambda: self._open(link))
            case sig.SendLogin(link):
                self._send(link, {"token": self.token})
            case sig.SendPush(link, message):
                self._send(link, dict(message))
            case sig.ClosePush(link):
                if (session := self._links.pop(link, None)) is not None:
                    self._sessions.pop(session, None)
                    self.cloud.disconnect(session)
            case sig.WriteLog(text):
                self.log.append(f"{self.now:9.2f} {text}")
            case _:
                self._publish(effect)

    def _publish(self, effect: sig.BridgeEffect) -> None:
        self.published.append((self.now, effect))
        match effect:
            case sig.PublishPosition(circuit, position):
                self.positions[circuit] = position
            case sig.PublishAvailability(circuit, online):
                self.available[circuit] = online
            case sig.PublishBridge(report):
                self.report = dict(report)
            case sig.PublishCircuitDetails(circuit, details):
                self.details[circuit] = dict(details)
                watts = details["power_w"]
                if isinstance(watts, float | int):
                    self.power[circuit] = float(watts), self.now

    def _call(self, call: sig.CallCloud) -> None:
        request = CloudRequest(call.method, call.path, call.body, str(self.token["id"]))
        reply = self.cloud.request(request, self.now)
        content: Any = None
        if reply.text.startswith(("{", "[", '"')):
            content = json.loads(reply.text)
        retry_after = reply.headers.get("Retry-After")
        pause_s = None if retry_after is None else float(retry_after)
        if reply.after_s > TIMEOUT_S:
            answer = sig.CloudAnswered(call.number, 0, reason="no answer within 5 s")
            self.at(self.now + TIMEOUT_S, lambda: self.feed(answer))
            return
        reason = "the connection was reset" if reply.status == 0 else ""
        answer = sig.CloudAnswered(call.number, reply.status, content, pause_s, reason)
        self.at(self.now + reply.after_s, lambda: self.feed(answer))

    def _open(self, link: int) -> None:
        if self.cloud.faults.blackhole:
            self.at(self.now + 10.0, lambda: self.feed(sig.PushEnded(link, "cannot be reached", silent=True)))
            return
        session = self.cloud.connect(self.now)
        self._sessions[session], self._links[link] = link, session
        self.feed(sig.PushOpened(link))

    def _send(self, link: int, message: dict[str, Any]) -> None:
        session = self._links.get(link)
        if session is not None and not self.cloud.faults.blackhole:
            self.cloud.receive(session, json.dumps(message), self.now)

    def _deliver(self) -> None:
        for session, text in self.cloud.advance(self.now):
            link = self._sessions.get(session)
            if link is None:
                continue
            if text is None:
                del self._sessions[session], self._links[link]
                self.feed(sig.PushEnded(link, "closed by Leviton's cloud"))
                continue
            event = sig.PushReceived(link, json.loads(text))
            self.at(self.now + self.push_delay(), lambda event=event: self.feed(event))  # type: ignore[misc]

    # --- the internet ------------------------------------------------------------------------------------------------

    def internet(self, *, up: bool) -> None:
        """Cut the line to the cloud, or bring it back. Open connections are found dead after two pings."""
        self.cloud.faults.blackhole = not up
        if not up:
            for link, session in list(self._links.items()):
                self.at(self.now + PING_S, lambda link=link, session=session: self._found_dead(link, session))  # type: ignore[misc]

    def _found_dead(self, link: int, session: int) -> None:
        if self._links.get(link) == session:
            del self._links[link], self._sessions[session]
            self.cloud.disconnect(session)
            self.feed(sig.PushEnded(link, "no answer to a ping", silent=True))

    def breaker(self, circuit: str) -> CloudBreaker:
        """Return the breaker of a circuit."""
        device = next(one.device for one in self.circuits if one.id == circuit)
        assert device is not None
        serial = device.address.rpartition("/")[2]
        return next(one for hub in self.cloud.hubs for one in hub.breakers if one.serial == serial)

    def states(self, circuit: str, since: float = 0.0) -> list[Position]:
        """Return the positions that were published for a circuit."""
        return [
            one.position
            for at, one in self.published
            if isinstance(one, sig.PublishPosition) and one.circuit == circuit and at >= since
        ]


def house(count: int = 4, hubs: int = 1, **options: Any) -> LevitonHouse:
    """Return a running house with this number of breakers per hub, connected and quiet."""
    made = [simulated_hub(count, f"1000_0012_345{6 + number}", first_slot=1) for number in range(hubs)]
    return running(LevitonHouse(LevitonCloud(made), **options))


def running(made: LevitonHouse, until: float = 20.0) -> LevitonHouse:
    """Start a house and let it become quiet."""
    made.start()
    made.run(until)
    return made


__all__ = ["Binding", "LevitonHouse", "circuits_of", "house", "running"]
