"""A drill that restores everything at its end, and a test of one circuit."""

from __future__ import annotations

import pytest

from rules.panel import Circuit, Position, Restore
from tests.virtual_house import VirtualHouse, circuit, essential

RANGE, HEATER = circuit("range", restore=Restore.ASK), circuit("water-heater", restore=Restore.NEVER)
TUB, FRIDGE = circuit("hot-tub"), essential("fridge")


def drilled(*circuits: Circuit, restore_all: bool = True) -> VirtualHouse:
    """Return a house whose drill of 30 s has been running for 10 s."""
    house = VirtualHouse(*(circuits or (RANGE, HEATER, TUB, FRIDGE)))
    assert house.ask("drill", for_s=30.0, restore_all=restore_all).ok
    house.wait(10.0)
    assert house.state.kind == "drill"
    return house


def positions(house: VirtualHouse) -> dict[str, Position]:
    """Return where each breaker really is."""
    return {str(one.id): house.breaker(one.id).position for one in house.panel}


def test_a_drill_leaves_ask_and_never_off_unless_it_was_asked_to_restore_all() -> None:
    """Each is named with a command that works."""
    house = drilled(restore_all=False)
    house.wait(100.0)
    assert house.state.owed == ("range", "water-heater")
    assert "`loadshed ask restore range`" in house.view("range").why
    assert house.ask("restore", "water-heater").ok


def test_with_restore_all_everything_is_on_again_at_its_end() -> None:
    """By rank and stagger, like the others."""
    house = drilled()
    house.wait(100.0)
    assert set(positions(house).values()) == {Position.ON}
    assert house.state.owed == ()


def test_restore_all_survives_a_restart_of_the_program() -> None:
    """It is stored with the drill."""
    house = drilled()
    house.restart()
    house.wait(100.0)
    assert set(positions(house).values()) == {Position.ON}


@pytest.mark.parametrize("between", ["transfer", "boot", "unknown"])
def test_restore_all_is_void_after_a_transfer_a_boot_or_an_unknown_source(between: str) -> None:
    """A person asked for the end of a drill, not for the end of an outage."""
    house = drilled()
    if between == "transfer":
        house.contact.open()
        house.wait(5.0)
        house.contact.close()
    elif between == "boot":
        house.restart(rebooted=True)
    else:
        house.contact.is_lost()
        house.wait(1.0)
        house.contact.is_read()
    house.wait(200.0)
    assert house.breaker("range").position is Position.OFF
    assert house.breaker("hot-tub").position is Position.ON
    assert set(house.state.owed) == {"range", "water-heater"}


def test_a_transfer_while_the_circuits_come_back_voids_it_too() -> None:
    """The release at the drill's end is withdrawn."""
    house = drilled(RANGE, circuit("pump", rank=1), circuit("saw", rank=2))
    house.wait(22.0)
    house.contact.open()
    house.wait(5.0)
    house.contact.close()
    house.wait(200.0)
    assert house.state.owed == ("range",)


def test_a_hold_a_trip_and_an_unknown_position_are_not_restored() -> None:
    """Restore all means what the drill switched off and the rules leave to the user."""
    house = drilled()
    house.ask("hold", "range", by="Ann")
    house.breaker("water-heater").trip()
    house.wait(100.0)
    assert positions(house) == {
        "range": Position.OFF,
        "water-heater": Position.TRIPPED,
        "hot-tub": Position.ON,
        "fridge": Position.ON,
    }


# --- a test of one circuit --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["hot-tub", "fridge", "range", "water-heater"])
def test_a_test_switches_one_circuit_off_and_on_again(name: str) -> None:
    """Essential or not, and whatever its restore setting: the user asked for this circuit."""
    house = VirtualHouse(RANGE, HEATER, TUB, FRIDGE)
    assert house.ask("test", name, for_s=20.0).ok
    house.wait(10.0)
    assert [key for key, position in positions(house).items() if position is Position.OFF] == [name]
    assert house.state.shed == (name,)
    house.wait(60.0)
    assert set(positions(house).values()) == {Position.ON}
    assert (house.offs(), house.ons()) == ([name], [name])
    assert house.state.state == "utility"


def test_a_test_goes_on_without_the_requester_and_over_a_restart() -> None:
    """It is in the ledger before the circuit is off."""
    house = VirtualHouse(TUB, FRIDGE)
    assert house.ask("test", "fridge", for_s=60.0).ok
    house.wait(10.0)
    assert house.breaker("fridge").position is Position.OFF
    house.restart(rebooted=True)
    house.wait(60.0)
    assert set(positions(house).values()) == {Position.ON}


def test_a_transfer_during_a_test_sheds_the_whole_panel() -> None:
    """The circuit under test is restored with the others afterwards."""
    house = VirtualHouse(TUB, circuit("dryer"))
    assert house.ask("test", "hot-tub", for_s=60.0).ok
    house.wait(5.0)
    house.contact.open()
    house.wait(5.0)
    assert set(positions(house).values()) == {Position.OFF}
    house.contact.close()
    house.wait(100.0)
    assert set(positions(house).values()) == {Position.ON}


def test_no_alarm_is_raised_for_circuits_that_a_test_leaves_on() -> None:
    """They are not to be switched off."""
    house = VirtualHouse(TUB, circuit("dryer"))
    assert house.ask("test", "hot-tub", for_s=60.0).ok
    house.wait(50.0)
    assert house.alarm("shed-incomplete") is None
    assert house.state.unconfirmed == ()


def test_a_test_is_refused_for_a_circuit_that_is_off_protected_or_on_hold() -> None:
    """Each with its reason."""
    house = VirtualHouse(TUB, circuit("router", protected=True), circuit("saw"))
    house.breaker("hot-tub").turn_off_by_hand()
    house.ask("hold", "saw")
    assert house.ask("test", "hot-tub").reason == "Hot tub is off: a test needs a circuit that is on"
    assert "protected" in house.ask("test", "router").reason
    assert "on hold" in house.ask("test", "saw").reason
