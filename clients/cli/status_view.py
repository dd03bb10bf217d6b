"""Screen of `loadshed status`: nothing old is shown as present."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from clients.bus_client.status import HouseStatus, age_s, fetch_status, is_stale, status_fields
from clients.terminal.output import print_line
from clients.terminal.tables import format_span, table, wrapped
from hw.broker_socket import BrokerError
from rules.controllability import uncontrollable_reason
from rules.panel import Circuit, CircuitId, Kind, Tag

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clients.bus_client.site import Site
    from rules.json_types import Json

    Fields = dict[str, Json]

_STATES = {
    "starting": "starting: where the contact is, is not known yet",
    "utility": "on UTILITY",
    "shedding": "on STANDBY, shedding",
    "standby": "on STANDBY, shed",
    "stabilizing": "on UTILITY again, waiting until it is stable",
    "restoring": "on UTILITY again, restoring",
}

_DRILL = {
    "shedding": "on UTILITY, shedding for a DRILL",
    "standby": "on UTILITY, shed for a DRILL",
    "stabilizing": "on UTILITY, a drill is over; waiting until utility is stable",
    "restoring": "on UTILITY, restoring after a drill",
}

_INVERTED = (
    'this contact is open on utility (normally = "open"): a cut wire reads as utility and sheds nothing. '
    "Wire a normally closed contact."
)


def status(site: Site, *, as_json: bool) -> int:
    """Show how the house stands; return 0, or 1 where that cannot be known."""
    told = HouseStatus()
    try:
        told = asyncio.run(fetch_status(site.broker, site.id))
        reason = told.trouble
    except BrokerError as error:
        reason = str(error)
    now = time.time()
    if as_json:
        print_line(json.dumps(status_fields(site, told, reason, now), indent=2, ensure_ascii=False))
    else:
        print_line(status_text(site, told, reason, now))
    return 0 if reason is None else 1


def status_text(site: Site, told: HouseStatus, reason: str | None, now: float) -> str:
    """Return the screen. `reason`: why the present state is unknown; None if it is known. `now`: UTC seconds."""
    if reason is not None:
        return "\n".join(_unknown(site, told, reason, now))
    parts = (_head(told, site, now), _demand(told, site, now), _alarms(told, now), _circuits(told))
    return "\n\n".join("\n".join(lines) for part in parts if (lines := list(part)))


def _unknown(site: Site, told: HouseStatus, reason: str, now: float) -> Iterator[str]:
    yield wrapped(f"UNKNOWN how {site.id} stands: {reason}")
    if told.state is not None:
        state = _STATES.get(str(told.state.get("state")), "?")
        yield wrapped(f"What it said last, which may no longer be so: {state}, {_since(told.state, now)}.")


def _head(told: HouseStatus, site: Site, now: float) -> Iterator[str]:
    state = told.state or {}
    drill = state.get("kind") == "drill"
    words, what = (_DRILL, "drill") if drill else (_STATES, "outage")
    yield f"{words.get(str(state.get('state')), str(state.get('state')))}, {_since(state, now)}"
    yield f"contact says {state.get('source')}" + (f"; {what} {state['outage']}" if state.get("outage") else "")
    yield from _waits(state, now)
    if site.inverted:
        yield wrapped(f"ADVICE: {_INVERTED}", "        ", first="")
    words = {"shed": "shed", "unconfirmed": "NOT CONFIRMED", "owed": "owed", "taken_over": "a person's"}
    for key, what in words.items():
        names = state.get(key)
        if isinstance(names, list) and names:
            yield wrapped(f"{what}: {', '.join(map(str, names))}", "  ", first="")


def _waits(state: Fields, now: float) -> Iterator[str]:
    """Return why nothing is restored yet, and that a house on standby seems to have no power."""
    in_s = age_s(state, now, "stable_at")
    if in_s is not None and in_s < 0 and state.get("state") == "stabilizing":
        flaps = state.get("flap_openings")
        longer = f"; longer than usual, because utility failed {flaps} times recently" if flaps else ""
        yield wrapped(f"nothing comes back for {format_span(-in_s)} more{longer}", "  ", first="")
    if (drill_s := age_s(state, now, "drill_until")) is not None:
        left = f"over in {format_span(max(0.0, -drill_s))}; `loadshed drill --end` ends it now"
        yield wrapped(f"drill on user request: {left}", "  ", first="")
    if (dark_s := age_s(state, now, "generator_power_lost_at")) is not None:
        yield wrapped(f"THE GENERATOR HAS STOPPED, as it seems, {format_span(max(0.0, dark_s))} ago", "  ", first="")


def _since(state: Fields, now: float) -> str:
    ago_s = age_s(state, now, "since")
    if ago_s is None:
        return "since an unknown time"
    at = datetime.fromtimestamp(now - ago_s, UTC).astimezone()
    sure = "" if state.get("clock") is None else ", by a clock that may be wrong"
    return f"since {at:%a %d %b, %H:%M:%S} ({format_span(max(0.0, ago_s))}{sure})"


def _demand(told: HouseStatus, site: Site, now: float) -> Iterator[str]:
    demand = told.demand
    if demand is None:
        return
    if is_stale(demand, site, now) or demand.get("kw") is None:
        heard_s = _number(demand, "age_s")
        ago_s = None if heard_s is None else heard_s + max(0.0, age_s(demand, now) or 0.0)
        said = "no figure yet" if ago_s is None else f"the meter was last heard {format_span(ago_s)} ago"
        yield f"demand     unknown now: {said}"
    else:
        quality = {"coarse": ", from the coarse register"}.get(str(demand.get("kw_quality")), "")
        heard_s = (_number(demand, "age_s") or 0.0) + max(0.0, age_s(demand, now) or 0.0)
        most = "≤ " if demand.get("kw_is_upper_bound") is True else ""
        kw = f"{most}{_number(demand, 'kw'):.2f} kW now{_of_rated(site)}"
        yield f"demand     {kw} (heard {format_span(heard_s)} ago{quality})"
    averages = (("demand_5min_kw", "5 min"), ("demand_15min_kw", "15 min"), ("peak_15min_kw", "peak of 15 min"))
    yield "           " + ", ".join(_average(demand, key, what) for key, what in averages)
    if (energy_kwh := _number(demand, "energy_kwh")) is not None:
        yield f"register   {energy_kwh:.1f} kWh"
    if (totalizer_kwh := _number(demand, "totalizer_kwh")) is not None:
        yield f"totalizer  {totalizer_kwh:.1f} kWh counted at the 1 kWh output"


def _of_rated(site: Site) -> str:
    return "" if site.generator_kw is None else f", the generator is rated {site.generator_kw:g} kW"


def _average(demand: Fields, key: str, what: str) -> str:
    kw, partial = _number(demand, key), demand.get("partial")
    if kw is None:
        return f"{what} unknown yet"
    return f"{what} {kw:.2f} kW" + (" (not full yet)" if isinstance(partial, list) and key in partial else "")


def _alarms(told: HouseStatus, now: float) -> Iterator[str]:
    for name, alarm in sorted(told.alarms.items()):
        ago_s = age_s(alarm, now, "since")
        since = "" if ago_s is None else f" (for {format_span(max(0.0, ago_s))})"
        yield wrapped(f"ALARM {name}{since}: {alarm.get('message')}", "      ", first="")
        yield wrapped(f"do: {alarm.get('action')}", "          ", first="      ")


def _circuits(told: HouseStatus) -> Iterator[str]:
    heads = ("circuit", "breaker", "tag", "command", "is", "why")
    yield table(heads, [_row(name, circuit) for name, circuit in sorted(told.circuits.items(), key=_order)])
    if any(circuit.get("controllable") is False for circuit in told.circuits.values()):
        yield "NO: no command can switch it off and on; it stays ON unless switched manually."


def _order(item: tuple[str, Fields]) -> tuple[bool, str]:
    return item[1].get("tag") == Tag.ESSENTIAL.value, item[0]


def _row(name: str, circuit: Fields) -> tuple[str, ...]:
    position = str(circuit.get("position"))
    if circuit.get("controllable") is not False:
        is_now = position if circuit.get("available") is True else f"{position}, SILENT"
        return name, str(circuit.get("breaker")), str(circuit.get("tag")), "yes", is_now, str(circuit.get("why"))
    # Such a breaker may have nothing to report with: `unknown` would be no news.
    is_now = "" if position == "unknown" else position
    return name, str(circuit.get("breaker")), str(circuit.get("tag")), "NO", is_now, _why_not(circuit)


def _why_not(circuit: Fields) -> str:
    says, kind = str(circuit.get("why")), str(circuit.get("breaker"))
    if "UNCONTROLLABLE" in says or kind not in (known.value for known in Kind):
        return says
    reason = uncontrollable_reason(Circuit(CircuitId(""), "", (), Kind(kind), Tag.ESSENTIAL))
    return f"{says} ({reason})"


def _number(fields: Fields, key: str) -> float | None:
    value = fields.get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
