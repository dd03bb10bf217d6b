"""Simulated pulse output: a load that toggles a wire every 5 Wh, at the exact time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from hw.simulated.contact import SimulatedWire

EDGE_KW_S = 18.0


class PulseOutput:
    """Draws power through a simulated meter and toggles its 10 Wh output, edge by edge.

    `move_to(t)` sets the simulated clock to the time of each edge before the wire moves. `edge_kw_s`: 18 for the 10 Wh
    output, 1800 for the 1 kWh output. `energy_kw_s` is the exact integral of the load.
    """

    def __init__(
        self, wire: SimulatedWire, move_to: Callable[[float], None], began: float = 0.0, edge_kw_s: float = EDGE_KW_S
    ) -> None:
        self._wire = wire
        self._move_to = move_to
        self._edge_kw_s = edge_kw_s
        self._now = began
        self.energy_kw_s = 0.0
        self.edges = 0

    def draw(self, kw: float, seconds: float) -> None:
        """Draw a constant load for this time; each edge occurs where the integral crosses a multiple of its energy."""
        ended = self._now + seconds
        while kw > 0:
            due = self._now + ((self.edges + 1) * self._edge_kw_s - self.energy_kw_s) / kw
            if due > ended:
                break
            self.energy_kw_s = (self.edges + 1) * self._edge_kw_s
            self.edges += 1
            self._now = due
            self._move_to(due)
            self._wire.toggle()
        self.energy_kw_s += kw * (ended - self._now)
        self._now = ended
        self._move_to(ended)
