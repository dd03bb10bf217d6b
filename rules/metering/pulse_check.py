"""Comparison of two measurements of one energy: the edges of the pulse output and the ticks of the register."""

from __future__ import annotations

from dataclasses import dataclass

EDGES_PER_TICK = 20.0
"""Edges of the 10 Wh output per register tick: 20 edges of 5 Wh are 0.1 kWh."""

KWH_EDGES_PER_TICK = 0.2
"""Edges of the 1 kWh output per register tick: one edge of 500 Wh is five ticks."""

TOLERANCE = 0.01
TOLERANCE_EDGES = 2.0

_STRETCH_EDGES = 2000
"""10 kWh at the 10 Wh output: the comparison then restarts, so that 1 % never grows into hours of lost edges."""

_REGAIN_EDGES = 100


@dataclass(frozen=True, slots=True)
class PulseMismatch:
    """The counted edges do not match the register: edges were lost, or bounces were counted.

    `counted`: edges in the compared interval; `expected`: edges that the register's ticks amount to, to within one
    tick. `output`: the output of the meter.
    """

    at: float
    counted: int
    expected: int
    output: str = "pulse output"

    @property
    def lost(self) -> bool:
        """Return whether edges are missing; False: there are too many."""
        return self.counted < self.expected

    @property
    def says(self) -> str:
        """Return the mismatch as a sentence for the person who maintains the wiring."""
        what = (
            f"edges of the {self.output} are being lost"
            if self.lost
            else f"the {self.output} bounces or picks up noise"
        )
        cure = "check its two wires" if self.lost else "keep its wires apart from the mains"
        return f"{what}: {self.counted} counted, about {self.expected} by the register: {cure}"


class PulseRegisterCheck:
    """Compares edges with ticks, independent of the times of the polls.

    A tick seen at a poll occurred at some time since the previous poll, while the count of edges was between its value
    then and now. The position within its tick at which the register began is unknown, but constant. Every tick
    therefore narrows one interval for this offset. If nothing is left of the interval, by more than 1 % + 2 edges, the
    two counts cannot both be right. An output coarser than the register adds one edge to the interval, which the
    allowed two edges cover.

    `edges_per_tick`, `output`: the output of the meter.
    """

    def __init__(self, edges_per_tick: float = EDGES_PER_TICK, output: str = "pulse output") -> None:
        self._edges_per_tick = edges_per_tick
        self._output = output
        self._ticks = 0
        self._edges_at_read = 0
        self._restart(0)
        self._clean_ticks = self._regain_ticks
        self.finding: PulseMismatch | None = None

    def _restart(self, edges: int) -> None:
        self._ticks = 0
        self._edges_began = edges
        self._low = float("-inf")
        self._high = float("inf")

    def begin(self, edges: int) -> None:
        """Restart the comparison: another meter, or a gap in the counts."""
        self._restart(edges)
        self._edges_at_read = edges

    @property
    def trusted(self) -> bool:
        """Return whether the edges can be trusted: no mismatch, or enough clean ticks since."""
        return self._clean_ticks >= self._regain_ticks

    @property
    def _regain_ticks(self) -> float:
        return _REGAIN_EDGES / self._edges_per_tick

    def read(self, ticks: int, edges: int, at: float) -> PulseMismatch | None:
        """Process an accepted reading: the ticks it added and the edges counted. Return a mismatch, or None."""
        before, self._edges_at_read = self._edges_at_read, edges
        if not ticks:
            return None
        self._ticks += ticks
        counted = edges - self._edges_began
        due = self._edges_per_tick * self._ticks
        self._low = max(self._low, before - self._edges_began - due - self._edges_per_tick)
        self._high = min(self._high, counted - due)
        if self._low - self._high > TOLERANCE * due + TOLERANCE_EDGES:
            return self._disagree(counted, due, edges, at)
        self._agree(ticks, edges)
        return None

    def _disagree(self, counted: int, due: float, edges: int, at: float) -> PulseMismatch:
        # The newest tick broke it: with too few edges it set the upper end, with too many the lower.
        lost = self._high == counted - due
        expected = max(round(due), counted + 1) if lost else min(round(due), counted - 1)
        self.finding = PulseMismatch(at, counted, expected, self._output)
        self._clean_ticks = 0
        self._restart(edges)
        return self.finding

    def _agree(self, ticks: int, edges: int) -> None:
        if not self.trusted and edges > self._edges_began:
            self._clean_ticks += ticks
            if self.trusted:
                self.finding = None
        if self._ticks >= _STRETCH_EDGES / self._edges_per_tick:
            self._restart(edges)
