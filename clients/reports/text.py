"""Report of an outage as plain text: when, how long, each circuit, energy and demand, notable events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.reports import circuit_load
from clients.reports.circuit_outcome import shed_summary
from clients.reports.outage_report import ACCURACY, DRILL, time_notes, title
from clients.reports.peaks import AVERAGES, FIFTEEN_MINUTES, MOMENT, is_partial
from clients.terminal.tables import figure, sparkline, table, terminal_width, wrapped
from clients.terminal.times import clock, day_and_time, format_elapsed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from clients.reports.circuit_outcome import CircuitOutcome
    from clients.reports.outage_report import OutageReport
    from clients.reports.peaks import DemandPeak
    from controller.storage.log_reader import OutageRow

_CURVE_MARGIN = 20


def outages_text(outages: Iterable[OutageRow]) -> str:
    """Return all outages as a table, the latest last."""
    heads = ("No", "kind", "began", "lasted", "transfers", "energy", "15-min peak", "circuits")
    return table(heads, [_row(outage) for outage in outages], right=(0, 4, 5, 6))


def _row(outage: OutageRow) -> tuple[str, ...]:
    lasted = format_elapsed(outage.lasted) if outage.ended else "not ended yet"
    energy, peak = figure(outage.energy_kwh, "kWh"), figure(outage.peak_15min_kw, "kW")
    if is_partial(outage):
        peak += " (average)"
    return (
        str(outage.id),
        outage.kind,
        day_and_time(outage.began),
        lasted,
        str(outage.transfers),
        energy,
        peak,
        shed_summary(outage),
    )


def report_text(story: OutageReport) -> str:
    """Return one outage in full."""
    parts = (_head(story), _circuits(story), _loads(story), _demand(story), _events(story))
    return "\n\n".join("\n".join(lines) for part in parts if (lines := list(part)))


def _head(story: OutageReport) -> Iterator[str]:
    outage = story.outage
    head = title(outage)
    yield head
    yield "═" * len(head)
    yield f"began      {day_and_time(outage.began)}"
    if outage.ended is None:
        yield "ended      not yet"
    else:
        yield f"ended      {day_and_time(outage.ended)}"
        yield f"lasted     {format_elapsed(outage.lasted)}"
    several = ", at " + ", ".join(clock(opening) for opening in outage.openings) if outage.transfers > 1 else ""
    none = "none: a drill on user request" if outage.kind == DRILL else ""
    yield f"transfers  {none or outage.transfers}{several}"
    yield from map(wrapped, time_notes(outage))


# --- circuits --------------------------------------------------------------------------------------------------------


def _circuits(story: OutageReport) -> Iterator[str]:
    if not story.circuits:
        yield "No circuit was shed."
        return
    heads = ("circuit", "before", "off at", "confirmed", "on at", "how it ended")
    yield table(heads, [_outcome(outcome) for outcome in story.circuits])


def _outcome(outcome: CircuitOutcome) -> tuple[str, ...]:
    if outcome.shed_at is None:
        confirmed = ""
    elif outcome.confirmed_after_s is None:
        confirmed = "NEVER"
    else:
        confirmed = f"{outcome.confirmed_after_s:.1f} s"
    return (
        outcome.name,
        before_words(outcome),
        clock(outcome.shed_at),
        confirmed,
        clock(outcome.restored_at),
        outcome.text,
    )


def before_words(outcome: CircuitOutcome) -> str:
    """Return a circuit's position before the outage; empty for an uncontrollable one: it is not recorded."""
    return outcome.before or ("?" if outcome.shed_at else "")


def _loads(story: OutageReport) -> Iterator[str]:
    if story.loads:
        yield circuit_load.TITLE
        yield table(circuit_load.HEADS, [load.cells for load in story.loads], right=(1, 2, 3, 4))
        yield wrapped(circuit_load.NOTE)


# --- demand ----------------------------------------------------------------------------------------------------------


def _demand(story: OutageReport) -> Iterator[str]:
    if story.meter_model is None and not story.samples:
        yield "No meter is configured: demand was not measured."
        return
    yield f"energy     {figure(story.outage.energy_kwh, 'kWh')}"
    for peak in story.peaks:
        yield f"peak       {peak_words(peak)}"
    if not any(peak.what in (FIFTEEN_MINUTES, *AVERAGES) for peak in story.peaks):
        yield "peak       over 15 minutes unknown: demand was never measured for 15 minutes without a gap"
    yield from _curve(story)
    for gap in story.gaps:
        when = f"{clock(gap.began)} to {clock(gap.ended)}"
        yield wrapped(f"gap        {when} ({format_elapsed(gap.lasted)}): {gap.reason}", " " * 11, first="")
    yield wrapped(f"meter      {story.meter_model or 'unknown model'}: {ACCURACY}", " " * 11, first="")


def peak_words(peak: DemandPeak) -> str:
    """Return a peak as `7.4 kW over 15 minutes, at 12:05:30`."""
    over = {MOMENT: "for a moment"}.get(peak.what, f"{'average ' if peak.what in AVERAGES else ''}over {peak.what}")
    return f"{'at least ' if peak.at_least else ''}{peak.kw:.1f} kW {over}" + (
        f", at {clock(peak.at)}" if peak.at else ""
    )


def _curve(story: OutageReport) -> Iterator[str]:
    figures = [row.kw for row in story.samples]
    highest = max((kw for kw in figures if kw is not None), default=None)
    if highest is not None:
        line = sparkline(figures, terminal_width() - _CURVE_MARGIN)
        yield f"demand     {line} 0–{highest:.1f} kW"


# --- events ----------------------------------------------------------------------------------------------------------


def _events(story: OutageReport) -> Iterator[str]:
    if story.events:
        yield "Notable events"
    for told in story.events:
        yield wrapped(told.text, " " * 14, first=f"{clock(told.at):18}")
