"""An outage, told: everything the log knows of it, put together once for text, HTML, JSON and CSV."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby, pairwise
from statistics import median
from typing import TYPE_CHECKING

from controller.effects import Happened
from controller.journal import line
from rules.control import controllable, why_uncontrollable
from rules.panel import Tag

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from controller.settings import Configuration
    from controller.store_reader import EventRow, Log, OutageRow, SampleRow, When
    from rules.panel import CircuitId

ACCURACY = "±0.5 % at power factor 1, ±0.75 % at 0.5, from 1 % to 100 % of the rated current (the maker's figures)"

# Rows further apart than so many usual distances are a gap.
_GAP_SAMPLES = 4.0

# What every outage has; the rest is worth telling.
_ROUTINE = frozenset(
    {
        "outage_began",
        "outage_ended",
        "state",
        "contact_settled",
        "commanded_off",
        "confirmed_off",
        "commanded_on",
        "confirmed_on",
        "bus_connected",
        "clock_trusted",
        "alarm_cleared",
        "meter_rollover",
    }
)


@dataclass(frozen=True, slots=True)
class Fare:
    """How one circuit fared. `before`: its position when the outage began, None where nobody wrote it.

    `end`: in words; for a circuit that was not shed, why not. `shed_at`: None where it was not.
    """

    circuit: CircuitId
    name: str
    before: str | None
    shed_at: When | None
    confirmed_after_s: float | None
    restored_at: When | None
    end: str


@dataclass(frozen=True, slots=True)
class Peak:
    """The highest figure of one kind, in kW. `at`: None where the log has no row that shows it."""

    what: str
    kw: float
    at: When | None


@dataclass(frozen=True, slots=True)
class Gap:
    """A time without a figure of demand, and why."""

    began: When
    ended: When
    reason: str

    @property
    def seconds(self) -> float | None:
        return seconds_between(self.began, self.ended)


@dataclass(frozen=True, slots=True)
class Told:
    """An event worth telling, as a sentence."""

    at: When
    says: str


@dataclass(frozen=True, slots=True)
class Story:
    """One outage in full. `configuration`: the last in force, for names and ratings; None where none is kept."""

    outage: OutageRow
    lasted_s: float | None
    fares: tuple[Fare, ...]
    samples: tuple[SampleRow, ...]
    peaks: tuple[Peak, ...]
    gaps: tuple[Gap, ...]
    told: tuple[Told, ...]
    configuration: Configuration | None

    @property
    def rated_kw(self) -> float | None:
        """Return the generator's rated power; None where nobody wrote it."""
        generator = self.configuration.generator if self.configuration else None
        return generator.kw if generator else None

    @property
    def meter_model(self) -> str | None:
        meter = self.configuration.meter if self.configuration else None
        return meter.model if meter else None

    def seconds(self, when: When) -> float | None:
        """Return how long after the beginning a moment was."""
        return seconds_between(self.outage.began, when)


def story(log: Log, outage: OutageRow, configuration: Configuration | None) -> Story:
    """Return everything the log knows of an outage."""
    samples = tuple(log.samples(outage.id))
    events = tuple(log.events(outage))
    return Story(
        outage=outage,
        lasted_s=seconds_between(outage.began, outage.ended) if outage.ended else None,
        fares=tuple(_fares(outage, configuration)),
        samples=samples,
        peaks=tuple(_peaks(outage, samples)),
        gaps=tuple(_gaps(samples, events)),
        told=tuple(_worth_telling(events)),
        configuration=configuration,
    )


def seconds_between(first: When, second: When) -> float | None:
    """Return the time between two moments: by the one clock where both are of one boot, by the wall's otherwise."""
    if first.moment.boot == second.moment.boot:
        return second.moment.mono - first.moment.mono
    if first.utc_s is None or second.utc_s is None:
        return None
    return second.utc_s - first.utc_s


# --- circuits --------------------------------------------------------------------------------------------------------


def _fares(outage: OutageRow, configuration: Configuration | None) -> Iterator[Fare]:
    """Yield the circuits that were shed, in the order of their OFF, then those that were not though nonessential."""
    panel = configuration.panel.circuits if configuration else {}
    shed = sorted(outage.histories, key=lambda row: (row.shed_at is None, row.shed_at and row.shed_at.moment.mono))
    for row in shed:
        name = panel[row.circuit].name if row.circuit in panel else row.circuit
        end = row.end or ("still off" if outage.ended is None else "not given back yet")
        before = outage.before.get(row.circuit)
        yield Fare(row.circuit, name, before, row.shed_at, row.confirmed_after_s, row.restored_at, end)
    known = {row.circuit for row in outage.histories}
    for circuit in panel.values():
        if circuit.tag is Tag.ESSENTIAL or circuit.id in known:
            continue
        before = outage.before.get(circuit.id)
        yield Fare(circuit.id, circuit.name, before, None, None, None, _why_not_shed(circuit.id, before, configuration))


def _why_not_shed(circuit: CircuitId, before: str | None, configuration: Configuration | None) -> str:
    kind = configuration.panel[circuit] if configuration else None
    if kind is not None and not controllable(kind):
        return f"UNCONTROLLABLE, stayed ON: {why_uncontrollable(kind)}"
    if before in ("off", "tripped"):
        return f"was {before} before, and stayed so"
    return "was not shed"


# --- demand ----------------------------------------------------------------------------------------------------------


def _peaks(outage: OutageRow, samples: Sequence[SampleRow]) -> Iterator[Peak]:
    """Yield the highest demand over 15 and 5 minutes, and of a moment; a figure that may be less is no peak."""
    highest = max(samples, key=lambda row: row.demand_15min_kw or -1.0, default=None)
    seen_kw = highest.demand_15min_kw if highest else None
    # The controller's own figure has every corner of the curve, the rows have one each few seconds.
    if (kw := outage.peak_15min_kw or seen_kw) is not None:
        yield Peak("15 minutes", kw, highest.at if highest and seen_kw is not None else None)
    fives = [(row.demand_5min_kw, row.at) for row in samples if row.demand_5min_kw is not None]
    moments = [(row.kw, row.at) for row in samples if row.kw is not None and not row.kw_at_most]
    for what, rows in (("5 minutes", fives), ("a moment", moments)):
        if rows:
            kw, at = max(rows, key=lambda row: row[0])
            yield Peak(what, kw, at)


def _gaps(samples: Sequence[SampleRow], events: Sequence[EventRow]) -> Iterator[Gap]:
    """Yield the times without a figure, in order: rows that are missing, and rows that say unknown."""
    distances = [seconds_between(first.at, second.at) for first, second in pairwise(samples)]
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
        return Gap(first.at, last.at, "no figure yet: the meter's first interval was not over")
    said = next(_meter_notes(first.at, last.at, events), None)
    return Gap(first.at, last.at, f"the meter was silent{f' ({said})' if said else ''}")


def _meter_notes(first: When, last: When, events: Sequence[EventRow]) -> Iterator[str]:
    """Yield what was found out about the meter from shortly before a gap to shortly after."""
    for event in events:
        says = event.about.get("says")
        if event.event != "meter_noted" or not isinstance(says, str):
            continue
        before_s, after_s = seconds_between(event.at, first), seconds_between(last, event.at)
        if before_s is not None and after_s is not None and before_s < 60.0 and after_s < 60.0:  # noqa: PLR2004
            yield says


def _why_no_rows(first: When, second: When, events: Sequence[EventRow]) -> str:
    for event in events:
        if event.event == "started" and _between(first, event.at, second):
            lost_power = event.about.get("rebooted") is True
            return f"the controller was down{': it lost its power' if lost_power else ''}, and started again"
    return "no rows were written: utility was back for a while, or the controller was too busy"


def _between(first: When, at: When, second: When) -> bool:
    after_s, before_s = seconds_between(first, at), seconds_between(at, second)
    return (after_s is None or after_s >= 0) and (before_s is None or before_s >= 0)


# --- events ----------------------------------------------------------------------------------------------------------


def _worth_telling(events: Sequence[EventRow]) -> Iterator[Told]:
    for event in events:
        if event.event not in _ROUTINE:
            yield Told(event.at, line(Happened(event.at.moment.mono, event.event, event.circuit, event.about)))
