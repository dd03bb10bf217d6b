"""Storage that survives a power cut.

Ledger, events, outages and samples, written by one thread that the loop never waits for.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from controller.core.effects import LogEvent, SavedState, SaveEntry, SaveHistory, SavePulses, SaveSample
from controller.core.views import WallClock
from controller.recording.format import SessionEnd
from controller.runtime import clock
from controller.storage.pending_rows import LedgerMirror, PendingLedgerRows, PendingSamples
from controller.storage.queries import read_memory, read_pulse_counts, write_ledger, write_samples
from controller.storage.recording_buffer import RecordingBuffer, pack, remove_old_recordings
from controller.storage.retention import BATCH, remove_old_events, remove_old_samples
from controller.storage.schema import LEDGER, SAMPLES, UNREADABLE, UnusableDatabaseError, is_ours, open_for_reading
from controller.storage.write_queue import Rows, WriteQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from controller.core.effects import DiskEffect, Json
    from controller.recording.format import Part


@dataclass(frozen=True, slots=True)
class WriteTimings:
    """Delays of writes that may wait, in seconds. `tidy_first_s`: after the start; `tidy_each_s`: from then on.

    `evidence_s`, `evidence_idle_s`: the recording, with and without commands.
    """

    lazy_s: float = 5.0
    samples_s: float = 60.0
    evidence_s: float = 20.0
    evidence_idle_s: float = 600.0
    retry_s: float = 5.0
    tidy_first_s: float = 600.0
    tidy_each_s: float = 86_400.0
    close_s: float = 10.0


class Store:
    """The state folder.

    `on_failed` is called once with the reason why the disk does not accept writes, and whenever a database had to be
    set aside; `on_recovered` when everything is written again. Both are called on the store's own thread.
    """

    def __init__(
        self,
        state_dir: Path,
        boot_id: str,
        on_failed: Callable[[str], None],
        on_recovered: Callable[[], None],
        *,
        samples_days: int = 400,
        pace: WriteTimings | None = None,
    ) -> None:
        self._on_failed, self._on_recovered = on_failed, on_recovered
        self._samples_days, self._pace = samples_days, pace or WriteTimings()
        self._ledger = WriteQueue(state_dir, LEDGER, boot_id, PendingLedgerRows, write_ledger, PendingLedgerRows())
        self._samples = WriteQueue(state_dir, SAMPLES, boot_id, PendingSamples, write_samples, PendingSamples())
        self._mirror = LedgerMirror()
        self._recording = RecordingBuffer(self._pace.evidence_s, self._pace.evidence_idle_s)
        self._wall = WallClock(clock.offset(), trusted=False)
        self._wake = threading.Condition()
        self._loaded = False
        self._closing = False
        self._told_failed = False
        self._startup_errors: list[str] = []
        self._tidy_at = clock.monotonic() + self._pace.tidy_first_s
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)

    # --- engine's side: never blocks ----------------------------------------------------------------------------------

    def load(self) -> SavedState:
        """Return the saved state. A failure here does not stop the start; it is reported at the first `put`."""
        pulse_count, kwh_pulse_count = self._pulse_counts()
        memory = replace(self._memory(pulse_count), kwh_pulse_count=kwh_pulse_count)
        for circuit, row in memory.entries.items():
            self._mirror.is_new(SaveEntry(circuit, row))
        for kept in (memory.outage, *memory.history):
            if kept is not None:
                self._mirror.is_new(kept)
        # The boot's own row, so that its times can be shown; later, because the first shed comes first.
        self._ledger.schedule(clock.monotonic() + self._pace.lazy_s)
        self._loaded = True
        return memory

    def put(self, effects: Iterable[DiskEffect]) -> None:
        """Queue rows; those that a start after a crash depends on are written at once.

        In one commit with all waiting rows.
        """
        now = clock.monotonic()
        with self._wake:
            for effect in effects:
                self._add(effect, now)
            self._wake_writer()

    def record(self, part: Part) -> None:
        """Queue a part of the recording, written with urgent rows or after its maximum delay."""
        with self._wake:
            if self._recording.add(part, clock.monotonic()) and self._thread.ident is not None:
                self._wake.notify()

    def clock(self, offset: float, trusted: bool) -> None:
        """Set the wall clock: it dates every row of this boot, also those already written."""
        with self._wake:
            moved = abs(offset - self._wall.offset_s) > 1.0 or trusted != self._wall.trusted
            if not moved or (self._wall.trusted and not trusted):
                return
            self._wall = WallClock(offset, trusted)
            for lane in (self._ledger, self._samples):
                lane.schedule(clock.monotonic() + self._pace.lazy_s)
            self._wake_writer()

    def close(self) -> None:
        """Write all waiting rows, as far as the disk accepts them, and end the thread."""
        with self._wake:
            self._closing = True
            self._wake_writer()
        if self._thread.ident is not None:
            self._thread.join(self._pace.close_s)

    @property
    def alive(self) -> bool:
        """Return whether rows are, or will be, written. False before `close` is an internal error: end the program."""
        return self._thread.ident is None or self._thread.is_alive()

    def _wake_writer(self) -> None:
        """Wake the writer. It starts with the first row: before that, the receivers of its failures do not exist."""
        if self._loaded and self._thread.ident is None:
            self._thread.start()
        self._wake.notify()

    def _add(self, effect: DiskEffect, now: float) -> None:
        if isinstance(effect, SaveSample | SavePulses):
            self._samples.rows.add(effect)
            self._samples.schedule(now + self._pace.samples_s)
            return
        if not self._mirror.is_new(effect):
            return
        self._ledger.rows.add(effect)
        lazy = isinstance(effect, LogEvent) and effect.may_be_delayed
        self._ledger.schedule(now + self._pace.lazy_s if lazy else now)
        if not lazy and self._samples.rows and not isinstance(effect, SaveEntry | SaveHistory):
            self._samples.schedule(now)

    # --- before the thread starts -------------------------------------------------------------------------------------

    def _memory(self, pulse_count: int) -> SavedState:
        try:
            return self._read(self._ledger.connected(), pulse_count)
        except UnusableDatabaseError as error:
            return self._begin_anew(error, pulse_count)
        except (sqlite3.OperationalError, OSError) as error:
            self._ledger.failing = str(error)
            self._startup_errors.append(f"the ledger cannot be written: {error}")
            return self._read_only(pulse_count)

    def _pulse_counts(self) -> tuple[int, int]:
        try:
            with closing(open_for_reading(self._samples.folder, SAMPLES)) as db:
                return read_pulse_counts(db)
        except (FileNotFoundError, sqlite3.DatabaseError, UnusableDatabaseError, OSError):
            # The first write meets the same fault and reports it.
            return 0, 0

    def _read(self, db: sqlite3.Connection, pulse_count: int) -> SavedState:
        unreadable: list[str] = []
        try:
            memory = read_memory(db, pulse_count, unreadable)
        except UNREADABLE as error:
            raise UnusableDatabaseError("damaged", f"{LEDGER.file} is damaged ({error})") from error
        self._startup_errors += [f"{what} cannot be read" for what in unreadable]
        return memory

    def _begin_anew(self, why: UnusableDatabaseError, pulse_count: int) -> SavedState:
        try:
            self._startup_errors.append(f"{self._ledger.replace(why)}; what was owed is unknown")
        except OSError as error:
            self._ledger.failing = str(error)
            self._startup_errors.append(f"{why}, and cannot be set aside: {error}")
        return SavedState(pulse_count=pulse_count)

    def _read_only(self, pulse_count: int) -> SavedState:
        try:
            db = open_for_reading(self._ledger.folder, LEDGER)
        except FileNotFoundError:
            return SavedState(pulse_count=pulse_count)
        except (sqlite3.DatabaseError, UnusableDatabaseError, OSError) as error:
            self._startup_errors.append(f"what the ledger held cannot be read: {error}")
            return SavedState(pulse_count=pulse_count)
        try:
            return self._read(db, pulse_count)
        except UnusableDatabaseError as error:
            self._startup_errors.append(f"{error}; what was owed is unknown")
            return SavedState(pulse_count=pulse_count)
        finally:
            db.close()

    # --- writer's side ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        for sentence in self._startup_errors:
            self._fail(sentence)
        while not self._wait():
            now = clock.monotonic()
            self._write_due(now)
            if self._tidy_at <= now:
                self._tidy(now)
        # Twice: the first time may set a damaged database aside, or add rows about lost rows.
        for _ in range(2):
            self._write_due(float("inf"))
        self._ledger.close()
        self._samples.close()

    def _wait(self) -> bool:
        """Wait until something is due; return whether the store is closing."""
        with self._wake:
            while not self._closing:
                pause = self._wakes_at() - clock.monotonic()
                if pause <= 0:
                    break
                self._wake.wait(pause)
            return self._closing

    def _wakes_at(self) -> float:
        dues = (self._ledger.due_at(), self._samples.due_at(), self._recording.due, self._tidy_at)
        return min(due for due in dues if due is not None)

    def _wind(self, now: float) -> None:
        """Move the recording to the ledger's rows if those are urgent, or if it has waited long enough."""
        with self._wake:
            urgent = self._ledger.rows.decides and _is_due(self._ledger, now)
            parts = self._recording.take(now, urgent=urgent)
        if parts:
            if (
                cut := next((part.cut for part in parts if isinstance(part, SessionEnd) and part.cut), None)
            ) is not None:
                self.put([LogEvent(clock.monotonic(), "recording_cut", details={"reason": cut})])
            block = pack(parts)
            with self._wake:
                self._recording.charge(len(block.lines), now)
                self._ledger.rows.blocks.append(block)
                self._ledger.schedule(now)

    def _write_due(self, now: float) -> None:
        self._wind(now)
        if _is_due(self._ledger, now):
            self._flush(self._ledger)
        if _is_due(self._samples, now):
            self._flush(self._samples)

    def _flush(self, lane: WriteQueue[Rows]) -> None:
        with self._wake:
            rows, wall = lane.add(), self._wall
        try:
            lane.write(rows, wall)
        except UnusableDatabaseError as error:
            self._put_back(lane, rows, pause_s=0.0)
            self._renew(lane, error)
        except (sqlite3.OperationalError, OSError) as error:
            if is_ours(error):
                raise
            self._put_back(lane, rows, self._pace.retry_s)
            self._note_failure(lane, str(error))
        else:
            self._note_success(lane, rows.lost)

    def _put_back(self, lane: WriteQueue[Rows], rows: Rows, pause_s: float) -> None:
        with self._wake:
            lane.put_back(rows, clock.monotonic() + pause_s)

    def _renew(self, lane: WriteQueue[Rows], why: UnusableDatabaseError) -> None:
        """Continue with a new database. Everything known is written to it first, because only the old one held it."""
        try:
            sentence = lane.replace(why)
        except OSError as error:
            lane.not_before = clock.monotonic() + self._pace.retry_s
            self._note_failure(lane, str(error))
            return
        if lane.layout is LEDGER:
            with self._wake:
                whole = self._mirror.whole()
                whole.absorb(self._ledger.rows)
                self._ledger.rows = whole
        self._fail(sentence)

    def _note_failure(self, lane: WriteQueue[Rows], reason: str) -> None:
        if lane.failing is None:
            self._fail(f"{lane.layout.file} cannot be written: {reason}")
        lane.failing = reason

    def _note_success(self, lane: WriteQueue[Rows], lost: int) -> None:
        lane.failing = None
        if lost:
            about: dict[str, Json] = {"file": lane.layout.file, "rows": lost}
            self.put([LogEvent(clock.monotonic(), "rows_lost", details=about)])
        if self._told_failed and self._ledger.failing is None and self._samples.failing is None:
            self._told_failed = False
            self._on_recovered()

    def _fail(self, sentence: str) -> None:
        self._told_failed = True
        self._on_failed(sentence)

    def _tidy(self, now: float) -> None:
        """Remove one batch of old rows; the next batch soon if there are more, else tomorrow."""
        removed = 0
        before = self._wall.seconds(now) - self._samples_days * 86_400.0 if self._wall.trusted else None
        try:
            with self._ledger.transaction() as db:
                removed = max(remove_old_events(db), remove_old_recordings(db, before, BATCH))
            if before is not None:
                with self._samples.transaction() as db:
                    removed = max(removed, remove_old_samples(db, before))
        except (sqlite3.OperationalError, OSError, UnusableDatabaseError) as error:
            # Nothing is lost: the next write meets the same fault, and reports it.
            if is_ours(error):
                raise
        self._tidy_at = now if removed == BATCH else now + self._pace.tidy_each_s


def _is_due(lane: WriteQueue[Rows], now: float) -> bool:
    due = lane.due_at()
    return due is not None and due <= now
