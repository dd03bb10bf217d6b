"""A state folder of the version before the names were changed: migrated, loaded, shown and replayed."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from clients.replay.replay import replay
from controller.recording.stored_names import ALARMS, COMMAND_RULES, ENDS, EVENT_FIELDS, EVENTS
from controller.storage.log_reader import EventLog
from controller.storage.recording_reader import recorded
from controller.storage.schema import LEDGER, open_for_reading, open_for_writing
from controller.storage.store import Store
from rules.boot_time import BootTime
from rules.ledger_entry import from_row
from rules.panel import CircuitId, Position
from tests.pages import ROOT

if TYPE_CHECKING:
    from pathlib import Path

OLD = ROOT / "tests" / "controller" / "storage" / "old_state" / "ledger.db"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a copy of the old state folder."""
    shutil.copy(OLD, tmp_path)
    return tmp_path


def migrated(folder: Path) -> sqlite3.Connection:
    """Migrate the ledger as the daemon does at its start; return it."""
    return open_for_writing(folder, LEDGER)


def test_fixture_is_of_the_old_schema(folder: Path) -> None:
    """Otherwise the tests below would show nothing."""
    with closing(sqlite3.connect(folder / "ledger.db")) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (3,)
        assert "debt" in db.execute("SELECT row FROM entries WHERE circuit = 'pump'").fetchone()[0]
        assert db.execute("SELECT count(*) FROM events WHERE event = 'commanded_off'").fetchone()[0] == 8


def test_owed_circuits_hold_and_override_survive_the_migration(folder: Path) -> None:
    """The next start must restore what the old program switched off."""
    store = Store(folder, "another-boot", print, lambda: None)
    memory = store.load()
    store.close()
    entries = {circuit: from_row(row, BootTime("another-boot", 1.0)) for circuit, row in memory.entries.items()}
    assert {circuit for circuit, entry in entries.items() if entry.owed} == {"pump", "dryer", "car"}
    record = entries[CircuitId("pump")].shed_record
    assert record is not None
    assert (record.before, record.confirmed, record.needs_request) == (Position.ON, True, False)
    hold = entries[CircuitId("dryer")].hold
    assert hold is not None
    assert (hold.by, hold.note) == ("Ann", "new belt")
    assert entries[CircuitId("tub")].taken_over
    assert memory.outage is not None
    assert memory.last_outage == 2


def test_no_old_name_is_left_in_the_ledger(folder: Path) -> None:
    """Events, their fields, ends of outages and ledger keys."""
    with closing(migrated(folder)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (LEDGER.version,)
        events = {event for (event,) in db.execute("SELECT DISTINCT event FROM events")}
        details = [json.loads(text) for (text,) in db.execute("SELECT about FROM events")]
        ends = {end for (end,) in db.execute("SELECT end FROM histories")}
        rows = " ".join(row for (row,) in db.execute("SELECT row FROM entries"))
    assert not events & EVENTS.keys()
    assert {"state_changed", "off_sent", "on_sent", "request_received", "restore_finished"} <= events
    assert not {key for fields in details for key in fields} & EVENT_FIELDS.keys()
    assert not {fields.get("rule") for fields in details} & COMMAND_RULES.keys()
    assert not {fields.get("alarm") for fields in details} & ALARMS.keys()
    assert ends == {"restored", "user_request", None}
    assert not ends & ENDS.keys()
    assert not [word for word in ('"debt"', '"waits"', '"who"', '"left_off"', '"switched"') if word in rows]


def test_a_crash_in_the_middle_leaves_the_old_ledger_whole(folder: Path) -> None:
    """The step is one transaction: the next start does it again."""
    with closing(sqlite3.connect(folder / "ledger.db")) as db:
        db.execute("CREATE TRIGGER full BEFORE UPDATE ON histories BEGIN SELECT RAISE(ABORT, 'disk full'); END")
        db.commit()
    with pytest.raises(sqlite3.DatabaseError):
        migrated(folder)
    with closing(sqlite3.connect(folder / "ledger.db")) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (3,)
        assert "debt" in db.execute("SELECT row FROM entries WHERE circuit = 'pump'").fetchone()[0]
        db.execute("DROP TRIGGER full")
        db.commit()
    with closing(migrated(folder)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (LEDGER.version,)


def test_a_second_start_migrates_nothing(folder: Path) -> None:
    """The bytes of the rows stay as the first start left them."""
    rows = "SELECT circuit, row FROM entries ORDER BY circuit"
    with closing(migrated(folder)) as db:
        first = db.execute(rows).fetchall()
    with closing(migrated(folder)) as db:
        assert db.execute(rows).fetchall() == first


def test_old_outages_are_shown(folder: Path) -> None:
    """As `loadshed outages` and `report` read them."""
    migrated(folder).close()
    with EventLog(folder) as log:
        outages = log.outages()
        assert [outage.id for outage in outages] == [1, 2]
        assert {history.end for history in outages[0].histories} == {"restored"}
        assert any(event.event == "off_sent" for event in log.events())


def test_an_old_recording_replays_with_the_same_commands(folder: Path) -> None:
    """Format 1 is read through the table of old names."""
    migrated(folder).close()
    with closing(open_for_reading(folder, LEDGER)) as db:
        (session,) = recorded(db, [])
    turns = [*replay(session)]
    assert sum(len(turn.turn.commands) for turn in turns) == 6  # the rest was not on disk when it was killed
    assert [turn.decided for turn in turns] == [turn.turn.commands for turn in turns]
