"""What may come back, which next, and when."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rules.boot_time import BootTime
from rules.ledger_entry import CircuitEntry, Hold, ShedCause, ShedRecord
from rules.panel import Circuit, CircuitId, Kind, Position, Restore, Tag
from rules.restore import RestoreDecision, RestoreQueue, earliest_on_at, restore_decision, retagged_essential
from tests.virtual_house import circuit

ON, OFF, TRIPPED, UNKNOWN = Position.ON, Position.OFF, Position.TRIPPED, Position.UNKNOWN
THEN = BootTime("boot", 50.0)
DEBT = ShedRecord(1, ON, THEN, THEN, confirmed=True)
TUB = circuit("hot-tub")
OFF_BY_US = CircuitEntry(position=OFF, live=True, reported_at=51.0, off_sent_at=50.0, shed_record=DEBT)


def owed(**words: object) -> CircuitEntry:
    """Return a circuit that is off by us, with this shed record."""
    return replace(OFF_BY_US, shed_record=replace(DEBT, **words))  # type: ignore[arg-type]


VERDICTS: tuple[tuple[Circuit, CircuitEntry, RestoreDecision], ...] = (
    (TUB, OFF_BY_US, RestoreDecision.RESTORE),
    (TUB, replace(OFF_BY_US, position=UNKNOWN, live=False, reported_at=None), RestoreDecision.RESTORE),
    (TUB, replace(OFF_BY_US, position=ON, reported_at=49.0), RestoreDecision.RESTORE),  # said before our OFF
    (TUB, replace(OFF_BY_US, position=ON), RestoreDecision.IS_ON),
    (TUB, replace(OFF_BY_US, position=TRIPPED), RestoreDecision.TRIPPED),
    (TUB, CircuitEntry(position=OFF, live=True), RestoreDecision.NOT_OWED),
    (TUB, owed(commanded=False), RestoreDecision.NOT_OWED),
    (TUB, replace(OFF_BY_US, taken_over=True), RestoreDecision.NOT_OWED),
    (replace(TUB, protected=True), OFF_BY_US, RestoreDecision.NOT_BY_CONTROLLER),
    (replace(TUB, kind=Kind.GEN1), OFF_BY_US, RestoreDecision.NOT_BY_CONTROLLER),
    (TUB, replace(OFF_BY_US, hold=Hold("Ann", "", THEN)), RestoreDecision.ON_HOLD),
    (TUB, owed(before=OFF), RestoreDecision.WAS_OFF),
    (TUB, owed(before=TRIPPED), RestoreDecision.WAS_OFF),
    (TUB, owed(before=UNKNOWN), RestoreDecision.BEFORE_UNKNOWN),
    (TUB, owed(before=UNKNOWN, released=True), RestoreDecision.RESTORE),
    (TUB, owed(needs_request=True), RestoreDecision.WAITS_FOR_REQUEST),
    (TUB, owed(needs_request=True, released=True), RestoreDecision.RESTORE),
    (replace(TUB, restore=Restore.ASK), OFF_BY_US, RestoreDecision.WAITS_FOR_REQUEST),
    (replace(TUB, restore=Restore.ASK), owed(released=True), RestoreDecision.RESTORE),
    (replace(TUB, restore=Restore.NEVER), OFF_BY_US, RestoreDecision.STAYS_OFF),
    (replace(TUB, restore=Restore.NEVER), owed(before=OFF), RestoreDecision.WAS_OFF),
    (replace(TUB, restore=Restore.ASK, tag=Tag.ESSENTIAL), OFF_BY_US, RestoreDecision.RESTORE),
)


@pytest.mark.parametrize(("one", "entry", "becomes"), VERDICTS)
def test_switched_on_again_is_what_is_owed_was_on_and_is_off_or_unheard_nothing_else(
    one: Circuit, entry: CircuitEntry, becomes: RestoreDecision
) -> None:
    """Off before stays off; unknown before is asked about; ON to a circuit that is on does no harm."""
    assert restore_decision(one, entry) is becomes


RECALLED = (
    (Tag.ESSENTIAL, ShedCause.SHED, False, True),
    (Tag.NONESSENTIAL, ShedCause.SHED, False, False),
    (Tag.ESSENTIAL, ShedCause.POWER_LOSS, False, False),
    (Tag.ESSENTIAL, ShedCause.SHED, True, False),
)


@pytest.mark.parametrize(("tag", "cause", "waits", "comes_back"), RECALLED)
def test_what_was_shed_and_is_essential_now_is_called_back(
    tag: Tag, cause: ShedCause, waits: bool, comes_back: bool
) -> None:
    """A circuit off after a power loss was essential before, and one that was on hold waits for a user."""
    assert retagged_essential(replace(TUB, tag=tag), replace(DEBT, cause=cause, needs_request=waits)) is comes_back


def test_a_compressor_rests_from_the_later_of_command_and_report() -> None:
    """And what is not owed has nothing to rest from."""
    pump = circuit("heat-pump", min_off_s=300.0)
    assert earliest_on_at(pump, OFF_BY_US) == 350.0
    assert earliest_on_at(pump, CircuitEntry()) == 0.0


# --- the queue -------------------------------------------------------------------------------------------------------

A, B, C = CircuitId("a"), CircuitId("b"), CircuitId("c")


def queue(*waiting: tuple[CircuitId, int, float], stagger_s: float = 5.0) -> RestoreQueue:
    """Return a queue of circuits, each with its rank and when it has rested."""
    one = RestoreQueue(stagger_s, last_on_at=0.0)
    for order, (name, rank, ready_at) in enumerate(waiting):
        one.put(name, rank, order, ready_at, again=False)
    return one


def emptied(one: RestoreQueue, now: float) -> list[tuple[float, CircuitId]]:
    """Take whatever comes, each at the queue's own deadline; one that asks for turns and gives nothing is broken."""
    taken: list[tuple[float, CircuitId]] = []
    for _ in range(20):
        if (due := one.deadline(now)) is None:
            return taken
        now = due
        if (name := one.pop_due(now)) is not None:
            taken.append((now, name))
            one.sent(now)
    raise AssertionError(f"the queue asks for a turn again and again; it gave {taken}")


def test_one_at_a_time_rank_1_first_a_stagger_apart() -> None:
    """Ranks that tie return in the order of the file."""
    one = queue((C, 8, 0.0), (B, 1, 0.0), (A, 8, 0.0))
    assert emptied(one, 100.0) == [(100.0, B), (105.0, C), (110.0, A)]
    assert len(one) == 0


def test_one_that_must_rest_lets_the_next_in_rank_go_first() -> None:
    """And is given its turn as soon as it has rested."""
    assert emptied(queue((A, 1, 107.0), (B, 9, 0.0)), 100.0) == [(100.0, B), (107.0, A)]


def test_the_first_waits_for_the_stagger_after_a_start_as_well() -> None:
    """A program that has just died may have sent an ON a moment ago."""
    one = queue((A, 1, 0.0))
    assert (one.pop_due(4.9), one.deadline(1.0)) == (None, 5.0)
    assert one.pop_due(5.0) == A


def test_a_stall_between_deciding_and_sending_counts_from_the_sending() -> None:
    """Two ONs never leave nearer than the stagger in real time."""
    one = queue((A, 1, 0.0), (B, 2, 0.0))
    one.pop_due(100.0)
    one.sent(100.0)
    one.sent(130.0)
    one.sent(90.0)
    assert one.deadline(130.0) == 135.0


def test_a_further_try_delays_nobodys_first() -> None:
    """A silent circuit holds up no other: it is tried again in a gap, or at the end."""
    one = queue((B, 9, 0.0))
    one.put(A, 1, 0, 0.0, again=True)
    assert emptied(one, 100.0) == [(100.0, B), (105.0, A)]


def test_a_further_try_leaves_the_turn_to_one_that_is_about_to_have_rested() -> None:
    """A turn taken by the silent one now would make the other wait for the stagger."""
    one = queue((B, 9, 103.0))
    one.put(A, 1, 0, 0.0, again=True)
    assert one.pop_due(100.0) is None
    assert emptied(one, 100.0) == [(103.0, B), (108.0, A)]


def test_a_further_try_is_made_where_the_next_first_try_is_far_off() -> None:
    """And not before its own time has come."""
    one = queue((B, 9, 500.0))
    one.put(A, 1, 0, 110.0, again=True)
    assert emptied(one, 100.0) == [(110.0, A), (500.0, B)]


def test_a_retry_is_made_if_it_ends_before_the_next_first_attempt() -> None:
    """A stagger later is no delay."""
    one = queue((B, 9, 105.0))
    one.put(A, 1, 0, 0.0, again=True)
    assert emptied(one, 100.0) == [(100.0, A), (105.0, B)]


def test_a_circuit_evaluated_again_uses_no_more_memory() -> None:
    """A device that chatters for the whole outage fills no memory."""
    one = queue((A, 1, 500.0))
    for _ in range(50):
        one.put(A, 1, 0, 500.0, again=False)
    assert len(one._resting) == 1


def test_what_was_taken_out_does_not_come() -> None:
    """From any part of the queue: resting, awake, or to be tried again."""
    one = queue((A, 1, 0.0), (B, 2, 200.0))
    one.put(C, 3, 2, 0.0, again=True)
    assert (A in one, len(one)) == (True, 3)
    one.deadline(100.0)
    for name in (A, B, C):
        one.remove(name)
    assert (one.pop_due(100.0), one.deadline(100.0), A in one) == (None, None, False)


def test_a_circuit_put_twice_comes_once_at_its_last_place() -> None:
    """Evaluated again, it waits as before."""
    one = queue((A, 1, 0.0), (B, 2, 0.0))
    one.put(A, 1, 0, 0.0, again=False)
    one.put(A, 9, 0, 0.0, again=False)
    assert emptied(one, 100.0) == [(100.0, B), (105.0, A)]


def test_an_empty_queue_has_no_deadline() -> None:
    """An empty queue sets no deadline."""
    assert queue().deadline(100.0) is None
    assert queue((A, 1, 700.0)).deadline(100.0) == 700.0
