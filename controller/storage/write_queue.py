"""One database and its pending rows: opened when needed, and again after each failure."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from controller.storage.pending_rows import PendingLedgerRows, PendingSamples
from controller.storage.queries import write_boot
from controller.storage.schema import UNREADABLE, open_for_writing, set_aside, useless

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from controller.core.views import WallClock
    from controller.storage.schema import DatabaseSchema, UnusableDatabaseError

Rows = TypeVar("Rows", PendingLedgerRows, PendingSamples)

# Limits the copies if a card damages every new file.
MOST_SET_ASIDE = 3


@dataclass(slots=True)
class WriteQueue(Generic[Rows]):
    """Rows of one database. `due`: monotonic second at which they are written; None: nothing waits.

    `not_before`: end of the pause after a failure. `failing`: why the last write failed; None: it did not.
    """

    folder: Path
    layout: DatabaseSchema
    boot: str
    empty: Callable[[], Rows]
    write_rows: Callable[[sqlite3.Connection, Rows, int], None]
    rows: Rows
    due: float | None = None
    not_before: float = 0.0
    failing: str | None = None
    set_aside: int = 0
    db: sqlite3.Connection | None = None

    def schedule(self, by: float) -> None:
        """Schedule the rows to be written by this time at the latest."""
        self.due = by if self.due is None else min(self.due, by)

    def due_at(self) -> float | None:
        """Return when this database must be handled next."""
        return None if self.due is None else max(self.due, self.not_before)

    def add(self) -> Rows:
        """Return the pending rows and clear them."""
        rows, self.rows, self.due = self.rows, self.empty(), None
        return rows

    def put_back(self, rows: Rows, retry_at: float) -> None:
        """Queue the rows again, before those added since."""
        rows.absorb(self.rows)
        self.rows, self.due, self.not_before = rows, retry_at, retry_at

    def connected(self) -> sqlite3.Connection:
        """Return the open database. Raises as `open_for_writing` does."""
        if self.db is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.db = open_for_writing(self.folder, self.layout)
        return self.db

    def write(self, rows: Rows, wall: WallClock) -> None:
        """Commit the rows; none of them if it fails. Raises as `open_for_writing` does."""
        with self.transaction() as db:
            number = write_boot(db, self.boot, wall)
            self.write_rows(db, rows, number)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold one transaction; any failure undoes it by closing the database."""
        db = self.connected()
        try:
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")
        except UNREADABLE as error:
            self.close()
            raise useless(error, self.layout) or error from error

    def replace(self, why: UnusableDatabaseError) -> str:
        """Set the file aside, so that the next write creates a new one; return a sentence that reports it.

        Raises OSError if it cannot be renamed, or was damaged too often.
        """
        self.close()
        if self.set_aside >= MOST_SET_ASIDE:
            raise OSError(f"{why}, for the {self.set_aside + 1}th time: no longer set aside")
        aside = set_aside(self.folder, self.layout, why.word)
        self.set_aside += 1
        return f"{why}: set aside as {aside}, a new one is created"

    def close(self) -> None:
        """Close the database; uncommitted rows are discarded."""
        if self.db is not None:
            # Closing also moves the WAL into the database, which may fail as any write may: the WAL stays then.
            with suppress(sqlite3.Error):
                self.db.close()
        self.db = None
