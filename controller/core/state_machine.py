"""The states of the house, and the one table of what moves it between them.

Everything that changes the state is here, and nothing else is: the engine says *when* (every trigger carries its
time), this table says *whither*. Each pair of state and trigger is either a row or ignored on purpose.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from transitions import Machine

if TYPE_CHECKING:
    from transitions import EventData


class State(Enum):
    """What the house is doing about its source of power."""

    STARTING = "starting"
    UTILITY = "utility"
    SHEDDING = "shedding"
    STANDBY = "standby"
    STABILIZING = "stabilizing"
    RESTORING = "restoring"

    @property
    def sheds(self) -> bool:
        """Tell whether nonessential circuits are wanted off. Also while the contact cannot be read."""
        return self in (State.SHEDDING, State.STANDBY)

    @property
    def on_utility(self) -> bool:
        """Tell whether utility has returned, or never went."""
        return self in (State.STABILIZING, State.RESTORING, State.UTILITY)

    @property
    def restores(self) -> bool:
        """Tell whether the rules may switch on what is owed (the contact permitting)."""
        return self in (State.RESTORING, State.UTILITY)


class Trigger(Enum):
    """What moves the house: the settled contact, circuits all settled, utility stable for long enough; a drill."""

    ON_UTILITY = "on_utility"
    ON_STANDBY = "on_standby"
    SETTLED = "settled"
    STABLE = "stable"
    DRILL = "drill"
    DRILL_ENDED = "drill_ended"


class Transition(NamedTuple):
    """One row of the table. `when`: "unfinished" (an outage is open or something is owed), "finished", or always."""

    source: State
    trigger: Trigger
    dest: State
    when: str = ""


TRANSITIONS = (
    Transition(State.STARTING, Trigger.ON_UTILITY, State.UTILITY, "finished"),
    Transition(State.STARTING, Trigger.ON_UTILITY, State.STABILIZING, "unfinished"),
    # The Pi browns out in the transfer too: a start with the contact open is the usual case.
    Transition(State.STARTING, Trigger.ON_STANDBY, State.SHEDDING),
    Transition(State.UTILITY, Trigger.ON_STANDBY, State.SHEDDING),
    Transition(State.SHEDDING, Trigger.SETTLED, State.STANDBY),
    Transition(State.SHEDDING, Trigger.ON_UTILITY, State.STABILIZING),
    Transition(State.STANDBY, Trigger.ON_UTILITY, State.STABILIZING),
    Transition(State.STABILIZING, Trigger.STABLE, State.RESTORING),
    Transition(State.STABILIZING, Trigger.ON_STANDBY, State.SHEDDING),
    Transition(State.RESTORING, Trigger.SETTLED, State.UTILITY),
    Transition(State.RESTORING, Trigger.ON_STANDBY, State.SHEDDING),
    # An outage that a person asked for, while the contact stays closed. A transfer in it ends it and begins in one.
    Transition(State.UTILITY, Trigger.DRILL, State.SHEDDING),
    Transition(State.SHEDDING, Trigger.DRILL_ENDED, State.STABILIZING),
    Transition(State.STANDBY, Trigger.DRILL_ENDED, State.STABILIZING),
)

IGNORED = (
    # Nothing is commanded before the contact has been read once.
    (State.STARTING, Trigger.SETTLED),
    (State.STARTING, Trigger.STABLE),
    # The contact was lost and found where it was.
    (State.UTILITY, Trigger.ON_UTILITY),
    (State.SHEDDING, Trigger.ON_STANDBY),
    (State.STANDBY, Trigger.ON_STANDBY),
    (State.STABILIZING, Trigger.ON_UTILITY),
    (State.RESTORING, Trigger.ON_UTILITY),
    # An old debt that is tried again on utility settles without a change of state.
    (State.UTILITY, Trigger.SETTLED),
    # Each return to utility has its stable wait; only the first one moves the house on.
    (State.UTILITY, Trigger.STABLE),
    (State.RESTORING, Trigger.STABLE),
    # A circuit that comes up later (retagged, switched on) is shed from where the house is.
    (State.STANDBY, Trigger.SETTLED),
    # Nothing is given back before utility is stable: there is nothing to settle.
    (State.STABILIZING, Trigger.SETTLED),
    # The wait ended in the moment in which the contact opened.
    (State.SHEDDING, Trigger.STABLE),
    (State.STANDBY, Trigger.STABLE),
    # A drill is refused there.
    *((state, Trigger.DRILL) for state in State if state is not State.UTILITY),
    # It is over already, or has never begun.
    *((state, Trigger.DRILL_ENDED) for state in State if not state.sheds),
)


class StateMachine:
    """The state of the house, `now`. `since`: the monotonic second at which it was entered, from `came_from`."""

    def __init__(self, at: float) -> None:
        self.since = at
        self.previous: State | None = None
        self._machine = Machine(
            model=None,
            states=[state.value for state in State],
            initial=None,
            queued=True,
            auto_transitions=False,
            send_event=True,
        )
        for row in TRANSITIONS:
            conditions = {"unfinished": self._is_unfinished, "finished": self._is_finished}.get(row.when)
            self._machine.add_transition(
                row.trigger.value, row.source.value, row.dest.value, conditions=conditions, after=self._entered
            )
        for state, trigger in IGNORED:
            self._machine.add_transition(trigger.value, state.value, None)
        self._machine.add_model(self, initial=State.STARTING.value)
        self.now = State.STARTING

    if TYPE_CHECKING:
        state: str

        def trigger(self, name: str, **words: object) -> bool: ...

    def fire(self, trigger: Trigger, at: float, *, unfinished: bool = False) -> State | None:
        """Play `trigger` at the monotonic second `at`; return the state entered, None where it was ignored."""
        before = self.now
        self.trigger(trigger.value, at=at, unfinished=unfinished)
        self.now = State(self.state)
        if self.now is before:
            return None
        self.previous = before
        return self.now

    def _entered(self, event: EventData) -> None:
        self.since = event.kwargs["at"]

    @staticmethod
    def _is_unfinished(event: EventData) -> bool:
        return bool(event.kwargs["unfinished"])

    @staticmethod
    def _is_finished(event: EventData) -> bool:
        return not event.kwargs["unfinished"]


def diagram() -> str:
    """Return the table that runs, as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {State.STARTING.value}"]
    for row in TRANSITIONS:
        label = row.trigger.value.replace("_", " ") + (f" ({row.when})" if row.when else "")
        lines.append(f"    {row.source.value} --> {row.dest.value}: {label}")
    return "\n".join(lines) + "\n"
