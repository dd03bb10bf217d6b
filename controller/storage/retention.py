"""What has been kept long enough goes: samples by their age, events by their number."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

# Short transactions: a shed may want the disk at any moment.
BATCH = 500
# Some 30 MB; a house tells a few dozen a day.
EVENTS_KEPT = 200_000


def remove_old_samples(db: sqlite3.Connection, before_utc_s: float) -> int:
    """Remove at most `BATCH` samples taken before then; return how many went.

    A boot whose clock was never right ended before the next one began: its samples go when they must all be too old.
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
    """Remove at most `BATCH` of the oldest events beyond those to keep; return how many went."""
    return db.execute(
        "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE id <="
        " (SELECT coalesce(max(id), 0) FROM events) - ? ORDER BY id LIMIT ?)",
        (kept, BATCH),
    ).rowcount
