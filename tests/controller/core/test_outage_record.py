"""The one outage that may be open, as rows for the disk."""

from __future__ import annotations

from controller.core.effects import DeleteOutage, SavedState, SaveHistory, SaveOutage
from controller.core.outage_record import OutageRecord
from rules.boot_time import BootTime
from rules.ledger_entry import ShedRecord
from rules.panel import CircuitId, Position

TUB = CircuitId("hot-tub")
BEFORE = {TUB: Position.ON}


def book(*openings: float, boot: str = "boot-1") -> OutageRecord:
    """Return the book of this boot, with what the disk has of earlier openings."""
    return OutageRecord("boot-1", SavedState(last_outage=7, openings=tuple(BootTime(boot, at) for at in openings)))


def opened(at: float = 100.0) -> OutageRecord:
    """Return a book with an outage that has just been opened."""
    one = book()
    one.opened(at, BEFORE, {})
    return one


def debt(since: float = 101.0, boot: str = "boot-1") -> ShedRecord:
    """Return a shed record of the open outage."""
    return ShedRecord(8, Position.ON, BootTime(boot, since), BootTime(boot, since))


def test_an_outage_is_about_then_open_then_closed() -> None:
    """One number, one row; its end is the last closing."""
    one = book()
    one.prepare(100.0, BEFORE)
    assert one.id is None
    one.opened(100.0, {}, {})
    assert one.positions() == BEFORE
    one.opened(500.0, {}, {})
    one.closed(900.0, 1.5, 7.0)
    rows = [row for row in one.take_rows() if isinstance(row, SaveOutage)]
    assert [(row.id, row.stage, row.transfers) for row in rows] == [
        (8, "about", 0),
        (8, "open", 1),
        (8, "open", 2),
        (8, "closed", 2),
    ]
    assert (rows[-1].ended, rows[-1].energy_kwh) == (BootTime("boot-1", 900.0), 1.5)
    assert one.take_rows() == []
    assert one.positions() == {}


def test_a_bounce_takes_its_row_and_its_number_back() -> None:
    """And the bounce of an outage that is open leaves it open."""
    one = book()
    one.prepare(100.0, BEFORE)
    one.cancel()
    one.cancel()
    assert [type(row) for row in one.take_rows()] == [SaveOutage, DeleteOutage]
    one.opened(200.0, BEFORE, {})
    assert one.id == 8
    one.prepare(300.0, {})
    one.cancel()
    assert one.outage is not None
    assert (one.outage.stage, one.positions()) == ("open", BEFORE)


def test_what_is_better_known_when_it_has_settled_is_written_then() -> None:
    """At a start the first edge comes before the broker; a second opening changes no `before` any more."""
    one = book()
    one.prepare(100.0, BEFORE)
    one.opened(100.0, {}, {TUB: Position.UNKNOWN})
    assert one.positions() == {TUB: Position.UNKNOWN}
    one.opened(200.0, {}, {TUB: Position.OFF})
    assert one.positions() == {TUB: Position.UNKNOWN}


def test_a_start_that_finds_about_takes_its_first_edge_for_the_opening() -> None:
    """As far as anybody knows, it has been."""
    row = SaveOutage(8, "about", "outage", BootTime("boot-0", 40.0), None, (), {"hot-tub": "on"})  # type: ignore[dict-item]
    one = OutageRecord("boot-1", SavedState(outage=row, last_outage=8))
    assert one.id is None
    one.resumed()
    one.resumed()
    assert one.id == 8
    assert one.outage is not None
    assert one.outage.openings == (BootTime("boot-0", 40.0),)


def test_each_circuit_has_one_line_in_each_outage() -> None:
    """Shed, confirmed after, restored at, and how it ended."""
    one = opened()
    one.take_rows()
    one.shed(TUB, debt())
    one.shed(TUB, debt())
    one.confirmed(TUB, debt(), 101.25)
    one.confirmed(TUB, debt(), 140.0)
    one.ended(TUB, debt(), "restored", 300.0)
    rows = [row for row in one.take_rows() if isinstance(row, SaveHistory)]
    assert len(rows) == 3
    assert rows[-1] == SaveHistory(8, TUB, BootTime("boot-1", 101.0), 0.25, BootTime("boot-1", 300.0), "restored")


def test_a_shed_record_of_another_boot_has_an_unknown_response_time() -> None:
    """Its line is written all the same when it ends, also where the disk had lost it."""
    one = opened()
    one.take_rows()
    one.confirmed(TUB, debt(boot="boot-0"), 140.0)
    assert one.take_rows() == []
    one.ended(TUB, debt(boot="boot-0"), "tripped")
    (row,) = one.take_rows()
    assert row == SaveHistory(8, TUB, BootTime("boot-0", 101.0), None, None, "tripped")


def test_where_the_meters_counters_stood_is_written_once() -> None:
    """And without an outage there is nothing to write it to."""
    one = book()
    one.set_counters(1000, 5)
    assert one.take_rows() == []
    one.opened(100.0, BEFORE, {})
    one.take_rows()
    one.set_counters(1000, 5)
    one.set_counters(1000, 5)
    (row,) = one.take_rows()
    assert isinstance(row, SaveOutage)
    assert (row.register_tenths, row.pulse_count) == (1000, 5)


def test_an_outage_that_ends_leaves_the_lines_of_what_is_still_owed() -> None:
    """They are completed when the circuit is restored, months later if need be."""
    one = opened()
    one.shed(TUB, debt())
    one.closed(900.0, None, None)
    one.take_rows()
    one.ended(TUB, debt(), "restored", 5000.0)
    (row,) = one.take_rows()
    assert isinstance(row, SaveHistory)
    assert row.shed_at == BootTime("boot-1", 101.0)
