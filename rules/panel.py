"""The homeowner's circuits with their kinds and tags."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, NewType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from rules.device import DeviceTraits

CircuitId = NewType("CircuitId", str)


class Kind(Enum):
    """Device that holds the circuit's handle."""

    GEN2 = "gen2"
    GEN1 = "gen1"
    STANDARD = "standard"
    RELAY = "relay"


class Tag(Enum):
    """The homeowner's choice: kept on the generator, or shed."""

    ESSENTIAL = "essential"
    NONESSENTIAL = "nonessential"


class Restore(Enum):
    """Who restores a shed circuit: the rules, the rules on request, or only the user."""

    AUTO = "auto"
    ASK = "ask"
    NEVER = "never"


class Override(Enum):
    """Whether switching a circuit on during an outage counts as a manual override."""

    ALLOW = "allow"
    NEVER = "never"


class Wakes(Enum):
    """Position of the device when its own power returns: as it was, or off (a setting of some relays)."""

    AS_WAS = "as-was"
    OFF = "off"


class ShedBy(Enum):
    """Program that switches the circuit off on standby: this one, or Leviton's energy monitor in the panel."""

    LOADSHED = "loadshed"
    PANEL = "panel"


class Position(Enum):
    """Position reported by a device. A command never changes it."""

    ON = "on"
    OFF = "off"
    TRIPPED = "tripped"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Circuit:
    """One breaker handle and its load.

    `spaces`: panel spaces, from 1; one or two. `amps`: rating of the handle in A; None if not given. `rank`: 1 (kept
    longest, restored first) to 9. `min_off_s`: minimum off time in seconds, 0 to 3600. `protected`: never commanded,
    whatever the tag. `shed_by`: a circuit that the panel's own energy monitor sheds is never commanded;
    None: not written, this program sheds. `device`: the device that switches it; None: it uses loadshed's own topics.
    """

    id: CircuitId
    name: str
    spaces: tuple[int, ...]
    kind: Kind
    tag: Tag
    amps: float | None = None
    rank: int = 5
    min_off_s: float = 0.0
    restore: Restore = Restore.AUTO
    override: Override = Override.ALLOW
    wakes: Wakes = Wakes.AS_WAS
    protected: bool = False
    shed_by: ShedBy | None = None
    device: DeviceTraits | None = None

    @property
    def label(self) -> str:
        """Return the circuit's name and its place in the panel: `Hot tub, spaces 9+11`."""
        word = "space" if len(self.spaces) == 1 else "spaces"
        return f"{self.name}, {word} {'+'.join(map(str, self.spaces))}"


@dataclass(frozen=True, slots=True)
class Panel:
    """All circuits of the house, in the order of the homeowner's file."""

    circuits: Mapping[CircuitId, Circuit]

    @classmethod
    def of(cls, *circuits: Circuit) -> Panel:
        """Return the panel that holds these circuits."""
        return cls({circuit.id: circuit for circuit in circuits})

    def names(self, circuits: Iterable[CircuitId]) -> tuple[str, ...]:
        """Return the names of these circuits, sorted. Of a circuit that is not in the file, its id."""
        return tuple(sorted(self[one].name if one in self else str(one) for one in circuits))

    def with_companion(self) -> Panel:
        """Return the panel of a house whose energy monitor sheds 2nd Gen breakers, unless the file has it otherwise."""
        return Panel({name: _in_companion_house(circuit) for name, circuit in self.circuits.items()})

    def __iter__(self) -> Iterator[Circuit]:
        return iter(self.circuits.values())

    def __contains__(self, circuit: CircuitId) -> bool:
        return circuit in self.circuits

    def __getitem__(self, circuit: CircuitId) -> Circuit:
        return self.circuits[circuit]

    def __len__(self) -> int:
        return len(self.circuits)


def _in_companion_house(circuit: Circuit) -> Circuit:
    if circuit.shed_by is None and circuit.kind is Kind.GEN2:
        return replace(circuit, shed_by=ShedBy.PANEL)
    return circuit
