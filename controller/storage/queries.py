"""Effects to rows, and rows to the saved state of a start."""

from __future__ import annotations

import json
from dataclasses import astuple
from typing import TYPE_CHECKING, Any

from controller.core.effects import SavedState, SaveHistory, SaveLoad, SaveOutage
from controller.storage.recording_buffer import write_blocks
from rules.boot_time import BootTime
from rules.panel import CircuitId

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping

    from controller.core.views import WallClock
    from controller.storage.pending_rows import PendingLedgerRows, PendingSamples
    from rules.json_types import Json

# Openings further back than this number of outages do not affect any wait.
REMEMBERED_OUTAGES = 20


def write_boot(db: sqlite3.Connection, boot: str, wall: WallClock) -> int:
    """Write the wall clock of this boot; return the boot's number.

    A correct clock is not overwritten by an untrusted one: the program may start twice in a boot.
    """
    db.execute(
        "INSERT INTO boots (boot, offset, trusted) VALUES (?, ?, ?) ON CONFLICT (boot) DO UPDATE"
        " SET offset = excluded.offset, trusted = excluded.trusted"
        " WHERE excluded.trusted >= trusted AND (abs(excluded.offset - offset) > 0.5 OR excluded.trusted > trusted)",
        (boot, wall.offset_s, wall.trusted),
    )
    (number,) = db.execute("SELECT n FROM boots WHERE boot = ?", (boot,)).fetchone()
    return int(number)


def write_ledger(db: sqlite3.Connection, rows: PendingLedgerRows, boot: int) -> None:
    """Write all pending rows of ledger.db, inside the caller's transaction."""
    for outage in rows.dropped:
        db.execute("DELETE FROM outages WHERE id = ?", (outage,))
        db.execute("DELETE FROM histories WHERE outage = ?", (outage,))
        db.execute("DELETE FROM loads WHERE outage = ?", (outage,))
    db.executemany(
        "INSERT INTO entries VALUES (?, ?) ON CONFLICT (circuit) DO UPDATE SET row = excluded.row",
        ((entry.circuit, _json(entry.row)) for entry in rows.entries.values()),
    )
    db.executemany(
        "INSERT OR REPLACE INTO outages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (_outage_row(outage) for outage in rows.outages.values()),
    )
    db.executemany(
        "INSERT INTO histories VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (outage, circuit) DO UPDATE"
        " SET (shed_boot, shed, confirmed_after_s, restored_boot, restored, end) = (excluded.shed_boot, excluded.shed,"
        " excluded.confirmed_after_s, excluded.restored_boot, excluded.restored, excluded.end)",
        (_history_row(history) for history in rows.histories.values()),
    )
    db.executemany(
        "INSERT OR REPLACE INTO loads VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (astuple(load) for load in rows.loads.values()),
    )
    db.executemany(
        "INSERT INTO events (boot, at, event, circuit, about) VALUES (?, ?, ?, ?, ?)",
        ((boot, event.at, event.event, event.circuit, _json(event.details)) for event in rows.events),
    )
    write_blocks(db, rows.blocks, boot)


def write_samples(db: sqlite3.Connection, samples: PendingSamples, boot: int) -> None:
    """Write all pending rows of samples.db, inside the caller's transaction."""
    db.executemany(
        "INSERT OR REPLACE INTO samples VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (
                boot,
                row.at,
                row.outage,
                row.kw,
                row.kw_is_upper_bound,
                row.kw_quality,
                row.age_s,
                row.demand_5min_kw,
                row.demand_15min_kw,
                row.energy_kwh,
                row.pulses,
            )
            for row in samples.rows
        ),
    )
    if (kept := samples.pulses) is not None:
        counts = {"pulses": kept.count, "kwh_pulses": kept.kwh_count}
        db.executemany(
            "INSERT OR REPLACE INTO counters VALUES (?, ?)",
            ((name, count) for name, count in counts.items() if count is not None),
        )


def read_memory(db: sqlite3.Connection, pulse_count: int, unreadable: list[str]) -> SavedState:
    """Return the saved state that the engine needs at a start.

    `pulse_count` is in the other database. SQLite does not detect a flipped bit inside a text: such a row is left out,
    and named in `unreadable`.
    """
    entries = dict(read_entries(db, unreadable))
    latest = tuple(read_outages(db, unreadable, f"ORDER BY id DESC LIMIT {REMEMBERED_OUTAGES}"))
    outage = next((outage for outage in latest if outage.stage != "closed"), None)
    (last,) = db.execute("SELECT max(id) FROM outages").fetchone()
    (boot,) = db.execute("SELECT boot FROM boots ORDER BY n DESC LIMIT 1").fetchone() or (None,)
    offsets = {str(name): float(offset) for name, offset in db.execute("SELECT boot, offset FROM boots WHERE trusted")}
    return SavedState(
        last_closed=next((outage for outage in latest if outage.stage == "closed"), None),
        boot_offsets=offsets,
        entries=entries,
        outage=outage,
        history=tuple(read_histories(db, outage.id)) if outage else (),
        loads=tuple(read_loads(db, outage.id)) if outage else (),
        last_outage=last or 0,
        openings=tuple(opening for outage in reversed(latest) for opening in outage.openings),
        boot=boot,
        pulse_count=pulse_count,
    )


def read_pulse_counts(db: sqlite3.Connection) -> tuple[int, int]:
    """Return the counted edges of the meter's 10 Wh output and of its 1 kWh output."""
    counts = dict(db.execute("SELECT name, value FROM counters"))
    return int(counts.get("pulses", 0)), int(counts.get("kwh_pulses", 0))


def read_entries(db: sqlite3.Connection, unreadable: list[str]) -> Iterator[tuple[CircuitId, Mapping[str, Json]]]:
    """Yield the ledger entry of each circuit."""
    for circuit, row in db.execute("SELECT circuit, row FROM entries"):
        try:
            yield CircuitId(circuit), _mapping(row)
        except ValueError:
            unreadable.append(f"the ledger's entry of {circuit}")


def read_outages(db: sqlite3.Connection, unreadable: list[str], tail: str = "ORDER BY id") -> Iterator[SaveOutage]:
    """Yield outages; `tail` is the end of the query, never text from outside."""
    for row in db.execute(f"SELECT * FROM outages {tail}"):  # noqa: S608
        try:
            yield _outage(row)
        except (ValueError, TypeError):
            unreadable.append(f"outage {row[0]}")


def _outage(row: tuple[Any, ...]) -> SaveOutage:
    number, stage, kind, began_boot, began, ended_boot, ended, openings, before, *counted = row
    energy_kwh, peak_15min_kw, register_tenths, pulse_count, restore_all = counted
    return SaveOutage(
        id=number,
        stage=stage,
        kind=kind,
        began=BootTime(began_boot, began),
        ended=_moment(ended_boot, ended),
        openings=tuple(BootTime(str(boot), float(mono)) for boot, mono in json.loads(openings)),
        before={CircuitId(circuit): str(position) for circuit, position in _mapping(before).items()},
        energy_kwh=energy_kwh,
        peak_15min_kw=peak_15min_kw,
        register_tenths=register_tenths,
        pulse_count=pulse_count,
        restore_all=bool(restore_all),
    )


def read_histories(db: sqlite3.Connection, outage: int) -> Iterator[SaveHistory]:
    """Yield the history of each circuit in one outage."""
    for row in db.execute("SELECT * FROM histories WHERE outage = ? ORDER BY circuit", (outage,)):
        _, circuit, shed_boot, shed, confirmed_after_s, restored_boot, restored, end = row
        yield SaveHistory(
            outage=outage,
            circuit=CircuitId(circuit),
            shed_at=_moment(shed_boot, shed),
            confirmed_after_s=confirmed_after_s,
            restored_at=_moment(restored_boot, restored),
            end=end,
        )


def read_loads(db: sqlite3.Connection, outage: int) -> Iterator[SaveLoad]:
    """Yield what the device of each circuit measured in one outage."""
    for row in db.execute("SELECT * FROM loads WHERE outage = ? ORDER BY circuit", (outage,)):
        number, circuit, before_w, age_s, peak_w, off_w, energy_kwh, is_lower_bound, first_kwh = row
        figures = before_w, age_s, peak_w, off_w, energy_kwh
        yield SaveLoad(number, CircuitId(circuit), *figures, bool(is_lower_bound), first_kwh)


def _outage_row(outage: SaveOutage) -> tuple[object, ...]:
    return (
        outage.id,
        outage.stage,
        outage.kind,
        *_columns(outage.began),
        *_columns(outage.ended),
        _json([[opening.boot, opening.mono] for opening in outage.openings]),
        _json(outage.before),
        outage.energy_kwh,
        outage.peak_15min_kw,
        outage.register_tenths,
        outage.pulse_count,
        outage.restore_all,
    )


def _history_row(history: SaveHistory) -> tuple[object, ...]:
    return (
        history.outage,
        history.circuit,
        *_columns(history.shed_at),
        history.confirmed_after_s,
        *_columns(history.restored_at),
        history.end,
    )


def _columns(moment: BootTime | None) -> tuple[str | None, float | None]:
    return (moment.boot, moment.mono) if moment else (None, None)


def _moment(boot: str | None, mono: float | None) -> BootTime | None:
    return None if boot is None or mono is None else BootTime(boot, mono)


def _json(value: Mapping[CircuitId, str] | Mapping[str, Json] | list[Json]) -> str:
    # Plain ASCII: text from outside may contain half a surrogate pair, which SQLite refuses.
    return json.dumps(value if isinstance(value, list) else dict(value), separators=(",", ":"))


def _mapping(text: str) -> dict[str, Json]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(f"not an object: {text[:60]}")  # noqa: TRY004  # json.loads raises its kin
    return value
