"""What the settled contact says, by when things happened and not by when they were read."""

from __future__ import annotations

import pytest

from rules.contact import ContactDebouncer, PowerSource

SETTLE_S = 0.1
UTILITY, STANDBY, UNKNOWN = PowerSource.UTILITY, PowerSource.STANDBY, PowerSource.UNKNOWN


def contact(*seen: tuple[PowerSource, float], on_lost_shed: bool = False, distrust: bool = False) -> ContactDebouncer:
    """Return a contact that has seen these edges, each deadline played in its turn."""
    one = ContactDebouncer(SETTLE_S, 0.0, on_lost_shed=on_lost_shed, distrust_retained=distrust)
    for source, at in seen:
        one.on_deadline(at)
        one.on_position(source, at)
    return one


def on_utility() -> ContactDebouncer:
    """Return a contact settled on utility since the start."""
    one = contact((UTILITY, 0.0))
    assert one.on_deadline(0.1) is UTILITY
    return one


SETTLING = (
    # edges after a start on utility at 0.1 s, asked at, settled then, settled since, bounces
    ([(STANDBY, 1.0)], 1.09, UTILITY, 0.0, 0),
    ([(STANDBY, 1.0)], 1.1, STANDBY, 1.0, 0),
    ([(STANDBY, 1.0), (STANDBY, 1.05)], 1.1, STANDBY, 1.0, 0),
    ([(STANDBY, 1.0), (UTILITY, 1.05)], 9.0, UTILITY, 0.0, 1),
    ([(STANDBY, 1.0), (UTILITY, 1.05), (STANDBY, 1.06)], 1.12, UTILITY, 0.0, 1),
    ([(STANDBY, 1.0), (UTILITY, 1.05), (STANDBY, 1.06)], 1.17, STANDBY, 1.06, 1),
    ([(STANDBY, 1.0), (UTILITY, 1.01), (STANDBY, 1.02), (UTILITY, 1.03)], 9.0, UTILITY, 0.0, 2),
    ([(UTILITY, 1.0)], 9.0, UTILITY, 0.0, 0),
)


@pytest.mark.parametrize(("edges", "asked", "settled", "since", "bounces"), SETTLING)
def test_a_new_position_counts_once_it_has_held(
    edges: list[tuple[PowerSource, float]], asked: float, settled: PowerSource, since: float, bounces: int
) -> None:
    """The first edge starts the wait, a repeated level does not restart it, and a bounce ends it."""
    one = on_utility()
    for source, at in edges:
        one.on_position(source, at)
    one.on_deadline(asked)
    assert (one.settled, one.settled_at, one.bounces) == (settled, since, bounces)


def test_what_is_judged_is_when_it_happened_not_when_it_was_read() -> None:
    """A program that slept through the settling still says when the outage began."""
    one = on_utility()
    one.on_position(STANDBY, 1.0)
    assert one.deadline() == pytest.approx(1.1)
    assert one.on_deadline(60.0) is STANDBY
    assert one.settled_at == 1.0


def test_the_first_reading_has_to_hold_as_well() -> None:
    """A program that starts in the middle of a bounce must not take it for the truth."""
    one = contact((STANDBY, 0.0))
    assert one.settled is UNKNOWN
    assert one.on_deadline(0.05) is None
    assert one.on_deadline(0.1) is STANDBY


def test_an_unsettled_edge_ends_the_unbroken_stretch_of_utility() -> None:
    """Also if it turns out to be a bounce: the wait restarts once the returning edge has held as well."""
    one = on_utility()
    assert (one.steady, one.steady_since) == (True, 0.1)
    one.on_position(STANDBY, 5.0)
    assert (one.steady, one.steady_since) == (False, None)
    one.on_position(UTILITY, 5.05)
    assert one.steady
    assert one.steady_since == pytest.approx(5.15)


def test_a_settled_opening_is_no_utility() -> None:
    """Nothing is steady on standby."""
    one = on_utility()
    one.on_position(STANDBY, 5.0)
    one.on_deadline(5.1)
    assert (one.steady, one.steady_since, one.deadline()) == (False, None, None)


def test_a_lost_contact_is_unknown_and_stays_so() -> None:
    """It starts and ends no outage: only a user, or the contact, does."""
    one = on_utility()
    one.on_lost(7.0, offline=True)
    assert (one.settled, one.settled_at, one.lost_since, one.steady_since) == (UNKNOWN, 7.0, 7.0, None)
    assert one.deadline() is None
    one.on_lost(9.0, offline=True)
    assert (one.settled_at, one.lost_since) == (7.0, 7.0)


def test_a_contact_lost_while_it_settles_settles_no_more() -> None:
    """An edge that could not be watched for `settle_s` is no outage."""
    one = on_utility()
    one.on_position(STANDBY, 5.0)
    one.on_lost(5.05, offline=True)
    assert (one.pending, one.on_deadline(9.0), one.settled) == (None, None, UNKNOWN)


LOST = (
    # on_lost = "shed", seconds since the loss, source that counts
    (True, 14.9, UNKNOWN),
    (True, 15.0, STANDBY),
    (False, 900.0, UNKNOWN),
)


@pytest.mark.parametrize(("on_lost_shed", "after_s", "settled"), LOST)
def test_a_lost_contact_counts_as_standby_after_15_s_where_the_file_says_so(
    on_lost_shed: bool, after_s: float, settled: PowerSource
) -> None:
    """After the loss, or after a start that never read it: the wait is the same."""
    never_read = ContactDebouncer(SETTLE_S, 0.0, on_lost_shed=on_lost_shed)
    never_read.on_deadline(after_s)
    lost = ContactDebouncer(SETTLE_S, 0.0, on_lost_shed=on_lost_shed)
    lost.on_position(UTILITY, 0.0)
    lost.on_deadline(0.1)
    lost.on_lost(100.0, offline=True)
    lost.on_deadline(100.0 + after_s)
    assert (never_read.settled, lost.settled) == (settled, settled)


def test_a_contact_taken_for_open_is_taken_for_open_once() -> None:
    """There is no second deadline, another loss changes nothing, and the contact's own word settles as ever."""
    one = ContactDebouncer(SETTLE_S, 0.0, on_lost_shed=True)
    assert one.on_deadline(17.0) is STANDBY
    assert one.settled_at == 15.0
    assert one.deadline() is None
    one.on_lost(20.0, offline=True)
    assert one.settled is STANDBY
    one.on_position(UTILITY, 30.0)
    assert one.on_deadline(30.1) is UTILITY


def test_a_contact_taken_for_open_that_says_open_was_open() -> None:
    """From then on a loss is a loss again."""
    one = ContactDebouncer(SETTLE_S, 0.0, on_lost_shed=True)
    one.on_deadline(15.0)
    one.on_position(STANDBY, 16.0)
    one.on_lost(20.0, offline=True)
    assert one.settled is UNKNOWN


REMEMBERED = (
    # what the broker remembers, distrusted, counts at once, counts once settled
    (STANDBY, False, STANDBY, STANDBY),
    (STANDBY, True, STANDBY, STANDBY),
    (UTILITY, False, UNKNOWN, UTILITY),
    (UTILITY, True, UNKNOWN, UNKNOWN),
)


@pytest.mark.parametrize(("word", "distrusted", "at_once", "later"), REMEMBERED)
def test_a_remembered_word_sheds_at_once_and_restores_only_where_trusted(
    word: PowerSource, distrusted: bool, at_once: PowerSource, later: PowerSource
) -> None:
    """Brokers come back from a power cut with old memories: a wrong standby costs comfort, a wrong utility a house."""
    one = contact(distrust=distrusted)
    one.on_retained(word, 1.0)
    assert one.settled is at_once
    one.on_deadline(9.0)
    assert one.settled is later


def test_a_distrusted_memory_counts_once_its_device_says_anything() -> None:
    """A device that is alive and has reported nothing else is still in its last position."""
    one = contact(distrust=True)
    one.on_retained(UTILITY, 1.0)
    one.on_device_alive(5.0)
    assert one.on_deadline(5.1) is UTILITY


def test_a_sign_of_life_before_any_word_says_no_position() -> None:
    """But from then on the broker's memory is as good as the device."""
    one = contact(distrust=True)
    one.on_device_alive(1.0)
    assert (one.settled, one.pending) == (UNKNOWN, None)
    one.on_retained(UTILITY, 2.0)
    assert one.on_deadline(2.1) is UTILITY


def test_a_remembered_standby_that_is_known_already_changes_nothing() -> None:
    """A reconnection delivers all retained messages again."""
    one = on_utility()
    one.on_retained(STANDBY, 1.0)
    assert one.steady_since is None
    one.on_retained(STANDBY, 50.0)
    assert one.settled_at == 1.0


def test_the_memory_of_a_contact_whose_device_is_offline_waits_for_the_device() -> None:
    """Its last word was before it went."""
    one = on_utility()
    one.on_lost(5.0, offline=True)
    one.on_retained(UTILITY, 6.0)
    assert one.on_deadline(9.0) is None
    one.on_device_alive(10.0)
    assert one.on_deadline(10.1) is UTILITY


def test_what_a_device_said_itself_counts_again_when_it_is_back_without_a_word() -> None:
    """It has not moved, or it would have said so."""
    one = on_utility()
    one.on_position(STANDBY, 4.0)
    assert one.on_deadline(4.1) is STANDBY
    one.on_lost(5.0, offline=True)
    assert one.settled is UNKNOWN
    one.on_device_alive(10.0)
    assert one.on_deadline(10.1) is STANDBY


def test_a_device_that_reported_is_there_and_its_retained_report_counts() -> None:
    """It was offline until then."""
    one = on_utility()
    one.on_lost(5.0, offline=True)
    one.on_position(UTILITY, 6.0)
    assert one.on_deadline(6.1) is UTILITY
    one.on_retained(STANDBY, 7.0)
    one.on_retained(UTILITY, 8.0)
    assert one.on_deadline(8.1) is UTILITY


def test_what_was_said_before_the_broker_went_does_not_count_after() -> None:
    """The device may have reported something else in between: the retained report is evaluated again."""
    one = on_utility()
    one.on_lost(5.0, offline=False)
    one.on_device_alive(6.0)
    assert (one.settled, one.pending) == (UNKNOWN, None)
    one.on_retained(UTILITY, 7.0)
    assert one.on_deadline(7.1) is UTILITY


def test_a_contact_of_which_the_file_says_nothing_is_believed_and_lost_for_good() -> None:
    """What the broker remembers of it counts, and a loss is no standby; it was never read before."""
    one = ContactDebouncer(SETTLE_S, 3.0)
    assert (one.settled, one.settled_at, one.lost_since, one.deadline()) == (UNKNOWN, 3.0, 3.0, None)
    one.on_retained(UTILITY, 4.0)
    assert one.on_deadline(4.1) is UTILITY
