"""What the engine wants done: commands in the imperative. The daemon carries them out in the order given.

Named tuples: a dataclass takes six times as long to be made, and a start in the dark makes them all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from rules.boot_time import BootTime  # noqa: TC001  # the store builds effects, moments with them

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rules.json_types import Json
    from rules.panel import CircuitId


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


class SendReply(NamedTuple):
    """Answer a person's request; `reply` is the ticket that came with it."""

    reply: object
    ok: bool
    reason: str


class PublishState(NamedTuple):
    """Publish `controller/state` anew. What it says is read from the engine when it is sent."""


class PublishCircuit(NamedTuple):
    """Publish `circuits/<circuit>` anew; None clears a circuit no longer in the file."""

    circuit: CircuitId


class PublishDemand(NamedTuple):
    """Publish `demand` anew."""


class PublishMeter(NamedTuple):
    """Publish `meters/<name>` anew: a further meter's energy; None: it is silent."""

    meter: str
    at: float
    energy_kwh: float | None


class PublishAlarm(NamedTuple):
    """Publish `alarms/<id>` anew, or clear it where the engine no longer holds it."""

    id: str


class PublishEvent(NamedTuple):
    """Publish one event on `events`."""

    event: LogEvent


# --- to the disk -----------------------------------------------------------------------------------------------------


class LogEvent(NamedTuple):
    """One line of the event log.

    `at`: monotonic seconds of this boot. `about`: what it concerns, JSON-ready, units in the keys.
    `lazy`: may wait for the next write that cannot (nothing is decided by it after a crash).
    """

    at: float
    event: str
    circuit: CircuitId | None = None
    details: Mapping[str, Json] = _NOTHING
    may_be_delayed: bool = False


class SaveEntry(NamedTuple):
    """Write what the ledger knows of one circuit; `row` is JSON-ready."""

    circuit: CircuitId
    row: Mapping[str, Json]


OutageStage = Literal["about", "open", "closed"]


@dataclass(frozen=True, slots=True)
class SaveOutage:
    """Write an outage. `about`: the first edge was seen and the circuits in `before` are about to be shed.

    `before`: each commandable circuit's position at the first edge. `energy_kwh`, `peak_15min_kw`: None is unknown.
    `register_tenths`, `pulse_count`: where the meter's counters stood when it began; None: not known.
    """

    id: int
    stage: OutageStage
    kind: str
    began: BootTime
    ended: BootTime | None
    openings: tuple[BootTime, ...]
    before: Mapping[CircuitId, str]
    energy_kwh: float | None = None
    peak_15min_kw: float | None = None
    register_tenths: int | None = None
    pulse_count: int | None = None

    @property
    def transfers(self) -> int:
        return len(self.openings)


class DeleteOutage(NamedTuple):
    """Forget an outage that never was: its first edge turned out to be a bounce."""

    id: int


@dataclass(frozen=True, slots=True)
class SaveHistory:
    """Write how one circuit fared in one outage. `end`: how it ended, None while it has not."""

    outage: int
    circuit: CircuitId
    shed_at: BootTime | None
    confirmed_after_s: float | None
    restored_at: BootTime | None
    end: str | None


@dataclass(frozen=True, slots=True)
class SavePulses:
    """Write how many edges of the meter's outputs were counted so far, this start's and those before it.

    `count`: of the 10 Wh output; `kwh_count`: of the 1 kWh output. None: not wired.
    """

    count: int | None
    kwh_count: int | None = None


class SaveSample(NamedTuple):
    """Write one row of the demand log. None is unknown, never 0."""

    at: float
    outage: int
    kw: float | None
    kw_is_upper_bound: bool
    kw_quality: str
    age_s: float | None
    demand_5min_kw: float | None
    demand_15min_kw: float | None
    energy_kwh: float | None
    pulses: int | None


DiskEffect = LogEvent | SaveEntry | SaveOutage | DeleteOutage | SaveHistory | SavePulses | SaveSample
Effect = (
    SwitchOff
    | SwitchOn
    | SendReply
    | PublishState
    | PublishCircuit
    | PublishDemand
    | PublishMeter
    | PublishAlarm
    | PublishEvent
    | DiskEffect
)


@dataclass(frozen=True, slots=True)
class SavedState:
    """What the disk remembers at a start.

    `outage`: the one not closed, if any. `last_outage`: the highest id, or 0. `boot`: the boot that last wrote; None
    where none did. `pulse_count`, `kwh_pulse_count`: edges of the meter's 10 Wh and 1 kWh outputs counted so far.
    """

    entries: Mapping[CircuitId, Mapping[str, Json]] = field(default_factory=dict)
    outage: SaveOutage | None = None
    history: tuple[SaveHistory, ...] = ()
    last_outage: int = 0
    openings: tuple[BootTime, ...] = ()
    boot: str | None = None
    pulse_count: int = 0
    kwh_pulse_count: int = 0
