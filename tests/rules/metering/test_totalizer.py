"""The 1 kWh output: every half kilowatt-hour once, and held against the register without ever blaming the polls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.metering.register import ReadingVerdict, Register
from rules.metering.totalizer import KWH_EDGE_KWH, Totalizer

if TYPE_CHECKING:
    from rules.metering.pulse_check import PulseMismatch

MAX_KW = 48.0
EDGE_KW_S, TICK_KW_S = 1800.0, 360.0
LOADS = st.lists(st.tuples(st.floats(0.0, MAX_KW), st.floats(60.0, 4000.0)), min_size=1, max_size=12)


class House:
    """A load through a meter: edges where the integral crosses half a kilowatt-hour, and polls of the register.

    `phase`: the part of an edge already used at 0.
    """

    def __init__(self, phase: float = 0.0, poll_s: float = 5.0) -> None:
        self.totalizer = Totalizer(MAX_KW)
        self.findings: list[PulseMismatch] = []
        self.edges = 0
        self._register = Register(MAX_KW)
        self._poll_s = poll_s
        self._kw_s = phase * EDGE_KW_S
        self._now = 0.0
        self._poll()

    def draw(self, kw: float, seconds: float, lose_each: int = 0) -> None:
        """Draw this power for this time; every nth edge is lost; 0: none."""
        for _ in range(int(seconds / self._poll_s)):
            before, self._kw_s = self._kw_s, self._kw_s + kw * self._poll_s
            if before // EDGE_KW_S != self._kw_s // EDGE_KW_S:
                due = (self._kw_s // EDGE_KW_S * EDGE_KW_S - before) / kw
                self._edge(self._now + due, lose_each)
            self._now += self._poll_s
            self._poll()

    def _edge(self, at: float, lose_each: int) -> None:
        self.edges += 1
        if not lose_each or self.edges % lose_each:
            self.totalizer.pulse(at)

    def _poll(self) -> None:
        verdict, ticks = self._register.read(1000 + int(self._kw_s / TICK_KW_S + 1e-9), self._now)
        if found := self.totalizer.register_read(verdict, ticks, self._now):
            self.findings.append(found)


@given(load=LOADS, phase=st.floats(0.0, 0.99), poll_s=st.sampled_from([1.0, 5.0, 30.0]))
def test_a_sound_output_counts_exactly_and_is_never_blamed(
    load: list[tuple[float, float]], phase: float, poll_s: float
) -> None:
    """Wherever in its half kilowatt-hour it stood at the start, however the polls fall."""
    house = House(phase, poll_s)
    for kw, seconds in load:
        house.draw(kw, seconds)
    assert house.totalizer.count == house.edges
    assert house.totalizer.kwh == house.edges * KWH_EDGE_KWH
    assert house.findings == []


@pytest.mark.parametrize("lose_each", [2, 5, 20])
def test_lost_edges_are_found(lose_each: int) -> None:
    """One of two after a few, one of twenty within a hundred."""
    house = House(poll_s=30.0)
    house.draw(20.0, 9_000.0 if lose_each < 20 else 90_000.0, lose_each)
    assert house.findings
    assert all(found.lost and found.at % 30.0 == 0.0 for found in house.findings)
    assert house.edges // lose_each >= len(house.findings)


def test_a_sound_output_is_believed_again_after_a_while() -> None:
    """The wires were repaired."""
    house = House()
    house.draw(20.0, 20_000.0, lose_each=2)
    assert house.totalizer.finding is not None
    house.draw(20.0, 40_000.0)
    assert house.totalizer.finding is None


def test_another_meter_restarts_the_comparison() -> None:
    """Its register says nothing of the edges before; what was counted stays counted."""
    totalizer = Totalizer(MAX_KW, counted=10)
    assert totalizer.register_read(ReadingVerdict.FIRST, 0, 0.0) is None
    assert totalizer.register_read(ReadingVerdict.READING_HELD, 0, 5.0) is None
    assert totalizer.register_read(ReadingVerdict.REPLACED, 0, 10.0) is None
    assert (totalizer.kwh, totalizer.finding) == (5.0, None)


def test_an_edge_beyond_the_rating_is_noise() -> None:
    """And is counted as noise; one just at 110 % is not: 44 kW is an edge every 40.9 s."""
    totalizer = Totalizer(40.0)
    fastest = 1800.0 / 44.0
    assert [totalizer.pulse(at) for at in (0.0, fastest, fastest + 40.0, fastest + 40.5)] == [True, True, False, False]
    assert (totalizer.count, totalizer.noise_count) == (2, 2)


def test_without_a_model_the_largest_meter_is_the_limit() -> None:
    """998 kW is an edge each 1.64 s."""
    totalizer = Totalizer(None)
    assert [totalizer.pulse(at) for at in (0.0, 1.6, 1.7)] == [True, False, True]
