"""One line of the ledger: what of it outlives a crash, and what may be relied on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from rules.boot_time import BootTime
from rules.ledger_entry import CircuitEntry, Hold, LastSwitch, ShedCause, ShedRecord, from_row, to_row
from rules.panel import Position

if TYPE_CHECKING:
    from rules.json_types import Json

ON, OFF, TRIPPED, UNKNOWN = Position.ON, Position.OFF, Position.TRIPPED, Position.UNKNOWN
THEN, NOW = BootTime("boot-1", 50.0), BootTime("boot-1", 90.0)
AFTER_A_BOOT = BootTime("boot-2", 8.0)


def full() -> CircuitEntry:
    """Return a line with everything in it that outlives a crash."""
    return CircuitEntry(
        retained_position=OFF,
        shed_record=ShedRecord(
            3, ON, THEN, THEN, ShedCause.POWER_LOSS, confirmed=True, needs_request=True, released=True
        ),
        taken_over=True,
        left_off_manually=True,
        hold=Hold("Ann", "filter is out", THEN),
        last_switch=LastSwitch(OFF, "the controller", THEN),
    )


def again(entry: CircuitEntry, now: BootTime) -> CircuitEntry:
    """Return the line as a start at `now` finds it."""
    row: dict[str, Json] = json.loads(json.dumps(to_row(entry)))
    return from_row(row, now)


def test_a_line_comes_back_from_the_disk_as_it_was() -> None:
    """Position, shed record, hold, override, left off and who switched it, through JSON and back."""
    assert again(full(), NOW) == full()


def test_an_empty_line_comes_back_empty() -> None:
    """Nothing known, nothing owed."""
    assert again(CircuitEntry(), NOW) == CircuitEntry()


def test_a_rest_that_began_in_an_earlier_boot_is_counted_from_this_start() -> None:
    """How long the machine was down is unknown, and a compressor must not be started early."""
    debt = again(full(), AFTER_A_BOOT).shed_record
    assert debt is not None
    assert (debt.since, debt.off_at) == (THEN, AFTER_A_BOOT)


def test_seconds_between_two_boots_are_not_known() -> None:
    """The monotonic clock restarts with each."""
    assert THEN.since(NOW) == 40.0
    assert THEN.since(AFTER_A_BOOT) is None


DEBT: dict[str, Json] = {
    "outage": 1,
    "before": "on",
    "since": ["b", 1.0],
    "off_at": ["b", 1.0],
    "cause": "shed",
    "confirmed": False,
    "needs_request": False,
    "released": False,
}
A_LIST, WHOLE = "a time is a list of boot ID and seconds, not ", "an outage number is an integer, not "
FOREIGN: tuple[tuple[dict[str, Json], str], ...] = (
    # the row, what is wrong with it
    ({}, "position"),
    ({"position": "ajar"}, "ajar"),
    ({"position": "on", "shed_record": {}}, "off_at"),
    ({"position": "on", "shed_record": DEBT | {"outage": "one"}}, f"{WHOLE}'one'"),
    ({"position": "on", "shed_record": DEBT | {"since": "yesterday"}}, f"{A_LIST}'yesterday'"),
    ({"position": "on", "shed_record": DEBT | {"off_at": ["b"]}}, "not enough values"),
    ({"position": "on", "shed_record": DEBT | {"off_at": ["b", "soon"]}}, "soon"),
    ({"position": "on", "shed_record": DEBT | {"cause": "spite"}}, "spite"),
    ({"position": "on", "hold": {"by": "Ann"}}, "note"),
    ({"position": "on", "last_switch": {"position": "on", "actor": "Ann", "at": None}}, f"{A_LIST}None"),
)


@pytest.mark.parametrize(("row", "wrong"), FOREIGN)
def test_a_row_that_is_not_ours_is_refused(row: dict[str, Json], wrong: str) -> None:
    """A disk may hold anything; half a shed record would be worse than none."""
    with pytest.raises((KeyError, TypeError, ValueError), match=wrong):
        from_row(row, NOW)


RELIABLE = (
    # reported, live, on the disk, may be relied on, before (as-was), before (wakes off)
    (ON, True, OFF, ON, ON, ON),
    (OFF, True, ON, OFF, OFF, OFF),
    (ON, False, ON, ON, ON, ON),
    (OFF, False, OFF, OFF, OFF, OFF),
    (ON, False, OFF, UNKNOWN, UNKNOWN, UNKNOWN),
    (OFF, False, ON, UNKNOWN, UNKNOWN, ON),
    (TRIPPED, False, ON, UNKNOWN, UNKNOWN, UNKNOWN),
    (UNKNOWN, False, ON, UNKNOWN, ON, ON),
    (UNKNOWN, False, OFF, UNKNOWN, OFF, OFF),
    (UNKNOWN, False, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN),
)


@pytest.mark.parametrize(("reported", "live", "disk", "known", "as_was", "wakes_off"), RELIABLE)
def test_a_position_counts_where_the_device_says_it_or_disk_and_broker_agree(
    reported: Position, *, live: bool, disk: Position, known: Position, as_was: Position, wakes_off: Position
) -> None:
    """A retained report is what the broker remembers, not what is. A relay that wakes off fell with the power."""
    entry = CircuitEntry(position=reported, live=live, retained_position=disk)
    assert entry.known is known
    assert entry.position_before(wakes_off=False) is as_was
    assert entry.position_before(wakes_off=True) is wakes_off


HEARD = (
    # our OFF at, reported at, live, heard since
    (None, None, False, False),
    (None, 4.0, True, True),
    (5.0, None, False, False),
    (5.0, 5.0, True, False),
    (5.0, 5.1, True, True),
)


@pytest.mark.parametrize(("off_at", "reported_at", "live", "heard"), HEARD)
def test_a_device_has_reported_since_our_off_if_its_report_came_later(
    off_at: float | None, reported_at: float | None, live: bool, heard: bool
) -> None:
    """Before our first OFF of this start, any live word will do."""
    assert CircuitEntry(off_sent_at=off_at, reported_at=reported_at, live=live).reported_since_off is heard


def test_a_circuit_is_owed_once_its_off_was_sent() -> None:
    """Planned is not switched."""
    planned = CircuitEntry(shed_record=ShedRecord(1, ON, THEN, THEN, commanded=False))
    assert (CircuitEntry().owed, planned.owed, full().owed) == (False, False, True)
