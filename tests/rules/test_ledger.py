"""The ledger: what is owed outlives crashes and outages, and only its own reasons end it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rules.ledger import BY_CONTROLLER, Ledger
from rules.ledger_entry import Hold, LastSwitch, PendingRequest, ShedCause, ShedRecord
from rules.panel import CircuitId, Panel, Position
from tests.virtual_house import circuit, essential

if TYPE_CHECKING:
    from collections.abc import Callable

    from rules.json_types import Json

ON, OFF, UNKNOWN = Position.ON, Position.OFF, Position.UNKNOWN
TUB, DRYER, FRIDGE = CircuitId("hot-tub"), CircuitId("dryer"), CircuitId("fridge")
PANEL = Panel.of(essential("fridge"), circuit("dryer"), circuit("hot-tub"))


def ledger(at: float = 100.0, **rows: Json) -> Ledger:
    """Return a ledger whose disk has these positions."""
    one = Ledger(PANEL, "boot-1", at)
    one.load({CircuitId(name.replace("_", "-")): {"position": row} for name, row in rows.items()})
    return one


def test_what_is_owed_keeps_its_before_however_many_outages_pass() -> None:
    """The second outage begins with the tub off by us: that is no reason to leave it off."""
    one = ledger(hot_tub="on")
    one.outage, one.before = 1, {TUB: ON}
    first = one.record_shed(TUB, 101.0)
    one.close()
    one.outage, one.before = 2, {TUB: OFF}
    assert one.record_shed(TUB, 500.0) is first
    assert (first.outage, first.before) == (1, ON)


def test_unreadable_rows_are_named_and_affect_no_other() -> None:
    """And rows of circuits no longer in the file are left where they are."""
    one = Ledger(PANEL, "boot-1", 0.0)
    unread = one.load({TUB: {"position": "ajar"}, DRYER: {"position": "off"}, CircuitId("gone"): {}})
    assert unread == (TUB,)
    assert one[DRYER].retained_position is OFF
    assert one[TUB].retained_position is UNKNOWN


RESUMED: tuple[tuple[str, dict[CircuitId, Position], bool, bool, bool], ...] = (
    # on the disk, at the first edge, stage "about", owed then, doubtful then
    ("on", {TUB: ON}, True, True, False),
    ("unknown", {TUB: UNKNOWN}, True, True, False),
    ("off", {TUB: OFF}, True, False, False),
    ("on", {}, True, True, False),  # added to the file since
    ("unknown", {}, True, False, False),
    ("on", {TUB: ON}, False, False, True),
    ("off", {TUB: OFF}, False, False, False),
)


@pytest.mark.parametrize(("row", "before", "about", "owed", "doubtful"), RESUMED)
def test_a_start_finds_about_to_shed_and_counts_those_as_switched_off_by_us(
    row: str, before: dict[CircuitId, Position], about: bool, owed: bool, doubtful: bool
) -> None:
    """Later in the outage each shed record is on disk; a circuit that is off without one is unexplained."""
    one = ledger(hot_tub=row)
    one.outage, one.before = 1, before
    one.resume(PANEL, about=about)
    assert (one[TUB].owed, one[TUB].off_unexplained) == (owed, doubtful)


@pytest.mark.parametrize(("row", "about", "doubtful"), [("on", True, True), ("off", True, False), ("on", False, False)])
def test_what_was_retagged_essential_before_the_start_may_have_been_in_the_plan(
    row: str, about: bool, doubtful: bool
) -> None:
    """The program died with an OFF just sent and nothing written, and the file was changed before it was back."""
    one = ledger(fridge=row)
    one.outage, one.before = 1, {FRIDGE: ON}
    one.resume(PANEL, about=about)
    assert not one[FRIDGE].owed
    assert one[FRIDGE].off_unexplained is doubtful


@pytest.mark.parametrize(("before", "hearsay"), [(ON, False), (UNKNOWN, True)])
def test_the_row_of_the_first_edge_is_verified(before: Position, hearsay: bool) -> None:
    """No memory of the broker's outweighs what was written then; unknown is unknown."""
    one = ledger(hot_tub="on")
    one.outage, one.before = 1, {TUB: before}
    one.resume(PANEL, about=True)
    start = one.boot_time(100.0)
    assert one[TUB].shed_record == ShedRecord(1, before, start, start, before_unverified=hearsay)


def test_a_start_adds_no_shed_record_to_an_essential_or_overridden_circuit() -> None:
    """Neither was ever to be shed."""
    one = ledger(fridge="on", hot_tub="on", dryer="off")
    one[TUB].taken_over = True
    one.outage, one.before = 1, {FRIDGE: ON, TUB: ON}
    one.resume(PANEL, about=True)
    assert one.owed_circuits == set()


def test_only_what_changed_is_written_and_once() -> None:
    """Each further try of a command is no news to the disk."""
    one = ledger(hot_tub="on")
    one.off_sent(TUB, 101.0, 5.0, ours=True)
    assert [circuit for circuit, _ in one.take_changes()] == [TUB]
    one.off_sent(TUB, 106.0, 5.0, ours=True)
    assert list(one.take_changes()) == []
    assert (one[TUB].attempts, one[TUB].shed_record.off_at.mono) == (2, 106.0)  # type: ignore[union-attr]


def test_a_circuit_that_left_the_file_is_written_no_more() -> None:
    """Those that stay keep their lines."""
    one = ledger(hot_tub="on", dryer="on")
    one.record_shed(TUB, 101.0)
    one.record_shed(DRYER, 101.0)
    one.set_panel(Panel.of(circuit("dryer"), circuit("sauna")))
    assert one.owed_circuits == {DRYER}
    assert [circuit for circuit, _ in one.take_changes()] == [DRYER]


def test_clearing_a_circuit_that_is_not_owed_does_nothing() -> None:
    """No row is written for it."""
    one = ledger()
    one.clear(TUB)
    assert (one.changed, one.closed_records) == (set(), [])


def test_a_planned_shed_that_was_never_sent_ends_silently() -> None:
    """Its OFF was never sent: there is no end to write."""
    one = ledger()
    one.record_shed(TUB, 101.0, commanded=False)
    one.clear(TUB)
    assert (one[TUB].shed_record, one.closed_records) == (None, [])


NEWS: tuple[tuple[str, Callable[[Ledger], object]], ...] = (
    ("owed", lambda one: one.record_shed(DRYER, 101.0)),
    ("no longer owed", lambda one: one.clear(TUB)),
    ("taken over", lambda one: one.take_over(DRYER)),
    ("the rules' again, the outage being over", lambda one: one.close()),
    ("on hold", lambda one: one.hold(DRYER, Hold("Ann", "", one.boot_time(102.0)))),
    ("released", lambda one: one.release(DRYER)),
    ("called in", lambda one: one.release_for_restore(TUB)),
    ("switched", lambda one: one.record_switch(DRYER, OFF, "Ann", 102.0)),
)


@pytest.mark.parametrize(("news", "happens"), NEWS)
def test_what_becomes_of_a_circuit_is_news_to_the_disk(news: str, happens: Callable[[Ledger], object]) -> None:
    """The row of that circuit, and no other."""
    one = ledger(hot_tub="on", dryer="on")
    one.outage = 1
    one.record_shed(TUB, 101.0)
    one[FRIDGE].taken_over = True
    one.changed.clear()
    happens(one)
    (circuit,) = one.changed
    assert circuit == {"no longer owed": TUB, "called in": TUB}.get(news, FRIDGE if "rules'" in news else DRYER)


def test_our_off_is_a_shed_record_since_it_was_sent() -> None:
    """Also if it was planned before; the controller switched it."""
    one = ledger(hot_tub="on")
    one.outage, one[TUB].position = 1, ON
    one.record_shed(TUB, 101.0, commanded=False)
    one.off_sent(TUB, 101.5, 5.0, ours=True)
    left = one.boot_time(101.5)
    assert one[TUB].shed_record == ShedRecord(1, ON, left, left)
    assert one[TUB].last_switch == LastSwitch(OFF, BY_CONTROLLER, left)


BEFORE = (
    # the broker's word, the disk's, before
    (OFF, ON, UNKNOWN),
    (OFF, OFF, OFF),
    (UNKNOWN, ON, ON),
)


@pytest.mark.parametrize(("word", "disk", "before"), BEFORE)
def test_a_circuit_that_the_outages_record_does_not_know_was_as_broker_and_disk_say_alike(
    word: Position, disk: Position, before: Position
) -> None:
    """Owed without an outage it belongs to none."""
    one = ledger(hot_tub=disk.value)
    one[TUB].position = word
    debt = one.record_shed(TUB, 101.0)
    assert (debt.before, debt.outage, debt.before_unverified) == (before, 0, word is not disk)


def test_each_command_counts_its_own_tries() -> None:
    """An ON after two OFFs is the first of its kind, and so is the next OFF."""
    one = ledger(hot_tub="on")
    tries = []
    for word in (OFF, OFF, ON, OFF):
        if word is OFF:
            one.off_sent(TUB, 101.0, 5.0, ours=True)
        else:
            one.on_sent(TUB, 101.0, 5.0)
        tries.append(one[TUB].attempts)
    assert tries == [1, 2, 1, 1]


BEHIND = (
    # known to be, an ON of ours left at, our OFF leaves at, another may take effect after the one that is answered
    (ON, None, 200.0, False),
    (ON, 140.1, 200.0, True),  # the ON may still lie in a slow hub
    (ON, 140.0, 200.0, False),
    (OFF, None, 200.0, True),  # what it says next may be what it was
    (UNKNOWN, None, 200.0, True),
)


@pytest.mark.parametrize(("position", "on_at", "off_at", "behind"), BEHIND)
def test_a_report_of_off_answers_our_off_for_certain_only_where_the_circuit_was_on_for_certain(
    position: Position, on_at: float | None, off_at: float, behind: bool
) -> None:
    """A minute after an ON of ours nothing of it comes any more. A second OFF under way is one too many."""
    one = ledger(hot_tub=position.value)
    one[TUB].position = position
    if on_at is not None:
        one.on_sent(TUB, on_at, 5.0)
    one.off_sent(TUB, off_at, 5.0, ours=True)
    assert one[TUB].more_offs_in_flight is behind
    one.off_sent(TUB, off_at + 5.0, 5.0, ours=True)
    assert one[TUB].more_offs_in_flight


def test_what_was_commanded_before_a_start_may_still_take_effect() -> None:
    """What was sent of the owed circuits is unknown; of the others nothing was."""
    before = ledger(hot_tub="on", dryer="on")
    before.off_sent(TUB, 101.0, 5.0, ours=True)
    one = Ledger(PANEL, "boot-2", 500.0)
    one.load(dict(before.take_changes()))
    assert (one[TUB].on_sent_at, one[TUB].more_offs_in_flight) == (500.0, True)
    assert (one[DRYER].on_sent_at, one[DRYER].more_offs_in_flight) == (None, False)


def test_an_ended_shed_record_leaves_no_off_behind() -> None:
    """The next shed record begins with its own first OFF."""
    one = ledger(hot_tub="on")
    one.off_sent(TUB, 101.0, 5.0, ours=True)
    one.off_sent(TUB, 106.0, 5.0, ours=True)
    assert one[TUB].more_offs_in_flight
    one.clear(TUB)
    assert not one[TUB].more_offs_in_flight


def test_a_manual_override_lasts_for_the_outage_and_ends_the_shed_record() -> None:
    """Taken over again it is no news, and without an outage there is nothing to take over from."""
    one = ledger()
    one.take_over(DRYER)
    assert not one[DRYER].taken_over
    one.outage = 1
    one.record_shed(TUB, 101.0)
    one.take_over(TUB)
    assert (one[TUB].taken_over, one[TUB].shed_record, one.owed_circuits) == (True, None, set())
    one.changed.clear()
    one.take_over(TUB)
    assert one.changed == set()
    one.close()
    assert (one[TUB].taken_over, one.before) == (False, {})


def test_a_hold_ends_an_earlier_request_and_its_release_switches_nothing() -> None:
    """What was owed then waits for a user request."""
    one = ledger()
    debt = one.record_shed(TUB, 101.0)
    one.add_request(DRYER, PendingRequest(ON, "Ann", 0.0))
    one.hold(DRYER, Hold("Ann", "", one.boot_time(102.0)))
    assert one[DRYER].request is None
    one.hold(TUB, Hold("Ann", "", one.boot_time(102.0)))
    one.release_for_restore(TUB)
    one.release(TUB)
    one.release(DRYER)
    assert (one[TUB].hold, debt.needs_request, debt.released) == (None, True, False)


def test_a_user_request_releases_an_owed_circuit_with_three_new_attempts() -> None:
    """And changes nothing if none is owed."""
    one = ledger()
    debt = one.record_shed(TUB, 101.0)
    one[TUB].attempts = 3
    one.release_for_restore(TUB)
    one.release_for_restore(DRYER)
    assert (debt.released, one[TUB].attempts) == (True, 0)
    assert one[DRYER].shed_record is None


def test_a_request_has_three_attempts_of_its_own() -> None:
    """Also where the same was commanded before."""
    one = ledger()
    one.on_sent(TUB, 101.0, 5.0)
    one.on_sent(TUB, 106.0, 5.0)
    one.add_request(TUB, PendingRequest(OFF, "Ann", 107.0))
    assert one[TUB].attempts == 2
    one.add_request(TUB, PendingRequest(ON, "Ann", 107.0))
    assert one[TUB].attempts == 0


def test_an_off_on_user_request_is_not_owed() -> None:
    """It was requested: it is not restored."""
    one = ledger()
    one.off_sent(TUB, 101.0, 5.0, ours=False)
    assert (one[TUB].sent, one[TUB].shed_record) == (OFF, None)


def test_each_shed_record_has_its_cause() -> None:
    """Shed, unless said otherwise."""
    one = ledger()
    assert one.record_shed(TUB, 101.0).cause is ShedCause.SHED
    assert one.record_shed(DRYER, 101.0, ShedCause.POWER_LOSS).cause is ShedCause.POWER_LOSS
