"""Screen of `loadshed status`. Nothing old is shown as present, and nothing unconfirmed as done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.bus_client.status import age_s, ago_s, is_stale
from clients.terminal.color import BOLD, GREEN, RED, YELLOW, colored
from clients.terminal.tables import format_span, table, wrapped
from clients.terminal.times import date_and_time, short_time, time_of_day
from rules.controllability import uncontrollable_reason
from rules.panel import Circuit, CircuitId, Kind, Tag

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clients.bus_client.site import Site
    from clients.bus_client.status import HouseStatus
    from rules.json_types import Json

    Fields = dict[str, Json]

_STATES = {
    "starting": "STARTING: the contact position is not known yet",
    "utility": "ON UTILITY",
    "shedding": "ON GENERATOR, switching circuits off",
    "standby": "ON GENERATOR",
    "stabilizing": "ON UTILITY AGAIN, waiting until it is stable",
    "restoring": "ON UTILITY AGAIN, restoring circuits",
}

_DRILL_STATES = {
    "shedding": "DRILL on utility, switching circuits off",
    "standby": "DRILL on utility",
    "stabilizing": "ON UTILITY, the drill is over; waiting until utility is stable",
    "restoring": "ON UTILITY, restoring circuits after the drill",
}

_SHEDS = ("shedding", "standby")

_INVERTED = (
    'the contact is open on utility (normally = "open"). A cut wire reads as utility, and nothing is shed. '
    "Wire a normally closed contact."
)

_NOT_CONFIRMED, _NO_REPORT = "NOT CONFIRMED", "no report"
_WORDS_IN_COLOR = {
    _NOT_CONFIRMED: RED,
    "TRIPPED": RED,
    "SILENT": YELLOW,
    "ALARM": RED,
}


def status_text(site: Site, house: HouseStatus, reason: str | None, now: float) -> str:
    """Return the screen. `reason`: why the present state is unknown; None if it is known. `now`: UTC seconds."""
    if reason is not None:
        return "\n".join(_unknown(site, house, reason, now))
    circuits = _circuits(house, now)
    return _screen(_head(house, site, now), _demand(house, site, now), _alarms(house, now), circuits)


def watch_text(site: Site, house: HouseStatus, reason: str | None, now: float, rows: int) -> str:
    """Return the live screen in at most `rows` lines; other arguments as for `status_text`.

    If the terminal is too low, the explanations are left out first, then what to do about the alarms, and then lines
    at the end. It is stated what was left out.
    """
    foot = wrapped(f"{time_of_day(now)}; Ctrl-C ends")
    text = status_text(site, house, reason, now)
    if reason is None and not _fits(text, foot, rows):
        foot = wrapped(f"{time_of_day(now)}; Ctrl-C ends. Reasons: `loadshed status`")
        for brief in (False, True):
            alarms, circuits = _alarms(house, now, brief=brief), _brief_circuits(house, now)
            text = _screen(_head(house, site, now), _demand(house, site, now), alarms, circuits)
            if _fits(text, foot, rows):
                break
    return f"{text}\n\n{foot}" if _fits(text, foot, rows) else f"{_cut(text, rows - _height(foot))}\n{foot}"


def _fits(text: str, foot: str, rows: int) -> bool:
    return _height(text) + 1 + _height(foot) <= rows


def _height(text: str) -> int:
    return text.count("\n") + 1


def _cut(text: str, rows: int) -> str:
    """Return the first lines, and how many are missing."""
    lines = text.split("\n")
    if len(lines) <= rows:
        return text
    shown = max(1, rows - 1)
    return "\n".join((*lines[:shown], f"... {len(lines) - shown} more lines: enlarge the window"))


def _screen(*parts: Iterator[str]) -> str:
    """Return the parts with a blank line between them, the words to notice in color."""
    text = "\n\n".join("\n".join(lines) for part in parts if (lines := list(part)))
    for word, color in _WORDS_IN_COLOR.items():
        text = text.replace(word, colored(word, color, BOLD))
    return text


def _unknown(site: Site, house: HouseStatus, reason: str, now: float) -> Iterator[str]:
    yield wrapped(f"UNKNOWN: the present state of {site.id} is not known. {reason}")
    if house.state is not None:
        state = _STATES.get(str(house.state.get("state")), "?")
        yield wrapped(f"Last known state, which may be out of date: {state}, {_since(house.state, now)}.")


def _head(house: HouseStatus, site: Site, now: float) -> Iterator[str]:
    state = house.state or {}
    drill = state.get("kind") == "drill"
    titles = _DRILL_STATES if drill else _STATES
    name = str(state.get("state"))
    title = titles.get(name, name)
    if name in _SHEDS:
        title += f": {_shed_counts(house, state)}"
    yield wrapped(colored(title, BOLD, YELLOW if name in _SHEDS else GREEN), "  ", first="")
    number = state.get("outage")
    which = f"; {'drill' if drill else 'outage'} {number}" if number is not None else ""
    yield wrapped(_since(state, now) + which, "  ", first="")
    if state.get("source") == "unknown":
        yield wrapped("The contact position is unknown: outages cannot be detected.", "  ", first="")
    yield from _waits(state, now)
    if site.inverted:
        yield wrapped(f"ADVICE: {_INVERTED}", "        ", first="")
    for key, text in (("owed", "to be restored"), ("taken_over", "under manual override")):
        if names := _labels(house, state.get(key)):
            yield wrapped(f"{text}: {names}", "  ", first="")


def _shed_counts(house: HouseStatus, state: Fields) -> str:
    """Return `5 of 6 circuits off, 1 not confirmed (Dishwasher, space 7)`."""
    off, silent = _ids(state.get("shed")), _ids(state.get("unconfirmed"))
    total = len(off) + len(silent)
    if not total:
        return "no circuit to switch off"
    counted = f"{len(off)} of {total}" if silent else f"all {total}" if total > 1 else "the one"
    word = "circuit" if total == 1 else "circuits"
    missing = f", {len(silent)} not confirmed ({_labels(house, state.get('unconfirmed'))})" if silent else ""
    return f"{counted} {word} off{missing}"


def _ids(value: Json) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def _labels(house: HouseStatus, value: Json) -> str:
    """Return the names and spaces of circuits: `Hot tub, spaces 9+11; Dishwasher, space 7`."""
    return "; ".join(_label(circuit, house.circuits.get(circuit, {})) for circuit in _ids(value))


def _label(circuit: str, fields: Fields) -> str:
    spaces = _spaces(fields)
    place = f", space{'s' if '+' in spaces else ''} {spaces}" if spaces else ""
    return f"{fields.get('name') or circuit}{place}"


def _spaces(fields: Fields) -> str:
    return "+".join(_ids(fields.get("spaces")))


def _waits(state: Fields, now: float) -> Iterator[str]:
    """Return what is waited for, and that a house on standby seems to have no power."""
    in_s = age_s(state, now, "stable_at")
    if in_s is not None and in_s < 0 and state.get("state") == "stabilizing":
        flaps = state.get("flap_openings")
        longer = f"; longer than usual, because utility failed {flaps} times recently" if flaps else ""
        yield wrapped(f"Circuits are restored in {format_span(-in_s)}{longer}.", "  ", first="")
    if (drill_s := age_s(state, now, "drill_until")) is not None:
        left = f"{format_span(max(0.0, -drill_s))}; `loadshed drill --end` ends it now"
        yield wrapped(f"The drill ends in {left}.", "  ", first="")
    if state.get("generator_power_lost_at") is not None:
        lasted = _lasted(state, now, "generator_power_lost_at")
        lost = f"no power since {lasted} ago" if lasted else "no power"
        yield wrapped(f"THE GENERATOR HAS PROBABLY STOPPED: {lost}.", "  ", first="")


def _since(state: Fields, now: float) -> str:
    old_s = age_s(state, now, "since")
    if old_s is None:
        return "since an unknown time"
    lasted = _lasted(state, now, "since") or "for an unknown time: the clocks differ"
    return f"since {date_and_time(now - old_s)} ({lasted})"


def _lasted(fields: Fields, now: float, key: str) -> str:
    """Return how long something has lasted; empty: unknown."""
    lasted_s = ago_s(fields, now, key)
    if lasted_s is None:
        return ""
    return format_span(lasted_s) + ("" if fields.get("clock") is None else ", by a clock that may be wrong")


def _demand(house: HouseStatus, site: Site, now: float) -> Iterator[str]:
    demand = house.demand
    if demand is None:
        return
    if is_stale(demand, site, now) or demand.get("kw") is None:
        read_s = _number(demand, "age_s")
        published_s = ago_s(demand, now)
        if read_s is None or published_s is None:
            start = "no figure yet. For about a minute after a start, the meter has counted too little"
            text = "the meter does not respond" if "meter-stale" in house.alarms else start
            yield _beside("demand", f"unknown now: {text}")
        else:
            yield _beside("demand", f"unknown now: the last reading is {format_span(read_s + published_s)} old")
    else:
        quality = {"coarse": ", from the coarse register"}.get(str(demand.get("kw_quality")), "")
        read_s = (_number(demand, "age_s") or 0.0) + max(0.0, age_s(demand, now) or 0.0)
        most = "≤ " if demand.get("kw_is_upper_bound") is True else ""
        kw = _number(demand, "kw") or 0.0
        yield _beside("demand", f"{most}{kw:.2f} kW now{_share(site, kw)} ({format_span(read_s)} ago{quality})")
    averages = (("demand_5min_kw", "5 min"), ("demand_15min_kw", "15 min"), ("peak_15min_kw", "peak of 15 min"))
    if any(_number(demand, key) is not None for key, _ in averages):
        yield _beside("", ", ".join(_average(demand, key, what) for key, what in averages))
    if (energy_kwh := _number(demand, "energy_kwh")) is not None:
        yield _beside("register", f"{energy_kwh:.1f} kWh")
    if (totalizer_kwh := _number(demand, "totalizer_kwh")) is not None:
        yield _beside("totalizer", f"{totalizer_kwh:.1f} kWh counted at the 1 kWh output")


def _beside(head: str, text: str) -> str:
    """Return a paragraph beside its heading."""
    return wrapped(text, " " * 11, first=f"{head:11}")


def _share(site: Site, kw: float) -> str:
    """Return the share of the generator's rated power."""
    return "" if site.generator_kw is None else f", {100 * kw / site.generator_kw:.0f} % of {site.generator_kw:g} kW"


def _average(demand: Fields, key: str, what: str) -> str:
    kw, partial = _number(demand, key), demand.get("partial")
    if kw is None:
        return f"{what} unknown yet"
    return f"{what} {kw:.2f} kW" + (" (not full yet)" if isinstance(partial, list) and key in partial else "")


def _alarms(house: HouseStatus, now: float, *, brief: bool = False) -> Iterator[str]:
    for name, alarm in sorted(house.alarms.items()):
        old_s, lasted = age_s(alarm, now, "since"), _lasted(alarm, now, "since")
        since = f" (since {short_time(now - old_s)}, {lasted})" if old_s is not None and lasted else ""
        yield wrapped(f"ALARM {name}{since}: {alarm.get('message')}", "      ", first="")
        if not brief:
            yield wrapped(f"To do: {alarm.get('action')}", "      ", first="      ")


def _circuits(house: HouseStatus, now: float) -> Iterator[str]:
    unconfirmed = _counted_as_on(house)
    heads = ("space", "circuit", "rank", "is", "why")
    rows = [
        (_spaces(fields), str(fields.get("name") or circuit), *_standing(fields, now, circuit in unconfirmed))
        for circuit, fields in sorted(house.circuits.items(), key=_panel_order)
    ]
    yield table(heads, rows, right=(2,))
    if any(fields.get("rank") is not None for fields in house.circuits.values()):
        yield wrapped("rank: order in which circuits are switched on again, 1 first; 9 is switched off first.")


def _brief_circuits(house: HouseStatus, now: float) -> Iterator[str]:
    """Return a line per circuit, without its explanation."""
    unconfirmed = _counted_as_on(house)
    rows = []
    for circuit, fields in sorted(house.circuits.items(), key=_panel_order):
        _, position, _ = _standing(fields, now, circuit in unconfirmed)
        controllable = fields.get("controllable") is not False
        when = _on_again(fields, now) if controllable else "manual only"
        rows.append((_spaces(fields), str(fields.get("name") or circuit), position, when))
    lines = table(("space", "circuit", "is", "on again"), rows).split("\n")
    if len(lines) > len(rows) + 2:  # the terminal is too narrow for columns
        lines = [", ".join(filter(None, row[1:3])) for row in rows]
    yield from lines


def _on_again(fields: Fields, now: float) -> str:
    """Return when a circuit is expected to be on again, or that it waits for a request; empty: neither."""
    in_s = age_s(fields, now, "back_at")
    if in_s is not None and in_s < 0:
        return f"about {short_time(now - in_s)}"
    return "on request" if fields.get("remedy") is not None else ""


def _counted_as_on(house: HouseStatus) -> set[str]:
    """Return the circuits whose report of off does not count: OFF is not confirmed, or they still draw power."""
    drawing = house.alarms.get("still-drawing", {}).get("circuits")
    return {*_ids((house.state or {}).get("unconfirmed")), *_ids(drawing)}


def _panel_order(item: tuple[str, Fields]) -> tuple[int, str]:
    spaces = item[1].get("spaces")
    first = min((one for one in spaces if isinstance(one, int)), default=9999) if isinstance(spaces, list) else 9999
    return first, item[0]


def _standing(fields: Fields, now: float, unconfirmed: bool) -> tuple[str, str, str]:
    """Return rank, position and explanation of a circuit."""
    position, why = str(fields.get("position")), str(fields.get("why"))
    shed_by_rules = fields.get("tag") == Tag.NONESSENTIAL.value and fields.get("controllable") is not False
    rank = str(fields.get("rank") or "") if shed_by_rules else ""
    if fields.get("controllable") is False:
        # Such a breaker may have nothing to report with.
        return rank, "" if position == "unknown" else position, _why_not(fields)
    if unconfirmed:
        position = _NOT_CONFIRMED
    elif position == "tripped":
        position = "TRIPPED"
    elif position == "unknown":
        position = _NO_REPORT
    if fields.get("available") is not True:
        position += ", SILENT"
    in_s = age_s(fields, now, "back_at")
    if in_s is not None and in_s < 0:
        why += f"; on again at about {short_time(now - in_s)}"
    return rank, position, why


def _why_not(fields: Fields) -> str:
    text, kind = str(fields.get("why")), str(fields.get("breaker"))
    if "UNCONTROLLABLE" in text or kind not in (known.value for known in Kind):
        return text
    reason = uncontrollable_reason(Circuit(CircuitId(""), "", (), Kind(kind), Tag.ESSENTIAL))
    return f"{text} ({reason})"


def _number(fields: Fields, key: str) -> float | None:
    value = fields.get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
