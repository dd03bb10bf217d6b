"""The meter's pulse output on a GPIO line: every edge once, no spike ever, and the moment it happened."""

from __future__ import annotations

import heapq
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw.pulses import KWH_EDGE_KW_S, EdgeFilter, Pulses, filter_s
from hw.simulated.contact import SimulatedPins, Wire
from hw.simulated.pulse_wires import PulseOutput

if TYPE_CHECKING:
    from collections.abc import Callable

PIN = 27
MAX_KW = 48.0


class Bench:
    """A pulse output on a simulated pin, with a clock that carries out what is due as it moves."""

    def __init__(self, max_kw: float | None = MAX_KW, edge_kw_s: float = 18.0) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._made = 0
        self.pulses: list[float] = []
        self.pins = SimulatedPins(lambda: self.now)
        self.wire = Wire(self.pins, PIN)
        self.line = Pulses(
            PIN,
            self.pulses.append,
            max_kw,
            edge_kw_s=edge_kw_s,
            later=self.later,
            factory=self.pins,
            clock=lambda: self.now,
        )
        self.output = PulseOutput(self.wire, self.move_to, edge_kw_s=edge_kw_s)

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self._made += 1
        heapq.heappush(self._due, (self.now + seconds, self._made, call))

    def move_to(self, at: float) -> None:
        while self._due and self._due[0][0] <= at:
            self.now, _, call = heapq.heappop(self._due)
            call()
        self.now = at

    def wait(self, seconds: float) -> None:
        self.move_to(self.now + seconds)

    def spike(self, seconds: float) -> None:
        self.wire.toggle()
        self.wait(seconds)
        self.wire.toggle()


LOAD = st.lists(st.tuples(st.floats(0.0, MAX_KW), st.floats(0.1, 120.0)), max_size=12)


@settings(max_examples=50)
@given(load=LOAD)
def test_energy_by_counted_edges_is_exact_to_one_edge(load: list[tuple[float, float]]) -> None:
    """Through the real path, whatever the load within the rating."""
    bench = Bench()
    for kw, seconds in load:
        bench.output.draw(kw, seconds)
    bench.wait(1.0)
    assert len(bench.pulses) == bench.line.count == bench.output.edges
    assert abs(bench.line.count * 18.0 - bench.output.energy_kw_s) <= 18.0 + 1e-6


@settings(max_examples=50)
@given(load=LOAD, spike_s=st.floats(0.0001, 0.024), bounces=st.integers(0, 5))
def test_spikes_and_bounces_count_nothing(load: list[tuple[float, float]], spike_s: float, bounces: int) -> None:
    """A spike comes back; a bounce is one edge, from its first moment on."""
    bench = Bench()
    began = []
    for _ in load:
        bench.wait(1.0)
        bench.spike(spike_s)
        bench.wait(1.0)
        began.append(bench.now)
        bench.wire.bounce(2 * bounces + 1, lambda: bench.wait(0.001))
    bench.wait(1.0)
    assert bench.pulses == began
    assert bench.line.dropped == len(load) * (2 + 2 * bounces)


def test_an_edge_counts_with_the_moment_it_happened_and_soon() -> None:
    """It waits for its level to hold, for 25 ms at 48 kW."""
    bench = Bench()
    bench.wait(10.0)
    bench.wire.toggle()
    bench.wait(0.0249)
    assert bench.pulses == []
    bench.wait(0.0012)
    assert bench.pulses == [10.0]


def test_without_anybody_to_arrange_it_the_poll_counts_the_last_edge() -> None:
    """And each edge the one before."""
    pins = SimulatedPins(lambda: now)
    now = 0.0
    seen: list[float] = []
    line = Pulses(PIN, seen.append, MAX_KW, factory=pins, clock=lambda: now)
    wire = Wire(pins, PIN)
    for at in (1.0, 2.0, 3.0):
        now = at
        wire.toggle()
    assert seen == [1.0, 2.0]
    now = 3.5
    line.poll()
    assert seen == [1.0, 2.0, 3.0]
    line.close()


def test_the_filter_is_shorter_than_a_fifth_of_the_shortest_half_cycle() -> None:
    """18 ms at the largest meter's 998 kW; never above 25 ms, so that a figure of now is not late."""
    assert filter_s(None) == pytest.approx(0.0036, abs=1e-4)
    assert filter_s(48.0) == 0.025
    assert filter_s(48.0) < 18.0 / 48.0 / 5


def test_a_lost_edge_costs_one_edge_and_is_noted() -> None:
    """Edges count, levels do not: the next is not swallowed."""
    bench = Bench()
    for index in range(6):
        if index == 2:
            bench.wire.lose()
        bench.wait(1.0)
        bench.wire.toggle()
    bench.wait(1.0)
    assert bench.line.count == 5
    assert bench.line.missed == 1


def test_the_first_edge_counts_whatever_the_level_was() -> None:
    """Without load the level may be either."""
    for begin_closed in (True, False):
        bench = Bench()
        if begin_closed:
            bench.wire.close()
            bench.wait(1.0)
        before = bench.line.count
        bench.wire.toggle()
        bench.wait(1.0)
        assert bench.line.count == before + 1


def test_the_kwh_output_is_a_second_totaliser() -> None:
    """500 Wh each edge."""
    bench = Bench(edge_kw_s=KWH_EDGE_KW_S)
    bench.output.draw(10.0, 3600.0)
    bench.wait(1.0)
    assert bench.line.count == 20


def test_edges_read_late_by_a_stalled_program_keep_their_moments() -> None:
    """The kernel stamped them."""
    bench = Bench()
    bench.wire.hold_back()
    bench.output.draw(10.0, 9.1)
    bench.wait(60.0)
    bench.wire.arrive()
    bench.wait(1.0)
    assert bench.pulses == pytest.approx([1.8 * n for n in range(1, 6)])


def test_what_the_owner_raises_is_brought_to_the_next_poll() -> None:
    """And the edge after it is taken all the same."""
    pins = SimulatedPins(lambda: 0.0)

    def refuse(_seconds: float, _call: Callable[[], None]) -> None:
        raise RuntimeError("Event loop is closed")

    line = Pulses(PIN, lambda _at: None, MAX_KW, later=refuse, factory=pins, clock=lambda: 1.0)
    Wire(pins, PIN).toggle()
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        line.poll()
    line.poll()
    assert line.count == 1


@given(st.lists(st.tuples(st.booleans(), st.floats(0.0, 0.1)), max_size=80))
def test_no_two_counted_edges_are_nearer_than_the_filter(edges: list[tuple[bool, float]]) -> None:
    """Whatever a broken line does, times rise, and nothing is counted twice."""
    edge_filter, at, counted = EdgeFilter(0.02), 0.0, []
    for high, pause in edges:
        at += pause
        counted.append(edge_filter.edge(high, at))
    counted.append(edge_filter.settle(at + 1.0))
    times = [moment for moment in counted if moment is not None]
    assert all(later - earlier >= 0.02 for earlier, later in pairwise(times))
    assert len(times) + edge_filter.dropped == len(edges)
