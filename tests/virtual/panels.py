"""Panels for the virtual house: one circuit of each sort that the rules tell apart."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rules.panel import Circuit, CircuitId, Kind, Override, Panel, Restore, Tag, Wakes

if TYPE_CHECKING:
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


def some(random: Random) -> Panel:
    """Return a panel with some of them."""
    chosen = random.sample(ALL, random.randint(3, len(ALL)))
    return Panel.of(*sorted(chosen, key=ALL.index))


def retagged(panel: Panel, random: Random) -> Panel:
    """Return the panel as its owner changes it: a tag turned, a rank moved, a protection given, a circuit dropped."""
    circuits = dict(panel.circuits)
    changed = random.choice(list(circuits.values()))
    what = random.choice(("tag", "tag", "tag", "rank", "protected", "gone", "new"))
    if what == "tag" and not changed.protected:
        circuits[changed.id] = replace(changed, tag=_NOT if changed.tag is _ESSENTIAL else _ESSENTIAL)
    elif what == "rank":
        circuits[changed.id] = replace(changed, rank=random.randint(1, 9))
    elif what == "protected":
        circuits[changed.id] = replace(changed, tag=_ESSENTIAL, protected=not changed.protected)
    elif what == "gone" and len(circuits) > 1:
        del circuits[changed.id]
    else:
        new = random.choice(ALL)
        circuits.setdefault(new.id, new)
    return Panel(circuits)
