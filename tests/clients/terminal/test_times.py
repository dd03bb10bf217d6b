"""Local times for people."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from clients.terminal.times import clock, date_and_time, day_and_time, time_of_day
from controller.storage.boot_clocks import LoggedTime
from rules.boot_time import BootTime

if TYPE_CHECKING:
    from collections.abc import Iterator

MOMENT_S = 1_789_996_400.0
"""13:13:20 UTC on 21 September 2026."""


@pytest.fixture(autouse=True)
def _new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set the machine's time zone."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_times_are_local_and_name_their_zone() -> None:
    """The abbreviation follows daylight saving time."""
    assert time_of_day(MOMENT_S) == "09:13:20 EDT"
    assert date_and_time(MOMENT_S) == "Mon 21 Sep 2026, 09:13:20 EDT"
    assert time_of_day(MOMENT_S + 90 * 86_400) == "08:13:20 EST"


def test_logged_times_mark_an_unsynchronized_clock() -> None:
    """An unknown time is never shown as a time."""
    moment = BootTime("boot", 1.0)
    assert day_and_time(LoggedTime(MOMENT_S, True, moment)) == "Mon 21 Sep 2026, 09:13:20 EDT"
    assert day_and_time(LoggedTime(MOMENT_S, False, moment)) == "Mon 21 Sep 2026, 09:13:20 EDT (?)"
    assert day_and_time(LoggedTime(None, False, moment)) == "at an unknown time"
    assert (clock(LoggedTime(MOMENT_S, True, moment)), clock(LoggedTime(None, False, moment))) == ("09:13:20 EDT", "?")
    assert clock(None) == ""
