"""What will happen in one outage, drawn before it begins: the same number, the same story, however quick the machine.

How far the program has come when each thing happens, the machine decides; so a repetition is like, not identical.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from hw.simulated.breakers import PowerUpState

if TYPE_CHECKING:
    from collections.abc import Sequence

# By name, each with its weight.
FAULTS = {
    "kill -9": 6,
    "SIGTERM": 2,
    "SIGSTOP": 4,
    "SIGSTOP beyond the keepalive": 0.3,
    "broker stopped, memory kept": 2,
    "broker stopped, memory lost": 2,
    "broker killed": 3,
    "broker frozen": 1,
    "start while the broker is down": 2,
    "disk full": 2,
    "write permission removed": 1,
    "database corrupt": 0.7,
    "database truncated": 0.7,
    "WAL deleted": 0.7,
    "configuration wrong at restart": 1.5,
    "reload with retag": 2,
    "breaker silent": 2,
    "breaker slow": 2,
    "breaker refuses": 1,
    "breaker rebooted": 2,
    "breaker offline for the outage": 1.5,
    "breaker tripped": 1,
    "breaker moved by hand": 1,
    "person asks on": 1,
    "person asks off": 1,
    "person asks restore": 0.7,
    "person asks hold": 1,
    "person asks forget": 0.7,
    "person asks drill": 1.5,
    "person asks drill-end": 0.7,
}
CONTACT_PLAYS = {
    "contact opens once": 4,
    "contact blinks": 5,
    "contact moves": 7,
    "contact bounces": 2,
    "contact flaps": 1.5,
    "contact offline": 2,
    "contact stays closed": 0,  # a drill, and no transfer in it
}
LIVE_DRILL = "live drill"
DRILLS, FIRST_DRILLS, ALONE = 0.1, 0.8, 0.3
"""So many outages begin with a drill.

And so many first ones of a house: for a minute after an outage a drill is refused, since what was sent last may still
move a breaker. In so many of those no transfer comes.
"""

ILLNESSES = {"breaker silent", "breaker slow", "breaker refuses"}

BOUNCE, OFFLINE, ONLINE, MOVE = "bounce", "offline", "online", "move"


class Move(NamedTuple):
    """A movement of the contact, this time after the last. `move`: to its other position."""

    after_s: float
    what: str


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault, this time after the last. `circuit`, `lasts_s`, `wakes`: if it has them."""

    after_s: float
    name: str
    circuit: str
    lasts_s: float
    wakes: PowerUpState
    luck: int  # for what has no name of its own: which bytes, which tag

    def __str__(self) -> str:
        about = f" ({self.circuit})" if self.name.startswith(("breaker", "person", "reload")) else ""
        return f"{self.after_s:.2f} s later: {self.name}{about}, {self.lasts_s:.2f} s"


class Drill(NamedTuple):
    """A drill of `for_s`, requested `lead_s` before the other faults. `ended`: and ended by a user then."""

    for_s: float
    lead_s: float
    ended: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """One outage. `off_before`: switched off by hand before it begins. `play`: what the contact does, by name.

    `early`: faults there already when it begins. `lull_s`: so long do the faults go on after the last. `drill`: None
    without one.
    """

    off_before: frozenset[str]
    play: str
    moves: tuple[Move, ...]
    faults: tuple[Fault, ...]
    early: tuple[Fault, ...] = ()
    lull_s: float = 0.0
    drill: Drill | None = None

    def __str__(self) -> str:
        moves = ", ".join(f"{move.after_s:.2f} s later {move.what}" for move in self.moves)
        early = (f"already: {fault}" for fault in self.early)
        drill = "" if self.drill is None else f"{self.drill}; "
        told = (
            f"off before: {sorted(self.off_before)}",
            f"{drill}{self.play}: {moves}",
            *early,
            *map(str, self.faults),
        )
        return "\n".join((*told, f"calm {self.lull_s:.2f} s later"))


def dice(name: str) -> Random:
    """Return dice that fall alike for the same name."""
    return Random(name)  # noqa: S311  # chance, no secret


def draw(fall: Random, circuits: Sequence[str], *, first: bool = False) -> Plan:
    """Return a plan for one outage over these circuits to shed; `first`: of its house."""
    off_before = frozenset(circuit for circuit in circuits if fall.random() < 0.2)
    (play,) = fall.choices([*CONTACT_PLAYS], [*CONTACT_PLAYS.values()])
    names = fall.choices([*FAULTS], [*FAULTS.values()], k=fall.randint(1, 4))
    faults = [_fault(name, fall, circuits, off_before) for name in names]
    early = [fault for fault in faults if fault.name in ILLNESSES and fall.random() < 0.6]
    later = tuple(fault for fault in faults if fault not in early)
    lull_s = fall.uniform(1.0, 4.0) if fall.random() < 0.3 else 0.0
    moves, drill = _moves(play, fall), _drill(fall) if fall.random() < (FIRST_DRILLS if first else DRILLS) else None
    if drill is not None and fall.random() < ALONE:
        play, moves = "contact stays closed", ()
    return Plan(off_before, play, moves, later, tuple(early), lull_s, drill)


def _drill(fall: Random) -> Drill:
    """Return a drill: what comes then comes before its first OFF, among its OFFs, in its middle, or as it ends."""
    lead_s = fall.choice((fall.uniform(0.0, 0.95), fall.uniform(0.95, 1.3), fall.uniform(1.3, 5.5), 6.0))
    return Drill(fall.choice((5.0, 5.0, 8.0)), lead_s, ended=fall.random() < 0.2)


def _moves(play: str, fall: Random) -> tuple[Move, ...]:
    first = Move(0.0, MOVE)
    if play == "contact moves":
        return (first, *(Move(fall.uniform(0.05, 1.6), MOVE) for _ in range(fall.randint(1, 3))))
    if play == "contact blinks":  # so that the other faults occur while circuits are restored
        return (first, Move(fall.uniform(0.12, 0.5), MOVE))
    if play == "contact bounces":
        bounces = [Move(fall.uniform(0.0, 0.3), BOUNCE) for _ in range(fall.randint(1, 3))]
        return (*bounces, Move(fall.uniform(0.0, 0.3), MOVE), Move(fall.uniform(0.1, 1.5), BOUNCE))
    if play == "contact flaps":
        return (first, *(Move(fall.uniform(0.01, 0.35), MOVE) for _ in range(fall.randint(5, 14))))
    if play == "contact offline":
        moves = (Move(fall.uniform(0.0, 1.0), MOVE),) if fall.random() < 0.5 else ()
        return (first, Move(fall.uniform(0.0, 1.0), OFFLINE), *moves, Move(fall.uniform(0.1, 1.0), ONLINE))
    return (first,)


def _fault(name: str, fall: Random, circuits: Sequence[str], off_before: frozenset[str]) -> Fault:
    circuit = fall.choice(circuits)
    lasts_s = fall.choice((0.0, fall.uniform(0.0, 0.6), fall.uniform(0.1, 2.5)))
    if name == "SIGSTOP beyond the keepalive":
        lasts_s = fall.uniform(8.0, 10.0)
    # On or as it was after a reboot: apart from user requests it ends in the expected position.
    wakes = fall.choice((PowerUpState.ON, PowerUpState.AS_WAS))
    return Fault(
        fall.uniform(0.0, 0.9),
        name,
        circuit,
        lasts_s,
        PowerUpState.AS_WAS if circuit in off_before else wakes,
        fall.randrange(1 << 30),
    )
