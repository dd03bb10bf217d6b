"""The recording on its way to ledger.db: lines packed into few small blocks, with limits on what is kept.

An SD card endures a limited number of writes per day. If more happens (a contact that chatters all night), the
recording is cut, this is logged, and it restarts with the next start of the program.
"""

from __future__ import annotations

import zlib
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from controller.recording.format import EngineTurn, SessionEnd, SessionStart, to_line
from controller.version import version

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from controller.recording.format import Part

MOST_EVENTS = 50_000
"""Maximum number of events and commands waiting for the next block.

A storm of them ends the recording, not the program.
"""

AT_ONCE_BYTES, HOURLY_BYTES = 1_000_000, 20_000
"""Bytes that may be written at once, and bytes that become available again per hour."""

FREE_WRITES = 3.0
"""Number of blocks with commands that are written at once.

Together with urgent rows; one more becomes available every `commanded_s`.
"""

SEGMENT_BYTES, KEPT_BYTES = 16_000_000, 32_000_000
"""Maximum size in bytes of one session's recording, and of all together."""

_PACKED = b"\x01"
# Text that almost every block contains: with it, a block of one turn is half as long. It may only change together with
# the first byte.
_PRIMER = (
    b'{"start":{"format":1,"version":"0.1.0","boot":"","at":,"rebooted":false,"wall":null,"settings":{"settle_s":0.1,'
    b'"contact_on_bus":false,"on_lost_shed":false,"pace":{"confirm_s":5.0,"eager_s":180.0},"utility_stable_s":10.0,'
    b'"stagger_s":5.0,"flap":{"transfers":3,"window_s":600.0,"wait_max_s":600.0},"sample_s":5.0},"circuits":['
    b'{"id":"","name":"","spaces":[1],"kind":"standard","kind":"relay","kind":"gen2","tag":"essential","amps":'
    b'20,"rank":8,"min_off_s":300,"restore":"auto","override":"allow","wakes":"off","protected":true}],"memory":{'
    b'"entries":{"":{"position":"on","switched":{"position":"off","who":"the controller","at":["",1]}}},"outage":null,'
    b'"history":[],"last_outage":0,"openings":[],"boot":null,"pulse_count":0,"kwh_pulse_count":0}}}\n'
    b'"events":[["BusConnected",],["ClockTrusted",],["ContactChanged",,true,false]],["AvailabilityReported",,"",true,true]'
    b'],["BreakerReported",,"","on",true],["BreakerReported",,"","off",false]],"out":[["ON","",5]],[["OFF","",5],["OFF",""'
    b',5]],"left":}\n{"turn":'
)


class Block(NamedTuple):
    """Packed lines of one session. `starts`: it contains the session's start. Times: monotonic s of the boot."""

    starts: bool
    first_at: float
    last_at: float
    lines: bytes


def pack(parts: Sequence[Part]) -> Block:
    """Return the parts as one block."""
    text = "".join(f"{to_line(_versioned(part))}\n" for part in parts)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, 9, zlib.Z_DEFAULT_STRATEGY, _PRIMER)
    packed = packer.compress(text.encode()) + packer.flush()
    return Block(isinstance(parts[0], SessionStart), _at(parts[0]), _at(parts[-1]), _PACKED + packed)


def unpack(lines: bytes) -> str:
    """Return the lines of a block. Raises ValueError if they are damaged."""
    if lines[:1] != _PACKED:
        raise ValueError("packed by another version of loadshed")
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS, zdict=_PRIMER)
    try:
        return (unpacker.decompress(lines[1:]) + unpacker.flush()).decode()
    except zlib.error as error:
        raise ValueError(f"damaged: {error}") from error


def _at(part: Part) -> float:
    return part.now if isinstance(part, EngineTurn) else part.at


def _versioned(part: Part) -> Part:
    # Here, on the store's thread: looking it up would delay a start by some milliseconds.
    return part._replace(version=version()) if isinstance(part, SessionStart) and not part.version else part


@dataclass(slots=True)
class RecordingBuffer:
    """Parts waiting to be packed. `due`: latest time to write them (monotonic s); None: nothing waits."""

    commanded_s: float
    idle_s: float
    due: float | None = None
    _parts: deque[Part] = field(default_factory=deque)
    _events: int = 0
    _last_at: float = 0.0
    _rides: float = FREE_WRITES
    _commanded: bool = False
    _over: bool = False
    _left: float = AT_ONCE_BYTES
    _filled: int = 0

    def add(self, part: Part, now: float) -> bool:
        """Add one part; return whether it is due earlier than the parts before it."""
        if self._over:
            return False
        turn = part if isinstance(part, EngineTurn) else None
        self._events += 1 + (len(turn.events) + len(turn.commands) if turn else 0)
        self._parts.append(part)
        self._commanded = self._commanded or (turn is not None and bool(turn.commands))
        if self._events > MOST_EVENTS:
            self._cut(now)
        due = now + (self.commanded_s if turn and turn.commands else self.idle_s)
        sooner = self.due is None or due < self.due
        self.due = due if self.due is None else min(self.due, due)
        return sooner

    def take(self, now: float, *, urgent: bool) -> list[Part]:
        """Return what to write now. `urgent`: together with urgent rows; not every urgent write includes it."""
        since_s = now - self._last_at
        rides = min(FREE_WRITES, self._rides + since_s / self.commanded_s)
        rides_along = urgent and self._commanded and rides >= 1.0
        if self.due is None or (now < self.due and not rides_along):
            return []
        parts, self._parts = [*self._parts], deque()
        self._left = min(AT_ONCE_BYTES, self._left + since_s * HOURLY_BYTES / 3600.0)
        self._last_at, self._rides = now, max(0.0, rides - 1.0)
        self.due, self._events, self._commanded = None, 0, False
        return parts

    def charge(self, size: int, now: float) -> None:
        """Charge this number of bytes; the recording is cut if that exceeds what the card endures."""
        self._left -= size
        self._filled += size
        if not self._over and (self._left < 0 or self._filled > SEGMENT_BYTES):
            self._cut(now)
            self.due = now + self.idle_s

    def _cut(self, now: float) -> None:
        self._over = True
        self._parts.append(
            SessionEnd(now, "more events than the SD card endures: recording restarts with the next start")
        )


# --- in ledger.db ----------------------------------------------------------------------------------------------------


def write_blocks(db: sqlite3.Connection, blocks: Sequence[Block], boot: int) -> None:
    """Write blocks, in order, inside the caller's transaction.

    A block without its session's start (the database was set aside in the meantime) is useless and left out.
    """
    (segment,) = db.execute("SELECT max(segment) FROM evidence").fetchone()
    for block in blocks:
        if block.starts:
            segment = (segment or 0) + 1
        if segment is not None:
            row = (segment, boot, block.first_at, block.last_at, block.lines)
            db.execute("INSERT INTO evidence (segment, boot, first_at, last_at, lines) VALUES (?, ?, ?, ?, ?)", row)


def remove_old_recordings(
    db: sqlite3.Connection, before_utc_s: float | None, most: int, kept_bytes: int = KEPT_BYTES
) -> int:
    """Remove at most this number of blocks of sessions that are too old or too many; return how many were removed.

    The oldest session is removed first, the latest never. `before_utc_s`: None if the time is unknown.
    """
    (last_old,) = db.execute(
        "SELECT max(segment) FROM (SELECT segment, max(last_at + offset) AS ended, min(trusted) AS trusted"
        " FROM evidence JOIN boots ON boots.n = evidence.boot GROUP BY segment) WHERE trusted AND ended < ?",
        (before_utc_s,),
    ).fetchone()
    (latest, filled) = db.execute("SELECT max(segment), total(length(lines)) FROM evidence").fetchone()
    if filled > kept_bytes:
        (oldest,) = db.execute("SELECT min(segment) FROM evidence").fetchone()
        last_old = max(last_old or 0, oldest)
    if last_old is None:
        return 0
    return db.execute(
        "DELETE FROM evidence WHERE id IN"
        " (SELECT id FROM evidence WHERE segment <= ? AND segment < ? ORDER BY id LIMIT ?)",
        (last_old, latest, most),
    ).rowcount
