"""What the engine wants told → what is published: each word is read from the engine at the moment it is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.core.effects import (
    Answer,
    TellAlarm,
    TellCircuit,
    TellDemand,
    TellEvent,
    TellMeter,
    TellState,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.bus.topics import Publication, Topics
    from controller.core.engine import Engine
    from controller.core.views import Wall

Word = TellState | TellCircuit | TellDemand | TellMeter | TellAlarm | TellEvent | Answer


def publication(word: Word, engine: Engine, topics: Topics, wall: Wall, now: float) -> Publication | None:
    """Return the message that says it; None where there is nothing to say, or nobody to say it to."""
    match word:
        case Answer():
            return topics.answer(word)
        case TellEvent(event):
            return topics.event(event, wall)
        case TellMeter():
            return topics.meter(word, wall)
        case TellState():
            return topics.state(engine.state_view(), wall)
        case _:
            return _KEPT[type(word)](word, engine, topics, wall, now)


def _circuit(word: TellCircuit, engine: Engine, topics: Topics, wall: Wall, _now: float) -> Publication:
    view = engine.circuit_view(word.circuit)
    return topics.no_circuit(word.circuit) if view is None else topics.circuit(view, wall)


def _alarm(word: TellAlarm, engine: Engine, topics: Topics, wall: Wall, _now: float) -> Publication:
    stands = engine.alarm_view(word.id)
    return topics.no_alarm(word.id) if stands is None else topics.alarm(stands, wall)


def _demand(_word: TellDemand, engine: Engine, topics: Topics, wall: Wall, now: float) -> Publication | None:
    demand = engine.demand_view(now)
    return None if demand is None else topics.demand(demand, now, wall)


_KEPT: dict[type, Callable[..., Publication | None]] = {
    TellCircuit: _circuit,
    TellAlarm: _alarm,
    TellDemand: _demand,
}
