"""The store on a disk that works: what is put is what is read, and seldom written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from controller.core.effects import DeleteOutage, LogEvent, SavedState, SaveHistory, SaveLoad, SavePulses
from controller.storage.boot_clocks import LoggedTime
from controller.storage.log_reader import EventLog, SampleRow
from controller.storage.pending_rows import MAX_PENDING_EVENTS, MAX_PENDING_SAMPLES, PendingLedgerRows, PendingSamples
from controller.storage.retention import BATCH, remove_old_events, remove_old_samples
from controller.storage.schema import UnusableDatabaseError
from controller.storage.store import WriteTimings
from rules.boot_time import BootTime
from tests.controller.storage.state_folder import (
    BOOT,
    FRIDGE,
    LATER_BOOT,
    PATIENT,
    TUB,
    Ear,
    entry,
    event,
    history,
    outage,
    sample,
    store_in,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from controller.core.effects import DiskEffect


def written(folder: Path, *batches: Iterable[DiskEffect], boot: str = BOOT, offset: float = 1000.0) -> SavedState:
    """Put these through a store of their own, in a boot whose clock was right; return what it remembered before."""
    ear = Ear()
    store = store_in(folder, ear, boot)
    memory = store.load()
    store.clock(offset, trusted=True)
    for batch in batches:
        store.put(batch)
    store.close()
    assert [*ear.rest()] == []
    return memory


def remembered(folder: Path) -> SavedState:
    """Return what a start would know."""
    return written(folder)


def test_a_folder_without_anything_is_a_house_without_a_past(tmp_path: Path) -> None:
    """The first start makes the folder and both databases."""
    assert remembered(tmp_path / "new" / "state") == SavedState()


def test_what_was_put_is_remembered(tmp_path: Path) -> None:
    """Entries, the outage that is open, and how its circuits fare."""
    written(tmp_path, [entry(TUB, shed_record=1), outage(3), history(3)])
    began = BootTime(BOOT, 10.0)
    assert remembered(tmp_path) == SavedState(
        {TUB: {"shed_record": 1}}, outage(3), (history(3),), 3, (began,), boot=BOOT
    )


def test_what_devices_measured_in_the_open_outage_is_remembered(tmp_path: Path) -> None:
    """The last row of each circuit; those of a closed outage are in the log."""
    first, last = SaveLoad(3, TUB, 4500.0, 2.0, first_kwh=10.0), SaveLoad(3, TUB, 4500.0, 2.0, 4480.0, 1.0, 0.5)
    written(tmp_path, [outage(3), first], [last])
    assert remembered(tmp_path).loads == (last,)
    written(tmp_path, [outage(3, "closed", ended=99.0)])
    assert remembered(tmp_path).loads == ()
    with EventLog(tmp_path) as log:
        (row,) = log.outages()[0].loads
    assert (row.circuit, row.before_w, row.peak_w, row.off_w, row.energy_kwh) == (TUB, 4500.0, 4480.0, 1.0, 0.5)


def test_only_the_last_word_on_each_is_remembered(tmp_path: Path) -> None:
    """Within one commit, and from one to the next."""
    written(tmp_path, [entry(TUB, shed_record=1), entry(TUB, shed_record=2)], [outage(1), history(1)])
    written(
        tmp_path, [entry(TUB, shed_record=3), outage(1, "closed", ended=99.0), history(1, end="restored"), outage(2)]
    )
    memory = remembered(tmp_path)
    assert memory.entries == {TUB: {"shed_record": 3}}
    assert (memory.outage, memory.last_outage, memory.history) == (outage(2), 2, ())
    with EventLog(tmp_path) as log:
        assert [row.histories[0].end for row in log.outages() if row.histories] == ["restored"]


def test_a_closed_outage_is_not_open_and_its_number_is_not_given_again(tmp_path: Path) -> None:
    """Its openings stay, for the guard against a flapping grid."""
    written(tmp_path, [outage(7, "closed", ended=99.0)])
    assert remembered(tmp_path) == SavedState(last_outage=7, openings=(BootTime(BOOT, 10.0),), boot=BOOT)


def test_the_boot_that_last_wrote_and_the_edges_counted_so_far_are_remembered(tmp_path: Path) -> None:
    """A start knows whether the machine has booted since, and no pulse is counted from nought again."""
    written(tmp_path, [SavePulses(5), sample(1.0)])
    written(tmp_path, [SavePulses(6), SavePulses(7)], boot=LATER_BOOT)
    written(tmp_path, [sample(2.0)], boot=LATER_BOOT)
    memory = remembered(tmp_path)
    assert (memory.boot, memory.pulse_count) == (LATER_BOOT, 7)


def test_failures_are_reported_only_when_a_receiver_exists(tmp_path: Path) -> None:
    """The store is loaded before there is an engine; failures are reported with the first row."""
    (tmp_path / "state").touch()
    ear = Ear()
    store = store_in(tmp_path / "state", ear)
    store.load()
    assert ([*ear.rest()], store.alive) == ([], True)
    store.put([])
    assert "cannot be written" in ear.next()
    store.close()
    assert not store.alive


@pytest.mark.parametrize("together", [True, False])
def test_an_outage_that_never_was_leaves_nothing(tmp_path: Path, together: bool) -> None:
    """A bounce; also where its number is taken again at once."""
    effects: list[DiskEffect] = [outage(1), history(1), DeleteOutage(1), outage(1, "about")]
    written(tmp_path, *([effects] if together else [[effect] for effect in effects]))
    memory = remembered(tmp_path)
    assert (memory.outage, memory.history) == (outage(1, "about"), ())


def test_what_strangers_write_is_kept_as_it_is(tmp_path: Path) -> None:
    """Half a surrogate pair, an apostrophe and a zero byte are text as any other."""
    note = "\ud800 ' \x00 é"
    written(tmp_path, [LogEvent(1.0, "held", TUB, {"note": note, "kw": None, "list": [1, {"a": 0.5}]})])
    with EventLog(tmp_path) as log:
        assert [row.details for row in log.events()] == [{"note": note, "kw": None, "list": [1, {"a": 0.5}]}]


# --- when things are written -----------------------------------------------------------------------------------------


def dues(folder: Path, *effects: DiskEffect) -> tuple[bool, bool]:
    """Say whether these are to be written at once: in ledger.db, in samples.db."""
    store = store_in(folder, Ear())
    store.put(effects)
    soon = store._tidy_at - 60.0
    return tuple(due is not None and due < soon for due in (store._ledger.due_at(), store._samples.due_at()))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("effects", "expected"),
    [
        ([event(1.0, lazy=True)], (False, False)),
        ([event(1.0)], (True, False)),
        ([entry(TUB, shed_record=1)], (True, False)),
        ([sample(1.0)], (False, False)),
        ([SavePulses(1)], (False, False)),
        ([SavePulses(1), event(1.0)], (True, True)),
        ([sample(1.0), event(1.0)], (True, True)),
        ([sample(1.0), event(1.0, lazy=True)], (False, False)),
        ([sample(1.0), outage(1)], (True, True)),
    ],
)
def test_what_a_crash_must_not_lose_is_written_at_once_and_the_rest_waits(
    tmp_path: Path, effects: list[DiskEffect], expected: tuple[bool, bool]
) -> None:
    """Samples go with what cannot wait: the card is busy then anyway."""
    assert dues(tmp_path, *effects) == expected


def test_an_entry_that_says_what_is_written_already_is_not_written_again(tmp_path: Path) -> None:
    """A card wears."""
    written(tmp_path, [entry(TUB, shed_record=1), outage(1), history(1)])
    store = store_in(tmp_path, Ear())
    store.load()
    store.put([entry(TUB, shed_record=1), outage(1), history(1)])
    assert not store._ledger.rows
    store.close()


def test_what_queues_up_is_one_commit(tmp_path: Path) -> None:
    """Forty circuits in one outage cost the card one flush, not forty."""
    store = store_in(tmp_path, Ear())
    for number in range(40):
        store.put([entry(TUB, shed_record=number), event(float(number))])
    rows = store._ledger.add()
    assert (len(rows.entries), len(rows.events), bool(store._ledger.rows)) == (1, 40, False)


def test_the_pace_is_kept_by_the_thread_itself(tmp_path: Path) -> None:
    """What may wait a moment is on the disk a moment later, without anybody's asking."""
    ear = Ear()
    store = store_in(tmp_path / "state", ear, pace=WriteTimings(lazy_s=0.01, samples_s=0.01, retry_s=0.01))
    (tmp_path / "state").touch()
    store.load()
    store.put([event(1.0, lazy=True), sample(1.0)])
    assert "cannot be written" in ear.next()
    (tmp_path / "state").unlink()
    assert ear.next() == "recovered"
    assert store.alive
    store.close()
    assert not store.alive
    with EventLog(tmp_path / "state") as log:
        assert ([row.event for row in log.events()], len([*log.samples(1)])) == (["confirmed_off"], 1)


def test_a_store_that_never_loaded_can_be_closed(tmp_path: Path) -> None:
    """A start that ends early ends cleanly."""
    store_in(tmp_path, Ear()).close()


# --- memory that stays small -----------------------------------------------------------------------------------------


def test_a_disk_that_fails_for_long_costs_the_oldest_lines_and_no_shed_record() -> None:
    """How many were lost is known."""
    older, later = PendingLedgerRows(), PendingLedgerRows()
    for number in range(MAX_PENDING_EVENTS):
        older.add(event(float(number)))
        later.add(event(float(MAX_PENDING_EVENTS + number)))
    older.add(entry(TUB, shed_record=1))
    older.add(entry(FRIDGE, shed_record=1))
    later.add(entry(TUB, shed_record=2))
    older.absorb(later)
    assert (older.lost, older.events[0].at, len(older.events)) == (
        MAX_PENDING_EVENTS,
        MAX_PENDING_EVENTS,
        MAX_PENDING_EVENTS,
    )
    assert [kept.row for kept in older.entries.values()] == [{"shed_record": 2}, {"shed_record": 1}]


def test_samples_are_bounded_as_well() -> None:
    """The newest stay."""
    older, later = PendingSamples(), PendingSamples()
    for number in range(MAX_PENDING_SAMPLES):
        older.add(sample(float(number)))
    older.add(SavePulses(5))
    later.add(sample(-1.0))
    older.absorb(later)
    assert older.pulses == SavePulses(5)
    assert (older.lost, older.rows[0].at, older.rows[-1].at) == (1, 1.0, -1.0)


def test_an_outage_dropped_while_the_disk_failed_is_dropped_after_all() -> None:
    """With its circuits, and others' stay."""
    older, later = PendingLedgerRows(), PendingLedgerRows()
    for kept in (outage(1), history(1), outage(2), history(2)):
        older.add(kept)
    later.add(DeleteOutage(1))
    older.absorb(later)
    assert (older.dropped, [*older.outages], [*older.histories]) == ({1}, [2], [(2, TUB)])


# --- wall time -------------------------------------------------------------------------------------------------------


def test_a_clock_put_right_later_puts_right_every_row_of_its_boot(tmp_path: Path) -> None:
    """A Pi wakes with the wrong time, and learns the right one when the network is back."""
    store = store_in(tmp_path, Ear())
    store.load()
    store.put([outage(1), sample(20.0), event(10.0)])
    store.clock(5_000_000.0, trusted=True)
    store.close()
    with EventLog(tmp_path) as log:
        latest = log.outage()
        assert latest is not None
        assert latest.began == LoggedTime(5_000_010.0, trusted=True, moment=BootTime(BOOT, 10.0))
        assert [row.at.utc_s for row in log.samples(1)] == [5_000_020.0]
        assert [row.at.utc_s for row in log.events()] == [5_000_010.0]


def test_a_clock_known_to_be_right_is_not_undone_by_a_restart(tmp_path: Path) -> None:
    """The second start of one boot does not know it yet."""
    written(tmp_path, [outage(1)], offset=5_000_000.0)
    store = store_in(tmp_path, Ear())
    store.load()
    store.put([event(1.0)])
    store.clock(1.0, trusted=False)
    store.close()
    with EventLog(tmp_path) as log:
        assert [(row.began.utc_s, row.began.trusted) for row in log.outages()] == [(5_000_010.0, True)]


def test_a_trusted_clock_that_drifts_is_followed_and_never_distrusted(tmp_path: Path) -> None:
    """A time server that is away does not make the past unknown."""
    store = store_in(tmp_path, Ear())
    store.load()
    for offset, trusted in ((100.0, True), (100.4, True), (200.0, True), (300.0, False)):
        store.clock(offset, trusted)
    store.put([outage(1)])
    store.close()
    with EventLog(tmp_path) as log:
        assert [(row.began.utc_s, row.began.trusted) for row in log.outages()] == [(210.0, True)]


# --- the log as people read it ---------------------------------------------------------------------------------------


def test_an_outage_is_shown_in_full_across_a_reboot(tmp_path: Path) -> None:
    """Moments of two boots, each by its own clock."""
    written(tmp_path, [outage(1), event(10.0), sample(20.0), sample(25.0)], offset=1000.0)
    back = SaveHistory(1, TUB, BootTime(BOOT, 11.0), 0.25, BootTime(LATER_BOOT, 8.0), "restored")
    written(tmp_path, [event(2.0), sample(3.0, kw=None), back], boot=LATER_BOOT, offset=1090.0)
    with EventLog(tmp_path) as log:
        told = log.outage(1)
        assert told is not None
        assert (told.transfers, told.ended, told.energy_kwh, told.peak_15min_kw) == (1, None, 1.5, 4.25)
        assert told.before == {TUB: "on", FRIDGE: "off"}
        shed, given_back = told.histories[0].shed_at, told.histories[0].restored_at
        assert shed is not None
        assert given_back is not None
        assert (shed.utc_s, given_back.utc_s) == (1011.0, 1098.0)
        assert [row.at.utc_s for row in log.samples(1)] == [1020.0, 1025.0, 1093.0]
        assert [row.at.utc_s for row in log.events(told)] == [1010.0, 1092.0]


def test_a_sample_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Unknown stays unknown, and is no 0."""
    written(tmp_path, [outage(1), sample(20.0, kw=None)])
    with EventLog(tmp_path) as log:
        at = LoggedTime(1020.0, trusted=True, moment=BootTime(BOOT, 20.0))
        assert [*log.samples(1)] == [SampleRow(at, None, True, "pulses", 0.5, None, 2.0, 1234.5, 7)]


def test_events_of_an_outage_end_when_its_last_circuit_is_back(tmp_path: Path) -> None:
    """What came before it and long after it is not its own."""
    moments = (event(1.0), event(10.0), event(95.0), event(100.0), event(500.0))
    written(tmp_path, [*moments, outage(1, "closed", ended=50.0), history(1)])
    with EventLog(tmp_path) as log:
        assert [row.at.moment.mono for row in log.events(log.outage(1))] == [10.0, 95.0, 100.0]
        assert len([*log.events()]) == 5


def test_the_log_is_read_while_the_daemon_writes(tmp_path: Path) -> None:
    """And an unknown outage is None."""
    ear = Ear()
    store = store_in(tmp_path, ear)
    store.load()
    with EventLog(tmp_path) as log:
        assert (log.outages(), log.outage(), log.outage(5), [*log.samples(1)]) == ((), None, None, [])
    store.close()


def test_an_empty_folder_is_reported_as_such(tmp_path: Path) -> None:
    """A reader of the log gets a reason, not an empty list."""
    with pytest.raises(FileNotFoundError, match=r"no ledger\.db in"):
        EventLog(tmp_path)
    (tmp_path / "ledger.db").touch()
    with pytest.raises(UnusableDatabaseError, match="schema 0"):
        EventLog(tmp_path)


# --- what goes -------------------------------------------------------------------------------------------------------


def test_samples_older_than_wanted_go_and_the_rest_stays(tmp_path: Path) -> None:
    """By the wall time of boots whose clock was right; in small batches."""
    day = 86_400.0
    written(tmp_path, [sample(at, 1) for at in range(BATCH + 10)], boot="old", offset=day)
    written(tmp_path, [sample(1.0, 2), sample(3.5 * day, 2)], boot="between", offset=2 * day)
    store = store_in(tmp_path, Ear(), "untrusted")
    store.load()
    store.put([sample(1.0, 3)])
    store.close()
    written(tmp_path, [sample(1.0, 4)], boot="new", offset=9 * day)
    with store_in(tmp_path, Ear())._samples.transaction() as db:
        removed = [remove_old_samples(db, 5 * day) for _ in range(3)]
        left = [*db.execute("SELECT outage, at FROM samples ORDER BY boot, at")]
    assert removed == [BATCH, 11, 0]
    assert left == [(2, 3.5 * day), (3, 1.0), (4, 1.0)]


def test_the_past_of_a_boot_without_a_clock_goes_when_the_next_boot_is_old(tmp_path: Path) -> None:
    """It ended before that one began."""
    store = store_in(tmp_path, Ear(), "untrusted")
    store.load()
    store.put([sample(1.0, 1)])
    store.close()
    written(tmp_path, [sample(1.0, 2)], boot="next", offset=100.0)
    with store_in(tmp_path, Ear())._samples.transaction() as db:
        assert (remove_old_samples(db, 50.0), remove_old_samples(db, 100.5)) == (0, 1)


def test_the_oldest_events_go_when_there_are_very_many(tmp_path: Path) -> None:
    """The newest stay."""
    written(tmp_path, [event(float(at)) for at in range(20)])
    with store_in(tmp_path, Ear())._ledger.transaction() as db:
        assert (remove_old_events(db, kept=15), remove_old_events(db, kept=15)) == (5, 0)
        assert db.execute("SELECT min(at) FROM events").fetchone() == (5.0,)


def test_tidying_comes_by_itself_and_goes_on_tomorrow(tmp_path: Path) -> None:
    """Only with a clock that is right: nothing is thrown away on a guess."""
    written(tmp_path, [sample(float(at), 1) for at in range(BATCH)], boot="old", offset=0.0)
    store = store_in(tmp_path, Ear())
    store._tidy(0.0)
    assert store._tidy_at == PATIENT.tidy_each_s
    store.clock(1e9, trusted=True)
    store._tidy(0.0)
    assert store._tidy_at == 0.0
    store._tidy(0.0)
    assert store._tidy_at == PATIENT.tidy_each_s
    with store._samples.transaction() as db:
        assert db.execute("SELECT count(*) FROM samples").fetchone() == (0,)
