"""Standby without power: what it is known by."""

from __future__ import annotations

import pytest

from rules.generator_loss import AT_ONCE_S, GeneratorLossDetector, has_lost_power
from rules.ledger_entry import CircuitEntry
from rules.panel import CircuitId

NAMES = tuple(CircuitId(f"circuit-{number}") for number in range(20))
OPENED = 1000.0

STOPPED = (
    # fell silent together, still answer, the meter answers, stopped
    (0, 0, None, False),
    (0, 0, False, False),  # a meter alone proves nothing: its wire may be off
    (1, 0, None, False),
    (1, 0, False, True),
    (2, 0, None, True),
    (2, 0, False, True),
    (2, 0, True, False),  # it answers, so there is power: a hub is gone
    (20, 0, True, False),
    (8, 1, None, False),
    (9, 1, None, True),  # one hangs on a battery
    (18, 2, False, True),
    (17, 2, False, False),
    (2, 10, None, False),
)


@pytest.mark.parametrize(("gone", "answering", "meter", "stopped"), STOPPED)
def test_a_generator_has_stopped_where_all_falls_silent_at_once(
    gone: int, answering: int, meter: bool | None, stopped: bool
) -> None:
    """All devices, or nine in ten, and the meter with them."""
    assert has_lost_power(gone, answering, meter_answers=meter) is stopped


class Standby:
    """Devices of a house that has been on standby since `OPENED`."""

    def __init__(self, devices: int = 3, *, lived_at: float | None = OPENED + 1.0, writes: bool = True) -> None:
        self.generator = GeneratorLossDetector()
        self.entries = {name: CircuitEntry(publishes_availability=writes) for name in NAMES[:devices]}
        for name, entry in self.entries.items():
            self.generator.update(name, entry, OPENED - 10.0)
        self.generator.opened(OPENED)
        for name, entry in self.entries.items():
            entry.reported_at = lived_at
            self.generator.update(name, entry, OPENED + 1.0)

    def goes(self, at: float, *numbers: int) -> None:
        self._says(at, numbers, online=False)

    def returns(self, at: float, *numbers: int) -> None:
        self._says(at, numbers, online=True)

    def _says(self, at: float, numbers: tuple[int, ...], *, online: bool) -> None:
        for number in numbers:
            entry = self.entries[NAMES[number]]
            entry.available, entry.availability_at = online, at
            self.generator.update(NAMES[number], entry, at)

    def judged(self, *, meter: bool | None = None) -> bool | None:
        return self.generator.evaluate(meter_answers=meter)


def test_it_is_reported_once_with_the_time_of_the_first_device() -> None:
    """And again when half of them are back."""
    house = Standby(4)
    house.goes(1100.0, 0)
    assert house.judged() is None
    house.goes(1130.0, 1, 2, 3)
    assert (house.judged(), house.judged()) == (True, None)
    assert (house.generator.stopped_at, house.generator.gone) == (1100.0, 4)
    house.returns(1200.0, 2)
    assert house.judged() is None
    house.returns(1201.0, 0)
    assert (house.judged(), house.judged(), house.generator.stopped_at) == (False, None, None)


def test_a_meter_is_waited_for_and_its_answer_ends_it() -> None:
    """It becomes silent some polls after the devices; if it continues to respond, a hub is gone."""
    house = Standby()
    house.goes(1100.0, 0, 1, 2)
    assert house.judged(meter=True) is None
    assert house.judged(meter=False) is True
    assert house.judged(meter=True) is False
    assert house.judged(meter=False) is None


def test_one_after_the_other_is_not_at_once() -> None:
    """Last wills come within a minute and a half of each other."""
    house = Standby()
    house.goes(1100.0, 0, 1)
    house.goes(1100.0 + AT_ONCE_S + 0.1, 2)
    assert house.judged() is None
    house = Standby()
    house.goes(1100.0, 0, 1)
    house.goes(1100.0 + AT_ONCE_S, 2)
    assert house.judged() is True


def test_a_late_last_will_dates_from_the_power_gap_before_the_transfer() -> None:
    """Only what lived on this standby can have died on it; what has been there for long has."""
    house = Standby(lived_at=None)
    house.goes(OPENED + 20.0, 0, 1, 2)
    house.goes(OPENED + 200.0, 0, 1, 2)  # said again
    assert house.judged() is None
    house = Standby(lived_at=OPENED - 1.0)
    house.goes(OPENED + AT_ONCE_S - 0.1, 0, 1, 2)
    assert house.judged() is None
    house = Standby(lived_at=None)
    house.goes(OPENED + AT_ONCE_S, 0, 1, 2)
    assert house.judged() is True


def test_a_device_that_says_it_is_there_has_lived() -> None:
    """Its availability is a word like any other."""
    house = Standby(lived_at=None)
    house.returns(OPENED + 5.0, 0, 1, 2)
    house.goes(OPENED + 20.0, 0, 1, 2)
    assert house.judged() is True


def test_what_a_broker_remembers_is_no_evidence() -> None:
    """It may have said all last wills as it went, and says them again when it comes back."""
    house = Standby()
    for name, entry in house.entries.items():
        entry.available = False
        house.generator.update(name, entry, 1200.0)
    assert house.judged() is None


def test_what_a_broker_remembers_of_a_device_that_was_heard_is_no_evidence_either() -> None:
    """That it is offline was not said now: its availability is the old one's."""
    house = Standby()
    house.returns(OPENED + 5.0, 0, 1, 2)
    for name, entry in house.entries.items():
        entry.available = False
        house.generator.update(name, entry, 1200.0)
    assert house.judged() is None


@pytest.mark.parametrize(("spoke_at", "stopped"), [(OPENED, True), (OPENED - 0.1, None)])
def test_a_device_that_reported_as_the_contact_opened_lived_on_this_standby(
    spoke_at: float, stopped: bool | None
) -> None:
    """A moment before, it lived on utility."""
    house = Standby(lived_at=spoke_at)
    house.goes(OPENED + 20.0, 0, 1, 2)
    assert house.judged() is stopped


def test_devices_that_never_write_their_availability_prove_nothing() -> None:
    """They count as available for ever."""
    house = Standby(writes=False)
    assert house.generator.evaluate(meter_answers=False) is None


def test_on_utility_nothing_is_judged_and_nothing_is_left_of_it() -> None:
    """The dark before the transfer is no stopped generator; nor is the next standby judged by the last."""
    one = GeneratorLossDetector()
    entry = CircuitEntry(publishes_availability=True)
    one.update(NAMES[0], entry, 10.0)
    entry.available = False
    one.update(NAMES[0], entry, 20.0)
    assert one.evaluate(meter_answers=False) is None
    house = Standby()
    house.goes(1100.0, 0, 1, 2)
    assert house.judged() is True
    house.generator.closed()
    assert (house.judged(), house.generator.stopped_at) == (None, None)
    house.generator.opened(1200.0)
    assert house.judged(meter=False) is None


def test_more_that_fall_silent_later_change_nothing() -> None:
    """It has stopped, and stays so until they are back."""
    house = Standby(11)
    house.goes(1100.0, *range(10))
    assert house.judged() is True
    house.goes(1300.0, 10)
    assert house.judged() is None
    assert house.generator.stopped_at == 1100.0


def test_circuits_that_left_the_file_are_no_evidence() -> None:
    """Neither for nor against."""
    house = Standby(4)
    house.goes(1100.0, 0, 1)
    house.generator.set_circuits(NAMES[:2])
    assert house.judged() is True
    house = Standby(4)
    house.goes(1100.0, 0, 1)
    house.generator.set_circuits(NAMES[1:2])
    assert house.judged() is None
