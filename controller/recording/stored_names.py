"""Names that earlier versions wrote to disk, and their present names. Pure: text in, text out.

Schema 4 of ledger.db and format 2 of the recording use the present names. What was written before is migrated once
(`controller/storage/schema.py`), or translated when a recording of format 1 is read.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from rules.json_types import Json

EVENTS = {
    "state": "state_changed",
    "utility_flaps": "utility_flapping",
    "all_clear": "restore_finished",
    "drill_over": "drill_ended",
    "drill_taken_over": "drill_became_outage",
    "drill_dropped": "drill_canceled",
    "generator_stopped": "generator_power_lost",
    "generator_running": "generator_power_restored",
    "on_again": "unexpected_on",
    "on_again_maybe_by_a_person": "possible_override",
    "commanded_off": "off_sent",
    "commanded_on": "on_sent",
    "came_back_by_itself": "on_without_command",
    "fell_with_the_power": "off_after_power_loss",
    "off_for_unknown_reasons": "off_unexplained",
    "asked": "request_received",
    "request_done": "request_completed",
    "request_unanswered": "request_failed",
    "meter_noted": "meter_finding",
    "meter_another_meter": "meter_replaced",
    "meter_held": "meter_reading_held",
    "pulses_disagree": "pulse_mismatch",
    "pulses_agree": "pulse_mismatch_cleared",
}

EVENT_FIELDS = {
    "unsaid": "suppressed",
    "says": "text",
    "because": "reason",
    "on_again_at": "unexpected_on_at",
    "tries": "attempt",
    "not_back": "not_restored",
    "means": "message",
}

COMMAND_RULES = {
    "given_back": "auto_restore",
    "restored": "restore_request",
    "asked": "switch_request",
    "crossed": "on_in_flight",
}

ALARMS = {
    "broker-away": "broker-disconnected",
    "breaker-silent": "breaker-no-response",
    "owed": "not-restored",
    "still-off": "off-awaiting-user",
    "meter-blind": "meter-not-counting",
}

ENDS = {
    "came back by itself or by hand": "on_without_command",
    "taken over by a person": "taken_over",
    "a person's request": "user_request",
    "off before: stays off": "off_before",
}

INPUTS = {
    "Asked": "Requested",
    "MeterNoted": "MeterFindingReported",
    "OtherMeterHeard": "ExtraMeterRead",
}
"""Inputs of the engine in a recording of format 1."""

SETTINGS = {"pace": "retry", "flap": "flapping"}
"""Engine settings in a recording of format 1."""

CAUSES = {"fell": "power_loss", "doubtful": "unexplained"}

_ENTRY_KEYS = {"debt": "shed_record", "left_off": "left_off_manually", "switched": "last_switch"}


def entry_row(row: Mapping[str, Json]) -> dict[str, Json]:
    """Return a ledger row under its present names. A row that has them already is returned as it is."""
    renamed = {_ENTRY_KEYS.get(key, key): value for key, value in row.items()}
    record, switch = renamed.get("shed_record"), renamed.get("last_switch")
    if isinstance(record, dict):
        record = _renamed(record, {"waits": "needs_request"})
        cause = record.get("cause")
        renamed["shed_record"] = record | {"cause": CAUSES.get(cause, cause)} if isinstance(cause, str) else record
    if isinstance(switch, dict):
        renamed["last_switch"] = _renamed(switch, {"who": "actor"})
    return renamed


def event_details(details: Mapping[str, Json]) -> dict[str, Json]:
    """Return the fields of a logged event under their present names."""
    renamed = _renamed(details, EVENT_FIELDS)
    for key, words in (("rule", COMMAND_RULES), ("alarm", ALARMS)):
        value = renamed.get(key)
        if isinstance(value, str):
            renamed[key] = words.get(value, value)
    return renamed


def migrate_ledger(db: sqlite3.Connection) -> None:
    """Rename everything in ledger.db that earlier versions named otherwise, inside the caller's transaction.

    A row whose JSON cannot be read stays as it is: it is reported when it is loaded.
    """
    for circuit, text in db.execute("SELECT circuit, row FROM entries").fetchall():
        if (row := _object(text)) is not None:
            db.execute("UPDATE entries SET row = ? WHERE circuit = ?", (_text(entry_row(row)), circuit))
    for old, new in EVENTS.items():
        db.execute("UPDATE events SET event = ? WHERE event = ?", (new, old))
    for number, text in db.execute("SELECT id, about FROM events").fetchall():
        details = _object(text)
        if details is not None and (renamed := event_details(details)) != details:
            db.execute("UPDATE events SET about = ? WHERE id = ?", (_text(renamed), number))
    for old, new in ENDS.items():
        db.execute("UPDATE histories SET end = ? WHERE end = ?", (new, old))


def _renamed(fields: Mapping[str, Json], names: Mapping[str, str]) -> dict[str, Json]:
    return {names.get(key, key): value for key, value in fields.items()}


def _object(text: object) -> dict[str, Json] | None:
    try:
        value = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _text(value: Mapping[str, Json]) -> str:
    # Plain ASCII, as `queries.py` writes it: text from outside may contain half a surrogate pair.
    return json.dumps(value, separators=(",", ":"))
