"""The virtual house's meter: what went through it, and what its register and its pulses say of that."""

from __future__ import annotations

from dataclasses import dataclass

from controller.core import events as ev

ROLLOVER = 10_000_000
POLL_S = 120.0
EDGE_TENTHS = 0.05
"""An edge of the 10 Wh output is 5 Wh."""


@dataclass(slots=True)
class Meter:
    """`tenths`: what has gone through it so far, in tenths of a kWh. `register`: what it showed before that.

    `kw`: the load. `silent`: does not answer. `replaced`: it is not the meter that the night began with.
    """

    at: float
    kw: float = 4.0
    tenths: float = 0.0
    register: int = 1_234_560
    edges: int = 0
    silent: bool = False
    replaced: bool = False

    def live(self, at: float) -> None:
        """Let the load draw until then."""
        self.tenths += self.kw * (at - self.at) / 360.0
        self.at = at

    def polled(self, now: float) -> ev.EnergyRead | ev.MeterSilent:
        """Return what a poll brings."""
        if self.silent:
            return ev.MeterSilent(now, "no answer")
        return ev.EnergyRead(now, (self.register + int(self.tenths)) % ROLLOVER)

    def new_edges(self) -> int:
        """Return how many edges have come since last asked."""
        edges = int(self.tenths / EDGE_TENTHS) - self.edges
        self.edges += edges
        return edges

    def replace(self, register: int) -> None:
        """Put another meter in its place, which shows this."""
        self.register, self.replaced = (register - int(self.tenths)) % ROLLOVER, True

    def near_rollover(self) -> None:
        """Stand within a kWh of the rollover, as if it had always been so: to be done before the first reading."""
        self.register = ROLLOVER - 5
