"""What the devices of circuits measured in an outage, in words and as fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clients.terminal.tables import format_span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from controller.storage.log_reader import LoadRow, OutageRow
    from rules.json_types import Json
    from rules.panel import Panel

TITLE = "Power of circuits, as their devices measured it"
HEADS = ("circuit", "before", "highest on standby", "while off", "energy on standby")
NOTE = "Only devices that measure their own power are listed. A dash is unknown, not zero."
UNKNOWN = "–"


@dataclass(frozen=True, slots=True)
class CircuitLoad:
    """Measured load of one circuit. `name`: as it is shown."""

    circuit: str
    name: str
    measured: LoadRow

    @property
    def cells(self) -> tuple[str, ...]:
        """Return the row of a table. Unknown is a dash, never zero."""
        row = self.measured
        return (
            self.name,
            power_words(row.before_w, row.before_age_s),
            power_words(row.peak_w),
            power_words(row.off_w),
            _energy_words(row),
        )

    @property
    def fields(self) -> Mapping[str, Json]:
        """Return the fields for programs. Null is unknown."""
        row = self.measured
        return {
            "before_w": row.before_w,
            "before_age_s": row.before_age_s,
            "peak_w": row.peak_w,
            "off_w": row.off_w,
            "energy_kwh": row.energy_kwh,
            "energy_is_lower_bound": row.energy_kwh is not None and row.energy_is_lower_bound,
        }


def circuit_loads(outage: OutageRow, panel: Panel | None) -> Iterator[CircuitLoad]:
    """Yield the circuits whose devices measured something. `panel`: the last in force; None: none is kept."""
    circuits = panel.circuits if panel is not None else {}
    for row in outage.loads:
        found = circuits.get(row.circuit)
        if any(one is not None for one in (row.before_w, row.peak_w, row.off_w, row.energy_kwh)):
            yield CircuitLoad(row.circuit, row.circuit if found is None else found.label, row)


def power_words(watts: float | None, age_s: float | None = None) -> str:
    """Return a power as `4.5 kW`, `35 W`; an old one with its age."""
    if watts is None:
        return UNKNOWN
    words = f"{watts / 1000:.1f} kW" if watts >= _KILOWATT else f"{watts:.0f} W"
    return words if age_s is None or age_s < _OLD_S else f"{words} ({format_span(age_s)} old)"


_KILOWATT = 1000.0
_OLD_S = 60.0


def _energy_words(row: LoadRow) -> str:
    if row.energy_kwh is None:
        return UNKNOWN
    return f"{'≥ ' if row.energy_is_lower_bound else ''}{row.energy_kwh:.2f} kWh"
