"""The meter's pulse outputs on GPIO lines: each edge is counted once, with the time at which it occurred."""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING

from hw.gpio import DeferredException, InputLine

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpiozero import Factory

EDGE_KW_S = 18.0
"""Energy of one edge of the 10 Wh output, in kW·s: its level changes every 5 Wh, 18 kW for one second."""

KWH_EDGE_KW_S = 1800.0
"""Energy of one edge of the 1 kWh output, in kW·s: its level changes every 500 Wh."""

LARGEST_METER_KW = 998.0
LONGEST_FILTER_S = 0.025
"""Longest hold time in seconds.

Longer than one cycle of 50 Hz, so that induced hum never counts; short enough for present demand.
"""

_LOOK_AFTER_S = 0.001
"""Delay in seconds of the check after the hold time: a check exactly then would be early as often as late."""


def filter_s(max_kw: float | None, edge_kw_s: float = EDGE_KW_S) -> float:
    """Return how long a level must hold to count.

    In seconds: a fifth of the shortest half cycle of the rating, at most 0.025.
    """
    return min(LONGEST_FILTER_S, edge_kw_s / (max_kw or LARGEST_METER_KW) / 5)


class EdgeFilter:
    """Counts a change of level that holds for `hold_s`, and drops one that does not.

    An edge counts once its level has held, by the time of the next edge or by `settle`; it then has the time of the
    first edge that left the old level. A spike, which returns, never counts.
    """

    def __init__(self, hold_s: float) -> None:
        self._hold_s = hold_s
        self._settled: bool | None = None
        self._level: bool | None = None
        self._left_at: float | None = None
        self._moved_at = float("-inf")
        self.dropped = 0
        self.missed = 0

    def edge(self, high: bool, at: float) -> float | None:
        """Process an edge and the level it led to.

        Return the time of an earlier edge that is now known to count, or None.
        """
        counted = self.settle(at)
        if high == self._level:
            # Two edges in one direction: the edge between them was lost.
            self.missed += 1
        if self._settled is None:
            self._settled = not high
        if self._left_at is None:
            self._left_at = at
        else:
            self.dropped += 1
        self._level, self._moved_at = high, at
        return counted

    def settle(self, now: float) -> float | None:
        """Return the time of an edge whose level has held by now; None if there is none, or it returned."""
        if self._left_at is None or now - self._moved_at < self._hold_s:
            return None
        left_at, self._left_at = self._left_at, None
        # A single edge that leads to the old level follows a lost one: edges count, levels do not.
        if self._level == self._settled and self._moved_at > left_at:
            self.dropped += 1
            return None
        self._settled = self._level
        return left_at


class Pulses:
    """Reports each edge of a pulse output that counts, in order, with the time at which it occurred.

    `on_pulse(at)` may only hand over; it is called from lgpio's thread or from `poll`, one at a time. An edge counts
    once its level has held for `filter_s(max_kw)`, which must be checked: `later(s, call)` schedules `call` after `s`
    seconds, in any thread; without it, `poll` or the next edge checks. `max_kw`: rating of the meter, None if the model
    is not known. `edge_kw_s`: 18 for the 10 Wh output, 1800 for the 1 kWh output.

    The level has no meaning: without load it may be either. Raises GpioError with what to do about it.
    """

    def __init__(
        self,
        pin: int,
        on_pulse: Callable[[float], object],
        max_kw: float | None = None,
        *,
        edge_kw_s: float = EDGE_KW_S,
        later: Callable[[float, Callable[[], None]], None] | None = None,
        factory: Factory | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_pulse = on_pulse
        self._later = later
        self._clock = clock
        self._hold_s = filter_s(max_kw, edge_kw_s)
        self._filter = EdgeFilter(self._hold_s)
        self._lock = Lock()
        self._carried = DeferredException()
        self.count = 0
        self._line = InputLine(pin, self._edge, factory)

    @property
    def dropped(self) -> int:
        """Return how many edges were spikes or bounces."""
        return self._filter.dropped

    @property
    def missed(self) -> int:
        """Return how many edges must have been lost: two in one direction came in a row. They are not counted."""
        return self._filter.missed

    def poll(self) -> None:
        """Count the last edge if its level has held; raise, once, any exception of `on_pulse` or `later`."""
        self._line.deliver()
        self._carried.deliver()
        self._settle()

    def close(self) -> None:
        """Release the pin. Idempotent."""
        self._line.close()

    def _edge(self, high: bool, at: float) -> None:
        with self._lock:
            self._count(self._filter.edge(high, at))
        if self._later is not None:
            self._later(self._hold_s + _LOOK_AFTER_S, self._look)

    def _look(self) -> None:
        # An event loop would log what a callback raises, and go on without the edge.
        with self._carried:
            self._settle()

    def _settle(self) -> None:
        with self._lock:
            self._count(self._filter.settle(self._clock()))

    def _count(self, at: float | None) -> None:
        if at is not None:
            self.count += 1
            self._on_pulse(at)
