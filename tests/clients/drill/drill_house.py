"""A house in virtual time whose drill is followed as on the bus, with a meter that carries what really runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from clients.bus_client.status import HouseStatus
from clients.drill.demand_readings import DemandReadings
from clients.drill.plan import plan
from clients.drill.progress import DrillProgress
from clients.drill.result import result
from controller.bus import payloads
from controller.config.installer import Installer
from controller.config.loader import Configuration, Sources, parse_installer
from controller.config.local_time import LocalTime
from controller.core import effects as do
from controller.core import events as ev
from controller.core.meter_tracker import MeterTracker, MeterTrackerSettings
from controller.core.views import WallClock
from rules.metering.demand import EDGE_KW_S
from rules.panel import Circuit, CircuitId, Panel, Position
from tests.virtual_house import VirtualHouse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from clients.drill.demand_readings import PowerReading
    from clients.drill.plan import DrillPlan, MeasuredLoad
    from clients.drill.result import DrillResult
    from controller.core.engine import EngineSettings
    from hw.simulated.breakers import Report

WALL = WallClock(1_790_000_000.0, trusted=True)
POLL_S = 5.0
EDGES_A_TICK = 20
INSTALLER = '[site]\nid = "home"\n[contact]\nsource = "gpio"\npin = 17\n[generator]\nkw = 14.0\n'
METERED = INSTALLER + '[meter]\nport = "/dev/ttyUSB0"\n'


def configured(panel: Panel, installer: str = INSTALLER) -> Configuration:
    """Return the configuration of a house with these circuits."""
    read = parse_installer(installer)
    assert isinstance(read, Installer)
    return Configuration(read, panel, Sources("", ""))


class Drilled(VirtualHouse):
    """The house. `draws`: kW behind each circuit. `base_kw`: of all else; with neither there is no meter.

    `pulses`: the meter's output is wired.
    """

    def __init__(
        self,
        *circuits: Circuit,
        settings: EngineSettings | None = None,
        draws: Mapping[str, float] | None = None,
        base_kw: float = 0.0,
        pulses: bool = True,
    ) -> None:
        self.draws, self.base_kw = draws or {}, base_kw
        self.told = HouseStatus()
        self.course: DrillProgress | None = None
        self.readings = DemandReadings(POLL_S)
        self.lines: list[str] = []
        self._pulses, self._energy, self._flows_since, self._edges = pulses, 0.0, 0.0, 0
        metered = bool(self.draws) or base_kw > 0
        meter = MeterTrackerSettings(poll_s=POLL_S, pulses=pulses)
        super().__init__(
            *circuits, settings=settings, metering=(lambda at: MeterTracker(meter, at)) if metered else None
        )
        if metered:
            self._flows_since = self.mono
            self._poll()
            self._until_edge()
            self.wait(60.0)

    # --- the meter ---------------------------------------------------------------------------------------------------

    @property
    def kw(self) -> float:
        """Return what really runs."""
        on = (kw for name, kw in self.draws.items() if self.breakers[CircuitId(name)].position is Position.ON)
        return self.base_kw + sum(on)

    def publish(self, reports: Iterable[Report]) -> None:
        super().publish(reports)
        self._until_edge()

    def wait(self, seconds: float) -> None:
        self._kw = self.kw
        super().wait(seconds)

    def _until_edge(self) -> None:
        """Count what has flowed since, and give the next pulse at its very moment, should nothing change before."""
        if self._metering is None or self._flows_since == 0.0:
            return
        self._energy += self._kw * (self.mono - self._flows_since)
        self._flows_since, self._kw = self.mono, self.kw
        if self._energy >= EDGE_KW_S - 1e-6:
            self._energy -= EDGE_KW_S
            self._edges += 1
            if self._pulses:
                self.put(ev.PulseSeen(self.mono))
        if self._kw > 0:
            self.later((EDGE_KW_S - self._energy) / self._kw, self._until_edge)

    def _poll(self) -> None:
        self.put(ev.EnergyRead(self.mono, 1000 + self._edges // EDGES_A_TICK))
        self.later(POLL_S, self._poll)

    # --- the bus -----------------------------------------------------------------------------------------------------

    def _carry_out(self, effect: do.Effect) -> None:
        super()._carry_out(effect)
        match effect:
            case do.PublishEvent(event):
                self._said("events", payloads.event(event, WALL))
            case do.PublishState():
                self._said("controller/state", payloads.state(self.state, WALL))
            case do.PublishCircuit(circuit):
                view = self.engine.circuit_view(circuit)
                self._said(f"circuits/{circuit}", b"" if view is None else payloads.circuit(view, WALL, LocalTime()))
            case do.PublishDemand():
                view_now = self.engine.demand_view(self.mono)
                assert view_now is not None
                self._said("demand", payloads.demand(view_now, self.mono, WALL))
            case do.PublishAlarm(alarm):
                stands = self.alarm(alarm)
                self._said(f"alarms/{alarm}", b"" if stands is None else payloads.alarm(stands, WALL))
            case _:
                pass

    def _said(self, name: str, payload: bytes) -> None:
        self.told.take(name, payload)
        fields = json.loads(payload) if payload else {}
        if name == "demand":
            self.readings.take(fields, self.now)
        if self.course is not None and name == "events":
            self.lines += self.course.event(fields, self.now)
        if self.course is not None and name.startswith("circuits/"):
            self.course.measured(name.removeprefix("circuits/"), fields, self.now)
        if self.course is not None and name == "controller/state":
            self.lines += self.course.state(fields, self.now)

    # --- the drill ---------------------------------------------------------------------------------------------------

    def plan(
        self,
        *,
        for_s: float = 60.0,
        known: Mapping[CircuitId, MeasuredLoad] | None = None,
        demand: PowerReading | None = None,
        trouble: str | None = None,
    ) -> DrillPlan:
        """Return what a drill would do now; `trouble`: the controller cannot be asked."""
        self.told.availability = "online"
        told, metered = (self.told if trouble is None else None), self._metering is not None
        configuration = configured(self.panel, METERED if metered else INSTALLER)
        return plan(configuration, told, known=known or {}, demand=demand, for_s=for_s, trouble=trouble)

    def follow(self, for_s: float = 60.0) -> DrillProgress:
        """Ask for a drill, and follow it from now on."""
        self.planned = self.plan(for_s=for_s)
        self.course = DrillProgress(self.planned)
        answer = self.ask("drill", by="Ann", for_s=for_s)
        assert answer.ok, answer.reason
        return self.course

    def result(self, *, left: bool = False) -> DrillResult:
        """Return what has come of it by now."""
        assert self.course is not None
        return result(self.planned, self.course, self.readings, "Ann", self.now, left=left)
