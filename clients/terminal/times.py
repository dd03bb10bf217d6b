"""Local times for people in what the commands write. JSON, CSV, bus and database use UTC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.terminal.tables import format_span
from controller.config.local_time import LocalTime

if TYPE_CHECKING:
    from datetime import datetime

    from controller.config.installer import Installer
    from controller.storage.boot_clocks import Elapsed, LoggedTime

UNKNOWN_TIME = "at an unknown time"


class _InUse:
    """Local time of this command: the system's until a configuration has been read."""

    def __init__(self) -> None:
        self.local_time = LocalTime.of(None, None)


_in_use = _InUse()


def use_local_time(installer: Installer | None) -> None:
    """Write times from now on as the house's configuration has it; None: as the system does."""
    zone, twelve = (None, None) if installer is None else (installer.site.timezone, installer.site.clock)
    _in_use.local_time = LocalTime.of(zone, twelve)


def local(utc_s: float) -> datetime:
    """Return a time in the house's time zone. `utc_s`: seconds since 1970."""
    return _in_use.local_time.at(utc_s)


def short_time(utc_s: float) -> str:
    """Return `6:06 PM` or `18:06`. `utc_s`: seconds since 1970."""
    return _in_use.local_time.short(utc_s)


def time_of_day(utc_s: float) -> str:
    """Return `6:06:20 PM EDT` or `18:06:20 EDT`. `utc_s`: seconds since 1970."""
    return _in_use.local_time.time_of_day(utc_s)


def date_and_time(utc_s: float) -> str:
    """Return `Mon 21 Sep 2026, 6:06:20 PM EDT`, or with 18:06:20. `utc_s`: seconds since 1970."""
    return _in_use.local_time.date_and_time(utc_s)


def clock(when: LoggedTime | None) -> str:
    """Return a logged time as `09:13:20 EDT`; an empty string for None, `?` if the time is unknown.

    `(?)` marks a clock that was not synchronized.
    """
    if when is None:
        return ""
    return "?" if when.utc_s is None else time_of_day(when.utc_s) + _mark(when)


def day_and_time(when: LoggedTime) -> str:
    """Return a logged time as `Mon 21 Sep 2026, 09:13:20 EDT`; `(?)` marks a clock that was not synchronized."""
    if when.utc_s is None:
        return UNKNOWN_TIME
    return date_and_time(when.utc_s) + _mark(when)


def _mark(when: LoggedTime) -> str:
    return "" if when.trusted else " (?)"


def format_elapsed(time: Elapsed | None) -> str:
    """Return a duration as `25 min 10 s`, `at least 25 min 10 s` for a lower bound, `?` for None (unknown)."""
    if time is None:
        return "?"
    return f"at least {format_span(time.seconds)}" if time.at_least else format_span(time.seconds)
