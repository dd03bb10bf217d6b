"""A simulated house: utility, generator and transfer switch; breakers, the loads behind them, and the meter.

One house serves the tests, the demo and the benchmarks. It has no clock of its own: its user advances the time.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from hw.simulated.breakers import SimulatedBreaker
from rules.panel import CircuitId, Kind, Position

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from hw.simulated.breakers import Report


class LoadSink(Protocol):
    """Interface to a simulated meter: it receives the load in kW."""

    kw: float


class HouseBreaker(Protocol):
    """Interface to a breaker of the house. What it returns is to be published."""

    @property
    def position(self) -> Position: ...

    def flip_by_hand(self, position: Position) -> tuple[Report, ...]: ...

    def trip(self) -> tuple[Report, ...]: ...

    def power_lost(self) -> tuple[Report, ...]: ...

    def power_back(self) -> tuple[Report, ...]: ...

    def reboot(self) -> tuple[Report, ...]: ...


@dataclass(frozen=True, slots=True)
class Load:
    """The load behind one breaker: `kw` while it runs."""

    circuit: CircuitId
    kw: float
    kind: Kind = Kind.GEN2
    position: Position = Position.ON


class SimulatedHouse:
    """The simulated house.

    `on_contact`: called with True when the auxiliary contact opens. `on_reports`: unsolicited reports.

    `ups`: the breakers' electronics keep their power when the house has none. `devices`: breakers of device families,
    which publish by themselves; `breakers` are all others, `handles` both.
    """

    def __init__(
        self,
        loads: Iterable[Load],
        *,
        meter: LoadSink | None = None,
        on_contact: Callable[[bool], None] = lambda _open: None,
        on_reports: Callable[[tuple[Report, ...]], None] = lambda _reports: None,
        ups: bool = False,
        devices: Mapping[CircuitId, HouseBreaker] | None = None,
    ) -> None:
        self.loads = {load.circuit: load for load in loads}
        self.breakers = {
            load.circuit: SimulatedBreaker(load.circuit, load.position, remote=load.kind in (Kind.GEN2, Kind.RELAY))
            for load in self.loads.values()
            if load.circuit not in (devices or {})
        }
        self.handles: dict[CircuitId, HouseBreaker] = {**self.breakers, **(devices or {})}
        self.meter = meter
        self.on_contact = on_contact
        self.on_reports = on_reports
        self.ups = ups
        self.utility = True
        self.generator = False
        self.contact_open = False
        self.measure()

    def breaker(self, circuit: str) -> SimulatedBreaker:
        """Return a breaker on loadshed's own topics."""
        return self.breakers[CircuitId(circuit)]

    # --- power -----------------------------------------------------------------------------------------------------

    @property
    def powered(self) -> bool:
        """Return whether the panel has power from the side on which the transfer switch stands."""
        return self.generator if self.contact_open else self.utility

    @property
    def kw(self) -> float:
        """Return the present demand of the house. A breaker that is off or tripped draws nothing."""
        if not self.powered:
            return 0.0
        on = (load.kw for load in self.loads.values() if self.handles[load.circuit].position is Position.ON)
        return sum(on)

    def measure(self) -> None:
        """Set the meter's load. Call it after a breaker moved; the house does so when it moves one itself."""
        if self.meter is not None:
            self.meter.kw = self.kw

    # --- scenario -----------------------------------------------------------------------------------------------------

    def utility_fails(self) -> None:
        """Utility fails: the contact is still closed, and the generator cranks."""
        self._change(utility=False)

    def generator_takes_over(self) -> None:
        """Transfer: the generator takes the whole load, and the contact opens."""
        self._change(generator=True, contact_open=True)

    def generator_stops(self) -> None:
        """Stop the generator to refuel: no power again, the contact stays open."""
        self._change(generator=False)

    def generator_starts(self) -> None:
        """Start the generator again after refueling: the same outage."""
        self._change(generator=True)

    def utility_returns(self) -> None:
        """Utility returns; the transfer switch still waits before it transfers back."""
        self._change(utility=True)

    def retransfers(self) -> None:
        """Transfer back to utility: the contact closes; the generator cools down and stops."""
        self._change(contact_open=False, generator=False)

    def flip_by_hand(self, circuit: str, position: Position) -> None:
        self.on_reports(self.handles[CircuitId(circuit)].flip_by_hand(position))
        self.measure()

    def trip(self, circuit: str) -> None:
        self.on_reports(self.handles[CircuitId(circuit)].trip())
        self.measure()

    def reboot(self, circuit: str) -> None:
        self.on_reports(self.handles[CircuitId(circuit)].reboot())
        self.measure()

    def _change(
        self, *, utility: bool | None = None, generator: bool | None = None, contact_open: bool | None = None
    ) -> None:
        was_powered, was_open = self.powered, self.contact_open
        self.utility = self.utility if utility is None else utility
        self.generator = self.generator if generator is None else generator
        self.contact_open = self.contact_open if contact_open is None else contact_open
        if self.contact_open != was_open:
            self.on_contact(self.contact_open)
        if self.powered != was_powered and not self.ups:
            self._wake_or_darken()
        self.measure()

    def _wake_or_darken(self) -> None:
        for breaker in self.handles.values():
            self.on_reports(breaker.power_back() if self.powered else breaker.power_lost())


@dataclass(frozen=True, slots=True)
class FastClock:
    """A clock that runs `factor` times as fast as real time: house seconds, for a short demo."""

    factor: float
    began: float

    @classmethod
    def starting_now(cls, factor: float) -> FastClock:
        return cls(factor, time.monotonic())

    def __call__(self) -> float:
        """Return monotonic house seconds."""
        return self.began + (time.monotonic() - self.began) * self.factor

    async def sleep(self, house_s: float) -> None:
        await asyncio.sleep(house_s / self.factor)


@dataclass(frozen=True, slots=True)
class ScenarioStep:
    """A step of a scenario, this number of house seconds after the one before. `told`: its description."""

    after_s: float
    told: str
    happens: Callable[[], None]


def one_outage(house: SimulatedHouse, *, cranks_s: float, lasts_s: float, waits_s: float) -> tuple[ScenarioStep, ...]:
    """Return the steps of a plain outage.

    `cranks_s`: until the generator takes over. `lasts_s`: until utility returns. `waits_s`: until the switch transfers
    back.
    """
    return (
        ScenarioStep(0.0, "Utility fails: the house has no power", house.utility_fails),
        ScenarioStep(
            cranks_s, "The generator runs: the switch transfers, its contact opens", house.generator_takes_over
        ),
        ScenarioStep(lasts_s, "Utility returns: the transfer switch waits", house.utility_returns),
        ScenarioStep(waits_s, "The switch transfers back to utility: its contact closes", house.retransfers),
    )


async def play(acts: Iterable[ScenarioStep], clock: FastClock, tell: Callable[[str], None]) -> None:
    """Run the steps, one after another, on the house's clock."""
    for act in acts:
        await clock.sleep(act.after_s)
        tell(act.told)
        act.happens()
