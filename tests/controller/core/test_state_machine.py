"""The states of the house: each pair of state and trigger is defined, or ignored on purpose."""

from __future__ import annotations

from collections import Counter
from itertools import product

import pytest
from transitions import MachineError

from controller.core.state_machine import IGNORED, TRANSITIONS, State, StateMachine, Trigger, diagram
from tests.pages import ROOT

DOCUMENT = ROOT / "docs" / "states.md"

# As the design draws them. The machine has a table of its own: this is the other witness.
DRAWN = {
    (State.STARTING, Trigger.ON_STANDBY): State.SHEDDING,
    (State.UTILITY, Trigger.ON_STANDBY): State.SHEDDING,
    (State.SHEDDING, Trigger.SETTLED): State.STANDBY,
    (State.SHEDDING, Trigger.ON_UTILITY): State.STABILIZING,
    (State.STANDBY, Trigger.ON_UTILITY): State.STABILIZING,
    (State.STABILIZING, Trigger.STABLE): State.RESTORING,
    (State.STABILIZING, Trigger.ON_STANDBY): State.SHEDDING,
    (State.RESTORING, Trigger.SETTLED): State.UTILITY,
    (State.RESTORING, Trigger.ON_STANDBY): State.SHEDDING,
    (State.UTILITY, Trigger.DRILL): State.SHEDDING,
    (State.SHEDDING, Trigger.DRILL_ENDED): State.STABILIZING,
    (State.STANDBY, Trigger.DRILL_ENDED): State.STABILIZING,
}
PATHS: dict[State, tuple[Trigger, ...]] = {
    State.STARTING: (),
    State.UTILITY: (Trigger.ON_UTILITY,),
    State.SHEDDING: (Trigger.ON_STANDBY,),
    State.STANDBY: (Trigger.ON_STANDBY, Trigger.SETTLED),
    State.STABILIZING: (Trigger.ON_STANDBY, Trigger.ON_UTILITY),
    State.RESTORING: (Trigger.ON_STANDBY, Trigger.ON_UTILITY, Trigger.STABLE),
}


def house(state: State) -> StateMachine:
    """Return a house brought into the state, a second a step."""
    one = StateMachine(0.0)
    for at, trigger in enumerate(PATHS[state], start=1):
        one.fire(trigger, float(at))
    assert one.now is state
    return one


def test_every_pair_of_state_and_trigger_is_a_row_or_ignored_on_purpose() -> None:
    """None is left undefined, and none is both."""
    said = Counter({(row.source, row.trigger) for row in TRANSITIONS})
    said.update(IGNORED)
    assert said == Counter(product(State, Trigger))


@pytest.mark.parametrize(("state", "trigger"), list(product(State, Trigger)))
@pytest.mark.parametrize("unfinished", [False, True])
def test_the_house_moves_as_drawn_and_nowhere_else(state: State, trigger: Trigger, unfinished: bool) -> None:
    """A start on utility stabilizes first where an outage is open or something is owed."""
    drawn = DRAWN.get((state, trigger))
    if (state, trigger) == (State.STARTING, Trigger.ON_UTILITY):
        drawn = State.STABILIZING if unfinished else State.UTILITY
    one = house(state)
    since, came_from = one.since, one.previous
    assert one.fire(trigger, 60.0, unfinished=unfinished) is drawn
    assert one.now is (drawn or state)
    assert one.since == (60.0 if drawn else since)
    assert one.previous is (state if drawn else came_from)


def test_a_house_starts_in_starting_at_the_moment_of_the_start() -> None:
    """It came from nowhere."""
    one = StateMachine(7.0)
    assert (one.now, one.since, one.previous) == (State.STARTING, 7.0, None)


def test_nothing_moves_the_house_but_the_table() -> None:
    """The library's own ways from any state to any other are off, and it has no state of its own."""
    one = StateMachine(0.0)
    assert set(one._machine.states) == {state.value for state in State}
    assert set(one._machine.events) == {trigger.value for trigger in Trigger}


def test_what_the_table_does_not_know_is_our_own_mistake() -> None:
    """It is not passed over in silence."""
    one = StateMachine(0.0)
    one._machine.remove_transition(Trigger.SETTLED.value, source=State.STARTING.value)
    with pytest.raises(MachineError):
        one.fire(Trigger.SETTLED, 1.0)


WANTS = (
    # state, sheds, on utility, restores
    (State.STARTING, False, False, False),
    (State.UTILITY, False, True, True),
    (State.SHEDDING, True, False, False),
    (State.STANDBY, True, False, False),
    (State.STABILIZING, False, True, False),
    (State.RESTORING, False, True, True),
)


@pytest.mark.parametrize(("state", "sheds", "on_utility", "gives_back"), WANTS)
def test_each_state_says_what_is_wanted_of_circuits(
    state: State, sheds: bool, on_utility: bool, gives_back: bool
) -> None:
    """No circuit is restored before utility is stable or while the source is unknown."""
    assert (state.sheds, state.on_utility, state.restores) == (sheds, on_utility, gives_back)


def test_the_diagram_in_the_documents_is_the_table_that_runs() -> None:
    """To update it: `python -m tests.controller.core.test_state_machine`."""
    assert DOCUMENT.read_text(encoding="utf-8") == document()


def document() -> str:
    """Return the page of the states, with its diagram drawn from the table."""
    ignored = "\n".join(f"- `{state.value}`: {_ignored_in(state)}" for state in State if _ignored_in(state))
    return f"""# States of the house

The diagram is drawn from the transition table in `controller/core/state_machine.py` that the program runs.
A test checks that this page matches it.

```mermaid
{diagram()}```

- *Unfinished*: an outage is open on disk, or a circuit is owed. *Finished*: neither is the case.
- *Settled*, while shedding: each circuit is confirmed, tripped, under manual override, or has had three attempts.
  While restoring: each owed circuit is on, tripped, under manual override, on hold, waiting for a user, or has had
  three attempts.
- *Stable*: utility known and uninterrupted for `utility_stable_s`.
- *Drill*: an outage started by a user request while the house is on utility. A transfer ends the drill and starts an
  outage at the same moment, with the same record.

These pairs of state and trigger are deliberately ignored:

{ignored}
"""


def _ignored_in(state: State) -> str:
    return ", ".join(trigger.value.replace("_", " ") for one, trigger in IGNORED if one is state)


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
