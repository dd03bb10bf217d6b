"""Each circuit can answer why it is off."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rules.boot_time import Moment
from rules.explain import kept_off_by, stays_on, why
from rules.ledger_entry import Cause, Debt, Entry, Hold, Switched
from rules.panel import Circuit, Kind, Position, Restore
from tests.virtual_house import circuit, essential

ON, OFF, TRIPPED, UNKNOWN = Position.ON, Position.OFF, Position.TRIPPED, Position.UNKNOWN
THEN = Moment("boot", 50.0)
DEBT = Debt(1, ON, THEN, THEN, confirmed=True)
TUB = circuit("hot-tub")
FELL = "fell with the power in the transfer (it wakes off)"
DOUBTFUL = "off since a restart in the outage, perhaps by the controller"
TRIPPED_BY_ITSELF = "tripped: find out why, and reset it by hand"
OWED = Entry(position=OFF, live=True, debt=DEBT)

PLANNED = replace(DEBT, commanded=False, confirmed=False)
BY_US = "switched off by the controller: nonessential"
IN_ITS_TURN = "comes back when utility is stable, in its turn"
ASKED = "comes back when a person asks (restore)"
NO_ANSWER = "three commands to switch it on brought no answer: it is tried again when its device shows life"
SHED_ON_STANDBY = "nonessential: goes off on standby"
COMPRESSOR = essential("heat-pump", min_off_s=300.0)

SAID: tuple[tuple[Circuit, Entry, tuple[str, ...]], ...] = (
    # --- owed
    (TUB, OWED, (BY_US, IN_ITS_TURN)),
    (TUB, replace(OWED, debt=replace(DEBT, confirmed=False)), (f"{BY_US}, not confirmed yet", IN_ITS_TURN)),
    (TUB, replace(OWED, debt=replace(DEBT, cause=Cause.FELL)), (FELL, IN_ITS_TURN)),
    (TUB, replace(OWED, debt=replace(DEBT, cause=Cause.DOUBTFUL, waits=True)), (DOUBTFUL, ASKED)),
    (TUB, replace(OWED, debt=replace(DEBT, before=OFF)), (BY_US, "was off before, and stays off")),
    (
        TUB,
        replace(OWED, debt=replace(DEBT, before=UNKNOWN)),
        (BY_US, "nobody knows whether it was on before: ask `restore` to have it back"),
    ),
    (TUB, replace(OWED, position=ON), (BY_US, "reports on")),
    (TUB, replace(OWED, available=False), (BY_US, IN_ITS_TURN, "its device does not answer")),
    (
        replace(TUB, restore=Restore.NEVER),
        OWED,
        (BY_US, "stays off until a person switches it on (restore is never)"),
    ),
    (replace(TUB, restore=Restore.ASK), OWED, (BY_US, ASKED)),
    (replace(TUB, protected=True), OWED, (BY_US, "may not be commanded: switch it by hand")),
    # --- tried in vain
    (TUB, replace(OWED, sent=ON, tries=3), (BY_US, NO_ANSWER)),
    (TUB, replace(OWED, sent=ON, tries=2), (BY_US, IN_ITS_TURN)),
    (TUB, replace(OWED, sent=OFF, tries=3), (BY_US, IN_ITS_TURN)),
    (TUB, replace(OWED, sent=ON, tries=3, debt=replace(DEBT, waits=True)), (BY_US, ASKED)),
    # --- retagged essential
    (essential("fridge"), OWED, (BY_US, "comes back at once: it is essential now")),
    (COMPRESSOR, OWED, (BY_US, "comes back at once, when it has rested its 300 s: it is essential now")),
    # --- a person's
    (
        TUB,
        replace(OWED, hold=Hold("Ann", "filter", THEN)),
        (BY_US, "on hold by Ann, filter: nothing here switches it on (no lock-out)"),
    ),
    (
        TUB,
        replace(OWED, hold=Hold("", "", THEN)),
        (BY_US, "on hold by somebody: nothing here switches it on (no lock-out)"),
    ),
    (TUB, replace(OWED, taken_over=True), ("a person's for the rest of this outage",)),
    (TUB, Entry(position=ON, live=True, taken_over=True), ("a person's for the rest of this outage",)),
    (TUB, Entry(position=OFF, live=True, switched=Switched(OFF, "Ann", THEN)), ("off by Ann",)),
    # --- its own doing
    (TUB, replace(OWED, position=TRIPPED), (TRIPPED_BY_ITSELF, "has tripped: reset it by hand")),
    (TUB, Entry(position=TRIPPED, switched=Switched(TRIPPED, "its own protection", THEN)), (TRIPPED_BY_ITSELF,)),
    (TUB, Entry(position=OFF), ("off, and not by us",)),
    (TUB, Entry(position=OFF, switched=Switched(ON, "Ann", THEN)), ("off, and not by us",)),
    # --- on
    (TUB, Entry(position=ON, switched=Switched(ON, "Ann", THEN)), (SHED_ON_STANDBY,)),
    (TUB, Entry(position=ON, debt=PLANNED), (SHED_ON_STANDBY,)),  # planned is not switched
    (TUB, Entry(position=ON, available=False), (SHED_ON_STANDBY, "its device does not answer")),
    (essential("fridge"), Entry(position=ON), ("essential: stays on",)),
)


@pytest.mark.parametrize(("one", "entry", "parts"), SAID)
def test_a_circuit_says_who_switched_it_by_which_rule_and_what_brings_it_back(
    one: Circuit, entry: Entry, parts: tuple[str, ...]
) -> None:
    """One sentence for its owner, to the letter."""
    assert why(one, entry) == "; ".join(parts)


STAYS = (
    (circuit("x"), None),
    (essential("x", kind=Kind.STANDARD), "essential: stays on"),
    (circuit("x", protected=True), "protected: never commanded"),
    (
        circuit("x", kind=Kind.GEN1),
        "UNCONTROLLABLE (1st Gen: can be tripped but not reset from afar): stays ON unless switched by hand",
    ),
    (
        circuit("x", kind=Kind.STANDARD),
        "UNCONTROLLABLE (standard breaker: no remote control): stays ON unless switched by hand",
    ),
)


@pytest.mark.parametrize(("one", "because"), STAYS)
def test_what_a_transfer_leaves_on_says_why_and_the_uncontrollable_aloud(one: Circuit, because: str | None) -> None:
    """A nonessential circuit nobody can switch stays ON: that must be seen wherever it is shown."""
    assert stays_on(one) == because
    assert why(one, Entry()) == (because or SHED_ON_STANDBY)


LEFT_OFF = Entry(position=OFF, live=True, left_off=True, switched=Switched(OFF, "Ann", THEN))
KEPT_OFF = (
    (TUB, OWED, None),  # nothing but an answer is missing
    (TUB, Entry(position=ON), None),
    (TUB, replace(OWED, hold=Hold("Ann", "filter", THEN)), "on hold by Ann, filter"),
    (TUB, replace(OWED, hold=Hold("Ann", "", THEN)), "on hold by Ann"),
    (TUB, replace(OWED, hold=Hold("", "", THEN)), "on hold by somebody"),
    (TUB, replace(OWED, position=TRIPPED, hold=Hold("Ann", "", THEN)), None),
    (TUB, replace(LEFT_OFF, hold=Hold("Bob", "", THEN)), "off by Ann"),
    (replace(TUB, restore=Restore.ASK), OWED, "waits until a person asks"),
    (replace(TUB, restore=Restore.NEVER), OWED, "restore is never"),
    (TUB, replace(OWED, debt=replace(DEBT, before=UNKNOWN)), "nobody knows whether it was on before"),
    (TUB, LEFT_OFF, "off by Ann"),
    (TUB, replace(LEFT_OFF, switched=None), "off by somebody"),
)


@pytest.mark.parametrize(("one", "entry", "word"), KEPT_OFF)
def test_what_stays_off_after_the_outage_says_by_whose_word(one: Circuit, entry: Entry, word: str | None) -> None:
    """A hold, the owner's file, a person's hand; what has tripped has an alarm of its own."""
    assert kept_off_by(one, entry) == word
