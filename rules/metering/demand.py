"""Demand of the house, from the edges of a pulse output, the ticks of an energy register, or both."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from rules.metering.energy_curve import LONGEST_WINDOW_S, EnergyCurve, Peak, WindowAverage
from rules.metering.pulse_check import PulseRegisterCheck
from rules.metering.register import LARGEST_METER_KW, OVERLOAD, TICK_KW_S, ReadingVerdict, Register

if TYPE_CHECKING:
    from rules.metering.energy_curve import PowerEstimate
    from rules.metering.pulse_check import PulseMismatch

EDGE_KW_S = 18.0
"""Energy of one edge of the 10 Wh output, in kW·s: 5 Wh are 18 kW for one second."""

EDGE_KWH = 0.005
SHORT_WINDOW_S = 300.0
STALE_POLLS = 3

OVERDUE = 2.0
"""Number of usual intervals without an edge, and without a response of the meter, after which demand is unknown."""

GAP_S = 60.0
"""If the register was not read for longer than this, the gap is not interpolated and the windows restart."""


class Quality(StrEnum):
    """Source of `kw`. STALE: the last value is no longer current. NONE: no value yet."""

    PULSES = "pulses"
    COARSE = "coarse"
    STALE = "stale"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class DemandView:
    """Demand at one moment. None is unknown, never 0.

    `kw_is_upper_bound`: the true value is `kw` or less. `age_s`: since the last edge or accepted reading. `partial`:
    names of the figures whose window is not full yet. `energy_kwh`: the last accepted register value, however old.
    `pulses_kwh`, `totalizer_kwh`: edges of the 10 Wh and of the 1 kWh output, counted since their zero; None if not
    wired.
    """

    kw: float | None
    kw_is_upper_bound: bool
    kw_quality: Quality
    age_s: float | None
    demand_5min_kw: float | None
    demand_15min_kw: float | None
    peak_15min_kw: float | None
    partial: tuple[str, ...]
    energy_kwh: float | None
    pulses_kwh: float | None
    totalizer_kwh: float | None = None


class Peaks:
    """Highest 15-minute demand since a given time, by edges and by ticks. `kw`: the peak kept from before, if any."""

    def __init__(self, since: float, kw: float | None = None) -> None:
        self.since = since
        self.edges = Peak(since, kw)
        self.ticks = Peak(since, kw)

    def kw(self, *, edges_alone: bool) -> float | None:
        """Return the peak by edges; if they are in doubt or silent, the higher of both. None: no full window yet."""
        if edges_alone and self.edges.kw is not None:
            return self.edges.kw
        return max((peak.kw for peak in (self.edges, self.ticks) if peak.kw is not None), default=None)


@dataclass(frozen=True, slots=True)
class _Estimate:
    """Estimate from the source in use, with its quality."""

    quality: Quality
    rate: PowerEstimate | None
    curve: EnergyCurve
    age_s: float | None


class DemandEstimator:
    """One estimator for edges and ticks. It has no clock: every call carries the time.

    `max_kw`: rating of the meter; None if the model is not known. `poll_s`: polling interval of the register. `pulses`:
    whether a pulse output is wired. `counted`: edges counted before this start.
    """

    def __init__(self, max_kw: float | None, poll_s: float, pulses: bool, counted: int = 0) -> None:
        self._most_kw = OVERLOAD * (max_kw or LARGEST_METER_KW)
        self._stale_s = STALE_POLLS * poll_s
        self._wired = pulses
        self._register = Register(max_kw)
        self._witnesses = PulseRegisterCheck()
        self._doubted = False
        self._edges = EnergyCurve(EDGE_KW_S)
        self._ticks = EnergyCurve(TICK_KW_S)
        self._all_time = self.watch(float("-inf"))
        self._silent = False
        self.pulse_count = counted
        self.noise_count = 0

    # --- input --------------------------------------------------------------------------------------------------------

    def pulse(self, at: float) -> bool:
        """Count one edge of the 10 Wh output. Return whether it counts. An edge beyond 110 % of the rating is noise."""
        last = self._edges.last_at
        if last is not None and (at - last) * self._most_kw < EDGE_KW_S:
            self.noise_count += 1
            return False
        self.pulse_count += 1
        self._edges.add(at)
        return True

    def expect_register(self, tenths: int) -> None:
        """Expect no first reading below this value, in tenths of a kWh, which was read before this start."""
        self._register.expect(tenths)

    def energy_read(self, tenths: int, at: float, *, same_meter: bool = False) -> ReadingVerdict:
        """Process a reading of the energy register, in tenths of a kWh. Return the verdict.

        `same_meter`: the meter reports the identity that it had at the last accepted reading.
        """
        verdict, ticks = self._register.read(tenths, at, same_meter=same_meter)
        if not verdict.counts:
            return verdict
        self._silent = False
        before = self._register.before_last_at
        if before is None or verdict.restarts:
            self._ticks.start(at)
            self._witnesses.begin(self.pulse_count)
            return verdict
        self._draw(ticks, before, at)
        if self._wired and self._witnesses.read(ticks, self.pulse_count, at):
            self._doubted = True
            self._edges.clear()
        return verdict

    def _draw(self, ticks: int, before: float, at: float) -> None:
        if at - before > max(GAP_S, self._stale_s):
            self._ticks.start(at)
        elif ticks:
            # The last of n ticks occurred somewhere in the last n-th since the previous reading: its middle is as
            # likely.
            self._ticks.add(at - (at - before) / (2 * ticks), ticks)

    def silent(self, at: float) -> None:
        """Record that a poll was not answered: a quiet pulse line is not trusted until the next reading."""
        self._silent = self.register_at is None or at >= self.register_at

    # --- output -------------------------------------------------------------------------------------------------------

    @property
    def register_tenths(self) -> int | None:
        """Return the last accepted register value; None before the first reading."""
        return self._register.last.tenths if self._register.last else None

    @property
    def register_at(self) -> float | None:
        """Return the time of the last accepted register value."""
        return self._register.last.at if self._register.last else None

    @property
    def finding(self) -> PulseMismatch | None:
        """Return the mismatch between edges and register; None if they agree, or agree again."""
        return self._witnesses.finding

    @property
    def stale_at(self) -> float | None:
        """Return when the last accepted reading becomes, or became, older than three polls; None before the first."""
        at = self.register_at
        return None if at is None else at + self._stale_s

    def watch(self, since: float, kw: float | None = None) -> Peaks:
        """Follow the peak of the 15-minute windows that begin at `since` or later."""
        peaks = Peaks(since, kw)
        self._edges.watch(peaks.edges)
        self._ticks.watch(peaks.ticks)
        return peaks

    def forget(self, peaks: Peaks) -> None:
        self._edges.forget(peaks.edges)
        self._ticks.forget(peaks.ticks)

    def peak_kw(self, peaks: Peaks, now: float) -> float | None:
        """Return the peak so far; in the first 15 minutes after `since` the average since then. None is unknown.

        The average by ticks, or of a meter that stopped responding, ends at the last reading: silence is not zero
        demand.
        """
        highest = peaks.kw(edges_alone=not self._doubted)
        if highest is not None or now - peaks.since >= LONGEST_WINDOW_S:
            return highest
        chosen = self._choose(now)
        if chosen.quality is Quality.PULSES:
            return chosen.curve.mean_since(peaks.since, now)
        return None if chosen.quality is Quality.NONE else self._mean_heard(peaks.since)

    def _mean_heard(self, since: float) -> float | None:
        """Return the average since then, up to the last report of edges or ticks; None if there was none."""
        last_at, curve = self.register_at, self._ticks
        edge_at = self._edges.last_at if self._witnesses.trusted else None
        if edge_at is not None and (last_at is None or edge_at > last_at):
            last_at, curve = edge_at, self._edges
        return None if last_at is None or last_at <= since else curve.mean_since(since, last_at)

    def view(self, now: float) -> DemandView:
        """Return everything known about demand at `now`."""
        chosen = self._choose(now)
        short, long = self._means(chosen, now)
        peak = self._all_time.kw(edges_alone=not self._doubted)
        if peak is None and long.full:
            peak = long.kw
        partial = [
            name
            for name, full in (
                ("demand_5min_kw", short.full),
                ("demand_15min_kw", long.full),
                ("peak_15min_kw", peak is not None),
            )
            if not full
        ]
        rate, tenths = chosen.rate, self.register_tenths
        return DemandView(
            kw=min(rate.kw, self._most_kw) if rate else None,
            kw_is_upper_bound=rate is not None and rate.at_most,
            kw_quality=chosen.quality,
            age_s=chosen.age_s,
            demand_5min_kw=short.kw,
            demand_15min_kw=long.kw,
            peak_15min_kw=peak,
            partial=tuple(partial),
            energy_kwh=tenths / 10 if tenths else None,  # 0: the meter may be booting
            pulses_kwh=self.pulse_count * EDGE_KWH if self._wired else None,
        )

    def _means(self, chosen: _Estimate, now: float) -> tuple[WindowAverage, WindowAverage]:
        if chosen.quality is Quality.STALE:
            return WindowAverage(None, full=False), WindowAverage(None, full=False)
        return chosen.curve.mean(now, SHORT_WINDOW_S), chosen.curve.mean(now, LONGEST_WINDOW_S)

    def _choose(self, now: float) -> _Estimate:
        """Return the better source that has a present value."""
        edges, ticks = self._edges_speak(now), self._ticks_speak(now)
        offers = (
            (Quality.PULSES, self._edges, edges, self._edges.rate(now)),
            (Quality.COARSE, self._ticks, ticks, self._ticks.rate(now)),
            (Quality.PULSES, self._edges, edges, self._edges.quiet(now)),
            (Quality.COARSE, self._ticks, ticks, self._ticks.quiet(now)),
        )
        for quality, curve, speaks, rate in offers:
            if speaks and rate:
                return _Estimate(quality, rate, curve, self._age_s(quality, now))
        if edges or ticks or self._heard_at is None:
            return _Estimate(Quality.NONE, None, self._edges if edges else self._ticks, None)
        return _Estimate(Quality.STALE, None, self._ticks, now - self._heard_at)

    def _edges_speak(self, now: float) -> bool:
        """Return whether the edges represent the present demand.

        A line at rest and a cut line look the same. A line that never changed is not trusted. After that, the meter
        confirms it while the meter responds; if the meter is silent too, demand is unknown once an edge is long
        overdue.
        """
        if self._edges.last_at is None or not self._witnesses.trusted:
            return False
        if not self._silent or self._heard_at is None:
            return True
        return now - self._heard_at <= self._stale_s or (
            self._edges.rate(now) is not None and self._edges.overdue(now) <= OVERDUE
        )

    def _ticks_speak(self, now: float) -> bool:
        return self.stale_at is not None and now <= self.stale_at

    @property
    def _heard_at(self) -> float | None:
        heard = [at for at in (self._edges.last_at, self.register_at) if at is not None]
        return max(heard, default=None)

    def _age_s(self, quality: Quality, now: float) -> float | None:
        at = self.register_at if quality is Quality.COARSE else self._heard_at
        return None if at is None else max(0.0, now - at)
