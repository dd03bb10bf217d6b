"""Relays that wake off: circuits off after a power loss are restored (Ledger 5)."""

from __future__ import annotations

import pytest

from hw.simulated import breakers as device
from rules.panel import Kind, Position, Wakes
from tests.virtual_house import USUAL, VirtualHouse, circuit, essential

ON = Position.ON


def given_back(house: VirtualHouse, seconds: float = 120.0) -> None:
    """Let utility return, and everything have its time."""
    house.contact.close()
    house.wait(seconds)


def test_a_relay_that_wakes_off_after_a_power_loss_is_restored() -> None:
    """Essential or not: its `off` after a power gap is not its `before`."""
    house = VirtualHouse(essential("freezer", kind=Kind.RELAY, wakes=Wakes.OFF))
    house.breaker("freezer").has(wakes=device.PowerUpState.OFF)
    house.contact.open()
    house.breaker("freezer").loses_power()
    house.wait(10.0)
    house.breaker("freezer").gets_power()
    house.wait(10.0)
    assert house.owed() == ["freezer"]
    assert "lost power" in house.view("freezer").why
    assert house.ons() == []
    given_back(house)
    assert house.ons() == ["freezer"]
    assert house.owed() == []


def test_a_relay_that_wakes_off_after_a_short_dip_is_restored() -> None:
    """No outage was there at all: the contact never opened."""
    house = VirtualHouse(circuit("heater", kind=Kind.RELAY, wakes=Wakes.OFF))
    house.breaker("heater").has(wakes=device.PowerUpState.OFF)
    house.breaker("heater").reboots()
    house.wait(10.0)
    assert house.ons() == ["heater"]
    assert house.breaker("heater").position is ON


def test_an_off_whose_power_gap_is_reported_later_counts_as_power_loss() -> None:
    """Its position may come before its availability."""
    house = VirtualHouse(circuit("heater", kind=Kind.RELAY, wakes=Wakes.OFF))
    house.wait(60.0)
    house.breaker("heater").turn_off_by_hand()
    assert house.owed() == []
    house.breaker("heater").says("online", "availability")
    assert house.owed() == ["heater"]


def test_a_relay_that_wakes_off_and_is_switched_off_by_hand_is_not_owed() -> None:
    """There was no power gap: its availability stood still."""
    house = VirtualHouse(circuit("heater", kind=Kind.RELAY, wakes=Wakes.OFF))
    house.wait(60.0)
    house.breaker("heater").turn_off_by_hand()
    house.wait(60.0)
    assert house.owed() == house.ons() == []


@pytest.mark.parametrize("broker_after_s", [0.0, 2.0])
def test_before_of_a_relay_that_fell_in_the_transfer_is_on(broker_after_s: float) -> None:
    """The machine went down with it, and the broker, early or late, remembers the off it woke with."""
    house = VirtualHouse(circuit("heater", kind=Kind.RELAY, wakes=Wakes.OFF), *USUAL)
    house.crash()
    house.contact.is_open = True
    house.breaker("heater").has(wakes=device.PowerUpState.OFF)
    house.breaker("heater").reboots()
    house.start(rebooted=True, connected=False)
    house.wait(broker_after_s)
    house.broker.greets()
    house.wait(60.0)
    assert "heater" in house.owed()
    given_back(house)
    assert house.breaker("heater").position is ON
