"""Queue of events for the engine's next turn.

And the turns themselves: when, in which order, and what happens after a stall.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from controller.core.effects import Effect, SwitchOff, SwitchOn
    from controller.core.engine import Engine
    from controller.core.events import Event
    from controller.recording.recorder import Recorder

HEARTBEAT_S = 1.0
"""A turn is taken at least this often: the watchdog is fed by turns, not by a timer of its own."""

STALL_THRESHOLD_S = 0.05
"""Delay in seconds of a deadline that indicates a stall: unread events may be waiting, and are processed first."""

SPIN_S = 0.005
"""Time in seconds before an opening settles in which the loop busy-waits.

The loop sleeps in whole milliseconds, and an idle processor wakes slowly: 2 to 6 ms late on the virtual Pi (decision
0016).
"""

LOOK_S = 0.0001
"""Time in seconds for which other threads get the processor between two looks at the clock.

Longer sleeps let it become idle.
"""


class EngineLoop:
    """Accepts events from anywhere on the loop, and runs the engine's turns.

    `catch_up` reads the contact and empties the sockets; it is called before a late deadline is processed. `send`
    receives each turn's commands at once; `carry_out` its other effects. `recorder` receives the whole turn, last.
    `nap`: lets other threads run, for a number of seconds.
    """

    def __init__(
        self,
        engine: Engine,
        send: Callable[[Sequence[SwitchOff | SwitchOn]], None],
        carry_out: Callable[[Sequence[Effect]], None],
        catch_up: Callable[[], None],
        *,
        recorder: Recorder,
        clock: Callable[[], float],
        nap: Callable[[float], None] = time.sleep,
    ) -> None:
        self._engine = engine
        self._send = send
        self._carry_out = carry_out
        self._catch_up = catch_up
        self._recorder = recorder
        self._clock = clock
        self._sleep = nap
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Event] = []
        self._soon = False
        self._caught_up = False
        self._alarm_clock: asyncio.Handle | None = None
        self._closed = False

    def close(self) -> None:
        """Stop taking turns: if nothing can be written, nothing is decided. Later events are dropped."""
        self._closed = True
        if self._alarm_clock is not None:
            self._alarm_clock.cancel()

    def put(self, event: Event) -> None:
        """Add an event to the next turn, which follows at once. On the loop only."""
        self._waiting.append(event)
        self._schedule_turn()

    def put_from_thread(self, event: Event) -> None:
        """Hand an event over from another thread."""
        try:
            self._loop.call_soon_threadsafe(self.put, event)
        except RuntimeError:
            return  # the loop has ended, and with it every receiver

    def _schedule_turn(self) -> None:
        if not self._soon:
            self._soon = True
            self._loop.call_soon(self.turn)

    def turn(self) -> None:
        """Run a turn of the engine with the waiting events, apply its effects, and schedule its next deadline."""
        self._soon = False
        if self._closed:
            return
        now, due = self._clock(), self._engine.deadline()
        if due is not None and now - due > STALL_THRESHOLD_S and not self._caught_up:
            self._caught_up = True
            self._catch_up()
            # One round of the loop later, so that events from other threads are processed first.
            self._schedule_turn()
            return
        self._caught_up = False
        events, self._waiting = self._waiting, []
        now, decides_at = self._clock(), self._engine.next_decision_at()
        commands = self._engine.decide(events, now)
        self._send(commands)
        left = self._clock()
        self._engine.commands_sent(left)
        effects = self._engine.follow_up(now)
        self._carry_out(effects)
        decided = decides_at is not None and decides_at <= now
        self._recorder.turn(events, now, commands, left, effects, decided=decided)
        if self._alarm_clock is not None:
            self._alarm_clock.cancel()
        due, opens_at = self._engine.deadline(), self._engine.opening_settles_at()
        at = now + HEARTBEAT_S if due is None else min(due, now + HEARTBEAT_S)
        if opens_at is not None and opens_at <= at:
            self._alarm_clock = self._loop.call_at(opens_at - SPIN_S, self._spin_until, opens_at)
        else:
            self._alarm_clock = self._loop.call_at(at, self._schedule_turn)

    def _spin_until(self, at: float) -> None:
        """Busy-wait until then, round by round of the loop: events in between have their turn first."""
        if self._clock() < at:
            self._sleep(LOOK_S)
            self._alarm_clock = self._loop.call_soon(self._spin_until, at)
        else:
            self._schedule_turn()
