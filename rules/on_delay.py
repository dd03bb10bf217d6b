"""On-delay timer: active after its condition has held for a given time. A short blink does not activate it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container

    from rules.panel import CircuitId


class OnDelay:
    """The circuits for which a condition has held, uninterrupted, for `delay_s`.

    `active`: these circuits, with the time since which it holds. Times must not run backward. Cost: O(1) per circuit.
    """

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._since: dict[CircuitId, float] = {}  # not long enough yet; the first one is the earliest
        self.active: dict[CircuitId, float] = {}

    def set(self, circuit: CircuitId, at: float, *, holds: bool) -> None:
        """Record at `at` whether the condition holds for the circuit."""
        if not holds:
            self._since.pop(circuit, None)
            self.active.pop(circuit, None)
        elif circuit not in self.active:
            self._since.setdefault(circuit, at)

    def forget(self) -> None:
        """Clear everything: the condition holds for no circuit."""
        self._since.clear()
        self.active.clear()

    def follow(self, circuits: Container[CircuitId], at: float) -> None:
        """Drop circuits that are no longer in the file."""
        for circuit in [one for one in (*self._since, *self.active) if one not in circuits]:
            self.set(circuit, at, holds=False)

    def on_deadline(self, now: float) -> bool:
        """Activate the circuits whose delay is over by `now`; return whether there were any."""
        found = False
        while (at := self.deadline()) is not None and at <= now:
            circuit = next(iter(self._since))
            self.active[circuit] = self._since.pop(circuit)
            found = True
        return found

    def deadline(self) -> float | None:
        """Return when the next delay is over; None: none is running."""
        first = next(iter(self._since.values()), None)
        return None if first is None else first + self._delay_s

    def restart(self, now: float) -> None:
        """Restart all delays at `now`: the condition has changed its meaning."""
        self._since = dict.fromkeys([*self.active, *self._since], now)
        self.active = {}
