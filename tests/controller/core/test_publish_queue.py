"""What is published on the bus, and when."""

from __future__ import annotations

from controller.core.alarms import RETIRED_IDS
from controller.core.effects import (
    LogEvent,
    PublishAlarm,
    PublishAlarmList,
    PublishCircuit,
    PublishDemand,
    PublishEvent,
    PublishLastOutage,
    PublishState,
)
from controller.core.publish_queue import MAX_EVENTS, PublishQueue
from rules.panel import CircuitId
from tests.virtual_house import VirtualHouse

TUB = CircuitId("hot-tub")


def test_the_state_is_published_at_most_five_times_a_second_and_the_latest_always() -> None:
    """What changed in between waits for its time."""
    telling = PublishQueue()
    assert telling.drain(10.0) == [PublishState()]
    telling.add_state()
    assert telling.drain(10.1) == []
    assert telling.deadline() == 10.2
    assert telling.drain(10.2) == [PublishState()]
    assert telling.deadline() is None


def test_demand_has_a_pace_of_its_own() -> None:
    """It does not wait for the state, nor the state for it."""
    telling = PublishQueue()
    telling.drain(9.0)
    telling.add_demand()
    assert telling.drain(10.0) == [PublishDemand()]
    telling.add_demand()
    assert (telling.drain(10.1), telling.deadline()) == ([], 10.2)
    telling.add_state()
    assert telling.drain(10.15) == [PublishState()]
    assert telling.drain(10.2) == [PublishDemand()]


def test_events_circuits_and_alarms_are_published_at_once() -> None:
    """Each once."""
    telling = PublishQueue()
    happened = LogEvent(9.0, "state_changed")
    telling.add_event(happened)
    telling.republish_all([TUB], ["owed"], demand=False)
    told = telling.drain(10.0)
    assert told == [
        PublishEvent(happened),
        PublishState(),
        PublishCircuit(TUB),
        PublishAlarm("owed"),
        PublishAlarmList(),
        PublishLastOutage(),
    ]
    assert telling.drain(11.0) == []


def test_a_broker_that_was_disconnected_for_long_gets_the_last_500_events() -> None:
    """The older ones are in the log on the disk."""
    telling = PublishQueue()
    for at in range(MAX_EVENTS + 50):
        telling.add_event(LogEvent(float(at), "bus_lost"))
    told = [one for one in telling.drain(10.0) if isinstance(one, PublishEvent)]
    assert len(told) == MAX_EVENTS
    assert told[0].event.at == 50.0


def test_nothing_is_published_while_the_broker_is_away_and_everything_when_it_is_back() -> None:
    """It may have forgotten everything."""
    house = VirtualHouse()
    house.broker.goes_away()
    house.effects.clear()
    house.breaker("hot-tub").says("OFF")
    house.wait(10.0)
    assert not [one for one in house.effects if isinstance(one, PublishState | PublishCircuit | PublishEvent)]
    house.broker.comes_back()
    house.wait(0.3)
    assert {one.circuit for one in house.effects if isinstance(one, PublishCircuit)} == set(house.breakers)
    alarms = {one.id for one in house.effects if isinstance(one, PublishAlarm)}
    assert alarms >= {"not-restored", "contact-unknown"}
    assert alarms >= {*RETIRED_IDS}, "retained alarms of earlier versions are cleared"
    assert PublishState() in house.effects
