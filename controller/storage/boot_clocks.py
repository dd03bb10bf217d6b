"""Clocks of the recorded boots: wall times in the right order, and the time that certainly passed between two events.

A Pi has no battery-backed clock. After a power cut it may boot with a clock that is behind and never set: the times of
two boots then cannot be subtracted.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rules.boot_time import BootTime

CLOCK_STEP_S = 1.0
"""Difference in seconds by which two set clocks may contradict each other: a time server corrects by less."""


@dataclass(frozen=True, slots=True)
class LoggedTime:
    """A time for display. `utc_s`: seconds since 1970, None if nothing is known about its boot.

    `trusted`: the clock was correct in that boot; if not, `utc_s` is no earlier than any recorded time before it.
    `moment`: the stored time, for differences within one boot. `ran_s`: seconds the program is known to have run before
    it, in all boots; None: nothing is known about its boot.
    """

    utc_s: float | None
    trusted: bool
    moment: BootTime
    ran_s: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Elapsed:
    """Time between two events in seconds. `at_least`: it is a lower bound, the clocks do not show more."""

    seconds: float
    at_least: bool = False


def elapsed(first: LoggedTime, second: LoggedTime) -> Elapsed | None:
    """Return the time from `first` to `second`, negative if `second` was earlier; None: unknown.

    Exact within one boot, and between two boots whose clocks were both set and do not contradict the time that
    certainly passed. Otherwise that time is the lower bound.
    """
    if first.moment.boot == second.moment.boot:
        return Elapsed(second.moment.mono - first.moment.mono)
    ran_s = None if first.ran_s is None or second.ran_s is None else second.ran_s - first.ran_s
    if first.trusted and second.trusted and first.utc_s is not None and second.utc_s is not None:
        wall_s = second.utc_s - first.utc_s
        if ran_s is None or (wall_s * ran_s >= 0 and abs(wall_s) >= abs(ran_s) - CLOCK_STEP_S):
            return Elapsed(wall_s)
    return None if ran_s is None else Elapsed(ran_s, at_least=True)


@dataclass(frozen=True, slots=True)
class RecordedBoot:
    """One boot. `offset_s`: seconds since 1970 at its monotonic 0, by a clock that was set (`trusted`) or not.

    `first`, `last`: first and last recorded event in it, monotonic seconds.
    """

    id: str
    offset_s: float
    trusted: bool
    first: float = 0.0
    last: float = 0.0


class BootClocks:
    """Converts stored times for display. `boots`: in the order in which the machine booted."""

    def __init__(self, boots: Sequence[RecordedBoot]) -> None:
        self._boots: dict[str, RecordedBoot] = {boot.id: boot for boot in in_order(boots)}
        self._ran_before: dict[str, float] = {}
        ran_s = 0.0
        for boot in boots:
            self._ran_before[boot.id] = ran_s
            ran_s += boot.last - boot.first
        self._latest = boots[-1].id if boots else None

    def when(self, moment: BootTime) -> LoggedTime:
        """Return a stored time for display."""
        boot = self._boots.get(moment.boot)
        if boot is None:
            return LoggedTime(None, trusted=False, moment=moment)
        last = max(moment.mono, boot.last) if boot.id == self._latest else boot.last
        ran_s = self._ran_before[boot.id] + max(0.0, min(moment.mono, last) - boot.first)
        return LoggedTime(boot.offset_s + moment.mono, boot.trusted, moment, ran_s)


def in_order(boots: Sequence[RecordedBoot]) -> tuple[RecordedBoot, ...]:
    """Return the boots with offsets that contradict neither their order nor the clocks that were set.

    Of two set clocks that contradict each other, the later one counts. A clock that was not set is moved as little as
    possible: the boot began after the last event of the one before, and ended before the next set clock's first.
    """
    limit = float("inf")  # by then the boot had ended
    placed: list[tuple[RecordedBoot, float]] = []
    for boot in reversed(boots):
        latest = limit - boot.last
        trusted = boot.trusted and boot.offset_s <= latest + CLOCK_STEP_S
        limit = boot.offset_s if trusted else latest
        placed.append((replace(boot, trusted=trusted), latest))
    earliest = float("-inf")
    ordered: list[RecordedBoot] = []
    for boot, latest in reversed(placed):
        offset_s = boot.offset_s if boot.trusted else max(min(boot.offset_s, latest), earliest)
        ordered.append(replace(boot, offset_s=offset_s))
        earliest = offset_s + boot.last
    return tuple(ordered)


def merged(first: Sequence[str], second: Sequence[str]) -> tuple[str, ...]:
    """Return the ids of two databases' boots in one order: if one was set aside, the other has the older boots."""
    order = list(first)
    place = len(order)
    for boot in reversed(second):
        if boot in order:
            place = order.index(boot)
        else:
            order.insert(place, boot)
    return tuple(order)


def spans(*recorded: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """Return the first and the last time of each boot, from several records of it."""
    found: dict[str, tuple[float, float]] = {}
    for record in recorded:
        for boot, (first, last) in record.items():
            known = found.get(boot, (first, last))
            found[boot] = min(known[0], first), max(known[1], last)
    return found
