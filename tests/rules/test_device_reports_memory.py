"""Device reports, evaluated: a sign of life, retained reports, a request, a shed record that ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rules.device_reports import ReportContext, ReportOutcome
from rules.ledger import BY_HAND
from rules.ledger_entry import LastSwitch, PendingRequest, ShedRecord
from rules.panel import Position
from tests.rules.reported import CHARGER, SHEDS, TUB, UTILITY, Night

if TYPE_CHECKING:
    from rules.panel import CircuitId

ON, OFF, TRIPPED, UNKNOWN = Position.ON, Position.OFF, Position.TRIPPED, Position.UNKNOWN

# --- a sign of life --------------------------------------------------------------------------------------------------

TRIES = (
    # our last command (at 100 s), sign of life of its device at, attempts then
    ("on", 105.0, 2),  # within confirm_s it is an answer: a device that refuses must not be asked for ever
    ("on", 105.1, 0),
    ("off", 900.0, 2),
)


@pytest.mark.parametrize(("command", "at", "tries"), TRIES)
def test_any_sign_of_life_resets_the_attempts_to_switch_on(command: str, at: float, tries: int) -> None:
    """To switch off is tried for ever anyhow."""
    night = Night()
    for _ in range(2):
        (night.on if command == "on" else night.off)(100.0)
    night.comes(at)
    assert night.entry().attempts == tries


def test_any_sign_of_life_ends_the_long_pause() -> None:
    """And makes no short one longer."""
    night = Night()
    for pause_s, then in ((40.0, 5.0), (2.0, 2.0)):
        night.entry().retry_interval_s = pause_s
        night.says(ON, 20.0)
        assert night.entry().retry_interval_s == then


def test_a_last_will_is_no_sign_of_life() -> None:
    """The broker says it, for a device that says nothing."""
    night = Night()
    night.on(100.0)
    night.entry().retry_interval_s = 40.0
    night.goes(200.0)
    assert (night.entry().retry_interval_s, night.entry().attempts) == (40.0, 1)


def test_a_device_that_was_away_has_heard_none_of_the_tries() -> None:
    """They restart, a moment after the last."""
    night = Night()
    night.on(100.0)
    night.goes(100.5)
    night.on(101.0)
    night.comes(101.5)
    assert (night.entry().attempts, night.entry().retry_reset) == (0, True)


def test_a_circuit_left_off_manually_stays_so_until_it_is_on() -> None:
    """A repeated off changes nothing; and a circuit is not left off manually because it is off."""
    night = Night()
    night.says(OFF, 20.0, CHARGER)
    night.ledger.leave_off(TUB, left_off=True)
    night.says(OFF, 20.0)
    assert (night.entry().left_off_manually, night.entry(CHARGER).left_off_manually) == (True, False)
    night.says(ON, 30.0)
    night.says(OFF, 40.0)
    assert not night.entry().left_off_manually


AVAILABLE = (
    # available before, the word, retained, is fresh, is a sign of life, changed at
    (False, True, False, True, True, 200.0),
    (True, True, False, False, True, 200.0),
    (True, False, False, False, False, 200.0),
    (False, True, True, False, True, None),  # it returned before the connection, which has reset its attempts
    (True, True, True, False, False, None),
    (True, False, True, False, False, None),
)


@pytest.mark.parametrize(("before", "online", "retained", "fresh", "lives", "changed_at"), AVAILABLE)
def test_a_device_that_comes_back_is_evaluated_again(
    *, before: bool, online: bool, retained: bool, fresh: bool, lives: bool, changed_at: float | None
) -> None:
    """What the broker remembers of its availability says nothing of when."""
    night = Night()
    night.on(100.0)
    entry = night.entry()
    entry.available, entry.retry_interval_s = before, 40.0
    (night.comes if online else night.goes)(200.0, retained=retained)
    assert (entry.available, entry.publishes_availability, entry.availability_at) == (online, True, changed_at)
    assert (entry.retry_reset, entry.retry_interval_s) == (fresh, 5.0 if lives else 40.0)


def test_a_remembered_word_of_availability_ends_no_persons_proof() -> None:
    """A reconnection delivers all retained messages again, and they are old."""
    night = Night()
    night.comes(20.0)
    night.shed()
    night.says(ON, 200.0)
    assert night.comes(201.0, retained=True) is None
    assert night.passes(205.0) is ReportOutcome.TAKEN_OVER


# --- what the broker remembers ---------------------------------------------------------------------------------------

REMEMBERED = (
    # said live before, the broker's word, position, is live
    (None, ON, ON, False),
    (ON, ON, ON, True),
    (ON, OFF, OFF, False),
)


@pytest.mark.parametrize(("said", "word", "position", "live"), REMEMBERED)
def test_a_remembered_word_is_what_was_and_not_what_is(
    said: Position | None, word: Position, position: Position, live: bool
) -> None:
    """If it equals the device's own last report, that still counts."""
    night = Night()
    if said is not None:
        night.says(said, 20.0)
    night.remembers(word)
    assert (night.entry().position, night.entry().live) == (position, live)


HEARSAY = (
    # circuit, disk and before, unverified, untrusted, the machine has booted, retained report, before then
    (TUB, ON, True, False, True, OFF, UNKNOWN),
    (TUB, OFF, True, False, True, ON, UNKNOWN),
    (TUB, ON, True, False, True, ON, ON),
    (TUB, ON, False, False, True, OFF, ON),
    (TUB, ON, True, True, True, OFF, ON),  # an off of our own making
    (CHARGER, ON, True, False, True, OFF, ON),  # it fell with the power
    (CHARGER, ON, True, False, False, OFF, UNKNOWN),  # no power was lost: it may have been manual
    (CHARGER, ON, True, False, True, TRIPPED, UNKNOWN),
    (CHARGER, OFF, True, False, True, ON, UNKNOWN),
)


@pytest.mark.parametrize(("name", "disk", "hearsay", "weighed", "rebooted", "word", "before"), HEARSAY)
def test_if_disk_and_broker_differ_the_earlier_state_is_unknown(
    name: CircuitId, disk: Position, word: Position, before: Position, *, hearsay: bool, weighed: bool, rebooted: bool
) -> None:
    """Once the device itself has reported, or the first edge was written, no retained report replaces it."""
    night = Night(disk=disk, rebooted=rebooted)
    night.off(100.0, name)
    debt = night.debt(name)
    debt.before, debt.before_unverified, debt.retained_untrusted = disk, hearsay, weighed
    night.ledger.changed.clear()
    night.remembers(word, name)
    assert debt.before is before
    assert night.ledger.changed == ({name} if before is not disk else set())


def test_a_confirmed_off_is_verified() -> None:
    """An older memory of the broker's changes nothing."""
    night = Night()
    night.off(100.0)
    night.debt().before_unverified = True
    night.says(OFF, 100.1)
    night.remembers(ON)
    assert night.debt().before is ON


def test_a_connection_that_ends_takes_what_was_proved_in_it() -> None:
    """The circuits are evaluated again, no override is suspected, and a retained off may be our own."""
    night = Night()
    night.comes(20.0)
    night.shed()
    night.says(ON, 200.0)
    night.reports.connected()
    entry = night.entry()
    assert (entry.retry_reset, entry.possible_override_since, entry.off_confirmed_live) == (True, None, False)
    assert night.debt().retained_untrusted
    night.ledger.record_shed(CHARGER, 201.0, commanded=False)
    night.reports.connected()
    assert not night.debt(CHARGER).retained_untrusted


# --- utility is stable: the broker's memory is taken for what is ------------------------------------------------------

BELIEVED = (
    # disk, the broker's word, the device answers, what it means, on the disk then
    (ON, OFF, True, None, OFF),
    (ON, TRIPPED, True, ReportOutcome.TRIPPED, TRIPPED),
    (OFF, ON, True, None, ON),
    (ON, OFF, False, None, ON),
    (ON, UNKNOWN, True, None, ON),
    (ON, ON, True, None, ON),
)


@pytest.mark.parametrize(("disk", "word", "available", "means", "then"), BELIEVED)
def test_once_utility_is_stable_the_memory_of_a_device_that_answers_is_what_is(
    disk: Position, word: Position, available: bool, means: ReportOutcome | None, then: Position
) -> None:
    """What the broker does not know is not written down, nor what a device said that is away."""
    night = Night(disk=disk)
    night.remembers(word)
    night.entry().available = available
    assert night.reports.accept_retained(night.panel[TUB], 50.0) is means
    assert night.entry().retained_position is then
    assert night.ledger.changed == ({TUB} if then is not disk else set())


def test_a_believed_off_is_judged_as_a_reported_one() -> None:
    """Manually; or, after a boot, by the power loss."""
    hand, power = Night(), Night(rebooted=True)
    for night in (hand, power):
        night.remembers(OFF, CHARGER)
    assert hand.reports.accept_retained(hand.panel[CHARGER], 50.0) is None
    assert hand.entry(CHARGER).last_switch == LastSwitch(OFF, BY_HAND, hand.at(50.0))
    assert power.reports.accept_retained(power.panel[CHARGER], 50.0) is ReportOutcome.OFF_AFTER_POWER_LOSS


def test_a_believed_on_has_paid_what_was_confirmed_off() -> None:
    """The circuit is back, and answers."""
    night = Night()
    night.shed()
    night.remembers(ON)
    assert night.reports.accept_retained(night.panel[TUB], 200.0) is ReportOutcome.ON_WITHOUT_COMMAND


def test_an_on_of_ours_is_no_longer_under_way_once_the_broker_remembers_it_done() -> None:
    """It ends the shed record, and nothing more is waited for."""
    night = Night()
    night.shed()
    night.on(150.0)
    night.remembers(ON)
    assert night.reports.accept_retained(night.panel[TUB], 200.0) is ReportOutcome.CONFIRMED_ON
    assert (night.entry().shed_record, night.entry().on_pending) == (None, False)


@pytest.mark.parametrize("phase", [SHEDS, UTILITY])
def test_time_alone_means_nothing_without_shed_record_or_command(phase: ReportContext) -> None:
    """No deadline is set for it."""
    night = Night()
    night.says(ON, 20.0)
    assert night.reports.deadline(TUB, phase) is None
    night.says(OFF, 21.0)
    night.shed()
    assert night.reports.deadline(TUB, phase) is None


# --- user requests ----------------------------------------------------------------------------------------------------

WISHES = (
    (ON, ON, ReportOutcome.REQUEST_COMPLETED),
    (OFF, OFF, ReportOutcome.REQUEST_COMPLETED),
    (ON, OFF, None),
    (OFF, ON, None),
)


@pytest.mark.parametrize(("asked", "said", "means"), WISHES)
def test_a_request_is_completed_when_the_device_reports_it(
    asked: Position, said: Position, means: ReportOutcome | None
) -> None:
    """The other position does not end their request."""
    night = Night()
    night.entry().request = PendingRequest(asked, "Ann", 0.0)
    assert night.says(said, 50.0) is means
    assert (night.entry().request is None) is (means is not None)


# --- utility is there: what is owed is looked at ---------------------------------------------------------------------

JUDGED = (
    # what is owed, what it means
    (None, None, False),
    (ShedRecord(1, ON, Night().at(1.0), Night().at(1.0), commanded=False), None, False),
    (ShedRecord(1, ON, Night().at(1.0), Night().at(1.0), confirmed=True), ReportOutcome.ON_WITHOUT_COMMAND, False),
)


@pytest.mark.parametrize(("debt", "means", "owed"), JUDGED)
def test_a_shed_record_ends_if_never_sent_or_if_the_circuit_is_on(
    debt: ShedRecord | None, means: ReportOutcome | None, owed: bool
) -> None:
    """The circuit is on, and said so."""
    night = Night()
    night.says(ON, 50.0)
    night.entry().shed_record = debt
    assert night.reports.close_if_on(night.panel[TUB], 60.0) is means
    assert (night.entry().shed_record is not None) is owed
