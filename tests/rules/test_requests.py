"""Whether a user request is accepted, and the reason if not: each reply is a whole sentence for the user."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rules import requests
from rules.boot_time import BootTime
from rules.ledger_entry import CircuitEntry, Hold, ShedRecord
from rules.panel import Circuit, Kind, Panel, Position
from rules.requests import RequestDecision
from tests.virtual_house import circuit

THEN = BootTime("boot", 50.0)
TUB = circuit("hot-tub")
OWED = CircuitEntry(position=Position.OFF, live=True, shed_record=ShedRecord(1, Position.ON, THEN, THEN))
HELD = Hold("Ann", "filter is out", THEN)


def no(reason: str) -> RequestDecision:
    """Return the answer to a request that is refused."""
    return RequestDecision(ok=False, reason=reason)


def yes(reason: str) -> RequestDecision:
    """Return the answer to a request that is obeyed."""
    return RequestDecision(ok=True, reason=reason)


UNREACHABLE = (
    (replace(TUB, protected=True), "Hot tub is protected: it is never commanded"),
    (replace(TUB, kind=Kind.GEN1), "Hot tub cannot be switched: 1st Gen: can be tripped but not reset remotely"),
    (replace(TUB, kind=Kind.STANDARD), "Hot tub cannot be switched: standard breaker: no remote control"),
)


@pytest.mark.parametrize(("one", "why"), UNREACHABLE)
def test_a_protected_circuit_is_not_commanded_on_user_request_either(one: Circuit, why: str) -> None:
    """The answer says which of the reasons it is."""
    assert requests.switch_off(one, force=True) == no(why)
    assert requests.switch_on(one, CircuitEntry(), 0.0, now=True, force=True) == no(why)
    assert requests.restore(one, OWED, on_utility=True) == no(why)


NOT_ON = (
    (replace(OWED, hold=HELD), "Hot tub is on hold by Ann (filter is out); first: `loadshed ask release hot-tub`"),
    (replace(OWED, hold=Hold("Ann", "", THEN)), "Hot tub is on hold by Ann; first: `loadshed ask release hot-tub`"),
    (replace(OWED, hold=Hold("", "", THEN)), "Hot tub is on hold by a user; first: `loadshed ask release hot-tub`"),
    (replace(OWED, position=Position.TRIPPED), "Hot tub has tripped: find the cause, then reset the breaker"),
)


@pytest.mark.parametrize(("entry", "why"), NOT_ON)
def test_what_is_on_hold_or_tripped_is_not_switched_on_for_anybody(entry: CircuitEntry, why: str) -> None:
    """Insisting does not help: someone may be working on it."""
    assert requests.switch_on(TUB, entry, 0.0, now=True, force=True) == no(why)
    assert requests.restore(TUB, entry, on_utility=True) == no(why)


def test_what_may_be_switched_off_is_and_becomes_theirs() -> None:
    """On hold or tripped is no reason against off."""
    said = yes("Hot tub is being switched off; it is left to you now")
    assert requests.switch_off(TUB) == said


RESTS = (
    # seconds still to rest, they insist, what is said
    (42.0, False, "Hot tub: minimum off time; it is switched on in 42 s (at once: `loadshed ask on hot-tub --now`)"),
    (0.6, False, "Hot tub: minimum off time; it is switched on in 1 s (at once: `loadshed ask on hot-tub --now`)"),
    (42.0, True, "Hot tub is being switched on; it is left to you now"),
    (0.0, False, "Hot tub is being switched on; it is left to you now"),
)


@pytest.mark.parametrize(("wait_s", "insists", "said"), RESTS)
def test_the_minimum_off_time_binds_a_user_too_unless_they_insist(wait_s: float, insists: bool, said: str) -> None:
    """The answer says how long, and how to insist."""
    assert requests.switch_on(TUB, OWED, wait_s, now=insists) == yes(said)


NOT_OWED = "Hot tub is not owed: the controller did not switch it off; to turn it on: `loadshed ask on hot-tub`"
NOT_YET = (
    "not on utility: nothing is restored before utility returns (to turn on one circuit now: `loadshed ask on hot-tub`)"
)
GIVEN_BACK = (
    # what is known of it, on utility, the answer
    (OWED, True, yes("Hot tub is restored in its turn")),
    (
        CircuitEntry(),
        True,
        no(NOT_OWED),
    ),
    (OWED, False, no(NOT_YET)),
    (
        CircuitEntry(),
        False,
        no(NOT_YET),
    ),
)


@pytest.mark.parametrize(("entry", "on_utility", "answer"), GIVEN_BACK)
def test_restore_restores_owed_circuits_on_utility_only(
    entry: CircuitEntry, on_utility: bool, answer: RequestDecision
) -> None:
    """On standby `on` is the request; and a circuit that is not owed is not restored."""
    assert requests.restore(TUB, entry, on_utility=on_utility) == answer


def test_a_release_says_that_nothing_was_switched() -> None:
    """And is refused if there is no hold."""
    said = "Hot tub is released; nothing was switched; to turn it on: `loadshed ask restore hot-tub`"
    assert requests.release(TUB, replace(OWED, hold=HELD)) == yes(said)
    assert requests.release(TUB, OWED) == no("Hot tub is not on hold")


def test_forget_needs_a_shed_record() -> None:
    """The circuit stays as it is."""
    assert requests.forget(TUB, OWED) == yes("Hot tub is no longer owed: it stays as it is")
    assert requests.forget(TUB, CircuitEntry()) == no("Hot tub is not owed")


OFF_AND_OWED = (
    "but the controller switched it off and it is still owed: keep it in the file until it is restored, "
    "or send `loadshed ask forget CIRCUIT` first"
)
OBJECTIONS = (
    ((TUB,), ()),
    ((replace(TUB, rank=1),), ()),
    ((circuit("dryer"),), ("is missing",)),
    ((replace(TUB, protected=True),), ("Hot tub is protected: it is never commanded",)),
    (
        (replace(TUB, kind=Kind.STANDARD),),
        ("Hot tub cannot be switched: standard breaker: no remote control",),
    ),
)


@pytest.mark.parametrize(("new", "objections"), OBJECTIONS)
def test_a_changed_file_must_not_take_an_owed_circuit_from_our_reach(
    new: tuple[Circuit, ...], objections: tuple[str, ...]
) -> None:
    """It would stay off for good without a known reason; the sentence states what to do first."""
    said = requests.reload_conflicts(Panel.of(TUB), Panel.of(*new), (TUB,))
    assert said == tuple(f"circuits.toml: [circuits.hot-tub] {one}, {OFF_AND_OWED}" for one in objections)
    assert requests.reload_conflicts(Panel.of(TUB), Panel.of(*new), ()) == ()


def test_a_circuit_that_neither_file_has_is_nobodys_objection_and_hides_none() -> None:
    """The one in force does not have it either: nothing is lost by it. Those after it are looked at all the same."""
    gone = circuit("sauna")
    assert requests.reload_conflicts(Panel.of(), Panel.of(), (TUB,)) == ()
    (said,) = requests.reload_conflicts(Panel.of(TUB), Panel.of(), (gone, TUB))
    assert said.startswith("circuits.toml: [circuits.hot-tub] is missing")
