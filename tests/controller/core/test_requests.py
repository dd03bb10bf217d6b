"""Requests that meet each other, and the moment they come at."""

from __future__ import annotations

from rules.panel import Position
from tests.virtual_house import VirtualHouse, circuit

ON, OFF = Position.ON, Position.OFF


def test_the_last_word_counts() -> None:
    """A later request replaces an earlier one."""
    house = VirtualHouse()
    house.breaker("hot-tub").has(silent=True)
    house.ask("off", "hot-tub")
    house.wait(1.0)
    house.breaker("hot-tub").has()
    house.commands.clear()
    house.ask("on", "hot-tub")
    house.wait(30.0)
    assert house.offs() == []
    assert house.breaker("hot-tub").position is ON


def test_the_same_asked_twice_is_commanded_once_within_confirm_s() -> None:
    """Two commands to one circuit are never nearer, unless what is wanted changed."""
    house = VirtualHouse()
    house.breaker("hot-tub").has(mute=True)
    house.ask("off", "hot-tub")
    house.wait(1.0)
    house.ask("off", "hot-tub")
    house.wait(1.0)
    assert len(house.offs()) == 1


def test_a_request_on_standby_does_not_wait_for_the_stagger() -> None:
    """The stagger time applies to the rules only; a request is served at once."""
    house = VirtualHouse()
    house.contact.open()
    house.wait(30.0)
    house.ask("on", "hot-tub")
    house.ask("on", "dryer")
    at = [one.at for one in house.commands if one.word == "ON"]
    assert at == [house.now, house.now]


def test_the_rules_keep_their_stagger_from_a_persons_on() -> None:
    """Two inrush currents at once overload the generator, whoever requested them."""
    house = VirtualHouse()
    house.contact.open()
    house.wait(30.0)
    house.contact.close()
    house.wait(9.0)
    house.ask("on", "ev-charger")
    asked = house.now
    house.wait(60.0)
    assert house.times("ON", "well-pump")[0] - asked >= 5.0


def test_a_trip_ends_a_request() -> None:
    """It is not switched on again by the next try."""
    house = VirtualHouse(circuit("hot-tub"))
    house.ask("off", "hot-tub")
    house.wait(10.0)
    house.breaker("hot-tub").has(silent=True)
    house.ask("on", "hot-tub")
    house.wait(1.0)
    house.breaker("hot-tub").says("TRIPPED")
    house.wait(60.0)
    assert len(house.ons()) == 1


def test_what_was_asked_on_utility_and_not_done_ends_with_utility() -> None:
    """On standby the circuit is shed like any other."""
    house = VirtualHouse()
    house.breaker("hot-tub").turn_off_by_hand()
    house.breaker("hot-tub").has(silent=True)
    house.ask("on", "hot-tub")
    house.wait(1.0)
    house.contact.open()
    house.wait(60.0)
    assert len(house.ons()) == 1
    assert "hot-tub" in house.offs()
    assert house.breaker("hot-tub").position is OFF
    assert [line.circuit for line in house.happened("request_failed")] == ["hot-tub"]


def test_a_request_ends_where_the_file_now_forbids_it() -> None:
    """Protected means never commanded, from the reload on."""
    house = VirtualHouse(circuit("router"), circuit("hot-tub"))
    house.breaker("router").has(silent=True)
    house.ask("off", "router")
    house.wait(1.0)
    house.rewrite(circuit("router", protected=True), circuit("hot-tub"))
    house.wait(60.0)
    assert len(house.offs()) == 1


def test_a_hold_ends_what_was_asked_before() -> None:
    """An ON that has not been confirmed is tried no more."""
    house = VirtualHouse()
    house.breaker("hot-tub").turn_off_by_hand()
    house.breaker("hot-tub").has(silent=True)
    house.ask("on", "hot-tub")
    house.wait(1.0)
    house.ask("hold", "hot-tub", by="Ann")
    house.wait(60.0)
    assert len(house.ons()) == 1
