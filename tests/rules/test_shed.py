"""What must go off now, in which order, and when it is tried again."""

from __future__ import annotations

import pytest

from rules.ledger import Ledger
from rules.ledger_entry import CircuitEntry
from rules.panel import Circuit, CircuitId, Kind, Panel, Position
from rules.shed import RetryPolicy, next_off_at, retry_interval, shed_order, shed_plan, wants_off
from tests.virtual_house import circuit, essential

ON, OFF, TRIPPED, UNKNOWN = Position.ON, Position.OFF, Position.TRIPPED, Position.UNKNOWN
PACE = RetryPolicy(confirm_s=5.0, eager_s=180.0)


def test_the_first_to_go_is_the_highest_rank_then_the_order_of_the_file() -> None:
    """Rank 9 is shed first, rank 1 is kept longest."""
    panel = Panel.of(circuit("a", rank=3), circuit("b", rank=9), circuit("c", rank=3), essential("d", rank=5))
    assert shed_order(panel) == ("b", "d", "a", "c")


PLANNED = (
    # circuit, position, said live, is shed
    (circuit("x"), ON, True, True),
    (circuit("x"), UNKNOWN, False, True),
    (circuit("x"), OFF, True, False),
    (circuit("x"), TRIPPED, True, False),
    (circuit("x"), OFF, False, True),  # retained off, on disk on: a load of unknown position counts as on
    (essential("x"), ON, True, False),
    (circuit("x", protected=True), ON, True, False),
    (circuit("x", kind=Kind.GEN1), ON, True, False),
    (circuit("x", kind=Kind.STANDARD), UNKNOWN, False, False),
    (circuit("x", kind=Kind.RELAY), ON, True, True),
)


@pytest.mark.parametrize(("one", "position", "live", "shed"), PLANNED)
def test_shed_is_what_is_nonessential_may_be_commanded_and_is_not_known_to_be_off(
    one: Circuit, position: Position, live: bool, shed: bool
) -> None:
    """Unknown positions are shed: a load of unknown position counts as on."""
    panel = Panel.of(one)
    ledger = Ledger(panel, "boot", 0.0)
    ledger.load({one.id: {"position": "on"}})
    entry = ledger[one.id]
    entry.position, entry.live = position, live
    assert shed_plan(panel, ledger) == ((CircuitId("x"),) if shed else ())


def test_a_circuit_taken_over_or_perhaps_a_persons_is_left_alone() -> None:
    """The decision takes `confirm_s`; no OFF is sent in between."""
    assert not wants_off(circuit("x"), CircuitEntry(position=ON, live=True, taken_over=True))
    assert not wants_off(circuit("x"), CircuitEntry(position=ON, live=True, possible_override_since=4.0))


def test_a_circuit_whose_on_is_under_way_is_switched_off_though_it_says_off() -> None:
    """The contact opened again: what was switched on a moment ago may still come on."""
    assert wants_off(circuit("x"), CircuitEntry(position=OFF, live=True, on_pending=True))


ASKED_IN_VAIN = (
    # position, live, whether it is to be switched off
    (OFF, False, True),
    (OFF, True, False),
    (ON, False, True),
)


@pytest.mark.parametrize(("position", "live", "wanted"), ASKED_IN_VAIN)
def test_what_a_gateway_remembers_of_a_device_that_cannot_be_asked_is_no_proof_of_off(
    position: Position, live: bool, wanted: bool
) -> None:
    """It is accepted as the position, for want of better. A load of unknown position counts as on."""
    entry = CircuitEntry(position=position, live=live, retained_position=position, cannot_be_asked=True)
    assert wants_off(circuit("x"), entry) is wanted


NEXT = (
    # last command, something new since, next OFF at
    (None, True, None),
    (ON, False, None),
    (OFF, True, None),
    (OFF, False, 105.0),
)


@pytest.mark.parametrize(("sent", "fresh", "at"), NEXT)
def test_an_off_is_sent_at_once_unless_one_is_waiting_for_its_answer(
    sent: Position | None, fresh: bool, at: float | None
) -> None:
    """What is wanted having changed, or the device having come back, ends the wait."""
    assert next_off_at(CircuitEntry(sent=sent, sent_at=100.0, retry_interval_s=5.0, retry_reset=fresh)) == at


PAUSES = (
    # sent at, eager until, last command, tries, last pause, pause
    (100.0, 280.0, OFF, 9, 5.0, 5.0),
    (280.0, 280.0, OFF, 30, 5.0, 10.0),
    (300.0, 280.0, OFF, 31, 10.0, 20.0),
    (400.0, 280.0, OFF, 33, 40.0, 60.0),
    (900.0, 280.0, OFF, 40, 60.0, 60.0),
    (900.0, 280.0, ON, 2, 5.0, 5.0),
    (900.0, 280.0, OFF, 0, 60.0, 5.0),
    (900.0, 280.0, OFF, 4, 1.0, 5.0),  # the device refused the last one after 1 s: the next waits for an answer
)


@pytest.mark.parametrize(("at", "eager_until", "sent", "tries", "last_s", "pause_s"), PAUSES)
def test_the_pause_holds_while_the_house_is_eager_then_doubles_up_to_60_s(
    *, at: float, eager_until: float, sent: Position, tries: int, last_s: float, pause_s: float
) -> None:
    """Hubs are still booting in the first minutes, and overload stalls a generator in seconds."""
    entry = CircuitEntry(sent=sent, attempts=tries, retry_interval_s=last_s)
    assert retry_interval(entry, at, eager_until, PACE) == pause_s


def test_the_pause_is_never_shorter_than_the_time_a_device_has_to_answer() -> None:
    """Where the file gives devices longer than the longest pause."""
    entry = CircuitEntry(sent=OFF, attempts=3, retry_interval_s=70.0)
    assert retry_interval(entry, 900.0, 0.0, RetryPolicy(confirm_s=70.0)) == 70.0
