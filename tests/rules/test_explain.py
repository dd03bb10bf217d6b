"""Each circuit can answer why it is off."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rules.boot_time import BootTime
from rules.explain import explain, reason_kept_off, reason_not_shed
from rules.ledger_entry import CircuitEntry, Hold, LastSwitch, ShedCause, ShedRecord
from rules.panel import Circuit, Kind, Position, Restore
from rules.situation import HouseSituation
from tests.virtual_house import circuit, essential

ON, OFF, TRIPPED, UNKNOWN = Position.ON, Position.OFF, Position.TRIPPED, Position.UNKNOWN
THEN = BootTime("boot", 50.0)
DEBT = ShedRecord(1, ON, THEN, THEN, confirmed=True)
TUB = circuit("hot-tub")
FELL = "lost power in the transfer (wakes = off)"
UNEXPLAINED = "off since a restart of the controller, possibly switched off by it"
TRIPPED_BY_ITSELF = "tripped: find the cause, then reset the breaker"
OWED = CircuitEntry(position=OFF, live=True, reported_at=60.0, shed_record=DEBT)
SILENT = replace(OWED, position=UNKNOWN, live=False, reported_at=None, shed_record=replace(DEBT, confirmed=False))
REFUSES = replace(SILENT, position=ON, live=True, off_sent_at=50.0, reported_at=60.0)

PLANNED = replace(DEBT, commanded=False, confirmed=False)
BY_US = "switched off by the controller: nonessential"
IN_ITS_TURN = "is restored in its turn when utility is stable"
UNTIL_ASKED = "waits for a restore request"
GAVE_UP = "no response to three ON commands: retried when its device reports again"
BEFORE_UNKNOWN = "its state before it was switched off is unknown: stays off until a user restores it"
RESTORE_IT, TURN_IT_ON = "to turn it on: `loadshed ask restore hot-tub`", "to turn it on: `loadshed ask on hot-tub`"
SHED_ON_STANDBY = "nonessential: goes off on standby"
NOT_A_LOCKOUT = "the controller does not switch it on (not a lockout)"
RELEASE_IT = "to end the hold: `loadshed ask release hot-tub`"
OVERRIDE = "under manual override for the rest of this outage"
COMPRESSOR = essential("heat-pump", min_off_s=300.0)
ASK, NEVER = replace(TUB, restore=Restore.ASK), replace(TUB, restore=Restore.NEVER)

UTILITY = HouseSituation()
STANDBY = HouseSituation(sheds=True, on_utility=False)
DRILL = HouseSituation(sheds=True, drill=True)

ON_UTILITY: tuple[tuple[Circuit, CircuitEntry, tuple[str, ...]], ...] = (
    # --- owed
    (TUB, OWED, (BY_US, IN_ITS_TURN)),
    (TUB, replace(OWED, shed_record=replace(DEBT, cause=ShedCause.POWER_LOSS)), (FELL, IN_ITS_TURN)),
    (
        TUB,
        replace(OWED, shed_record=replace(DEBT, cause=ShedCause.UNEXPLAINED, needs_request=True)),
        (UNEXPLAINED, UNTIL_ASKED, RESTORE_IT),
    ),
    (TUB, replace(OWED, shed_record=replace(DEBT, before=OFF)), (BY_US, "was off before, and stays off")),
    (TUB, replace(OWED, shed_record=replace(DEBT, before=UNKNOWN)), (BY_US, BEFORE_UNKNOWN, RESTORE_IT)),
    (TUB, replace(OWED, available=False), (BY_US, IN_ITS_TURN, "its device does not respond")),
    (NEVER, OWED, (BY_US, "stays off until a user switches it on (restore is never)", RESTORE_IT)),
    (ASK, OWED, (BY_US, UNTIL_ASKED, RESTORE_IT)),
    (replace(TUB, protected=True), OWED, (BY_US, "may not be commanded: switch it manually")),
    # --- OFF was never confirmed
    (TUB, SILENT, ("OFF command sent, never confirmed: on or off is unknown", IN_ITS_TURN)),
    (TUB, REFUSES, (SHED_ON_STANDBY,)),  # it is on; that a late OFF is watched for is the controller's own business
    # --- tried in vain
    (TUB, replace(OWED, sent=ON, attempts=3), (BY_US, GAVE_UP, RESTORE_IT)),
    (TUB, replace(OWED, sent=ON, attempts=2), (BY_US, IN_ITS_TURN)),
    (TUB, replace(OWED, sent=OFF, attempts=3), (BY_US, IN_ITS_TURN)),
    # --- retagged essential
    (essential("fridge"), OWED, (BY_US, "is restored at once: it is essential now")),
    (COMPRESSOR, OWED, (BY_US, "is restored at once, after its minimum off time of 300 s: it is essential now")),
    # --- user requests
    (
        TUB,
        replace(OWED, hold=Hold("Ann", "filter", THEN)),
        (BY_US, f"on hold by Ann, filter: {NOT_A_LOCKOUT}", RELEASE_IT),
    ),
    (TUB, replace(OWED, hold=Hold("", "", THEN)), (BY_US, f"on hold by a user: {NOT_A_LOCKOUT}", RELEASE_IT)),
    (
        TUB,
        CircuitEntry(position=OFF, live=True, last_switch=LastSwitch(OFF, "Ann", THEN)),
        ("switched off by Ann", TURN_IT_ON),
    ),
    # --- its own doing
    (TUB, replace(OWED, position=TRIPPED), ("tripped: find the cause, then reset the breaker",)),
    (
        TUB,
        CircuitEntry(position=TRIPPED, last_switch=LastSwitch(TRIPPED, "its own protection", THEN)),
        (TRIPPED_BY_ITSELF,),
    ),
    (TUB, CircuitEntry(position=OFF), ("off, not switched by the controller", TURN_IT_ON)),
    (
        TUB,
        CircuitEntry(position=OFF, last_switch=LastSwitch(ON, "Ann", THEN)),
        ("off, not switched by the controller", TURN_IT_ON),
    ),
    # --- on
    (TUB, CircuitEntry(position=ON, last_switch=LastSwitch(ON, "Ann", THEN)), (SHED_ON_STANDBY,)),
    (TUB, CircuitEntry(position=ON, shed_record=PLANNED), (SHED_ON_STANDBY,)),  # planned is not switched
    (TUB, CircuitEntry(position=ON, available=False), (SHED_ON_STANDBY, "its device does not respond")),
    (essential("fridge"), CircuitEntry(position=ON), ("essential: stays on",)),
)

WHILE_SHEDDING: tuple[tuple[HouseSituation, Circuit, CircuitEntry, tuple[str, ...]], ...] = (
    (STANDBY, TUB, OWED, (BY_US, IN_ITS_TURN)),
    (STANDBY, TUB, SILENT, ("OFF command sent, no answer: treat as ON",)),
    (STANDBY, TUB, REFUSES, ("OFF command sent, but its device still reports on: treat as ON",)),
    (
        STANDBY,
        TUB,
        replace(OWED, recheck_off_since=70.0),
        ("its device was away; OFF command sent again, no answer yet: treat as ON",),
    ),
    (STANDBY, ASK, OWED, (BY_US, "waits for a restore request after utility returns")),
    (
        STANDBY,
        NEVER,
        OWED,
        (BY_US, "stays off until a user switches it on after utility returns (restore is never)"),
    ),
    (
        STANDBY,
        essential("hot-tub"),
        CircuitEntry(position=OFF, live=True),
        ("off, not switched by the controller", TURN_IT_ON),
    ),
    (STANDBY, TUB, replace(OWED, taken_over=True), (OVERRIDE,)),
    (STANDBY, TUB, CircuitEntry(position=ON, live=True, taken_over=True), (OVERRIDE,)),
    (DRILL, TUB, OWED, (f"{BY_US}, for a drill", "is restored in its turn after the drill")),
    (DRILL, ASK, OWED, (f"{BY_US}, for a drill", "waits for a restore request after the drill")),
    (DRILL, TUB, replace(OWED, taken_over=True), ("under manual override for the rest of this drill",)),
)


@pytest.mark.parametrize(("one", "entry", "parts"), ON_UTILITY)
def test_an_explanation_names_the_cause_what_follows_and_a_command(
    one: Circuit, entry: CircuitEntry, parts: tuple[str, ...]
) -> None:
    """One sentence for the owner, to the letter."""
    assert explain(one, entry, UTILITY) == "; ".join(parts)


@pytest.mark.parametrize(("house", "one", "entry", "parts"), WHILE_SHEDDING)
def test_while_the_house_sheds_only_a_confirmed_circuit_is_called_off(
    house: HouseSituation, one: Circuit, entry: CircuitEntry, parts: tuple[str, ...]
) -> None:
    """No command is named that the controller refuses on standby; a drill is called a drill."""
    assert explain(one, entry, house) == "; ".join(parts)


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
    assert explain(one, CircuitEntry(), UTILITY) == (because or SHED_ON_STANDBY)


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
    (TUB, replace(OWED, shed_record=replace(DEBT, before=UNKNOWN)), "its state before it was switched off is unknown"),
    (TUB, LEFT_OFF, "switched off by Ann"),
    (TUB, replace(LEFT_OFF, last_switch=None), "switched off by a user"),
)


@pytest.mark.parametrize(("one", "entry", "word"), KEPT_OFF)
def test_what_stays_off_after_the_outage_says_by_whose_word(
    one: Circuit, entry: CircuitEntry, word: str | None
) -> None:
    """A hold, the owner's file, manual switching; a trip has an alarm of its own."""
    assert reason_kept_off(one, entry) == word
