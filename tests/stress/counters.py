"""What was done and found in all stressed houses, as a table and as JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

from tests.stress.plan import CONTACT_PLAYS, FAULTS, LIVE_DRILL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.stress.oracle import Judge

NAMES = (*FAULTS, *CONTACT_PLAYS, LIVE_DRILL)


@dataclass
class Tally:
    """`faults`: how often each was done. `guards`: how often each invariant had something to judge.

    `waiting`: circuits that waited for a person, and were named, by the reason why nobody knew better; `forgotten`:
    likewise, and not named. `worst_s`: the longest of each wait. `shed_s`: from each opening to the last OFF of those
    it sheds, where the program was connected throughout. `wrong`, `stuck`: each with its house.
    """

    outages: int = 0
    houses: int = 0
    commands: int = 0
    delivered: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    guards: Counter[str] = field(default_factory=Counter)
    waiting: Counter[str] = field(default_factory=Counter)
    forgotten: Counter[str] = field(default_factory=Counter)
    worst_s: dict[str, float] = field(default_factory=dict)
    shed_s: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    to_repeat: list[str] = field(default_factory=list)

    def lasted(self, what: str, seconds: float) -> None:
        """Take how long something took; the longest is kept."""
        self.worst_s[what] = max(seconds, self.worst_s.get(what, 0.0))

    def judged(self, judge: Judge) -> None:
        """Add what a house's oracle saw."""
        self.commands += judge.checked
        self.guards += judge.facts.guards
        self.shed_s += judge.shed_s

    @property
    def failed(self) -> bool:
        return bool(self.wrong or self.stuck)

    def as_json(self, seed: int, took_s: float) -> dict[str, object]:
        """Return it all, JSON-ready."""
        return {
            "seed": seed,
            "outages": self.outages,
            "houses": self.houses,
            "took_s": round(took_s),
            "commands_judged": self.commands,
            "commands_delivered": self.delivered,
            "wrong": self.wrong,
            "stuck": self.stuck,
            "to_repeat": self.to_repeat,
            "faults": {name: self.faults[name] for name in NAMES},
            "guards": dict(sorted(self.guards.items())),
            "waiting_and_named": dict(sorted((+self.waiting).items())),
            "forgotten_for_the_ledger_was_lost": dict(sorted((+self.forgotten).items())),
            "worst_s": {name: round(seconds, 3) for name, seconds in sorted(self._worst())},
        }

    def table(self, seed: int, took_s: float) -> str:
        """Return it all as lines."""
        return "\n".join(self._lines(seed, took_s))

    def _lines(self, seed: int, took_s: float) -> Iterator[str]:
        yield f"{self.outages} outages of {self.houses} houses in {took_s:.0f} s, seed {seed}"
        yield f"{self.commands} commands judged, {self.delivered} delivered to breakers"
        yield "faults injected:"
        for name in NAMES:
            yield f"  {self.faults[name]:6}  {name}"
        yield "times an invariant had something to judge:"
        for name, times in sorted(self.guards.items()):
            yield f"  {times:6}  {name}"
        yield "circuits that waited for a person, named, for nobody could know better:"
        yield from _counted(self.waiting)
        yield "circuits that were off and not named, for the ledger was lost:"
        yield from _counted(self.forgotten)
        yield "worst times:"
        for name, seconds in sorted(self._worst()):
            yield f"  {seconds:6.2f} s  {name}"
        yield from (f"wrong: {sentence}" for sentence in self.wrong)
        yield from (f"stuck: {sentence}" for sentence in self.stuck)
        yield from (f"again: {command}" for command in self.to_repeat)
        yield f"{len(self.wrong)} wrong, {len(self.stuck)} stuck"

    def _worst(self) -> Iterator[tuple[str, float]]:
        yield from self.worst_s.items()
        if self.shed_s:
            yield "contact open to last OFF, stalls of the program included", max(self.shed_s)
            yield "contact open to last OFF, half of them sooner than", median(self.shed_s)


def _counted(by_reason: Counter[str]) -> Iterator[str]:
    for why, times in sorted((+by_reason).items()):
        yield f"  {times:6}  after {why}"
