"""A shed circuit is on again: a manual override or a reboot in the transfer (Shedding 5)."""

from __future__ import annotations

from hw.simulated.breakers import PowerUpState
from rules.panel import Override, Position
from tests.virtual_house import VirtualHouse, circuit, pauses

ON, OFF = Position.ON, Position.OFF
ALL_OF_IT = ["ev-charger", "hot-tub", "dryer", "well-pump"]


def shed(*circuits: object) -> VirtualHouse:
    """Return a house on standby, everything confirmed off."""
    house = VirtualHouse(*circuits)  # type: ignore[arg-type]
    house.contact.open()
    house.wait(60.0)
    return house


def test_a_shed_circuit_switched_on_by_hand_is_a_manual_override() -> None:
    """Once its availability has stood still for `confirm_s` after; until then no OFF is sent."""
    house = shed()
    house.commands.clear()
    house.breaker("hot-tub").turn_on_by_hand()
    house.wait(4.0)
    assert house.taken_over() == []
    house.wait(2.0)
    assert house.taken_over() == ["hot-tub"]
    assert house.commands == []
    assert house.breaker("hot-tub").position is ON


def test_what_was_taken_over_is_a_persons_for_the_rest_of_the_outage() -> None:
    """Over a restart, over a closing that does not end the outage; the next outage sheds it again."""
    house = shed()
    house.breaker("hot-tub").turn_on_by_hand()
    house.wait(10.0)
    house.commands.clear()
    house.restart()
    house.contact.close()
    house.wait(2.0)
    house.contact.open()
    house.wait(10.0)
    assert house.taken_over() == ["hot-tub"]
    assert house.commands == []
    house.contact.close()
    house.wait(120.0)
    assert house.state.state == "utility"
    house.contact.open()
    house.wait(10.0)
    assert house.offs() == ALL_OF_IT


def test_a_reboot_in_the_transfer_is_no_person() -> None:
    """Its availability changed within `confirm_s` before: it is shed again at once."""
    house = shed()
    house.breaker("hot-tub").has(wakes=PowerUpState.ON)
    house.commands.clear()
    house.breaker("hot-tub").loses_power()
    house.breaker("hot-tub").gets_power()
    house.wait(1.0)
    assert house.offs() == ["hot-tub"]
    assert house.taken_over() == []


def test_a_reboot_whose_availability_comes_after_its_on_is_no_person() -> None:
    """The word may come late: the circuit is shed again, within `confirm_s`."""
    house = shed()
    house.commands.clear()
    house.breaker("hot-tub").turn_on_by_hand()
    house.wait(3.0)
    house.breaker("hot-tub").says("online", "availability")
    house.wait(1.0)
    assert house.offs() == ["hot-tub"]
    assert house.taken_over() == []


def test_an_on_after_our_own_connection_broke_proves_nothing() -> None:
    """Who knows what happened while we were not listening: it is shed again."""
    house = shed()
    house.broker.goes_away()
    house.wait(30.0)
    house.breaker("hot-tub").turn_on_by_hand()
    house.commands.clear()
    house.broker.comes_back()
    house.wait(20.0)
    assert house.offs() == ["hot-tub"]
    assert house.taken_over() == []


def test_an_off_confirmed_before_our_connection_blinked_proves_nothing_either() -> None:
    """The device has said nothing since: its next ON may have been a reboot's."""
    house = shed()
    house.wait(60.0)
    house.broker.drops_us()
    house.wait(60.0)
    house.commands.clear()
    house.breaker("hot-tub").turn_on_by_hand()
    house.wait(10.0)
    assert house.offs() == ["hot-tub"]
    assert house.taken_over() == []


def test_a_remembered_on_is_no_person() -> None:
    """It is shed again, once."""
    house = shed()
    house.broker.remembers("hot-tub", "ON")
    house.commands.clear()
    house.broker.goes_away()
    house.broker.comes_back()
    house.wait(20.0)
    assert house.offs() == ["hot-tub"]


def test_a_device_that_never_writes_availability_is_shed_once_more() -> None:
    """Its second ON counts as a manual override: nothing else distinguishes it from a reboot."""
    house = VirtualHouse(started=False)
    house.breaker("hot-tub").has(never_writes_availability=True)
    house.broker.forgets("hot-tub")
    house.start()
    house.wait(1.0)
    house.contact.open()
    house.wait(60.0)
    house.commands.clear()
    house.breaker("hot-tub").turn_on_by_hand()
    house.wait(10.0)
    assert house.offs() == ["hot-tub"]
    house.breaker("hot-tub").turn_on_by_hand()
    house.wait(60.0)
    assert house.offs() == ["hot-tub"]
    assert house.taken_over() == ["hot-tub"]


def test_an_override_of_never_is_shed_again_each_time_no_more_often_than_confirm_s() -> None:
    """The homeowner has said so in the file."""
    house = shed(circuit("hot-tub", override=Override.NEVER))
    for _ in range(3):
        house.breaker("hot-tub").turn_on_by_hand()
        house.wait(1.0)
    house.wait(30.0)
    times = house.times("OFF", "hot-tub")
    assert min(pauses(times)) >= 5.0
    assert len(times) >= 2
    assert house.breaker("hot-tub").position is OFF
    assert house.taken_over() == []


def test_an_on_before_our_off_was_confirmed_is_no_persons() -> None:
    """It was on: it says so."""
    house = VirtualHouse()
    house.breaker("hot-tub").has(silent=True)
    house.contact.open()
    house.wait(1.0)
    house.breaker("hot-tub").says("ON")
    house.wait(30.0)
    assert house.taken_over() == []
    assert len(house.times("OFF", "hot-tub")) >= 6


def test_a_circuit_that_trips_while_shed_is_a_persons_also_when_they_reset_it() -> None:
    """From then on it is left to the user: neither shed nor restored."""
    house = shed()
    house.breaker("hot-tub").trip()
    assert house.owed() == ["well-pump", "dryer", "ev-charger"]
    house.commands.clear()
    house.breaker("hot-tub").turn_on_by_hand()
    house.wait(60.0)
    assert house.commands == []
    house.breaker("hot-tub").trip()
    house.contact.close()
    house.wait(120.0)
    assert "hot-tub" not in house.ons()
