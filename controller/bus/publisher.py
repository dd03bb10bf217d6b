"""Render effects as messages. The values are read from the engine when the message is rendered, not earlier."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from controller.core.effects import (
    PublishAlarm,
    PublishAlarmList,
    PublishCircuit,
    PublishDemand,
    PublishEvent,
    PublishLastOutage,
    PublishMeter,
    PublishState,
    QueryContact,
    QueryDevice,
    SendReply,
)

if TYPE_CHECKING:
    from controller.bus.messages import Publication
    from controller.bus.topics import Topics
    from controller.core.engine import Engine
    from controller.core.views import WallClock

Publishable = (
    QueryContact
    | QueryDevice
    | PublishState
    | PublishCircuit
    | PublishDemand
    | PublishMeter
    | PublishAlarm
    | PublishAlarmList
    | PublishLastOutage
    | PublishEvent
    | SendReply
)


def render(effect: Publishable, engine: Engine, topics: Topics, wall: WallClock, now: float) -> Publication | None:
    """Return the message of an effect; None if there is no value to publish or no address to reply to.

    `now`: monotonic seconds.
    """
    message: Publication | None
    match effect:
        case SendReply():
            message = topics.answer(effect)
        case PublishEvent(event):
            message = topics.event(event, wall)
        case PublishMeter():
            message = topics.meter(effect, wall)
        case PublishState():
            message = topics.state(engine.state_view(), wall)
        case PublishCircuit(circuit):
            circuit_view = engine.circuit_view(circuit)
            message = topics.cleared_circuit(circuit) if circuit_view is None else topics.circuit(circuit_view, wall)
        case PublishAlarm(alarm):
            alarm_view = engine.alarm_view(alarm)
            message = topics.cleared_alarm(alarm) if alarm_view is None else topics.alarm(alarm_view, wall)
        case PublishDemand():
            demand_view = engine.demand_view(now)
            message = None if demand_view is None else topics.demand(demand_view, now, wall)
        case PublishAlarmList() | PublishLastOutage() | QueryContact() | QueryDevice():
            message = _render_other(effect, engine, topics, wall)
        case _:
            assert_never(effect)
    return message


def _render_other(
    effect: PublishAlarmList | PublishLastOutage | QueryContact | QueryDevice,
    engine: Engine,
    topics: Topics,
    wall: WallClock,
) -> Publication | None:
    match effect:
        case PublishAlarmList():
            return topics.alarm_list(engine.alarm_views(), wall)
        case PublishLastOutage():
            view = engine.last_outage_view()
            return None if view is None else topics.last_outage(view, wall)
        case QueryContact():
            return topics.contact_query()
        case QueryDevice():
            return topics.device_query(effect)
        case _:
            assert_never(effect)
