"""Says what repeats itself a few times, then counts it: a log and a card are not there for the same line again."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rules.json_types import Json


class RateLimit:
    """Lets through at most `most` of one kind within `within_s`, and counts the rest."""

    def __init__(self, most: int, within_s: float) -> None:
        self._most = most
        self._within_s = within_s
        self._said: dict[tuple[Json, ...], deque[float]] = {}
        self._suppressed: dict[tuple[Json, ...], int] = {}

    def allow(self, at: float, *kind: Json) -> int | None:
        """Return how many of this kind were left suppressed before this one; None: leave this one suppressed as well."""
        said = self._said.setdefault(kind, deque(maxlen=self._most))
        if len(said) == self._most and at - said[0] < self._within_s:
            self._suppressed[kind] = self._suppressed.get(kind, 0) + 1
            return None
        said.append(at)
        return self._suppressed.pop(kind, 0)
