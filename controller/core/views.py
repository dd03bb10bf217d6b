"""Contents of publications, as data. The engine fills them in; `bus/payloads.py` renders them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rules.boot_time import BootTime
    from rules.panel import CircuitId, Kind, Position, Tag


@dataclass(frozen=True, slots=True)
class WallClock:
    """Wall clock, as `offset_s`: UTC seconds since 1970 minus monotonic seconds.

    `boot`: the boot ID. `earlier`: offsets of earlier boots, as far as known. A Pi has no battery-backed clock. Until
    the clock is `trusted`, every published time is marked as untrusted.
    """

    offset_s: float
    trusted: bool
    boot: str = ""
    earlier: Mapping[str, float] = field(default_factory=dict)

    def seconds(self, at: float) -> float:
        """Return UTC seconds since 1970 for a monotonic second of this boot."""
        return at + self.offset_s

    def utc_s(self, moment: BootTime | None) -> float | None:
        """Return UTC seconds since 1970 for a time of any boot; None: the clock of that boot is not known."""
        if moment is None:
            return None
        if moment.boot == self.boot:
            return self.seconds(moment.mono)
        offset_s = self.earlier.get(moment.boot)
        return None if offset_s is None else moment.mono + offset_s


class StateView(NamedTuple):
    """View of the controller. Times in monotonic seconds.

    `since`: when `state` was entered. `outage`: its number; None: no outage is open. `kind`: "outage" or "drill".
    `shed`: circuits switched off in the open outage and confirmed. `unconfirmed`: circuits whose command is not
    confirmed. `owed`: circuits of any outage that are off, or may be, and are to be restored. `late_off_watch`:
    circuits that are on again while a late OFF may still take effect. `stable_at`: end of the utility-stable wait;
    None: it does not run. `flap_openings`: recent openings that lengthen that wait. `generator_power_lost_at`: None: no
    sign of a loss. `drill_until`: end of the drill that holds circuits off; None: no drill does.
    """

    state: str
    source: str
    since: float
    outage: int | None = None
    shed: tuple[CircuitId, ...] = ()
    unconfirmed: tuple[CircuitId, ...] = ()
    owed: tuple[CircuitId, ...] = ()
    uncontrollable: tuple[CircuitId, ...] = ()
    taken_over: tuple[CircuitId, ...] = ()
    stable_at: float | None = None
    flap_openings: int = 0
    generator_power_lost_at: float | None = None
    kind: str | None = None
    drill_until: float | None = None
    late_off_watch: tuple[CircuitId, ...] = ()


class HoldView(NamedTuple):
    """Hold of a circuit. `since`: monotonic seconds; None: before this boot."""

    by: str
    note: str
    since: float | None


class CircuitView(NamedTuple):
    """View of a circuit. `why`: one sentence on why it is off or on.

    `shed`: switched off in the open outage and confirmed. `owed`: to be restored. `remedy`: kind of request that helps
    and is accepted now; None: no request helps. `back_at`: monotonic second at which it is expected to be switched on;
    None: unknown, or it is not. `waits_for`: what it waits for; None: it does not wait. `switched_at`: monotonic second
    at which it was last switched, if known; None: not in this boot. `power_w`: power in W that its device measured,
    `power_age_s` ago; None: unknown.
    """

    id: CircuitId
    name: str
    breaker: Kind
    tag: Tag
    controllable: bool
    position: Position
    available: bool
    shed: bool
    why: str
    switched_at: float | None = None
    owed: bool = False
    protected: bool = False
    spaces: tuple[int, ...] = ()
    amps: float | None = None
    rank: int = 5
    hold: HoldView | None = None
    remedy: str | None = None
    back_at: float | None = None
    waits_for: str | None = None
    power_w: float | None = None
    power_age_s: float | None = None


class OutageView(NamedTuple):
    """View of an outage. `began`, `ended`: boot ID and monotonic seconds; `ended` None: it is open.

    `energy_kwh`, `peak_15min_kw`: None is unknown.
    """

    outage: int
    kind: str
    began: BootTime
    ended: BootTime | None
    energy_kwh: float | None
    peak_15min_kw: float | None


class AlarmView(NamedTuple):
    """Active alarm: what happened and what to do. `since`: monotonic seconds."""

    id: str
    since: float
    message: str
    action: str
    circuits: tuple[CircuitId, ...] = ()
