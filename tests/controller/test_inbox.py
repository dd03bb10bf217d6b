"""Where events wait: the turns that are taken, and those that are not."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from controller import events as ev
from controller.effects import Happened, Memory
from controller.engine import Engine, EngineSettings
from controller.evidence.lines import Start
from controller.evidence.recorder import Recorder
from controller.inbox import AFTER_COMMANDS_S, HEARTBEAT_S, Inbox
from hw.simulated.virtual_time import run_virtual
from rules.panel import Circuit, CircuitId, Kind, Panel, Position, Tag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from controller.effects import Effect, SwitchOff, SwitchOn


class Desk:
    """An inbox before a real engine, and the moments of its turns."""

    def __init__(self, *circuits: Circuit) -> None:
        self.now = asyncio.get_running_loop().time
        self.turns: list[float] = []
        self.sent: list[float] = []
        self.written: list[tuple[float, str]] = []
        settings, began, panel = EngineSettings(settle_s=0.0), self.now(), Panel.of(*circuits)
        engine = Engine(panel, settings, Memory(), "boot", began, rebooted=False)
        recorder = Recorder(Start("boot", began, False, panel, settings, Memory()), lambda _part: None)
        self.inbox = Inbox(engine, self.send, self.carry_out, lambda: None, recorder=recorder, clock=self.now)

    def send(self, commands: Sequence[SwitchOff | SwitchOn]) -> None:
        self.sent += [self.now()] * len(commands)

    def carry_out(self, effects: Sequence[Effect]) -> None:
        self.turns.append(self.now())
        self.written += [(self.now(), one.event) for one in effects if isinstance(one, Happened)]

    def open_contact(self) -> None:
        """Let the utility fail: with nothing to settle, the OFF leaves in the next turn."""
        self.inbox.put(ev.BusConnected(self.now()))
        self.inbox.put(ev.ContactChanged(self.now(), True))

    def written_at(self, event: str) -> list[float]:
        return [at for at, one in self.written if one == event]


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


PUMP = Circuit(CircuitId("pump"), "Pump", (1,), Kind.GEN2, Tag.NONESSENTIAL)


def test_what_a_turn_writes_waits_behind_its_commands() -> None:
    """The broker and the breakers are served first; a turn that commands nothing writes at once."""

    async def story() -> Desk:
        desk = Desk(PUMP)
        desk.inbox.turn()
        desk.open_contact()
        await asyncio.sleep(10 * AFTER_COMMANDS_S)
        desk.inbox.close()
        return desk

    desk = run_virtual(story())
    assert desk.written_at("started") == [desk.turns[0]]
    assert [at - desk.sent[0] for at in desk.written_at("commanded_off")] == pytest.approx([AFTER_COMMANDS_S])


@pytest.mark.parametrize("closes", [False, True], ids=["the-next-turn", "the-end"])
def test_what_waits_is_written_before_anything_else_happens(closes: bool) -> None:
    """A confirmation that comes at once finds the command written, and so does the end of the program."""

    async def story() -> Desk:
        desk = Desk(PUMP)
        desk.inbox.turn()
        desk.open_contact()
        await asyncio.sleep(0.1 * AFTER_COMMANDS_S)
        if closes:
            desk.inbox.close()
        else:
            desk.inbox.put(ev.BreakerReported(desk.now(), PUMP.id, Position.OFF))
            await asyncio.sleep(0.1 * AFTER_COMMANDS_S)
        return desk

    desk = run_virtual(story())
    assert [at - desk.sent[0] < 0.5 * AFTER_COMMANDS_S for at in desk.written_at("commanded_off")] == [True]
