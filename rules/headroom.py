"""Headroom of the generator for one more circuit, when a user asks for it on standby."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rules.metering.demand import DemandView
    from rules.panel import Circuit

CONTINUOUS = 0.8
"""Part of a breaker's rating that a continuous load may use (National Electrical Code, 210.19 and 210.20)."""

POLE_VOLTS = 120.0


def size_kw(circuit: Circuit) -> float | None:
    """Return the largest continuous load of the circuit in kW, by its rating; None: no rating is given."""
    if circuit.amps is None:
        return None
    return CONTINUOUS * circuit.amps * POLE_VOLTS * len(circuit.spaces) / 1000.0


@dataclass(frozen=True, slots=True)
class Headroom:
    """Figures for one more circuit, in kW. `unknown`: what is unknown, in words; None: all figures are known.

    `demand_kw`: present demand, by pulses only. `size_kw`: load of the circuit. `capacity_kw`: rated power of the
    generator.
    """

    demand_kw: float | None
    size_kw: float | None
    capacity_kw: float | None
    unknown: str | None = None

    @property
    def exceeded(self) -> bool:
        """Return whether the circuit is known not to fit."""
        if self.demand_kw is None or self.size_kw is None or self.capacity_kw is None:
            return False
        return self.demand_kw + self.size_kw > self.capacity_kw

    def __str__(self) -> str:
        if self.demand_kw is None or self.size_kw is None or self.capacity_kw is None:
            return f"whether the generator can carry it is unknown: {self.unknown}"
        total_kw = self.demand_kw + self.size_kw
        return f"now {self.demand_kw:.1f} kW + up to {self.size_kw:.1f} kW = {total_kw:.1f} of {self.capacity_kw:g} kW"


def headroom(circuit: Circuit, demand: DemandView | None, capacity_kw: float | None) -> Headroom:
    """Return the headroom for the circuit. `demand`: None without a meter. `capacity_kw`: None if not configured."""
    measured = demand is not None and demand.kw_quality.value == "pulses"
    demand_kw = demand.kw if demand is not None and measured else None
    size = size_kw(circuit)
    return Headroom(demand_kw, size, capacity_kw, _unknown(demand, demand_kw, size, capacity_kw))


def _unknown(
    demand: DemandView | None, demand_kw: float | None, size: float | None, capacity_kw: float | None
) -> str | None:
    reasons = (
        (capacity_kw is None, "no [generator] kw in installer.toml"),
        (demand is None, "no meter"),
        (demand_kw is None, _why_no_demand(demand)),
        (size is None, "no amps for this circuit in circuits.toml"),
    )
    return next((reason for holds, reason in reasons if holds), None)


def _why_no_demand(demand: DemandView | None) -> str:
    if demand is not None and demand.kw_quality.value == "stale":
        return "the meter does not respond"
    if demand is not None and demand.kw_quality.value == "coarse":
        return "without pulses the meter shows demand minutes late"
    return "the meter has no figure yet"
