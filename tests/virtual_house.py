"""Virtual house around the real engine: contact, breakers, broker, disk and users, in virtual time.

Time passes only in `wait`, so an outage takes milliseconds. Effects are carried out on simulated breakers; their
reports return over a simulated broker. A crash loses the process and keeps the disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count, pairwise
from typing import TYPE_CHECKING

from controller.core import effects as do
from controller.core import events as ev
from controller.core.engine import Engine, EngineSettings
from hw.simulated.breakers import SimulatedBreaker
from rules.controllability import controllable
from rules.panel import Circuit, CircuitId, Kind, Panel, Tag
from tests.virtual_house_disk import Disk
from tests.virtual_house_parts import LATENCY_S, Broker, Contact, Hand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from controller.core.meter_tracker import MeterTracker
    from controller.core.views import AlarmView, CircuitView, StateView
    from hw.simulated.breakers import Report
    from rules.requests import AskKind

TURNS_AT_ONE_MOMENT = 200


def circuit(name: str, **words: Any) -> Circuit:
    """Return a circuit of a 2nd Gen breaker, nonessential unless said otherwise."""
    spaces, kind, tag = words.pop("spaces", (1,)), words.pop("kind", Kind.GEN2), words.pop("tag", Tag.NONESSENTIAL)
    return Circuit(CircuitId(name), name.replace("-", " ").capitalize(), spaces, kind, tag, **words)


def essential(name: str, **words: Any) -> Circuit:
    """Return an essential circuit of a 2nd Gen breaker."""
    return circuit(name, tag=Tag.ESSENTIAL, **words)


USUAL = (
    essential("fridge", rank=1),
    circuit("well-pump", rank=3),
    circuit("dryer", rank=6),
    circuit("hot-tub", rank=8),
    circuit("ev-charger", rank=9, kind=Kind.RELAY),
)


def pauses(times: list[float]) -> list[float]:
    """Return the seconds from each to the next, to the millisecond."""
    return [round(later - sooner, 3) for sooner, later in pairwise(times)]


@dataclass(frozen=True, slots=True)
class Command:
    """One command as it left the controller. `at`: seconds of the house's own clock."""

    at: float
    circuit: CircuitId
    word: str
    expires_s: int


class VirtualHouse:
    """The house. Times in seconds; `now` is the world's, `mono` the monotonic clock of the running boot."""

    def __init__(
        self,
        *circuits: Circuit,
        settings: EngineSettings | None = None,
        is_open: bool = False,
        started: bool = True,
        metering: Callable[[float], MeterTracker] | None = None,
    ) -> None:
        self.settings = settings or EngineSettings()
        self.panel = Panel.of(*(circuits or USUAL))
        self.mono, self._epoch = 0.0, 1000.0
        self.disk = Disk()
        self.commands: list[Command] = []
        self.effects: list[do.Effect] = []
        self.answers: dict[object, do.SendReply] = {}
        self.breakers = {one.id: SimulatedBreaker(one.id, remote=controllable(one)) for one in self.panel}
        self.contact = Contact(self, is_open=is_open)
        self.broker = Broker(self)
        self.sending_s = 0.0  # from deciding to sending: a page of memory comes back from the card
        self.dies_after: int | None = None  # number of effects of the next turn after which the process dies
        self._metering = metering
        self._boots = count(1)
        self._world: list[tuple[float, int, Callable[[], None]]] = []
        self._inbox: list[ev.Event] = []
        self._order = count()
        self._engine: Engine | None = None
        self._boot = ""
        self._reboot()
        for breaker in self.breakers.values():
            self.publish(breaker.greeting())
        self.wait(1.0)
        if started:
            self.start()
            self.wait(self.settings.utility_stable_s + 5.0)  # from then on the broker's memory of devices is believed

    # --- the process -------------------------------------------------------------------------------------------------

    @property
    def engine(self) -> Engine:
        assert self._engine is not None, "the controller is not running"
        return self._engine

    @property
    def now(self) -> float:
        return self._epoch + self.mono

    def start(self, *, rebooted: bool = False, connected: bool = True, contact_read: bool = True) -> None:
        """Start the controller; `rebooted`: the machine itself was down."""
        if rebooted:
            self._reboot()
        rebooted = self.disk.boot not in (None, self._boot)
        self._engine = Engine(
            self.panel,
            self.settings,
            self.disk.memory(),
            self._boot,
            self.mono,
            rebooted=rebooted,
            metering=self._metering(self.mono) if self._metering else None,
        )
        self.turn()
        if contact_read:
            self.contact.is_read()
        if connected and self.broker.up:
            self.broker.greets()

    def crash(self) -> None:
        """Kill the process. Events that it has not processed are lost; its commands are in flight."""
        self._engine = None
        self._inbox.clear()

    def restart(self, after_s: float = 1.0, *, rebooted: bool = False) -> None:
        """Crash, and start again; `rebooted`: the machine went down too."""
        self.crash()
        self.wait(after_s)
        self.start(rebooted=rebooted)
        self.wait(0.5)

    def _reboot(self) -> None:
        """Boot the machine: the monotonic clock restarts; the clock of the world does not."""
        gone = self.mono - 20.0
        self._boot, self.mono, self._epoch = f"boot-{next(self._boots)}", 20.0, self._epoch + gone
        self._world = [(at - gone, order, act) for at, order, act in self._world]

    # --- time --------------------------------------------------------------------------------------------------------

    def wait(self, seconds: float) -> None:
        """Let time pass, with a turn of the engine for each event and each deadline."""
        until, turns = self.mono + seconds, 0
        while (at := self._next()) is not None and at <= until:
            turns = turns + 1 if at <= self.mono else 0
            assert turns < TURNS_AT_ONE_MOMENT, "the engine asks for a turn again and again at the same moment"
            self.mono = max(self.mono, at)
            self._move_world()
            self.turn()
        self.mono = until

    def stall(self, seconds: float) -> None:
        """Let time pass while the controller is suspended. Events wait with their times."""
        until = self.mono + seconds
        while self._world and self._world[0][0] <= until:
            self.mono = self._world[0][0]
            self._move_world()
        self.mono = until
        self.turn()

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Call `act` after `seconds`."""
        heappush(self._world, (self.mono + seconds, next(self._order), act))

    def turn(self) -> None:
        """Run one turn of the engine now, and carry out its effects."""
        if self._engine is None:
            return
        events, self._inbox = self._inbox, []
        effects = self._engine.advance(events, self.mono)
        self.mono += self.sending_s
        for effect in effects[: self.dies_after]:
            self._carry_out(effect)
        if self.dies_after is not None:
            self.dies_after = None
            self.crash()
            return
        self._engine.commands_sent(self.mono)

    def happens(self, *events: ev.Event) -> None:
        """Queue events and run a turn of the engine."""
        self._inbox += events
        self.turn()

    def put(self, event: ev.Event) -> None:
        """Queue an event for the next turn. It is lost if the program does not run."""
        if self._engine is not None:
            self._inbox.append(event)

    def _next(self) -> float | None:
        due = self._engine.deadline() if self._engine is not None else None
        times = [] if due is None else [max(due, self.mono)]
        return min([*times, *(head[0] for head in self._world[:1])], default=None)

    def _move_world(self) -> None:
        while self._world and self._world[0][0] <= self.mono:
            heappop(self._world)[2]()

    def _carry_out(self, effect: do.Effect) -> None:
        self.effects.append(effect)
        self.disk.write(effect, self._boot)
        match effect:
            case do.SwitchOff(circuit, expires_s):
                self._command(circuit, "OFF", expires_s)
            case do.SwitchOn(circuit, expires_s):
                self._command(circuit, "ON", expires_s)
            case do.SendReply(reply):
                self.answers[reply] = effect
            case _:
                pass

    def _command(self, circuit: CircuitId, word: str, expires_s: int) -> None:
        assert self.broker.up, "a command left while the broker was away"
        self.commands.append(Command(self.now, circuit, word, expires_s))
        breaker = self.breakers[circuit]

        def waits() -> None:
            if breaker.next_due is not None:
                self.later(breaker.next_due - self.now, comes_late)

        def comes_late() -> None:
            self.publish(breaker.advance(self.now))
            waits()  # a second command may be under way behind the first

        def arrives() -> None:
            self.publish(breaker.command(word, self.now))
            waits()

        self.later(LATENCY_S, arrives)

    def publish(self, reports: Iterable[Report]) -> None:
        """Publish reports of devices. Without a broker they are lost."""
        for report in reports:
            self.broker.takes(report)

    # --- what a test does and sees -----------------------------------------------------------------------------------

    def breaker(self, name: str) -> Hand:
        return Hand(self, self.breakers[CircuitId(name)])

    def outage(self, minutes: float = 10.0) -> None:
        """Run a whole outage: the contact opens and closes, and all circuits have time to be restored."""
        self.contact.open()
        self.wait(minutes * 60.0)
        self.contact.close()
        self.wait(120.0)

    def ask(self, request: AskKind, name: str | None = None, **words: Any) -> do.SendReply:
        """Send a user request; return the reply."""
        ticket = f"ticket-{next(self._order)}"
        circuit = None if name is None else CircuitId(name)
        self.happens(ev.Requested(self.mono, request, circuit, reply=ticket, **words))
        return self.answers[ticket]

    def rewrite(self, *circuits: Circuit, reply: object = None) -> None:
        """Put a changed panel in force."""
        self.panel = Panel.of(*circuits)
        for one in self.panel:
            self.breakers.setdefault(one.id, SimulatedBreaker(one.id, remote=controllable(one)))
        self.happens(ev.CircuitsChanged(self.mono, self.panel, reply))

    def offs(self, since: float = 0.0) -> list[str]:
        return [one.circuit for one in self.commands if one.word == "OFF" and one.at >= since]

    def ons(self, since: float = 0.0) -> list[str]:
        return [one.circuit for one in self.commands if one.word == "ON" and one.at >= since]

    def times(self, word: str, name: str) -> list[float]:
        return [one.at for one in self.commands if (one.word, one.circuit) == (word, name)]

    def owed(self) -> list[str]:
        return [*self.state.owed]

    def taken_over(self) -> list[str]:
        return [*self.state.taken_over]

    @property
    def state(self) -> StateView:
        return self.engine.state_view()

    def view(self, name: str) -> CircuitView:
        view = self.engine.circuit_view(CircuitId(name))
        assert view is not None
        return view

    def alarm(self, name: str) -> AlarmView | None:
        return self.engine.alarm_view(name)

    def happened(self, event: str) -> list[do.LogEvent]:
        return [line for line in self.disk.log if line.event == event]
