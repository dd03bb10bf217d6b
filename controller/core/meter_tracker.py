"""The meter's part of the engine: readings and edges in, demand and the energy of an outage out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from math import inf
from typing import TYPE_CHECKING

from controller.core.effects import SaveSample
from controller.core.events import EnergyRead, KwhPulseSeen, MeterSilent, PulseSeen
from rules.metering.demand import EDGE_KWH, STALE_POLLS, DemandEstimator
from rules.metering.register import LARGEST_METER_KW, OVERLOAD, TICK_KW_S, ReadingVerdict, register_rise
from rules.metering.totalizer import Totalizer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rules.json_types import Json
    from rules.metering.demand import DemandView, Peaks
    from rules.metering.pulse_check import PulseMismatch

BLIND_S = 600.0
"""So long on standby without a tick or an edge: the current transformers may be on the wrong side of the switch."""


FIRST_S = 15.0
"""The first reading has at least so long, however short the poll: driver, gateway and meter wake with the house."""


LONGEST_UNSEEN_S = 14 * 86_400.0
"""An outage found at a start may have gone on unseen for so long; a register that rose further is another meter's."""


@dataclass(frozen=True, slots=True)
class MeterTrackerSettings:
    """`max_kw`: the rating; None where the model is not known. `poll_s`: None where only pulses are wired, no register.

    `pulses`, `kwh_pulses`: whether the 10 Wh and the 1 kWh output are wired.
    """

    max_kw: float | None = None
    poll_s: float | None = 5.0
    pulses: bool = False
    kwh_pulses: bool = False


@dataclass(frozen=True, slots=True)
class CounterSnapshot:
    """Where both counters stood when an outage began. Written to disk, it outlives a restart. None: not known then."""

    register_tenths: int | None
    pulse_count: int | None


@dataclass(frozen=True, slots=True)
class MeterLogEntry:
    """Something about the meter that belongs in the log: an event's name, and what it is about, JSON-ready."""

    event: str
    details: Mapping[str, Json]


class Freshness(Enum):
    """Whether the register speaks of the present."""

    FRESH = "fresh"
    STALE = "stale"


@dataclass(slots=True)
class _Outage:
    """An outage under way. The ends are None while it lasts. `opened`: when the contact last opened.

    `at_opening`: where the counters stood then.
    """

    began: float
    mark: CounterSnapshot
    peaks: Peaks
    opened: float
    at_opening: CounterSnapshot
    another_meter: bool = False
    ended: float | None = None
    end: CounterSnapshot | None = None
    peak_kw: float | None = None


class MeterTracker:
    """One meter, followed. `now`: the monotonic second of this start.

    `counted`, `kwh_counted`: edges of the 10 Wh and of the 1 kWh output counted before it.
    """

    def __init__(self, settings: MeterTrackerSettings, now: float, counted: int = 0, kwh_counted: int = 0) -> None:
        self._settings = settings
        self._totaliser = Totalizer(settings.max_kw, kwh_counted) if settings.kwh_pulses else None
        self._demand = DemandEstimator(settings.max_kw, settings.poll_s or inf, settings.pulses, counted)
        self._started = now
        self._freshness = Freshness.FRESH
        self._outage: _Outage | None = None
        self.silent_because: str | None = None

    # --- events ------------------------------------------------------------------------------------------------------

    def on_meter_event(self, event: EnergyRead | MeterSilent | PulseSeen | KwhPulseSeen) -> tuple[MeterLogEntry, ...]:
        """Take what the meter did; return what is worth a line in the log."""
        match event:
            case PulseSeen(at=at):
                self._demand.pulse(at)
                return ()
            case KwhPulseSeen(at=at):
                if self._totaliser is not None:
                    self._totaliser.pulse(at)
                return ()
            case MeterSilent(at=at, reason=reason):
                self.silent_because = reason
                self._demand.silent(at)
                return ()
            case EnergyRead(at=at, tenths=tenths):
                return self._read(tenths, at)

    def _read(self, tenths: int, at: float) -> tuple[MeterLogEntry, ...]:
        before, doubt = self._demand.register_tenths, self._demand.finding
        verdict = self._demand.energy_read(tenths, at)
        if verdict.counts:
            self.silent_because = None
            self._begin_late(tenths, at)
        if verdict is ReadingVerdict.REPLACED and self._outage is not None:
            self._outage.another_meter = True
        noted = []
        if verdict is ReadingVerdict.FIRST and self._outage is not None and self._cannot_be(self._outage.mark, tenths):
            self._outage.another_meter = True
            about: dict[str, Json] = {"before_kwh": _kwh(self._outage.mark.register_tenths), "energy_kwh": tenths / 10}
            noted.append(MeterLogEntry("meter_replaced", about))
        if verdict not in (ReadingVerdict.GOOD, ReadingVerdict.FIRST):
            noted.append(
                MeterLogEntry(f"meter_{verdict.name.lower()}", {"before_kwh": _kwh(before), "energy_kwh": tenths / 10})
            )
        noted += _noted_doubt("10 Wh", doubt, self._demand.finding)
        return (*noted, *self._totalised(before, tenths, verdict, at))

    def _cannot_be(self, mark: CounterSnapshot, tenths: int) -> bool:
        """Tell whether the meter that the outage began with cannot show this by now: the first reading of a start."""
        if mark.register_tenths is None:
            return False
        rise = register_rise(mark.register_tenths, tenths)
        most_kw = OVERLOAD * (self._settings.max_kw or LARGEST_METER_KW)
        return rise is None or rise * TICK_KW_S > most_kw * LONGEST_UNSEEN_S

    def _totalised(
        self, before: int | None, tenths: int, verdict: ReadingVerdict, at: float
    ) -> Iterator[MeterLogEntry]:
        """Hold the 1 kWh output against the register too."""
        if self._totaliser is None:
            return
        doubt = self._totaliser.finding
        ticks = None if before is None else register_rise(before, tenths)
        self._totaliser.register_read(verdict, ticks or 0, at)
        yield from _noted_doubt("1 kWh", doubt, self._totaliser.finding)

    # --- what is known -----------------------------------------------------------------------------------------------

    def view(self, now: float) -> DemandView:
        """Return everything known about demand at `now`."""
        view = self._demand.view(now)
        return view if self._totaliser is None else replace(view, totalizer_kwh=self._totaliser.kwh)

    def sample(self, outage: int, at: float) -> SaveSample:
        """Return one row of the demand log."""
        view = self.view(at)
        return SaveSample(
            at=at,
            outage=outage,
            kw=view.kw,
            kw_is_upper_bound=view.kw_is_upper_bound,
            kw_quality=view.kw_quality.value,
            age_s=view.age_s,
            demand_5min_kw=view.demand_5min_kw,
            demand_15min_kw=view.demand_15min_kw,
            energy_kwh=view.energy_kwh,
            pulses=self.pulse_count,
        )

    @property
    def register_tenths(self) -> int | None:
        """Return the register as last believed, in tenths of a kWh; None before the first reading."""
        return self._demand.register_tenths

    @property
    def pulse_count(self) -> int | None:
        """Return the edges counted, those before this start included; None where no pulse output is wired."""
        return self._demand.pulse_count if self._settings.pulses else None

    @property
    def kwh_pulse_count(self) -> int | None:
        """Return the edges of the 1 kWh output counted, those before this start included; None where none is wired."""
        return None if self._totaliser is None else self._totaliser.count

    # --- freshness ---------------------------------------------------------------------------------------------------

    def deadline(self) -> float | None:
        """Return when `freshness_changed` will have something to say if the meter stays silent; None: not by itself."""
        return None if self._freshness is Freshness.STALE else self._stale_at()

    def freshness_changed(self, now: float) -> Freshness | None:
        """Return, once, that the register has become stale (older than three polls) or fresh again."""
        stale_at = self._stale_at()
        found = Freshness.STALE if stale_at is not None and now >= stale_at else Freshness.FRESH
        if found is self._freshness:
            return None
        self._freshness = found
        return found

    def _stale_at(self) -> float | None:
        if self._settings.poll_s is None:
            return None
        stale_at = self._demand.stale_at
        if stale_at is not None:
            return stale_at
        return self._started + max(FIRST_S, STALE_POLLS * self._settings.poll_s)

    # --- the outage --------------------------------------------------------------------------------------------------

    def outage_began(self, at: float) -> CounterSnapshot:
        """Begin to count an outage, or go on with one that seemed to have ended; return what to keep on disk."""
        if self._outage is None:
            fresh = self._freshness is Freshness.FRESH
            mark = CounterSnapshot(self.register_tenths if fresh else None, self.pulse_count)
            self._outage = _Outage(at, mark, self._demand.watch(at), at, mark)
        elif self._outage.ended is not None:
            # What moved while utility was back proves nothing of the generator's side.
            self._outage.opened, self._outage.at_opening = at, CounterSnapshot(self.register_tenths, self.pulse_count)
        self._outage.ended = self._outage.end = None
        return self._outage.mark

    @property
    def outage_counters(self) -> CounterSnapshot | None:
        """Return what to keep of the open outage; it gains its register value late, where the meter wakes after us."""
        return self._outage.mark if self._outage else None

    def resume(self, began: float, mark: CounterSnapshot, peak_kw: float | None = None) -> None:
        """Go on with an outage begun before this start, from the mark kept of it and the peak so far.

        `began`: this start's second where the machine has booted since. Edges that passed while the program was down
        are in the register's difference and not in the edges'.
        """
        self._outage = _Outage(began, mark, self._demand.watch(began, peak_kw), began, mark)

    def outage_ended(self, at: float) -> None:
        """Hold the outage's figures as they are now: utility is back. Another `outage_began` lets them run again."""
        if self._outage is not None:
            self._outage.peak_kw = self.outage_peak_kw(at)
            self._outage.end = CounterSnapshot(self.register_tenths, self.pulse_count)
            self._outage.ended = at

    def outage_closed(self) -> None:
        """Forget the outage: it is written."""
        if self._outage is not None:
            self._demand.forget(self._outage.peaks)
            self._outage = None

    def outage_energy_kwh(self) -> float | None:
        """Return the register's difference over the outage; None: not known at either end, or another meter since."""
        outage = self._outage
        if outage is None or outage.another_meter:
            return None
        now = outage.end.register_tenths if outage.end else self.register_tenths
        if outage.mark.register_tenths is None or now is None:
            return None
        return _kwh(register_rise(outage.mark.register_tenths, now))

    def outage_pulses_kwh(self) -> float | None:
        """Return the edges counted over the outage, as energy; None where none are counted."""
        outage = self._outage
        now = self.pulse_count if outage is None or outage.end is None else outage.end.pulse_count
        if outage is None or outage.mark.pulse_count is None or now is None:
            return None
        return (now - outage.mark.pulse_count) * EDGE_KWH

    def outage_peak_kw(self, now: float) -> float | None:
        """Return the highest 15-minute demand of the outage; while it is shorter, its average. None is unknown."""
        outage = self._outage
        if outage is None:
            return None
        return outage.peak_kw if outage.ended is not None else self._demand.peak_kw(outage.peaks, now)

    def blind(self, now: float) -> bool:
        """Return whether the meter answers and has counted nothing since the contact opened, ten minutes ago or more.

        With circuits on, its current transformers may stand on the utility side of the transfer switch.
        """
        outage = self._outage
        if outage is None or outage.ended is not None or self._freshness is Freshness.STALE:
            return False
        unmoved = outage.at_opening == CounterSnapshot(self.register_tenths, self.pulse_count)
        return unmoved and self.register_tenths is not None and now - outage.opened > BLIND_S

    def _begin_late(self, tenths: int, at: float) -> None:
        """Take the first reading of an outage that began without one: the Pi woke in the dark, the meter with it."""
        outage = self._outage
        if outage is not None and outage.mark.register_tenths is None and outage.ended is None:
            outage.mark = CounterSnapshot(tenths, outage.mark.pulse_count)
            outage.opened, outage.at_opening = at, CounterSnapshot(tenths, self.pulse_count)


def _noted_doubt(output: str, before: PulseMismatch | None, found: PulseMismatch | None) -> Iterator[MeterLogEntry]:
    """Yield that the edges of an output have come into doubt, or out of it; not each time it is found anew."""
    if found is not None and before is None:
        about: dict[str, Json] = {"counted": found.counted, "expected": found.expected, "text": found.says}
        yield MeterLogEntry("pulse_mismatch", {"output": output, **about})
    if found is None and before is not None:
        yield MeterLogEntry("pulse_mismatch_cleared", {"output": output})


def _kwh(tenths: int | None) -> float | None:
    return None if tenths is None else tenths / 10
