"""The ledger: what is owed outlives crashes and outages, and only its own reasons end it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rules.entry import Cause, Hold, Wish
from rules.ledger import Ledger
from rules.panel import CircuitId, Panel, Position
from tests.house import circuit, essential

if TYPE_CHECKING:
    from rules.entry import Json

ON, OFF, UNKNOWN = Position.ON, Position.OFF, Position.UNKNOWN
TUB, DRYER, FRIDGE = CircuitId("hot-tub"), CircuitId("dryer"), CircuitId("fridge")
PANEL = Panel.of(essential("fridge"), circuit("dryer"), circuit("hot-tub"))


def ledger(at: float = 100.0, **rows: Json) -> Ledger:
    """Return a ledger whose disk has these positions."""
    one = Ledger(PANEL, "boot-1", at)
    one.load({CircuitId(name.replace("_", "-")): {"position": row} for name, row in rows.items()})
    return one


def test_what_is_owed_keeps_its_before_however_many_outages_pass() -> None:
    """The second outage begins with the tub off by us: that is no reason to leave it off."""
    one = ledger(hot_tub="on")
    one.outage, one.before = 1, {TUB: ON}
    first = one.owe(TUB, 101.0)
    one.close()
    one.outage, one.before = 2, {TUB: OFF}
    assert one.owe(TUB, 500.0) is first
    assert (first.outage, first.before) == (1, ON)


def test_rows_that_cannot_be_read_are_named_and_cost_nobody_else_anything() -> None:
    """And rows of circuits no longer in the file are left where they are."""
    one = Ledger(PANEL, "boot-1", 0.0)
    unread = one.load({TUB: {"position": "ajar"}, DRYER: {"position": "off"}, CircuitId("gone"): {}})
    assert unread == (TUB,)
    assert one[DRYER].remembered is OFF
    assert one[TUB].remembered is UNKNOWN


RESUMED: tuple[tuple[str, dict[CircuitId, Position], bool, bool, bool], ...] = (
    # on the disk, at the first edge, stage "about", owed then, doubtful then
    ("on", {TUB: ON}, True, True, False),
    ("unknown", {TUB: UNKNOWN}, True, True, False),
    ("off", {TUB: OFF}, True, False, False),
    ("on", {}, True, True, False),  # added to the file since
    ("unknown", {}, True, False, False),
    ("on", {TUB: ON}, False, False, True),
    ("off", {TUB: OFF}, False, False, False),
)


@pytest.mark.parametrize(("row", "before", "about", "owed", "doubtful"), RESUMED)
def test_a_start_finds_about_to_shed_and_counts_those_as_switched_off_by_us(
    row: str, before: dict[CircuitId, Position], about: bool, owed: bool, doubtful: bool
) -> None:
    """Later in the outage each debt is on the disk; one that is off without a debt is then doubtful."""
    one = ledger(hot_tub=row)
    one.outage, one.before = 1, before
    one.resume(PANEL, about=about)
    assert (one[TUB].owed, one[TUB].doubtful) == (owed, doubtful)


def test_a_start_adds_no_debt_to_an_essential_circuit_nor_to_a_persons() -> None:
    """Neither was ever to be shed."""
    one = ledger(fridge="on", hot_tub="on", dryer="off")
    one[TUB].taken_over = True
    one.outage, one.before = 1, {FRIDGE: ON, TUB: ON}
    one.resume(PANEL, about=True)
    assert one.owing == set()


def test_only_what_changed_is_written_and_once() -> None:
    """Each further try of a command is no news to the disk."""
    one = ledger(hot_tub="on")
    one.off_sent(TUB, 101.0, 5.0, ours=True)
    assert [circuit for circuit, _ in one.take_changes()] == [TUB]
    one.off_sent(TUB, 106.0, 5.0, ours=True)
    assert list(one.take_changes()) == []
    assert (one[TUB].tries, one[TUB].debt.off_at.mono) == (2, 106.0)  # type: ignore[union-attr]


def test_a_circuit_that_left_the_file_is_written_no_more() -> None:
    """Those that stay keep their lines."""
    one = ledger(hot_tub="on", dryer="on")
    one.owe(TUB, 101.0)
    one.owe(DRYER, 101.0)
    one.follow(Panel.of(circuit("dryer"), circuit("sauna")))
    assert one.owing == {DRYER}
    assert [circuit for circuit, _ in one.take_changes()] == [DRYER]


def test_to_forgive_what_is_not_owed_does_nothing() -> None:
    """No row is written for it."""
    one = ledger()
    one.forgive(TUB)
    assert (one.changed, one.ended) == (set(), [])


def test_a_planned_debt_that_never_left_ends_without_a_story() -> None:
    """Its OFF was never sent: there is no end to write."""
    one = ledger()
    one.owe(TUB, 101.0, commanded=False)
    one.forgive(TUB)
    assert (one[TUB].debt, one.ended) == (None, [])


def test_taken_over_lasts_for_the_outage_and_ends_the_debt() -> None:
    """Taken over again it is no news, and without an outage there is nothing to take over from."""
    one = ledger()
    one.take_over(DRYER)
    assert not one[DRYER].taken_over
    one.outage = 1
    one.owe(TUB, 101.0)
    one.take_over(TUB)
    assert (one[TUB].taken_over, one[TUB].debt, one.owing) == (True, None, set())
    one.changed.clear()
    one.take_over(TUB)
    assert one.changed == set()
    one.close()
    assert (one[TUB].taken_over, one.before) == (False, {})


def test_a_hold_ends_what_a_person_had_asked_before_and_its_release_switches_nothing() -> None:
    """What was owed then waits until a person asks."""
    one = ledger()
    debt = one.owe(TUB, 101.0)
    one.wish(DRYER, Wish(ON, "Ann", 0.0))
    one.hold(DRYER, Hold("Ann", "", one.moment(102.0)))
    assert one[DRYER].wish is None
    one.hold(TUB, Hold("Ann", "", one.moment(102.0)))
    one.call_in(TUB)
    one.release(TUB)
    one.release(DRYER)
    assert (one[TUB].hold, debt.waits, debt.released) == (None, True, False)


def test_a_persons_word_calls_a_debt_in_with_three_new_tries() -> None:
    """And changes nothing where none is owed."""
    one = ledger()
    debt = one.owe(TUB, 101.0)
    one[TUB].tries = 3
    one.call_in(TUB)
    one.call_in(DRYER)
    assert (debt.released, one[TUB].tries) == (True, 0)
    assert one[DRYER].debt is None


def test_a_wish_has_three_tries_of_its_own() -> None:
    """Also where the same was commanded before."""
    one = ledger()
    one.on_sent(TUB, 101.0, 5.0)
    one.on_sent(TUB, 106.0, 5.0)
    one.wish(TUB, Wish(OFF, "Ann", 107.0))
    assert one[TUB].tries == 2
    one.wish(TUB, Wish(ON, "Ann", 107.0))
    assert one[TUB].tries == 0


def test_a_persons_off_is_no_debt_of_ours() -> None:
    """It was their wish: nothing gives it back."""
    one = ledger()
    one.off_sent(TUB, 101.0, 5.0, ours=False)
    assert (one[TUB].sent, one[TUB].debt) == (OFF, None)


def test_each_debt_says_by_which_rule_it_came_to_be() -> None:
    """Shed, unless said otherwise."""
    one = ledger()
    assert one.owe(TUB, 101.0).cause is Cause.SHED
    assert one.owe(DRYER, 101.0, Cause.FELL).cause is Cause.FELL
