"""The store on a disk that fails, and under a program that is killed: nothing stops, and nothing is lost in silence."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from controller.core.effects import SavedState
from controller.storage.log_reader import EventLog
from controller.storage.schema import LEDGER, UnusableDatabaseError, open_for_reading, open_for_writing
from rules.panel import CircuitId
from tests.controller.storage.state_folder import (
    BOOT,
    FRIDGE,
    LATER_BOOT,
    TUB,
    Ear,
    entry,
    event,
    history,
    outage,
    sample,
    store_in,
)
from tests.pages import ROOT
from tests.processes import LIMIT_S, killed_after

if TYPE_CHECKING:
    from pathlib import Path

# More than the making of the database leaves in its log.
COMMITS_BYTES = 60_000


def filled(folder: Path) -> None:
    """Leave a ledger with a shed record and an open outage."""
    store = store_in(folder, Ear())
    store.load()
    store.put([entry(TUB, shed_record=1), outage(1), history(1), sample(20.0), event(10.0)])
    store.close()


def program(text: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a program of its own that uses the store."""
    command = [sys.executable, "-c", text, *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


# --- killed ----------------------------------------------------------------------------------------------------------

WRITER = """
import sys
from pathlib import Path
from controller.storage.store import Store
from tests.controller.storage.state_folder import *

store = Store(Path(sys.argv[1]), BOOT, print, print)
memory = store.load()
number = int(memory.entries[TUB]["number"]) if memory.entries else 0
while True:
    number += 1
    store.put([entry(TUB, number=number), entry(FRIDGE, number=number), outage(number), event(float(number))])
    print(number, flush=True)
"""


def test_a_program_killed_at_any_moment_leaves_whole_commits(tmp_path: Path) -> None:
    """What was put together is there together, and nothing twice."""
    for rounds in range(8):
        with program(WRITER, tmp_path) as writer, killed_after(writer):
            assert writer.stdout is not None
            for _ in range(1 + 300 * rounds):
                assert writer.stdout.readline().strip().isdigit()
            writer.kill()
        store = store_in(tmp_path, Ear())
        memory = store.load()
        store.close()
        assert {circuit: kept["number"] for circuit, kept in memory.entries.items()} == (
            {TUB: memory.last_outage, FRIDGE: memory.last_outage} if memory.last_outage else {}
        )
        with EventLog(tmp_path) as log:
            assert len([*log.events()]) == memory.last_outage


# --- damaged ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage", [b"not a database", b"SQLite format 3\0" + b"\xff" * 4096, "torn", "no text", "no format", "emptied"]
)
def test_a_damaged_ledger_is_set_aside_reported_and_replaced(tmp_path: Path, damage: bytes | str) -> None:
    """Kept, never deleted; the house stays protected."""
    filled(tmp_path)
    path = tmp_path / "ledger.db"
    match damage:
        case bytes():
            path.write_bytes(damage)
        case "torn":
            path.write_bytes(path.read_bytes()[:4096] + b"\xa5" * (path.stat().st_size - 4096))
        case "no text":  # SQLite quotes what it cannot read, and Python cannot decode that
            path.write_bytes(path.read_bytes().replace(b"CREATE TABLE events", b"\xe6REATE TABLE events"))
        case "no format":
            path.write_bytes(path.read_bytes()[:44] + b"\xff" * 4 + path.read_bytes()[48:])
        case _:
            with closing(sqlite3.connect(path)) as db:
                db.execute("DROP TABLE entries")
    lost = path.read_bytes()
    ear = Ear()
    store = store_in(tmp_path, ear, LATER_BOOT)
    assert store.load() == SavedState()
    store.put([entry(FRIDGE, shed_record=2)])
    said = ear.next()
    assert "set aside as ledger.db.damaged-1" in said
    assert "what was owed is unknown" in said
    assert ear.next() == "recovered"
    store.close()
    assert (tmp_path / "ledger.db.damaged-1").read_bytes() == lost
    store = store_in(tmp_path, Ear())
    assert store.load().entries == {FRIDGE: {"shed_record": 2}}
    store.close()


def test_a_ledger_damaged_while_running_is_rewritten_in_full(tmp_path: Path) -> None:
    """Every known shed record goes into the new one."""
    filled(tmp_path)
    ear = Ear()
    store = store_in(tmp_path, ear)
    memory = store.load()
    # The card loses all but the first page of the database while it is open; its cache of that page is stale too.
    store._ledger.close()
    path = tmp_path / "ledger.db"
    path.write_bytes(path.read_bytes()[:4096] + b"\xa5" * (path.stat().st_size - 4096))
    store.put([entry(FRIDGE, shed_record=2)])
    assert "set aside as ledger.db.damaged-1" in ear.next()
    assert ear.next() == "recovered"
    store.close()
    store = store_in(tmp_path, Ear())
    renewed = store.load()
    assert (renewed.outage, renewed.history, renewed.last_outage) == (memory.outage, memory.history, 1)
    assert renewed.entries == {TUB: {"shed_record": 1}, FRIDGE: {"shed_record": 2}}
    store.close()


def test_damaged_samples_cost_the_samples_alone(tmp_path: Path) -> None:
    """The ledger is not affected, and the log is shown without the curve."""
    filled(tmp_path)
    (tmp_path / "samples.db").write_bytes(b"not a database")
    with EventLog(tmp_path) as log:
        assert (len(log.outages()), [*log.samples(1)]) == (1, [])
    ear = Ear()
    store = store_in(tmp_path, ear)
    assert store.load().last_outage == 1
    store.put([sample(30.0)])
    store.close()
    said, recovered = ear.rest()
    assert "set aside as samples.db.damaged-1, a new one is created" in said
    assert recovered == "recovered"
    with EventLog(tmp_path) as log:
        assert [row.at.moment.mono for row in log.samples(1)] == [30.0]


def test_each_damaged_file_has_a_name_of_its_own_and_there_is_an_end_to_it(tmp_path: Path) -> None:
    """A card that spoils every file is not to be filled with them."""
    (tmp_path / "ledger.db.damaged-1").touch()
    lane = store_in(tmp_path, Ear())._ledger
    told = []
    for _ in range(3):
        (tmp_path / "ledger.db").write_bytes(b"not a database")
        told.append(lane.replace(UnusableDatabaseError("damaged", "spoilt"))[-50:])
    assert [f"ledger.db.damaged-{number}" in one for number, one in zip((2, 3, 4), told, strict=True)] == [True] * 3
    with pytest.raises(OSError, match="no longer set aside"):
        lane.replace(UnusableDatabaseError("damaged", "spoilt"))


def test_a_damaged_ledger_that_cannot_be_set_aside_stops_no_start(tmp_path: Path) -> None:
    """It is said, and tried again."""
    (tmp_path / "ledger.db").write_bytes(b"not a database")
    ear = Ear()
    store = store_in(tmp_path, ear)
    store._ledger.set_aside = 3
    assert store.load() == SavedState()
    store.put([entry(TUB, shed_record=1)])
    assert "cannot be set aside" in ear.next()
    store._ledger.set_aside = 0
    assert "set aside as ledger.db.damaged-1" in ear.next()
    assert ear.next() == "recovered"
    store.close()


def test_one_flipped_bit_in_a_row_costs_that_row(tmp_path: Path) -> None:
    """SQLite does not detect it; the other shed records are unaffected."""
    filled(tmp_path)
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as db:
        db.execute("INSERT INTO entries VALUES ('fridge', '{\"debt\":')")
        db.execute("UPDATE outages SET openings = '[[1]]'")
        db.commit()
    ear = Ear()
    store = store_in(tmp_path, ear)
    memory = store.load()
    store.close()
    assert (memory.entries, memory.outage, memory.last_outage) == ({TUB: {"shed_record": 1}}, None, 1)
    assert [*ear.rest()][:2] == ["the ledger's entry of fridge cannot be read", "outage 1 cannot be read"]


# --- other versions --------------------------------------------------------------------------------------------------

NEXT = replace(LEDGER, steps=(*LEDGER.steps, "ALTER TABLE entries ADD COLUMN note TEXT;"))


@pytest.mark.parametrize("version", [1, 2])
def test_a_file_of_an_older_version_is_read_by_this_one(tmp_path: Path, version: int) -> None:
    """The outage under way in it has no marks of the meter's counters; nothing else is missing."""
    tables = LEDGER.tables - {"evidence", "loads"}
    with closing(open_for_writing(tmp_path, replace(LEDGER, steps=LEDGER.steps[:version], tables=tables))) as db:
        db.execute("INSERT INTO boots VALUES (1, 'boot-1', 1000.0, 1)")
        db.execute("INSERT INTO entries VALUES ('hot-tub', '{\"debt\":1}')")
        row = (1, "open", "outage", BOOT, 10.0, '[["boot-1", 10.0]]', '{"hot-tub":"on","fridge":"off"}', 1.5, 4.25)
        db.execute(
            "INSERT INTO outages (id, stage, kind, began_boot, began, openings, before, energy_kwh, peak_15min_kw)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            row,
        )
        db.execute("INSERT INTO events VALUES (1, 1, 10.5, 'state', NULL, '{}')")
        db.execute("INSERT INTO histories VALUES (1, 'hot-tub', 'boot-1', 11.0, 0.25, NULL, NULL, NULL)")
    store = store_in(tmp_path, Ear())
    memory = store.load()
    store.put([event(11.0)])
    store.close()
    assert memory.entries == {TUB: {"shed_record": 1}}
    unmarked = outage(1)
    assert memory.outage is not None
    assert (memory.outage.before, memory.outage.openings) == (unmarked.before, unmarked.openings)
    assert (memory.outage.register_tenths, memory.outage.pulse_count) == (None, None)
    assert [row.confirmed_after_s for row in memory.history] == [0.25]
    with EventLog(tmp_path) as log:
        assert [row.at.utc_s for row in log.events()] == [1010.5, 1011.0]


def test_an_older_file_is_brought_up_to_date_with_all_that_is_in_it(tmp_path: Path) -> None:
    """Step by step, and once."""
    filled(tmp_path)
    for _ in range(2):
        with closing(open_for_writing(tmp_path, NEXT)) as db:
            assert db.execute("SELECT circuit, row, note FROM entries").fetchall() == [(TUB, '{"shed_record":1}', None)]
            assert db.execute("PRAGMA user_version").fetchone() == (LEDGER.version + 1,)


def test_a_step_that_cannot_be_taken_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    """A step is complete or not done."""
    filled(tmp_path)
    broken = replace(LEDGER, steps=(*LEDGER.steps, "DROP TABLE entries; ALTER TABLE nothing ADD COLUMN note TEXT;"))
    with pytest.raises(sqlite3.OperationalError):
        open_for_writing(tmp_path, broken)
    with EventLog(tmp_path) as log:
        assert len(log.outages()) == 1


def test_a_file_of_a_newer_program_is_set_aside_and_not_spoilt(tmp_path: Path) -> None:
    """After a downgrade and an upgrade, the newer file is found again."""
    filled(tmp_path)
    open_for_writing(tmp_path, NEXT).close()
    ear = Ear()
    store = store_in(tmp_path, ear)
    assert store.load() == SavedState()
    store.close()
    newer = f"ledger.db is from a newer version of loadshed (schema {LEDGER.version + 1})"
    assert f"{newer}: set aside as ledger.db.newer-1" in ear.next()
    with closing(sqlite3.connect(tmp_path / "ledger.db.newer-1")) as db:
        assert db.execute("SELECT circuit FROM entries").fetchall() == [(TUB,)]


# --- full and read-only ----------------------------------------------------------------------------------------------

FULL = """
import resource, sys
from pathlib import Path
from tests.controller.storage.state_folder import *

ear = Ear()
store = store_in(Path(sys.argv[1]), ear)
store.load()
store.put([entry(TUB, shed_record=1)])
# From here on no file grows: what SQLite sees of a full disk. (Python lets the signal of it pass.)
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, resource.RLIM_INFINITY))
for number in range(1500):
    store.put([entry(CircuitId(f"c{number}"), shed_record=number), event(float(number)), sample(float(number))])
print(ear.next(), flush=True)
sys.stdin.readline()
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
store.put([entry(TUB, shed_record=2)])
print(ear.next(), flush=True)
store.close()
print([*ear.rest()], flush=True)
"""


def test_a_full_disk_is_said_once_and_written_to_when_there_is_room(tmp_path: Path) -> None:
    """No row that was added in between is missing."""
    with program(FULL, tmp_path) as full, killed_after(full):
        assert full.stdin is not None
        assert full.stdout is not None
        assert "cannot be written" in full.stdout.readline()
        full.stdin.write("\n")
        full.stdin.flush()
        assert full.stdout.readline() == "recovered\n"
        assert full.stdout.readline() == "[]\n"
    store = store_in(tmp_path, Ear())
    memory = store.load()
    store.close()
    assert memory.entries == {TUB: {"shed_record": 2}} | {
        CircuitId(f"c{number}"): {"shed_record": number} for number in range(1500)
    }
    with EventLog(tmp_path) as log:
        assert (len([*log.events()]), len([*log.samples(1)])) == (1500, 1500)


# Everything is imported as root, because an unprivileged user may not even read where Python is installed.
READ_ONLY = """
import os, shutil, sys, tempfile
from pathlib import Path
from tests.controller.storage.state_folder import *
from controller.storage.log_reader import EventLog

if os.geteuid() == 0:
    os.setuid(65534)
folder = Path(sys.argv[1])
ear = Ear()
store = store_in(folder, ear)
memory = store.load()
print(sorted(memory.entries), memory.last_outage, flush=True)
store.put([entry(FRIDGE, shed_record=2)])
print(ear.next(), flush=True)
store.close()
with EventLog(folder) as log:
    print(len(log.outages()), len([*log.samples(1)]), len([*log.events()]), flush=True)
"""


def locked(folder: Path) -> Path:
    """Make the folder read-only."""
    for path in (*folder.iterdir(), folder):
        path.chmod(0o555 if path.is_dir() else 0o444)
    # A test's folders belong to its owner alone, and root must become another user to be refused anything.
    for parent in folder.parents:
        if parent.stat().st_uid == os.geteuid() and parent.is_relative_to("/tmp"):  # noqa: S108
            parent.chmod(parent.stat().st_mode | 0o055)
    return folder


@pytest.mark.parametrize("killed", [False, True])
def test_a_folder_that_cannot_be_written_is_read_all_the_same(tmp_path: Path, killed: bool) -> None:
    """Also where the last program was killed, and left its newest commits in the log beside the database."""
    folder = tmp_path / "state"
    if killed:
        with program(WRITER, folder) as writer, killed_after(writer):
            assert writer.stdout is not None
            while writer.stdout.readline():
                if (folder / "ledger.db-wal").stat().st_size > COMMITS_BYTES:
                    break
            writer.kill()
        (folder / "ledger.db-shm").unlink()
        shutil.copytree(folder, tmp_path / "copy")
        with closing(open_for_reading(tmp_path / "copy", LEDGER)) as db:
            outages = len(db.execute("SELECT * FROM outages").fetchall())
        entries, expected = "['fridge', 'hot-tub']", f"{outages} 0 {outages}"
    else:
        filled(folder)
        outages, entries, expected = 1, "['hot-tub']", "1 1 1"
    with program(READ_ONLY, locked(folder)) as other:
        told = other.communicate(timeout=LIMIT_S)[0].splitlines()
    folder.chmod(0o755)
    assert told[0] == f"{entries} {outages}"
    assert "cannot be written: " in told[1]
    assert told[-1] == expected


def test_a_folder_that_is_a_file_stops_no_start(tmp_path: Path) -> None:
    """It is said once, and what is put is written when the folder is there."""
    (tmp_path / "state").touch()
    ear = Ear()
    store = store_in(tmp_path / "state", ear)
    assert store.load() == SavedState()
    store.put([entry(TUB, shed_record=1), sample(1.0)])
    assert "cannot be written" in ear.next()
    (tmp_path / "state").unlink()
    assert ear.next() == "recovered"
    store.close()
    assert [*ear.rest()] == []
    store = store_in(tmp_path / "state", Ear(), BOOT)
    assert store.load().entries == {TUB: {"shed_record": 1}}
    store.close()


def test_lines_lost_to_a_disk_that_failed_are_counted_in_the_log(tmp_path: Path) -> None:
    """A gap is said, never silent."""
    store = store_in(tmp_path, Ear())
    store._ledger.rows.lost = 12
    store.load()
    store.put([event(1.0)])
    store.close()
    store = store_in(tmp_path, Ear())
    store.load()
    store.close()
    with EventLog(tmp_path) as log:
        assert [(row.event, row.details) for row in log.events()][-1] == (
            "rows_lost",
            {"file": "ledger.db", "rows": 12},
        )


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_mistake_of_our_own_ends_the_thread_and_is_no_failure_of_the_disk(tmp_path: Path) -> None:
    """The watchdog then ends the program; nothing is tried for ever."""
    filled(tmp_path)
    ear = Ear()
    store = store_in(tmp_path, ear)
    store.load()
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as db:
        db.execute("ALTER TABLE entries RENAME COLUMN row TO column")
        db.execute("ALTER TABLE entries ADD COLUMN third")
        db.commit()
    store.put([entry(FRIDGE, shed_record=2)])
    store.close()
    assert not store.alive
    assert [*ear.rest()] == []
    with EventLog(tmp_path) as log:
        assert len(log.outages()) == 1
