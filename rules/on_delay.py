"""What has held for so long that it is worth a person's attention: a blink is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container

    from rules.panel import CircuitId


class Lasting:
    """The circuits for which something has held, unbroken, for `delay_s`.

    `long`: those circuits, and since when. Times must not run backward. Costs O(1) a circuit.
    """

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._since: dict[CircuitId, float] = {}  # not long enough yet; the first one is the earliest
        self.long: dict[CircuitId, float] = {}

    def mark(self, circuit: CircuitId, at: float, *, holds: bool) -> None:
        """Note at `at` whether it holds for the circuit."""
        if not holds:
            self._since.pop(circuit, None)
            self.long.pop(circuit, None)
        elif circuit not in self.long:
            self._since.setdefault(circuit, at)

    def forget(self) -> None:
        """Forget everything: it holds no more, whatever the circuit."""
        self._since.clear()
        self.long.clear()

    def follow(self, circuits: Container[CircuitId], at: float) -> None:
        """Forget circuits that are no longer in the file."""
        for circuit in [one for one in (*self._since, *self.long) if one not in circuits]:
            self.mark(circuit, at, holds=False)

    def due(self, now: float) -> bool:
        """Move those for which it has held for long enough by `now`; return whether there were any."""
        found = False
        while (at := self.deadline()) is not None and at <= now:
            circuit = next(iter(self._since))
            self.long[circuit] = self._since.pop(circuit)
            found = True
        return found

    def deadline(self) -> float | None:
        """Return when the next will have lasted long enough; None: nothing waits."""
        first = next(iter(self._since.values()), None)
        return None if first is None else first + self._delay_s

    def begin_anew(self, now: float) -> None:
        """Count from `now` on: what held before has lost its meaning."""
        self._since = dict.fromkeys([*self.long, *self._since], now)
        self.long = {}
