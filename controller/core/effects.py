"""What the engine wants done: commands in the imperative. The daemon carries them out in the order given.

Named tuples: a dataclass takes six times as long to be made, and a start in the dark makes them all.
"""

from __future__ import annotations

from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from rules.boot_time import Moment  # noqa: TC001  # the store builds effects, moments with them
from rules.lean import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rules.panel import CircuitId

    Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]


_NOTHING: Mapping[Any, Any] = MappingProxyType({})


# --- to the breakers -------------------------------------------------------------------------------------------------


class SwitchOff(NamedTuple):
    """Command a circuit OFF. `expires_s`: whole seconds after which the broker must forget it, at least 1."""

    circuit: CircuitId
    expires_s: int


class SwitchOn(NamedTuple):
    """Command a circuit ON. `expires_s`: whole seconds after which the broker must forget it, at least 1."""

    circuit: CircuitId
    expires_s: int


# --- to people and programs on the bus -------------------------------------------------------------------------------


class Answer(NamedTuple):
    """Answer a person's request; `reply` is the ticket that came with it."""

    reply: object
    ok: bool
    reason: str


class TellState(NamedTuple):
    """Publish `controller/state` anew. What it says is read from the engine when it is sent."""


class TellCircuit(NamedTuple):
    """Publish `circuits/<circuit>` anew; None clears a circuit no longer in the file."""

    circuit: CircuitId


class TellDemand(NamedTuple):
    """Publish `demand` anew."""


class TellMeter(NamedTuple):
    """Publish `meters/<name>` anew: a further meter's energy; None: it is silent."""

    meter: str
    at: float
    energy_kwh: float | None


class TellAlarm(NamedTuple):
    """Publish `alarms/<id>` anew, or clear it where the engine no longer holds it."""

    id: str


class TellEvent(NamedTuple):
    """Publish one event on `events`."""

    event: Happened


# --- to the disk -----------------------------------------------------------------------------------------------------


class Happened(NamedTuple):
    """One line of the event log.

    `at`: monotonic seconds of this boot. `about`: what it concerns, JSON-ready, units in the keys.
    `lazy`: may wait for the next write that cannot (nothing is decided by it after a crash).
    """

    at: float
    event: str
    circuit: CircuitId | None = None
    about: Mapping[str, Json] = _NOTHING
    lazy: bool = False


class KeepEntry(NamedTuple):
    """Write what the ledger knows of one circuit; `row` is JSON-ready."""

    circuit: CircuitId
    row: Mapping[str, Json]


OutageStage = Literal["about", "open", "closed"]


@dataclass(frozen=True, slots=True)
class KeepOutage:
    """Write an outage. `about`: the first edge was seen and the circuits in `before` are about to be shed.

    `before`: each commandable circuit's position at the first edge. `energy_kwh`, `peak_15min_kw`: None is unknown.
    `register_tenths`, `pulse_count`: where the meter's counters stood when it began; None: not known.
    """

    id: int
    stage: OutageStage
    kind: str
    began: Moment
    ended: Moment | None
    openings: tuple[Moment, ...]
    before: Mapping[CircuitId, str]
    energy_kwh: float | None = None
    peak_15min_kw: float | None = None
    register_tenths: int | None = None
    pulse_count: int | None = None

    @property
    def transfers(self) -> int:
        return len(self.openings)


class DropOutage(NamedTuple):
    """Forget an outage that never was: its first edge turned out to be a bounce."""

    id: int


@dataclass(frozen=True, slots=True)
class KeepHistory:
    """Write how one circuit fared in one outage. `end`: how it ended, None while it has not."""

    outage: int
    circuit: CircuitId
    shed_at: Moment | None
    confirmed_after_s: float | None
    restored_at: Moment | None
    end: str | None


@dataclass(frozen=True, slots=True)
class KeepPulses:
    """Write how many edges of the meter's outputs were counted so far, this start's and those before it.

    `count`: of the 10 Wh output; `kwh_count`: of the 1 kWh output. None: not wired.
    """

    count: int | None
    kwh_count: int | None = None


class KeepSample(NamedTuple):
    """Write one row of the demand log. None is unknown, never 0."""

    at: float
    outage: int
    kw: float | None
    kw_at_most: bool
    kw_quality: str
    age_s: float | None
    demand_5min_kw: float | None
    demand_15min_kw: float | None
    energy_kwh: float | None
    pulses: int | None


DiskEffect = Happened | KeepEntry | KeepOutage | DropOutage | KeepHistory | KeepPulses | KeepSample
Effect = (
    SwitchOff
    | SwitchOn
    | Answer
    | TellState
    | TellCircuit
    | TellDemand
    | TellMeter
    | TellAlarm
    | TellEvent
    | DiskEffect
)


@dataclass(frozen=True, slots=True)
class Memory:
    """What the disk remembers at a start.

    `outage`: the one not closed, if any. `last_outage`: the highest id, or 0. `boot`: the boot that last wrote; None
    where none did. `pulse_count`, `kwh_pulse_count`: edges of the meter's 10 Wh and 1 kWh outputs counted so far.
    """

    entries: Mapping[CircuitId, Mapping[str, Json]] = field(default_factory=dict)
    outage: KeepOutage | None = None
    history: tuple[KeepHistory, ...] = ()
    last_outage: int = 0
    openings: tuple[Moment, ...] = ()
    boot: str | None = None
    pulse_count: int = 0
    kwh_pulse_count: int = 0
