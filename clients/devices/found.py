"""Devices as found on the broker, before they are inspected, and what an inspection learned."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from rules.panel import Position

if TYPE_CHECKING:
    from collections.abc import Mapping

    from controller.bus.profiles.family import Settings

PowerOnWord = Literal["off", "as-was", "on", "other"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A switch that the broker knows. `address`: as in circuits.toml. `model`: empty if unknown.

    `settings`: of its family, where they must differ from those in force. `exposes`: Zigbee2MQTT's description; None:
    another family, or not described.
    """

    address: str
    model: str = ""
    settings: Settings = field(default_factory=dict)
    exposes: ZigbeeExposes | None = None

    @property
    def family(self) -> str:
        """Return the family: the part before the first slash."""
        return self.address.partition("/")[0]


@dataclass(frozen=True, slots=True)
class ZigbeeExposes:
    """What Zigbee2MQTT describes of one switch. `readable`: its state can be read.

    `power_on_key`: property of its power-on behavior; None: it has none. `power_on_readable`: this can be read.
    `properties`: all properties of the device. `options`: of the device in Zigbee2MQTT; None: not received.
    `state_key`: property of its position.
    """

    state_key: str
    readable: bool
    power_on_key: str | None = None
    power_on_readable: bool = False
    properties: frozenset[str] = frozenset()
    options: Mapping[str, object] | None = None

    @property
    def state_keys(self) -> tuple[str, ...]:
        """Return the properties of all positions of the device: the two options are about the device as a whole."""
        return tuple(sorted({self.state_key} | {one for one in self.properties if re.fullmatch(r"state(_l\d+)?", one)}))

    @property
    def reports_itself(self) -> bool | None:
        """Return whether both options are set by which each report is the device's own; None: unknown."""
        if self.options is None:
            return None
        kept = self.options.get("filtered_cache")
        filtered = isinstance(kept, list) and all(key in kept for key in self.state_keys)
        return self.options.get("optimistic") is False and filtered


@dataclass(frozen=True, slots=True)
class WatchdogFinding:
    """A timer or rule in a device. `value`: as the device reported it; None: it did not answer."""

    what: str
    value: str | None
    harmless: bool


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a device reported, or the broker remembers.

    `live`: the position is the device's own present report; otherwise it is memory. `available`: None: unknown.
    `power_w`: None: unknown. `power_on`, `power_on_value`: its power-on behavior; None: it did not answer, or cannot be
    read. `can_read_power_on`: its profile has a question for that.
    """

    position: Position = Position.UNKNOWN
    live: bool = False
    available: bool | None = None
    power_w: float | None = None
    power_on: PowerOnWord | None = None
    power_on_value: str = ""
    can_read_power_on: bool = False
    watchdogs: tuple[WatchdogFinding, ...] = ()
