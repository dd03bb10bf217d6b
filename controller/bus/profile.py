"""Device profile: the topics and payloads of one family of devices, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rules.panel import Position

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Profile:
    """Topic levels below a circuit's topic, and payloads.

    `command`, `state`, `availability`: last topic level. `on`, `off`: payloads of a command. `positions`: payload of a
    state report → position. `presence`: payload of an availability report → whether the device responds.
    """

    command: str
    state: str
    availability: str
    on: bytes
    off: bytes
    positions: Mapping[bytes, Position]
    presence: Mapping[bytes, bool]


NATIVE = Profile(
    command="set",
    state="state",
    availability="availability",
    on=b"ON",
    off=b"OFF",
    positions={b"ON": Position.ON, b"OFF": Position.OFF, b"TRIPPED": Position.TRIPPED},
    presence={b"online": True, b"offline": False},
)
