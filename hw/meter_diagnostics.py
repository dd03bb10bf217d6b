"""Findings from successive readings of one meter. Pure: readings and their times in, findings out."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

# The uptime is in whole seconds and is read a moment later.
UPTIME_SLACK_S = 3.0
_COARSE_S = 60.0
_STEPS_TO_BE_SURE = 3
_NO_OPTION_AFTER_TENTHS = 50


class FindingKind(Enum):
    """Kind of a finding about a meter."""

    POWER_LOST = "power lost"
    REPLACED = "replaced"
    PEAK_RESET = "peak reset"
    PRESENT_DEMAND = "40005 is present demand"
    COARSE = "coarse register"
    TO_GRID_BOGUS = "to-grid bogus"
    TO_GRID_MOVES = "to-grid moves"
    NO_DEMAND_OPTION = "no demand option"


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding with its sentence. `at`: seconds, of the clock of the readings."""

    at: float
    kind: FindingKind
    sentence: str


@dataclass
class Refresh:
    """Refresh interval of the energy register, where the load alone does not explain it."""

    _last: tuple[float, int] | None = None
    _changed_at: float | None = None
    _steps_s: list[float] = field(default_factory=list)

    def energy(self, at: float, tenths: int) -> float | None:
        """Add a reading.

        Return the refresh interval in seconds once it is certain; None: not known, or too short to see.

        A register that shows each tick moves by 1. Steps of several ticks with unchanged polls in between mean a
        register that is refreshed only at intervals.
        """
        last, self._last = self._last, (at, tenths)
        if last is None or tenths == last[1]:
            return None
        since, self._changed_at = self._changed_at, at
        polled_s = at - last[0]
        if since is None or tenths < last[1] + 2 or at - since < 3 * polled_s:
            self._steps_s.clear()
            return None
        self._steps_s = [*self._steps_s, at - since][-_STEPS_TO_BE_SURE:]
        return sorted(self._steps_s)[1] if len(self._steps_s) == _STEPS_TO_BE_SURE else None


@dataclass
class MeterDiagnostics:
    """Diagnostics of one meter."""

    _uptime: tuple[float, int] | None = None
    _program_id: int | None = None
    _reset_counter: int | None = None
    _energy: int | None = None
    _first_energy: int | None = None
    _at_40005: int | None = None
    _steady_40005: bool = False
    _refresh: Refresh = field(default_factory=Refresh)
    _said: set[FindingKind] = field(default_factory=set)

    def energy(self, at: float, tenths: int) -> list[Finding]:
        """Add an accepted reading of the energy register."""
        self._energy = tenths
        self._first_energy = tenths if self._first_energy is None else self._first_energy
        refresh_s = self._refresh.energy(at, tenths)
        if refresh_s is None or refresh_s < _COARSE_S:
            return []
        sentence = f"the energy register changes only about every {refresh_s:.0f} s: demand from it is coarse"
        return self._once(Finding(at, FindingKind.COARSE, sentence))

    def uptime(self, at: float, uptime_s: int) -> list[Finding]:
        """Add an accepted uptime."""
        last, self._uptime = self._uptime, (at, uptime_s)
        if last is None or uptime_s >= last[1] + (at - last[0]) - UPTIME_SLACK_S:
            return []
        self._steady_40005 = False
        dark_s = max(0.0, at - uptime_s - last[0])
        sentence = f"the meter lost power for {dark_s:.0f} s or less; it restarted {uptime_s} s ago"
        return [Finding(at, FindingKind.POWER_LOST, sentence)]

    def program_id(self, at: float, program_id: int) -> list[Finding]:
        """Add an accepted program id; it is unique per serial number."""
        last, self._program_id = self._program_id, program_id
        if last in {None, program_id}:
            return []
        self._said.clear()
        self._uptime = self._reset_counter = self._at_40005 = self._first_energy = None
        self._refresh = Refresh()
        return [Finding(at, FindingKind.REPLACED, f"another meter: program id {program_id}, before {last}")]

    def reset_counter(self, at: float, counter: int) -> list[Finding]:
        """Add an accepted demand reset counter.

        This program never resets the peak itself: a change was made at the meter.
        """
        last, self._reset_counter = self._reset_counter, counter
        if last in {None, counter}:
            return []
        self._steady_40005 = False
        sentence = f"the peak was reset at the meter (key switch or another program): counter {last} → {counter}"
        return [Finding(at, FindingKind.PEAK_RESET, sentence)]

    def peak(self, at: float, hundredths: int) -> list[Finding]:
        """Add an accepted peak (40061)."""
        risen = 0 if self._energy is None or self._first_energy is None else self._energy - self._first_energy
        if hundredths or risen < _NO_OPTION_AFTER_TENTHS:
            return []
        sentence = f"the peak register stays 0 after {risen / 10:g} kWh: the meter lacks the demand option"
        return self._once(Finding(at, FindingKind.NO_DEMAND_OPTION, sentence))

    def beside_energy(self, at: float, energy: int, to_grid: int, at_40005: int) -> list[Finding]:
        """Add the other values of the six-register read."""
        last, self._at_40005 = self._at_40005, at_40005
        steady, self._steady_40005 = self._steady_40005, True
        found = self._grid(at, energy, to_grid)
        if steady and last is not None and at_40005 < last:
            sentence = (
                f"40005 fell from {last / 100:.2f} to {at_40005 / 100:.2f} without a reset: "
                "it is present demand, not the peak"
            )
            found += self._once(Finding(at, FindingKind.PRESENT_DEMAND, sentence))
        return found

    def _grid(self, at: float, energy: int, to_grid: int) -> list[Finding]:
        if not to_grid:
            return []
        if to_grid == energy:
            sentence = "energy to the grid repeats energy from the grid: invalid, not used"
            return self._once(Finding(at, FindingKind.TO_GRID_BOGUS, sentence))
        sentence = f"energy to the grid shows {to_grid / 10:g} kWh of its own: unverified, not used"
        return self._once(Finding(at, FindingKind.TO_GRID_MOVES, sentence))

    def _once(self, noted: Finding) -> list[Finding]:
        new = noted.kind not in self._said
        self._said.add(noted.kind)
        return [noted] if new else []


def agree(first: tuple[float, int], second: tuple[float, int]) -> bool:
    """Return whether two uptimes (time of the read, seconds) belong to one uninterrupted run."""
    return abs((second[1] - first[1]) - (second[0] - first[0])) <= UPTIME_SLACK_S
