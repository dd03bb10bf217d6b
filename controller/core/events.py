"""What can happen to the controller. Facts, in the past tense; `at` is the monotonic second at which each happened.

Named tuples: a dataclass takes six times as long to be made, and a start in the dark makes them all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rules.panel import CircuitId, Panel, Position
    from rules.requests import AskKind


class ContactChanged(NamedTuple):
    """The auxiliary contact was seen open or closed: by an edge, by a poll of the level, or said by its MQTT device.

    `retained`: the broker's memory of an MQTT contact, not a word said now.
    """

    at: float
    open: bool
    retained: bool = False


class ContactAlive(NamedTuple):
    """The MQTT contact's device said something live that is not a position (its availability)."""

    at: float


class ContactLost(NamedTuple):
    """Nobody can say where the contact is: the GPIO chip failed, or the MQTT contact's device went offline."""

    at: float
    reason: str


class BusConnected(NamedTuple):
    """The broker accepted us and our subscriptions are on their way."""

    at: float


class BusLost(NamedTuple):
    """The connection to the broker ended, or could not be made."""

    at: float
    reason: str


class BreakerReported(NamedTuple):
    """A device said its position; `retained` where the broker only remembers it."""

    at: float
    circuit: CircuitId
    position: Position
    retained: bool = False


class AvailabilityReported(NamedTuple):
    """A device said, or its last will did, that it answers or not."""

    at: float
    circuit: CircuitId
    online: bool
    retained: bool = False


class Requested(NamedTuple):
    """A person's program asked for something.

    `circuit`: None means all (`restore`), or that the request concerns none (`reload`, `drill`, `drill-end`).
    `reply`: an opaque ticket for the answer; None where nobody waits for one. `now`: they insist (skips `min_off_s`).
    `for_s`: how long a drill holds circuits off; None: as long as usual.
    """

    at: float
    request: AskKind
    circuit: CircuitId | None = None
    by: str = ""
    note: str = ""
    now: bool = False
    reply: object = None
    for_s: float | None = None


class CircuitsChanged(NamedTuple):
    """The homeowner's file was read again and is right."""

    at: float
    panel: Panel
    reply: object = None


class ConfigurationRefused(NamedTuple):
    """A configuration file is wrong; the one in force stays. `mistakes` are sentences for its owner."""

    at: float
    errors: tuple[str, ...]
    reply: object = None


class EnergyRead(NamedTuple):
    """The meter's energy register answered: `tenths` of a kWh (raw, rolls over at 10⁷)."""

    at: float
    tenths: int


class MeterSilent(NamedTuple):
    """The meter did not answer a poll, or what came could not be trusted."""

    at: float
    reason: str


class MeterFindingReported(NamedTuple):
    """Something was found out about a meter; `about` is JSON-ready, `says` in it a sentence."""

    at: float
    details: Mapping[str, str]


class ExtraMeterRead(NamedTuple):
    """A further meter on the bus answered: `tenths` of a kWh, None where it was silent."""

    at: float
    meter: str
    tenths: int | None


class PulseSeen(NamedTuple):
    """One edge of the meter's 10 Wh output: 5 Wh have gone by."""

    at: float


class KwhPulseSeen(NamedTuple):
    """One edge of the meter's 1 kWh output: 500 Wh have gone by."""

    at: float


class DiskFailed(NamedTuple):
    """The store could not write; what it could not write it keeps, bounded, and tries again."""

    at: float
    reason: str


class DiskRecovered(NamedTuple):
    """The store writes again."""

    at: float


class ClockTrusted(NamedTuple):
    """The wall clock is known to be right from now on."""

    at: float


Event = (
    ContactChanged
    | ContactAlive
    | ContactLost
    | BusConnected
    | BusLost
    | BreakerReported
    | AvailabilityReported
    | Requested
    | CircuitsChanged
    | ConfigurationRefused
    | EnergyRead
    | MeterSilent
    | MeterFindingReported
    | ExtraMeterRead
    | PulseSeen
    | KwhPulseSeen
    | DiskFailed
    | DiskRecovered
    | ClockTrusted
)
