"""The log for readers: outages, circuit histories, samples and events, with times of the wall clock.

Works with the daemon up or down, and for a user who may only read.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from controller.storage.queries import read_entries, read_histories, read_outages
from controller.storage.schema import LEDGER, SAMPLES, UnusableDatabaseError, open_for_reading
from rules.boot_time import BootTime
from rules.panel import Position

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from controller.core.effects import Json, OutageStage, SaveHistory, SaveOutage
    from rules.panel import CircuitId

_Place = tuple[int, float]
_BEGINNING: _Place = (0, 0.0)
_END: _Place = (1 << 62, 0.0)
# Events about the end of an outage are logged a moment after it.
LATER_S = 60.0


@dataclass(frozen=True, slots=True)
class LoggedTime:
    """A time for display. `utc_s`: seconds since 1970, None if nothing is known about its boot.

    `trusted`: the clock was correct in that boot. `moment`: the stored time, for differences within one boot.
    """

    utc_s: float | None
    trusted: bool
    moment: BootTime


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """Course of one circuit in one outage. None: has not happened. `end`: how it ended.

    `is_on`: its last own report is on, whether or not that is the end: an OFF may still take effect.
    """

    circuit: CircuitId
    shed_at: LoggedTime | None
    confirmed_after_s: float | None
    restored_at: LoggedTime | None
    end: str | None
    is_on: bool = False


@dataclass(frozen=True, slots=True)
class OutageRow:
    """One outage. `ended`: None while it is open. `energy_kwh`, `peak_15min_kw`: None is unknown."""

    id: int
    stage: OutageStage
    kind: str
    began: LoggedTime
    ended: LoggedTime | None
    openings: tuple[LoggedTime, ...]
    before: Mapping[CircuitId, str]
    energy_kwh: float | None
    peak_15min_kw: float | None
    histories: tuple[HistoryRow, ...]

    @property
    def transfers(self) -> int:
        return len(self.openings)


@dataclass(frozen=True, slots=True)
class SampleRow:
    """One row of the demand log. None is unknown."""

    at: LoggedTime
    kw: float | None
    kw_is_upper_bound: bool
    kw_quality: str
    age_s: float | None
    demand_5min_kw: float | None
    demand_15min_kw: float | None
    energy_kwh: float | None
    pulses: int | None


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event of the log."""

    at: LoggedTime
    event: str
    circuit: CircuitId | None
    details: Mapping[str, Json]


class EventLog:
    """The state folder, open for reading; a context manager.

    Raises FileNotFoundError if it never held data, `sqlite3.DatabaseError` or `UnusableDatabaseError` if it cannot be
    read.
    """

    def __init__(self, state_dir: Path) -> None:
        with ExitStack() as opened:
            self._ledger = opened.enter_context(closing(open_for_reading(state_dir, LEDGER)))
            self._samples = _samples(state_dir)
            if self._samples is not None:
                opened.enter_context(closing(self._samples))
            self._boots, self._sample_boots = _Boots.both(self._ledger, self._samples)
            self._opened = opened.pop_all()
        self.unreadable: list[str] = []
        self._on = _on(self._ledger)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def outages(self) -> tuple[OutageRow, ...]:
        """Return every outage, the oldest first."""
        return self._outages("ORDER BY id")

    def outage(self, number: int | None = None) -> OutageRow | None:
        """Return one outage; without a number the latest; None if there is none."""
        found = self._outages("ORDER BY id DESC LIMIT 1" if number is None else f"WHERE id = {number:d}")
        return found[0] if found else None

    def samples(self, outage: int) -> Iterator[SampleRow]:
        """Yield the demand samples of one outage in order."""
        if self._samples is None:
            return
        for boot, at, _, kw, at_most, *rest in self._samples.execute(
            "SELECT * FROM samples WHERE outage = ? ORDER BY boot, at", (outage,)
        ):
            quality, age_s, five_kw, fifteen_kw, energy_kwh, pulses = rest
            when = self._sample_boots.when_of(boot, at)
            yield SampleRow(when, kw, bool(at_most), quality, age_s, five_kw, fifteen_kw, energy_kwh, pulses)

    def events(self, outage: OutageRow | None = None) -> Iterator[EventRow]:
        """Yield events in order; of one outage: until its last circuit was restored."""
        first, last = self._limits(outage) if outage else (_BEGINNING, _END)
        for boot, at, event, circuit, about in self._ledger.execute(
            "SELECT boot, at, event, circuit, about FROM events"
            " WHERE (boot, at) >= (?, ?) AND (boot, at) <= (?, ?) ORDER BY id",
            (*first, *last),
        ):
            yield EventRow(self._boots.when_of(boot, at), event, circuit, json.loads(about))

    def _limits(self, outage: OutageRow) -> tuple[_Place, _Place]:
        began = self._boots.place(outage.began.moment)
        if outage.ended is None:
            return began, _END
        ends = (outage.ended, *(history.restored_at for history in outage.histories if history.restored_at))
        boot, at = max(self._boots.place(end.moment) for end in ends)
        return began, (boot, at + LATER_S)

    def _outages(self, tail: str) -> tuple[OutageRow, ...]:
        return tuple(self._outage(kept) for kept in read_outages(self._ledger, self.unreadable, tail))

    def _outage(self, kept: SaveOutage) -> OutageRow:
        return OutageRow(
            id=kept.id,
            stage=kept.stage,
            kind=kept.kind,
            began=self._boots.when(kept.began),
            ended=self._boots.when(kept.ended) if kept.ended else None,
            openings=tuple(self._boots.when(opening) for opening in kept.openings),
            before=kept.before,
            energy_kwh=kept.energy_kwh,
            peak_15min_kw=kept.peak_15min_kw,
            histories=tuple(self._history(history) for history in read_histories(self._ledger, kept.id)),
        )

    def _history(self, kept: SaveHistory) -> HistoryRow:
        return HistoryRow(
            circuit=kept.circuit,
            shed_at=self._boots.when(kept.shed_at) if kept.shed_at else None,
            confirmed_after_s=kept.confirmed_after_s,
            restored_at=self._boots.when(kept.restored_at) if kept.restored_at else None,
            end=kept.end,
            is_on=kept.circuit in self._on,
        )


class _Boots:
    """Boots in a database, with the clock of each."""

    def __init__(self, rows: list[tuple[int, str, float, int]], others: dict[str, tuple[float, bool]]) -> None:
        self._ids = {number: boot for number, boot, _, _ in rows}
        self._numbers = {boot: number for number, boot, _, _ in rows}
        # If one database was set aside and replaced, the other still knows the older boots.
        self._walls = others | _walls(rows)

    @classmethod
    def both(cls, ledger: sqlite3.Connection, samples: sqlite3.Connection | None) -> tuple[_Boots, _Boots]:
        """Return the boots as each database numbers them."""
        in_ledger, in_samples = _boot_rows(ledger), [] if samples is None else _boot_rows(samples)
        return cls(in_ledger, _walls(in_samples)), cls(in_samples, _walls(in_ledger))

    def when(self, moment: BootTime) -> LoggedTime:
        """Return a stored time for display."""
        offset, trusted = self._walls.get(moment.boot, (None, False))
        return LoggedTime(None if offset is None else moment.mono + offset, trusted, moment)

    def when_of(self, number: int, at: float) -> LoggedTime:
        """Return a time in the boot with this number for display."""
        return self.when(BootTime(self._ids.get(number, ""), at))

    def place(self, moment: BootTime) -> _Place:
        """Return the sort position of a time; one of an unknown boot sorts first."""
        return self._numbers.get(moment.boot, 0), moment.mono


def _on(ledger: sqlite3.Connection) -> frozenset[CircuitId]:
    """Return the circuits whose last own report is on; empty if that cannot be read: outages still can."""
    with suppress(sqlite3.DatabaseError):
        entries = read_entries(ledger, [])
        return frozenset(circuit for circuit, row in entries if row.get("position") == Position.ON.value)
    return frozenset()


def _walls(rows: list[tuple[int, str, float, int]]) -> dict[str, tuple[float, bool]]:
    return {boot: (offset, bool(trusted)) for _, boot, offset, trusted in rows}


def _boot_rows(db: sqlite3.Connection) -> list[tuple[int, str, float, int]]:
    return db.execute("SELECT n, boot, offset, trusted FROM boots ORDER BY n").fetchall()


def _samples(state_dir: Path) -> sqlite3.Connection | None:
    """Return samples.db; None if it is missing or unusable: outages are then shown without a curve."""
    try:
        return open_for_reading(state_dir, SAMPLES)
    except (FileNotFoundError, sqlite3.DatabaseError, UnusableDatabaseError):
        return None
