"""What random nights once found, each with its story in a sentence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller import events as ev
from controller.effects import SwitchOff, SwitchOn
from controller.engine import EngineSettings
from rules.panel import CircuitId, Panel, Position, Tag, Wakes
from rules.shed import Pace
from tests.virtual.house import House
from tests.virtual.panels import circuit

TUB = CircuitId("hot-tub")


def house(*circuits: object, **settings: object) -> House:
    """Return a house on utility that has heard of every device."""
    panel = Panel.of(*(circuits or (circuit("hot-tub"),)))  # type: ignore[arg-type]
    made = House(panel, EngineSettings(**settings))  # type: ignore[arg-type]
    for device in made.devices.values():
        made.broker.states[device.circuit] = device.position
        made.broker.availability[device.circuit] = True
    made.start()
    made.run(30.0)
    return made


def owed(made: House) -> tuple[CircuitId, ...]:
    assert made.program.engine is not None
    return made.program.engine.state_view().owed


def test_a_second_off_under_way_is_ours_too() -> None:
    """A slow hub confirmed the first of two OFFs, a hand switched on, utility returned, and the second took effect."""
    made = house()
    made.devices[TUB].slow_s = 8.0
    made.contact(is_open=True)
    made.run(8.15)  # the second OFF has left at 5.1
    assert made.devices[TUB].position is Position.OFF
    made.contact(is_open=False)
    made.run(0.5)
    made.hand(TUB, Position.ON)
    made.run(1.0)
    made.devices[TUB].slow_s = 0.0
    made.run(4.0)
    assert made.devices[TUB].position is Position.OFF
    made.run(60.0)
    assert made.devices[TUB].position is Position.ON
    made.run(200.0)
    assert owed(made) == ()


def test_an_off_the_broker_kept_for_a_minute_is_ours_too() -> None:
    """The device was away, its OFF waited at the broker as long as it lived, and its hub took its time besides."""
    made = house(pace=Pace(eager_s=0.0))
    device = made.devices[TUB]
    device.keeps_session = True
    made.leave(TUB, 180.0)
    made.run(4.0)
    made.contact(is_open=True)
    made.run(160.0)  # the pause has grown to a minute, and so has the life of what waits at the broker
    made.contact(is_open=False)
    device.slow_s = 50.0
    made.run(400.0)
    assert device.position is Position.ON
    assert owed(made) == ()


def test_a_circuit_that_reports_on_is_not_said_to_be_owed() -> None:
    """Utility came back before a silent breaker had obeyed: it is watched for a while, and nobody need be told."""
    made = house()
    made.devices[TUB].refuses = True
    made.contact(is_open=True)
    made.run(20.0)
    made.contact(is_open=False)
    made.run(15.0)
    assert owed(made) == (TUB,)
    assert made.program.engine is not None
    assert made.program.engine.alarm_view("owed") is None
    made.run(300.0)
    assert owed(made) == ()
