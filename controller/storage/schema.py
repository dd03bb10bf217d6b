"""Both databases: how they are laid out, opened, brought up to date, and set aside where they are of no use."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

# Moments stand as (boot, monotonic seconds) everywhere: a clock put right later puts right every row of its boot.
# Events and samples name the boot by its number, for they are many; the rest by its id, for it is older than the row.
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

# Where the meter's counters stood when the outage began.
_LEDGER_2 = """
ALTER TABLE outages ADD COLUMN register_tenths INTEGER;
ALTER TABLE outages ADD COLUMN pulse_count INTEGER;
"""

# What went into the engine: a segment is one life of the program, in blocks of packed lines, the first with its start.
_LEDGER_3 = """
CREATE TABLE evidence (
  id INTEGER PRIMARY KEY, segment INTEGER NOT NULL, boot INTEGER NOT NULL,
  first_at REAL NOT NULL, last_at REAL NOT NULL, lines BLOB NOT NULL
);
"""

# Rows come in the order of their key: nothing is ever written but the end, and the oldest go from the beginning.
_SAMPLES_1 = f"""
{_BOOTS}
CREATE TABLE samples (
  boot INTEGER NOT NULL, at REAL NOT NULL, outage INTEGER NOT NULL,
  kw REAL, kw_at_most INTEGER NOT NULL, kw_quality TEXT NOT NULL, age_s REAL,
  demand_5min_kw REAL, demand_15min_kw REAL, energy_kwh REAL, pulses INTEGER,
  PRIMARY KEY (boot, at)
) WITHOUT ROWID;
"""

# In this file, for it comes each minute of an outage, and the samples come then anyway.
_SAMPLES_2 = "CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"


@dataclass(frozen=True, slots=True)
class DatabaseSchema:
    """One database: the steps that lead from nothing to its present version, and the tables it then has.

    `synchronous`: FULL survives a power cut at any moment; NORMAL may lose the last commits, and wears the card less.
    """

    file: str
    steps: tuple[str, ...]
    tables: frozenset[str]
    synchronous: str

    @property
    def version(self) -> int:
        return len(self.steps)


LEDGER = DatabaseSchema(
    "ledger.db",
    (_LEDGER_1, _LEDGER_2, _LEDGER_3),
    frozenset({"boots", "entries", "outages", "histories", "events", "evidence"}),
    "FULL",
)
SAMPLES = DatabaseSchema("samples.db", (_SAMPLES_1, _SAMPLES_2), frozenset({"boots", "samples", "counters"}), "NORMAL")


# Python decodes SQLite's own words on a malformed schema, which quote it: noise is no text, and no error of SQLite's.
UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError)


class UnusableDatabaseError(Exception):
    """The file cannot be used and never will be; `word` says what it is, for its new name."""

    def __init__(self, word: str, says: str) -> None:
        super().__init__(says)
        self.word = word


def open_for_writing(folder: Path, layout: DatabaseSchema) -> sqlite3.Connection:
    """Return the database, made or brought up to date where needed.

    Raises `UselessError` where it is damaged or from a newer program, `sqlite3.OperationalError` where the disk
    cannot be written.
    """
    # Used by one thread at a time: first by the one that loads, then by the one that writes.
    db = sqlite3.connect(folder / layout.file, timeout=5.0, isolation_level=None, check_same_thread=False)
    try:
        # A commit of one row touches three or four pages: of half a kB each they fit into one block of the card.
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
    """Take the steps that are missing, each in a transaction of its own."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > layout.version:
        raise UnusableDatabaseError("newer", f"{layout.file} is from a newer loadshed (version {version})")
    for number in range(version, layout.version):
        db.executescript(f"BEGIN IMMEDIATE;{layout.steps[number]}PRAGMA user_version={number + 1};COMMIT;")
    present = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if not layout.tables <= present:
        raise UnusableDatabaseError(
            "damaged", f"{layout.file} lacks tables: {', '.join(sorted(layout.tables - present))}"
        )


def useless(error: Exception, layout: DatabaseSchema) -> UnusableDatabaseError | None:
    """Return what the error says of the file; None where the file may be good and only the disk is not."""
    if isinstance(error, UnicodeDecodeError):
        return UnusableDatabaseError("damaged", f"{layout.file} is damaged (its schema is no text)")
    # SQLite says this of noise in the header with the code of a mistake in a statement.
    if str(error) == "unsupported file format":
        return UnusableDatabaseError("damaged", f"{layout.file} is damaged ({error})")
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}:
        return UnusableDatabaseError("damaged", f"{layout.file} is damaged ({error})")
    return None


def is_ours(error: Exception) -> bool:
    """Tell whether the error is a mistake in a statement of ours, which no disk can cure."""
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR


def set_aside(folder: Path, layout: DatabaseSchema, word: str) -> str:
    """Rename the database out of the way, never delete it; return its new name. Raises OSError."""
    number = 1
    while (folder / f"{layout.file}.{word}-{number}").exists():
        number += 1
    aside = f"{layout.file}.{word}-{number}"
    # The log first: were it left behind alone, the next database of this name would take it for its own.
    for part in ("-wal", "-shm", ""):
        with suppress(FileNotFoundError):
            (folder / f"{layout.file}{part}").rename(folder / f"{aside}{part}")
    sync_folder(folder)
    return aside


def sync_folder(folder: Path) -> None:
    """Have the folder's own entries on the disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_for_reading(folder: Path, layout: DatabaseSchema) -> sqlite3.Connection:
    """Return the database for reading, with the daemon up or down, also where nothing may be written.

    Raises `sqlite3.DatabaseError` where it cannot be read, `UselessError` where it is of another version, and
    FileNotFoundError where there is none.
    """
    db = _reading(folder, layout)
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version != layout.version:
        db.close()
        raise UnusableDatabaseError(
            "other", f"{layout.file} is of version {version}, this loadshed reads {layout.version}"
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
        # In WAL mode even a reader makes files beside the database. Where it may not, and no log waits to be read,
        # the file can be read as if on a disc that nobody writes.
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
        raise sqlite3.DatabaseError("its schema is no text") from error
    return db


def _copied(folder: Path, layout: DatabaseSchema) -> sqlite3.Connection:
    """Return what the database and its log hold, in memory: SQLite joins the two only where it may write."""
    # Imported here: nothing needs them on a disk that works.
    import shutil  # noqa: PLC0415
    import tempfile  # noqa: PLC0415

    memory = sqlite3.connect(":memory:", check_same_thread=False)
    # Memory, where there is such a folder: the disk may be the one that is full.
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
    with tempfile.TemporaryDirectory(dir=place) as temporary:
        for part in ("", "-wal"):
            shutil.copyfile(folder / f"{layout.file}{part}", f"{temporary}/{layout.file}{part}")
        with closing(sqlite3.connect(f"{temporary}/{layout.file}")) as copy:
            copy.backup(memory)
    return memory
