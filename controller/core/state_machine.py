"""States of the house and the table of transitions between them.

The engine determines when a trigger fires; every trigger carries its time. The table determines the next state. Each
pair of state and trigger is either a transition or ignored on purpose.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from transitions import Machine

if TYPE_CHECKING:
    from transitions import EventData


class State(Enum):
    """State of the house with respect to its power source."""

    STARTING = "starting"
    UTILITY = "utility"
    SHEDDING = "shedding"
    STANDBY = "standby"
    STABILIZING = "stabilizing"
    RESTORING = "restoring"

    @property
    def sheds(self) -> bool:
        """Return whether nonessential circuits are wanted off. It stays so while the contact is unknown."""
        return self in (State.SHEDDING, State.STANDBY)

    @property
    def on_utility(self) -> bool:
        """Return whether utility is back, or was never lost."""
        return self in (State.STABILIZING, State.RESTORING, State.UTILITY)

    @property
    def restores(self) -> bool:
        """Return whether owed circuits may be switched on, if the contact permits it."""
        return self in (State.RESTORING, State.UTILITY)


class Trigger(Enum):
    """Cause of a transition: the contact settled, all circuits settled, utility is stable, or a drill."""

    ON_UTILITY = "on_utility"
    ON_STANDBY = "on_standby"
    SETTLED = "settled"
    STABLE = "stable"
    DRILL = "drill"
    DRILL_ENDED = "drill_ended"


class Transition(NamedTuple):
    """One transition. `when`: "unfinished" (an outage is open or a circuit is owed), "finished", or empty: always."""

    source: State
    trigger: Trigger
    dest: State
    when: str = ""


TRANSITIONS = (
    Transition(State.STARTING, Trigger.ON_UTILITY, State.UTILITY, "finished"),
    Transition(State.STARTING, Trigger.ON_UTILITY, State.STABILIZING, "unfinished"),
    # The Pi loses power in the transfer too: a start with the contact open is the usual case.
    Transition(State.STARTING, Trigger.ON_STANDBY, State.SHEDDING),
    Transition(State.UTILITY, Trigger.ON_STANDBY, State.SHEDDING),
    Transition(State.SHEDDING, Trigger.SETTLED, State.STANDBY),
    Transition(State.SHEDDING, Trigger.ON_UTILITY, State.STABILIZING),
    Transition(State.STANDBY, Trigger.ON_UTILITY, State.STABILIZING),
    Transition(State.STABILIZING, Trigger.STABLE, State.RESTORING),
    Transition(State.STABILIZING, Trigger.ON_STANDBY, State.SHEDDING),
    Transition(State.RESTORING, Trigger.SETTLED, State.UTILITY),
    Transition(State.RESTORING, Trigger.ON_STANDBY, State.SHEDDING),
    # A drill: the contact stays closed. A transfer ends the drill and begins the outage at the same moment.
    Transition(State.UTILITY, Trigger.DRILL, State.SHEDDING),
    Transition(State.SHEDDING, Trigger.DRILL_ENDED, State.STABILIZING),
    Transition(State.STANDBY, Trigger.DRILL_ENDED, State.STABILIZING),
)

IGNORED = (
    # No command is sent before the contact has been read once.
    (State.STARTING, Trigger.SETTLED),
    (State.STARTING, Trigger.STABLE),
    # The contact was lost and found in the same position.
    (State.UTILITY, Trigger.ON_UTILITY),
    (State.SHEDDING, Trigger.ON_STANDBY),
    (State.STANDBY, Trigger.ON_STANDBY),
    (State.STABILIZING, Trigger.ON_UTILITY),
    (State.RESTORING, Trigger.ON_UTILITY),
    # A circuit owed from before is retried on utility; when it settles, the state stays.
    (State.UTILITY, Trigger.SETTLED),
    # Each return to utility has its stable wait; only the first one changes the state.
    (State.UTILITY, Trigger.STABLE),
    (State.RESTORING, Trigger.STABLE),
    # A circuit to be shed later (retagged, switched on) is shed in this state.
    (State.STANDBY, Trigger.SETTLED),
    # No circuit is restored before utility is stable, so none can settle.
    (State.STABILIZING, Trigger.SETTLED),
    # The wait ended at the moment at which the contact opened.
    (State.SHEDDING, Trigger.STABLE),
    (State.STANDBY, Trigger.STABLE),
    # A drill is refused in these states.
    *((state, Trigger.DRILL) for state in State if state is not State.UTILITY),
    # The drill is over already, or has not begun.
    *((state, Trigger.DRILL_ENDED) for state in State if not state.sheds),
)


class StateMachine:
    """State of the house, `now`. `since`: monotonic second at which it was entered from `previous`."""

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

        def trigger(self, name: str, **arguments: object) -> bool: ...

    def fire(self, trigger: Trigger, at: float, *, unfinished: bool = False) -> State | None:
        """Process `trigger` at the monotonic second `at`; return the state entered; None: the trigger is ignored."""
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
    """Return the table of transitions as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {State.STARTING.value}"]
    for row in TRANSITIONS:
        label = row.trigger.value.replace("_", " ") + (f" ({row.when})" if row.when else "")
        lines.append(f"    {row.source.value} --> {row.dest.value}: {label}")
    return "\n".join(lines) + "\n"
