"""The virtual house's disk: the store's own SQL on real SQLite files, of which a crash takes what was not flushed."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import weakref
from collections import deque
from contextlib import closing, suppress
from enum import Enum
from functools import cache
from pathlib import Path
from resource import RLIM_INFINITY, RLIMIT_FSIZE, getrlimit, setrlimit
from typing import TYPE_CHECKING, NamedTuple

from controller.core.effects import LogEvent, SavePulses, SaveSample
from controller.storage.queries import read_memory
from controller.storage.schema import LEDGER, SAMPLES, UnusableDatabaseError, open_for_reading, open_for_writing
from controller.storage.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from controller.core.effects import DiskEffect, SavedState
    from controller.storage.write_queue import Rows, WriteQueue

SECTOR_BYTES = 512
LAZY_S = 5.0
RETRY_S = 5.0
FLUSH_S = 0.01
# The contact settles in 0.1 s: what waited longer for the disk is beyond what the rules promise.
IN_TIME_S = 0.09

_FILES = tuple(f"{layout.file}{part}" for layout in (LEDGER, SAMPLES) for part in ("", "-wal"))

Image = dict[str, bytes]


class Trouble(Enum):
    """What a disk may do instead of writing."""

    FULL = "full"
    READ_ONLY = "read-only"


class Loss(Enum):
    """How a process ends: what the kernel has taken outlives a kill, not a power cut."""

    KILL = "kill"
    POWER = "power"


class _Store(Store):
    """The daemon's store without its thread: it writes on request. `trouble`: the disk's fault."""

    trouble: Trouble | None = None

    def _wake_writer(self) -> None:
        pass

    def _memory(self, pulse_count: int) -> SavedState:
        if self.trouble is None:
            return super()._memory(pulse_count)
        self._ledger.failing = str(self.trouble.value)
        self._startup_errors.append(f"the ledger cannot be written: the disk is {self.trouble.value}")
        return self._read_only(pulse_count)

    def _flush(self, lane: WriteQueue[Rows]) -> None:
        match self.trouble:
            case None:
                super()._flush(lane)
            case Trouble.READ_ONLY:
                with suppress(sqlite3.DatabaseError, UnusableDatabaseError):  # the write meets the same, and says so
                    lane.connected().execute("PRAGMA query_only=1")
                super()._flush(lane)
            case Trouble.FULL:
                _, hard = getrlimit(RLIMIT_FSIZE)
                setrlimit(RLIMIT_FSIZE, (0, hard))
                try:
                    super()._flush(lane)
                finally:
                    setrlimit(RLIMIT_FSIZE, (RLIM_INFINITY, hard))

    def speak(self) -> None:
        """Say what could not be said before anybody listened."""
        loud, self._startup_errors = self._startup_errors, []
        for sentence in loud:
            self._fail(sentence)

    def write(self) -> bool:
        """Write all waiting rows; return whether nothing waits any more."""
        self._write_due(float("inf"))
        return not self._ledger.rows and not self._samples.rows

    def end(self) -> None:
        """Close both databases, as at a regular end."""
        self._ledger.close()
        self._samples.close()

    @property
    def renewals(self) -> int:
        """Return how often the ledger was set aside and replaced since this start."""
        return self._ledger.set_aside


class _Flight(NamedTuple):
    """A commit under way: rows that the disk has been given, and when they are safe."""

    due: float
    since: float
    rows: list[DiskEffect]


def _discard(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


@cache
def _blank() -> Image:
    """Return both databases as they are before the first row: made once, for making them costs more than a night."""
    with tempfile.TemporaryDirectory() as folder:
        for layout in (LEDGER, SAMPLES):
            open_for_writing(Path(folder), layout).close()
        return _image(Path(folder))


def _image(folder: Path) -> Image:
    return {name: (folder / name).read_bytes() for name in _FILES if (folder / name).exists()}


class Disk:
    """What is safe, and what waits. `flush_s`: so long does a commit take; what comes meanwhile shares the next.

    `said`: is told what the store says of the disk, None once it writes again. `damaged`: something was overwritten
    that the store has not set aside since. `offset_s`, `trusted`: what the wall clock says.
    """

    def __init__(self, said: Callable[[str | None], None] = lambda _: None) -> None:
        # In memory, if there is such a folder: what is lost and kept is decided here, not by a real disk.
        place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
        self._root = Path(tempfile.mkdtemp(prefix="night-", dir=place))
        self._finalizer = weakref.finalize(self, _discard, self._root)
        self._lives = 0
        self._folder = self._new_folder(_blank())
        self._store: _Store | None = None
        self._said = said
        self.flush_s = FLUSH_S
        self.damaged = False
        self._renewals = 0
        self.offset_s, self.trusted = 1_700_000_000.0, False
        self._trouble: Trouble | None = None
        self._waiting: deque[tuple[float, Sequence[DiskEffect]]] = deque()
        self._hurry_at: float | None = None
        self._flying: _Flight | None = None
        self._unsafe_since: float | None = None  # the oldest row that the disk did not take
        self._free_at = 0.0

    # --- the program's side ------------------------------------------------------------------------------------------

    def load(self, boot: str) -> SavedState:
        """Return what a start finds."""
        self._store = _Store(self._folder, boot, self._said, lambda: self._said(None))
        self._store.trouble = self._trouble
        self._renewals = 0
        memory = self._store.load()
        self._store.clock(self.offset_s, self.trusted)
        return memory

    def put(self, rows: Sequence[DiskEffect], at: float) -> None:
        """Take rows; what a crash is judged by is written at once, the rest within five seconds."""
        lazy = all(
            (isinstance(row, LogEvent) and row.may_be_delayed) or isinstance(row, SaveSample | SavePulses)
            for row in rows
        )
        by = at + LAZY_S if lazy else at
        self._hurry_at = by if self._hurry_at is None else min(self._hurry_at, by)
        self._waiting.append((at, rows))
        self.commit(at)

    def commit(self, at: float) -> None:
        """Make safe what is safe by now, and begin what is to be begun."""
        store = self._store
        if store is None:
            return
        store.speak()
        while True:
            if self._flying is not None:
                if self._flying.due > at:
                    return
                self._land(store, self._flying)
                continue
            if self._hurry_at is None or self._hurry_at > at:
                return
            self._take_off(max(self._hurry_at, self._free_at))

    def _take_off(self, at: float) -> None:
        rows = [row for put_at, batch in self._waiting if put_at <= at for row in batch]
        since = min((put_at for put_at, _ in self._waiting), default=at)
        while self._waiting and self._waiting[0][0] <= at:
            self._waiting.popleft()
        self._hurry_at = self._waiting[0][0] if self._waiting else None
        self._flying = _Flight(at + self.flush_s, since, rows)

    def _land(self, store: _Store, flight: _Flight) -> None:
        self._flying, self._free_at = None, flight.due
        store.put(flight.rows)
        if store.write():
            self._unsafe_since = None
            self.damaged = self.damaged and store.renewals <= self._renewals
            return
        self._unsafe_since = flight.since if self._unsafe_since is None else self._unsafe_since
        again = flight.due + RETRY_S
        self._hurry_at = again if self._hurry_at is None else max(again, self._hurry_at)

    def stop(self, at: float) -> bool:
        """Write all that waits, as far as the disk takes it, and close: the program was told to end.

        Return whether the disk took it all.
        """
        self.commit(at)
        taken = True
        if (store := self._store) is not None:
            for rows in ([] if self._flying is None else self._flying.rows, *(rows for _, rows in self._waiting)):
                store.put(rows)
            taken = store.write() or store.write()
            store.end()
        self._forget()
        return taken

    # --- the world's side --------------------------------------------------------------------------------------------

    def crash(self, at: float, loss: Loss, random: Random) -> bool:
        """Lose what is not safe; return whether any of it had waited longer than a contact takes to settle.

        Of a commit under way a kill leaves the beginning, a power cut any sectors of it.
        """
        store = self._store
        if store is None:
            return False
        self.commit(at)
        since = [put_at for put_at, _ in self._waiting]
        since += [] if self._flying is None else [self._flying.since]
        since += [] if self._unsafe_since is None else [self._unsafe_since]
        image = before = _image(self._folder)
        if self._flying is not None and self._trouble is None:
            store.put(self._flying.rows)
            store.write()
            image = _torn(before, _image(self._folder), loss, random)
        store.end()
        _discard(self._folder)
        self._folder = self._new_folder(image)
        self._forget()
        return any(put_at < at - IN_TIME_S for put_at in since)

    def break_down(self, trouble: Trouble | None) -> None:
        """Take no more writes, in this way; None: write again."""
        self._trouble = trouble
        if self._store is not None:
            self._store.trouble = trouble
            if trouble is None:
                self._store.end()  # a connection set to read-only is closed

    def corrupt(self, random: Random) -> None:
        """Overwrite some sectors of the ledger with noise."""
        self.damaged, self._renewals = True, 0 if self._store is None else self._store.renewals
        for name in (LEDGER.file, f"{LEDGER.file}-wal"):
            path = self._folder / name
            size = path.stat().st_size if path.exists() else 0
            if size and random.random() < 0.7:
                with path.open("r+b") as file:
                    for _ in range(random.randint(1, 6)):
                        file.seek(SECTOR_BYTES * random.randrange(-(-size // SECTOR_BYTES)))
                        file.write(random.randbytes(SECTOR_BYTES))

    def tell_time(self, offset_s: float, *, trusted: bool) -> None:
        """Set what the wall clock says."""
        self.offset_s, self.trusted = offset_s, trusted
        if self._store is not None:
            self._store.clock(offset_s, trusted)

    def look(self) -> SavedState:
        """Return what another program would read now."""
        unreadable: list[str] = []
        with closing(open_for_reading(self._folder, LEDGER)) as db:
            memory = read_memory(db, 0, unreadable)
            assert not unreadable, unreadable
            (whole,) = db.execute("PRAGMA integrity_check").fetchone()
            assert whole == "ok", whole
        return memory

    @property
    def folder(self) -> Path:
        """Return where the databases are in this life."""
        return self._folder

    def close(self) -> None:
        """Throw it all away."""
        if self._store is not None:
            self._store.end()
        self._finalizer()

    def _forget(self) -> None:
        self._store, self._flying, self._hurry_at, self._unsafe_since = None, None, None, None
        self._free_at = 0.0
        self._waiting.clear()

    def _new_folder(self, image: Image) -> Path:
        self._lives += 1
        folder = self._root / f"{self._lives}"
        folder.mkdir()
        for name, content in image.items():
            (folder / name).write_bytes(content)
        return folder


def _torn(before: Image, after: Image, loss: Loss, random: Random) -> Image:
    """Return what is found of files whose last write was under way.

    SQLite flushes its log before it touches the database: where the latter has changed, the former is whole.
    """
    torn = dict(before)
    for layout in (LEDGER, SAMPLES):
        log, file = f"{layout.file}-wal", layout.file
        moved = before.get(file) != after.get(file)
        if moved:
            torn[log] = after.get(log, b"")
            torn[file] = _mixed(before.get(file, b""), after[file], loss, random)
        elif log in after:
            torn[log] = _mixed(before.get(log, b""), after[log], loss, random)
    return torn


def _mixed(old: bytes, new: bytes, loss: Loss, random: Random) -> bytes:
    if loss is Loss.KILL:
        cut = random.randint(0, len(new))
        return new[:cut] + old[cut:]
    sectors = []
    for place in range(0, max(len(new), len(old)), SECTOR_BYTES):
        source = new if random.random() < 0.5 else old
        sectors.append(source[place : place + SECTOR_BYTES].ljust(SECTOR_BYTES, b"\0"))
    return b"".join(sectors)[: max(len(new), len(old))]
