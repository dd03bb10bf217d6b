"""Where events wait: the turns that are taken, and those that are not."""

from __future__ import annotations

import asyncio
import socket
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from controller.core import events as ev
from controller.core.effects import SavedState
from controller.core.engine import Engine, EngineSettings
from controller.recording.format import SessionStart
from controller.recording.recorder import Recorder
from controller.runtime.engine_loop import HEARTBEAT_S, SPIN_S, EngineLoop
from hw.simulated.virtual_time import run_virtual
from rules.panel import Panel
from tests.virtual_house import circuit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from controller.core.effects import Effect, SwitchOff, SwitchOn

TUB = circuit("hot-tub")
SETTLE_S = EngineSettings().settle_s


class Desk:
    """An inbox before a real engine, and the moments of its turns.

    `commands`: what left, and when. A nap takes a millisecond that the loop knows nothing of; `in_nap` is done in each.
    """

    def __init__(self, settle_s: float = SETTLE_S) -> None:
        self._loop = asyncio.get_running_loop()
        self.napped_s = 0.0
        self.in_nap: Callable[[], None] = lambda: None
        self.turns: list[float] = []
        self.commands: list[tuple[float, SwitchOff | SwitchOn]] = []
        settings, began = EngineSettings(settle_s=settle_s), self.now()
        panel = Panel({TUB.id: TUB})
        engine = Engine(panel, settings, SavedState(), "boot", began, rebooted=False)
        recorder = Recorder(SessionStart("boot", began, False, panel, settings, SavedState()), lambda _part: None)
        doing = self.send, self.carry_out, (lambda: None)
        self.inbox = EngineLoop(engine, *doing, recorder=recorder, clock=self.now, nap=self.nap)

    def now(self) -> float:
        return self._loop.time() + self.napped_s

    def nap(self, seconds: float) -> None:
        assert seconds <= 0.0002  # longer, and the processor rests
        self.napped_s += 0.001
        self.in_nap()

    def send(self, commands: Sequence[SwitchOff | SwitchOn]) -> None:
        self.commands += [(self.now(), command) for command in commands]

    def carry_out(self, _effects: Sequence[Effect]) -> None:
        self.turns.append(self.now())


def test_a_turn_is_taken_at_least_each_second() -> None:
    """The watchdog lives on them."""

    async def story() -> list[float]:
        desk = Desk()
        desk.inbox.turn()
        await asyncio.sleep(3.5 * HEARTBEAT_S)
        desk.inbox.close()
        return desk.turns

    turns = run_virtual(story())
    assert len(turns) >= 4
    assert max(later - sooner for sooner, later in pairwise(turns)) <= HEARTBEAT_S + 0.01


@pytest.mark.parametrize("waits", [False, True], ids=["nothing-waits", "something-waits"])
def test_no_turn_is_taken_once_it_is_closed(waits: bool) -> None:
    """Neither the heartbeat's, nor that of what waits or still comes: the store has ended by then."""

    async def story() -> tuple[int, int]:
        desk = Desk()
        desk.inbox.turn()
        if waits:
            desk.inbox.put(ev.ContactChanged(desk.now(), True))
        desk.inbox.close()
        before = len(desk.turns)
        desk.inbox.put_from_thread(ev.ContactChanged(desk.now(), True))
        await asyncio.sleep(5 * HEARTBEAT_S)
        return before, len(desk.turns)

    assert run_virtual(story()) == (1, 1)


async def opened(desk: Desk, settle_s: float = SETTLE_S) -> float:
    """Open the contact of a house on utility, and return when; wait until an opening would have settled."""
    desk.inbox.put(ev.BusConnected(desk.now()))
    desk.inbox.put(ev.ContactChanged(desk.now(), False))
    await asyncio.sleep(3.0 + settle_s)
    at = desk.now()
    desk.inbox.put(ev.ContactChanged(at, True))
    await asyncio.sleep(3.0 + settle_s)
    desk.inbox.close()
    return at


def test_the_end_of_an_opening_is_awaited_awake() -> None:
    """Not slept through: the loop wakes up to a millisecond late, a processor that has rested later still."""

    async def story() -> tuple[float, float, float]:
        desk = Desk()
        at = await opened(desk)
        ((left, _),) = desk.commands
        return at + SETTLE_S, left, desk.napped_s

    due, left, napped_s = run_virtual(story())
    assert due <= left <= due + 0.0011
    assert 0.004 <= napped_s <= 0.0061


@pytest.mark.parametrize("by_thread", [True, False], ids=["gpio", "mqtt"])
@pytest.mark.parametrize("turn_waits", [False, True], ids=["alone", "beside-another-turn"])
def test_a_bounce_of_the_last_moment_is_taken_before_the_opening_is_judged(by_thread: bool, turn_waits: bool) -> None:
    """While we wait, awake, lgpio's thread hands it over, or it comes on the bus: nothing is switched off."""

    async def story() -> int:
        desk, loop = Desk(), asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        ours.settimeout(10.0)
        with ours, theirs:

            def hear() -> None:
                ours.recv(1)
                desk.inbox.put(ev.ContactChanged(desk.now(), False))

            def bounce() -> None:
                desk.in_nap = lambda: None
                if by_thread:
                    desk.inbox.put_from_thread(ev.ContactChanged(desk.now(), False))
                else:
                    theirs.send(b"c")

            loop.add_reader(ours, hear)
            desk.in_nap = bounce
            if turn_waits:
                # In the round of the loop in which the wait begins.
                began = loop.time() + 3.0 + SETTLE_S
                loop.call_at(began + SETTLE_S - SPIN_S - 1e-10, desk.inbox.put, ev.PulseSeen(began))
            await opened(desk)
            loop.remove_reader(ours)
            return len(desk.commands)

    assert run_virtual(story()) == 0


@pytest.mark.parametrize("settle_s", [0.0, 0.003, 0.1, 2.0, 5.0])
def test_however_long_a_contact_settles_off_leaves_then_and_the_watchdog_is_fed(settle_s: float) -> None:
    """The installer's file allows 0 to 5 s."""

    async def story() -> tuple[float, float]:
        desk = Desk(settle_s)
        at = await opened(desk, settle_s)
        ((left, _),) = desk.commands[:1]
        return left - at, max(later - sooner for sooner, later in pairwise(desk.turns))

    after_s, longest_s = run_virtual(story())
    assert settle_s - 1e-9 <= after_s <= settle_s + 0.0021
    assert longest_s <= HEARTBEAT_S + 0.01


def test_nothing_else_is_awaited_awake() -> None:
    """A contact that closes, a heartbeat: a processor that could rest is let rest."""

    async def story() -> float:
        desk = Desk()
        desk.inbox.put(ev.ContactChanged(desk.now(), False))
        await asyncio.sleep(5 * HEARTBEAT_S)
        desk.inbox.close()
        return desk.napped_s

    assert run_virtual(story()) == 0.0
