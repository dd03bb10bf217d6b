"""Each circuit can answer why it is off."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rules.boot_time import BootTime
from rules.explain import explain, reason_kept_off, reason_not_shed
from rules.ledger_entry import CircuitEntry, Hold, LastSwitch, ShedCause, ShedRecord
from rules.panel import Circuit, Kind, Position, Restore
from tests.virtual_house import circuit, essential

ON, OFF, TRIPPED, UNKNOWN = Position.ON, Position.OFF, Position.TRIPPED, Position.UNKNOWN
THEN = BootTime("boot", 50.0)
DEBT = ShedRecord(1, ON, THEN, THEN, confirmed=True)
TUB = circuit("hot-tub")
FELL = "lost power in the transfer (wakes = off)"
DOUBTFUL = "off since a restart during the outage, possibly by the controller"
TRIPPED_BY_ITSELF = "tripped: find the cause, then reset the breaker"
OWED = CircuitEntry(position=OFF, live=True, shed_record=DEBT)

PLANNED = replace(DEBT, commanded=False, confirmed=False)
BY_US = "switched off by the controller: nonessential"
IN_ITS_TURN = "is restored in its turn when utility is stable"
ASKED = "waits for a restore request"
NO_ANSWER = "no response to three ON commands: retried when its device reports again"
SHED_ON_STANDBY = "nonessential: goes off on standby"
COMPRESSOR = essential("heat-pump", min_off_s=300.0)

SAID: tuple[tuple[Circuit, CircuitEntry, tuple[str, ...]], ...] = (
    # --- owed
    (TUB, OWED, (BY_US, IN_ITS_TURN)),
    (TUB, replace(OWED, shed_record=replace(DEBT, confirmed=False)), (f"{BY_US}, not confirmed yet", IN_ITS_TURN)),
    (TUB, replace(OWED, shed_record=replace(DEBT, cause=ShedCause.POWER_LOSS)), (FELL, IN_ITS_TURN)),
    (TUB, replace(OWED, shed_record=replace(DEBT, cause=ShedCause.UNEXPLAINED, needs_request=True)), (DOUBTFUL, ASKED)),
    (TUB, replace(OWED, shed_record=replace(DEBT, before=OFF)), (BY_US, "was off before, and stays off")),
    (
        TUB,
        replace(OWED, shed_record=replace(DEBT, before=UNKNOWN)),
        (BY_US, "state before the outage unknown. To turn it on: `loadshed ask restore`"),
    ),
    (TUB, replace(OWED, position=ON), (BY_US, "reports on")),
    (TUB, replace(OWED, available=False), (BY_US, IN_ITS_TURN, "its device does not respond")),
    (
        replace(TUB, restore=Restore.NEVER),
        OWED,
        (BY_US, "stays off until a user switches it on (restore is never)"),
    ),
    (replace(TUB, restore=Restore.ASK), OWED, (BY_US, ASKED)),
    (replace(TUB, protected=True), OWED, (BY_US, "may not be commanded: switch it manually")),
    # --- tried in vain
    (TUB, replace(OWED, sent=ON, attempts=3), (BY_US, NO_ANSWER)),
    (TUB, replace(OWED, sent=ON, attempts=2), (BY_US, IN_ITS_TURN)),
    (TUB, replace(OWED, sent=OFF, attempts=3), (BY_US, IN_ITS_TURN)),
    (TUB, replace(OWED, sent=ON, attempts=3, shed_record=replace(DEBT, needs_request=True)), (BY_US, ASKED)),
    # --- retagged essential
    (essential("fridge"), OWED, (BY_US, "is restored at once: it is essential now")),
    (COMPRESSOR, OWED, (BY_US, "is restored at once, after its minimum off time of 300 s: it is essential now")),
    # --- user requests ------------------------------------------------------------------------------------------------
    (
        TUB,
        replace(OWED, hold=Hold("Ann", "filter", THEN)),
        (BY_US, "on hold by Ann, filter: the controller does not switch it on (not a lockout)"),
    ),
    (
        TUB,
        replace(OWED, hold=Hold("", "", THEN)),
        (BY_US, "on hold by a user: the controller does not switch it on (not a lockout)"),
    ),
    (TUB, replace(OWED, taken_over=True), ("under manual override for the rest of this outage",)),
    (
        TUB,
        CircuitEntry(position=ON, live=True, taken_over=True),
        ("under manual override for the rest of this outage",),
    ),
    (TUB, CircuitEntry(position=OFF, live=True, last_switch=LastSwitch(OFF, "Ann", THEN)), ("switched off by Ann",)),
    # --- its own doing
    (TUB, replace(OWED, position=TRIPPED), (TRIPPED_BY_ITSELF, "has tripped: find the cause, then reset the breaker")),
    (
        TUB,
        CircuitEntry(position=TRIPPED, last_switch=LastSwitch(TRIPPED, "its own protection", THEN)),
        (TRIPPED_BY_ITSELF,),
    ),
    (TUB, CircuitEntry(position=OFF), ("off, not switched by the controller",)),
    (
        TUB,
        CircuitEntry(position=OFF, last_switch=LastSwitch(ON, "Ann", THEN)),
        ("off, not switched by the controller",),
    ),
    # --- on
    (TUB, CircuitEntry(position=ON, last_switch=LastSwitch(ON, "Ann", THEN)), (SHED_ON_STANDBY,)),
    (TUB, CircuitEntry(position=ON, shed_record=PLANNED), (SHED_ON_STANDBY,)),  # planned is not switched
    (TUB, CircuitEntry(position=ON, available=False), (SHED_ON_STANDBY, "its device does not respond")),
    (essential("fridge"), CircuitEntry(position=ON), ("essential: stays on",)),
)


@pytest.mark.parametrize(("one", "entry", "parts"), SAID)
def test_a_circuit_says_who_switched_it_by_which_rule_and_what_brings_it_back(
    one: Circuit, entry: CircuitEntry, parts: tuple[str, ...]
) -> None:
    """One sentence for its owner, to the letter."""
    assert explain(one, entry) == "; ".join(parts)


STAYS = (
    (circuit("x"), None),
    (essential("x", kind=Kind.STANDARD), "essential: stays on"),
    (circuit("x", protected=True), "protected: never commanded"),
    (
        circuit("x", kind=Kind.GEN1),
        "UNCONTROLLABLE (1st Gen: can be tripped but not reset remotely): stays ON unless switched manually",
    ),
    (
        circuit("x", kind=Kind.STANDARD),
        "UNCONTROLLABLE (standard breaker: no remote control): stays ON unless switched manually",
    ),
)


@pytest.mark.parametrize(("one", "because"), STAYS)
def test_circuits_that_stay_on_show_why_and_uncontrollable_ones_stand_out(one: Circuit, because: str | None) -> None:
    """A nonessential, uncontrollable circuit stays ON: that must be visible wherever it is shown."""
    assert reason_not_shed(one) == because
    assert explain(one, CircuitEntry()) == (because or SHED_ON_STANDBY)


LEFT_OFF = CircuitEntry(position=OFF, live=True, left_off_manually=True, last_switch=LastSwitch(OFF, "Ann", THEN))
KEPT_OFF = (
    (TUB, OWED, None),  # nothing but an answer is missing
    (TUB, CircuitEntry(position=ON), None),
    (TUB, replace(OWED, hold=Hold("Ann", "filter", THEN)), "on hold by Ann, filter"),
    (TUB, replace(OWED, hold=Hold("Ann", "", THEN)), "on hold by Ann"),
    (TUB, replace(OWED, hold=Hold("", "", THEN)), "on hold by a user"),
    (TUB, replace(OWED, position=TRIPPED, hold=Hold("Ann", "", THEN)), None),
    (TUB, replace(LEFT_OFF, hold=Hold("Bob", "", THEN)), "switched off by Ann"),
    (replace(TUB, restore=Restore.ASK), OWED, "waits for a user request"),
    (replace(TUB, restore=Restore.NEVER), OWED, "restore is never"),
    (TUB, replace(OWED, shed_record=replace(DEBT, before=UNKNOWN)), "state before the outage unknown"),
    (TUB, LEFT_OFF, "switched off by Ann"),
    (TUB, replace(LEFT_OFF, last_switch=None), "switched off by a user"),
)


@pytest.mark.parametrize(("one", "entry", "word"), KEPT_OFF)
def test_what_stays_off_after_the_outage_says_by_whose_word(
    one: Circuit, entry: CircuitEntry, word: str | None
) -> None:
    """A hold, the owner's file, manual switching; a trip has an alarm of its own."""
    assert reason_kept_off(one, entry) == word
