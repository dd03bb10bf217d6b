"""Reader of the recording in ledger.db, session by session, with the daemon up or down."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from controller.core.views import WallClock
from controller.recording.format import RecordingError, SessionStart, from_line, segment
from controller.storage.recording_buffer import unpack

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from controller.recording.format import Part, Session


def recorded(db: sqlite3.Connection, unreadable: list[str]) -> Iterator[Session]:
    """Yield every session, the oldest first; unreadable ones are left out, and named in `unreadable`."""
    walls = {
        n: WallClock(offset, trusted == 1) for n, offset, trusted in db.execute("SELECT n, offset, trusted FROM boots")
    }
    rows = db.execute("SELECT segment, boot, lines FROM evidence ORDER BY id")
    for number, blocks in groupby(rows, key=lambda row: row[0]):
        packed = [(walls.get(boot), lines) for _, boot, lines in blocks]
        try:
            yield segment([part for wall, lines in packed for part in _parts(lines, wall)])
        except (RecordingError, ValueError) as error:
            unreadable.append(f"session {number} of the recording ({error})")


def _parts(lines: bytes, wall: WallClock | None) -> Iterator[Part]:
    """Yield the parts of a block. The wall clock of its boot is known better now than at the start."""
    for line in unpack(lines).splitlines():
        part = from_line(line)
        yield part._replace(wall=wall) if isinstance(part, SessionStart) else part
