"""The transfer switch's auxiliary contact on a GPIO line: open or closed, and since when."""

from __future__ import annotations

import time
from threading import Event, RLock
from typing import TYPE_CHECKING, Literal

from hw.gpio import GpioError, InputLine

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpiozero import Factory

GRACE_S = 0.02
"""Time in seconds for which a poll that reads another level waits for the edge, which may still be on its way.

lgpio looks for edges every 0.5 ms and passes them through a pipe and a thread, which may have to wait for the
processor. The edge has the more exact time.
"""


class ContactInput:
    """Reports the contact at once, and then each change with the time at which it occurred.

    `pin`: BCM number; the contact connects the pin to ground, the pull-up is internal. `normally`: position of the
    contact on utility. `on_change(open, at)`: `open` means standby, whatever the wiring: with `normally="open"`, a
    closed contact is reported as open. `on_lost(reason, at)`: the line cannot be read; called once, until it can be
    read again.

    Both are called from lgpio's thread or from the caller's, one at a time, and may only hand over. `at` is
    CLOCK_MONOTONIC in seconds and never decreases. An exception of a callback in lgpio's thread is raised by the next
    `poll`. No debouncing here: `rules/contact.py` decides by the times. Raises GpioError with what to do.
    """

    def __init__(
        self,
        pin: int,
        normally: Literal["closed", "open"],
        on_change: Callable[[bool, float], None],
        on_lost: Callable[[str, float], None],
        *,
        factory: Factory | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._standby_high = normally == "closed"
        self._on_change = on_change
        self._on_lost = on_lost
        self._clock = clock
        self._lock = RLock()
        self._edge_came = Event()
        self._high: bool | None = None
        self._lost = False
        self._told_at = float("-inf")
        self._line = InputLine(pin, self._edge, factory)
        self.poll()

    def poll(self) -> None:
        """Read the level, and report it if no edge did. Blocks for at most 20 ms if they differ."""
        self._edge_came.clear()
        try:
            high = self._line.high()
        except GpioError as error:
            self._lose(str(error))
            return
        if high == self._high:
            return
        seen_at = self._clock()
        if self._high is not None and self._edge_came.wait(GRACE_S):
            return
        self._tell(high, seen_at)

    def close(self) -> None:
        """Release the pin. Idempotent."""
        self._line.close()

    def _edge(self, high: bool, at: float) -> None:
        self._tell(high, at)
        self._edge_came.set()

    def _tell(self, high: bool, at: float) -> None:
        with self._lock:
            if high == self._high:
                return
            self._high = high
            self._lost = False
            self._told_at = max(self._told_at, at)
            self._on_change(high == self._standby_high, self._told_at)

    def _lose(self, reason: str) -> None:
        with self._lock:
            self._high = None
            if self._lost:
                return
            self._lost = True
            self._told_at = max(self._told_at, self._clock())
            self._on_lost(reason, self._told_at)
