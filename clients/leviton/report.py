"""What the bridge publishes for people: the state of each circuit, of the cloud, and its problems."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.leviton import messages
from clients.leviton.orders import Level
from clients.leviton.session import CloudPhase
from rules.panel import Position, Tag

if TYPE_CHECKING:
    from clients.leviton.bridge import BoundCircuit, Bridge
    from clients.leviton.orders import Order
    from rules.json_types import Json
    from rules.panel import Circuit

PATIENCE_S = 600.0
"""Time in seconds for which the cloud may be away on utility before it is a problem: the internet has short gaps."""
SHOWN_AWAY_S = 2.0
FIRST_CONNECT_S = 25.0
"""Time in seconds for the first connection after a start on standby before it is a problem."""
WARN_DAYS = 14
_DAY_S = 86_400.0


def circuit_report(
    circuit: BoundCircuit, order: Order | None, *, power_w: float | None, refused: str
) -> dict[str, Json]:
    """Return the details of a circuit. `power_w`: measured just now; None: not. `refused`: a command not sent."""
    report: dict[str, Json] = {
        "position": None if circuit.shown is None else circuit.shown.value,
        "reachable": not circuit.reason,
        "reason": circuit.reason or None,
        "command": None if order is None else order.wanted.name,
        "level": None if order is None else order.level.value,
        "attempts": None if order is None else order.tries,
        "refusal": (order.refusal or None) if order is not None else None,
        "not_sent": refused or None,
        "words": {name: value for name, value in circuit.belief.words().items() if isinstance(value, str)},
        "power_w": power_w,
    }
    return report


def bridge_report(bridge: Bridge, now: float) -> dict[str, Json]:
    """Return the state of the bridge. `state`: `online` while breakers can be commanded."""
    session = bridge.session
    if session.usable:
        state, cloud = "online", "connected"
    elif session.phase is CloudPhase.NO_LOGIN:
        state, cloud = "offline", "no-login"
    else:
        state, cloud = "offline", "unreachable"
    hubs: list[Json] = [
        {"serial": serial, "name": hub.listed.name, "online": session.usable and session.hub_is_there(serial)}
        for serial, hub in sorted(session.hubs.items())
    ]
    names = {one.id: one.binding.circuit.name for one in bridge.circuits.values()}
    watts = {
        one.id: one.belief.power_w
        for one in bridge.circuits.values()
        if one.belief.position is Position.ON and one.belief.power_w and not one.reason
    }
    return {
        "state": state,
        "cloud": cloud,
        "reason": None if session.usable else session.reason,
        "companion": bridge.companion,
        "hubs": hubs,
        "login_ends_in_days": _days(session.expires_in_s),
        "observed": bridge.loop_watch.text(names, watts) or None,
        "turn_off": [one.id for one in messages.by_size(_not_off(bridge))] if bridge.session.urgent else [],
        "problems": [*_problems(bridge, now)],
    }


def _days(seconds: float | None) -> int | None:
    return None if seconds is None else max(0, int(seconds // _DAY_S))


def _not_off(bridge: Bridge, hub: str | None = None) -> list[Circuit]:
    """Return the circuits that should be off on standby, cannot be commanded, and did not report off at last."""
    found = []
    for one in bridge.circuits.values():
        circuit = one.binding.circuit
        was_off = one.belief.position in (Position.OFF, Position.TRIPPED)
        is_wanted_off = circuit.tag is Tag.NONESSENTIAL and not circuit.protected and one.reason and not was_off
        if is_wanted_off and hub in (None, one.binding.hub):
            found.append(circuit)
    return found


def _problem(identity: str, message: str, action: str, circuits: list[Circuit]) -> Json:
    ids: list[Json] = [circuit.id for circuit in circuits]
    return {"id": identity, "message": message[:500], "action": action, "circuits": ids}


def _problems(bridge: Bridge, now: float) -> list[Json]:
    session, urgent = bridge.session, bridge.session.urgent
    everything = [one.binding.circuit for one in bridge.circuits.values()]
    if session.phase is CloudPhase.NO_LOGIN:
        return [_problem("login", messages.no_login(session.reason), messages.LOGIN_ACTION, everything)]
    found: list[Json] = []
    days = _days(session.expires_in_s)
    if days is not None and days < WARN_DAYS:
        found.append(_problem("login", messages.login_ends(days), messages.LOGIN_ACTION, []))
    if not session.usable:
        if is_away(bridge, now):
            text = messages.unreachable(_not_off(bridge), on_standby=urgent)
            found.append(_problem("unreachable", text, messages.INTERNET_ACTION, everything))
        return found
    return found + _problems_online(bridge, now)


def is_away(bridge: Bridge, now: float) -> bool:
    """Return whether the absence of the cloud has become a problem."""
    if bridge.away_since is None:
        return False
    return now >= bridge.away_since + away_patience_s(bridge)


def away_patience_s(bridge: Bridge) -> float:
    """Return the time in seconds for which the cloud may be away before it is a problem."""
    if not bridge.session.urgent:
        return PATIENCE_S
    return SHOWN_AWAY_S if bridge.was_online else FIRST_CONNECT_S


def _problems_online(bridge: Bridge, now: float) -> list[Json]:
    session = bridge.session
    found: list[Json] = []
    used = {one.binding.hub for one in bridge.circuits.values()}
    away = [
        (serial, hub)
        for serial, hub in session.hubs.items()
        if serial in used and (hub.silent or hub.connected is False)
    ]
    if away:
        circuits = [one.binding.circuit for one in bridge.circuits.values() if one.binding.hub in dict(away)]
        left = [circuit for serial, _ in away for circuit in _not_off(bridge, serial)]
        text = messages.hub_away([hub.listed.name for _, hub in away], left, on_standby=session.urgent)
        found.append(_problem("hub-away", text, messages.HUB_ACTION, circuits))
    wrong = [(one.binding.circuit, one.mismatch) for one in bridge.circuits.values() if one.mismatch]
    if wrong:
        text = messages.wrong_breakers(wrong)
        found.append(_problem("identity", text, messages.IDENTITY_ACTION, [circuit for circuit, _ in wrong]))
    refused = bridge.unaccepted(now)
    if refused:
        circuits = [bridge.circuits[order.circuit].binding.circuit for order in refused]
        text = messages.not_accepted(circuits, refused[-1].refusal)
        found.append(_problem("commands-refused", text, messages.COMMAND_ACTION, circuits))
    late = [order for order in bridge.orders if order.level is Level.MAY_STILL_COME]
    if late:
        circuits = [bridge.circuits[order.circuit].binding.circuit for order in late]
        found.append(_problem("late-command", messages.may_still_come(circuits), messages.COMMAND_ACTION, circuits))
    return found
