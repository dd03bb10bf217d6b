"""Rate limiter for repeated log entries."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable


class RateLimit:
    """Allows at most `maximum` entries of one kind within `window_s` seconds and counts the others."""

    def __init__(self, maximum: int, window_s: float) -> None:
        self._maximum = maximum
        self._window_s = window_s
        self._allowed_at: dict[tuple[Hashable, ...], deque[float]] = {}
        self._suppressed: dict[tuple[Hashable, ...], int] = {}

    def allow(self, at: float, *kind: Hashable) -> int | None:
        """Return the number of entries of this kind suppressed since the last one; None: suppress this one too.

        `at`: monotonic seconds.
        """
        allowed_at = self._allowed_at.setdefault(kind, deque(maxlen=self._maximum))
        if len(allowed_at) == self._maximum and at - allowed_at[0] < self._window_s:
            self._suppressed[kind] = self._suppressed.get(kind, 0) + 1
            return None
        allowed_at.append(at)
        return self._suppressed.pop(kind, 0)
