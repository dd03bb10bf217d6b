"""The house around the virtual Pi, which outlasts its power: breakers, meter, wires, a recorder of what is said."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from clients.bus_client.request import send_request
from controller.bus.topics import SiteTopics
from hw.broker_socket import Broker
from hw.simulated.breakers import BreakersOnBus, SimulatedBreaker
from hw.simulated.meter import SimulatedMeter
from hw.simulated.meter_server import serve_pty
from rules.panel import CircuitId, Position
from tests.appliance.machine import BOOT_S, Machine
from tests.appliance.shell import say
from tests.mosquitto import free_port
from tests.system.on_bus import CONTACT, Recorder, Said
from tests.system.process_house import REMOTE, SITE, USUAL, circuits_toml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from typing import Self

    from tests.appliance.image import Image
    from tests.appliance.machine import Disk

T = TypeVar("T")

LOOK_S = 0.25
MODEL = "2N208-021"
KW_BEHIND_EACH = 1.5

WAITS = """\
[shed]
confirm_s = 2.0
[restore]
utility_stable_s = 3.0
stagger_s = 0.5
flap_transfers = 0
"""
"""What a hundred outages can afford."""

INSTALLER = f"""\
[site]
id = "{SITE}"
[contact]
source = "gpio"
pin = 17
{WAITS}
[meter]
model = "{MODEL}"
port = "/dev/ttyS1"
poll_s = 2.0
"""
"""As an installer would write it, but for the waits."""

CIRCUITS = circuits_toml(USUAL)
SWITCHED = tuple(circuit.id for circuit in USUAL if circuit.breaker in REMOTE)
"""Circuits that can be switched remotely."""
SHED = tuple(circuit.id for circuit in USUAL if circuit.tag == "nonessential" and circuit.breaker in REMOTE)
"""What a transfer switches off."""


class WrongError(Exception):
    """The house is not as it should be."""


JOURNAL = "journalctl -b -u loadshed -o short-monotonic --no-pager"

_ON_DISK = "python3 /usr/local/lib/appliance/on_disk.py"

HUB, RECORDER, PERSON = "hub", "recorder", "ann"
"""A client outside the Pi on the bus, by its user name."""


def password_file(logins: Path, name: str) -> Path:
    """Return the path of the password of an outside client."""
    return logins / f"{name}.password"


class ApplianceHouse:
    """Everything outside the Pi, and the Pi. Use it as an async context.

    `folder`: the emulator's own. `kw_behind_each`: what each breaker that is on draws.
    """

    def __init__(self, image: Image, folder: Path, kw_behind_each: float = KW_BEHIND_EACH) -> None:
        port = free_port()

        def login(name: str) -> Broker:
            if image.logins is None:
                return Broker(port=port)
            return Broker(port=port, username=name, password_file=password_file(image.logins, name))

        self._person = login(PERSON)
        self._news = asyncio.Event()
        remote = [SimulatedBreaker(CircuitId(circuit)) for circuit in SWITCHED]
        self.hub = BreakersOnBus(remote, login(HUB), SiteTopics(SITE), time.monotonic, self._switched)
        self.recorder_login = login(RECORDER)
        self.recorder = Recorder(self.recorder_login, SITE, self._news.set)
        self.meter = SimulatedMeter(MODEL)
        self._kw_behind_each = kw_behind_each
        self._build = (image, folder, port)
        self._running = AsyncExitStack()

    async def __aenter__(self) -> Self:
        port = await self._running.enter_async_context(serve_pty(self.meter))
        self.machine = Machine(*self._build, meter=port)
        self._running.push_async_callback(self.machine.cut)
        for client in (self.recorder, self.hub):
            task = asyncio.create_task(client.run())
            self._running.push_async_callback(_cancelled, task)
        self._switched()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._running.aclose()

    # --- what is done ------------------------------------------------------------------------------------------------

    async def contact(self, *, is_open: bool) -> None:
        """Move the contact, and note when it certainly was open still, or already."""
        if not is_open:
            self.note_contact(is_open=False)
        await self.machine.contact(is_open=is_open)
        if is_open:
            self.note_contact(is_open=True)

    def contact_opens_by_itself(self) -> None:
        """Open the contact some time soon. The machine takes no other order after it but a cut."""
        self.machine.contact_opens_by_itself()
        self.note_contact(is_open=True)

    def note_contact(self, *, is_open: bool) -> None:
        """Write into the recorder's log how the contact stands from now on."""
        self.recorder.said.append(Said(time.monotonic(), CONTACT, b"open" if is_open else b"closed", retained=False))

    def flip(self, circuit: str, position: Position) -> None:
        """Move a breaker's handle."""
        self.hub.say(self.hub.breakers[CircuitId(circuit)].flip_by_hand(position))
        self._switched()

    async def drills(self, for_s: float, within_s: float) -> None:
        """Request a drill as a user's program does, until it is accepted. Raises WrongError if it never is.

        After an outage it is refused for a minute, while an OFF that crossed an ON may still take effect.
        """
        give_up_at = time.monotonic() + within_s
        while not (answer := await send_request(self._person, SITE, "drill", {"by": PERSON, "for_s": for_s}))[0]:
            if time.monotonic() > give_up_at:
                raise WrongError(f"no drill for {within_s:g} s: {answer[1]}; {self.story()}")
            await asyncio.sleep(1.0)

    async def on_disk(self, position: Position, circuits: Iterable[str]) -> None:
        """Wait until exactly these circuits are at a position in the Pi's ledger.

        Raises CannotError if that never happens.
        """
        await self.machine.must(" ".join((_ON_DISK, position.value, *sorted(circuits))))

    async def boots(self, layers: Disk, more: tuple[str, ...] = ()) -> None:
        """Switch the Pi on, on a fresh layer; return when it says that all is well. `more`: words of the emulator's."""
        mark = self.mark
        await self.machine.power_on(await asyncio.to_thread(layers.begin), more=more)
        await self.machine.is_up()
        await self.until(lambda: self.is_quiet(mark), "the Pi says that all is well", BOOT_S)
        async with asyncio.timeout(BOOT_S):
            await self.hub.connected.wait()

    # --- what is seen ------------------------------------------------------------------------------------------------

    @property
    def mark(self) -> int:
        """Return how many messages were recorded so far: what comes after is news."""
        return len(self.recorder.said)

    def at(self, position: Position) -> set[str]:
        """Return the circuits whose breaker really is at this position."""
        return {str(circuit) for circuit, breaker in self.hub.breakers.items() if breaker.position is position}

    def last(self, leaf: str, since: int = 0) -> dict[str, Any]:
        """Return the last word on `loadshed/<site>/<leaf>` since a mark; empty: none."""
        words = [one for one in self.recorder.on(leaf, since) if one.payload]
        return dict(words[-1].fields) if words else {}

    def is_quiet(self, since: int) -> bool:
        """Return whether the Pi has published since a mark that it is on utility with no outage open."""
        state = self.last("controller/state", since)
        return state.get("state") == "utility" and state["outage"] is None and not state["unconfirmed"]

    def owes_nothing(self) -> bool:
        """Return whether the Pi publishes that no circuit is owed or watched."""
        state = self.last("controller/state")
        return state.get("state") == "utility" and not state["owed"]

    async def is_back(self, after: str) -> None:
        """Wait until every circuit is on and none is owed. Raises WrongError if that never happens."""
        await self.until(lambda: self.is_quiet(0) and not self.at(Position.OFF), f"all is back after {after}", BOOT_S)
        await self.until(self.owes_nothing, f"nothing is owed after {after}", BOOT_S)
        say(f"    {after}: everything is on again")

    async def until(self, found: Callable[[], T], what: str, within_s: float) -> T:
        """Return the result of `found` once it is true. Raises WrongError if that never happens."""
        try:
            async with asyncio.timeout(within_s):
                while not (seen := found()):
                    self._news.clear()
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._news.wait(), LOOK_S)
        except TimeoutError:
            raise WrongError(f"in vain for {within_s:g} s: {what}; {self.story()}") from None
        return seen

    async def keep_journal(self, place: Path) -> None:
        """Save the controller's journal since the last boot, for diagnosis."""
        if self.machine.is_on:
            text = (await self.machine.do(JOURNAL)).text
            await asyncio.to_thread((place / "journal.txt").write_text, text, encoding="utf-8")

    def story(self) -> str:
        """Return the state of the house, for diagnosis."""
        off = ", ".join(sorted(self.at(Position.OFF))) or "nothing"
        return f"off: {off}; the Pi said last: {self.last('controller/state')}"

    def _switched(self) -> None:
        self.meter.kw = self._kw_behind_each * len(self.at(Position.ON))
        self._news.set()


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
