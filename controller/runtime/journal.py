"""Lines for the journal that an owner can read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from controller.core.effects import Json, LogEvent

MAX_ERRORS = 50

_WORDS = {
    "off_sent": "OFF sent",
    "on_sent": "ON sent",
    "confirmed_off": "confirmed off",
    "confirmed_on": "confirmed on",
    "unexpected_on": "is on again, and no person's hand is proved",
    "possible_override": "is on again: a person's hand, or a reboot? waiting to see",
    "taken_over": "left to the person who switched it, for the rest of the outage",
    "on_without_command": "is on by itself or by hand",
    "off_unexplained": "is off after a restart in the outage, and nobody wrote down why: it waits for a person",
    "off_after_power_loss": "fell with the power (it wakes off): it is given back",
    "bus_connected": "connected to the broker",
    "bus_lost": "the broker is away",
    "generator_power_restored": "the house has power again, on standby",
    "meter_reading_held": "meter: the register leapt, and is not believed until a second reading agrees",
    "meter_replaced": "meter: two readings agree on another register: another meter, a new beginning",
    "meter_rolled_over": "meter: the register began anew at 0",
    "pulse_mismatch_cleared": "meter: counted edges and register agree again",
}


def format_event(happened: LogEvent) -> str:
    """Return one event as a line: whom it concerns, what happened, and the rest of what is known.

    Monotonic moments stay in the log: the journal has its own clock.
    """
    if isinstance(says := happened.details.get("text"), str):
        return f"{_meter(happened)}: {says}{_unsaid(happened)}"
    if (sentence := _SENTENCES.get(happened.event)) is not None:
        return sentence(happened.details)
    words = _WORDS.get(happened.event, happened.event.replace("_", " "))
    told = {key: value for key, value in happened.details.items() if not key.endswith("_at")}
    about = ", ".join(f"{key} {_shown(value)}" for key, value in told.items() if value not in (None, [], "", False))
    subject = f"{happened.circuit}: " if happened.circuit is not None else ""
    return f"{subject}{words}" + (f" ({about})" if about else "")


def _alarm(about: Mapping[str, Json]) -> str:
    return f"ALARM {about.get('alarm')}: {about.get('message') or _shown(about.get('circuits') or '')}"


def _no_alarm(about: Mapping[str, Json]) -> str:
    lasted_s = about.get("lasted_s")
    lasted = f", after {lasted_s:.0f} s" if isinstance(lasted_s, int | float) else ""
    return f"alarm {about.get('alarm')} is over{lasted}"


def _all_clear(about: Mapping[str, Json]) -> str:
    not_restored = about.get("not_restored")
    if not isinstance(not_restored, dict) or not not_restored:
        return f"all clear: everything is as it was before the {about.get('kind') or 'outage'}"
    return "all clear, but not back: " + ". ".join(f"{circuit}: {why}" for circuit, why in not_restored.items())


def _stopped(about: Mapping[str, Json]) -> str:
    devices, meter = about.get("devices"), about.get("meter")
    return (
        f"generator stopped, as it seems: {devices} devices fell silent at once on standby (meter: {meter}); nothing "
        "that only lacks its power is an alarm meanwhile"
    )


def _flaps(about: Mapping[str, Json]) -> str:
    wait, usual, within = (_shown(about.get(key)) for key in ("wait_s", "usual_s", "within_s"))
    return (
        f"utility comes and goes ({about.get('openings')} openings within {within} s): it must be unbroken for {wait} "
        f"s instead of {usual} s before anything is given back"
    )


def _drill(about: Mapping[str, Json]) -> str:
    drill, by, for_s = about.get("outage"), about.get("by") or "somebody", _shown(about.get("for_s"))
    return f"DRILL {drill}, asked for by {by}: what is nonessential is switched off for {for_s} s, on utility"


def _drill_over(about: Mapping[str, Json]) -> str:
    return f"drill {about.get('outage')} is over ({about.get('reason')}): what it switched off is given back"


def _drill_taken_over(about: Mapping[str, Json]) -> str:
    return f"a transfer in drill {about.get('outage')}: it goes on as an outage"


_SENTENCES: dict[str, Callable[[Mapping[str, Json]], str]] = {
    "alarm_raised": _alarm,
    "alarm_cleared": _no_alarm,
    "restore_finished": _all_clear,
    "drill_began": _drill,
    "drill_ended": _drill_over,
    "drill_became_outage": _drill_taken_over,
    "generator_power_lost": _stopped,
    "utility_flapping": _flaps,
}


def refusal_lines(sentences: Sequence[str]) -> list[str]:
    """Return what is wrong in a file, a line for each mistake; of very many the first, and how many were left out."""
    shown = [*sentences[:MAX_ERRORS]]
    if left_out := len(sentences) - len(shown):
        shown.append(f"and {left_out} more like these: `loadshed check` shows them all")
    return shown


def _meter(happened: LogEvent) -> str:
    """Return which meter; the house's own has no name."""
    return f"meter {happened.details.get('meter') or ''}".rstrip()


def _unsaid(happened: LogEvent) -> str:
    suppressed = happened.details.get("suppressed")
    return f" ({suppressed} more like it were left out)" if suppressed else ""


def _shown(value: Json) -> str:
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
