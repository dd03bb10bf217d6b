"""Device reports, evaluated: on again manually, by a reboot, by us.

For off and retained reports see the other files.
"""

from __future__ import annotations

import pytest

from rules.device_reports import ReportContext, ReportOutcome
from rules.ledger import BY_CONTROLLER, BY_HAND
from rules.ledger_entry import LastSwitch
from rules.panel import Position
from tests.rules.reported import CHARGER, DOUBTS, LATE_S, SAUNA, SHEDS, TUB, UTILITY, Night

ON, OFF, TRIPPED, UNKNOWN = Position.ON, Position.OFF, Position.TRIPPED, Position.UNKNOWN


def test_a_live_word_is_what_is_and_is_written_down_once() -> None:
    """Said again, it is no news to the disk."""
    night = Night(disk=OFF)
    assert night.says(ON, 20.0) is None
    entry = night.entry()
    assert (entry.position, entry.live, entry.reported_at, entry.retained_position) == (ON, True, 20.0, ON)
    assert night.ledger.changed == {TUB}
    night.ledger.changed.clear()
    night.says(ON, 21.0)
    assert (night.ledger.changed, entry.reported_at) == (set(), 21.0)


def test_a_circuit_that_is_on_is_no_longer_doubtful_and_did_not_fall() -> None:
    """What was feared of it has not come true."""
    night = Night()
    night.entry().off_unexplained = True
    night.says(ON, 20.0)
    night.says(OFF, 21.0)
    assert night.entry().shed_record is None
    night.says(OFF, 20.0, CHARGER)
    night.says(ON, 21.0, CHARGER)
    assert night.comes(22.0, CHARGER) is None
    assert night.entry(CHARGER).shed_record is None


# --- before our OFF has reached it -----------------------------------------------------------------------------------

WAS_ON = (
    # before, unverified, before after the circuit has reported on
    (ON, True, ON),
    (UNKNOWN, True, ON),
    (OFF, True, UNKNOWN),  # a breaker may wake on in the transfer
    (OFF, False, OFF),
    (UNKNOWN, False, UNKNOWN),
)


@pytest.mark.parametrize(("before", "hearsay", "after"), WAS_ON)
def test_a_circuit_on_before_our_off_reached_it_was_on_unless_the_disk_says_off(
    before: Position, hearsay: bool, after: Position
) -> None:
    """If `before` was unverified. A repeated report has no more weight than the first."""
    night = Night()
    night.off(100.0)
    night.ledger.changed.clear()
    night.debt().before, night.debt().before_unverified = before, hearsay
    assert night.says(ON, 100.1) is None
    assert night.says(ON, 100.2) is None
    assert (night.debt().before, night.debt().before_unverified) == (after, False)
    assert night.ledger.changed == ({TUB} if hearsay else set())


LATE = (
    # what the house wants, seconds after our OFF, what it means
    (SHEDS, LATE_S, None),
    (DOUBTS, LATE_S, None),
    (UTILITY, LATE_S - 0.1, None),  # our OFF may still take effect: then it is ours
    (UTILITY, LATE_S, ReportOutcome.STAYED_ON),
)


@pytest.mark.parametrize(("phase", "after_s", "means"), LATE)
def test_a_circuit_that_never_confirmed_off_stayed_on_once_no_off_can_take_effect(
    phase: ReportContext, after_s: float, means: ReportOutcome | None
) -> None:
    """On standby it is still to be switched off."""
    night = Night()
    night.off(100.0)
    assert night.says(ON, 100.0 + after_s, phase=phase) is means
    assert night.entry().owed is (means is None)


def test_a_report_of_on_from_before_the_off_does_not_end_the_shed_record() -> None:
    """The OFF may have been obeyed, and every report of it lost: the circuit stays owed until it is heard of again."""
    night = Night()
    assert night.says(ON, 99.0) is None
    night.off(100.0)
    assert night.reports.deadline(TUB, UTILITY) is None
    assert night.passes(100.0 + LATE_S, phase=UTILITY) is None
    assert night.entry().owed
    assert night.says(ON, 101.0 + LATE_S, phase=UTILITY) is ReportOutcome.STAYED_ON


# --- our own ON ------------------------------------------------------------------------------------------------------


def test_our_confirmed_on_ends_the_shed_record() -> None:
    """Switched by us, at the time of the report."""
    night = Night()
    night.shed()
    night.on(300.0)
    assert night.says(ON, 300.1, phase=UTILITY) is ReportOutcome.CONFIRMED_ON
    assert night.entry().shed_record is None
    assert night.entry().last_switch == LastSwitch(ON, BY_CONTROLLER, night.at(300.1))


def test_our_on_that_arrives_on_standby_is_answered_by_off() -> None:
    """The contact has opened since; and a manual ON after that does not count as ours."""
    night = Night()
    night.shed()
    night.on(300.0)
    assert night.says(ON, 300.1, phase=SHEDS) is ReportOutcome.UNEXPECTED_ON
    assert night.entry().owed
    assert not night.entry().on_pending


OFFS_UNDER_WAY = (
    # seconds from an unacknowledged OFF to the acknowledgment of our ON, meaning
    (LATE_S - 0.1, None),
    (LATE_S, ReportOutcome.CONFIRMED_ON),
)


@pytest.mark.parametrize(("after_s", "means"), OFFS_UNDER_WAY)
def test_our_on_ends_no_shed_record_while_an_off_may_still_take_effect(
    after_s: float, means: ReportOutcome | None
) -> None:
    """It may be the earlier position. Once no OFF can come any more, its position is its own or manual."""
    night = Night()
    night.off(100.0)
    night.on(102.0)
    assert night.says(ON, 100.0 + after_s, phase=UTILITY) is means
    assert night.entry().owed is (means is None)
    if means is not None:
        night.says(OFF, 400.0, phase=UTILITY)
        assert night.entry().last_switch == LastSwitch(OFF, BY_HAND, night.at(400.0))


def test_what_our_on_brought_back_is_ours_when_time_has_shown_that_no_off_follows() -> None:
    """The report came while an OFF could still take effect: the shed record ends when it cannot."""
    night = Night()
    night.off(100.0)
    night.on(102.0)
    night.says(ON, 102.1, phase=UTILITY)
    assert night.reports.deadline(TUB, UTILITY) == 100.0 + LATE_S
    assert night.passes(100.0 + LATE_S - 0.1, phase=UTILITY) is None
    assert night.passes(100.0 + LATE_S, phase=UTILITY) is ReportOutcome.CONFIRMED_ON
    assert night.entry().last_switch == LastSwitch(ON, BY_CONTROLLER, night.at(100.0 + LATE_S))


def test_an_on_whose_off_took_effect_after_all_is_still_owed() -> None:
    """It reported on, and then off: our OFF was the slower one; and after a manual ON the user restored it."""
    night = Night()
    night.off(100.0)
    night.on(102.0)
    night.says(ON, 102.1, phase=UTILITY)
    night.says(OFF, 103.0, phase=UTILITY)
    assert night.passes(100.0 + LATE_S, phase=UTILITY) is None
    assert night.entry().owed
    assert night.says(ON, 200.0, phase=UTILITY) is ReportOutcome.ON_WITHOUT_COMMAND


def test_what_came_back_by_itself_is_not_called_switched_by_us() -> None:
    """There was no command."""
    night = Night()
    night.shed()
    who = night.entry().last_switch
    assert night.says(ON, 300.0, phase=UTILITY) is ReportOutcome.ON_WITHOUT_COMMAND
    assert night.entry().last_switch is who


# --- on again, confirmed off before ----------------------------------------------------------------------------------


def test_a_device_that_writes_availability_is_a_persons_once_it_has_not_gone_for_confirm_s() -> None:
    """A last will says of a reboot that it was one."""
    night = Night()
    night.comes(20.0)
    night.shed()
    assert night.says(ON, 200.0) is ReportOutcome.POSSIBLE_OVERRIDE
    assert night.reports.deadline(TUB, SHEDS) == 205.0
    assert night.passes(204.9) is None
    assert night.passes(205.0) is ReportOutcome.TAKEN_OVER
    assert (night.entry().taken_over, night.entry().shed_record) == (True, None)
    assert night.entry().last_switch == LastSwitch(ON, BY_HAND, night.at(205.0))


def test_a_device_that_says_that_it_came_back_was_rebooting() -> None:
    """Its ON was not a request: it is shed again on standby, and elsewhere it has no effect."""
    for phase, means in ((SHEDS, ReportOutcome.UNEXPECTED_ON), (UTILITY, None)):
        night = Night()
        night.comes(20.0)
        night.shed()
        night.says(ON, 200.0)
        assert night.comes(201.0, phase=phase) is means
        assert night.passes(205.0) is None
        assert not night.entry().taken_over


def test_off_again_is_no_person() -> None:
    """The wait for the proof ends with the circuit off."""
    night = Night()
    night.comes(20.0)
    night.shed()
    night.says(ON, 200.0)
    night.says(OFF, 201.0)
    assert night.passes(205.0) is None
    assert not night.entry().taken_over


def test_a_device_that_never_writes_availability_is_shed_once_more_and_then_a_persons() -> None:
    """Its first ON cannot be distinguished from a reboot's."""
    night = Night()
    night.shed()
    assert night.says(ON, 200.0) is ReportOutcome.UNEXPECTED_ON
    night.off(200.0)
    night.says(OFF, 200.1)
    assert night.says(ON, 250.0) is ReportOutcome.TAKEN_OVER
    assert night.entry().last_switch == LastSwitch(ON, BY_HAND, night.at(250.0))


def test_each_outage_counts_the_ons_of_a_device_from_zero() -> None:
    """One in the last outage and one in this are one each."""
    night = Night()
    night.shed()
    night.says(ON, 200.0)
    night.ledger.close()
    night.ledger.outage = 2
    night.off(300.0)
    night.says(OFF, 300.1)
    assert night.says(ON, 400.0) is ReportOutcome.UNEXPECTED_ON
    assert not night.entry().taken_over


REBOOTS = (
    # the device's availability last changed, its ON, what it means
    (195.0, 200.0, ReportOutcome.UNEXPECTED_ON),
    (195.0, 200.1, ReportOutcome.POSSIBLE_OVERRIDE),
)


@pytest.mark.parametrize(("came_at", "on_at", "means"), REBOOTS)
def test_on_within_confirm_s_of_a_change_of_availability_is_a_reboots(
    came_at: float, on_at: float, means: ReportOutcome
) -> None:
    """To the moment."""
    night = Night()
    night.shed()
    night.comes(came_at)
    assert night.says(ON, on_at) is means


def test_an_on_that_repeats_itself_while_it_is_being_shed_again_says_nothing_new() -> None:
    """Our OFF is on its way; elsewhere than on standby the report is judged."""
    night = Night()
    night.shed()
    night.says(ON, 200.0)
    night.off(200.0)
    assert night.says(ON, 200.1) is None
    assert night.says(ON, 200.2, phase=DOUBTS) is ReportOutcome.UNEXPECTED_ON


OURS_OR_THEIRS = (
    # our ON left at 300 s and came on standby; shed again, it is on once more at, what it means
    (360.0, ReportOutcome.UNEXPECTED_ON),
    (360.1, ReportOutcome.POSSIBLE_OVERRIDE),
)


@pytest.mark.parametrize(("on_at", "means"), OURS_OR_THEIRS)
def test_an_on_within_a_minute_of_our_own_is_no_persons(on_at: float, means: ReportOutcome) -> None:
    """It may be that one's late answer."""
    night = Night()
    night.comes(20.0)
    night.shed()
    night.on(300.0)
    night.says(ON, 300.1)
    night.off(300.2)
    night.says(OFF, 300.3)
    assert night.says(ON, on_at) is means


CROSSED = (
    # OFF left at 100 s and at 105 s, off is confirmed; on again at, what the house wants, what it means
    (169.9, DOUBTS, ReportOutcome.UNEXPECTED_ON),  # the second OFF may yet take effect: it is watched first
    (170.0, DOUBTS, ReportOutcome.POSSIBLE_OVERRIDE),
    (169.9, SHEDS, ReportOutcome.POSSIBLE_OVERRIDE),
)


@pytest.mark.parametrize(("on_at", "phase", "means"), CROSSED)
def test_back_from_standby_an_on_is_no_persons_while_an_off_of_ours_may_follow(
    on_at: float, phase: ReportContext, means: ReportOutcome
) -> None:
    """Else the load would be said to be theirs, and fall by our own command."""
    night = Night()
    night.comes(20.0)
    night.off(100.0)
    night.off(105.0)
    night.says(OFF, 105.1)
    assert night.says(ON, on_at, phase=phase) is means


def test_an_on_that_repeats_itself_is_one_on() -> None:
    """While the broker is away from us nothing is sent in between: that makes no person of it."""
    night = Night()
    night.shed()
    assert [night.says(ON, at) for at in (200.0, 201.0, 202.0)] == [ReportOutcome.UNEXPECTED_ON] * 3
    assert not night.entry().taken_over


def test_the_proof_of_off_is_as_old_as_our_last_off() -> None:
    """What it said before that one says nothing of after."""
    night = Night()
    night.comes(20.0)
    night.shed()
    night.off(150.0)
    assert night.says(ON, 220.0, phase=DOUBTS) is ReportOutcome.UNEXPECTED_ON


def test_our_on_said_again_is_no_persons_when_the_contact_opens() -> None:
    """It came on by our word, and was watched for an OFF that might follow."""
    night = Night()
    night.comes(20.0)
    night.off(100.0)
    night.off(105.0)
    night.says(OFF, 105.1)
    night.on(106.0)
    assert night.says(ON, 106.1, phase=UTILITY) is None
    assert night.says(ON, 169.0, phase=SHEDS) is ReportOutcome.UNEXPECTED_ON


NO_PROOF = ("a circuit whose override is never", "no outage is open", "another connection")


@pytest.mark.parametrize("lacking", NO_PROOF)
def test_without_proof_no_on_is_a_persons(lacking: str) -> None:
    """However often it comes."""
    name = SAUNA if lacking.startswith("a circuit") else TUB
    night = Night(outage=None if lacking.startswith("no outage") else 1)
    for at in (100.0, 200.0, 300.0):
        night.off(at, name)
        night.says(OFF, at + 0.1, name)
        if lacking.startswith("another"):
            night.reports.connected()
        assert night.says(ON, at + 50.0, name) is ReportOutcome.UNEXPECTED_ON
    assert not night.entry(name).taken_over


def test_on_utility_a_circuit_that_is_on_again_has_paid() -> None:
    """Whatever switched it on: it is restored."""
    for writes in (False, True):
        night = Night()
        if writes:
            night.comes(20.0)
        night.shed()
        assert night.says(ON, 200.0, phase=UTILITY) is ReportOutcome.ON_WITHOUT_COMMAND
        assert night.entry().shed_record is None


def test_on_standby_time_alone_gives_nothing_back() -> None:
    """A circuit on again is owed until it is off, taken over, or utility is there."""
    night = Night()
    night.shed()
    night.says(ON, 200.0)
    assert night.passes(900.0) is None
    assert night.entry().owed
    assert night.passes(900.0, phase=UTILITY) is ReportOutcome.ON_WITHOUT_COMMAND
