"""Demand: how fast and how true, in virtual time; and how many edges a second the process takes."""

from __future__ import annotations

import random
import sys
import time
from collections import deque
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from hw.pulses import Pulses
from hw.simulated.contact import SimulatedPins, Wire
from hw.simulated.pulse_wires import PulseOutput
from rules.metering.demand import Demand

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_KW = 48.0
EDGE_KW_S = 18.0
TICK_KW_S = 360.0
PIN = 27


@dataclass(frozen=True)
class Row:
    """One figure: what, what was seen, and whether it reaches what it must."""

    figure: str
    seen: str
    least: str
    reached: bool


class Clock:
    """Virtual time that carries out what was arranged for later, in order: every delay here is the same."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: deque[tuple[float, Callable[[], None]]] = deque()

    def __call__(self) -> float:
        return self.now

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self._due.append((self.now + seconds, call))

    def move_to(self, at: float) -> None:
        while self._due and self._due[0][0] <= at:
            self.now, call = self._due.popleft()
            call()
        self.now = at


class Path:
    """A simulated load, its pulse wire, the real hw/pulses path, and the estimator."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.demand = Demand(MAX_KW, 5.0, pulses=True)
        pins = SimulatedPins(self.clock)
        self.wire = Wire(pins, PIN)
        self.line = Pulses(PIN, self.demand.pulse, MAX_KW, later=self.clock.later, factory=pins, clock=self.clock)
        self.output = PulseOutput(self.wire, self.clock.move_to)


def step_by_pulses(phase: float) -> float:
    """Return the seconds from a step 2→10 kW to within 10 %, the filter of hw/pulses included."""
    path = Path()
    path.output.draw(2.0, 9.0 * (6 + phase))
    stepped = path.clock.now
    while (path.demand.view(path.clock.now).kw or 0.0) < 9.0:
        path.output.draw(10.0, 0.01)
    return path.clock.now - stepped


def step_by_register(phase: float, poll_s: float = 1.0) -> float:
    """Return the same by the register alone, polled each second; `phase`: of the step in its tick."""
    demand = Demand(MAX_KW, poll_s, pulses=False)
    stepped, at = 180.0 * (2 + phase), 0.0
    while at <= stepped or (demand.view(at).kw or 0.0) < 9.0:
        at += poll_s
        kw_s = 2.0 * min(at, stepped) + 10.0 * max(0.0, at - stepped)
        demand.energy_read(int(kw_s / TICK_KW_S + 1e-9), at)
    return at - stepped


def steps() -> list[Row]:
    """Return how soon a step shows, over the phases of a count."""
    phases = [n / 200 for n in range(200)]
    by_pulses = [step_by_pulses(phase) for phase in phases]
    by_register = [step_by_register(phase) for phase in phases]
    return [
        Row(
            "step 2→10 kW by pulses, median (worst)",
            f"{median(by_pulses):.2f} s ({max(by_pulses):.2f})",
            "≤ 3 s (3.6)",
            median(by_pulses) <= 3.0 and max(by_pulses) <= 3.6,
        ),
        Row(
            "step 2→10 kW by register at 1 s, median (worst)",
            f"{median(by_register):.1f} s ({max(by_register):.1f})",
            "≤ 55 s (73)",
            median(by_register) <= 55.0 and max(by_register) <= 73.0,
        ),
    ]


def day(seconds: float = 86_400.0) -> list[Row]:
    """Return how true energy and windows are over a day of random load, 0 to 48 kW, through the real pulse path."""
    chance = random.Random(20)  # noqa: S311 — the same day at each run
    path = Path()
    history: deque[tuple[float, float]] = deque([(0.0, 0.0)])
    short = long = 0.0
    next_look = 0.0
    while path.clock.now < seconds:
        kw = chance.choice([0.0, chance.uniform(0.0, 2.0), chance.uniform(0.0, MAX_KW)])
        ended = path.clock.now + chance.expovariate(1 / 90.0)
        while path.clock.now < ended:
            path.output.draw(kw, min(ended - path.clock.now, 1.0))
            now = path.clock.now
            history.append((now, path.output.energy_kw_s))
            if now >= next_look:
                next_look = now + 7.3
                view = path.demand.view(now)
                if "demand_5min_kw" not in view.partial:
                    short = max(short, _error(view.demand_5min_kw, history, now, 300.0))
                if "demand_15min_kw" not in view.partial:
                    long = max(long, _error(view.demand_15min_kw, history, now, 900.0))
        while history[1][0] <= path.clock.now - 901.0:
            history.popleft()
    path.clock.move_to(path.clock.now + 1.0)
    off = path.demand.pulse_count - path.output.energy_kw_s / EDGE_KW_S
    return [
        Row(
            f"energy over a day of random load ({path.demand.pulse_count} edges)",
            f"off by {abs(off):.2f} edge",
            "1 edge",
            abs(off) <= 1.0,
        ),
        Row("demand_5min against the exact integral", f"within {short:.3f} kW", "0.12 kW", short <= 0.12 + 1e-6),
        Row("demand_15min against the exact integral", f"within {long:.3f} kW", "0.04 kW", long <= 0.04 + 1e-6),
    ]


def _error(kw: float | None, history: deque[tuple[float, float]], now: float, window_s: float) -> float:
    """Return how far a full window is from the exact integral."""
    return abs((kw or 0.0) - (history[-1][1] - _energy_at(history, now - window_s)) / window_s)


def _energy_at(history: deque[tuple[float, float]], at: float) -> float:
    """Return the exact energy at a moment: between two points of the history the load was steady."""
    low, high = 0, len(history) - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if history[middle][0] <= at else (low, middle)
    (t0, e0), (t1, e1) = history[low], history[high]
    return e0 + (e1 - e0) * (at - t0) / (t1 - t0)


def edges(count: int = 20_000) -> list[Row]:
    """Return how many edges a second the process takes, from the pin's callback to the estimator, none lost."""
    clock = Clock()
    demand = Demand(None, 5.0, pulses=True)
    pins = SimulatedPins(clock)
    wire = Wire(pins, PIN)
    line = Pulses(PIN, demand.pulse, None, later=clock.later, factory=pins, clock=clock)
    began = time.perf_counter()
    for index in range(count):
        clock.move_to((index + 1) * EDGE_KW_S / 998.0)
        wire.toggle()
    clock.move_to(clock.now + 1.0)
    rate = count / (time.perf_counter() - began)
    lost = count - demand.pulse_count
    line.close()
    return [
        Row(
            "edges taken through hw/pulses and rules/demand",
            f"{rate:,.0f}/s, {lost} lost",
            "≥ 500/s",
            rate >= 500 and not lost,
        )
    ]


def main() -> int:
    """Print the table; return 1 where a figure is not reached."""
    rows = [*steps(), *day(), *edges()]
    wide = max(len(row.figure) for row in rows)
    for row in rows:
        print(f"{'ok ' if row.reached else 'NOT'}  {row.figure:<{wide}}  {row.seen:<24}  must: {row.least}")
    return 0 if all(row.reached for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
