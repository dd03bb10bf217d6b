"""The log for readers: outages, circuit histories, samples and events, with times of the wall clock.

Works with the daemon up or down, and for a user who may only read.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from controller.storage.boot_clocks import BootClocks, Elapsed, LoggedTime, RecordedBoot, elapsed, merged, spans
from controller.storage.queries import read_entries, read_histories, read_loads, read_outages
from controller.storage.schema import LEDGER, SAMPLES, UnusableDatabaseError, open_for_reading
from rules.boot_time import BootTime
from rules.panel import Position

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from controller.core.effects import OutageStage, SaveHistory, SaveLoad, SaveOutage
    from rules.json_types import Json
    from rules.panel import CircuitId

_Place = tuple[int, float]
_BEGINNING: _Place = (0, 0.0)
_END: _Place = (1 << 62, 0.0)
# Events about the end of an outage are logged a moment after it.
LATER_S = 60.0
# First and last recorded time of each boot, by its number or its id.
_LEDGER_SPANS = (
    "SELECT boot, min(at), max(at) FROM events GROUP BY boot",
    "SELECT boot, min(first_at), max(last_at) FROM evidence GROUP BY boot",
)
_OUTAGE_SPANS = (
    "SELECT began_boot, min(began), max(began) FROM outages GROUP BY began_boot",
    "SELECT ended_boot, min(ended), max(ended) FROM outages WHERE ended IS NOT NULL GROUP BY ended_boot",
    "SELECT restored_boot, min(restored), max(restored) FROM histories WHERE restored NOT NULL GROUP BY restored_boot",
)
_LAST_START = "SELECT id, at FROM events WHERE boot = ? AND at <= ? AND event = 'started' ORDER BY id DESC LIMIT 1"
_STANDBY_SEEN = (
    "SELECT 1 FROM events WHERE boot = ? AND at BETWEEN ? AND ?"
    " AND (event = 'drill_began' OR (event = 'contact_settled' AND about LIKE '%standby%')) LIMIT 1"
)
_LAST_BEFORE = "SELECT boot, at FROM events WHERE id < ? ORDER BY id DESC LIMIT 1"
_SAMPLE_SPANS = ("SELECT boot, min(at), max(at) FROM samples GROUP BY boot",)


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
class LoadRow:
    """What the device of one circuit measured in one outage. None is unknown, never 0.

    `before_w`: power in W before, `before_age_s`: its age then. `peak_w`: highest power on standby. `off_w`: last power
    on standby after the device had reported off. `energy_kwh`: energy on standby, or its lower bound.
    """

    circuit: CircuitId
    before_w: float | None
    before_age_s: float | None
    peak_w: float | None
    off_w: float | None
    energy_kwh: float | None
    energy_is_lower_bound: bool


@dataclass(frozen=True, slots=True)
class OutageRow:
    """One outage. `ended`: None while it is open. `energy_kwh`, `peak_15min_kw`: None is unknown.

    `loads`: what the devices of circuits measured. `lasted`: None while it is open, or if nothing is known.
    `end_unseen`: the program did not run when it ended: `ended` is when that was noticed, and `lasted` a lower bound.
    """

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
    loads: tuple[LoadRow, ...] = ()
    lasted: Elapsed | None = None
    end_unseen: bool = False

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
            self._clocks, self._boots, self._sample_boots = _clocks(self._ledger, self._samples)
            self._opened = opened.pop_all()
        self.unreadable: list[str] = []
        self._on = _on(self._ledger)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def time(self, moment: BootTime) -> LoggedTime:
        """Return a time of any boot for display."""
        return self._clocks.when(moment)

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
            when = self._clocks.when(self._sample_boots.moment(boot, at))
            yield SampleRow(when, kw, bool(at_most), quality, age_s, five_kw, fifteen_kw, energy_kwh, pulses)

    def events(self, outage: OutageRow | None = None) -> Iterator[EventRow]:
        """Yield events in order; of one outage: until its last circuit was restored."""
        first, last = self._limits(outage) if outage else (_BEGINNING, _END)
        for boot, at, event, circuit, about in self._ledger.execute(
            "SELECT boot, at, event, circuit, about FROM events"
            " WHERE (boot, at) >= (?, ?) AND (boot, at) <= (?, ?) ORDER BY id",
            (*first, *last),
        ):
            yield EventRow(self._clocks.when(self._boots.moment(boot, at)), event, circuit, json.loads(about))

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
        began, ended = self._clocks.when(kept.began), self._clocks.when(kept.ended) if kept.ended else None
        last_seen = self._last_seen_before_start(kept)
        return OutageRow(
            id=kept.id,
            stage=kept.stage,
            kind=kept.kind,
            began=began,
            ended=ended,
            lasted=_lasted(began, ended, last_seen),
            end_unseen=last_seen is not None,
            openings=tuple(self._clocks.when(opening) for opening in kept.openings),
            before=kept.before,
            energy_kwh=kept.energy_kwh,
            peak_15min_kw=kept.peak_15min_kw,
            histories=tuple(self._history(history) for history in read_histories(self._ledger, kept.id)),
            loads=tuple(map(_load, read_loads(self._ledger, kept.id))),
        )

    def _last_seen_before_start(self, outage: SaveOutage) -> LoggedTime | None:
        """Return the last event before the start that found the outage over; None: its end was seen, or is to come.

        The end was seen if the program that noticed it had seen the outage, too.
        """
        if outage.ended is None:
            return None
        boot, at = self._boots.place(outage.ended)
        with suppress(sqlite3.DatabaseError):
            start = self._ledger.execute(_LAST_START, (boot, at)).fetchone()
            if start is None or any(
                opening.boot == outage.ended.boot and start[1] <= opening.mono <= at for opening in outage.openings
            ):
                return None
            if self._ledger.execute(_STANDBY_SEEN, (boot, start[1], at)).fetchone():
                return None
            before = self._ledger.execute(_LAST_BEFORE, (start[0],)).fetchone()
            return self._clocks.when(self._boots.moment(before[0], before[1])) if before else None
        return None

    def _history(self, kept: SaveHistory) -> HistoryRow:
        return HistoryRow(
            circuit=kept.circuit,
            shed_at=self._clocks.when(kept.shed_at) if kept.shed_at else None,
            confirmed_after_s=kept.confirmed_after_s,
            restored_at=self._clocks.when(kept.restored_at) if kept.restored_at else None,
            end=kept.end,
            is_on=kept.circuit in self._on,
        )


def _load(kept: SaveLoad) -> LoadRow:
    figures = kept.before_w, kept.before_age_s, kept.peak_w, kept.off_w, kept.energy_kwh
    return LoadRow(kept.circuit, *figures, kept.energy_is_lower_bound)


def _on(ledger: sqlite3.Connection) -> frozenset[CircuitId]:
    """Return the circuits whose last own report is on; empty if that cannot be read: outages still can."""
    with suppress(sqlite3.DatabaseError):
        entries = read_entries(ledger, [])
        return frozenset(circuit for circuit, row in entries if row.get("position") == Position.ON.value)
    return frozenset()


def _lasted(began: LoggedTime, ended: LoggedTime | None, last_seen: LoggedTime | None) -> Elapsed | None:
    """Return how long an outage lasted. `last_seen`: the last event before its end was noticed; None: it was seen."""
    if ended is None or last_seen is None:
        return elapsed(began, ended) if ended else None
    observed = elapsed(began, last_seen)
    return None if observed is None else Elapsed(max(0.0, observed.seconds), at_least=True)


def _clocks(ledger: sqlite3.Connection, samples: sqlite3.Connection | None) -> tuple[BootClocks, _Numbers, _Numbers]:
    """Return the clocks of all boots, and the boots as each database numbers them."""
    in_ledger, in_samples = _boot_rows(ledger), {} if samples is None else _boot_rows(samples)
    boots = {row.id: row for row in (*in_samples.values(), *in_ledger.values())}
    seen = spans(
        *(_spans(ledger, in_ledger, query) for query in _LEDGER_SPANS),
        *(_spans(ledger, boots, query) for query in _OUTAGE_SPANS),
        *(_spans(samples, in_samples, query) for query in _SAMPLE_SPANS if samples is not None),
    )
    order = merged([row.id for row in in_ledger.values()], [row.id for row in in_samples.values()])
    recorded = [
        replace(boots[boot], first=first, last=last) for boot in order for first, last in (seen.get(boot, (0.0, 0.0)),)
    ]
    return BootClocks(recorded), _Numbers(in_ledger), _Numbers(in_samples)


class _Numbers:
    """Boots as one database numbers them."""

    def __init__(self, rows: Mapping[int, RecordedBoot]) -> None:
        self._ids = {number: row.id for number, row in rows.items()}
        self._numbers = {row.id: number for number, row in rows.items()}

    def moment(self, number: int, at: float) -> BootTime:
        """Return a time in the boot with this number."""
        return BootTime(self._ids.get(number, ""), at)

    def place(self, moment: BootTime) -> _Place:
        """Return the sort position of a time; one of an unknown boot sorts first."""
        return self._numbers.get(moment.boot, 0), moment.mono


def _boot_rows(db: sqlite3.Connection) -> dict[int, RecordedBoot]:
    rows = db.execute("SELECT n, boot, offset, trusted FROM boots ORDER BY n")
    return {number: RecordedBoot(boot, offset, bool(trusted)) for number, boot, offset, trusted in rows}


def _spans(
    db: sqlite3.Connection, boots: Mapping[int, RecordedBoot] | Mapping[str, RecordedBoot], query: str
) -> dict[str, tuple[float, float]]:
    """Return the first and last time of each boot in one table; empty if it is damaged: the others still count."""
    with suppress(sqlite3.DatabaseError):
        return {boots[key].id: (first, last) for key, first, last in db.execute(query) if key in boots}
    return {}


def _samples(state_dir: Path) -> sqlite3.Connection | None:
    """Return samples.db; None if it is missing or unusable: outages are then shown without a curve."""
    try:
        return open_for_reading(state_dir, SAMPLES)
    except (FileNotFoundError, sqlite3.DatabaseError, UnusableDatabaseError):
        return None
