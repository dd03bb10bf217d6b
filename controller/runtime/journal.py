"""Text of the journal's lines: one plain line for each event of the log.

No line contains a time. The journal writes its own, in the local time zone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rules.json_types import Json

MAX_ERRORS = 50
"""Maximum number of configuration errors that are written in full."""

_TEXTS = {
    "off_sent": "OFF sent",
    "on_sent": "ON sent",
    "confirmed_off": "confirmed off",
    "confirmed_on": "confirmed on",
    "unexpected_on": "is on again, without evidence of a manual override",
    "possible_override": "is on again: a manual override or a reboot of the device; waiting for evidence",
    "taken_over": "switched manually: left to the user",
    "on_without_command": "switched on manually or by the device",
    "companion_seen_off": "Leviton's energy monitor switched it off",
    "companion_not_seen_off": "Leviton's energy monitor has NOT switched it off: it still reports on",
    "companion_no_report": "does not report whether Leviton's energy monitor has switched it off",
    "stayed_on": "stayed on: its device never confirmed OFF, and reports on",
    "off_unexplained": "is off after a restart during the outage, reason unknown: stays off until a user requests it",
    "off_after_power_loss": "switched off by the loss of power (the device starts off): will be restored",
    "bus_connected": "connected to the broker",
    "bus_lost": "connection to the broker lost",
    "generator_power_restored": "the house has power again, on standby",
    "meter_reading_held": "meter: the register jumped; it is not used until later readings confirm it; meters "
    "answer 0 while they boot",
    "meter_replaced": "meter: the readings agree on a different register: another meter, counting starts again",
    "meter_returned": "meter: the register continues from before: it is not another meter",
    "meter_rolled_over": "meter: the register restarted at 0",
    "pulse_mismatch_cleared": "meter: counted pulse edges and register agree again",
}


def format_event(event: str, circuit: str | None, details: Mapping[str, Json]) -> str:
    """Return one event as a line: the circuit, what happened, and the other details.

    Monotonic times (keys that end in `_at`) are left out.
    """
    if isinstance(text := details.get("text"), str):
        return f"{_meter_name(details)}: {text}{_suppressed(details)}"
    if (sentence := _SENTENCES.get(event)) is not None:
        return sentence(details)
    text = _TEXTS.get(event, event.replace("_", " "))
    shown = {key: value for key, value in details.items() if not key.endswith("_at")}
    more = ", ".join(f"{key} {_shown(value)}" for key, value in shown.items() if value not in (None, [], "", False))
    subject = f"{circuit}: " if circuit is not None else ""
    return f"{subject}{text}" + (f" ({more})" if more else "")


def _started(details: Mapping[str, Json]) -> str:
    after = " after a restart of the machine" if details.get("rebooted") is True else ""
    unread = details.get("unread")
    lost = f"; these ledger entries could not be read: {_shown(unread)}" if unread else ""
    return f"the controller started{after}{lost}"


def _alarm_raised(details: Mapping[str, Json]) -> str:
    return f"ALARM {details.get('alarm')}: {details.get('message') or _shown(details.get('circuits') or '')}"


def _alarm_cleared(details: Mapping[str, Json]) -> str:
    lasted_s = details.get("lasted_s")
    lasted = f" after {lasted_s:.0f} s" if isinstance(lasted_s, int | float) else ""
    return f"alarm {details.get('alarm')} cleared{lasted}"


def _restore_finished(details: Mapping[str, Json]) -> str:
    not_restored = details.get("not_restored")
    if not isinstance(not_restored, dict) or not not_restored:
        return f"restoring complete: every circuit is as it was before the {details.get('kind') or 'outage'}"
    circuits = ". ".join(f"{circuit}: {reason}" for circuit, reason in not_restored.items())
    return f"restoring complete, except for these circuits: {circuits}"


def _generator_power_lost(details: Mapping[str, Json]) -> str:
    devices, meter = details.get("devices"), details.get("meter")
    return (
        f"the generator has probably stopped: {devices} devices stopped responding at the same time on standby "
        f"(meter: {meter}); no alarm is raised for a device that only has no power"
    )


def _utility_flapping(details: Mapping[str, Json]) -> str:
    wait, usual, within = (_shown(details.get(key)) for key in ("wait_s", "usual_s", "within_s"))
    return (
        f"utility is unstable ({details.get('openings')} transfers within {within} s): it must be uninterrupted for "
        f"{wait} s instead of {usual} s before circuits are restored"
    )


def _drill_began(details: Mapping[str, Json]) -> str:
    drill, by, for_s = details.get("outage"), details.get("by") or "an unnamed user", _shown(details.get("for_s"))
    return f"DRILL {drill}, requested by {by}: nonessential circuits are switched off for {for_s} s, on utility"


def _drill_ended(details: Mapping[str, Json]) -> str:
    return f"drill {details.get('outage')} ended ({details.get('reason')}): its circuits are restored"


def _drill_became_outage(details: Mapping[str, Json]) -> str:
    return f"transfer during drill {details.get('outage')}: it continues as an outage"


_SENTENCES: dict[str, Callable[[Mapping[str, Json]], str]] = {
    "started": _started,
    "alarm_raised": _alarm_raised,
    "alarm_cleared": _alarm_cleared,
    "restore_finished": _restore_finished,
    "drill_began": _drill_began,
    "drill_ended": _drill_ended,
    "drill_became_outage": _drill_became_outage,
    "generator_power_lost": _generator_power_lost,
    "utility_flapping": _utility_flapping,
}


def error_lines(sentences: Sequence[str]) -> list[str]:
    """Return one line per configuration error: the first `MAX_ERRORS`, then the number of the others."""
    shown = [*sentences[:MAX_ERRORS]]
    if left_out := len(sentences) - len(shown):
        shown.append(f"and {left_out} more errors: `loadshed check` shows all of them")
    return shown


def _meter_name(details: Mapping[str, Json]) -> str:
    """Return which meter; the house's main meter has no name."""
    return f"meter {details.get('meter') or ''}".rstrip()


def _suppressed(details: Mapping[str, Json]) -> str:
    count = details.get("suppressed")
    return f" ({count} similar messages left out)" if count else ""


def _shown(value: Json) -> str:
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
