"""Whether a person's request is obeyed, and the reason where not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rules import requests
from rules.entry import Debt, Entry, Hold
from rules.moment import Moment
from rules.panel import Circuit, Kind, Panel, Position
from tests.house import circuit

THEN = Moment("boot", 50.0)
TUB = circuit("hot-tub")
OWED = Entry(position=Position.OFF, live=True, debt=Debt(1, Position.ON, THEN, THEN))
HELD = Hold("Ann", "filter is out", THEN)

UNREACHABLE = (
    (replace(TUB, protected=True), "protected"),
    (replace(TUB, kind=Kind.GEN1), "1st Gen"),
    (replace(TUB, kind=Kind.STANDARD), "no remote control"),
)


@pytest.mark.parametrize(("one", "why"), UNREACHABLE)
def test_what_may_not_be_commanded_is_not_commanded_for_a_person_either(one: Circuit, why: str) -> None:
    """The answer says which of the reasons it is."""
    for reply in (
        requests.switch_off(one),
        requests.switch_on(one, Entry(), 0.0, insists=True),
        requests.give_back(one, OWED, on_utility=True),
    ):
        assert not reply.ok
        assert why in reply.reason


NOT_ON = (
    (replace(OWED, hold=HELD), "on hold by Ann (filter is out)"),
    (replace(OWED, hold=Hold("", "", THEN)), "on hold by somebody"),
    (replace(OWED, position=Position.TRIPPED), "tripped"),
)


@pytest.mark.parametrize(("entry", "why"), NOT_ON)
def test_what_is_on_hold_or_tripped_is_not_switched_on_for_anybody(entry: Entry, why: str) -> None:
    """Insisting does not help: somebody may have their hands in it."""
    for reply in (requests.switch_on(TUB, entry, 0.0, insists=True), requests.give_back(TUB, entry, on_utility=True)):
        assert not reply.ok
        assert why in reply.reason


def test_what_may_be_switched_is_and_becomes_theirs() -> None:
    """Off, and on."""
    assert requests.switch_off(TUB).ok
    assert requests.switch_on(TUB, OWED, 0.0, insists=False).ok
    assert "yours" in requests.switch_off(TUB).reason


RESTS = (
    # seconds still to rest, they insist, what is said
    (42.0, False, "in 42 s"),
    (42.0, True, "is being switched on"),
    (0.0, False, "is being switched on"),
)


@pytest.mark.parametrize(("wait_s", "insists", "said"), RESTS)
def test_a_compressors_rest_binds_a_person_too_unless_they_insist(wait_s: float, insists: bool, said: str) -> None:
    """The answer says how long, and how to insist."""
    reply = requests.switch_on(TUB, OWED, wait_s, insists=insists)
    assert reply.ok
    assert said in reply.reason


def test_restore_gives_back_on_utility_only() -> None:
    """On standby `on` is the word; and what is not owed is not given back."""
    assert requests.give_back(TUB, OWED, on_utility=True).ok
    assert "not on utility" in requests.give_back(TUB, OWED, on_utility=False).reason
    assert "not owed" in requests.give_back(TUB, Entry(), on_utility=True).reason


def test_a_release_says_that_nothing_was_switched() -> None:
    """And is refused where nothing is held."""
    assert "nothing was switched" in requests.release(TUB, replace(OWED, hold=HELD)).reason
    assert not requests.release(TUB, OWED).ok


def test_to_forget_a_debt_takes_a_debt() -> None:
    """The circuit stays as it is."""
    assert requests.forget(TUB, OWED).ok
    assert not requests.forget(TUB, Entry()).ok


OBJECTIONS = (
    ((TUB,), None),
    ((replace(TUB, rank=1),), None),
    ((circuit("dryer"),), "is missing"),
    ((replace(TUB, protected=True),), "protected"),
    ((replace(TUB, kind=Kind.STANDARD),), "cannot be switched"),
)


@pytest.mark.parametrize(("new", "objection"), OBJECTIONS)
def test_a_changed_file_must_not_take_an_owed_circuit_from_our_reach(
    new: tuple[Circuit, ...], objection: str | None
) -> None:
    """It would stay off for good, and nobody would know why."""
    said = requests.objections(Panel.of(TUB), Panel.of(*new), (TUB,))
    assert [objection in one for one in said if objection] == ([True] if objection else [])
    assert len(said) == (objection is not None)
    assert requests.objections(Panel.of(TUB), Panel.of(*new), ()) == ()


def test_a_circuit_that_neither_file_has_is_nobodys_objection() -> None:
    """The one in force does not have it either: nothing is lost."""
    assert requests.objections(Panel.of(), Panel.of(), (TUB,)) == ()
