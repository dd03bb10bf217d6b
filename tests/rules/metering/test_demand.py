"""Demand by edges and by ticks, against the exact integral, in virtual time."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.metering.demand import DemandEstimator, Quality

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_KW = 48.0


@dataclass(frozen=True)
class Load:
    """A load that changes in steps: (kW, seconds) one after the other."""

    steps: tuple[tuple[float, float], ...]

    @property
    def seconds(self) -> float:
        return sum(seconds for _, seconds in self.steps)

    def kw_s(self, at: float) -> float:
        """Return the exact integral from 0 to `at`."""
        total, now = 0.0, 0.0
        for kw, seconds in self.steps:
            part = min(seconds, at - now)
            if part <= 0:
                break
            total += kw * part
            now += seconds
        return total

    def mean(self, began: float, ended: float) -> float:
        return (self.kw_s(ended) - self.kw_s(began)) / (ended - began)

    def crossings(self, unit_kw_s: float, phase: float = 0.0) -> Iterator[float]:
        """Yield when the integral crosses each multiple of a unit; `phase`: the part of one already drawn at 0."""
        total, now, due = phase * unit_kw_s, 0.0, unit_kw_s
        for kw, seconds in self.steps:
            end = now + seconds
            while kw > 0 and now + (due - total) / kw <= end:
                now += (due - total) / kw
                total = due
                due += unit_kw_s
                yield now
            total += kw * (end - now)
            now = end


def loads(max_kw: float = MAX_KW) -> st.SearchStrategy[Load]:
    """Loads of 4 to 14 steps."""
    step = st.tuples(st.floats(0.0, max_kw), st.floats(1.0, 400.0))
    return st.lists(step, min_size=4, max_size=14).map(lambda steps: Load(tuple(steps)))


def by_pulses(load: Load, until: float, phase: float = 0.0) -> DemandEstimator:
    """Follow a load by its edges; `phase`: the part of an edge drawn before the start."""
    demand = DemandEstimator(MAX_KW, 5.0, pulses=True)
    for at in load.crossings(18.0, phase):
        if at > until:
            break
        demand.pulse(at)
    return demand


def by_register(load: Load, until: float, poll_s: float = 1.0) -> DemandEstimator:
    """Follow a load by polls of the register alone."""
    demand = DemandEstimator(MAX_KW, poll_s, pulses=False)
    for poll in range(int(until / poll_s) + 1):
        at = poll * poll_s
        demand.energy_read(1000 + int(load.kw_s(at) / 360.0 + 1e-9), at)
    return demand


# --- by edges --------------------------------------------------------------------------------------------------------


@given(load=loads(), phase=st.floats(0.0, 0.999), part=st.floats(0.0, 1.0))
def test_windows_by_edges_stay_within_two_edges_of_the_integral(load: Load, phase: float, part: float) -> None:
    """0.12 kW over 5 minutes and 0.04 kW over 15, at all times after the window is full, whatever the load does."""
    now = part * load.seconds
    view = by_pulses(load, now, phase).view(now)
    if "demand_5min_kw" not in view.partial:
        assert view.demand_5min_kw is not None
        assert abs(view.demand_5min_kw - load.mean(now - 300.0, now)) <= 0.12 + 1e-9
    if "demand_15min_kw" not in view.partial:
        assert view.demand_15min_kw is not None
        assert abs(view.demand_15min_kw - load.mean(now - 900.0, now)) <= 0.04 + 1e-9


@given(load=loads(), phase=st.floats(0.0, 0.999))
def test_the_peak_by_edges_is_the_highest_window_of_the_integral(load: Load, phase: float) -> None:
    """Within the same two edges, without a call in between."""
    demand = by_pulses(load, load.seconds, phase)
    first = next(load.crossings(18.0, phase), load.seconds)
    last = max((at for at in load.crossings(18.0, phase)), default=0.0)
    if last < first + 900.0:
        return
    ends = [last, *(first + 900.0 + second for second in range(int(last - first) - 900))]
    truth = max(load.mean(end - 900.0, end) for end in ends)
    peak = demand.view(load.seconds).peak_15min_kw
    assert peak is not None
    # The windows end at whole seconds here: one second of the full rating is 0.053 kW.
    assert abs(peak - truth) <= 0.04 + 0.054


@given(load=loads(), phase=st.floats(0.0, 0.999))
def test_energy_by_edges_is_exact_to_one_edge(load: Load, phase: float) -> None:
    """No edge of a load within the rating is ever taken for noise."""
    demand = by_pulses(load, load.seconds, phase)
    assert abs(demand.pulse_count * 18.0 - load.kw_s(load.seconds)) <= 18.0 + 1e-6
    assert demand.noise_count == 0


@given(load=loads(), part=st.floats(0.0, 1.0))
def test_no_figure_is_ever_negative_infinite_or_beyond_the_rating(load: Load, part: float) -> None:
    """110 % of the rating is the most a meter measures."""
    now = part * load.seconds
    view = by_pulses(load, now).view(now)
    for kw in (view.kw, view.demand_5min_kw, view.demand_15min_kw, view.peak_15min_kw):
        assert kw is None or 0.0 <= kw <= 1.1 * MAX_KW + 1e-9


def steady_edges(demand: DemandEstimator, kw: float, count: int, began: float = 0.0) -> float:
    """Generate this number of edges of a steady load; return the time of the last one."""
    at = began
    for _ in range(count):
        at += 18.0 / kw
        demand.pulse(at)
    return at


def test_a_steady_load_shows_itself_after_two_edges() -> None:
    """The interval before the first edge is not known."""
    demand = DemandEstimator(MAX_KW, 5.0, pulses=True)
    demand.pulse(1.0)
    assert demand.view(1.5).kw is None
    demand.pulse(2.8)
    view = demand.view(2.8)
    assert view.kw == pytest.approx(10.0)
    assert view.kw_quality is Quality.PULSES
    assert not view.kw_is_upper_bound


def test_when_edges_stop_the_figure_falls_and_is_said_as_at_most() -> None:
    """18 kW·s over the time since: 0.1 kW after three minutes, and from there no more than that is claimed."""
    demand = DemandEstimator(MAX_KW, 5.0, pulses=True)
    last = steady_edges(demand, 10.0, 5)
    view = demand.view(last + 18.0)
    assert view.kw == pytest.approx(1.0)
    assert not view.kw_is_upper_bound
    view = demand.view(last + 360.0)
    assert view.kw == pytest.approx(0.05)
    assert view.kw_is_upper_bound


def test_a_line_that_never_moved_says_nothing() -> None:
    """It may not even be connected; the register can confirm that the demand is zero."""
    demand = DemandEstimator(MAX_KW, 5.0, pulses=True)
    assert demand.view(3600.0).kw_quality is Quality.NONE
    for poll in range(721):
        demand.energy_read(1000, poll * 5.0)
    view = demand.view(3600.0)
    assert view.kw == pytest.approx(0.1)
    assert (view.kw_is_upper_bound, view.kw_quality) == (True, Quality.COARSE)
    assert (view.demand_5min_kw, view.peak_15min_kw) == (0.0, 0.0)


def test_a_line_at_rest_since_one_edge_says_at_most_and_never_nought() -> None:
    """A house asleep is known to draw little, and nothing better."""
    demand = DemandEstimator(MAX_KW, 5.0, pulses=True)
    demand.pulse(0.0)
    assert demand.view(100.0).kw is None
    view = demand.view(3600.0)
    assert view.kw == pytest.approx(0.005)
    assert view.kw_is_upper_bound
    assert view.demand_5min_kw == 0.0


def test_an_edge_beyond_110_percent_of_the_rating_is_noise() -> None:
    """375 ms is the shortest half cycle at 48 kW."""
    demand = DemandEstimator(MAX_KW, 5.0, pulses=True)
    demand.pulse(0.0)
    assert not demand.pulse(0.2)
    assert demand.pulse(0.375)
    assert (demand.pulse_count, demand.noise_count) == (2, 1)


def test_an_edge_older_than_the_last_is_noise() -> None:
    """Time never runs backward."""
    demand = DemandEstimator(MAX_KW, 5.0, pulses=True)
    demand.pulse(10.0)
    assert not demand.pulse(9.0)


def test_a_window_not_yet_full_is_marked_and_averages_what_was_seen() -> None:
    """From the first edge on, for where in its interval the start fell is not known."""
    demand = DemandEstimator(MAX_KW, 5.0, pulses=True)
    now = steady_edges(demand, 6.0, 30)
    view = demand.view(now)
    assert view.demand_5min_kw == pytest.approx(6.0)
    assert view.partial == ("demand_5min_kw", "demand_15min_kw", "peak_15min_kw")
    assert view.peak_15min_kw is None
    now = steady_edges(demand, 6.0, 300, now)
    assert demand.view(now).partial == ()


@pytest.mark.parametrize("phase", [part / 40 for part in range(40)])
def test_a_step_from_2_to_10_kw_shows_within_3_6_seconds(phase: float) -> None:
    """To within a tenth, by edges, at any phase."""
    load = Load(((2.0, 60.0), (10.0, 60.0)))
    at = next(t / 100 for t in range(6000, 7000) if _kw(by_pulses(load, t / 100, phase), t / 100) >= 9.0)
    assert at - 60.0 <= 3.6


def _kw(demand: DemandEstimator, now: float) -> float:
    return demand.view(now).kw or 0.0


def test_memory_stays_bounded() -> None:
    """What no window reaches any more is forgotten, before twice as much is kept."""
    demand = DemandEstimator(None, 5.0, pulses=True)
    window = int(900.0 * 100.0 / 18.0)
    steady_edges(demand, 100.0, int(2.2 * window))
    assert len(demand._edges._times) < 1.3 * window


def test_a_load_that_falls_leaves_nothing_behind() -> None:
    """Fifteen minutes at 48 kW, then an hour at 1 kW: what left the window is forgotten at once."""
    demand = DemandEstimator(MAX_KW, 5.0, pulses=True)
    steady_edges(demand, 1.0, 200, steady_edges(demand, MAX_KW, 2400))
    assert len(demand._edges._times) - demand._edges._head <= 52


# --- by ticks --------------------------------------------------------------------------------------------------------


@given(load=loads(), part=st.floats(0.0, 1.0))
def test_windows_by_ticks_stay_within_two_ticks_of_the_integral(load: Load, part: float) -> None:
    """2.4 kW over 5 minutes and 0.8 kW over 15 at worst, and a poll's worth: coarse, and marked so."""
    now = float(int(part * load.seconds))
    view = by_register(load, now).view(now)
    poll_kw_s = 2 * MAX_KW
    if now > 300.0 and view.demand_5min_kw is not None:
        assert abs(view.demand_5min_kw - load.mean(now - 300.0, now)) <= (720.0 + poll_kw_s) / 300.0
    if now > 900.0 and view.demand_15min_kw is not None:
        assert abs(view.demand_15min_kw - load.mean(now - 900.0, now)) <= (720.0 + poll_kw_s) / 900.0


def test_ticks_alone_are_marked_coarse() -> None:
    """Same formula, twenty times the quantum."""
    load = Load(((10.0, 1000.0),))
    view = by_register(load, 999.0).view(999.0)
    assert view.kw_quality is Quality.COARSE
    assert view.kw == pytest.approx(10.0)
    assert view.demand_15min_kw == pytest.approx(10.0, abs=0.1)
    assert view.pulses_kwh is None


def test_a_reading_older_than_three_polls_is_stale_and_shows_no_figure_of_now() -> None:
    """Stale is said, never shown as the present; the register's total stays."""
    demand = by_register(Load(((10.0, 1000.0),)), 999.0)
    assert demand.view(1002.0).kw_quality is Quality.COARSE
    view = demand.view(1002.1)
    assert (view.kw, view.demand_5min_kw, view.demand_15min_kw) == (None, None, None)
    assert view.kw_quality is Quality.STALE
    assert view.age_s == pytest.approx(3.1)
    assert view.energy_kwh == pytest.approx(102.7)
    assert view.peak_15min_kw is not None


def test_no_input_is_none_and_not_zero() -> None:
    """Unknown is a value of its own."""
    view = DemandEstimator(MAX_KW, 5.0, pulses=False).view(100.0)
    assert (view.kw, view.kw_quality, view.age_s, view.energy_kwh) == (None, Quality.NONE, None, None)


def test_no_line_is_drawn_through_a_long_silence() -> None:
    """Ten minutes without a reading: the windows restart, though the register has the energy."""
    demand = by_register(Load(((10.0, 1000.0),)), 999.0)
    demand.energy_read(1045, 1600.0)
    view = demand.view(1600.0)
    assert view.demand_5min_kw is None
    assert "demand_5min_kw" in view.partial
    assert view.energy_kwh == pytest.approx(104.5)


def test_two_ticks_seen_close_together_do_not_make_a_spike() -> None:
    """A tick seen late, after a minute of lost polls, and the next in time: the load was 10 kW throughout."""
    demand = DemandEstimator(MAX_KW, 5.0, pulses=False)
    for at, tenths in [(0.0, 0), (60.0, 1), (65.0, 1), (70.0, 1), (75.0, 2), (105.0, 2), (110.0, 3)]:
        demand.energy_read(tenths, at)
        kw = demand.view(at).kw
        assert kw is None or kw < 11.0


def test_two_ticks_at_once_never_show_more_than_a_meter_can_measure() -> None:
    """110 % of the rating is the maximum; the next interval is more exact."""
    demand = DemandEstimator(MAX_KW, 1.0, pulses=False)
    for second in range(4):
        demand.energy_read(second, float(second))
    assert demand.view(3.0).kw == pytest.approx(1.1 * MAX_KW)


# --- both ------------------------------------------------------------------------------------------------------------


def both(load: Load, phase: float, poll_s: float = 5.0, lose: float = 0.0, refresh_s: float = 0.0) -> DemandEstimator:
    """Follow a load by edges and polls; from the moment `lose` on no edge arrives (0: none is lost)."""
    demand = DemandEstimator(MAX_KW, poll_s, pulses=True)
    edges = [at for at in load.crossings(18.0, (phase * 20) % 1.0) if not lose or at < lose]
    polls = [n * poll_s for n in range(int(load.seconds / poll_s))]
    for at, is_edge in sorted([(at, True) for at in edges] + [(at, False) for at in polls]):
        if is_edge:
            demand.pulse(at)
        else:
            seen = at // refresh_s * refresh_s if refresh_s else at
            demand.energy_read(int(phase + load.kw_s(seen) / 360.0 + 1e-9), at)
    return demand


@given(load=loads(), phase=st.floats(0.0, 0.99), poll_s=st.sampled_from([1.0, 5.0, 17.0]))
def test_edges_and_ticks_of_one_load_never_disagree(load: Load, phase: float, poll_s: float) -> None:
    """However the polls fall: the comparison allows for what it cannot know."""
    assert both(load, phase, poll_s).finding is None


@given(load=loads(30.0), phase=st.floats(0.0, 0.99), poll_s=st.sampled_from([5.0, 17.0, 29.0]))
def test_a_register_refreshed_in_steps_raises_no_finding(load: Load, phase: float, poll_s: float) -> None:
    """Each 300 s, some seconds before a poll: the edges run ahead of it and are right."""
    assert both(load, phase, poll_s, refresh_s=300.0).finding is None


def test_after_a_long_clean_run_lost_edges_are_found_as_soon_as_ever() -> None:
    """1 % of 45 kWh would be more than half a minute of them at full load."""
    demand = both(Load(((MAX_KW, 3430.0),)), 0.5, lose=3400.0)
    assert demand.finding is not None


def test_a_cut_pulse_wire_is_found_and_the_register_is_used() -> None:
    """The falling bound would say that the house is asleep; it draws 10 kW."""
    demand = both(Load(((10.0, 1200.0),)), 0.5, lose=600.0)
    assert demand.finding is not None
    assert demand.finding.lost
    assert "lost" in demand.finding.says
    view = demand.view(1195.0)
    assert view.kw_quality is Quality.COARSE
    assert view.kw == pytest.approx(10.0, rel=0.15)


def test_edges_too_many_are_found() -> None:
    """An output that bounces twice for each edge."""
    demand = DemandEstimator(MAX_KW, 5.0, pulses=True)
    for second in range(1200):
        demand.pulse(float(second))
        if second % 5 == 0:
            demand.energy_read(int(9.0 * second / 360), second + 0.5)
    assert demand.finding is not None
    assert not demand.finding.lost
    assert "bounces" in demand.finding.says


def test_a_repaired_pulse_wire_is_trusted_again() -> None:
    """After half a kWh on which both agree."""
    demand = both(Load(((10.0, 1200.0),)), 0.5, lose=600.0)
    now = 1200.0
    while now < 1700.0:
        now += 1.8
        demand.pulse(now)
        demand.energy_read(int(0.5 + now * 10 / 360), now)
        if now < 1300.0:
            assert demand.view(now).kw_quality is Quality.COARSE
    assert demand.finding is None
    view = demand.view(now)
    assert view.kw_quality is Quality.PULSES
    # The windows restart: the gap is not interpolated.
    assert "demand_15min_kw" in view.partial
    assert view.demand_5min_kw == pytest.approx(10.0, abs=0.1)


def test_a_quiet_line_is_believed_only_while_the_meter_answers() -> None:
    """A cut wire and zero demand look alike: once the meter is silent too, demand is unknown."""
    demand = DemandEstimator(MAX_KW, 5.0, pulses=True)
    demand.energy_read(100, 0.0)
    last = steady_edges(demand, 10.0, 50)
    demand.energy_read(102, last)
    demand.silent(last + 5.0)
    assert demand.view(last + 10.0).kw_quality is Quality.PULSES
    view = demand.view(last + 20.0)
    assert (view.kw, view.kw_quality) == (None, Quality.STALE)
    demand.energy_read(102, last + 25.0)
    assert demand.view(last + 26.0).kw_quality is Quality.PULSES


def test_edges_are_used_without_a_responding_meter() -> None:
    """Legacy meters have no Modbus; their pulse outputs work."""
    demand = DemandEstimator(MAX_KW, 5.0, pulses=True)
    demand.silent(0.0)
    last = steady_edges(demand, 0.5, 10)
    view = demand.view(last + 20.0)
    assert view.kw == pytest.approx(0.5)
    assert view.energy_kwh is None


@given(steps=st.lists(st.tuples(st.floats(0.01, 30.0), st.sampled_from("prs")), max_size=80))
def test_the_counted_energy_never_falls(steps: list[tuple[float, str]]) -> None:
    """Under any order of edges, readings and silences."""
    demand = DemandEstimator(MAX_KW, 5.0, pulses=True)
    at, counts = 0.0, [0]
    for pause, what in steps:
        at += pause
        if what == "p":
            demand.pulse(at)
        elif what == "r":
            demand.energy_read(int(at), at)
        else:
            demand.silent(at)
        view = demand.view(at)
        assert (view.kw is None) == (view.kw_quality in (Quality.STALE, Quality.NONE))
        counts.append(demand.pulse_count)
    assert all(later >= earlier for earlier, later in pairwise(counts))
