"""The demand log: a row every few seconds while an outage lasts; whether the meter answers, and whether it counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.core.alarms import Alarm
from controller.core.effects import SavePulses
from controller.core.rate_limit import RateLimit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from controller.core.effects import SaveOutage
    from controller.core.events import EnergyRead, KwhPulseSeen, MeterFindingReported, MeterSilent, PulseSeen
    from controller.core.meter_tracker import MeterTracker
    from controller.core.outbox import Outbox
    from rules.json_types import Json
    from rules.metering.demand import DemandView

PULSES_S, PULSES_IN_OUTAGE_S = 3600.0, 60.0
"""The count is written this often: what a crash loses the register still knows."""

BLIND = "it has counted nothing for ten minutes of the outage though circuits are on, which is less than 0.6 kW"

MAX_SIMILAR, SIMILAR_WINDOW_S = 6, 3600.0
"""So many findings of one kind an hour are written; more of them say nothing new, and wear the card."""


class DemandRecorder:
    """Joins the meter to the outage. `sample_s`: seconds from row to row. Without a meter it does nothing."""

    def __init__(self, metering: MeterTracker | None, sample_s: float, chronicle: Outbox) -> None:
        self._metering = metering
        self._sample_s = sample_s
        self._chronicle = chronicle
        self._sample_at: float | None = None
        self._kept_pulses = self._counts()
        self._keep_pulses_at = float("-inf")
        self._sparing = RateLimit(MAX_SIMILAR, SIMILAR_WINDOW_S)
        self.stale_since: float | None = None  # nobody has read the meter since
        self._said_blind = False

    def on_meter_event(self, event: EnergyRead | MeterSilent | PulseSeen | KwhPulseSeen) -> None:
        """Take what the meter did."""
        if self._metering is None:
            return
        for noted in self._metering.on_meter_event(event):
            self._note(noted.event, event.at, noted.details)
        self._chronicle.publish_queue.demand = True
        self._keep_mark()

    def on_finding(self, event: MeterFindingReported) -> None:
        """Take what the driver found out about a meter, the house's own or a further one."""
        self._note("meter_finding", event.at, event.details)

    def _note(self, name: str, at: float, about: Mapping[str, Json]) -> None:
        suppressed = self._sparing.allow(at, name, about.get("meter"), about.get("kind"), about.get("output"))
        if suppressed is not None:
            self._chronicle.log_event(name, at, about={**about, "suppressed": suppressed} if suppressed else about)

    def resume(self, outage: SaveOutage, at: float, boot: str) -> None:
        """Go on with the open outage's log after a crash."""
        if self._metering is not None:
            from controller.core.meter_tracker import CounterSnapshot  # noqa: PLC0415  # a house without a meter does not pay for it

            began = outage.began.mono if outage.began.boot == boot else at
            self._metering.resume(
                began, CounterSnapshot(outage.register_tenths, outage.pulse_count), outage.peak_15min_kw
            )
            self._sample_at = at

    def began(self, at: float) -> None:
        """Begin the rows of an outage, or go on with them: the contact has opened."""
        if self._metering is not None:
            self._metering.outage_began(at)
            self._sample_at = at
            self._keep_mark()

    def returned(self, at: float) -> None:
        """Hold the outage's figures: the contact has closed."""
        self._sample_at = None
        if self._metering is not None:
            self._metering.outage_ended(at)

    def closed(self, now: float) -> tuple[float | None, float | None]:
        """End the outage; return its energy (kWh) and 15-minute peak (kW), None where unknown."""
        self._sample_at = None
        self._said_blind = False
        if self._metering is None:
            return None, None
        figures = self._metering.outage_energy_kwh(), self._metering.outage_peak_kw(now)
        self._metering.outage_closed()
        return figures

    def view(self, now: float) -> DemandView | None:
        return None if self._metering is None else self._metering.view(now)

    def deadline(self) -> float | None:
        """Return when a row is due, or the reading grows stale; None: never."""
        if self._metering is None:
            return None
        times = (self._sample_at, self._metering.deadline())
        return min((at for at in times if at is not None), default=None)

    def advance(self, now: float, outage: int | None, *, may_draw: Callable[[], bool]) -> None:
        """Write the row that is due (one, however late), and see whether the meter still answers, and counts.

        `may_draw`: whether some circuit may be on, so that a meter in its right place would count.
        """
        if self._metering is None:
            return
        if self._sample_at is not None and now >= self._sample_at and outage is not None:
            self._chronicle.sample(self._metering.sample(outage, now))
            self._sample_at = now + self._sample_s
        if now >= self._keep_pulses_at or self._metering.kwh_pulse_count != self._kept_pulses[1]:
            self._keep_pulses_at = now + (PULSES_S if self._sample_at is None else PULSES_IN_OUTAGE_S)
            self.closing()
        if (freshness := self._metering.freshness_changed(now)) is not None:
            self.stale_since = now if freshness.value == "stale" else None
            self._chronicle.publish_queue.demand = True
        self._tell_blind(now, blind=outage is not None and self._metering.blind(now) and may_draw())

    def _tell_blind(self, now: float, *, blind: bool) -> None:
        """Say, once an outage, that a meter which answers counts nothing; the alarm stands while that is so."""
        detail = BLIND if blind else ""
        self._chronicle.alarm(Alarm.METER_NOT_COUNTING, now, stands=blind, detail=detail)
        if blind and not self._said_blind:
            self._said_blind = True
            says = f"{detail}: do its current transformers stand on the utility's side of the transfer switch?"
            self._chronicle.log_event("meter_finding", now, about={"meter": "", "kind": "blind", "text": says})

    @property
    def answers(self) -> bool | None:
        """Tell whether the meter answers; None without one."""
        return None if self._metering is None else self.stale_since is None

    @property
    def silent_because(self) -> str:
        """Return why nobody could read the meter, as far as anybody said."""
        return (self._metering.silent_because if self._metering is not None else None) or ""

    def closing(self) -> None:
        """Write what is counted by memory alone, before the program ends."""
        counts = self._counts()
        if counts != self._kept_pulses:
            self._kept_pulses = counts
            self._chronicle.sample(SavePulses(*counts))

    def _counts(self) -> tuple[int | None, int | None]:
        """Return the edges of both outputs; None where not wired."""
        return (None, None) if self._metering is None else (self._metering.pulse_count, self._metering.kwh_pulse_count)

    def _keep_mark(self) -> None:
        """Write where the counters stood when the outage began: a restart in it must not lose them."""
        if self._metering is not None and (mark := self._metering.outage_counters) is not None:
            self._chronicle.record.set_counters(mark.register_tenths, mark.pulse_count)
