"""Energy over time through what a meter counted: small curves, to the last digit."""

from __future__ import annotations

import pytest

from rules.metering.energy_curve import EnergyCurve, Peak, PowerEstimate, WindowAverage

UNIT_KW_S = 18.0


def curve(*counts: float, start: float | None = None, peak: Peak | None = None) -> EnergyCurve:
    """Return a curve with one count at each of these seconds; `start`: from then on every count was seen."""
    one = EnergyCurve(UNIT_KW_S)
    if peak is not None:
        one.watch(peak)
    if start is not None:
        one.start(start)
    for at in counts:
        one.add(at)
    return one


EACH_2_S = (10.0, 12.0, 14.0, 16.0, 18.0, 20.0)
"""9 kW."""

RATES: tuple[tuple[tuple[float, ...], float, PowerEstimate | None], ...] = (
    # counts, asked at, the rate
    ((), 50.0, None),
    ((10.0,), 11.0, None),  # where in its interval the start fell is not known
    ((10.0, 12.0), 12.0, PowerEstimate(9.0, at_most=False)),
    ((10.0, 12.0), 14.0, PowerEstimate(9.0, at_most=False)),  # one interval later the next count is due
    ((10.0, 12.0), 15.0, PowerEstimate(6.0, at_most=False)),
    ((10.0, 12.0), 191.0, PowerEstimate(18.0 / 179.0, at_most=False)),
    ((10.0, 12.0), 192.0, PowerEstimate(0.1, at_most=True)),
    ((10.0, 12.0, 13.0), 13.5, PowerEstimate(18.0, at_most=False)),  # the last interval's
    ((0.0, 200.0), 400.0, PowerEstimate(0.09, at_most=False)),  # a slow pace that is kept is a pace
)


@pytest.mark.parametrize(("counts", "now", "rate"), RATES)
def test_the_rate_is_the_last_intervals_or_what_the_silence_since_allows(
    counts: tuple[float, ...], now: float, rate: PowerEstimate | None
) -> None:
    """The smaller of the two; after three minutes it is said as *at most*."""
    assert curve(*counts).rate(now) == rate


def test_a_curve_that_was_started_knows_its_rate_from_the_second_count_on() -> None:
    """The first ends an interval of unknown energy."""
    assert curve(12.0, start=10.0).rate(12.0) is None
    assert curve(12.0, 15.0, start=10.0).rate(15.0) == PowerEstimate(6.0, at_most=False)


QUIET: tuple[tuple[EnergyCurve, float, PowerEstimate | None], ...] = (
    (curve(), 500.0, None),
    (curve(10.0), 189.9, None),
    (curve(10.0), 190.0, PowerEstimate(0.1, at_most=True)),
    (curve(start=10.0), 370.0, PowerEstimate(0.05, at_most=True)),
)


@pytest.mark.parametrize(("one", "now", "rate"), QUIET)
def test_three_minutes_of_silence_prove_a_rate_of_at_most(
    one: EnergyCurve, now: float, rate: PowerEstimate | None
) -> None:
    """One count would have come by now; a curve that never began proves nothing."""
    assert one.quiet(now) == rate


OVERDUE = (
    ((), 50.0, 0.0),
    ((10.0,), 50.0, 0.0),
    ((10.0, 12.0), 12.0, 0.0),
    ((10.0, 12.0), 17.0, 2.5),
    ((10.0, 12.0, 16.0), 18.0, 0.5),
)


@pytest.mark.parametrize(("counts", "now", "intervals"), OVERDUE)
def test_a_count_is_overdue_by_the_last_intervals_gone_by_since(
    counts: tuple[float, ...], now: float, intervals: float
) -> None:
    """Without a known interval, none has passed."""
    assert curve(*counts).overdue(now) == intervals


def test_the_last_count_is_a_count_and_not_a_start() -> None:
    """A curve that was started has not been counted on yet."""
    assert curve().last_at is None
    assert curve(start=10.0).last_at is None
    assert curve(12.0, start=10.0).last_at == 12.0


MEANS = (
    # counts, asked at, window, average
    (EACH_2_S, 20.0, 10.0, WindowAverage(9.0, full=True)),
    (EACH_2_S, 20.0, 10.5, WindowAverage(9.0, full=False)),
    (EACH_2_S, 20.0, 5.0, WindowAverage(9.0, full=True)),
    (EACH_2_S, 21.0, 10.0, WindowAverage(9.0, full=True)),  # half a count is due since
    (EACH_2_S, 30.0, 10.0, WindowAverage(1.8, full=True)),  # one at most, or it would have been counted
    (EACH_2_S, 30.0, 20.0, WindowAverage(5.4, full=True)),
    (EACH_2_S, 30.0, 20.5, WindowAverage(5.4, full=False)),
    ((10.0, 12.0, 20.0), 20.0, 9.0, WindowAverage(3.0, full=True)),  # half of the first interval
    ((10.0,), 20.0, 5.0, WindowAverage(0.0, full=True)),
    ((10.0,), 20.0, 15.0, WindowAverage(None, full=False)),
    ((), 20.0, 5.0, WindowAverage(None, full=False)),
)


@pytest.mark.parametrize(("counts", "now", "window_s", "mean"), MEANS)
def test_the_average_runs_on_straight_lines_between_counts(
    counts: tuple[float, ...], now: float, window_s: float, mean: WindowAverage
) -> None:
    """A window that reaches back beyond the first count averages what was seen, and is marked."""
    said = curve(*counts).mean(now, window_s)
    assert said.full is mean.full
    assert said.kw == (mean.kw if mean.kw is None else pytest.approx(mean.kw))


SINCE = (
    # counts, since, asked at, average
    (EACH_2_S, 10.0, 20.0, 9.0),
    (EACH_2_S, 15.0, 30.0, (7 - 3.5) * UNIT_KW_S / 15.0),
    (EACH_2_S, 5.0, 20.0, 9.0),  # since the first count
    (EACH_2_S, 20.0, 20.0, None),
    (EACH_2_S, 21.0, 20.0, None),
    ((), 10.0, 20.0, None),
    ((10.0,), 5.0, 20.0, None),
)


@pytest.mark.parametrize(("counts", "began", "now", "kw"), SINCE)
def test_the_average_since_a_moment_begins_there_or_at_the_first_count(
    counts: tuple[float, ...], began: float, now: float, kw: float | None
) -> None:
    """No time has no average."""
    assert curve(*counts).mean_since(began, now) == (kw if kw is None else pytest.approx(kw))


def test_since_the_very_start_is_since_the_start() -> None:
    """From there on every count was seen, also the energy before the first."""
    assert curve(12.0, 15.0, 17.0, start=10.0).mean_since(10.0, 17.0) == pytest.approx(3 * UNIT_KW_S / 7.0)


def test_several_counts_at_once_are_several() -> None:
    """And one that is not later than the last is counted with it: time never runs backward."""
    one = EnergyCurve(UNIT_KW_S)
    for at, quanta in ((10.0, 1), (12.0, 3), (11.0, 1), (12.0, 1), (17.0, 5)):
        one.add(at, quanta)
    assert one.last_at == 17.0
    assert one.rate(17.0) == PowerEstimate(18.0, at_most=False)
    assert one.mean(17.0, 7.0) == WindowAverage(10 * UNIT_KW_S / 7.0, full=True)
    assert one.mean(17.0, 8.0) == WindowAverage(10 * UNIT_KW_S / 7.0, full=False)


def test_a_first_count_of_several_is_where_the_average_begins() -> None:
    """Its energy was used before, at an unknown time."""
    one = EnergyCurve(UNIT_KW_S)
    one.start(5.0)
    one.add(10.0, 4)
    one.add(12.0, 1)
    assert one.mean(12.0, 20.0) == WindowAverage(9.0, full=False)
    assert one.mean(12.0, 7.0) == WindowAverage(pytest.approx(5 * UNIT_KW_S / 7.0), full=True)  # type: ignore[arg-type]


@pytest.mark.parametrize("how", ["cleared", "started"])
def test_a_restarted_curve_has_no_history(how: str) -> None:
    """No line is drawn through what was lost."""
    one = curve(*EACH_2_S, peak=Peak(0.0))
    if how == "cleared":
        one.clear()
    else:
        one.start(100.0)
    assert (one.last_at, one.rate(110.0), one.mean(110.0, 300.0)) == (None, None, WindowAverage(None, full=False))
    for at in (110.0, 115.0, 120.0):
        one.add(at)
    assert one.rate(120.0) == PowerEstimate(3.6, at_most=False)
    began = 110.0 if how == "cleared" else 100.0
    counts = 2 if how == "cleared" else 3
    assert one.mean(120.0, 120.0 - began) == WindowAverage(pytest.approx(counts * 18.0 / (120.0 - began)), full=True)  # type: ignore[arg-type]
    assert not one.mean(120.0, 120.1 - began).full


# --- peaks -----------------------------------------------------------------------------------------------------------

OFFERS = (
    # since, kept from before, offered (began, kW), peak
    (10.0, None, ((10.0, 3.0),), 3.0),
    (10.0, None, ((9.9, 3.0),), None),
    (10.0, 5.0, ((10.0, 3.0),), 5.0),
    (10.0, 5.0, ((10.0, 6.0), (11.0, 4.0)), 6.0),
)


@pytest.mark.parametrize(("since", "kept", "offers", "kw"), OFFERS)
def test_a_peak_is_the_highest_of_the_windows_that_begin_in_time(
    since: float, kept: float | None, offers: tuple[tuple[float, float], ...], kw: float | None
) -> None:
    """One kept from before stands until a higher one comes."""
    peak = Peak(since, kept)
    for began, offered in offers:
        peak.offer(began, offered)
    assert peak.kw == kw


def stepwise(*steps: tuple[float, float], began: float = 0.0) -> list[float]:
    """Return the times of the counts of a load of this power for this time, one step after the other."""
    counts, at = [began], began
    for kw, seconds in steps:
        until = at + seconds
        while at + UNIT_KW_S / kw <= until + 1e-9:
            at += UNIT_KW_S / kw
            counts.append(at)
    return counts


PEAKS = (
    # load in steps, peak watched since, the highest 15 minutes
    (((1.8, 890.0),), 0.0, None),
    (((1.8, 900.0),), 0.0, 1.8),
    (((9.0, 900.0), (1.8, 900.0)), 0.0, 9.0),
    (((1.8, 900.0), (9.0, 900.0)), 0.0, 9.0),
    (((1.8, 600.0), (9.0, 450.0), (1.8, 900.0)), 0.0, (450 * 9.0 + 450 * 1.8) / 900.0),
    (((9.0, 900.0), (1.8, 1800.0)), 450.0, (450 * 9.0 + 450 * 1.8) / 900.0),
    (((9.0, 900.0), (1.8, 1800.0)), 900.0, 1.8),
    (((9.0, 900.0), (1.8, 1800.0)), 1900.0, None),
    (((18.0, 101.0), (1.8, 1800.0)), 0.0, (101 * 18.0 + 799 * 1.8) / 900.0),  # the very first window
    (((9.0, 902.0), (1.8, 100.0)), 1.0, 9.0),
    (((9.0, 850.0),), -101.0, None),  # the beginning of that window was not measured
)


@pytest.mark.parametrize(("steps", "since", "kw"), PEAKS)
@pytest.mark.parametrize("began", [0.0, 50.0])
def test_the_peak_is_the_highest_average_over_any_15_minutes(
    steps: tuple[tuple[float, float], ...], since: float, kw: float | None, began: float
) -> None:
    """At any beginning from `since` on; without a call in between."""
    peak = Peak(began + since)
    curve(*stepwise(*steps, began=began), peak=peak)
    assert peak.kw == (kw if kw is None else pytest.approx(kw, abs=1e-6))


def test_a_peak_no_longer_watched_stands() -> None:
    """The outage is over; another goes on."""
    over, goes_on = Peak(0.0), Peak(0.0)
    one = curve(*stepwise((1.8, 910.0)), peak=over)
    one.watch(goes_on)
    one.forget(over)
    for at in stepwise((9.0, 1800.0), began=920.0):
        one.add(at)
    assert over.kw == pytest.approx(1.8)
    assert goes_on.kw == pytest.approx(9.0, abs=0.1)
