"""What one circuit draws, read from a meter's pulses as it comes back: right, or not at all."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.drill.demand_readings import DemandReadings, PowerReading, PowerStep, power_step
from rules.metering.demand import EDGE_KW_S, DemandEstimator

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

POLL_S = 5.0
EDGES_A_TICK = 20
Step = tuple[float, float]
"""From this second on, this power in kW."""


def edges(steps: Sequence[Step], until: float, kw_s: float = EDGE_KW_S) -> Iterator[float]:
    """Yield when a meter that carries these loads gives its pulses."""
    left = kw_s
    for (since, kw), (to, _) in zip(steps, [*steps[1:], (until, 0.0)], strict=True):
        at = since
        while (at := at + left / kw) <= to:
            yield at
            left = kw_s
        left -= (to - (at - left / kw)) * kw


def heard(steps: Sequence[Step], until: float, late_s: float = 0.0) -> DemandReadings:
    """Return what a listener has of the controller's `demand`, said at each pulse and at each poll."""
    demand, readings = DemandEstimator(None, POLL_S, pulses=True), DemandReadings(POLL_S)
    pulses = [*edges(steps, until)]
    polls = [POLL_S * n for n in range(int(until / POLL_S) + 1)]
    for at in sorted({*pulses, *polls}):
        if at in pulses:
            demand.pulse(at)
        if at in polls:
            demand.energy_read(1000 + sum(1 for pulse in pulses if pulse <= at) // EDGES_A_TICK, at)
        view = demand.view(at)
        fields = {"kw": view.kw, "kw_is_upper_bound": view.kw_is_upper_bound, "kw_quality": view.kw_quality.value}
        readings.take({**fields, "kw": None if view.kw is None else round(view.kw, 3)}, at + late_s)
    return readings


def test_a_load_that_comes_on_is_the_rise_between_whole_intervals() -> None:
    """5 kW on top of 8, five seconds between the switchings."""
    readings = heard([(0.0, 8.0), (60.0, 13.0), (65.0, 14.0)], 80.0)
    before, after = readings.steady(30.0, 60.0), readings.steady(60.5, 65.0)
    assert before == PowerReading(8.0)
    assert after == PowerReading(13.0)
    assert power_step(before, after) == PowerStep(5.0)


def test_without_a_whole_interval_no_load_is_reported() -> None:
    """At 2 kW a pulse comes each nine seconds: five are too few to know anything."""
    readings = heard([(0.0, 1.0), (60.0, 2.0), (65.0, 3.0)], 80.0)
    assert readings.steady(60.5, 65.0) is None
    assert readings.last(0.0) is None


def test_a_house_that_draws_next_to_nothing_is_known_as_an_upper_bound() -> None:
    """No second pulse comes while all is off: what came back drew that much at least."""
    readings = heard([(0.0, 8.0), (30.0, 0.1), (90.0, 5.1)], 110.0)
    shed = readings.fallen(30.5, 90.0)
    assert shed is not None
    assert shed.is_upper_bound
    assert 0.1 < shed.kw < 0.7
    after = readings.steady(90.5, 110.0)
    assert after is not None
    drew = power_step(shed, after)
    assert drew is not None
    assert drew.is_lower_bound
    assert 4.4 < drew.kw < 5.0
    assert readings.fallen(200.0, 300.0) is None


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (PowerReading(2.0), PowerReading(2.0), None),
        (PowerReading(2.0), PowerReading(1.0), None),
        (PowerReading(2.0), PowerReading(2.09), None),
        (PowerReading(10.0), PowerReading(10.4), None),
        (PowerReading(2.0), PowerReading(3.0, is_upper_bound=True), None),
        (PowerReading(2.0), PowerReading(3.234), PowerStep(1.23)),
        (PowerReading(2.0, is_upper_bound=True), PowerReading(3.0), PowerStep(1.0, is_lower_bound=True)),
    ],
)
def test_no_rise_is_not_reported_as_a_load(before: PowerReading, after: PowerReading, told: PowerStep | None) -> None:
    """A fall, noise, and a figure that is itself an upper bound."""
    assert power_step(before, after) == told


def test_what_is_no_figure_says_only_how_good_it_is() -> None:
    """Stale, none yet, and what only looks like a number."""
    readings = DemandReadings(POLL_S)
    assert readings.silent
    for kw, quality in ((None, "stale"), (True, "pulses"), (0.0, "pulses"), (1.0, "guessed")):
        readings.take({"kw": kw, "kw_quality": quality}, 1.0)
    assert (readings.last(9.0), readings.quality, readings.silent) == (None, "guessed", False)
    assert not readings.by_pulses


def test_the_register_needs_a_tick_of_its_own() -> None:
    """A tick is 0.1 kWh: at 6 kW one a minute, and each is reported up to a poll late."""
    readings = DemandReadings(POLL_S)
    for at, kw in ((0.0, 5.0), (60.0, 6.0), (120.0, 6.1)):
        readings.take({"kw": kw, "kw_is_upper_bound": False, "kw_quality": "coarse"}, at)
    assert readings.steady(1.0, 130.0) is None or readings.steady(1.0, 130.0) == PowerReading(6.1)
    assert readings.steady(54.0, 130.0) == PowerReading(6.1)
    assert readings.steady(60.0, 130.0) is None


@given(
    base_kw=st.floats(0.3, 12.0),
    loads_kw=st.lists(st.floats(0.0, 8.0), min_size=1, max_size=4),
    stagger_s=st.floats(2.0, 30.0),
    late_s=st.floats(0.0, 0.25),
)
def test_a_reported_load_is_correct(base_kw: float, loads_kw: list[float], stagger_s: float, late_s: float) -> None:
    """Whatever the house draws and however fast circuits are restored: correct within a few percent, or unknown."""
    steps, kw = [(0.0, base_kw + sum(loads_kw)), (10.0, base_kw)], base_kw
    for place, load_kw in enumerate(loads_kw):
        kw += load_kw
        steps.append((60.0 + place * stagger_s, kw))
    readings = heard(steps, steps[-1][0] + 20.0, late_s)
    ends = [*(at for at, _ in steps[2:]), steps[-1][0] + 20.0]
    shed: PowerReading | None = readings.fallen(10.5, 60.0)
    for load_kw, (on_at, next_at) in zip(loads_kw, pairwise(ends), strict=True):
        after = readings.steady(on_at + 0.5, next_at)
        drew = power_step(shed, after) if shed is not None and after is not None else None
        if drew is not None:
            most_kw = load_kw + 0.02
            assert drew.kw <= most_kw
            assert drew.is_lower_bound or drew.kw == pytest.approx(load_kw, abs=0.02)
        shed = after
