"""Power and energy of circuits in the outage record: what was measured, and nothing else."""

from __future__ import annotations

import pytest

from controller.core import events as ev
from controller.core.circuit_loads import EXACT_S, FRESH_S, LoadRecorder
from controller.core.effects import SavedState, SaveLoad
from controller.core.outage_record import OutageRecord
from rules.device import DeviceTraits, Evidence
from rules.panel import CircuitId, Position
from tests.virtual_house import VirtualHouse, circuit

TUB = CircuitId("tub")
BEGAN, ENDED = 1000.0, 4600.0


class Recorded:
    """A recorder with the rows it writes."""

    def __init__(self) -> None:
        self._record = OutageRecord("boot", SavedState())
        self.loads = LoadRecorder(self._record)

    def says(
        self,
        at: float,
        watts: float | None = None,
        kwh: float | None = None,
        *,
        off: bool = False,
        gateway: bool = False,
    ) -> None:
        """Have the tub's device measure something."""
        self.loads.measured(TUB, at, watts, kwh, off=off, changes_only=gateway)

    @property
    def row(self) -> SaveLoad | None:
        """Return the last row written since the last look; None: none was."""
        rows = [row for row in self._record.take_rows() if isinstance(row, SaveLoad)]
        return rows[-1] if rows else None


def test_a_shed_circuit_has_its_load_before_and_its_power_while_off() -> None:
    """And its highest power on standby: before the OFF took effect."""
    one = Recorded()
    one.says(BEGAN - 20.0, 4500.0)
    one.loads.began(1, BEGAN)
    written = one.row
    assert written is not None
    assert (written.before_w, written.before_age_s) == (4500.0, 20.0)
    one.says(BEGAN + 0.5, 4480.0)
    one.says(BEGAN + 5.0, 2.0, off=True)
    first_off = one.row
    assert first_off is not None
    assert first_off.off_w == 2.0
    one.says(BEGAN + 60.0, 1.0, off=True)
    one.loads.ended(ENDED)
    row = one.row
    assert row is not None
    assert (row.before_w, row.peak_w, row.off_w) == (4500.0, 4480.0, 1.0)
    assert row.energy_kwh is None, "no counter, no energy"


@pytest.mark.parametrize(("age_s", "known"), [(FRESH_S - 1.0, True), (FRESH_S + 1.0, False)])
def test_an_old_power_is_not_the_power_before_the_outage(age_s: float, *, known: bool) -> None:
    """Stale is unknown, not present."""
    one = Recorded()
    one.says(BEGAN - age_s, 4500.0)
    one.says(BEGAN - age_s, kwh=10.0)
    one.loads.began(1, BEGAN)
    one.says(BEGAN + 1.0, 30.0)
    one.loads.ended(ENDED)
    row = one.row
    assert row is not None
    assert (row.before_w is not None) is known


def test_energy_is_the_difference_of_the_counter() -> None:
    """Read at the beginning and at the end."""
    one = Recorded()
    one.says(BEGAN - 5.0, kwh=100.0)
    one.loads.began(1, BEGAN)
    one.says(BEGAN + 1800.0, kwh=100.7)
    one.says(ENDED - 5.0, kwh=101.5)
    one.loads.ended(ENDED)
    row = one.row
    assert row is not None
    assert (row.energy_kwh, row.energy_is_lower_bound) == (1.5, False)


@pytest.mark.parametrize(
    ("first_at", "last_at"),
    [(BEGAN - EXACT_S - 1.0, ENDED - 5.0), (BEGAN - 5.0, ENDED - EXACT_S - 1.0), (BEGAN + 10.0, ENDED - 5.0)],
)
def test_a_counter_that_was_not_read_at_both_ends_gives_a_lower_bound(first_at: float, last_at: float) -> None:
    """What was used outside of both readings is not known."""
    one = Recorded()
    if first_at < BEGAN:
        one.says(first_at, kwh=100.0)
    one.loads.began(1, BEGAN)
    one.says(max(first_at, BEGAN + 10.0), kwh=100.0)
    one.says(last_at, kwh=101.0)
    one.loads.ended(ENDED)
    row = one.row
    assert row is not None
    assert (row.energy_kwh, row.energy_is_lower_bound) == (1.0, True)


def test_a_lower_bound_of_nothing_is_unknown() -> None:
    """Never `0 kWh` for a device that has only once reported."""
    one = Recorded()
    one.loads.began(1, BEGAN)
    one.says(BEGAN + 10.0, kwh=100.0)
    one.loads.ended(ENDED)
    row = one.row
    assert row is not None
    assert row.energy_kwh is None


def test_an_honest_zero_is_zero() -> None:
    """A circuit that was off all the time, read at both ends."""
    one = Recorded()
    one.says(BEGAN - 5.0, kwh=100.0)
    one.loads.began(1, BEGAN)
    one.says(ENDED - 5.0, kwh=100.0)
    one.loads.ended(ENDED)
    row = one.row
    assert row is not None
    assert (row.energy_kwh, row.energy_is_lower_bound) == (0.0, False)


def test_a_counter_that_falls_is_another_one() -> None:
    """The device was reset: what it counts from then on is a lower bound, and never negative."""
    one = Recorded()
    one.says(BEGAN - 5.0, kwh=100.0)
    one.loads.began(1, BEGAN)
    one.says(BEGAN + 100.0, kwh=100.5)
    one.says(BEGAN + 200.0, kwh=0.1)
    one.says(ENDED - 5.0, kwh=0.4)
    one.loads.ended(ENDED)
    row = one.row
    assert row is not None
    assert (row.energy_kwh, row.energy_is_lower_bound) == (0.3, True)


def test_a_counter_that_a_gateway_repeats_is_not_new() -> None:
    """It publishes what it remembers with every message: the age of the value is that of its change."""
    one = Recorded()
    one.says(BEGAN - 1000.0, kwh=100.0, gateway=True)
    one.says(BEGAN - 5.0, kwh=100.0, gateway=True)
    one.loads.began(1, BEGAN)
    one.says(BEGAN + 10.0, kwh=100.0, gateway=True)
    one.says(ENDED - 5.0, kwh=100.2, gateway=True)
    one.loads.ended(ENDED)
    row = one.row
    assert row is not None
    assert (row.energy_kwh, row.energy_is_lower_bound) == (0.2, True)


def test_a_second_transfer_continues_the_same_record() -> None:
    """The outage is one: its energy counts from its beginning."""
    one = Recorded()
    one.says(BEGAN - 5.0, 4500.0, 100.0)
    one.loads.began(1, BEGAN)
    one.says(BEGAN + 50.0, 100.0, 100.1)
    one.loads.ended(BEGAN + 60.0)
    one.loads.began(1, BEGAN + 70.0)
    one.says(ENDED - 5.0, 200.0, 101.0)
    one.loads.ended(ENDED)
    row = one.row
    assert row is not None
    assert (row.before_w, row.peak_w, row.energy_kwh) == (4500.0, 200.0, 1.0)


def test_a_restart_in_the_outage_continues_the_record() -> None:
    """From the row on disk; what the device counted while the program was down is in the energy."""
    one = Recorded()
    one.loads.resume((SaveLoad(1, TUB, 4500.0, 3.0, 4400.0, None, None, energy_is_lower_bound=False, first_kwh=100.0),))
    one.loads.began(1, BEGAN)
    one.says(ENDED - 5.0, 20.0, 101.0)
    one.loads.ended(ENDED)
    row = one.row
    assert row is not None
    assert (row.before_w, row.peak_w, row.energy_kwh, row.energy_is_lower_bound) == (4500.0, 4400.0, 1.0, False)


def test_nothing_is_recorded_without_a_measurement_or_on_utility() -> None:
    """No row for a circuit whose device measures nothing."""
    one = Recorded()
    one.loads.began(1, BEGAN)
    one.loads.ended(ENDED)
    one.says(ENDED + 10.0, 4500.0, 200.0)
    assert one.row is None


def house_with(traits: DeviceTraits) -> VirtualHouse:
    """Return a house whose one circuit has a device of this family, on and known."""
    house = VirtualHouse(circuit("tub", device=traits))
    house.happens(ev.BreakerReported(house.mono, TUB, Position.ON))
    return house


@pytest.mark.parametrize("honest", [True, False])
def test_only_honest_power_reaches_the_record(*, honest: bool) -> None:
    """Power that a gateway derives from its memory is never recorded, whatever its value."""
    house = house_with(DeviceTraits("zigbee2mqtt/Tub", Evidence.DEVICE))
    house.happens(ev.PowerReported(house.mono, TUB, 4500.0, honest=honest))
    house.wait(5.0)
    house.contact.open()
    house.wait(10.0)
    house.contact.close()
    house.wait(60.0)
    loads = [effect for effect in house.effects if isinstance(effect, SaveLoad)]
    if honest:
        assert (loads[-1].before_w, loads[-1].outage) == (4500.0, 1)
    else:
        assert loads == []
