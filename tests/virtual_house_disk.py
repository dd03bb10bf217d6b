"""What survives a crash in the virtual house."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from controller.core import effects as do

if TYPE_CHECKING:
    from rules.panel import CircuitId


@dataclass
class Disk:
    """What survives the process: the rows, through JSON and back, as the store would have them."""

    entries: dict[CircuitId, str] = field(default_factory=dict)
    outages: dict[int, do.KeepOutage] = field(default_factory=dict)
    histories: dict[tuple[int, CircuitId], do.KeepHistory] = field(default_factory=dict)
    log: list[do.Happened] = field(default_factory=list)
    samples: list[do.KeepSample] = field(default_factory=list)
    boot: str | None = None

    def write(self, effect: do.Effect, boot: str) -> None:
        match effect:
            case do.KeepEntry(circuit, row):
                self.entries[circuit] = json.dumps(row)
            case do.KeepOutage(id=number):
                self.outages[number] = effect
            case do.DropOutage(number):
                del self.outages[number]
            case do.KeepHistory(outage, circuit):
                self.histories[outage, circuit] = effect
            case do.Happened():
                json.dumps(dict(effect.about))
                self.log.append(effect)
            case do.KeepSample():
                self.samples.append(effect)
            case _:
                return
        self.boot = boot

    def memory(self) -> do.Memory:
        unclosed = [row for row in self.outages.values() if row.stage != "closed"]
        return do.Memory(
            entries={circuit: json.loads(row) for circuit, row in self.entries.items()},
            outage=unclosed[-1] if unclosed else None,
            history=tuple(self.histories.values()),
            last_outage=max(self.outages, default=0),
            openings=tuple(moment for row in self.outages.values() for moment in row.openings),
            boot=self.boot,
        )
