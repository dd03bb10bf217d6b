"""Two measurements of one energy: how far edges and ticks may differ before one of them is wrong.

If a poll comes just before each tick, the edges at the tick are known exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rules.metering.pulse_check import KWH_EDGES_PER_TICK, PulseMismatch, PulseRegisterCheck

if TYPE_CHECKING:
    from collections.abc import Iterable

A_TICK = 20


def see(one: PulseRegisterCheck, edges: Iterable[int], began: int = 0) -> list[PulseMismatch | None]:
    """Generate ticks with this number of edges at each; return the results. `began`: the ticks before."""
    said = []
    for tick, counted in enumerate(edges, start=began + 1):
        assert one.read(0, counted, tick - 0.5) is None
        said.append(one.read(1, counted, float(tick)))
    return said


def drift(*steps: int, began: int = 0) -> list[int]:
    """Return the edges at each tick where they have drifted so far from 20 a tick."""
    return [tick * A_TICK + step for tick, step in enumerate(steps, start=began + 1)]


APART = (
    # drift at each tick, what the last says: counted, expected
    ((0, 0, 0, 0, 0), None),
    ((0, 0, 0, 0, -23), None),  # 20 + 1 % of 100 + 2
    ((0, 0, 0, 0, -24), (76, 100)),
    ((0, 0, 0, 0, 23), None),
    ((0, 0, 0, 0, 24), (124, 100)),
    ((10, 0, 0, 0, -13), None),
    ((10, 0, 0, 0, -14), (86, 100)),
    ((30, 29, 29, 29, 6), (106, 107)),  # lost since, though there are more than 20 a tick by now
    ((-20, -40, -40, -40, -16), (84, 83)),  # too many since, though there are fewer
)


@pytest.mark.parametrize(("steps", "found"), APART)
def test_edges_and_ticks_part_when_no_offset_explains_both(
    steps: tuple[int, ...], found: tuple[int, int] | None
) -> None:
    """To the edge, in either direction; what is found says when, and by how much."""
    one = PulseRegisterCheck()
    said = see(one, drift(*steps))
    assert said[:-1] == [None] * 4
    assert said[-1] == (None if found is None else PulseMismatch(5.0, *found))
    assert one.finding == said[-1]
    assert one.trusted is (found is None)


def test_a_tick_seen_late_is_no_loss() -> None:
    """It fell due at some moment since the poll before: only what no moment explains is held against the edges."""
    one = PulseRegisterCheck()
    assert one.read(1, 20, 1.0) is None
    assert one.read(3, 100, 5.0) is None  # 80 edges for 3 ticks: the fourth is about to come
    assert one.read(1, 100, 6.0) is None


def test_the_other_output_is_held_against_the_register_by_its_own_measure() -> None:
    """One edge of 500 Wh is five ticks."""
    one = PulseRegisterCheck(KWH_EDGES_PER_TICK, "1 kWh output")
    found = [one.read(1, tick // 10, float(tick)) for tick in range(1, 60)]  # each second edge is lost
    first = next(each for each in found if each is not None)
    assert first.lost
    assert first.output == "1 kWh output"
    assert found.index(first) < 40


def test_a_restarted_comparison_ignores_the_one_before() -> None:
    """Another meter, or a gap in what was counted."""
    one = PulseRegisterCheck()
    see(one, drift(0, 0, 0))
    one.begin(500)
    assert see(one, [500 + edges for edges in drift(0, 0, 0)]) == [None] * 3
    see(one, [560 + edges for edges in drift(0, 0)])
    assert one.finding is None
    assert one.trusted


def test_every_10_kwh_the_comparison_restarts() -> None:
    """So that 1 % never grows into hours of lost edges: after 100 ticks, 23 edges are tolerated again, and no more."""
    for lost, found in ((23, False), (24, True)):
        one = PulseRegisterCheck()
        assert not any(see(one, drift(*[0] * 100)))
        said = see(one, [2000 + edges for edges in drift(0, 0, 0, 0, -lost)], began=100)
        assert [each is not None for each in said] == [False] * 4 + [found]


def test_before_10_kwh_are_over_it_goes_on() -> None:
    """After 99 ticks, 1 % of all of them is tolerated."""
    one = PulseRegisterCheck()
    see(one, drift(*[0] * 99))
    assert see(one, drift(-40, began=99), began=99) == [None]


def test_edges_once_caught_are_believed_after_half_a_kwh_of_agreement() -> None:
    """Five ticks on which both agree; the finding stands until then."""
    one = PulseRegisterCheck()
    (*_, found) = see(one, drift(0, 0, 0, 0, -24))
    for ticks in range(1, 6):
        assert not one.trusted
        assert one.finding is found
        see(one, [76 + A_TICK * ticks], began=4 + ticks)
    assert one.trusted
    assert one.finding is None


def test_a_tick_without_a_single_edge_is_no_agreement() -> None:
    """It is within the tolerance, but a dead line would look the same."""
    one = PulseRegisterCheck()
    see(one, drift(0, 0, 0, 0, -24))
    see(one, [76, 96, 116, 136, 156], began=5)
    assert not one.trusted
    see(one, [176], began=10)
    assert one.trusted


def test_a_line_without_a_single_edge_regains_no_trust() -> None:
    """One tick without an edge is within the tolerance, and shows nothing."""
    one = PulseRegisterCheck()
    see(one, drift(0, 0, 0, 0, -24))
    found = one.finding
    for tick in range(6, 40):
        see(one, [76], began=tick)
    assert not one.trusted
    assert one.finding is not None
    assert one.finding is not found


BOUNCES = "the 1 kWh output bounces or picks up noise"
SAYS = (
    (
        PulseMismatch(1.0, 76, 100),
        "edges of the pulse output are being lost: 76 counted, about 100 by the register: check its two wires",
    ),
    (
        PulseMismatch(1.0, 124, 100, "1 kWh output"),
        f"{BOUNCES}: 124 counted, about 100 by the register: keep its wires apart from the mains",
    ),
)


@pytest.mark.parametrize(("finding", "says"), SAYS)
def test_a_finding_says_what_is_wrong_and_what_to_do(finding: PulseMismatch, says: str) -> None:
    """For the person who maintains the wiring."""
    assert finding.says == says
