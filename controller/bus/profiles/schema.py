"""What a profile of a device family can say: topics, payloads and paths, as data.

Every text may hold placeholders in braces (`{base}`, `{address}`, `{channel}`, and what a family defines). `fill`
replaces them for one device. A brace that belongs to no placeholder stays as it is, so JSON needs no escapes.

The parts are named tuples: a dataclass takes six times as long to define, and every start defines all of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from rules.device import Evidence

if TYPE_CHECKING:
    from collections.abc import Mapping

Value = str | bool | int | float
"""Value of a report. Compared with its type: `true` is not `"true"`."""

Filled = TypeVar("Filled")

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


class DeviceCommand(NamedTuple):
    """Command to a device, never retained. `on`, `off`: payloads."""

    topic: str
    on: str
    off: str
    qos: Literal[0, 1] = 1


class OutgoingMessage(NamedTuple):
    """Message to publish: a question, or a setting."""

    topic: str
    payload: str = ""


class StateReport(NamedTuple):
    """Report of a position.

    `path`: where the value is in the JSON payload; empty: the whole payload is the value. A missing path says nothing.
    `stamp`: path of the time when the value was true, in `stamp_unit` since 1970; empty: no stamp. `reply`: the topic
    carries nothing but answers to our questions.
    """

    topic: str
    path: str = ""
    on: tuple[Value, ...] = ()
    off: tuple[Value, ...] = ()
    tripped: tuple[Value, ...] = ()
    stamp: str = ""
    stamp_unit: Literal["s", "ms"] = "ms"
    reply: bool = False


class AvailabilityReport(NamedTuple):
    """Report of whether the device, or what it depends on, is there. `gateway`: it is about the gateway."""

    topic: str
    path: str = ""
    online: tuple[Value, ...] = ()
    offline: tuple[Value, ...] = ()
    gateway: bool = False


class Announcement(NamedTuple):
    """Message that announces an event. `equals`: value at `path`; None: any. `also`: more paths with their values."""

    topic: str
    path: str = ""
    equals: Value | None = None
    also: tuple[tuple[str, Value], ...] = ()


class TripReport(NamedTuple):
    """Word that explains an opening.

    `words`: values that mean a trip. `containing`: texts, one of which such a word contains. `any_entry`: any text, and
    any list with an entry, means a trip.
    """

    topic: str
    path: str
    words: tuple[Value, ...] = ()
    containing: tuple[str, ...] = ()
    any_entry: bool = False


class Measurement(NamedTuple):
    """Value in W or kWh after multiplication with `scale`; its sign does not count.

    `honest` False: while the circuit is off, the gateway may write 0 whatever the device measures.
    """

    topic: str
    path: str = ""
    scale: float = 1.0
    honest: bool = True


class Refusal(NamedTuple):
    """Message by which a device or gateway reports that it failed: `path` holds a text with each of `contains`.

    `question`: a question failed, not a command.
    """

    topic: str
    path: str
    contains: tuple[str, ...] = ()
    question: bool = False


class Learned(NamedTuple):
    """Value of the device's own messages that its questions need: `name` becomes a placeholder."""

    name: str
    topic: str
    path: str


class Setting(NamedTuple):
    """Setting of a device that can be read, and perhaps set, over MQTT.

    `read`: the question; None: `topic` is published by itself. `set_off`, `set_as_was`: messages that set it; None: it
    cannot be set so. `off`, `as_was`, `on`: values. `note`: what a reader must know.
    """

    read: OutgoingMessage | None
    topic: str
    path: str
    off: tuple[Value, ...] = ()
    as_was: tuple[Value, ...] = ()
    on: tuple[Value, ...] = ()
    set_off: OutgoingMessage | None = None
    set_as_was: OutgoingMessage | None = None
    note: str = ""


class Watchdog(NamedTuple):
    """Timer or rule in the device that can switch a circuit against the controller. `harmless`: values without one."""

    what: str
    read: OutgoingMessage
    topic: str
    path: str
    harmless: tuple[Value, ...]


class Profile(NamedTuple):
    """MQTT messages of one device, or of one family of devices.

    `settle_s`, `confirm_s`: times in seconds, as in `DeviceTraits`. `query`: the question for the position.
    `resubscribe`: after a sign of life, the retained state is read again as the answer. `alive`: topics whose live
    messages show that the device is there. `rebooted`: the device has started. `power_query`: the question for power.
    `further_commands`: topics other than `command.topic` on which the device accepts commands that switch it.
    """

    command: DeviceCommand
    states: tuple[StateReport, ...]
    evidence: Evidence = Evidence.DEVICE
    settle_s: float = 0.0
    confirm_s: float | None = None
    query: OutgoingMessage | None = None
    resubscribe: bool = False
    alive: tuple[str, ...] = ()
    available: tuple[AvailabilityReport, ...] = ()
    rebooted: tuple[Announcement, ...] = ()
    trips: tuple[TripReport, ...] = ()
    power: tuple[Measurement, ...] = ()
    energy: tuple[Measurement, ...] = ()
    power_query: OutgoingMessage | None = None
    refusals: tuple[Refusal, ...] = ()
    learned: tuple[Learned, ...] = ()
    gateway: str | None = None
    power_on: Setting | None = None
    watchdogs: tuple[Watchdog, ...] = ()
    further_commands: tuple[str, ...] = ()

    def command_topics(self) -> tuple[str, ...]:
        """Return the topics on which the device accepts commands for this position, ours first."""
        return tuple(dict.fromkeys((self.command.topic, *self.further_commands)))

    def topics(self) -> tuple[str, ...]:
        """Return the topics to subscribe to: availability first, then states, then the rest."""
        found = [one.topic for one in self.available] + [one.topic for one in self.states]
        found += [one.topic for one in self.rebooted] + [one.topic for one in self.refusals]
        found += [one.topic for one in self.learned] + [*self.alive] + [one.topic for one in self.trips]
        return tuple(dict.fromkeys(found + [one.topic for one in (*self.power, *self.energy)]))


def fill(template: Filled, values: Mapping[str, str]) -> Filled:
    """Return the template with its placeholders replaced, at any depth. Unknown names in braces stay."""
    return _fill(template, values)  # type: ignore[no-any-return]  # the same type as the template


def _fill(part: Any, values: Mapping[str, str]) -> Any:  # noqa: ANN401  # any part of a profile
    if isinstance(part, str):
        return _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), part) if "{" in part else part
    if isinstance(part, tuple) and part:
        filled = [_fill(one, values) for one in part]
        return type(part)._make(filled) if hasattr(part, "_make") else tuple(filled)
    return part
