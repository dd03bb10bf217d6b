"""Events: the inputs of the engine, in the past tense. `at` is the monotonic second at which each happened.

They are named tuples: a dataclass takes six times as long to define, and a cold start defines all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rules.json_types import Json
    from rules.panel import CircuitId, Panel, Position
    from rules.requests import AskKind


class ContactChanged(NamedTuple):
    """The auxiliary contact is open or closed: by an edge, a poll of the level, or a message of its MQTT device.

    `retained`: the message is the broker's stored copy, not a live one.
    """

    at: float
    open: bool
    retained: bool = False


class ContactAlive(NamedTuple):
    """The device of the MQTT contact sent a live message other than a position.

    `returned`: it, or its gateway, has come online; False: it published something else.
    """

    at: float
    returned: bool = True


class ContactLost(NamedTuple):
    """The contact's position became unknown: the GPIO chip failed, or the MQTT contact's device went offline."""

    at: float
    reason: str


class BusConnected(NamedTuple):
    """The broker accepted the connection; the subscriptions are sent next."""

    at: float


class BusLost(NamedTuple):
    """The connection to the broker ended, or could not be made."""

    at: float
    reason: str


class BreakerReported(NamedTuple):
    """A device, or its gateway, reported a position. `retained`: the broker's stored copy.

    `stamped_at`: monotonic second at which it was true, by the device's own time stamp; None: no stamp.
    `answers_query`: it can only be the answer to a question.
    """

    at: float
    circuit: CircuitId
    position: Position
    retained: bool = False
    stamped_at: float | None = None
    answers_query: bool = False


class AvailabilityReported(NamedTuple):
    """A device, or its last will, reported whether it is available. `retained`: the broker's stored copy.

    `source`: number of the topic, where several together say it. `gateway`: the report is about the device's gateway.
    """

    at: float
    circuit: CircuitId
    online: bool
    retained: bool = False
    source: int = 0
    gateway: bool = False


class DeviceRestarted(NamedTuple):
    """A device announced that it has started."""

    at: float
    circuit: CircuitId


class DeviceAlive(NamedTuple):
    """A device published something live that says nothing about its position."""

    at: float
    circuit: CircuitId


class DeviceIdentified(NamedTuple):
    """What a question to a device needs, such as its number at the gateway, is known now."""

    at: float
    circuit: CircuitId


class PowerReported(NamedTuple):
    """A device reported the power in W or the energy in kWh of its circuit; None: not in this message.

    `honest` False: while the circuit is off, the gateway may write 0 whatever the device measures.
    """

    at: float
    circuit: CircuitId
    watts: float | None
    energy_kwh: float | None = None
    honest: bool = True


class TripWordReported(NamedTuple):
    """A device gave the reason of an opening, now or earlier. `is_trip`: it is one of its protection."""

    at: float
    circuit: CircuitId
    word: str
    is_trip: bool


class CommandRefused(NamedTuple):
    """A device or its gateway reported that a command failed. `question`: a question failed, not a command."""

    at: float
    circuit: CircuitId
    reason: str
    question: bool = False


class RetainedCommandsFound(NamedTuple):
    """The command topics were searched for retained messages. `circuits`: those whose topic holds one."""

    at: float
    circuits: tuple[CircuitId, ...]


class ClientReported(NamedTuple):
    """A client (page, notices, bridge, uplink) reported its state. Nothing but its problems is used.

    `problems`: mappings with `id`, `message`, `action` and `circuits`; empty: it has none, or is offline.
    """

    at: float
    client: str
    problems: tuple[Mapping[str, Json], ...] = ()


class Requested(NamedTuple):
    """A user request arrived.

    `circuit`: None means all circuits (`restore`), or that the request concerns no circuit (`reload`, `drill`,
    `drill-end`). `reply`: an opaque address for the reply; None: no reply expected. `now`: do not wait for
    `min_off_s`. `for_s`: duration of a drill or a test in seconds; None: the default. `force`: do it although it is
    unwise. `restore_all`: at the end of the drill, also restore circuits that otherwise wait for a user.
    """

    at: float
    request: AskKind
    circuit: CircuitId | None = None
    by: str = ""
    note: str = ""
    now: bool = False
    reply: object = None
    for_s: float | None = None
    force: bool = False
    restore_all: bool = False


class CircuitsChanged(NamedTuple):
    """`circuits.toml` was read again and is valid."""

    at: float
    panel: Panel
    reply: object = None


class ConfigurationRefused(NamedTuple):
    """A configuration file is not valid; the one in force stays. `errors` are sentences for the user."""

    at: float
    errors: tuple[str, ...]
    reply: object = None


class EnergyRead(NamedTuple):
    """The meter's energy register was read: `tenths` of a kWh (raw, rolls over at 10⁷)."""

    at: float
    tenths: int


class MeterSilent(NamedTuple):
    """The meter did not respond to a poll, or its response was not valid."""

    at: float
    reason: str


class MeterIdentified(NamedTuple):
    """The house's meter was asked for its identity. `identity`: None: it did not respond to that request."""

    at: float
    identity: str | None


class MeterFindingReported(NamedTuple):
    """The driver found something out about a meter. `details` is JSON-ready; its `text` is a sentence."""

    at: float
    details: Mapping[str, str]


class ExtraMeterRead(NamedTuple):
    """A further meter on the line was polled: `tenths` of a kWh; None: it did not respond."""

    at: float
    meter: str
    tenths: int | None


class PulseSeen(NamedTuple):
    """One edge of the meter's 10 Wh output was seen: 5 Wh."""

    at: float


class KwhPulseSeen(NamedTuple):
    """One edge of the meter's 1 kWh output was seen: 500 Wh."""

    at: float


class DiskFailed(NamedTuple):
    """The store could not write. It keeps a limited number of rows and tries again."""

    at: float
    reason: str


class DiskRecovered(NamedTuple):
    """The store writes again."""

    at: float


class BrokerFindingChanged(NamedTuple):
    """Something was found out about the broker. `alarm`: id of the alarm for it. `detail`: None: it is over."""

    at: float
    alarm: str
    detail: str | None


class OtherControllerChanged(NamedTuple):
    """Another controller of this site reports standby, or no longer does."""

    at: float
    on_standby: bool


class ClockTrusted(NamedTuple):
    """The wall clock is trusted from now on."""

    at: float


class ClockSet(NamedTuple):
    """The wall clock was set: times published before are wrong."""

    at: float


Event = (
    ContactChanged
    | ContactAlive
    | ContactLost
    | BusConnected
    | BusLost
    | BreakerReported
    | AvailabilityReported
    | DeviceRestarted
    | DeviceAlive
    | DeviceIdentified
    | PowerReported
    | TripWordReported
    | CommandRefused
    | RetainedCommandsFound
    | ClientReported
    | Requested
    | CircuitsChanged
    | ConfigurationRefused
    | EnergyRead
    | MeterSilent
    | MeterIdentified
    | MeterFindingReported
    | ExtraMeterRead
    | PulseSeen
    | KwhPulseSeen
    | DiskFailed
    | DiskRecovered
    | BrokerFindingChanged
    | OtherControllerChanged
    | ClockTrusted
    | ClockSet
)
