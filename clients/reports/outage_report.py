"""Report of an outage: everything in the log about it, collected once for text, HTML, JSON and CSV."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby, pairwise
from statistics import median
from typing import TYPE_CHECKING

from clients.reports.circuit_load import circuit_loads
from clients.reports.circuit_outcome import outcomes
from clients.reports.peaks import demand_peaks
from controller.runtime.journal import format_event
from controller.storage.boot_clocks import elapsed
from rules.panel import CircuitId

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from clients.reports.circuit_load import CircuitLoad
    from clients.reports.circuit_outcome import CircuitOutcome
    from clients.reports.peaks import DemandPeak
    from controller.config.loader import Configuration
    from controller.storage.boot_clocks import Elapsed, LoggedTime
    from controller.storage.log_reader import EventLog, EventRow, OutageRow, SampleRow
    from rules.panel import Panel

ACCURACY = "±0.5 % at power factor 1, ±0.75 % at 0.5, from 1 % to 100 % of the rated current (manufacturer's data)"

DRILL = "drill"
"""Kind of an outage that a user requested; its contact never opened."""

# Rows further apart than this number of usual distances are a gap.
_GAP_SAMPLES = 4.0

# Events of every outage; the others are notable.
_ROUTINE = frozenset(
    {
        "outage_began",
        "outage_ended",
        "state_changed",
        "contact_settled",
        "off_sent",
        "confirmed_off",
        "on_sent",
        "confirmed_on",
        "bus_connected",
        "clock_trusted",
        "alarm_cleared",
        "meter_rolled_over",
    }
)


@dataclass(frozen=True, slots=True)
class Gap:
    """A time without a figure of demand, and why."""

    began: LoggedTime
    ended: LoggedTime
    reason: str

    @property
    def lasted(self) -> Elapsed | None:
        return elapsed(self.began, self.ended)


@dataclass(frozen=True, slots=True)
class NotableEvent:
    """A notable event, as a sentence."""

    at: LoggedTime
    text: str


@dataclass(frozen=True, slots=True)
class OutageReport:
    """One outage in full. `configuration`: the last in force, for names and ratings; None if none is kept."""

    outage: OutageRow
    circuits: tuple[CircuitOutcome, ...]
    loads: tuple[CircuitLoad, ...]
    samples: tuple[SampleRow, ...]
    peaks: tuple[DemandPeak, ...]
    gaps: tuple[Gap, ...]
    events: tuple[NotableEvent, ...]
    configuration: Configuration | None

    @property
    def rated_kw(self) -> float | None:
        """Return the generator's rated power; None if not configured."""
        generator = self.configuration.generator if self.configuration else None
        return generator.kw if generator else None

    @property
    def meter_model(self) -> str | None:
        meter = self.configuration.meter if self.configuration else None
        return meter.model if meter else None

    def since_began(self, when: LoggedTime) -> Elapsed | None:
        """Return how long after the beginning a moment was; None: unknown."""
        return elapsed(self.outage.began, when)


def build_report(log: EventLog, outage: OutageRow, configuration: Configuration | None) -> OutageReport:
    """Return everything the log knows of an outage."""
    samples = tuple(log.samples(outage.id))
    events = tuple(log.events(outage))
    return OutageReport(
        outage=outage,
        circuits=tuple(outcomes(outage, configuration.panel if configuration else None)),
        loads=tuple(circuit_loads(outage, configuration.panel if configuration else None)),
        samples=samples,
        peaks=tuple(demand_peaks(outage, samples)),
        gaps=tuple(_gaps(samples, events)),
        events=tuple(_notable(events, configuration.panel if configuration else None)),
        configuration=configuration,
    )


def title(outage: OutageRow) -> str:
    """Return what it is called: `Outage 3`, `Drill 4`."""
    return f"{'Drill' if outage.kind == DRILL else 'Outage'} {outage.id}"


def time_notes(outage: OutageRow) -> Iterator[str]:
    """Yield what a reader must know about its times: clocks that were not set, an end that was not seen."""
    moments = (outage.began, *outage.openings, *((outage.ended,) if outage.ended else ()))
    if not all(moment.trusted for moment in moments):
        yield (
            f"The clock was not set during this {outage.kind}: times of day may be wrong and are marked (?). "
            "A duration across a restart of the machine is then a lower bound."
        )
    if outage.end_unseen:
        yield (
            f"The controller was not running when the {outage.kind} ended. The end shown is the time at which it was "
            "detected; the duration ends with the last record before it."
        )


def _seconds(first: LoggedTime, second: LoggedTime) -> float | None:
    """Return the seconds between two moments, or their lower bound; None: unknown. The sign shows their order."""
    between = elapsed(first, second)
    return None if between is None else between.seconds


# --- demand ----------------------------------------------------------------------------------------------------------


def _gaps(samples: Sequence[SampleRow], events: Sequence[EventRow]) -> Iterator[Gap]:
    """Yield the times without a figure, in order: rows that are missing, and rows that say unknown."""
    distances = [_seconds(first.at, second.at) for first, second in pairwise(samples)]
    usual_s = median([one for one in distances if one is not None] or [0.0])
    found = [
        Gap(first.at, second.at, _why_no_rows(first.at, second.at, events))
        for (first, second), apart_s in zip(pairwise(samples), distances, strict=True)
        if apart_s is None or apart_s > _GAP_SAMPLES * usual_s > 0
    ]
    for unknown, rows in groupby(samples, key=lambda row: row.kw is None):
        if unknown:
            found.append(_unknown(list(rows), events))
    yield from sorted(found, key=lambda gap: gap.began.utc_s or 0.0)


def _unknown(rows: list[SampleRow], events: Sequence[EventRow]) -> Gap:
    first, last = rows[0], rows[-1]
    if all(row.kw_quality == "none" for row in rows):
        return Gap(first.at, last.at, "no reading yet: the first interval of the meter had not ended")
    said = next(_meter_notes(first.at, last.at, events), None)
    return Gap(first.at, last.at, f"the meter was silent{f' ({said})' if said else ''}")


def _meter_notes(first: LoggedTime, last: LoggedTime, events: Sequence[EventRow]) -> Iterator[str]:
    """Yield what was found out about the meter from shortly before a gap to shortly after."""
    for event in events:
        says = event.details.get("text")
        if event.event != "meter_finding" or not isinstance(says, str):
            continue
        before_s, after_s = _seconds(event.at, first), _seconds(last, event.at)
        if before_s is not None and after_s is not None and before_s < 60.0 and after_s < 60.0:  # noqa: PLR2004
            yield says


def _why_no_rows(first: LoggedTime, second: LoggedTime, events: Sequence[EventRow]) -> str:
    for event in events:
        if event.event == "started" and _between(first, event.at, second):
            lost_power = event.details.get("rebooted") is True
            return f"the controller was not running{' because the machine restarted' if lost_power else ''}"
    return "no samples were recorded: utility was back for a time, or the controller was overloaded"


def _between(first: LoggedTime, at: LoggedTime, second: LoggedTime) -> bool:
    after_s, before_s = _seconds(first, at), _seconds(at, second)
    return (after_s is None or after_s >= 0) and (before_s is None or before_s >= 0)


# --- events ----------------------------------------------------------------------------------------------------------


def _notable(events: Sequence[EventRow], panel: Panel | None) -> Iterator[NotableEvent]:
    """Yield the notable events. `panel`: for names and spaces; None: circuits are shown by their ids."""

    def label(circuit: str) -> str:
        found = panel.circuits.get(CircuitId(circuit)) if panel is not None else None
        return circuit if found is None else found.label

    for event in events:
        if event.event not in _ROUTINE:
            yield NotableEvent(event.at, _sentence(event, label))


def _sentence(event: EventRow, label: Callable[[str], str]) -> str:
    details = event.details
    if isinstance(details.get("text"), str):
        return str(details["text"])
    if event.event == "alarm_raised":
        circuits = details.get("circuits")
        named = "; ".join(label(str(one)) for one in circuits) if isinstance(circuits, list) else ""
        return f"alarm {details.get('alarm')}" + (f": {named}" if named else "")
    if event.event == "request_received":
        about = f" {label(event.circuit)}" if event.circuit else ""
        reply = "accepted" if details.get("ok") is True else "refused"
        by = details.get("by") or "an unnamed user"
        return f"request by {by}: {details.get('request')}{about}; {reply}: {details.get('reason')}"
    if event.event == "restore_finished" and isinstance(not_restored := details.get("not_restored"), dict):
        named_circuits = {label(circuit): reason for circuit, reason in not_restored.items()}
        return format_event(event.event, None, {**details, "not_restored": named_circuits})
    return format_event(event.event, label(event.circuit) if event.circuit else None, details)
