"""An event loop whose time jumps to the next timer: a day of polling in seconds, and the same every time."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


class _JumpingSelector(selectors.SelectSelector):
    """Selector that never waits: it adds the waiting time to the clock instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            # Time alone will never wake the loop: another thread must.
            return super().select(None)
        self.now += max(0.0, timeout)
        return super().select(0) if not timeout else []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Time begins at 0 and advances only when nothing else is left to do."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def run_virtual(main: Coroutine[object, object, T]) -> T:
    """Run a coroutine to its end on virtual time and return its result."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
