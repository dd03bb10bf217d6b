"""What must never happen, as far as it can be seen from outside: the invariants of the rules, over a recorder's log.

Each yields the sentences that are wrong. A command was sent between two known seconds (`Command.since`, `Command.by`):
it is wrong only where it is so whenever it was sent in between.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tests.stress.drill import NOTICE_S, Drills
from tests.stress.observer_model import NEVER, Knowledge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from collections.abc import Set as AbstractSet

    from tests.stress.drill import Drill
    from tests.system.process_house import Timing

ENOUGH_ROUNDS = 3
"""The reply to a question may leave a turn of the loop before its commands: tolerance in replies."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules of one house. `commandable`: no other circuit is ever commanded. `sheds`: the nonessential among them."""

    timing: Timing
    commandable: AbstractSet[str]
    sheds: AbstractSet[str]


class Command(NamedTuple):
    """One command as it was recorded. It left after `since` and before `by`.

    `heard`: the program had surely read the messages before this number; what came later it may have read afterwards.
    """

    circuit: str
    word: str
    since: float
    by: float
    heard: int

    def at_most_after(self, earlier: Command) -> float:
        """Return how long after another it can have left, at most."""
        return self.by - earlier.since


class Heard(NamedTuple):
    """A device's word. `number`: of the message."""

    number: int
    word: str


class Stays(NamedTuple):
    """Why the rules leave a circuit alone. `at`: the program has known since then."""

    why: str
    at: float = NEVER


@dataclass
class Tonight:
    """What is known of one outage.

    `stays`: by circuit, why no ON by the rules may reach it. `owed`: told OFF. `doubt`: the program may rightly owe
    what it was not heard to switch off (a crash, or a gap in the log). `exempt`: what people ordered, at any time.
    `called_in`: to be given back on a person's word. `touched`: a person or its own protection moved it. `starts`: of
    the program. `ledger_lost`: the disk did not keep what it was given. `rolled_back`: it tells of another day.
    """

    stays: dict[str, Stays] = field(default_factory=dict)
    owed: set[str] = field(default_factory=set)
    doubt: bool = False
    exempt: set[tuple[str, str]] = field(default_factory=set)
    called_in: set[str] = field(default_factory=set)
    retagged: set[str] = field(default_factory=set)
    touched: set[str] = field(default_factory=set)
    starts: int = 0
    ledger_lost: bool = False
    rolled_back: bool = False


@dataclass
class Facts:
    """What the log has told so far. `last`: by circuit, the last command that holds back the next of its kind.

    `tried`: likewise, given back in this stretch of utility. `spoke`: by circuit, the number of its device's last word.
    `renewed`: of the last that says something new of it. `renewed_at`: of the last news that concern them all.
    `first_off`: by circuit, since the contact opened. `opened`: the number of that message. `gap`: since then the
    recorder was away, and commands may be missing. `drills`: what was asked for, and is on. `guards`: how often each
    invariant had something to judge.
    """

    rules: Rules
    known: Knowledge
    tonight: Tonight = field(default_factory=Tonight)
    heard: dict[str, Heard] = field(default_factory=dict)
    last: dict[str, Command] = field(default_factory=dict)
    last_on: Command | None = None
    tried: dict[str, Command] = field(default_factory=dict)
    spoke: dict[str, int] = field(default_factory=dict)
    renewed: dict[str, int] = field(default_factory=dict)
    renewed_at: int = 0
    first_off: dict[str, float] = field(default_factory=dict)
    opened: int = 0
    gap: bool = False
    drills: Drills = field(default_factory=Drills)
    guards: Counter[str] = field(default_factory=Counter)

    def surely(self, circuit: str) -> str | None:
        """Return the device's last word, where the program has surely read it."""
        heard = self.heard.get(circuit)
        return heard.word if heard is not None and heard.number < self.known.heard else None


def no_command_to_what_may_not_be_commanded(facts: Facts, said: Command) -> Iterator[str]:
    """1. A command to a circuit that is not controllable, or is protected."""
    facts.guards["1 commandable"] += 1
    if said.circuit not in facts.rules.commandable:
        yield f"{said.word} to {said.circuit}, which may not be commanded"


def no_on_to_what_is_not_ours_to_give_back(facts: Facts, said: Command) -> Iterator[str]:
    """2. ON to a circuit not owed, not on before, tripped, on hold or overridden; user requests excepted."""
    if said.word != "ON" or (said.circuit, "ON") in facts.tonight.exempt:
        return
    facts.guards["2 ours to give back"] += 1
    if facts.surely(said.circuit) == "TRIPPED":
        yield f"ON to {said.circuit}, which has tripped"
    stays = facts.tonight.stays.get(said.circuit)
    if stays is not None and said.since > stays.at and said.circuit not in facts.tonight.called_in:
        yield f"ON to {said.circuit}, which {stays.why}"
    if said.circuit not in facts.tonight.owed and not facts.tonight.doubt:
        yield f"ON to {said.circuit}, which was never told OFF"


def no_off_to_what_is_essential_or_a_persons(facts: Facts, said: Command) -> Iterator[str]:
    """3. OFF to an essential circuit, or to one under manual override; user requests excepted."""
    if said.word != "OFF" or (said.circuit, "OFF") in facts.tonight.exempt:
        return
    facts.guards["3 essential"] += 1
    if said.circuit not in facts.rules.sheds:
        yield f"OFF to {said.circuit}, which is essential"
    stays = facts.tonight.stays.get(said.circuit)
    if stays is not None and stays.why == TAKEN_OVER and said.since > stays.at:
        yield f"OFF to {said.circuit}, which {TAKEN_OVER}"


def no_on_but_on_stable_utility(facts: Facts, said: Command) -> Iterator[str]:
    """4. ON by the rules while the source is not utility, or while an edge is unsettled."""
    if said.word != "ON" or (said.circuit, "ON") in facts.tonight.exempt:
        return
    facts.guards["4 utility"] += 1
    if not facts.known.may_be_stable(said.by, facts.rules.timing.utility_stable_s):
        yield f"ON to {said.circuit}, and utility was not stable"


def no_off_but_on_standby(facts: Facts, said: Command) -> Iterator[str]:
    """6. A bounce shorter than `settle_s` that moves a breaker; an OFF on utility, a drill's apart."""
    if said.word != "OFF" or (said.circuit, "OFF") in facts.tonight.exempt:
        return
    facts.guards["6 bounce"] += 1
    if not facts.known.may_shed(said.by) and not facts.drills.may_shed(said.since, said.by):
        yield f"OFF to {said.circuit}, and no opening had settled, nor was a drill on"


def no_on_while_a_drill_holds(facts: Facts, said: Command) -> Iterator[str]:
    """4. ON by the rules before a drill is over that nothing has cut short."""
    drill = facts.drills.now
    if said.word != "ON" or (said.circuit, "ON") in facts.tonight.exempt or drill is None or drill.began is None:
        return
    facts.guards["4 not in a drill"] += 1
    if drill.surely_holds(said.by):
        yield f"ON to {said.circuit}, in the middle of a drill"


def a_drill_moves_them_all(facts: Facts, drill: Drill, at: float) -> Iterator[str]:
    """6. A drill that is over, and did not move a breaker."""
    if not drill.unbroken or drill.began is None or at - drill.began < NOTICE_S:
        return
    for circuit in sorted(drill.on - facts.tonight.touched - facts.tonight.retagged):
        facts.guards["6 a drill moves them all"] += 1
        if circuit not in drill.told:
            yield f"{circuit} was on, and the drill brought it no OFF"


def a_drill_needs_a_quiet_house(facts: Facts, at: float) -> Iterator[str]:
    """A drill that was accepted where utility was not stable, or where one was on."""
    facts.guards["a drill is accepted"] += 1
    if not facts.known.may_be_stable(at, facts.rules.timing.utility_stable_s):
        yield "a drill was accepted, and utility was not stable"
    if facts.drills.now is not None and facts.drills.now.surely_holds(at):
        yield "a drill was accepted in the middle of another"


def no_retry_before_a_first_try(facts: Facts, said: Command) -> Iterator[str]:
    """7. One circuit's silence that delays another's command, on the way back."""
    tonight = facts.tonight
    tried = facts.tried.get(said.circuit)
    if said.word != "ON" or (said.circuit, "ON") in tonight.exempt or tried is None:
        return
    if facts.spoke.get(said.circuit, 0) >= tried.heard:
        return  # it has shown a sign of life: a first attempt again
    if tonight.starts or tonight.ledger_lost:
        return  # what was owed before is not known for sure
    for circuit in sorted(
        tonight.owed - facts.tried.keys() - tonight.touched - tonight.retagged - tonight.stays.keys()
    ):
        if facts.surely(circuit) == "OFF":
            yield f"ON to {said.circuit} again, before ON to {circuit}"
    facts.guards["7 first tries first"] += 1


def no_command_twice_within_confirm_s(facts: Facts, said: Command) -> Iterator[str]:
    """8. Two commands to one circuit nearer than `confirm_s`, unless something came back or is wanted otherwise."""
    earlier = facts.last.get(said.circuit)
    if earlier is None or earlier.word != said.word or said.circuit in facts.tonight.touched | facts.tonight.retagged:
        return
    if max(facts.renewed_at, facts.renewed.get(said.circuit, 0)) >= earlier.heard:
        return
    if facts.drills.now is not None and facts.known.edges[-1].word == "open":
        return  # a transfer takes the drill over: every device may have lost its power since, and is commanded again
    facts.guards["8 paced"] += 1
    if (after_s := said.at_most_after(earlier)) < facts.rules.timing.confirm_s:
        yield f"{said.word} to {said.circuit} again after {after_s:.3f} s at most"


def no_two_on_within_stagger_s(facts: Facts, said: Command) -> Iterator[str]:
    """9. Two ON by the rules nearer than `stagger_s` in real time, after any stall or restart."""
    if said.word != "ON" or (said.circuit, "ON") in facts.tonight.exempt or facts.last_on is None:
        return
    facts.guards["9 stagger"] += 1
    if (after_s := said.at_most_after(facts.last_on)) < facts.rules.timing.stagger_s:
        yield f"ON to {said.circuit}, {after_s:.3f} s after the last at most"


OF_EACH_COMMAND: tuple[Callable[[Facts, Command], Iterator[str]], ...] = (
    no_command_to_what_may_not_be_commanded,
    no_on_to_what_is_not_ours_to_give_back,
    no_off_to_what_is_essential_or_a_persons,
    no_on_but_on_stable_utility,
    no_off_but_on_standby,
    no_on_while_a_drill_holds,
    no_retry_before_a_first_try,
    no_command_twice_within_confirm_s,
    no_two_on_within_stagger_s,
)
TAKEN_OVER = "a person took over"


def a_settled_opening_moves_them_all(facts: Facts) -> Iterator[str]:
    """6, 7. A settled opening that does not move a breaker; one circuit's silence that delays another's command."""
    known = facts.known
    if known.rounds != ENOUGH_ROUNDS or known.edges[-1].word != "open":
        return
    for circuit in sorted(facts.rules.sheds - facts.tonight.touched - facts.tonight.retagged):
        heard = facts.heard.get(circuit)
        was_on = heard is not None and heard.word == "ON" and heard.number < min(facts.opened, known.heard)
        facts.guards["6, 7 all are shed"] += was_on or circuit in facts.first_off
        if was_on and circuit not in facts.first_off:
            yield f"{circuit} is on, and the settled opening brought it no OFF"


class End(NamedTuple):
    """State at the end of an outage, after every fault. `off`: actual position of breakers.

    `named`: in `unconfirmed`, `owed` or an alarm. `said`: the program has reported the loss of its ledger.
    """

    on_standby: bool
    off: frozenset[str]
    named: frozenset[str]
    said: bool = False


def every_circuit_is_where_it_belongs_or_is_named(facts: Facts, end: End) -> Iterator[str]:
    """5. A circuit that we switched off and that is neither in the ledger nor restored; and one left on."""
    tonight = facts.tonight
    kept = {circuit for circuit, stays in tonight.stays.items() if stays.why == OFF_BEFORE}
    for circuit in sorted(facts.rules.sheds - tonight.touched):
        if end.on_standby:
            facts.guards["end: shed"] += 1
            if circuit not in end.off | end.named:
                yield f"{circuit} is on at the end, on standby, and not named"
        elif circuit not in kept:
            facts.guards["5 given back or named"] += 1
            if circuit in end.off - end.named and not (tonight.ledger_lost and end.said):
                yield f"{circuit} is off at the end, on utility, and not named"
        elif circuit not in end.off:
            yield f"{circuit} is on at the end, and was off before"
    for circuit in sorted((facts.rules.commandable - facts.rules.sheds - tonight.touched) & end.off):
        lost = circuit in end.named or (tonight.ledger_lost and end.said)
        if not (circuit in tonight.retagged and lost):
            yield f"{circuit} is off at the end, and is essential"


OFF_BEFORE = "was off before"
