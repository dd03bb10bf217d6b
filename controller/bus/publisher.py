"""What the engine wants told → what is published: each word is read from the engine at the moment it is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.core.effects import (
    PublishAlarm,
    PublishCircuit,
    PublishDemand,
    PublishEvent,
    PublishMeter,
    PublishState,
    SendReply,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.bus.topics import Publication, Topics
    from controller.core.engine import Engine
    from controller.core.views import WallClock

Publishable = PublishState | PublishCircuit | PublishDemand | PublishMeter | PublishAlarm | PublishEvent | SendReply


def render(word: Publishable, engine: Engine, topics: Topics, wall: WallClock, now: float) -> Publication | None:
    """Return the message that says it; None where there is nothing to say, or nobody to say it to."""
    match word:
        case SendReply():
            return topics.answer(word)
        case PublishEvent(event):
            return topics.event(event, wall)
        case PublishMeter():
            return topics.meter(word, wall)
        case PublishState():
            return topics.state(engine.state_view(), wall)
        case _:
            return _KEPT[type(word)](word, engine, topics, wall, now)


def _circuit(word: PublishCircuit, engine: Engine, topics: Topics, wall: WallClock, _now: float) -> Publication:
    view = engine.circuit_view(word.circuit)
    return topics.cleared_circuit(word.circuit) if view is None else topics.circuit(view, wall)


def _alarm(word: PublishAlarm, engine: Engine, topics: Topics, wall: WallClock, _now: float) -> Publication:
    stands = engine.alarm_view(word.id)
    return topics.cleared_alarm(word.id) if stands is None else topics.alarm(stands, wall)


def _demand(_word: PublishDemand, engine: Engine, topics: Topics, wall: WallClock, now: float) -> Publication | None:
    demand = engine.demand_view(now)
    return None if demand is None else topics.demand(demand, now, wall)


_KEPT: dict[type, Callable[..., Publication | None]] = {
    PublishCircuit: _circuit,
    PublishAlarm: _alarm,
    PublishDemand: _demand,
}
