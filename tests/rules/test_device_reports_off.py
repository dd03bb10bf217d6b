"""Device reports, evaluated: off by us, manually, by a power loss; and tripped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rules.device_reports import ReportOutcome
from rules.ledger import BY_HAND
from rules.ledger_entry import LastSwitch, ShedCause, ShedRecord
from rules.panel import Kind, Position, Wakes
from tests.rules.reported import CHARGER, TUB, UTILITY, Night
from tests.virtual_house import circuit

if TYPE_CHECKING:
    from rules.panel import Circuit

ON, OFF, TRIPPED = Position.ON, Position.OFF, Position.TRIPPED
FELL = "the power loss (wakes = off)"


# --- off by us -------------------------------------------------------------------------------------------------------


def test_our_off_is_confirmed_by_the_devices_word_and_the_load_rests_from_then_on() -> None:
    """And it is written down."""
    night = Night()
    night.off(100.0)
    night.ledger.changed.clear()
    assert night.says(OFF, 103.0) is ReportOutcome.CONFIRMED_OFF
    assert (night.debt().confirmed, night.debt().off_at) == (True, night.at(103.0))
    assert night.ledger.changed == {TUB}


AGAIN = (
    # what happened after it was confirmed off at 100.1 s, the load rests from
    ((), 100.1),
    (("on",), 200.0),  # it was on in the meantime
    (("off",), 200.0),  # we sent another OFF: the effect of the first is unknown
)


@pytest.mark.parametrize(("meanwhile", "rests_from"), AGAIN)
def test_a_repeated_off_restarts_the_off_time_only_if_the_load_may_have_run(
    meanwhile: tuple[str, ...], rests_from: float
) -> None:
    """A report that repeats itself is no stop of a compressor; and it is confirmed once."""
    night = Night()
    night.shed()
    if "on" in meanwhile:
        night.says(ON, 150.0)
    if "off" in meanwhile:
        night.off(150.0)
        assert night.debt().off_at == night.at(150.0)
        night.debt().off_at = night.at(100.1)
    assert night.says(OFF, 200.0) is None
    assert night.debt().off_at == night.at(rests_from)


def test_an_off_that_answers_our_off_is_the_last_word_on_an_on_under_way() -> None:
    """The OFF was sent after it, and its three attempts restart if it turns on again."""
    night = Night()
    night.on(90.0)
    night.off(100.0)
    night.off(105.0)
    night.says(OFF, 105.1)
    assert (night.entry().on_pending, night.entry().attempts) == (False, 0)


def test_an_off_that_answers_an_earlier_off_ends_no_on_that_followed() -> None:
    """The ON is still on its way, and counts its tries."""
    night = Night()
    night.off(100.0)
    night.on(102.0)
    night.on(107.0)
    night.says(OFF, 107.1)
    assert (night.entry().on_pending, night.entry().attempts) == (True, 2)


def test_an_off_that_was_asked_for_is_not_taken_for_a_hands() -> None:
    """It acknowledges our command, though the circuit is not owed."""
    night = Night()
    night.says(ON, 50.0)
    night.off(100.0, ours=False)
    assert night.says(OFF, 100.1, phase=UTILITY) is None
    assert night.entry().last_switch is None


def test_an_off_without_command_is_manual() -> None:
    """From utility, with nothing owed."""
    night = Night()
    night.says(ON, 50.0)
    assert night.says(OFF, 60.0, phase=UTILITY) is None
    assert night.entry().last_switch == LastSwitch(OFF, BY_HAND, night.at(60.0))
    night.entry().last_switch = None
    night.says(OFF, 70.0, phase=UTILITY)
    assert night.entry().last_switch is None


# --- a relay that wakes off ------------------------------------------------------------------------------------------

WOKE = (
    # said before, the machine has booted, the device writes availability, it fell with the power
    (False, True, False, True),
    (True, True, False, False),
    (False, False, False, False),
    (False, True, True, False),  # it would have said that it came back
)


@pytest.mark.parametrize(("said", "rebooted", "writes", "fell"), WOKE)
def test_the_first_report_after_a_boot_of_a_relay_that_wakes_off_shows_the_power_loss(
    said: bool, rebooted: bool, writes: bool, fell: bool
) -> None:
    """The power that took the machine down took the relay down."""
    night = Night(rebooted=rebooted)
    night.entry(CHARGER).publishes_availability = writes
    if said:
        night.says(ON, 20.0, CHARGER)
    assert night.says(OFF, 21.0, CHARGER) is (ReportOutcome.OFF_AFTER_POWER_LOSS if fell else None)


FELL_AT = (
    # back on the bus, off, what it means
    (100.0, 105.0, ReportOutcome.OFF_AFTER_POWER_LOSS),
    (100.0, 105.1, None),
)


@pytest.mark.parametrize(("came_at", "off_at", "means"), FELL_AT)
def test_off_within_confirm_s_of_coming_back_is_a_fall(
    came_at: float, off_at: float, means: ReportOutcome | None
) -> None:
    """To the moment."""
    night = Night()
    night.says(ON, 50.0, CHARGER)
    night.goes(90.0, CHARGER)
    night.comes(came_at, CHARGER)
    assert night.says(OFF, off_at, CHARGER) is means


CAME_AT = (
    # off, back on the bus, what it means
    (100.0, 105.0, ReportOutcome.OFF_AFTER_POWER_LOSS),
    (100.0, 105.1, None),
)


@pytest.mark.parametrize(("off_at", "came_at", "means"), CAME_AT)
def test_coming_back_within_confirm_s_of_off_is_a_fall(
    off_at: float, came_at: float, means: ReportOutcome | None
) -> None:
    """Some say first what they are, and then that they are there."""
    night = Night()
    night.says(ON, 50.0, CHARGER)
    night.says(OFF, off_at, CHARGER)
    assert night.comes(came_at, CHARGER) is means


def test_going_away_after_off_is_no_fall() -> None:
    """It was switched off manually, and then its power was lost."""
    night = Night()
    night.says(ON, 50.0, CHARGER)
    night.says(OFF, 100.0, CHARGER)
    assert night.goes(101.0, CHARGER) is None
    assert night.entry(CHARGER).shed_record is None


def test_what_fell_is_owed_as_it_was_and_falls_once() -> None:
    """It was on, it is off for certain, and its owner reads by what."""
    night = Night()
    night.says(ON, 50.0, CHARGER)
    night.says(OFF, 100.0, CHARGER)
    night.comes(100.2, CHARGER)
    then = night.at(100.2)
    assert night.debt(CHARGER) == ShedRecord(1, ON, then, then, ShedCause.POWER_LOSS, confirmed=True)
    assert night.entry(CHARGER).last_switch == LastSwitch(OFF, FELL, then)
    assert night.comes(100.3, CHARGER) is None


WAKES = (
    circuit("hot-tub", kind=Kind.RELAY, wakes=Wakes.AS_WAS),
    circuit("hot-tub", kind=Kind.RELAY, wakes=Wakes.OFF, protected=True),
    circuit("hot-tub", kind=Kind.STANDARD, wakes=Wakes.OFF),
)


@pytest.mark.parametrize("one", WAKES)
def test_only_a_relay_that_wakes_off_and_may_be_commanded_falls_with_the_power(one: Circuit) -> None:
    """A circuit that cannot be restored is not owed."""
    night = Night(one, rebooted=True)
    assert night.says(OFF, 20.0) is None
    assert night.entry().shed_record is None


# --- off since a restart in the outage -------------------------------------------------------------------------------


def test_an_unexplained_off_is_owed_once_and_waits_for_a_user() -> None:
    """On in the ledger and off in the panel after a crash: perhaps by us."""
    night = Night()
    night.ledger.before = {TUB: ON}
    night.entry().off_unexplained = True
    assert night.says(OFF, 20.0) is ReportOutcome.OFF_UNEXPLAINED
    then = night.at(20.0)
    assert night.debt() == ShedRecord(1, ON, then, then, ShedCause.UNEXPLAINED, needs_request=True)
    assert night.entry().last_switch == LastSwitch(OFF, BY_HAND, then)
    assert not night.entry().off_unexplained


def test_off_in_doubt_without_an_outage_was_on_as_the_disk_has_it() -> None:
    """No outage's record says otherwise."""
    night = Night(outage=None)
    night.entry().off_unexplained = True
    night.says(OFF, 20.0)
    assert night.debt().before is ON


# --- tripped ---------------------------------------------------------------------------------------------------------


def test_a_trip_ends_the_shed_record_for_good() -> None:
    """From then on it is left to the user, also after a reset; no command is in flight any more."""
    night = Night()
    night.shed()
    night.on(300.0)
    night.off(301.0)
    assert night.says(TRIPPED, 302.0) is ReportOutcome.TRIPPED
    entry = night.entry()
    assert (entry.shed_record, entry.taken_over, entry.request) == (None, True, None)
    assert (entry.off_pending, entry.more_offs_in_flight, entry.on_pending) == (False, False, False)
    assert entry.last_switch == LastSwitch(TRIPPED, "its own protection", night.at(302.0))


def test_a_trip_before_our_off_has_left_is_nobodys() -> None:
    """It need not be switched off, and is not taken over either."""
    night = Night()
    night.ledger.record_shed(TUB, 100.0, commanded=False)
    night.says(TRIPPED, 100.1)
    assert (night.entry().shed_record, night.entry().taken_over) == (None, False)


def test_a_relay_that_trips_did_not_fall() -> None:
    """Though it came back a moment after."""
    night = Night()
    night.says(ON, 50.0, CHARGER)
    night.says(OFF, 100.0, CHARGER)
    night.says(TRIPPED, 101.0, CHARGER)
    assert night.comes(102.0, CHARGER) is None
