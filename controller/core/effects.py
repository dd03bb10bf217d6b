"""Effects of the engine, in the imperative. The daemon carries them out in the order given.

They are named tuples: a dataclass takes six times as long to define, and a cold start defines all of them.
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


# --- to users and programs on the bus -------------------------------------------------------------------------------


class SendReply(NamedTuple):
    """Reply to a user request; `reply` is the address that came with it. `needs_force`: accepted with `force`."""

    reply: object
    ok: bool
    reason: str
    needs_force: bool = False


class PublishState(NamedTuple):
    """Publish `controller/state`. Its content is read from the engine when it is sent."""


class PublishCircuit(NamedTuple):
    """Publish `circuits/<circuit>`, or clear it if the circuit is not in the file any more."""

    circuit: CircuitId


class QueryContact(NamedTuple):
    """Ask the device of the MQTT contact for its position."""


class QueryDevice(NamedTuple):
    """Ask the device of a circuit. `ask`: `retained` reads its retained state at the broker again."""

    circuit: CircuitId
    ask: Literal["position", "power", "retained"] = "position"


class PublishDemand(NamedTuple):
    """Publish `demand`."""


class PublishMeter(NamedTuple):
    """Publish `meters/<name>`: the energy of a further meter in kWh; None: it does not respond."""

    meter: str
    at: float
    energy_kwh: float | None


class PublishAlarm(NamedTuple):
    """Publish `alarms/<id>`, or clear it if the alarm is not active any more."""

    id: str


class PublishAlarmList(NamedTuple):
    """Publish `controller/alarms`: all active alarms."""


class PublishLastOutage(NamedTuple):
    """Publish `outages/last`: the open outage, or the last one."""


class PublishEvent(NamedTuple):
    """Publish one event on `events`."""

    event: LogEvent


# --- to the disk -----------------------------------------------------------------------------------------------------


class LogEvent(NamedTuple):
    """One line of the event log.

    `at`: monotonic seconds of this boot. `details`: JSON-ready, units in the keys.
    `may_be_delayed`: may wait for the next row that may not; no decision after a crash depends on it.
    """

    at: float
    event: str
    circuit: CircuitId | None = None
    details: Mapping[str, Json] = _NOTHING
    may_be_delayed: bool = False


class SaveEntry(NamedTuple):
    """Write the ledger entry of one circuit; `row` is JSON-ready."""

    circuit: CircuitId
    row: Mapping[str, Json]


OutageStage = Literal["about", "open", "closed"]


@dataclass(frozen=True, slots=True)
class SaveOutage:
    """Write an outage. Stage `about`: the first edge was seen and circuits are about to be shed.

    `before`: position of each commandable circuit at the first edge. `energy_kwh`, `peak_15min_kw`: None is unknown.
    `register_tenths`, `pulse_count`: the meter's counters at the beginning; None: unknown.
    `restore_all`: at the end of the drill, circuits that otherwise wait for a user are restored, too.
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
    restore_all: bool = False

    @property
    def transfers(self) -> int:
        return len(self.openings)


class DeleteOutage(NamedTuple):
    """Delete an outage that has not begun: its first edge was a bounce."""

    id: int


@dataclass(frozen=True, slots=True)
class SaveHistory:
    """Write the history of one circuit in one outage. `end`: how its shed record ended; None: it has not."""

    outage: int
    circuit: CircuitId
    shed_at: BootTime | None
    confirmed_after_s: float | None
    restored_at: BootTime | None
    end: str | None


@dataclass(frozen=True, slots=True)
class SaveLoad:
    """Write what the device of a circuit measured in one outage. None is unknown, never 0.

    `before_w`: power in W before the opening, `before_age_s`: its age then. `peak_w`: highest power on standby.
    `off_w`: last power on standby after the device had reported off. `energy_kwh`: energy on standby, or its lower
    bound. `first_kwh`: energy counter from which it counts.
    """

    outage: int
    circuit: CircuitId
    before_w: float | None = None
    before_age_s: float | None = None
    peak_w: float | None = None
    off_w: float | None = None
    energy_kwh: float | None = None
    energy_is_lower_bound: bool = False
    first_kwh: float | None = None


@dataclass(frozen=True, slots=True)
class SavePulses:
    """Write the number of edges of the meter's outputs counted so far, including earlier starts.

    `count`: the 10 Wh output. `kwh_count`: the 1 kWh output. None: not wired.
    """

    count: int | None
    kwh_count: int | None = None


class SaveSample(NamedTuple):
    """Write one row of the demand record. None is unknown, never 0."""

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


DiskEffect = LogEvent | SaveEntry | SaveOutage | DeleteOutage | SaveHistory | SaveLoad | SavePulses | SaveSample
Effect = (
    SwitchOff
    | SwitchOn
    | SendReply
    | QueryContact
    | QueryDevice
    | PublishState
    | PublishCircuit
    | PublishDemand
    | PublishMeter
    | PublishAlarm
    | PublishAlarmList
    | PublishLastOutage
    | PublishEvent
    | DiskEffect
)


@dataclass(frozen=True, slots=True)
class SavedState:
    """State on disk at a start.

    `outage`: the one that is not closed, if any. `last_outage`: the highest number, or 0. `boot`: the boot that last
    wrote; None: no boot did. `last_closed`: the last outage that is closed. `boot_offsets`: UTC seconds since 1970
    minus monotonic seconds of earlier boots. `loads`: of the outage that is not closed. `pulse_count`,
    `kwh_pulse_count`: edges of the meter's outputs counted so far.
    """

    entries: Mapping[CircuitId, Mapping[str, Json]] = field(default_factory=dict)
    outage: SaveOutage | None = None
    history: tuple[SaveHistory, ...] = ()
    last_outage: int = 0
    openings: tuple[BootTime, ...] = ()
    boot: str | None = None
    pulse_count: int = 0
    kwh_pulse_count: int = 0
    last_closed: SaveOutage | None = field(default=None, compare=False)
    boot_offsets: Mapping[str, float] = field(default_factory=dict, compare=False)
    loads: tuple[SaveLoad, ...] = field(default=(), compare=False)
