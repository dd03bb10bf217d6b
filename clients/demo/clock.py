"""The clock of a demo's house: seconds that go by faster than ours, for everything in this process."""

from __future__ import annotations

import asyncio
import selectors
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class HouseClock:
    """Monotonic house seconds. `factor`: how many of them go by in one of ours."""

    def __init__(self, factor: float = 1.0) -> None:
        self._ours = time.monotonic
        self._wall_offset = time.time() - time.monotonic()
        self._turned_at = self._ours()
        self._then = self._turned_at
        self.began = self._then
        self.factor = factor

    def __call__(self) -> float:
        return self._then + (self._ours() - self._turned_at) * self.factor

    def wall(self) -> float:
        """Return what the house's wall clock says, in seconds since 1970; it was right when the house began."""
        return self() + self._wall_offset

    def set_speed(self, factor: float) -> None:
        """Run at another speed from now on. The clock never jumps."""
        self._then, self._turned_at = self(), self._ours()
        self.factor = factor

    @contextmanager
    def patch_time(self) -> Iterator[None]:
        """Replace the system's clock by this one for everything in this process.

        The daemon of the demo is the real one, with its windows of 15 minutes; a visitor has one minute. Import what
        reads the time (contact, meter, daemon) inside.
        """
        monotonic, wall = time.monotonic, time.time
        time.monotonic, time.time = self, self.wall
        try:
            yield
        finally:
            time.monotonic, time.time = monotonic, wall

    def loop(self) -> asyncio.AbstractEventLoop:
        """Return an event loop that waits by this clock."""
        return asyncio.SelectorEventLoop(_HouseSelector(self))


class _HouseSelector(selectors.DefaultSelector):
    """Waits as long as house seconds last in ours: the loop reckons in house seconds, the kernel does not."""

    def __init__(self, clock: HouseClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(timeout / self._clock.factor if timeout else timeout)
