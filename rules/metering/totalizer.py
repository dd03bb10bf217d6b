"""The meter's 1 kWh output: a second totalizer, for houses whose register is not read, and a check of both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.metering.pulse_check import KWH_EDGES_PER_TICK, PulseRegisterCheck
from rules.metering.register import LARGEST_METER_KW, OVERLOAD, ReadingVerdict

if TYPE_CHECKING:
    from rules.metering.pulse_check import PulseMismatch

KWH_EDGE_KWH = 0.5
_EDGE_KW_S = 1800.0


class Totalizer:
    """Counts half kilowatt-hours. It has no clock: every call carries the time.

    `max_kw`: rating of the meter; None if the model is not known. `counted`: edges counted before this start.
    """

    def __init__(self, max_kw: float | None, counted: int = 0) -> None:
        self._most_kw = OVERLOAD * (max_kw or LARGEST_METER_KW)
        self._witnesses = PulseRegisterCheck(KWH_EDGES_PER_TICK, "1 kWh output")
        self._last_at: float | None = None
        self.count = counted
        self.noise_count = 0

    def pulse(self, at: float) -> bool:
        """Count one edge. Return whether it counts. An edge beyond 110 % of the rating is noise."""
        if self._last_at is not None and (at - self._last_at) * self._most_kw < _EDGE_KW_S:
            self.noise_count += 1
            return False
        self._last_at = at
        self.count += 1
        return True

    def register_read(self, verdict: ReadingVerdict, ticks: int, at: float) -> PulseMismatch | None:
        """Process the verdict on a register reading. Return a mismatch, or None."""
        if verdict.restarts:
            self._witnesses.begin(self.count)
            return None
        return self._witnesses.read(ticks, self.count, at) if verdict.counts else None

    @property
    def kwh(self) -> float:
        """Return the energy counted since the counter's zero. Zero is the time of wiring, not that of the meter."""
        return self.count * KWH_EDGE_KWH

    @property
    def finding(self) -> PulseMismatch | None:
        """Return the mismatch between edges and register; None if they agree, or agree again."""
        return self._witnesses.finding
