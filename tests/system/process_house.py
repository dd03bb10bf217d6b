"""A real house: Mosquitto, the daemon's process, simulated breakers and a contact on the bus, and a recorder.

Every wait is for something that is said or done, with a time-out that a loaded machine does not reach.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from contextlib import AsyncExitStack, closing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from clients.bus_client.request import send_request
from controller.bus.topics import SiteTopics
from controller.storage.schema import LEDGER, UnusableDatabaseError, open_for_reading
from hw.simulated.breakers import BreakersOnBus, SimulatedBreaker
from rules.panel import CircuitId, Position
from tests.mosquitto import Mosquitto
from tests.scripted_broker import Limits, ScriptedBroker
from tests.system.on_bus import CONTACT, CONTACT_STATUS, ContactDevice, Recorder
from tests.system.program import Program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from typing import Self

    from rules.requests import AskKind

T = TypeVar("T")

WITHIN_S = 40.0
LOOK_S = 0.1
SITE = "home"
REMOTE = ("gen2", "relay")


@dataclass(frozen=True, slots=True)
class Wired:
    """One `[circuits.ID]` of the homeowner's file. `more`: further keys, as TOML."""

    id: str
    tag: Literal["essential", "nonessential"] = "nonessential"
    breaker: Literal["gen2", "gen1", "standard", "relay"] = "gen2"
    rank: int = 5
    more: tuple[str, ...] = ()

    @property
    def has_device(self) -> bool:
        """Return whether it names a device of a family; else it has loadshed's own topics."""
        return any(line.startswith("device =") for line in self.more)

    def toml(self, space: int) -> str:
        keys = (f"space = {space}", f'breaker = "{self.breaker}"', f'tag = "{self.tag}"', f"rank = {self.rank}")
        return "\n".join((f"[circuits.{self.id}]", *keys, *self.more, ""))


BYSTANDERS = (
    Wired("fridge", "essential", rank=1),
    Wired("router", "essential", rank=1, more=("protected = true",)),
    Wired("old-dryer", breaker="gen1", rank=9),
    Wired("porch", breaker="standard", rank=9),
)
"""Circuits that no transfer may move: essential, protected, and two that cannot be switched remotely."""

SHED = (Wired("pump", rank=2), Wired("dryer", rank=6), Wired("tub", rank=8), Wired("car", breaker="relay", rank=9))

USUAL = (*BYSTANDERS, *SHED)


def circuits_toml(circuits: Iterable[Wired]) -> str:
    """Return the homeowner's file, a space for each."""
    return "\n".join(circuit.toml(space) for space, circuit in enumerate(circuits, 1))


@dataclass(frozen=True, slots=True)
class Timing:
    """What the installer's file says, in s: short, and long enough for a loaded machine."""

    settle_s: float = 0.02
    confirm_s: float = 0.3
    utility_stable_s: float = 0.3
    stagger_s: float = 0.05
    version: Literal["5", "3.1.1"] = "5"

    def toml(self, port: int) -> str:
        return (
            f'[site]\nid = "{SITE}"\n'
            f'[contact]\nsource = "mqtt"\ntopic = "{CONTACT}"\navailability_topic = "{CONTACT_STATUS}"\n'
            f"settle_s = {self.settle_s}\n"
            f'[broker]\nport = {port}\nversion = "{self.version}"\n'
            f"[shed]\nconfirm_s = {self.confirm_s}\n"
            f"[restore]\nutility_stable_s = {self.utility_stable_s}\nstagger_s = {self.stagger_s}\nflap_transfers = 0\n"
        )


@dataclass(frozen=True, slots=True)
class Command:
    """One command as the recorder saw it. `number`: of the recorder's message."""

    at: float
    circuit: str
    word: str
    number: int


@dataclass
class ProcessHouse:
    """Everything at once. `folder`: its files. `broker_lines`: more of Mosquitto's configuration.

    `prefix`: what the daemon's command line begins with. `by_people`: circuits that people may have had switched.
    `limits`: a scripted broker with these limits is used in place of Mosquitto. `also_recorded`: topics of others.
    """

    folder: Path
    circuits: tuple[Wired, ...] = USUAL
    timing: Timing = field(default_factory=Timing)
    installer_more: str = ""
    broker_lines: tuple[str, ...] = ()
    prefix: tuple[str, ...] = ()
    by_people: set[str] = field(default_factory=set)
    limits: Limits | None = None
    also_recorded: tuple[str, ...] = ()

    async def __aenter__(self) -> Self:
        self.folder.mkdir(exist_ok=True, parents=True)
        self.config, self.state_dir = self.folder / "config", self.folder / "state"
        self.config.mkdir()
        self.state_dir.mkdir(exist_ok=True)
        self._news = asyncio.Event()
        self.server: Mosquitto | ScriptedBroker = (
            Mosquitto(self.folder, *self.broker_lines) if self.limits is None else ScriptedBroker(self.limits)
        )
        self.write_installer()
        self.write_circuits(self.circuits)
        broker = self.server.broker
        native = [one for one in self.circuits if one.breaker in REMOTE and not one.has_device]
        remote = [SimulatedBreaker(CircuitId(circuit.id)) for circuit in native]
        self.hub = BreakersOnBus(remote, broker, SiteTopics(SITE), time.monotonic, self._wake)
        self.recorder = Recorder(broker, SITE, self._wake, self.also_recorded)
        self.contact = ContactDevice(broker, SITE, self.recorder.note)
        self.program = Program(self.config, self.state_dir, self._wake, self.prefix)
        self._running = AsyncExitStack()
        for client in (self.recorder, self.hub, self.contact):
            task = asyncio.create_task(client.run())
            self._running.push_async_callback(self._cancelled, task)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.nobody_else_was_touched()
        await self.program.kill()
        await self._running.aclose()
        await asyncio.to_thread(self.server.close)

    @property
    def mosquitto(self) -> Mosquitto:
        """Return the broker, if it is a Mosquitto."""
        assert isinstance(self.server, Mosquitto)
        return self.server

    @staticmethod
    async def _cancelled(task: asyncio.Task[None]) -> None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    # --- files -------------------------------------------------------------------------------------------------------

    def write_installer(self, text: str | None = None) -> None:
        told = self.timing.toml(self.server.port) + self.installer_more
        (self.config / "installer.toml").write_text(told if text is None else text, encoding="utf-8")

    def write_circuits(self, circuits: Iterable[Wired] | str) -> None:
        text = circuits if isinstance(circuits, str) else circuits_toml(circuits)
        half = self.config / "circuits.toml.half"  # a partial message is never read
        half.write_text(text, encoding="utf-8")
        half.replace(self.config / "circuits.toml")

    # --- what is done ------------------------------------------------------------------------------------------------

    async def start_broker(self) -> None:
        """Start Mosquitto, and wait until every client but the daemon is connected."""
        await asyncio.to_thread(self.server.start)
        async with asyncio.timeout(WITHIN_S):
            for client in (self.recorder, self.hub, self.contact):
                await client.connected.wait()

    async def stop_broker(self) -> None:
        await asyncio.to_thread(self.server.stop)

    async def kill_broker(self) -> None:
        await asyncio.to_thread(self.server.kill)

    async def begin(self) -> None:
        """Start broker and daemon on utility, and wait until every breaker has reported live."""
        await self.start_broker()
        await self.program.start()
        await self.reaches("utility")
        await self.greetings()
        await self.remembers()

    async def greetings(self) -> None:
        """Have every breaker say live what it is at: what the broker remembers of it is no word of its own."""
        mark = self.mark
        self.hub.say(report for breaker in self.hub.breakers.values() for report in breaker.greeting())
        talking = [name for name, breaker in self.hub.breakers.items() if breaker.greeting()]
        await self.until(
            lambda: all(next(self.recorder.on(f"breakers/{name}/state", mark), None) for name in talking),
            "every breaker has spoken",
        )

    async def remembers(self) -> None:
        """Wait until the disk knows where every breaker is."""
        await self.until(lambda: all(self.on_disk(one.id) for one in self.shed), "the disk knows them all")

    def opens(self) -> None:
        self.contact.move(True)

    def closes(self) -> None:
        self.contact.move(False)

    def breaker(self, circuit: str) -> SimulatedBreaker:
        return self.hub.breakers[CircuitId(circuit)]

    def flip(self, circuit: str, position: Position) -> None:
        self.hub.say(self.breaker(circuit).flip_by_hand(position))

    async def ask(self, request: AskKind, circuit: str | None = None, **more: Any) -> tuple[bool, str]:
        """Send a user request to the daemon; return its reply."""
        fields = {} if circuit is None else {"circuit": circuit}
        return await send_request(self.server.broker, SITE, request, {**fields, **more}, timeout_s=WITHIN_S)

    async def publish(self, *messages: tuple[str, bytes], retain: bool = False) -> None:
        """Say something on the bus as a stranger, and wait until the broker has passed it on."""
        mark = self.mark
        link = self.recorder._link
        assert link is not None
        for topic, payload in messages:
            link.publish(topic, payload, retain=retain)
        link.flush()
        if messages[-1][0].startswith(("loadshed/", "ats/")):
            await self.until(
                lambda: any(one.topic == messages[-1][0] for one in self.recorder.said[mark:]), "it is said"
            )

    # --- what is seen ------------------------------------------------------------------------------------------------

    @property
    def shed(self) -> tuple[Wired, ...]:
        """Return the circuits a transfer switches off."""
        sheddable = (one for one in self.circuits if one.tag == "nonessential" and one.breaker in REMOTE)
        return tuple(one for one in sheddable if "protected = true" not in one.more)

    @property
    def mark(self) -> int:
        """Return how many messages were recorded so far: what comes after is news."""
        return len(self.recorder.said)

    @property
    def state(self) -> dict[str, Any]:
        """Return the last word of `controller/state`; empty: none yet."""
        last = self.recorder.last("controller/state")
        return {} if last is None or not last.payload else dict(last.fields)

    def circuit(self, circuit: str) -> dict[str, Any]:
        """Return the last word of `circuits/<circuit>`; empty: none yet, or it was cleared."""
        last = self.recorder.last(f"circuits/{circuit}")
        return {} if last is None or not last.payload else dict(last.fields)

    def commands(self, since: int = 0) -> list[Command]:
        """Return every command since a mark, in the broker's order."""
        prefix = f"loadshed/{SITE}/breakers/"
        return [
            Command(one.at, one.topic.removeprefix(prefix).removesuffix("/set"), one.payload.decode(), number)
            for number, one in enumerate(self.recorder.said[since:], since)
            if one.topic.startswith(prefix) and one.topic.endswith("/set")
        ]

    def words(self, word: str, since: int = 0) -> list[str]:
        """Return the circuits to which this word was sent, in order."""
        return [command.circuit for command in self.commands(since) if command.word == word]

    def at(self, position: Position) -> set[str]:
        """Return the circuits whose breaker really is at this position."""
        return {str(circuit) for circuit, breaker in self.hub.breakers.items() if breaker.position is position}

    def happened(self, event: str, since: int = 0, **about: Any) -> list[dict[str, Any]]:
        """Return what `events` said of this, since a mark."""
        told = [one.fields for one in self.recorder.on("events", since)]
        return [one for one in told if one["event"] == event and about.items() <= one.items()]

    def nobody_else_was_touched(self) -> None:
        """Check invariants 1 and 3: only the circuits to shed were ever commanded, in any test."""
        touched = {command.circuit for command in self.commands()} - {one.id for one in self.shed} - self.by_people
        assert not touched, f"commanded: {sorted(touched)}"

    def on_disk(self, circuit: str) -> str:
        """Return the position that the disk remembers; empty: none."""
        try:
            reading = open_for_reading(self.state_dir, LEDGER)
        except (FileNotFoundError, UnusableDatabaseError):
            return ""  # it is being made
        with closing(reading) as db:
            row = db.execute("SELECT row FROM entries WHERE circuit = ?", (circuit,)).fetchone()
        return "" if row is None else str(json.loads(row[0])["position"])

    # --- waiting -----------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        self._news.set()

    async def until(self, found: Callable[[], T], what: str, within_s: float = WITHIN_S) -> T:
        """Return the result of `found` once it is true; fail with the daemon's last lines if that never happens."""
        waited_s = 0.0
        while not (seen := found()):
            assert waited_s < within_s, f"in vain for {within_s:g} s: {what}\n{self.story()}"
            waited_s += await self._news_or_a_look()
        return seen

    async def _news_or_a_look(self) -> float:
        """Wait for news, but not for long: changes on disk send none. Return the seconds it took.

        While the whole machine stands still, that time is not counted.
        """
        self._news.clear()
        began = time.monotonic()
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await self._news.wait()
        return min(time.monotonic() - began, 2 * LOOK_S)

    def story(self) -> str:
        """Return the daemon's last lines and its last state, for diagnosis."""
        return "\n".join((*self.program.log[-40:], str(self.state), f"off: {sorted(self.at(Position.OFF))}"))

    async def reaches(self, state: str, since: int = 0) -> dict[str, Any]:
        """Return `controller/state` once it says so in a message that came after the mark."""
        words = await self.until(
            lambda: [one.fields for one in self.recorder.on("controller/state", since) if one.fields["state"] == state],
            f"the state is {state}",
        )
        return dict(words[-1])

    async def is_shed(self, *but: str, since: int = 0) -> None:
        """Wait until all that is to be off is off, and said to be."""
        wanted = {one.id for one in self.shed} - {*but}
        await self.until(lambda: wanted <= self.at(Position.OFF), f"{sorted(wanted)} are off")
        await self.reaches("standby", since)

    async def is_back(self, *but: str, since: int = 0) -> None:
        """Wait until all is on again but these, and the house is on utility with nothing owed that is not on.

        Where an OFF may still take effect (unanswered, or crossed by our ON within a minute) a circuit stays owed for
        a while, on as it is: these houses live faster than that. That it ends, the nights show.
        """
        wanted = set(self.hub.breakers) - {CircuitId(one) for one in but}
        await self.until(lambda: wanted <= self.at(Position.ON), f"{sorted(wanted)} are on")
        await self.until(lambda: self._quiet(since), "nothing is owed, on utility")
        assert self.at(Position.ON) == wanted

    def _quiet(self, since: int) -> bool:
        words = (one for one in reversed(self.recorder.said[since:]) if one.topic.endswith("controller/state"))
        fields = last.fields if (last := next(words, None)) is not None else {}
        if fields.get("state") != "utility" or fields["outage"] is not None:
            return False
        return {*fields["owed"]} <= self.at(Position.ON)


async def together(*stories: Any) -> None:
    """Run several houses at once: each waits most of its time. The first that fails ends the others."""
    async with asyncio.TaskGroup() as tasks:
        for story in stories:
            tasks.create_task(story)


def numbered(count: int) -> tuple[Wired, ...]:
    """Return this number of circuits to shed, with ranks from 1 to 9 in turn."""
    ranks = itertools.cycle(range(1, 10))
    return tuple(Wired(f"c{number}", rank=next(ranks)) for number in range(count))
