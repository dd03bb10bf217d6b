"""Where events wait: the turns that are taken, and those that are not."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from controller import events as ev
from controller.effects import Memory
from controller.engine import Engine, EngineSettings
from controller.evidence.lines import Start
from controller.evidence.recorder import Recorder
from controller.inbox import HEARTBEAT_S, Inbox
from hw.simulated.virtual_time import run_virtual
from rules.panel import Panel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from controller.effects import Effect


class Desk:
    """An inbox before a real engine, and the moments of its turns."""

    def __init__(self) -> None:
        self.now = asyncio.get_running_loop().time
        self.turns: list[float] = []
        settings, began = EngineSettings(), self.now()
        engine = Engine(Panel({}), settings, Memory(), "boot", began, rebooted=False)
        recorder = Recorder(Start("boot", began, False, Panel({}), settings, Memory()), lambda _part: None)
        doing = (lambda _commands: None), self.carry_out, (lambda: None)
        self.inbox = Inbox(engine, *doing, recorder=recorder, clock=self.now)

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
