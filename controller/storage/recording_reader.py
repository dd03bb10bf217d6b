"""The recording, read from ledger.db segment by segment, with the daemon up or down."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from controller.core.views import Wall
from controller.recording.format import EvidenceError, Start, from_line, segment
from controller.storage.recording_buffer import unpack

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from controller.recording.format import Part, Segment


def recorded(db: sqlite3.Connection, unreadable: list[str]) -> Iterator[Segment]:
    """Yield every segment, the oldest first; what cannot be read is left out, and named in `unreadable`."""
    walls = {n: Wall(offset, trusted == 1) for n, offset, trusted in db.execute("SELECT n, offset, trusted FROM boots")}
    rows = db.execute("SELECT segment, boot, lines FROM evidence ORDER BY id")
    for number, blocks in groupby(rows, key=lambda row: row[0]):
        packed = [(walls.get(boot), lines) for _, boot, lines in blocks]
        try:
            yield segment([part for wall, lines in packed for part in _parts(lines, wall)])
        except (EvidenceError, ValueError) as error:
            unreadable.append(f"segment {number} of the recording ({error})")


def _parts(lines: bytes, wall: Wall | None) -> Iterator[Part]:
    """Yield what a block holds. What the boot's clock turned out to say is known better now than at the start."""
    for line in unpack(lines).splitlines():
        part = from_line(line)
        yield part._replace(wall=wall) if isinstance(part, Start) else part
