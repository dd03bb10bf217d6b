"""Result of a drill: each circuit, its load, and the verdict in one sentence. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clients.drill.demand_readings import DemandReadings, PowerReading, PowerStep, power_step
from clients.drill.plan import RestoreMode
from clients.drill.plan_text import what_to_do
from clients.drill.progress import TAKEN_OVER, TRIPPED, CircuitProgress
from clients.terminal.tables import format_duration
from rules.panel import Position
from rules.shed import MAX_ATTEMPTS

if TYPE_CHECKING:
    from clients.drill.plan import DrillPlan, PlannedCircuit
    from clients.drill.progress import DrillProgress

SETTLE_S = 0.5
"""Time in seconds after its report in which a load does not count: a motor draws several times its load while starting.
"""

BEFORE_S = 30.0
"""Length in seconds of the mean of demand before the drill, as far as it was received."""

NO_METER = "there is no meter"
COARSE = "the register alone takes a minute to show a step, and the circuits come back faster than that"
NO_FIGURE = "the meter had no figure"
TOO_SOON = "the next circuit was switched on before the meter had reported"
TOO_LATE = "the meter had not reported when the drill ended"
UNHEARD = "the controller, or the connection to it, was unavailable in between"
NONE_SEEN = "none seen: it may not have run"


@dataclass(frozen=True, slots=True)
class CircuitResult:
    """Result of one circuit. `text`: in a few words. `failed`: it did not obey. `waits`: for a user, as configured.

    `back`: on again when the drill ended. `drew`: rise of demand when it was restored; None: not known, and `drew_not`
    is the reason, if it is the circuit's own.
    """

    line: PlannedCircuit
    progress: CircuitProgress
    text: str
    failed: bool
    waits: bool
    back: bool
    drew: PowerStep | None
    drew_not: str


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
        """Return it in one sentence."""
        if self.course.dropped:
            return f"It never began: {self.course.dropped}."
        if self.failed and all(one.text == UNHEARD for one in self.failed):
            return f"NOT PROVED, for {UNHEARD}; as far as was heard {self._obeyed()}."
        if self.failed:
            return f"FAILED: {'; '.join(f'{one.line.name}: {one.text}' for one in self.failed)}."
        if self.course.taken_over:
            return f"CUT SHORT by a real transfer; until then {self._obeyed()}."
        if not self.passed:
            return f"NOT FOLLOWED to its end; until then {self._obeyed()}."
        waits = [one.line.name for one in self.outcomes if one.waits]
        return f"PASSED: {self._obeyed()}" + (f"; waiting for a user: {', '.join(waits)}." if waits else ".")

    def _obeyed(self) -> str:
        off = [one.progress.off_after_s for one in self.outcomes if one.progress.off_at is not None]
        back = sum(1 for one in self.outcomes if one.back)
        slowest = max((after_s for after_s in off if after_s is not None), default=None)
        within = "" if slowest is None else f" within {format_duration(slowest)}"
        return f"{len(off)} of {len(self.outcomes)} circuits went off{within}, and {back} came back"


def result(
    plan: DrillPlan, course: DrillProgress, readings: DemandReadings, by: str, until: float, *, left: bool = False
) -> DrillResult:
    """Return what came out of it. `until`: when the last word was heard, by the listener's clock."""
    demand = _demand(course, readings, until)
    concerned = [line for line in plan.lines if line.restore is not None or _fare(course, line).switched]
    outcomes = (_outcome(line, course, readings, demand, until, left=left) for line in concerned)
    return DrillResult(plan, course, by, tuple(outcomes), demand, left)


def _fare(course: DrillProgress, line: PlannedCircuit) -> CircuitProgress:
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
    fare = _fare(course, line)
    waits = fare.on_at is None and fare.off_at is not None and line.restore not in (None, RestoreMode.IN_TURN)
    says, failed = _judged(line, fare, course, waits=waits, left=left)
    # What holds for all of them is said once, of the house; what never came back says so already.
    told = not demand.circuits_unknown_reason and fare.on_at is not None
    drew = _drew(fare, course, readings, demand, until) if told else ""
    rose = drew if isinstance(drew, PowerStep) else None
    back = fare.on_at is not None or _is_on(line, fare, course)
    return CircuitResult(line, fare, says, failed, waits, back, rose, drew if isinstance(drew, str) else "")


def _judged(
    line: PlannedCircuit, fare: CircuitProgress, course: DrillProgress, *, waits: bool, left: bool
) -> tuple[str, bool]:
    """Return what became of a circuit, and whether it failed."""
    if fare.result == TRIPPED:
        return "TRIPPED: reset it by hand, once", True
    if fare.result == TAKEN_OVER:
        return fare.result, False
    if fare.off_at is None:
        return _never_off(fare, course)
    if waits:
        return f"off; waits for a user: {what_to_do(line)}", False
    return _back(line, fare, course, left=left)


def _back(line: PlannedCircuit, fare: CircuitProgress, course: DrillProgress, *, left: bool) -> tuple[str, bool]:
    if fare.on_at is not None:
        return "off and on again", False
    if fare.result:
        return fare.result, False
    if _is_on(line, fare, course):
        watched = "watched for a minute more, for an OFF may still take effect"
        return f"off and on again; {watched if course.restore_finished else 'when, was not heard'}", False
    if course.ended_at is None:
        return "off; its restore was not followed" if left else "off, when the drill was cut short", False
    return f"NOT BACK: {course.not_restored.get(str(line.id), 'it did not confirm')}", True


def _is_on(line: PlannedCircuit, fare: CircuitProgress, course: DrillProgress) -> bool:
    """Return whether it is on without a report after our ON.

    By the final event, which names all that is not restored; if that was missed, by the retained messages.
    """
    if course.restore_finished:
        return fare.on_tries > 0 and str(line.id) not in course.not_restored
    return course.missed and course.ended_at is not None and course.positions.get(str(line.id)) == Position.ON.value


def _never_off(fare: CircuitProgress, course: DrillProgress) -> tuple[str, bool]:
    if course.missed:
        return UNHEARD, True
    if not fare.off_tries:
        return "no OFF was sent", course.ended_at is not None
    if course.ended_at is None and fare.off_tries < MAX_ATTEMPTS:
        return "OFF sent, not confirmed yet, when it was cut short", False
    tries = "1 command" if fare.off_tries == 1 else f"{fare.off_tries} commands"
    return f"NOT CONFIRMED OFF after {tries}", True


# --- demand ----------------------------------------------------------------------------------------------------------


def _demand(course: DrillProgress, readings: DemandReadings, until: float) -> DemandSummary:
    """Return the house's demand, as far as the received messages show it."""
    if course.began_at is None:
        return DemandSummary(None, None, None, None, NO_FIGURE)
    before = readings.steady(course.began_at - BEFORE_S, course.began_at) or readings.last(course.began_at)
    off = [fare.off_at for fare in course.circuits.values() if fare.off_at is not None]
    on = [fare.on_sent_at for fare in course.circuits.values() if fare.on_sent_at is not None]
    shed = readings.fallen(max(off) + SETTLE_S, min(on, default=until)) if off else None
    last_on_at = course.last_on_at
    after = None if last_on_at is None else readings.steady(last_on_at + SETTLE_S, until)
    fell = power_step(shed, before) if shed is not None and before is not None else None
    return DemandSummary(before, shed, after, fell, _circuits_not(readings, before))


def _circuits_not(readings: DemandReadings, before: PowerReading | None) -> str:
    if readings.silent:
        return NO_METER
    if not readings.by_pulses:
        return COARSE if before is not None else NO_FIGURE
    return ""


def _drew(
    fare: CircuitProgress, course: DrillProgress, readings: DemandReadings, demand: DemandSummary, until: float
) -> PowerStep | str:
    """Return the rise of demand when this circuit was restored (one at a time); else why it is unknown."""
    if fare.on_sent_at is None or fare.on_at is None:
        return ""
    earlier = [one.on_at for one in course.circuits.values() if one.on_at is not None and one.on_at <= fare.on_sent_at]
    before = readings.steady(max(earlier) + SETTLE_S, fare.on_sent_at) if earlier else demand.shed
    next_at = course.next_on_after(fare.on_sent_at)
    after = readings.steady(fare.on_at + SETTLE_S, until if next_at is None else next_at)
    if before is None or after is None:
        return TOO_LATE if before is not None and next_at is None else TOO_SOON
    return power_step(before, after) or NONE_SEEN
