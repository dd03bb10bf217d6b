"""Each circuit can answer why it is off."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rules.entry import Cause, Debt, Entry, Hold, Switched
from rules.moment import Moment
from rules.panel import Circuit, Kind, Position, Restore, Tag
from rules.why import stays_on, why
from tests.house import circuit, essential

ON, OFF, TRIPPED, UNKNOWN = Position.ON, Position.OFF, Position.TRIPPED, Position.UNKNOWN
THEN = Moment("boot", 50.0)
DEBT = Debt(1, ON, THEN, THEN, confirmed=True)
TUB = circuit("hot-tub")
OWED = Entry(position=OFF, live=True, debt=DEBT)

SAID: tuple[tuple[Circuit, Entry, tuple[str, ...]], ...] = (
    (TUB, OWED, ("switched off by the controller", "comes back when utility is stable")),
    (TUB, replace(OWED, debt=replace(DEBT, confirmed=False)), ("not confirmed yet",)),
    (TUB, replace(OWED, debt=replace(DEBT, cause=Cause.FELL)), ("fell with the power",)),
    (TUB, replace(OWED, debt=replace(DEBT, cause=Cause.DOUBTFUL, waits=True)), ("perhaps by", "when a person asks")),
    (TUB, replace(OWED, debt=replace(DEBT, before=OFF)), ("was off before, and stays off",)),
    (TUB, replace(OWED, debt=replace(DEBT, before=UNKNOWN)), ("nobody knows whether it was on before",)),
    (TUB, replace(OWED, position=TRIPPED), ("reset it by hand",)),
    (TUB, replace(OWED, position=ON), ("reports on",)),
    (TUB, replace(OWED, available=False), ("its device does not answer",)),
    (replace(TUB, restore=Restore.NEVER), OWED, ("restore is never",)),
    (replace(TUB, restore=Restore.ASK), OWED, ("when a person asks",)),
    (replace(TUB, protected=True), OWED, ("may not be commanded",)),
    (TUB, replace(OWED, hold=Hold("Ann", "filter", THEN)), ("on hold by Ann, filter", "no lock-out")),
    (TUB, replace(OWED, hold=Hold("", "", THEN)), ("on hold by somebody:",)),
    (TUB, Entry(position=ON, live=True, taken_over=True), ("a person's for the rest of this outage",)),
    (TUB, Entry(position=OFF, live=True, switched=Switched(OFF, "Ann", THEN)), ("off by Ann",)),
    (TUB, Entry(position=TRIPPED, switched=Switched(TRIPPED, "its own protection", THEN)), ("tripped: find out why",)),
    (TUB, Entry(position=ON, switched=Switched(ON, "Ann", THEN)), ("nonessential: goes off on standby",)),
    (TUB, Entry(position=OFF, switched=Switched(ON, "Ann", THEN)), ("off, and not by us",)),
    (TUB, replace(OWED, sent=ON, tries=3), ("brought no answer",)),
    (essential("fridge"), Entry(position=ON), ("essential: stays on",)),
)


@pytest.mark.parametrize(("one", "entry", "phrases"), SAID)
def test_a_circuit_says_who_switched_it_by_which_rule_and_what_brings_it_back(
    one: Circuit, entry: Entry, phrases: tuple[str, ...]
) -> None:
    """One sentence for its owner."""
    said = why(one, entry)
    assert all(phrase in said for phrase in phrases), said


STAYS = (
    (circuit("x"), None),
    (essential("x", kind=Kind.STANDARD), "essential"),
    (circuit("x", protected=True), "protected"),
    (circuit("x", kind=Kind.GEN1), "UNCONTROLLABLE"),
    (circuit("x", kind=Kind.STANDARD), "UNCONTROLLABLE"),
)


@pytest.mark.parametrize(("one", "because"), STAYS)
def test_what_a_transfer_leaves_on_says_why_and_the_uncontrollable_aloud(one: Circuit, because: str | None) -> None:
    """A nonessential circuit nobody can switch stays ON: that must be seen wherever it is shown."""
    said = stays_on(one)
    assert (said is None) is (because is None)
    assert because is None or because in (said or "")
    assert one.tag is Tag.ESSENTIAL or (because or "nonessential") in why(one, Entry())
