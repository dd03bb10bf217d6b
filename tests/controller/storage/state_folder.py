"""Rows for the store's tests, and an ear for what it says."""

from __future__ import annotations

import queue
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from controller.core.effects import LogEvent, SaveEntry, SaveHistory, SaveOutage, SaveSample
from controller.storage.store import Store, WriteTimings
from rules.boot_time import BootTime
from rules.panel import CircuitId

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from controller.core.effects import OutageStage

BOOT, LATER_BOOT = "boot-1", "boot-2"
TUB, FRIDGE = CircuitId("hot-tub"), CircuitId("fridge")
# Nothing that may wait is written before the end, and a failed write is tried again at once.
PATIENT = WriteTimings(lazy_s=3600.0, samples_s=3600.0, retry_s=0.02, tidy_first_s=3600.0)


@dataclass
class Ear:
    """Hears what the store says, on whichever thread it says it."""

    said: queue.Queue[str] = field(default_factory=queue.Queue)

    def failed(self, reason: str) -> None:
        self.said.put(reason)

    def recovered(self) -> None:
        self.said.put("recovered")

    def next(self) -> str:
        """Return the next word, waiting for it."""
        return self.said.get(timeout=20)

    def rest(self) -> Iterator[str]:
        """Yield what was said and not heard yet."""
        while not self.said.empty():
            yield self.said.get_nowait()


def store_in(folder: Path, ear: Ear, boot: str = BOOT, pace: WriteTimings = PATIENT) -> Store:
    """Return a store that is not loaded yet."""
    return Store(folder, boot, ear.failed, ear.recovered, pace=pace)


def entry(circuit: CircuitId, **row: int) -> SaveEntry:
    """Return a ledger entry."""
    return SaveEntry(circuit, row)


def outage(number: int, stage: OutageStage = "open", boot: str = BOOT, ended: float | None = None) -> SaveOutage:
    """Return an outage that began at 10 s of its boot."""
    began = BootTime(boot, 10.0)
    end = None if ended is None else BootTime(boot, ended)
    return SaveOutage(number, stage, "outage", began, end, (began,), {TUB: "on", FRIDGE: "off"}, 1.5, 4.25, 12_345, 67)


def history(number: int, circuit: CircuitId = TUB, boot: str = BOOT, end: str | None = None) -> SaveHistory:
    """Return how a circuit fared: shed at 11 s, back at 90 s."""
    return SaveHistory(number, circuit, BootTime(boot, 11.0), 0.25, BootTime(boot, 90.0), end)


def sample(at: float, number: int = 1, kw: float | None = 3.5) -> SaveSample:
    """Return one row of the demand log."""
    return SaveSample(at, number, kw, True, "pulses", 0.5, None, 2.0, 1234.5, 7)


def event(at: float, lazy: bool = False) -> LogEvent:
    """Return one event."""
    return LogEvent(at, "confirmed_off", TUB, {"after_s": 0.25}, may_be_delayed=lazy)
