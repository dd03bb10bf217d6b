"""What a drill would do now, circuit by circuit, in shedding order. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from clients.terminal.tables import sentence
from rules.controllability import shed_by_panel, uncontrollable_reason
from rules.drill import DrillPreconditions, refusal_reason
from rules.panel import CircuitId, Position, Restore, Tag
from rules.restore import RestoreQueue
from rules.shed import shed_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from clients.bus_client.status import HouseStatus
    from clients.drill.demand_readings import PowerReading
    from controller.config.loader import Configuration
    from rules.json_types import Json
    from rules.panel import Circuit, Panel

_OFF = (Position.OFF, Position.TRIPPED)

_STILL_DRAWING, _NO_RESPONSE = "still-drawing", "breaker-no-response"
"""Alarms that name circuits which count as on."""

NO_ANSWER = "does not respond: treat it as ON"


class PlannedAction(Enum):
    """What a drill does to a circuit now."""

    GOES_OFF = "goes off"
    NO_RESPONSE = "OFF sent, NOT CONFIRMED"
    IS_OFF = "is off already"
    LAST_REPORTED_OFF = "last reported off; NOT CONFIRMED"
    BY_HAND = "stays ON: manual only"
    TAKEN_OVER = "not switched"
    STAYS = "stays on"


_SENT = (PlannedAction.GOES_OFF, PlannedAction.NO_RESPONSE)


class RestoreMode(Enum):
    """Who switches a circuit on again that went off."""

    IN_TURN = "in turn"
    ASK = "on user request"
    NEVER = "on user request only"
    ON_HOLD = "on user request, after the hold is released"
    UNKNOWN = "on user request: state before the drill unknown"


@dataclass(frozen=True, slots=True)
class MeasuredLoad:
    """Last measured load of a circuit, in kW. `at`: RFC 3339. `at_least`: the load may be larger."""

    kw: float
    at: str
    at_least: bool = False


@dataclass(frozen=True, slots=True)
class PlannedCircuit:
    """A circuit in the plan. `position`, `answers`: None: not known now. `why`: reason for its action.

    `restore`, `restored_after_s`: how, and how many seconds after the end; None: it does not go off, or waits for a
    user.
    """

    circuit: Circuit
    action: PlannedAction
    why: str
    position: Position | None
    answers: bool | None
    known: MeasuredLoad | None
    restore: RestoreMode | None = None
    restored_after_s: float | None = None

    @property
    def id(self) -> CircuitId:
        return self.circuit.id

    @property
    def name(self) -> str:
        return self.circuit.name

    @property
    def spaces(self) -> str:
        """Return its panel spaces, as they stand on the panel's door."""
        return "+".join(str(space) for space in self.circuit.spaces)


@dataclass(frozen=True, slots=True)
class DrillPlan:
    """Plan of a drill. `lines`: the first to shed first. `demand`: of the house now; None: not known.

    `unknown`: facts that cannot be determined now, each in a sentence with the reason. `refused`: why the controller
    would refuse a live drill now; None: it would not.
    """

    lines: tuple[PlannedCircuit, ...]
    for_s: float
    stagger_s: float
    demand: PowerReading | None
    rated_kw: float | None
    unknown: tuple[str, ...]
    refused: str | None

    def having(self, *actions: PlannedAction) -> tuple[PlannedCircuit, ...]:
        return tuple(line for line in self.lines if line.action in actions)

    def with_restore_all(self) -> DrillPlan:
        """Return the plan of the same drill if its end also restores circuits with `restore = "ask"` or `"never"`."""
        by_setting = (RestoreMode.ASK, RestoreMode.NEVER)
        lines = [replace(one, restore=RestoreMode.IN_TURN) if one.restore in by_setting else one for one in self.lines]
        return replace(self, lines=_with_times(lines, self.for_s, self.stagger_s))

    @property
    def goes_off(self) -> tuple[PlannedCircuit, ...]:
        return self.having(PlannedAction.GOES_OFF)

    @property
    def by_hand(self) -> tuple[PlannedCircuit, ...]:
        return self.having(PlannedAction.BY_HAND)

    @property
    def silent(self) -> tuple[PlannedCircuit, ...]:
        """Return the circuits whose position would not be confirmed: their breaker does not respond now."""
        return self.having(PlannedAction.NO_RESPONSE, PlannedAction.LAST_REPORTED_OFF)

    @property
    def in_turn(self) -> tuple[PlannedCircuit, ...]:
        """Return the circuits that are restored automatically, in that order."""
        back = [line for line in self.goes_off if line.restored_after_s is not None]
        return tuple(sorted(back, key=lambda line: line.restored_after_s or 0.0))

    @property
    def waiting(self) -> tuple[PlannedCircuit, ...]:
        """Return the circuits that go off and then wait for a user."""
        return tuple(line for line in self.goes_off if line.restored_after_s is None)

    @property
    def known_kw(self) -> float:
        """Return what is known to go off, in kW; what was never measured is not in it."""
        return sum(line.known.kw for line in self.goes_off if line.known is not None)

    @property
    def unmeasured(self) -> tuple[PlannedCircuit, ...]:
        return tuple(line for line in self.goes_off if line.known is None)


def plan(
    configuration: Configuration,
    status: HouseStatus | None,
    *,
    known: Mapping[CircuitId, MeasuredLoad],
    demand: PowerReading | None,
    for_s: float,
    trouble: str | None = None,
) -> DrillPlan:
    """Return what a drill would do. `status`: from the daemon; None: not available, and `trouble` is the reason."""
    panel = configuration.panel
    lines = [_line(panel[circuit], status, known.get(circuit)) for circuit in shed_order(panel)]
    stagger_s = configuration.restore.stagger_s
    return DrillPlan(
        _with_times(lines, for_s, stagger_s),
        for_s,
        stagger_s,
        demand,
        configuration.generator.kw if configuration.generator else None,
        tuple(_unknown(status, trouble, demand, lines, has_meter=configuration.meter is not None)),
        _refused(configuration.panel, status, trouble, sum(1 for line in lines if line.action in _SENT)),
    )


def _with_times(lines: Sequence[PlannedCircuit], for_s: float, stagger_s: float) -> tuple[PlannedCircuit, ...]:
    after_s = return_times(lines, for_s, stagger_s)
    return tuple(replace(line, restored_after_s=after_s.get(line.id)) for line in lines)


# --- one circuit -----------------------------------------------------------------------------------------------------


def _line(circuit: Circuit, status: HouseStatus | None, known: MeasuredLoad | None) -> PlannedCircuit:
    said = status.circuits.get(circuit.id, {}) if status is not None else {}
    taken_over = _ids(status.state or {}, "taken_over") if status is not None else set()
    position = _position(said.get("position"))
    answers = said.get("available") if isinstance(said.get("available"), bool) else None
    position_word = "unknown" if position is None else position.value
    action, why = _action(circuit, position, taken_over=circuit.id in taken_over)
    in_outage = status is not None and (status.state or {}).get("outage") is not None
    if answers is False and action is PlannedAction.IS_OFF and not in_outage:
        action, why = PlannedAction.LAST_REPORTED_OFF, f"{NO_ANSWER}; no OFF is sent after a report of {position_word}"
    elif answers is False and action in (PlannedAction.GOES_OFF, PlannedAction.IS_OFF):
        action, why = PlannedAction.NO_RESPONSE, f"{NO_ANSWER}; its last report was {position_word}"
    elif action in (PlannedAction.GOES_OFF, PlannedAction.IS_OFF) and (doubt := _not_confirmed(circuit.id, status)):
        action, why = PlannedAction.NO_RESPONSE, doubt
    returns = _returns(circuit, position, str(said.get("why", ""))) if action is PlannedAction.GOES_OFF else None
    return PlannedCircuit(circuit, action, why, position, None if answers is None else bool(answers), known, returns)


def _not_confirmed(circuit: CircuitId, status: HouseStatus | None) -> str | None:
    """Return why an OFF of this circuit would not be confirmed, as far as the controller reports; None: no reason."""
    if status is None:
        return None
    if circuit in _ids(status.alarms.get(_STILL_DRAWING, {}), "circuits"):
        return "reports off, but still draws power: treat it as ON"
    if circuit in _ids(status.alarms.get(_NO_RESPONSE, {}), "circuits"):
        return "did not confirm the last three commands: treat it as ON"
    unconfirmed = circuit in _ids(status.state or {}, "unconfirmed")
    return "OFF was sent and is not confirmed: treat it as ON" if unconfirmed else None


def _position(word: Json) -> Position | None:
    return Position(word) if word in [position.value for position in Position] else None


def _action(circuit: Circuit, position: Position | None, *, taken_over: bool) -> tuple[PlannedAction, str]:
    if (stays := _stays(circuit)) is not None:
        return PlannedAction.STAYS, stays
    if (reason := uncontrollable_reason(circuit)) is not None:
        return PlannedAction.BY_HAND, reason
    if taken_over:
        return PlannedAction.TAKEN_OVER, "manual override: left to the user"
    if position in _OFF:
        return PlannedAction.IS_OFF, f"is {position.value}, and stays {position.value} at the end"
    unknown = position is Position.UNKNOWN
    return PlannedAction.GOES_OFF, "position unknown: counts as on" if unknown else f"rank {circuit.rank}"


def _stays(circuit: Circuit) -> str | None:
    """Return why a drill never touches the circuit; None: it may."""
    if shed_by_panel(circuit):
        return "Leviton sheds; loadshed watches, and does not drill it"
    if circuit.protected:
        return "protected: no command is ever sent to it"
    return "essential" if circuit.tag is Tag.ESSENTIAL else None


def _returns(circuit: Circuit, position: Position | None, why: str) -> RestoreMode:
    # The bus has no other word for a hold.
    if "on hold by" in why:
        return RestoreMode.ON_HOLD
    if position is Position.UNKNOWN:
        return RestoreMode.UNKNOWN
    return {Restore.AUTO: RestoreMode.IN_TURN, Restore.ASK: RestoreMode.ASK, Restore.NEVER: RestoreMode.NEVER}[
        circuit.restore
    ]


def return_times(lines: Sequence[PlannedCircuit], for_s: float, stagger_s: float) -> dict[CircuitId, float]:
    """Return how long after the drill's end each circuit is switched on again, in seconds, if nothing prevents it.

    By the rules' own queue: rank 1 first, one every `stagger_s`, none before its `min_off_s`. `lines`: in shedding
    order. `for_s`: time off until the end of the drill, in seconds.
    """
    queue = RestoreQueue(stagger_s, float("-inf"))
    for order, line in enumerate(lines):
        if line.restore is RestoreMode.IN_TURN:
            one = line.circuit
            queue.put(one.id, one.rank, order, max(for_s, one.min_off_s), again=False)
    now, after_s = for_s, {}
    while (due := queue.deadline(now)) is not None:
        now = due
        if (circuit := queue.pop_due(now)) is not None:
            queue.sent(now)
            after_s[circuit] = now - for_s
    return after_s


# --- unknown facts, and refusal ------------------------------------------------------------------


def _unknown(
    status: HouseStatus | None,
    trouble: str | None,
    demand: PowerReading | None,
    lines: Sequence[PlannedCircuit],
    *,
    has_meter: bool,
) -> Iterator[str]:
    if status is None:
        yield sentence(f"Present positions, devices that do not respond, holds, and the demand of the house: {trouble}")
    elif demand is None:
        yield "Demand of the house: " + ("the meter has no reading." if has_meter else "no meter is configured.")
    if never := [line.name for line in lines if line.action is PlannedAction.GOES_OFF and line.known is None]:
        yield f"Load in kW of circuits that were never measured: {', '.join(never)}."


def _refused(panel: Panel, status: HouseStatus | None, trouble: str | None, to_shed: int) -> str | None:
    """Return why the controller would refuse a live drill now, as far as can be seen from here; None: it would not."""
    if status is None:
        return trouble
    state = status.state or {}
    watched = _ids(state, "late_off_watch")
    standing = DrillPreconditions(
        state=str(state.get("state")),
        on_utility=state.get("source") == "utility",
        stable=state.get("stable_at") is None,
        outage_open=state.get("outage") is not None,
        owed=panel.names(_ids(state, "owed") - watched),
        under_way=panel.names(_ids(state, "unconfirmed") | watched),
        connected=True,
        disk_failing="disk-failing" in status.alarms,
        sheds=to_shed,
    )
    return refusal_reason(standing)


def _ids(fields: Mapping[str, Json], key: str) -> set[CircuitId]:
    """Return the circuits that a field lists."""
    listed = fields.get(key)
    return {CircuitId(str(one)) for one in listed} if isinstance(listed, list) else set()
