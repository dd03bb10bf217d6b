"""What the hub's own loop does: breakers that open and close without a command of ours, and how soon.

The handle, the app and the loop cannot be distinguished. What follows the transfer within a minute is counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rules.panel import Position

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rules.panel import CircuitId

WITHIN_S = 120.0
"""Time in seconds after the transfer in which an opening counts as the loop's."""


@dataclass(slots=True)
class LoopWatch:
    """The last transfer. `off_after_s`: circuits that were switched off elsewhere, with the time since it.

    `were_on`: circuits that reported on at the transfer. `came_back`: those that were switched on elsewhere after it.
    """

    off_after_s: dict[CircuitId, float] = field(default_factory=dict)
    were_on: tuple[CircuitId, ...] = ()
    came_back: set[CircuitId] = field(default_factory=set)
    _opened_at: float | None = None

    def opened(self, at: float, on: Iterable[CircuitId]) -> None:
        """Start with a transfer; `on`: the circuits that report on."""
        self._opened_at, self.were_on = at, tuple(on)
        self.off_after_s, self.came_back = {}, set()

    def closed(self, _at: float) -> None:
        """Note that utility is back: what is switched on now comes back."""
        self._opened_at = None

    def switched(self, circuit: CircuitId, position: Position, at: float) -> None:
        """Note a change that no command of ours has caused."""
        if position is Position.OFF and self._opened_at is not None and at - self._opened_at <= WITHIN_S:
            self.off_after_s.setdefault(circuit, round(at - self._opened_at, 1))
        elif position is Position.ON and circuit in self.off_after_s:
            self.came_back.add(circuit)

    def text(self, names: dict[CircuitId, str], watts: dict[CircuitId, float]) -> str:
        """Return what was seen, in words; empty: nothing. `watts`: of circuits that are on and draw power."""
        if not self.off_after_s:
            return ""
        last = max(self.off_after_s.values())
        text = f"{len(self.off_after_s)} of {len(self.were_on)} breakers were switched off elsewhere, the last one "
        text += f"{last:g} s after the transfer was published"
        left = [one for one in self.were_on if one not in self.off_after_s]
        if left:
            shown = [f"{names[one]} (draws {watts[one] / 1000:.1f} kW)" if one in watts else names[one] for one in left]
            text += f". Still on: {', '.join(shown)}"
        if self._opened_at is None:
            missing = [names[one] for one in self.off_after_s if one not in self.came_back]
            text += f". Not back on: {', '.join(missing)}" if missing else ". All are back on"
        return text + "."
