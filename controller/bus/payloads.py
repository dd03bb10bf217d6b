"""Payloads of published messages: views and events in, JSON bytes out.

The field names are a public contract. An unknown value is null.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from controller.bus.messages import ControllerId
    from controller.bus.outage_classes import OutageClasses
    from controller.config.local_time import LocalTime
    from controller.core.effects import LogEvent, PublishMeter
    from controller.core.views import AlarmView, CircuitView, OutageView, StateView, WallClock
    from rules.json_types import Json
    from rules.metering.demand import DemandView


def rfc3339(utc_s: float) -> str:
    """Return UTC seconds since 1970 as RFC 3339 with milliseconds, `2026-01-31T23:59:59.123Z`."""
    return datetime.fromtimestamp(utc_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_json(fields: Mapping[str, Json]) -> bytes:
    """Return compact JSON. Raises ValueError for NaN and infinity, which JSON does not have."""
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def alive(at: float, uptime_s: float, controller: ControllerId, on_standby: bool | None, wall: WallClock) -> bytes:
    """Return the payload of `controller/alive`. `uptime_s`: since the program's start. `on_standby`: None: unknown."""
    shown: dict[str, Json] = {"at": _when(at, wall), "uptime_s": round(uptime_s, 1), "on_standby": on_standby}
    return to_json({**shown, **controller._asdict(), **_clock(wall)})


def state(view: StateView, wall: WallClock) -> bytes:
    """Return the payload of `controller/state`."""
    return to_json(
        {
            "state": view.state,
            "source": view.source,
            "since": _when(view.since, wall),
            **_clock(wall),
            "outage": view.outage,
            "kind": view.kind,
            "drill_until": _maybe(view.drill_until, wall),
            "shed": [*view.shed],
            "unconfirmed": [*view.unconfirmed],
            "owed": [*view.owed],
            "uncontrollable": [*view.uncontrollable],
            "taken_over": [*view.taken_over],
            "stable_at": _maybe(view.stable_at, wall),
            "flap_openings": view.flap_openings,
            "generator_power_lost_at": _maybe(view.generator_power_lost_at, wall),
            "late_off_watch": [*view.late_off_watch],
        }
    )


def circuit(view: CircuitView, wall: WallClock, local: LocalTime) -> bytes:
    """Return the payload of `circuits/<circuit>`; `switched_at` null: unknown, or not in this boot.

    `local`: how the expected time of return is written in `why`.
    """
    hold: Json = None
    if view.hold is not None:
        hold = {"by": view.hold.by, "note": view.hold.note, "since": _maybe(view.hold.since, wall)}
    return to_json(
        {
            "name": view.name,
            "breaker": view.breaker.value,
            "tag": view.tag.value,
            "controllable": view.controllable,
            "position": view.position.value,
            "available": view.available,
            "shed": view.shed,
            "why": view.why + _expected(view, wall, local),
            "switched_at": _maybe(view.switched_at, wall),
            "owed": view.owed,
            "protected": view.protected,
            "spaces": [*view.spaces],
            "amps": view.amps,
            "rank": view.rank,
            "hold": hold,
            "remedy": view.remedy,
            "back_at": _maybe(view.back_at, wall),
            "waits_for": view.waits_for,
            "power_w": None if view.power_w is None else round(view.power_w, 1),
            "power_age_s": None if view.power_age_s is None else round(view.power_age_s, 1),
            **_clock(wall),
        }
    )


def _expected(view: CircuitView, wall: WallClock, local: LocalTime) -> str:
    """Return when the circuit is expected to be on again, to follow its explanation; empty: unknown."""
    if view.back_at is None or not wall.trusted:
        return ""
    return f"; on again at about {local.short(wall.seconds(view.back_at))}"


def demand(view: DemandView, at: float, wall: WallClock) -> bytes:
    """Return the payload of `demand`; `at`: monotonic seconds of the values."""
    return to_json(
        {
            "kw": _rounded(view.kw),
            "kw_is_upper_bound": view.kw_is_upper_bound,
            "kw_quality": view.kw_quality.value,
            "age_s": _rounded(view.age_s),
            "demand_5min_kw": _rounded(view.demand_5min_kw),
            "demand_15min_kw": _rounded(view.demand_15min_kw),
            "peak_15min_kw": _rounded(view.peak_15min_kw),
            "partial": [*view.partial],
            "energy_kwh": _rounded(view.energy_kwh),
            "totalizer_kwh": _rounded(view.totalizer_kwh),
            "at": _when(at, wall),
            **_clock(wall),
        }
    )


def meter(reading: PublishMeter, wall: WallClock) -> bytes:
    """Return the payload of `meters/<name>`: the register of an extra meter; null if it does not respond."""
    return to_json(
        {"meter": reading.meter, "energy_kwh": reading.energy_kwh, "at": _when(reading.at, wall), **_clock(wall)}
    )


def event(event: LogEvent, wall: WallClock) -> bytes:
    """Return the payload of one message on `events`."""
    circuit = {} if event.circuit is None else {"circuit": event.circuit}
    fixed: dict[str, Json] = {"at": _when(event.at, wall), **_clock(wall), "event": event.event, **circuit}
    # A detail never overwrites the time or the name of the event.
    return to_json({**{key: _detail(key, value, wall) for key, value in event.details.items()}, **fixed})


def alarm(view: AlarmView, wall: WallClock) -> bytes:
    """Return the payload of `alarms/<id>`."""
    return to_json(_alarm_fields(view, wall))


def alarm_list(views: Sequence[AlarmView], wall: WallClock) -> bytes:
    """Return the payload of `controller/alarms`."""
    return to_json({"count": len(views), "alarms": [_alarm_fields(view, wall) for view in views]})


def _alarm_fields(view: AlarmView, wall: WallClock) -> dict[str, Json]:
    return {
        "id": view.id,
        "since": _when(view.since, wall),
        **_clock(wall),
        "message": view.message,
        "action": view.action,
        "circuits": [*view.circuits],
    }


def last_outage(view: OutageView, wall: WallClock, classes: OutageClasses) -> bytes:
    """Return the payload of `outages/last`; a time is null if the clock of its boot is not known."""
    began_s, ended_s = wall.utc_s(view.began), wall.utc_s(view.ended)
    lasted_s = None
    if view.ended is not None and view.ended.boot == view.began.boot:
        lasted_s = view.ended.mono - view.began.mono
    return to_json(
        {
            "outage": view.outage,
            "kind": view.kind,
            "class": classes.of(view.kind, began_s, lasted_s),
            "began": None if began_s is None else rfc3339(began_s),
            "ended": None if ended_s is None else rfc3339(ended_s),
            **_clock(wall),
            "energy_kwh": _rounded(view.energy_kwh),
            "peak_15min_kw": _rounded(view.peak_15min_kw),
        }
    )


def answer(ok: bool, reason: str, *, needs_force: bool = False) -> bytes:
    """Return the payload of the answer to a user's request. `needs_force`: it is accepted with `"force": true`."""
    return to_json({"ok": ok, "reason": reason, **({"needs_force": True} if needs_force else {})})


def _when(at: float, wall: WallClock) -> str:
    return rfc3339(wall.seconds(at))


def _maybe(at: float | None, wall: WallClock) -> str | None:
    return None if at is None else _when(at, wall)


def _detail(key: str, value: Json, wall: WallClock) -> Json:
    """Return a detail of an event. Monotonic times (`…_at`) become UTC: they mean nothing outside this boot."""
    return _when(value, wall) if key.endswith("_at") and isinstance(value, float) else value


def _clock(wall: WallClock) -> dict[str, Json]:
    return {} if wall.trusted else {"clock": "untrusted"}


def _rounded(figure: float | None) -> float | None:
    # 1 W, 1 Wh, 1 ms: finer than anything that is measured here.
    return None if figure is None else round(figure, 3)
