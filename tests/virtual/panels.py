"""Panels for the virtual house: one circuit of each sort that the rules distinguish."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from rules.panel import Circuit, CircuitId, Kind, Override, Panel, Restore, Tag, Wakes

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

_ESSENTIAL, _NOT = Tag.ESSENTIAL, Tag.NONESSENTIAL


def circuit(
    name: str,
    tag: Tag = _NOT,
    kind: Kind = Kind.GEN2,
    *,
    rank: int = 5,
    min_off_s: float = 0.0,
    restore: Restore = Restore.AUTO,
    override: Override = Override.ALLOW,
    wakes: Wakes = Wakes.AS_WAS,
    protected: bool = False,
) -> Circuit:
    """Return a circuit of this name."""
    return Circuit(
        CircuitId(name),
        name,
        (),
        kind,
        tag,
        rank=rank,
        min_off_s=min_off_s,
        restore=restore,
        override=override,
        wakes=wakes,
        protected=protected,
    )


ALL = (
    circuit("router", _ESSENTIAL, protected=True),
    circuit("fridge", _ESSENTIAL, rank=1),
    circuit("well-pump", _ESSENTIAL, Kind.RELAY, rank=2, wakes=Wakes.OFF),
    circuit("hot-tub", rank=8),
    circuit("office", rank=3),
    circuit("heat-pump", rank=7, min_off_s=60.0),
    circuit("pool-pump", kind=Kind.RELAY, rank=9, wakes=Wakes.OFF),
    circuit("sauna", rank=6, restore=Restore.ASK),
    circuit("kiln", rank=9, restore=Restore.NEVER),
    circuit("porch", rank=4, override=Override.NEVER),
    circuit("dryer", kind=Kind.GEN1, rank=6),
    circuit("attic", kind=Kind.STANDARD, rank=6),
)


def whole() -> Panel:
    """Return the panel with one of each sort."""
    return Panel.of(*ALL)


class Change(NamedTuple):
    """One change that an owner makes in the file, in words, and what it makes of a panel."""

    words: str
    to: Callable[[Panel], Panel]


def change(panel: Panel, random: Random) -> Change:
    """Return a change as owners make them: a tag turned, a rank moved, a protection given, a circuit dropped."""
    one = random.choice([*panel.circuits])
    rank = random.randint(1, 9)
    what = random.choice(("tag", "tag", "tag", "rank", "protected", "gone", "again"))
    words = {
        "tag": f"the tag of {one} is turned",
        "rank": f"{one} gets rank {rank}",
        "protected": f"{one} becomes protected, or no longer",
        "gone": f"{one} is dropped",
        "again": "what was dropped is there again",
    }
    return Change(words[what], lambda now: _changed(now, one, what, rank, panel))


def _changed(panel: Panel, one: CircuitId, what: str, rank: int, whole_panel: Panel) -> Panel:
    circuits = dict(panel.circuits)
    was = circuits.get(one)
    if what == "again":
        return Panel({circuit.id: circuits.get(circuit.id, circuit) for circuit in whole_panel})
    if was is None:
        return panel
    if what == "tag" and not was.protected:
        circuits[one] = replace(was, tag=_NOT if was.tag is _ESSENTIAL else _ESSENTIAL)
    elif what == "rank":
        circuits[one] = replace(was, rank=rank)
    elif what == "protected":
        circuits[one] = replace(was, tag=_ESSENTIAL, protected=not was.protected)
    elif what == "gone":
        del circuits[one]
    return Panel(circuits)
