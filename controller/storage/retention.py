"""Retention: removes samples by age and events by number."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

# Short transactions: a shed may need the disk at any time.
BATCH = 500
# Some 30 MB; a house logs a few dozen a day.
EVENTS_KEPT = 200_000


def remove_old_samples(db: sqlite3.Connection, before_utc_s: float) -> int:
    """Remove at most `BATCH` samples older than this time; return how many.

    A boot whose clock was never correct ended before the next one began: its samples are removed when all of them must
    be too old.
    """
    later_start: float | None = None
    limits: list[tuple[int, float]] = []
    for number, offset, trusted in db.execute("SELECT n, offset, trusted FROM boots ORDER BY n DESC"):
        if trusted:
            later_start = offset
            limits.append((number, before_utc_s - offset))
        elif later_start is not None and later_start < before_utc_s:
            limits.append((number, float("inf")))
    return _remove(db, limits)


def _remove(db: sqlite3.Connection, limits: list[tuple[int, float]]) -> int:
    removed = 0
    for number, limit in reversed(limits):
        if limit <= 0 or removed >= BATCH:
            continue
        removed += db.execute(
            "DELETE FROM samples WHERE boot = ? AND at IN"
            " (SELECT at FROM samples WHERE boot = ? AND at < ? ORDER BY at LIMIT ?)",
            (number, number, limit, BATCH - removed),
        ).rowcount
    return removed


def remove_old_events(db: sqlite3.Connection, kept: int = EVENTS_KEPT) -> int:
    """Remove at most `BATCH` of the oldest events beyond the limit; return how many."""
    return db.execute(
        "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE id <="
        " (SELECT coalesce(max(id), 0) FROM events) - ? ORDER BY id LIMIT ?)",
        (kept, BATCH),
    ).rowcount
