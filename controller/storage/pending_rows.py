"""Rows waiting to be written, combined so that they stay few however long the disk fails."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from controller.core.effects import (
    DeleteOutage,
    LogEvent,
    SaveEntry,
    SaveHistory,
    SaveLoad,
    SaveOutage,
    SavePulses,
    SaveSample,
)

if TYPE_CHECKING:
    from controller.core.effects import DiskEffect
    from controller.storage.recording_buffer import RecordingBlock
    from rules.panel import CircuitId

# A busy outage of a large house logs some 500 events; a day of samples every 5 s has 17,280.
MAX_PENDING_EVENTS = 5_000
MAX_PENDING_SAMPLES = 20_000


@dataclass(slots=True)
class PendingLedgerRows:
    """Rows for ledger.db. Of entries, outages, histories and loads only the latest of each key counts.

    `lost`: events dropped, oldest first, because the disk failed for too long. `blocks`: of the recording.
    """

    entries: dict[CircuitId, SaveEntry] = field(default_factory=dict)
    outages: dict[int, SaveOutage] = field(default_factory=dict)
    histories: dict[tuple[int, CircuitId], SaveHistory] = field(default_factory=dict)
    loads: dict[tuple[int, CircuitId], SaveLoad] = field(default_factory=dict)
    dropped: set[int] = field(default_factory=set)
    events: deque[LogEvent] = field(default_factory=deque)
    blocks: list[RecordingBlock] = field(default_factory=list)
    lost: int = 0

    def __bool__(self) -> bool:
        return self.decides or bool(self.loads or self.events or self.blocks)

    @property
    def decides(self) -> bool:
        """Return whether a start after a crash depends on any of these rows."""
        return bool(self.entries or self.outages or self.histories or self.dropped)

    def add(self, effect: DiskEffect) -> None:
        """Add one row; rows of samples.db are ignored."""
        match effect:
            case SaveEntry():
                self.entries[effect.circuit] = effect
            case SaveOutage():
                self.outages[effect.id] = effect
            case SaveHistory():
                self.histories[effect.outage, effect.circuit] = effect
            case SaveLoad():
                self.loads[effect.outage, effect.circuit] = effect
            case DeleteOutage():
                self._drop(effect.id)
            case LogEvent():
                self.events.append(effect)
                self._bound()
            case SaveSample() | SavePulses():
                pass

    def absorb(self, later: PendingLedgerRows) -> None:
        """Merge later rows; where both have a key, the later one counts."""
        for outage in later.dropped:
            self._drop(outage)
        self.entries |= later.entries
        self.outages |= later.outages
        self.histories |= later.histories
        self.loads |= later.loads
        self.events.extend(later.events)
        self.blocks.extend(later.blocks)
        self.lost += later.lost
        self._bound()

    def _drop(self, outage: int) -> None:
        self.dropped.add(outage)
        self.outages.pop(outage, None)
        for key in [key for key in self.histories if key[0] == outage]:
            del self.histories[key]
        self.loads = {key: row for key, row in self.loads.items() if key[0] != outage}

    def _bound(self) -> None:
        while len(self.events) > MAX_PENDING_EVENTS:
            self.events.popleft()
            self.lost += 1


@dataclass(slots=True)
class PendingSamples:
    """Rows for samples.db. `lost`: dropped, oldest first, because the disk failed for too long.

    `pulses`: the last count; None: unchanged.
    """

    rows: deque[SaveSample] = field(default_factory=deque)
    pulses: SavePulses | None = None
    lost: int = 0

    def __bool__(self) -> bool:
        return bool(self.rows) or self.pulses is not None

    def add(self, sample: SaveSample | SavePulses) -> None:
        """Add one row."""
        if isinstance(sample, SavePulses):
            self.pulses = sample
            return
        self.rows.append(sample)
        self._bound()

    def absorb(self, later: PendingSamples) -> None:
        """Merge later rows."""
        self.rows.extend(later.rows)
        self.pulses = later.pulses or self.pulses
        self.lost += later.lost
        self._bound()

    def _bound(self) -> None:
        while len(self.rows) > MAX_PENDING_SAMPLES:
            self.rows.popleft()
            self.lost += 1


@dataclass(slots=True)
class LedgerMirror:
    """Rows that a new ledger.db must hold at once if the old one is lost: every entry, and the latest outage."""

    entries: dict[CircuitId, SaveEntry] = field(default_factory=dict)
    outage: SaveOutage | None = None
    histories: dict[CircuitId, SaveHistory] = field(default_factory=dict)

    def is_new(self, effect: DiskEffect) -> bool:
        """Add one row. Return whether it differs from what is written or about to be."""
        match effect:
            case SaveEntry():
                known = self.entries.get(effect.circuit)
                self.entries[effect.circuit] = effect
                return known is None or known.row != effect.row
            case SaveOutage():
                return self._outage(effect)
            case SaveHistory() if self.outage and effect.outage == self.outage.id:
                known_history = self.histories.get(effect.circuit)
                self.histories[effect.circuit] = effect
                return known_history != effect
            case DeleteOutage() if self.outage and effect.id == self.outage.id:
                self.outage, self.histories = None, {}
        return True

    def _outage(self, effect: SaveOutage) -> bool:
        if self.outage and effect.id < self.outage.id:
            return True
        if self.outage is None or effect.id > self.outage.id:
            self.histories = {}
        known, self.outage = self.outage, effect
        return known != effect

    def whole(self) -> PendingLedgerRows:
        """Return all rows, to be written again."""
        ledger = PendingLedgerRows(entries=dict(self.entries))
        if self.outage:
            ledger.outages[self.outage.id] = self.outage
            for circuit, history in self.histories.items():
                ledger.histories[self.outage.id, circuit] = history
        return ledger
