"""Where events wait for the engine's next turn, and the turns themselves: when, in which order, and what if late."""

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

LATE_S = 0.05
"""A deadline found so late means that we stalled: what happened meanwhile may lie unread, and is taken first."""

AWAKE_S = 0.005
"""So long before an opening settles we wait for it awake.

The loop sleeps in whole milliseconds, and a processor that has rested wakes slowly: 2 to 6 ms late on the virtual Pi
(decision 0016).
"""

LOOK_S = 0.0001
"""Between two looks at the clock other threads have the processor for so long: longer naps let it rest."""


class Inbox:
    """Takes events from anywhere on the loop, and lets the engine take its turn.

    `catch_up` reads the contact and empties the sockets; it is called before a late deadline is judged. `send` is given
    each turn's commands, at once; `carry_out` the rest of what it wants done. `recorder` is given the whole turn, last.
    `nap`: lets other threads have their turn, for so many seconds.
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
        self._nap = nap
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Event] = []
        self._soon = False
        self._caught_up = False
        self._alarm_clock: asyncio.Handle | None = None
        self._closed = False

    def close(self) -> None:
        """Take no turn any more: where nothing can be written, nothing is decided. What still comes is dropped."""
        self._closed = True
        if self._alarm_clock is not None:
            self._alarm_clock.cancel()

    def put(self, event: Event) -> None:
        """Let an event wait for the next turn, which follows at once. On the loop only."""
        self._waiting.append(event)
        self._hurry()

    def put_from_thread(self, event: Event) -> None:
        """Hand an event over from another thread."""
        try:
            self._loop.call_soon_threadsafe(self.put, event)
        except RuntimeError:
            return  # the loop has ended, and with it everybody who could care

    def _hurry(self) -> None:
        if not self._soon:
            self._soon = True
            self._loop.call_soon(self.turn)

    def turn(self) -> None:
        """Let the engine take what waits, carry out what it wants, and set the clock for its next deadline."""
        self._soon = False
        if self._closed:
            return
        now, due = self._clock(), self._engine.deadline()
        if due is not None and now - due > LATE_S and not self._caught_up:
            self._caught_up = True
            self._catch_up()
            # One round of the loop later, so that what other threads have handed over meanwhile comes first.
            self._hurry()
            return
        self._caught_up = False
        events, self._waiting = self._waiting, []
        now, decides_at = self._clock(), self._engine.decides_at()
        commands = self._engine.command(events, now)
        self._send(commands)
        left = self._clock()
        self._engine.carried_out(left)
        effects = self._engine.account(now)
        self._carry_out(effects)
        decided = decides_at is not None and decides_at <= now
        self._recorder.turn(events, now, commands, left, effects, decided=decided)
        if self._alarm_clock is not None:
            self._alarm_clock.cancel()
        due, opens_at = self._engine.deadline(), self._engine.opens_at()
        at = now + HEARTBEAT_S if due is None else min(due, now + HEARTBEAT_S)
        if opens_at is not None and opens_at <= at:
            self._alarm_clock = self._loop.call_at(opens_at - AWAKE_S, self._await, opens_at)
        else:
            self._alarm_clock = self._loop.call_at(at, self._hurry)

    def _await(self, at: float) -> None:
        """Stay awake until then, round after round of the loop: what comes meanwhile has its turn before."""
        if self._clock() < at:
            self._nap(LOOK_S)
            self._alarm_clock = self._loop.call_soon(self._await, at)
        else:
            self._hurry()
