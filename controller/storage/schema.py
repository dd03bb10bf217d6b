"""Both databases: schema, opening, migration, and setting aside unusable files."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PAGE_BYTES = 512

_BOOTS = """
CREATE TABLE boots (
  n INTEGER PRIMARY KEY,             -- in the order in which we saw them
  boot TEXT NOT NULL UNIQUE,         -- the kernel's id
  offset REAL NOT NULL,              -- seconds since 1970 less monotonic seconds: put right when the clock is
  trusted INTEGER NOT NULL           -- 1: the clock was known to be right
);
"""

# Times are stored as (boot, monotonic seconds) everywhere: a clock that becomes correct later corrects every row of its
# boot. Events and samples refer to the boot by number, because they are many; the rest by its ID, which is older than
# the row.
_LEDGER_1 = f"""
{_BOOTS}
CREATE TABLE entries (circuit TEXT PRIMARY KEY, row TEXT NOT NULL);
CREATE TABLE outages (
  id INTEGER PRIMARY KEY, stage TEXT NOT NULL, kind TEXT NOT NULL,
  began_boot TEXT NOT NULL, began REAL NOT NULL, ended_boot TEXT, ended REAL,
  openings TEXT NOT NULL,            -- JSON: [[boot, seconds], …]
  before TEXT NOT NULL,              -- JSON: position by circuit
  energy_kwh REAL, peak_15min_kw REAL
);
CREATE TABLE histories (
  outage INTEGER NOT NULL, circuit TEXT NOT NULL,
  shed_boot TEXT, shed REAL, confirmed_after_s REAL, restored_boot TEXT, restored REAL, end TEXT,
  PRIMARY KEY (outage, circuit)
);
CREATE TABLE events (
  id INTEGER PRIMARY KEY, boot INTEGER NOT NULL, at REAL NOT NULL,
  event TEXT NOT NULL, circuit TEXT, about TEXT NOT NULL
);
"""

# Counters of the meter when the outage began.
_LEDGER_2 = """
ALTER TABLE outages ADD COLUMN register_tenths INTEGER;
ALTER TABLE outages ADD COLUMN pulse_count INTEGER;
"""

# Inputs of the engine: a session is one run of the program, in blocks of packed lines, the first with its start.
_LEDGER_3 = """
CREATE TABLE evidence (
  id INTEGER PRIMARY KEY, segment INTEGER NOT NULL, boot INTEGER NOT NULL,
  first_at REAL NOT NULL, last_at REAL NOT NULL, lines BLOB NOT NULL
);
"""

# Rows come in the order of their key: only the end is written, and the oldest are removed from the beginning.
_SAMPLES_1 = f"""
{_BOOTS}
CREATE TABLE samples (
  boot INTEGER NOT NULL, at REAL NOT NULL, outage INTEGER NOT NULL,
  kw REAL, kw_at_most INTEGER NOT NULL, kw_quality TEXT NOT NULL, age_s REAL,
  demand_5min_kw REAL, demand_15min_kw REAL, energy_kwh REAL, pulses INTEGER,
  PRIMARY KEY (boot, at)
) WITHOUT ROWID;
"""

# In this file, because it is written each minute of an outage, together with the samples.
_SAMPLES_2 = "CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"


# At the end of a drill, circuits that otherwise wait for a user are restored, too.
_LEDGER_5 = "ALTER TABLE outages ADD COLUMN restore_all INTEGER NOT NULL DEFAULT 0;"


# What the devices of circuits measured in an outage.
_LEDGER_6 = """
CREATE TABLE loads (
  outage INTEGER NOT NULL, circuit TEXT NOT NULL,
  before_w REAL, before_age_s REAL, peak_w REAL, off_w REAL,
  energy_kwh REAL, energy_is_lower_bound INTEGER NOT NULL, first_kwh REAL,
  PRIMARY KEY (outage, circuit)
);
"""


def _ledger_4(db: sqlite3.Connection) -> None:
    from controller.recording.stored_names import migrate_ledger  # noqa: PLC0415  # needed once, after an upgrade

    migrate_ledger(db)


@dataclass(frozen=True, slots=True)
class DatabaseSchema:
    """One database: the steps from empty to its present version, and its tables.

    A step is SQL, or a function that runs inside the transaction. `synchronous`: FULL survives a power cut at any time;
    NORMAL may lose the last commits, and wears the card less.
    """

    file: str
    steps: tuple[str | Callable[[sqlite3.Connection], None], ...]
    tables: frozenset[str]
    synchronous: str

    @property
    def version(self) -> int:
        return len(self.steps)


LEDGER = DatabaseSchema(
    "ledger.db",
    (_LEDGER_1, _LEDGER_2, _LEDGER_3, _ledger_4, _LEDGER_5, _LEDGER_6),
    frozenset({"boots", "entries", "outages", "histories", "events", "evidence", "loads"}),
    "FULL",
)
SAMPLES = DatabaseSchema("samples.db", (_SAMPLES_1, _SAMPLES_2), frozenset({"boots", "samples", "counters"}), "NORMAL")


# Python decodes SQLite's message about a malformed schema, which quotes it: noise is not valid text, and this is not an
# error of SQLite's.
UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError)


class UnusableDatabaseError(Exception):
    """The file cannot be used and never will be; `word` describes it, for its new name."""

    def __init__(self, word: str, says: str) -> None:
        super().__init__(says)
        self.word = word


def open_for_writing(folder: Path, layout: DatabaseSchema) -> sqlite3.Connection:
    """Return the database, created or migrated if needed.

    Raises `UnusableDatabaseError` if it is damaged or from a newer program, `sqlite3.OperationalError` if the disk
    cannot be written.
    """
    # Used by one thread at a time: first by the one that loads, then by the one that writes.
    db = sqlite3.connect(folder / layout.file, timeout=5.0, isolation_level=None, check_same_thread=False)
    try:
        # A commit of one row changes three or four pages: half-kilobyte pages fit into one block of the card.
        db.execute(f"PRAGMA page_size={PAGE_BYTES}")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(f"PRAGMA synchronous={layout.synchronous}")
        db.execute("PRAGMA journal_size_limit=1048576")
        bring_up_to_date(db, layout)
    except UNREADABLE as error:
        db.close()
        raise useless(error, layout) or error from error
    except UnusableDatabaseError:
        db.close()
        raise
    return db


def bring_up_to_date(db: sqlite3.Connection, layout: DatabaseSchema) -> None:
    """Run the missing steps, each in a transaction of its own."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > layout.version:
        raise UnusableDatabaseError("newer", f"{layout.file} is from a newer version of loadshed (schema {version})")
    for number in range(version, layout.version):
        step = layout.steps[number]
        if isinstance(step, str):
            db.executescript(f"BEGIN IMMEDIATE;{step}PRAGMA user_version={number + 1};COMMIT;")
        else:
            db.execute("BEGIN IMMEDIATE")
            step(db)
            db.execute(f"PRAGMA user_version={number + 1}")
            db.execute("COMMIT")
    present = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if not layout.tables <= present:
        raise UnusableDatabaseError(
            "damaged", f"{layout.file} lacks tables: {', '.join(sorted(layout.tables - present))}"
        )


def useless(error: Exception, layout: DatabaseSchema) -> UnusableDatabaseError | None:
    """Return what the error means for the file; None if the file may be good and only the disk is not."""
    if isinstance(error, UnicodeDecodeError):
        return UnusableDatabaseError("damaged", f"{layout.file} is damaged (invalid text in its schema)")
    # SQLite reports noise in the header with the code of a mistake in a statement.
    if str(error) == "unsupported file format":
        return UnusableDatabaseError("damaged", f"{layout.file} is damaged ({error})")
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}:
        return UnusableDatabaseError("damaged", f"{layout.file} is damaged ({error})")
    return None


def is_ours(error: Exception) -> bool:
    """Return whether the error is a mistake in one of this program's statements, which no disk can cure."""
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR


def set_aside(folder: Path, layout: DatabaseSchema, word: str) -> str:
    """Rename the database, never delete it; return its new name. Raises OSError."""
    number = 1
    while (folder / f"{layout.file}.{word}-{number}").exists():
        number += 1
    aside = f"{layout.file}.{word}-{number}"
    # The WAL file first: left behind alone, it would be applied to the next database of this name.
    for part in ("-wal", "-shm", ""):
        with suppress(FileNotFoundError):
            (folder / f"{layout.file}{part}").rename(folder / f"{aside}{part}")
    sync_folder(folder)
    return aside


def sync_folder(folder: Path) -> None:
    """Flush the folder's entries to disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_for_reading(folder: Path, layout: DatabaseSchema) -> sqlite3.Connection:
    """Return the database for reading, with the daemon up or down, also on a read-only disk.

    Raises `sqlite3.DatabaseError` if it cannot be read, `UnusableDatabaseError` if it has another version, and
    FileNotFoundError if there is none.
    """
    db = _reading(folder, layout)
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version != layout.version:
        db.close()
        raise UnusableDatabaseError(
            "other", f"{layout.file} has schema {version}, this version of loadshed reads {layout.version}"
        )
    return db


def _reading(folder: Path, layout: DatabaseSchema) -> sqlite3.Connection:
    path = folder / layout.file
    if not path.exists():
        raise FileNotFoundError(f"no {layout.file} in {folder}")
    address = path.absolute().as_uri()
    try:
        return _opened(f"{address}?mode=ro")
    except sqlite3.OperationalError:
        # In WAL mode even a reader creates files beside the database. If it may not, and there is no WAL to read, the
        # file can be opened as immutable.
        if path.with_name(f"{layout.file}-wal").exists():
            return _copied(folder, layout)
        return _opened(f"{address}?immutable=1")


def _opened(address: str) -> sqlite3.Connection:
    db = sqlite3.connect(address, uri=True, timeout=5.0, check_same_thread=False)
    try:
        db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.Error:
        db.close()
        raise
    except UnicodeDecodeError as error:
        db.close()
        raise sqlite3.DatabaseError("invalid text in its schema") from error
    return db


def _copied(folder: Path, layout: DatabaseSchema) -> sqlite3.Connection:
    """Return the content of the database and its WAL, in memory: SQLite joins the two only where it may write."""
    # Imported here: not needed while the disk works.
    import shutil  # noqa: PLC0415
    import tempfile  # noqa: PLC0415

    memory = sqlite3.connect(":memory:", check_same_thread=False)
    # In memory, if there is such a folder: the disk may be the one that is full.
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
    with tempfile.TemporaryDirectory(dir=place) as temporary:
        for part in ("", "-wal"):
            shutil.copyfile(folder / f"{layout.file}{part}", f"{temporary}/{layout.file}{part}")
        with closing(sqlite3.connect(f"{temporary}/{layout.file}")) as copy:
            copy.backup(memory)
    return memory
