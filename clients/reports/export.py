"""Outages for other programs: JSON as the contract has it, and the demand log as CSV with units in its header."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

from clients.reports.circuit_outcome import outcomes
from clients.reports.peaks import is_partial
from controller.runtime.clock import json_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from clients.reports.circuit_outcome import CircuitOutcome
    from clients.reports.outage_report import OutageReport
    from controller.storage.boot_clocks import Elapsed, LoggedTime
    from controller.storage.log_reader import OutageRow, SampleRow
    from rules.json_types import Json
    from rules.panel import Panel


def outages_json(outages: Iterable[OutageRow], panel: Panel | None) -> str:
    """Return all outages as a JSON list, the oldest first. `panel`: the last in force; None: none is kept."""
    fields = [outage_fields(outage, panel) for outage in outages]
    return json.dumps(fields, indent=2, ensure_ascii=False, allow_nan=False)


def report_fields(story: OutageReport) -> dict[str, Json]:
    """Return one outage in full: the fields of the list, and its peaks, gaps, events and demand log."""
    fields = outage_fields(story.outage, story.configuration.panel if story.configuration else None)
    fields["meter_model"] = story.meter_model
    fields["loads"] = {load.circuit: dict(load.fields) for load in story.loads}
    fields["peaks"] = [
        {"over": peak.what, "kw": _rounded(peak.kw), "at_least": peak.at_least, **_moment("at", peak.at)}
        for peak in story.peaks
    ]
    fields["gaps"] = [
        {**_moment("began", gap.began), **_moment("ended", gap.ended), "reason": gap.reason} for gap in story.gaps
    ]
    fields["events"] = [{**_moment("at", event.at), "text": event.text} for event in story.events]
    fields["demand"] = [_sample_fields(sample) for sample in story.samples]
    return fields


def outage_fields(outage: OutageRow, panel: Panel | None) -> dict[str, Json]:
    """Return one outage as the contract names it. `partial`: the figures that are over less time than they say."""
    return {
        "id": outage.id,
        "kind": outage.kind,
        **_moment("began", outage.began),
        **_moment("ended", outage.ended),
        "lasted_s": _exactly_s(outage.lasted),
        "lasted_at_least_s": _at_least_s(outage.lasted),
        "transfers": outage.transfers,
        "energy_kwh": _rounded(outage.energy_kwh),
        "peak_15min_kw": _rounded(outage.peak_15min_kw),
        "partial": _partial(outage),
        "circuits": {
            outcome.circuit: _outcome_fields(outcome) for outcome in outcomes(outage, panel) if outcome.is_recorded
        },
    }


def _partial(outage: OutageRow) -> list[Json]:
    """Return the peak's name where the outage was too short for a window of 15 minutes: it is over all of it."""
    return ["peak_15min_kw"] if is_partial(outage) else []


def _outcome_fields(row: CircuitOutcome) -> dict[str, Json]:
    return {
        **_moment("shed_at", row.shed_at),
        "confirmed_after_s": _rounded(row.confirmed_after_s),
        **_moment("restored_at", row.restored_at),
        "end": row.end,
    }


def _sample_fields(row: SampleRow) -> dict[str, Json]:
    return {
        **_moment("at", row.at),
        "kw": _rounded(row.kw),
        "kw_is_upper_bound": row.kw_is_upper_bound,
        "kw_quality": row.kw_quality,
        "age_s": _rounded(row.age_s),
        "demand_5min_kw": _rounded(row.demand_5min_kw),
        "demand_15min_kw": _rounded(row.demand_15min_kw),
        "energy_kwh": _rounded(row.energy_kwh),
    }


def _moment(key: str, when: LoggedTime | None) -> Mapping[str, Json]:
    """Return a moment; where its clock was not known to be right, it says so."""
    return {key: None} if when is None else {**json_time(when.utc_s, when.trusted, key)}


def _exactly_s(time: Elapsed | None) -> float | None:
    """Return a duration; None if it is unknown or only its lower bound is known."""
    return None if time is None or time.at_least else _rounded(time.seconds)


def _at_least_s(time: Elapsed | None) -> float | None:
    """Return the lower bound of a duration; None if there is none, or the duration itself is known."""
    return _rounded(time.seconds) if time is not None and time.at_least else None


def _rounded(figure: float | None) -> float | None:
    return None if figure is None else round(figure, 3)


_COLUMNS = (
    "at (UTC)",
    "clock",
    "since began (s)",
    "demand (kW)",
    "at most",
    "quality",
    "age (s)",
    "demand 5 min (kW)",
    "demand 15 min (kW)",
    "energy register (kWh)",
    "pulses counted (5 Wh each)",
    "since began at least",
)


def report_csv(story: OutageReport) -> str:
    """Return the demand log of one outage; unknown is an empty field, never 0."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in story.samples:
        writer.writerow(_cells(story, row))
    return text.getvalue()


def _cells(story: OutageReport, row: SampleRow) -> list[object]:
    since = story.since_began(row.at)
    return [
        json_time(row.at.utc_s, trusted_clock=True)["at"],
        "trusted" if row.at.trusted else "untrusted",
        _rounded(since.seconds if since else None),
        _rounded(row.kw),
        "yes" if row.kw_is_upper_bound else "no",
        row.kw_quality,
        _rounded(row.age_s),
        _rounded(row.demand_5min_kw),
        _rounded(row.demand_15min_kw),
        _rounded(row.energy_kwh),
        row.pulses,
        "yes" if since and since.at_least else "no",
    ]
