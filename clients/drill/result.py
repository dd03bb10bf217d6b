"""Result of a drill: each circuit, its load, and the verdict in one sentence. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clients.drill import messages
from clients.drill.demand_readings import DemandReadings, PowerReading, PowerStep, power_step
from clients.drill.plan import RestoreMode
from clients.drill.plan_text import what_to_do
from clients.drill.progress import CircuitProgress
from rules.panel import Position
from rules.shed import MAX_ATTEMPTS

if TYPE_CHECKING:
    from clients.drill.circuit_power import MeasuredPower
    from clients.drill.plan import DrillPlan, PlannedCircuit
    from clients.drill.progress import DrillProgress

SETTLE_S = 0.5
"""Time in seconds after its report in which a load does not count: a motor draws several times its load while starting.
"""

BEFORE_S = 30.0
"""Length in seconds of the mean of demand before the drill, as far as it was received."""


@dataclass(frozen=True, slots=True)
class CircuitResult:
    """Result of one circuit. `text`: in a few words. `failed`: not confirmed, tripped or not restored.

    `waits`: for a user, as configured.

    `back`: on again when the drill ended. `drew`: rise of demand when it was restored; None: not known, and `drew_not`
    is the reason, if it is the circuit's own. `power`, `power_off`: what its device measured last before the first OFF,
    and between its report of off and the first ON; None: not measured.
    """

    line: PlannedCircuit
    progress: CircuitProgress
    text: str
    failed: bool
    waits: bool
    back: bool
    drew: PowerStep | None
    drew_not: str
    power: MeasuredPower | None = None
    power_off: MeasuredPower | None = None


@dataclass(frozen=True, slots=True)
class DemandSummary:
    """Demand of the house before the drill, during it, and after restoring; None: not known.

    `fell`: from first to second.

    `circuits_unknown_reason`: why no circuit's load could be measured; empty if they could.
    """

    before: PowerReading | None
    shed: PowerReading | None
    after: PowerReading | None
    fell: PowerStep | None
    circuits_unknown_reason: str


@dataclass(frozen=True, slots=True)
class DrillResult:
    """A drill from start to end. `left`: the user stopped following before; `by`: who requested it."""

    plan: DrillPlan
    course: DrillProgress
    by: str
    outcomes: tuple[CircuitResult, ...]
    demand: DemandSummary
    left: bool

    @property
    def failed(self) -> tuple[CircuitResult, ...]:
        return tuple(one for one in self.outcomes if one.failed)

    @property
    def passed(self) -> bool:
        """Return whether it ran to its end, and every circuit did as it should."""
        return self.course.ended_at is not None and not self.left and not self.failed

    @property
    def verdict(self) -> str:
        """Return the result of the drill in one sentence."""
        if self.course.dropped:
            return messages.never_started(self.course.dropped)
        if self.failed and all(one.text == messages.UNHEARD for one in self.failed):
            return messages.incomplete(self._counts())
        if self.failed:
            return messages.failed([(one.line.name, one.text) for one in self.failed])
        if self.course.taken_over:
            return messages.cut_short(self._counts())
        if not self.passed:
            return messages.not_followed(self._counts())
        return messages.passed(self._counts(), [one.line.name for one in self.outcomes if one.waits])

    def _counts(self) -> str:
        off = [one.progress.off_after_s for one in self.outcomes if one.progress.off_at is not None]
        slowest_s = max((after_s for after_s in off if after_s is not None), default=None)
        return messages.counts(len(off), len(self.outcomes), sum(1 for one in self.outcomes if one.back), slowest_s)


def result(
    plan: DrillPlan, course: DrillProgress, readings: DemandReadings, by: str, until: float, *, left: bool = False
) -> DrillResult:
    """Return the result of a drill. `until`: time of the last message, by the listener's clock."""
    demand = _demand(course, readings, until)
    concerned = [line for line in plan.lines if line.restore is not None or _progress_of(course, line).switched]
    outcomes = (_outcome(line, course, readings, demand, until, left=left) for line in concerned)
    return DrillResult(plan, course, by, tuple(outcomes), demand, left)


def _progress_of(course: DrillProgress, line: PlannedCircuit) -> CircuitProgress:
    return course.circuits.get(str(line.id), CircuitProgress())


# --- one circuit -----------------------------------------------------------------------------------------------------


def _outcome(
    line: PlannedCircuit,
    course: DrillProgress,
    readings: DemandReadings,
    demand: DemandSummary,
    until: float,
    *,
    left: bool,
) -> CircuitResult:
    progress = _progress_of(course, line)
    waits = progress.on_at is None and progress.off_at is not None and line.restore not in (None, RestoreMode.IN_TURN)
    says, failed = _judged(line, progress, course, waits=waits, left=left)
    # A reason that applies to all circuits is shown once, for the house; a circuit not on again has its own text.
    known = not demand.circuits_unknown_reason and progress.on_at is not None
    drew = _drew(progress, course, readings, demand, until) if known else ""
    rose = drew if isinstance(drew, PowerStep) else None
    back = progress.on_at is not None or _is_on(line, progress, course)
    not_known = drew if isinstance(drew, str) else ""
    power = _powers(line, progress, course, until)
    return CircuitResult(line, progress, says, failed, waits, back, rose, not_known, *power)


def _powers(
    line: PlannedCircuit, progress: CircuitProgress, course: DrillProgress, until: float
) -> tuple[MeasuredPower | None, MeasuredPower | None]:
    """Return what the circuit's device measured before its first OFF, and while it was off."""
    measured = course.power.get(str(line.id))
    if measured is None or progress.off_sent_at is None:
        return None, None
    before = measured.before(progress.off_sent_at)
    if progress.off_at is None:
        return before, None
    return before, measured.between(progress.off_at, progress.on_sent_at or until)


def _judged(
    line: PlannedCircuit, progress: CircuitProgress, course: DrillProgress, *, waits: bool, left: bool
) -> tuple[str, bool]:
    """Return what became of a circuit, and whether it failed."""
    if progress.result == messages.TRIPPED:
        return messages.RESET_BREAKER, True
    if progress.result == messages.TAKEN_OVER:
        return progress.result, False
    if progress.off_at is None:
        return _never_off(progress, course)
    if waits:
        return messages.waits_for_user(what_to_do(line)), False
    return _back(line, progress, course, left=left)


def _back(line: PlannedCircuit, progress: CircuitProgress, course: DrillProgress, *, left: bool) -> tuple[str, bool]:
    if progress.on_at is not None:
        return messages.OFF_AND_ON, False
    if progress.result:
        return progress.result, False
    if _is_on(line, progress, course):
        return messages.OFF_AND_ON_WATCHED if course.restore_finished else messages.OFF_AND_ON_UNSEEN, False
    if course.ended_at is None:
        return messages.RESTORE_UNSEEN if left else messages.OFF_WHEN_CUT_SHORT, False
    return messages.not_back(course.not_restored.get(str(line.id))), True


def _is_on(line: PlannedCircuit, progress: CircuitProgress, course: DrillProgress) -> bool:
    """Return whether it is on without a report after our ON.

    By the final event, which names all that is not restored; if that was missed, by the retained messages.
    """
    if course.restore_finished:
        return progress.on_tries > 0 and str(line.id) not in course.not_restored
    return course.missed and course.ended_at is not None and course.positions.get(str(line.id)) == Position.ON.value


def _never_off(progress: CircuitProgress, course: DrillProgress) -> tuple[str, bool]:
    if course.missed:
        return messages.UNHEARD, True
    if not progress.off_tries:
        return messages.NO_OFF_SENT, course.ended_at is not None
    if course.ended_at is None and progress.off_tries < MAX_ATTEMPTS:
        return messages.UNCONFIRMED_WHEN_CUT_SHORT, False
    return messages.never_confirmed(progress.off_tries), True


# --- demand ----------------------------------------------------------------------------------------------------------


def _demand(course: DrillProgress, readings: DemandReadings, until: float) -> DemandSummary:
    """Return the house's demand, as far as the received messages show it."""
    if course.began_at is None:
        return DemandSummary(None, None, None, None, messages.NO_FIGURE)
    before = readings.steady(course.began_at - BEFORE_S, course.began_at) or readings.last(course.began_at)
    off = [progress.off_at for progress in course.circuits.values() if progress.off_at is not None]
    on = [progress.on_sent_at for progress in course.circuits.values() if progress.on_sent_at is not None]
    shed = readings.fallen(max(off) + SETTLE_S, min(on, default=until)) if off else None
    last_on_at = course.last_on_at
    after = None if last_on_at is None else readings.steady(last_on_at + SETTLE_S, until)
    fell = power_step(shed, before) if shed is not None and before is not None else None
    return DemandSummary(before, shed, after, fell, _circuits_not(readings, before))


def _circuits_not(readings: DemandReadings, before: PowerReading | None) -> str:
    if readings.silent:
        return messages.NO_METER
    if not readings.by_pulses:
        return messages.COARSE if before is not None else messages.NO_FIGURE
    return ""


def _drew(
    progress: CircuitProgress, course: DrillProgress, readings: DemandReadings, demand: DemandSummary, until: float
) -> PowerStep | str:
    """Return the rise of demand when this circuit was restored (one at a time); else why it is unknown."""
    if progress.on_sent_at is None or progress.on_at is None:
        return ""
    earlier = [
        one.on_at for one in course.circuits.values() if one.on_at is not None and one.on_at <= progress.on_sent_at
    ]
    before = readings.steady(max(earlier) + SETTLE_S, progress.on_sent_at) if earlier else demand.shed
    next_at = course.next_on_after(progress.on_sent_at)
    after = readings.steady(progress.on_at + SETTLE_S, until if next_at is None else next_at)
    if before is None or after is None:
        return messages.TOO_LATE if before is not None and next_at is None else messages.TOO_SOON
    return power_step(before, after) or messages.NONE_SEEN
