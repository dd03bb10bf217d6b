"""Demand at single moments, to the last digit; against the integral see `test_demand.py`."""

from __future__ import annotations

import pytest

from rules.metering.demand import DemandEstimator, Peaks, Quality

NONE, PULSES, COARSE, STALE = Quality.NONE, Quality.PULSES, Quality.COARSE, Quality.STALE
POLL_S = 20.0
"""Stale a minute after the last reading."""


def demand(
    *, edges: tuple[float, ...] = (), reads: tuple[tuple[float, int], ...] = (), wired: bool = True
) -> DemandEstimator:
    """Return a demand that has seen edges and readings (at, tenths of a kWh), each at its time."""
    one = DemandEstimator(40.0, POLL_S, pulses=wired)
    for at, tenths in sorted([*((at, None) for at in edges), *reads], key=lambda seen: seen[0]):
        if tenths is None:
            one.pulse(at)
        else:
            one.energy_read(tenths, at)
    return one


EACH_2_S = tuple(float(second) for second in range(10, 31, 2))
"""9 kW."""


# --- what counts -----------------------------------------------------------------------------------------------------


def test_an_edge_just_at_110_percent_of_the_rating_counts_and_each_beyond_is_noise() -> None:
    """44 kW is an edge each 0.409 s."""
    one = DemandEstimator(40.0, 5.0, pulses=True)
    fastest = 18.0 / 44.0
    assert [one.pulse(at) for at in (0.0, fastest, fastest + 0.1, fastest + 0.2)] == [True, True, False, False]
    assert (one.pulse_count, one.noise_count) == (2, 2)


def test_edges_counted_before_this_start_are_counted_on() -> None:
    """And reported in kWh if an output is wired; if none is, it is absent."""
    one = DemandEstimator(40.0, 5.0, pulses=True, counted=2000)
    one.pulse(1.0)
    assert one.view(1.0).pulses_kwh == pytest.approx(10.005)
    assert DemandEstimator(40.0, 5.0, pulses=False, counted=2000).view(1.0).pulses_kwh is None


def test_the_ticks_of_a_reading_fell_due_in_the_middle_of_their_part_of_the_interval() -> None:
    """Three in a minute: the last of them ten seconds ago, as likely as not."""
    one = demand(reads=((0.0, 1000), (60.0, 1003), (120.0, 1006)))
    assert one.view(120.0).kw == pytest.approx(18.0)
    assert one.view(150.0).kw == pytest.approx(360.0 / 40.0)


GAPS = (
    # readings, the 5-minute average at the last
    (((0.0, 1000), (60.0, 1003), (120.0, 1006)), 18.0),
    (((0.0, 1000), (60.0, 1003), (120.1, 1006)), None),  # longer than a minute unread: no line is drawn
)


@pytest.mark.parametrize(("reads", "kw"), GAPS)
def test_a_line_is_drawn_through_a_minute_and_not_through_more(
    reads: tuple[tuple[float, int], ...], kw: float | None
) -> None:
    """The windows restart after a gap."""
    view = demand(reads=reads).view(reads[-1][0])
    assert view.demand_5min_kw == (kw if kw is None else pytest.approx(kw))
    assert view.energy_kwh == 100.6


def test_slow_polls_make_longer_gaps() -> None:
    """Three of them, where that is longer than a minute."""
    for poll_s, kw in ((30.0, 18.0), (29.9, None)):
        one = DemandEstimator(40.0, poll_s, pulses=False)
        for at, tenths in ((0.0, 1000), (30.0, 1001), (60.0, 1003), (150.0, 1007)):
            one.energy_read(tenths, at)
        said = one.view(150.0).demand_5min_kw
        assert (said is None) is (kw is None)


# --- choice of the source ---------------------------------------------------------------------------------------------

SPEAKS = (
    # edges, readings, time, source in use, kW, upper bound, age
    ((), (), 50.0, NONE, None, False, None),
    ((10.0,), (), 50.0, NONE, None, False, None),  # one edge gives no rate
    ((10.0,), (), 190.0, PULSES, 0.1, True, 180.0),
    (EACH_2_S, (), 30.0, PULSES, 9.0, False, 0.0),
    (EACH_2_S, (), 33.0, PULSES, 6.0, False, 3.0),
    (EACH_2_S, (), 210.0, PULSES, 0.1, True, 180.0),
    (EACH_2_S, ((5.0, 1000), (25.0, 1000)), 30.0, PULSES, 9.0, False, 0.0),
    (EACH_2_S, ((5.0, 1000), (35.0, 1000)), 36.0, PULSES, 3.0, False, 1.0),  # the younger of the two words
    ((), ((0.0, 1000),), 10.0, NONE, None, False, None),
    ((), ((0.0, 1000), (60.0, 1003), (120.0, 1006)), 180.0, COARSE, 360.0 / 70.0, False, 60.0),
    ((), ((0.0, 1000), (60.0, 1003), (120.0, 1006)), 180.1, STALE, None, False, 60.1),
    ((), ((0.0, 1000), (60.0, 1000), (120.0, 1000), (180.0, 1000)), 180.0, COARSE, 2.0, True, 0.0),
    ((), ((0.0, 1000), (60.0, 1000), (120.0, 1000)), 179.9, NONE, None, False, None),
    ((10.0,), ((0.0, 1000), (60.0, 1003), (120.0, 1006)), 120.0, COARSE, 18.0, False, 0.0),
    ((125.0,), ((0.0, 1000), (60.0, 1003), (120.0, 1006)), 130.0, COARSE, 18.0, False, 10.0),
)


@pytest.mark.parametrize(("edges", "reads", "now", "quality", "kw", "at_most", "age_s"), SPEAKS)
def test_the_better_source_with_a_present_value_is_used(
    edges: tuple[float, ...],
    reads: tuple[tuple[float, int], ...],
    now: float,
    *,
    quality: Quality,
    kw: float | None,
    at_most: bool,
    age_s: float | None,
) -> None:
    """Edges before ticks, a pace before a silence; its age is that of the word it rests on."""
    view = demand(edges=edges, reads=reads).view(now)
    assert (view.kw_quality, view.kw_is_upper_bound) == (quality, at_most)
    assert view.kw == (kw if kw is None else pytest.approx(kw))
    assert view.age_s == (age_s if age_s is None else pytest.approx(age_s))


SILENT = (
    # the meter stops at, time, source in use; edges every 2 s until 30 s, the last reading at 25 s
    (24.0, 120.0, PULSES),  # it has answered since
    (25.0, 120.0, STALE),
    (None, 120.0, PULSES),
    (32.0, 34.0, PULSES),
    (32.0, 90.0, PULSES),  # within three polls of the last word
    (32.0, 90.1, STALE),  # two intervals are long over: a line at rest and a cut one look alike
)


@pytest.mark.parametrize(("silent_at", "now", "quality"), SILENT)
def test_a_quiet_line_is_believed_as_long_as_the_meter_answers(
    silent_at: float | None, now: float, quality: Quality
) -> None:
    """Once it is silent too, demand is unknown."""
    one = demand(edges=EACH_2_S, reads=((5.0, 1000), (25.0, 1000)))
    if silent_at is not None:
        one.silent(silent_at)
    assert one.view(now).kw_quality is quality


def test_edges_at_their_pace_are_believed_though_the_meter_is_silent() -> None:
    """Two intervals without an edge are nothing; more, and the last word older than three polls, are too much."""
    slow = tuple(float(second) for second in range(0, 1200, 100))
    one = demand(edges=slow, reads=((5.0, 1000),))
    one.silent(30.0)
    assert one.view(1300.0).kw_quality is PULSES
    assert one.view(1300.1).kw_quality is STALE


def test_a_single_edge_is_not_believed_through_a_silent_meter() -> None:
    """It shows no rate that could continue."""
    one = demand(edges=(10.0,), reads=((5.0, 1000),))
    one.silent(30.0)
    assert one.view(70.1).kw_quality is STALE


def test_a_reading_ends_the_silence() -> None:
    """The meter confirms the quiet line again."""
    one = demand(edges=EACH_2_S, reads=((5.0, 1000),))
    one.silent(32.0)
    assert one.view(200.0).kw_quality is STALE
    one.energy_read(1001, 199.0)
    assert one.view(200.0).kw_quality is PULSES
    assert one.view(500.0).kw_quality is PULSES


def test_an_implausible_reading_ends_no_silence() -> None:
    """A garbled word is no sign that the meter is well."""
    one = demand(edges=EACH_2_S, reads=((5.0, 1000),))
    one.silent(32.0)
    one.energy_read(5, 199.0)
    assert one.view(200.0).kw_quality is STALE


STALE_AT = (
    ((), None),
    (((5.0, 1000),), 65.0),
    (((5.0, 1000), (25.0, 3)), 65.0),  # held: the last good one ages
    (((5.0, 1000), (25.0, 1001)), 85.0),
)


@pytest.mark.parametrize(("reads", "stale_at"), STALE_AT)
def test_a_reading_is_stale_after_three_polls(reads: tuple[tuple[float, int], ...], stale_at: float | None) -> None:
    """None: nothing was ever read."""
    assert demand(reads=reads).stale_at == stale_at


def test_another_meter_is_another_beginning() -> None:
    """No line is drawn from the old register to the new, and no finding made of it."""
    one = demand(edges=EACH_2_S, reads=((0.0, 500_000), (20.0, 500_000), (40.0, 12), (100.0, 12)))
    assert one.register_tenths == 12
    assert one.finding is None
    assert one._ticks.mean(101.0, 1.0).full
    assert not one._ticks.mean(101.0, 1.1).full


# --- windows and peaks -----------------------------------------------------------------------------------------------


def steady(until: float, every_s: float = 2.0) -> tuple[float, ...]:
    """Return edges at a steady pace from 0 on."""
    return tuple(every_s * edge for edge in range(int(until / every_s) + 1))


PARTIAL = (
    # duration of the edges, figures that are still partial
    (299.0, ("demand_5min_kw", "demand_15min_kw", "peak_15min_kw")),
    (300.0, ("demand_15min_kw", "peak_15min_kw")),
    (898.0, ("demand_15min_kw", "peak_15min_kw")),
    (900.0, ()),
)


@pytest.mark.parametrize(("until", "partial"), PARTIAL)
def test_a_figure_of_a_window_not_yet_full_is_marked(until: float, partial: tuple[str, ...]) -> None:
    """The peak waits for the first full window."""
    view = demand(edges=steady(until)).view(until)
    assert view.partial == partial
    assert view.demand_15min_kw == pytest.approx(9.0)
    assert view.peak_15min_kw == (None if "peak_15min_kw" in partial else pytest.approx(9.0))


def test_a_window_full_by_now_is_a_peak_before_the_next_count_makes_it_certain() -> None:
    """The first there is."""
    view = demand(edges=steady(898.0)).view(901.0)
    assert view.partial == ()
    assert view.peak_15min_kw == view.demand_15min_kw


def test_stale_is_no_window_either() -> None:
    """And its peak stands."""
    one = demand(reads=tuple((20.0 * read, 1000 + read) for read in range(60)), wired=False)
    view = one.view(1300.0)
    assert (view.kw_quality, view.demand_5min_kw, view.demand_15min_kw) == (STALE, None, None)
    assert view.partial == ("demand_5min_kw", "demand_15min_kw")
    assert view.peak_15min_kw == pytest.approx(18.0, rel=0.02)


PEAK_OF = (
    # by edges, by ticks, the edges are not in doubt, the peak
    (5.0, 6.0, True, 5.0),
    (5.0, 6.0, False, 6.0),
    (6.0, 5.0, False, 6.0),
    (None, 6.0, True, 6.0),
    (5.0, None, False, 5.0),
    (None, None, True, None),
)


@pytest.mark.parametrize(("edges", "ticks", "sure", "kw"), PEAK_OF)
def test_a_peak_is_the_edges_and_where_they_are_in_doubt_the_higher_of_both(
    edges: float | None, ticks: float | None, sure: bool, kw: float | None
) -> None:
    """Either may be missing."""
    peaks = Peaks(0.0)
    peaks.edges.kw, peaks.ticks.kw = edges, ticks
    assert peaks.kw(edges_alone=sure) == kw


SINCE = (
    # watched since, kept from before, asked at, the peak; 9 kW from 0 s to 1200 s
    (0.0, None, 500.0, 9.0),
    (300.0, None, 500.0, 9.0),
    (0.0, 4.0, 500.0, 4.0),
    (0.0, None, 1200.0, 9.0),
    # its own first window is full, and not certain yet: no average of a part stands for it
    (299.0, None, 1199.0, None),
    (301.0, None, 1200.0, 9.0),
)


@pytest.mark.parametrize(("since", "kept", "now", "kw"), SINCE)
def test_in_the_first_15_minutes_the_peak_of_an_outage_is_its_average_so_far(
    since: float, kept: float | None, now: float, kw: float | None
) -> None:
    """Then it is that of its full windows; one kept from before a crash stands."""
    one = DemandEstimator(40.0, POLL_S, pulses=True)
    peaks = one.watch(since, kept)
    for at in steady(min(now, 1200.0)):
        one.pulse(at)
    said = one.peak_kw(peaks, now)
    assert said == (kw if kw is None else pytest.approx(kw, abs=0.01))


def test_the_peak_of_an_outage_whose_pulse_wire_was_cut_is_the_registers() -> None:
    """The edges saw 4.5 kW and then nothing; the house drew 18."""
    edges = steady(1000.0, every_s=4.0)
    drawn = [(20.0 * read, 20.0 * read * 4.5 + max(0.0, 20.0 * read - 1000.0) * 13.5) for read in range(120)]
    one = DemandEstimator(40.0, POLL_S, pulses=True)
    peaks = one.watch(0.0)
    for at, tenths in sorted([*((at, -1) for at in edges), *((at, int(kw_s / 360.0)) for at, kw_s in drawn)]):
        if tenths < 0:
            one.pulse(at)
        else:
            one.energy_read(tenths, at)
    assert one.finding is not None
    assert one.finding.at == 2360.0  # again and again
    assert one.peak_kw(peaks, 2380.0) == pytest.approx(18.0, rel=0.05)
    assert one.view(2380.0).peak_15min_kw == one.peak_kw(peaks, 2380.0)


def test_what_is_no_longer_watched_is_not_followed() -> None:
    """By either witness."""
    one = DemandEstimator(40.0, POLL_S, pulses=True)
    peaks = one.watch(0.0)
    one.forget(peaks)
    for second in range(0, 2000, 20):
        one.pulse(float(second))
        one.energy_read(second // 20, float(second))
    assert (peaks.edges.kw, peaks.ticks.kw) == (None, None)
