"""Power and energy of each circuit in an outage, as its own device measures them.

Only what a device measured honestly is recorded. What is unknown stays unknown: it is never zero, and an old value is
never the present one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from controller.core.effects import SaveLoad

if TYPE_CHECKING:
    from controller.core.outage_record import OutageRecord
    from rules.panel import CircuitId

FRESH_S = 330.0
"""Age in seconds up to which a power counts as the power before the outage: Tasmota reports every 300 s."""

EXACT_S = 60.0
"""Age in seconds up to which an energy counter counts as read at the beginning or end; an older one makes the energy of
the outage a lower bound."""


@dataclass(slots=True)
class _Meter:
    """Latest values of one device. Times in monotonic seconds; None: not measured."""

    watts: float | None = None
    watts_at: float = 0.0
    kwh: float | None = None
    kwh_at: float = 0.0


@dataclass(slots=True)
class _Load:
    """One circuit in the open outage. `first_kwh`: counter from which its energy counts; `exact`: read at the start."""

    row: SaveLoad
    first_kwh: float | None = None
    last_kwh: float | None = None
    exact: bool = True


class LoadRecorder:
    """Records the load of each circuit whose device measures it. `record`: receives the rows to write."""

    def __init__(self, record: OutageRecord) -> None:
        self._record = record
        self._meters: dict[CircuitId, _Meter] = {}
        self._loads: dict[CircuitId, _Load] = {}
        self._outage: int | None = None
        self._on_standby = False

    def resume(self, rows: tuple[SaveLoad, ...]) -> None:
        """Continue the rows of an outage that was open at the start. The energy since its beginning counts."""
        for row in rows:
            self._outage = row.outage
            self._loads[row.circuit] = _Load(row, row.first_kwh, exact=not row.energy_is_lower_bound)

    def began(self, outage: int | None, at: float) -> None:
        """Note that the outage begins, or that the house is on standby again in it."""
        self._on_standby = outage is not None
        if outage is None or outage == self._outage:
            return
        self._outage, self._loads = outage, {}
        for circuit, meter in self._meters.items():
            self._write(self._load(circuit, meter, at))

    def measured(
        self, circuit: CircuitId, at: float, watts: float | None, kwh: float | None, *, off: bool, changes_only: bool
    ) -> None:
        """Note honest measurements of a circuit: power in W, energy counter in kWh; None: not measured.

        `off`: measured after its device has reported off. `changes_only`: its gateway may repeat an old counter, so
        that only another value is new.
        """
        meter = self._meters.setdefault(circuit, _Meter())
        if watts is not None:
            meter.watts, meter.watts_at = watts, at
        if kwh is not None and not (changes_only and kwh == meter.kwh):
            meter.kwh, meter.kwh_at = kwh, at
        if self._outage is None or not self._on_standby:
            return
        load = self._loads.get(circuit) or self._load(circuit, meter, at, late=True)
        self._note_energy(load, meter, kwh)
        if watts is None:
            return
        first_off = off and load.row.off_w is None
        peak_w = watts if load.row.peak_w is None else max(load.row.peak_w, watts)
        load.row = replace(load.row, peak_w=peak_w, off_w=watts if off else load.row.off_w)
        if first_off:
            self._write(load)

    def ended(self, at: float) -> None:
        """Note that utility is back, or the drill over, and write what was measured."""
        if self._outage is None or not self._on_standby:
            return
        self._on_standby = False
        for circuit, load in self._loads.items():
            meter = self._meters.get(circuit)
            last_at = None if meter is None or load.last_kwh is None else meter.kwh_at
            self._write(load, ended=True, exact=last_at is not None and at - last_at <= EXACT_S)

    def _load(self, circuit: CircuitId, meter: _Meter, at: float, *, late: bool = False) -> _Load:
        """Begin the record of a circuit. `late`: it was first measured when the outage had begun."""
        assert self._outage is not None  # only within an outage
        known = not late and meter.watts is not None and at - meter.watts_at <= FRESH_S
        before_w, age_s = (meter.watts, round(at - meter.watts_at, 1)) if known else (None, None)
        load = _Load(SaveLoad(self._outage, circuit, before_w, age_s))
        if not late and meter.kwh is not None and at - meter.kwh_at <= EXACT_S:
            load.first_kwh = meter.kwh
        else:
            load.exact = False
        self._loads[circuit] = load
        return load

    @staticmethod
    def _note_energy(load: _Load, meter: _Meter, kwh: float | None) -> None:
        if kwh is None or meter.kwh is None:
            return
        reference = load.first_kwh if load.last_kwh is None else load.last_kwh
        if reference is not None and meter.kwh < reference:
            load.first_kwh, load.exact = None, False  # another counter, or one that was reset
        if load.first_kwh is None:
            load.first_kwh, load.exact = meter.kwh, False
        load.last_kwh = meter.kwh

    def _write(self, load: _Load, *, ended: bool = False, exact: bool = False) -> None:
        """Write a row. Its energy is written at the end only; a lower bound of nothing is unknown."""
        energy_kwh, is_lower_bound = None, not load.exact
        if ended and load.first_kwh is not None and load.last_kwh is not None:
            energy_kwh, is_lower_bound = round(load.last_kwh - load.first_kwh, 6), not (load.exact and exact)
            if is_lower_bound and not energy_kwh:
                energy_kwh = None
        first = load.first_kwh
        row = replace(load.row, first_kwh=first, energy_kwh=energy_kwh, energy_is_lower_bound=is_lower_bound)
        load.row = row
        if any(one is not None for one in (row.before_w, row.peak_w, row.off_w, row.energy_kwh, row.first_kwh)):
            self._record.save_load(row)
