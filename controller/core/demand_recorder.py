"""Demand recorder: one row every few seconds of an outage, and the alarms about a meter that is stale or blind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.core.alarms import Alarm
from controller.core.effects import SavePulses
from controller.core.rate_limit import RateLimit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from controller.core.context import CoreContext
    from controller.core.effects import SaveOutage
    from controller.core.events import (
        EnergyRead,
        ExtraMeterRead,
        KwhPulseSeen,
        MeterFindingReported,
        MeterIdentified,
        MeterSilent,
        PulseSeen,
    )
    from controller.core.meter_tracker import MeterTracker
    from rules.json_types import Json
    from rules.metering.demand import DemandView

PULSES_S, PULSES_IN_OUTAGE_S = 3600.0, 60.0
"""Interval between two writes of the pulse count, in seconds. The register covers what a crash loses."""

BLIND = "it has counted nothing for ten minutes of the outage although circuits are on (less than 0.6 kW)"

MAX_SIMILAR, SIMILAR_WINDOW_S = 6, 3600.0
"""Maximum number of logged findings of one kind in this many seconds. Further ones would only wear the SD card."""


class DemandRecorder:
    """Records the demand of an outage, one row every `sample_s` seconds. Without a meter it does nothing."""

    def __init__(self, context: CoreContext, metering: MeterTracker | None) -> None:
        self._outbox = context.outbox
        self._record = context.record
        self._metering = metering
        self._sample_s = context.settings.sample_s
        self._sample_at: float | None = None
        self._saved_pulses = self._counts()
        self._save_pulses_at = float("-inf")
        self._similar = RateLimit(MAX_SIMILAR, SIMILAR_WINDOW_S)
        self.stale_since: float | None = None  # monotonic seconds; None: the meter responds
        self._blind_logged = False

    def on_meter_event(self, event: EnergyRead | MeterSilent | MeterIdentified | PulseSeen | KwhPulseSeen) -> None:
        """Process an event of the meter."""
        if self._metering is None:
            return
        for entry in self._metering.on_meter_event(event):
            self._log(entry.event, event.at, entry.details)
        self._outbox.publish_demand()
        self._save_counters()

    def accepts_extra(self, event: ExtraMeterRead) -> bool:
        """Return whether the reading of a further meter counts: it may boot, or be another one."""
        return self._metering is None or self._metering.accepts_extra(event)

    def on_finding(self, event: MeterFindingReported) -> None:
        """Log a finding of the meter driver, about the house's meter or a further one."""
        self._log("meter_finding", event.at, event.details)

    def _log(self, name: str, at: float, details: Mapping[str, Json]) -> None:
        kind = (name, *(str(details.get(key)) for key in ("meter", "kind", "output")))
        self._outbox.log_limited(name, at, self._similar.allow(at, *kind), details)

    def resume(self, outage: SaveOutage, at: float, boot: str) -> None:
        """Continue the record of the open outage after a restart of the program."""
        if self._metering is not None:
            from controller.core.meter_tracker import CounterSnapshot  # noqa: PLC0415  # cold start: not loaded without a meter

            began = outage.began.mono if outage.began.boot == boot else at
            self._metering.resume(
                began, CounterSnapshot(outage.register_tenths, outage.pulse_count), outage.peak_15min_kw
            )
            self._sample_at = at

    def outage_began(self, at: float) -> None:
        """Begin or continue the rows of an outage: shedding has begun at `at`."""
        if self._metering is not None:
            self._metering.outage_began(at)
            self._sample_at = at
            self._save_counters()

    def utility_returned(self, at: float) -> None:
        """Freeze the figures of the outage: utility is back at `at`."""
        self._sample_at = None
        if self._metering is not None:
            self._metering.outage_ended(at)

    def outage_closed(self, now: float) -> tuple[float | None, float | None]:
        """End the outage; return its energy in kWh and its 15-minute peak in kW. None: unknown."""
        self._sample_at = None
        self._blind_logged = False
        if self._metering is None:
            return None, None
        figures = self._metering.outage_energy_kwh(), self._metering.outage_peak_kw(now)
        self._metering.outage_closed()
        return figures

    def view(self, now: float) -> DemandView | None:
        return None if self._metering is None else self._metering.view(now)

    def deadline(self) -> float | None:
        """Return when a row is due or the reading becomes stale (monotonic seconds); None: neither."""
        if self._metering is None:
            return None
        times = (self._sample_at, self._metering.deadline())
        return min((at for at in times if at is not None), default=None)

    def advance(self, now: float, outage: int | None, *, may_draw: Callable[[], bool]) -> None:
        """Write the row that is due (one, however late) and check that the meter responds and counts.

        `may_draw` returns whether some circuit may be on, so that a correctly installed meter would count.
        """
        if self._metering is None:
            return
        if self._sample_at is not None and now >= self._sample_at and outage is not None:
            self._outbox.save(self._metering.sample(outage, now))
            self._sample_at = now + self._sample_s
        if now >= self._save_pulses_at or self._metering.kwh_pulse_count != self._saved_pulses[1]:
            self._save_pulses_at = now + (PULSES_S if self._sample_at is None else PULSES_IN_OUTAGE_S)
            self.closing()
        if (freshness := self._metering.freshness_changed(now)) is not None:
            self.stale_since = now if freshness.value == "stale" else None
            self._outbox.publish_demand()
        self._update_not_counting(now, blind=outage is not None and self._metering.blind(now) and may_draw())

    def _update_not_counting(self, now: float, *, blind: bool) -> None:
        """Keep the alarm about a meter that responds and counts nothing; log it once per outage."""
        detail = BLIND if blind else ""
        self._outbox.set_alarm(Alarm.METER_NOT_COUNTING, now, active=blind, detail=detail)
        if blind and not self._blind_logged:
            self._blind_logged = True
            text = f"{detail}: check whether its current transformers are on the utility side of the transfer switch."
            self._outbox.log_event("meter_finding", now, details={"meter": "", "kind": "blind", "text": text})

    @property
    def answers(self) -> bool | None:
        """Return whether the meter responds; None without a meter."""
        return None if self._metering is None else self.stale_since is None

    @property
    def silent_reason(self) -> str:
        """Return why the meter could not be read; empty if unknown."""
        return (self._metering.silent_reason if self._metering is not None else None) or ""

    def closing(self) -> None:
        """Save the pulse counts, which only memory has, before the program ends."""
        counts = self._counts()
        if counts != self._saved_pulses:
            self._saved_pulses = counts
            self._outbox.save(SavePulses(*counts))

    def _counts(self) -> tuple[int | None, int | None]:
        """Return the number of edges of both outputs; None: not wired."""
        return (None, None) if self._metering is None else (self._metering.pulse_count, self._metering.kwh_pulse_count)

    def _save_counters(self) -> None:
        """Write the counters at the beginning of the outage, so that a restart does not lose them."""
        if self._metering is not None and (counters := self._metering.outage_counters) is not None:
            self._record.set_counters(counters.register_tenths, counters.pulse_count)
