"""Meter tracker: readings and pulse edges in, demand and the energy of an outage out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from math import inf
from typing import TYPE_CHECKING, assert_never

from controller.core.effects import SaveSample
from controller.core.events import EnergyRead, KwhPulseSeen, MeterIdentified, MeterSilent, PulseSeen
from rules.metering.demand import EDGE_KWH, STALE_POLLS, DemandEstimator
from rules.metering.register import LARGEST_METER_KW, OVERLOAD, TICK_KW_S, ReadingVerdict, Register, register_rise
from rules.metering.totalizer import Totalizer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from controller.core.events import ExtraMeterRead
    from rules.json_types import Json
    from rules.metering.demand import DemandView, Peaks
    from rules.metering.pulse_check import PulseMismatch

BLIND_S = 600.0
"""Time on standby without a count, in seconds, after which the current transformers may be misplaced."""


FIRST_S = 15.0
"""Minimum time for the first reading, in seconds: driver, gateway and meter start together with the house."""


LONGEST_UNSEEN_S = 14 * 86_400.0
"""Maximum time an outage may have lasted unseen before a start, in seconds.

A register that rose further than the meter can count in this time belongs to another meter.
"""


@dataclass(frozen=True, slots=True)
class MeterTrackerSettings:
    """`max_kw`: the rating; None: unknown model. `poll_s`: poll interval of the register; None: only pulses are wired.

    `pulses`, `kwh_pulses`: the 10 Wh and the 1 kWh output are wired.
    """

    max_kw: float | None = None
    poll_s: float | None = 5.0
    pulses: bool = False
    kwh_pulses: bool = False


@dataclass(frozen=True, slots=True)
class CounterSnapshot:
    """Both counters at the beginning of an outage. It is written to disk. None: unknown at that time."""

    register_tenths: int | None
    pulse_count: int | None


@dataclass(frozen=True, slots=True)
class MeterLogEntry:
    """Entry about the meter for the log: name of the event and its details, JSON-ready."""

    event: str
    details: Mapping[str, Json]


class Freshness(Enum):
    """Freshness of the register: stale if older than three polls."""

    FRESH = "fresh"
    STALE = "stale"


@dataclass(slots=True)
class _Outage:
    """Outage in progress. The values of its end are None until then.

    `mark`: counters at the beginning. `opened`: when the contact last opened. `at_opening`: counters at that time.
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
    """Follows one meter. `now`: monotonic second of this start.

    `counted`, `kwh_counted`: edges of the 10 Wh and the 1 kWh output counted before this start.
    """

    def __init__(self, settings: MeterTrackerSettings, now: float, counted: int = 0, kwh_counted: int = 0) -> None:
        self._settings = settings
        self._totalizer = Totalizer(settings.max_kw, kwh_counted) if settings.kwh_pulses else None
        self._demand = DemandEstimator(settings.max_kw, settings.poll_s or inf, settings.pulses, counted)
        self._started = now
        self._freshness = Freshness.FRESH
        self._outage: _Outage | None = None
        self._extra: dict[str, Register] = {}
        self._verdict: ReadingVerdict | None = None
        self._identity: str | None = None  # reported while the register was good
        self._heard_identity: str | None = None  # reported last
        self.silent_reason: str | None = None

    # --- events ------------------------------------------------------------------------------------------------------

    def on_meter_event(
        self, event: EnergyRead | MeterSilent | MeterIdentified | PulseSeen | KwhPulseSeen
    ) -> tuple[MeterLogEntry, ...]:
        """Process an event of the meter; return the entries for the log."""
        match event:
            case PulseSeen(at=at):
                self._demand.pulse(at)
                return ()
            case KwhPulseSeen(at=at):
                if self._totalizer is not None:
                    self._totalizer.pulse(at)
                return ()
            case MeterSilent(at=at, reason=reason):
                self.silent_reason = reason
                self._demand.silent(at)
                return ()
            case MeterIdentified(identity=identity):
                self._heard_identity = identity
                return ()
            case EnergyRead(at=at, tenths=tenths):
                return self._read(tenths, at)
            case _:
                assert_never(event)

    def _read(self, tenths: int, at: float) -> tuple[MeterLogEntry, ...]:
        before, mismatch = self._demand.register_tenths, self._demand.finding
        same_meter = self._heard_identity is not None and self._heard_identity == self._identity
        verdict = self._demand.energy_read(tenths, at, same_meter=same_meter)
        if verdict.counts:
            self.silent_reason = None
            self._identity = self._heard_identity or self._identity
            self._begin_late(tenths, at)
        else:
            self.silent_reason = f"it answers {tenths / 10:g} kWh, which is not plausible and not confirmed yet"
        if self._outage is not None and verdict in (ReadingVerdict.REPLACED, ReadingVerdict.RETURNED):
            self._outage.another_meter = verdict is ReadingVerdict.REPLACED
        entries = []
        if verdict is ReadingVerdict.FIRST and self._outage is not None and self._cannot_be(self._outage.mark, tenths):
            self._outage.another_meter = True
            details: dict[str, Json] = {
                "before_kwh": _kwh(self._outage.mark.register_tenths),
                "energy_kwh": tenths / 10,
            }
            entries.append(MeterLogEntry("meter_replaced", details))
        again = verdict is self._verdict is ReadingVerdict.READING_HELD
        self._verdict = verdict
        if verdict not in (ReadingVerdict.GOOD, ReadingVerdict.FIRST) and not again:
            entries.append(
                MeterLogEntry(f"meter_{verdict.name.lower()}", {"before_kwh": _kwh(before), "energy_kwh": tenths / 10})
            )
        entries += _mismatch_entries("10 Wh", mismatch, self._demand.finding)
        return (*entries, *self._compare_totalizer(before, tenths, verdict, at))

    def accepts_extra(self, event: ExtraMeterRead) -> bool:
        """Return whether the reading of a further meter counts; a missing one does."""
        register = self._extra.setdefault(event.meter, Register(None))
        return event.tenths is None or register.read(event.tenths, event.at)[0].counts

    def _cannot_be(self, mark: CounterSnapshot, tenths: int) -> bool:
        """Return whether the first reading after a start cannot be of the meter with which the outage began."""
        if mark.register_tenths is None:
            return False
        rise = register_rise(mark.register_tenths, tenths)
        most_kw = OVERLOAD * (self._settings.max_kw or LARGEST_METER_KW)
        return rise is None or rise * TICK_KW_S > most_kw * LONGEST_UNSEEN_S

    def _compare_totalizer(
        self, before: int | None, tenths: int, verdict: ReadingVerdict, at: float
    ) -> Iterator[MeterLogEntry]:
        """Compare the 1 kWh output with the register too."""
        if self._totalizer is None:
            return
        mismatch = self._totalizer.finding
        ticks = None if before is None else register_rise(before, tenths)
        self._totalizer.register_read(verdict, ticks or 0, at)
        yield from _mismatch_entries("1 kWh", mismatch, self._totalizer.finding)

    # --- measurements -----------------------------------------------------------------------------------------------

    def view(self, now: float) -> DemandView:
        """Return the view of demand at `now`."""
        view = self._demand.view(now)
        return view if self._totalizer is None else replace(view, totalizer_kwh=self._totalizer.kwh)

    def sample(self, outage: int, at: float) -> SaveSample:
        """Return one row of the demand record."""
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
        """Return the last accepted register value, in tenths of a kWh; None before the first reading."""
        return self._demand.register_tenths

    @property
    def pulse_count(self) -> int | None:
        """Return the number of edges counted, including earlier starts; None: no pulse output is wired."""
        return self._demand.pulse_count if self._settings.pulses else None

    @property
    def kwh_pulse_count(self) -> int | None:
        """Return the number of edges of the 1 kWh output, including earlier starts; None: it is not wired."""
        return None if self._totalizer is None else self._totalizer.count

    # --- freshness ---------------------------------------------------------------------------------------------------

    def deadline(self) -> float | None:
        """Return when the register becomes stale without a reading (monotonic seconds); None: it is stale."""
        return None if self._freshness is Freshness.STALE else self._stale_at()

    def freshness_changed(self, now: float) -> Freshness | None:
        """Return the freshness of the register if it has changed since the last call; None: unchanged."""
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
        """Begin to measure an outage, or continue one that utility had ended; return the counters to keep on disk."""
        if self._outage is None:
            fresh = self._freshness is Freshness.FRESH
            mark = CounterSnapshot(self.register_tenths if fresh else None, self.pulse_count)
            self._outage = _Outage(at, mark, self._demand.watch(at), at, mark)
        elif self._outage.ended is not None:
            # Counts from the time on utility are no evidence for the generator side.
            self._outage.opened, self._outage.at_opening = at, CounterSnapshot(self.register_tenths, self.pulse_count)
        self._outage.ended = self._outage.end = None
        return self._outage.mark

    @property
    def outage_counters(self) -> CounterSnapshot | None:
        """Return the counters to keep on disk. Its register value may follow later."""
        return self._outage.mark if self._outage else None

    def resume(self, began: float, mark: CounterSnapshot, peak_kw: float | None = None) -> None:
        """Continue an outage that began before this start, from its counters and its peak so far.

        `began`: the second of this start if the machine has booted since. Edges from the time without the program are
        in the difference of the register but not in the number of edges.
        """
        self._outage = _Outage(began, mark, self._demand.watch(began, peak_kw), began, mark)
        if mark.register_tenths is not None:
            self._demand.expect_register(mark.register_tenths)

    def outage_ended(self, at: float) -> None:
        """Freeze the figures of the outage: utility is back. Another `outage_began` continues them."""
        if self._outage is not None:
            self._outage.peak_kw = self.outage_peak_kw(at)
            self._outage.end = CounterSnapshot(self.register_tenths, self.pulse_count)
            self._outage.ended = at

    def outage_closed(self) -> None:
        """Discard the outage: its figures are recorded."""
        if self._outage is not None:
            self._demand.forget(self._outage.peaks)
            self._outage = None

    def outage_energy_kwh(self) -> float | None:
        """Return the register's rise over the outage, in kWh; None: unknown, or the meter was replaced."""
        outage = self._outage
        if outage is None or outage.another_meter:
            return None
        now = outage.end.register_tenths if outage.end else self.register_tenths
        if outage.mark.register_tenths is None or now is None:
            return None
        return _kwh(register_rise(outage.mark.register_tenths, now))

    def outage_pulses_kwh(self) -> float | None:
        """Return the energy of the edges counted over the outage, in kWh; None: no pulse output is wired."""
        outage = self._outage
        now = self.pulse_count if outage is None or outage.end is None else outage.end.pulse_count
        if outage is None or outage.mark.pulse_count is None or now is None:
            return None
        return (now - outage.mark.pulse_count) * EDGE_KWH

    def outage_peak_kw(self, now: float) -> float | None:
        """Return the highest 15-minute demand of the outage in kW; in its first 15 minutes the mean. None: unknown."""
        outage = self._outage
        if outage is None:
            return None
        return outage.peak_kw if outage.ended is not None else self._demand.peak_kw(outage.peaks, now)

    def blind(self, now: float) -> bool:
        """Return whether the meter responds but has counted nothing for the ten minutes or more since the opening.

        If circuits are on, its current transformers may be on the utility side of the transfer switch.
        """
        outage = self._outage
        if outage is None or outage.ended is not None or self._freshness is Freshness.STALE:
            return False
        unmoved = outage.at_opening == CounterSnapshot(self.register_tenths, self.pulse_count)
        return unmoved and self.register_tenths is not None and now - outage.opened > BLIND_S

    def _begin_late(self, tenths: int, at: float) -> None:
        """Use the first reading of an outage that began without one: the meter started together with the Pi.

        Not a reading of 0: meters answer 0 while they boot.
        """
        outage = self._outage
        if tenths and outage is not None and outage.mark.register_tenths is None and outage.ended is None:
            outage.mark = CounterSnapshot(tenths, outage.mark.pulse_count)
            outage.opened, outage.at_opening = at, CounterSnapshot(tenths, self.pulse_count)


def _mismatch_entries(
    output: str, before: PulseMismatch | None, found: PulseMismatch | None
) -> Iterator[MeterLogEntry]:
    """Yield an entry if a mismatch between the edges of an output and the register begins or ends."""
    if found is not None and before is None:
        details: dict[str, Json] = {"counted": found.counted, "expected": found.expected, "text": found.says}
        yield MeterLogEntry("pulse_mismatch", {"output": output, **details})
    if found is None and before is not None:
        yield MeterLogEntry("pulse_mismatch_cleared", {"output": output})


def _kwh(tenths: int | None) -> float | None:
    return None if tenths is None else tenths / 10
