"""What the homeowner wrote: circuits, their kinds and tags."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NewType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CircuitId = NewType("CircuitId", str)


class Kind(Enum):
    """What holds the circuit's handle."""

    GEN2 = "gen2"
    GEN1 = "gen1"
    STANDARD = "standard"
    RELAY = "relay"


class Tag(Enum):
    """The homeowner's choice: kept on the generator, or shed."""

    ESSENTIAL = "essential"
    NONESSENTIAL = "nonessential"


class Restore(Enum):
    """Who gives a shed circuit back: the rules, a person when asked, or a person always."""

    AUTO = "auto"
    ASK = "ask"
    NEVER = "never"


class Override(Enum):
    """Whether a person may keep a circuit on by switching it on again during an outage."""

    ALLOW = "allow"
    NEVER = "never"


class Wakes(Enum):
    """What the device does when its own power comes back: as it was, or off (set so on some relays)."""

    AS_WAS = "as-was"
    OFF = "off"


class Position(Enum):
    """What a device reports of itself. A command never changes it."""

    ON = "on"
    OFF = "off"
    TRIPPED = "tripped"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Circuit:
    """One breaker handle and its load.

    `spaces`: panel spaces, from 1; one or two. `amps`: the handle's rating in A; None where nobody wrote it.
    `rank`: 1 (kept longest, returned first) to 9. `min_off_s`: seconds a load must rest between off and on, 0 to 3600.
    `protected`: never commanded, whatever the tag.
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


@dataclass(frozen=True, slots=True)
class Panel:
    """All circuits of the house, in the order of the homeowner's file."""

    circuits: Mapping[CircuitId, Circuit]

    @classmethod
    def of(cls, *circuits: Circuit) -> Panel:
        """Return the panel that holds these circuits."""
        return cls({circuit.id: circuit for circuit in circuits})

    def __iter__(self) -> Iterator[Circuit]:
        return iter(self.circuits.values())

    def __contains__(self, circuit: CircuitId) -> bool:
        return circuit in self.circuits

    def __getitem__(self, circuit: CircuitId) -> Circuit:
        return self.circuits[circuit]

    def __len__(self) -> int:
        return len(self.circuits)
