"""Local times for people: the machine's time zone, with its abbreviation. JSON, CSV, bus and database use UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from controller.storage.log_reader import LoggedTime

UNKNOWN_TIME = "at an unknown time"


def local(utc_s: float) -> datetime:
    """Return a time in the machine's time zone. `utc_s`: seconds since 1970."""
    return datetime.fromtimestamp(utc_s, UTC).astimezone()


def time_of_day(utc_s: float) -> str:
    """Return `09:13:20 EDT`. `utc_s`: seconds since 1970."""
    return f"{local(utc_s):%H:%M:%S %Z}"


def date_and_time(utc_s: float) -> str:
    """Return `Mon 21 Sep 2026, 09:13:20 EDT`. `utc_s`: seconds since 1970."""
    return f"{local(utc_s):%a %d %b %Y, %H:%M:%S %Z}"


def clock(when: LoggedTime | None) -> str:
    """Return a logged time as `09:13:20 EDT`; an empty string for None, `?` if the time is unknown."""
    if when is None:
        return ""
    return "?" if when.utc_s is None else time_of_day(when.utc_s)


def day_and_time(when: LoggedTime) -> str:
    """Return a logged time as `Mon 21 Sep 2026, 09:13:20 EDT`; `(?)` marks a clock that was not synchronized."""
    if when.utc_s is None:
        return UNKNOWN_TIME
    return date_and_time(when.utc_s) + ("" if when.trusted else " (?)")
