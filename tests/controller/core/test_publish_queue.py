"""What is told on the bus, and when."""

from __future__ import annotations

from controller.core.effects import Happened, TellAlarm, TellCircuit, TellDemand, TellEvent, TellState
from controller.core.publish_queue import MOST_EVENTS, Telling
from rules.panel import CircuitId
from tests.virtual_house import House

TUB = CircuitId("hot-tub")


def test_the_state_is_told_at_most_each_fifth_of_a_second_the_last_word_always() -> None:
    """What changed in between waits for its time."""
    telling = Telling()
    assert telling.take(10.0) == [TellState()]
    telling.state = True
    assert telling.take(10.1) == []
    assert telling.deadline() == 10.2
    assert telling.take(10.2) == [TellState()]
    assert telling.deadline() is None


def test_demand_has_a_pace_of_its_own() -> None:
    """It does not wait for the state, nor the state for it."""
    telling = Telling()
    telling.state, telling.demand = False, True
    assert telling.take(10.0) == [TellDemand()]
    telling.demand = True
    assert (telling.take(10.1), telling.deadline()) == ([], 10.2)
    telling.state = True
    assert telling.take(10.15) == [TellState()]
    assert telling.take(10.2) == [TellDemand()]


def test_events_circuits_and_alarms_are_told_at_once() -> None:
    """Each once."""
    telling = Telling()
    happened = Happened(9.0, "state")
    telling.event(happened)
    telling.everything([TUB], ["owed"], demand=False)
    told = telling.take(10.0)
    assert {type(one) for one in told} == {TellEvent, TellState, TellCircuit, TellAlarm}
    assert [TellEvent(happened), TellCircuit(TUB), TellAlarm("owed")] == [one for one in told if one != TellState()]
    assert telling.take(11.0) == []


def test_a_broker_that_is_away_for_long_is_told_the_last_few_hundred_events() -> None:
    """The older ones are in the log on the disk."""
    telling = Telling()
    for at in range(MOST_EVENTS + 50):
        telling.event(Happened(float(at), "bus_lost"))
    told = [one for one in telling.take(10.0) if isinstance(one, TellEvent)]
    assert len(told) == MOST_EVENTS
    assert told[0].event.at == 50.0


def test_nothing_is_told_while_the_broker_is_away_and_all_of_it_when_it_is_back() -> None:
    """It may have forgotten everything."""
    house = House()
    house.broker.goes_away()
    house.effects.clear()
    house.breaker("hot-tub").says("OFF")
    house.wait(10.0)
    assert not [one for one in house.effects if isinstance(one, TellState | TellCircuit | TellEvent)]
    house.broker.comes_back()
    house.wait(0.3)
    assert {one.circuit for one in house.effects if isinstance(one, TellCircuit)} == set(house.breakers)
    assert {one.id for one in house.effects if isinstance(one, TellAlarm)} >= {"owed", "contact-unknown"}
    assert TellState() in house.effects
