"""Disk of the virtual house, which survives a crash."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from controller.core import effects as do

if TYPE_CHECKING:
    from rules.panel import CircuitId


@dataclass
class Disk:
    """Rows that survive the process, through JSON and back, as the store keeps them."""

    entries: dict[CircuitId, str] = field(default_factory=dict)
    outages: dict[int, do.SaveOutage] = field(default_factory=dict)
    histories: dict[tuple[int, CircuitId], do.SaveHistory] = field(default_factory=dict)
    log: list[do.LogEvent] = field(default_factory=list)
    samples: list[do.SaveSample] = field(default_factory=list)
    boot: str | None = None

    def write(self, effect: do.Effect, boot: str) -> None:
        match effect:
            case do.SaveEntry(circuit, row):
                self.entries[circuit] = json.dumps(row)
            case do.SaveOutage(id=number):
                self.outages[number] = effect
            case do.DeleteOutage(number):
                del self.outages[number]
            case do.SaveHistory(outage, circuit):
                self.histories[outage, circuit] = effect
            case do.LogEvent():
                json.dumps(dict(effect.details))
                self.log.append(effect)
            case do.SaveSample():
                self.samples.append(effect)
            case _:
                return
        self.boot = boot

    def memory(self) -> do.SavedState:
        unclosed = [row for row in self.outages.values() if row.stage != "closed"]
        return do.SavedState(
            entries={circuit: json.loads(row) for circuit, row in self.entries.items()},
            outage=unclosed[-1] if unclosed else None,
            history=tuple(self.histories.values()),
            last_outage=max(self.outages, default=0),
            openings=tuple(moment for row in self.outages.values() for moment in row.openings),
            boot=self.boot,
        )
