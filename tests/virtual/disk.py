"""The virtual house's disk: rows become text, are safe some time later, and are lost in a crash before."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from controller.effects import DropOutage, KeepEntry, KeepHistory, KeepOutage, Memory
from rules.moment import Moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from controller.effects import DiskEffect
    from rules.panel import CircuitId


def _moment(row: Any) -> Moment | None:
    return None if row is None else Moment(row["boot"], row["mono"])


def _sure(row: Any) -> Moment:
    return Moment(row["boot"], row["mono"])


class Disk:
    """What is safe, and what waits. `flush_s`: so long does a commit take; each put is one commit, in order."""

    def __init__(self) -> None:
        self.flush_s = 0.01
        self.boot: str | None = None
        self._entries: dict[CircuitId, str] = {}
        self._outages: dict[int, str] = {}
        self._histories: dict[tuple[int, CircuitId], str] = {}
        self._waiting: deque[tuple[float, float, str, Sequence[DiskEffect]]] = deque()

    def put(self, rows: Sequence[DiskEffect], boot: str, at: float) -> None:
        """Take rows in one commit; it is safe `flush_s` later, and never before an earlier one."""
        due = max(at + self.flush_s, self._waiting[-1][0] if self._waiting else at)
        self._waiting.append((due, at, boot, rows))

    def commit(self, at: float) -> None:
        """Make safe what is due by now."""
        while self._waiting and self._waiting[0][0] <= at:
            _, _, self.boot, rows = self._waiting.popleft()
            for row in rows:
                self._write(row)

    def crash(self, at: float) -> bool:
        """Lose what is not safe; return whether any of it had waited longer than a contact takes to settle."""
        self.commit(at)
        late = any(put_at < at - 0.09 for _, put_at, _, _ in self._waiting)
        self._waiting.clear()
        return late

    def _write(self, row: DiskEffect) -> None:
        match row:
            case KeepEntry():
                self._entries[row.circuit] = json.dumps(dict(row.row))
            case KeepOutage():
                self._outages[row.id] = json.dumps(asdict(row))
            case KeepHistory():
                self._histories[row.outage, row.circuit] = json.dumps(asdict(row))
            case DropOutage():
                self._outages.pop(row.id, None)
            case _:
                pass

    def entry(self, circuit: CircuitId) -> dict[str, Any]:
        """Return what is safe of one circuit."""
        row: dict[str, Any] = json.loads(self._entries.get(circuit, "{}"))
        return row

    def memory(self) -> Memory:
        """Return what a start finds."""
        latest = [self._outage(number) for number in sorted(self._outages)[-20:]]
        outage = next((outage for outage in reversed(latest) if outage.stage != "closed"), None)
        return Memory(
            entries={circuit: json.loads(row) for circuit, row in self._entries.items()},
            outage=outage,
            history=tuple(self._history(key) for key in self._histories if outage and key[0] == outage.id),
            last_outage=max(self._outages, default=0),
            openings=tuple(opening for outage in latest for opening in outage.openings),
            boot=self.boot,
        )

    def _outage(self, number: int) -> KeepOutage:
        row = json.loads(self._outages[number])
        row |= {"began": _sure(row["began"]), "ended": _moment(row["ended"])}
        return KeepOutage(**(row | {"openings": tuple(_sure(opening) for opening in row["openings"])}))

    def _history(self, key: tuple[int, CircuitId]) -> KeepHistory:
        row = json.loads(self._histories[key])
        return KeepHistory(**(row | {"shed_at": _moment(row["shed_at"]), "restored_at": _moment(row["restored_at"])}))
