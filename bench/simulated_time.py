"""Simulated time: whole outages per second of CPU through engine and rules, and what more circuits cost.

Run alone: `python -m bench.simulated_time`. An outage is: the contact opens, every circuit is shed and confirmed, the
contact closes, and every circuit is given back and confirmed, each deadline played in its turn. The reference is the
same engine with 40 circuits in the same run, rounds alternated, median of the ratios: 1 000 circuits may cost 25
times as much.
"""

from __future__ import annotations

import sys
import time
from statistics import median
from typing import TYPE_CHECKING

from controller.core.effects import SavedState, SwitchOff, SwitchOn
from controller.core.engine import Engine, EngineSettings
from controller.core.events import AvailabilityReported, BreakerReported, BusConnected, ContactChanged
from rules.flapping import FlapSettings
from rules.panel import Circuit, CircuitId, Kind, Panel, Position, Tag

if TYPE_CHECKING:
    from controller.core.events import Event

FEW, MANY = 40, 1000
WANTED_PER_S = 50.0
LATENCY_S = 0.02
STANDBY_S = 60.0
ROUNDS = 5
NOISE = 1.1
"""Two halves of one measurement differ by so much on a busy machine."""


class Home:
    """An engine and devices that do as they are told, a moment later."""

    def __init__(self, circuits: int) -> None:
        names = [CircuitId(f"circuit-{number}") for number in range(circuits)]
        self._panel = Panel.of(
            *(Circuit(name, name, (1,), Kind.GEN2, Tag.NONESSENTIAL, rank=1 + at % 9) for at, name in enumerate(names))
        )
        # A grid that fails this often would be waited for ever longer: not what is measured here.
        self._engine = Engine(
            self._panel, EngineSettings(flapping=FlapSettings(transfers=0)), SavedState(), "boot", 0.0
        )
        self.now = 0.0
        self.switched = 0
        self._turn(ContactChanged(0.0, open=False), BusConnected(0.0))
        self._turn(
            *(AvailabilityReported(0.0, name, online=True) for name in names),
            *(BreakerReported(0.0, name, Position.ON) for name in names),
        )
        self._until(20.0)

    def __len__(self) -> int:
        return len(self._panel)

    def outage(self) -> None:
        """Play one outage to its end."""
        self._turn(ContactChanged(self.now, open=True))
        self._until(self.now + STANDBY_S)
        self._turn(ContactChanged(self.now, open=False))
        while self._engine.state_view().state != "utility":
            self._until(self.now + 5.0 * len(self._panel))

    def _until(self, until: float) -> None:
        while (due := self._engine.deadline()) is not None and due <= until:
            self.now = max(self.now, due)
            self._turn()
        self.now = until

    def _turn(self, *events: Event) -> None:
        """Take a turn, and the turns of the devices' answers, which come one by one."""
        effects = self._engine.advance(events, self.now)
        self._engine.commands_sent(self.now)
        words = {SwitchOff: Position.OFF, SwitchOn: Position.ON}
        commanded = [one for one in effects if isinstance(one, SwitchOff | SwitchOn)]
        self.switched += len(commanded)
        if commanded:
            self.now += LATENCY_S
        for command in commanded:
            self._turn(BreakerReported(self.now, command.circuit, words[type(command)]))


def cost_s(home: Home, outages: int) -> float:
    """Return the seconds of CPU that one outage of this home takes."""
    home.switched = 0
    began = time.process_time()
    for _ in range(outages):
        home.outage()
    took_s = (time.process_time() - began) / outages
    assert home.switched == 2 * len(home) * outages, "not every circuit went off and came back"  # noqa: S101
    return took_s


def main() -> int:
    """Print the rows, and return whether they reach what is wanted."""
    few, many = Home(FEW), Home(MANY)
    costs = [(cost_s(few, 20), cost_s(many, 1)) for _ in range(ROUNDS)]
    per_s = 1.0 / median(one for one, _ in costs)
    growth, linear = median(other / one for one, other in costs), MANY / FEW
    print("| figure | seen | wanted | ratio |")
    print("|---|---|---|---|")
    speed = f"{per_s:.0f} | ≥ {WANTED_PER_S:.0f} | {per_s / WANTED_PER_S:.2f}"
    print(f"| outages of {FEW} circuits per second of CPU | {speed} |")
    print(f"| cost of {MANY} circuits in that of {FEW} | {growth:.1f} × | ≤ {linear:.0f} × | {growth / linear:.2f} |")
    return 0 if per_s >= WANTED_PER_S and growth <= linear * NOISE else 1


if __name__ == "__main__":
    sys.exit(main())
