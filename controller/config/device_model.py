"""The tables `[families.NAME]` and `[profiles.NAME]` of installer.toml: each key with what it may hold."""
# Annotations are read at run time here, so they are not postponed.

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from controller.bus.profiles import json_path
from controller.config.validators import EnumValue, InvalidValueError, Number, OneOf, TextValue
from rules.device import Evidence

if TYPE_CHECKING:
    from controller.bus.profiles.schema import Value
    from controller.config.validators import Schema

_SETTLE_S = Number(0, 60)
_RESERVED = ("$SYS", "loadshed")
_PLACEHOLDERS = ("address", "channel")
CONFIRM_S = Number(0.1, 60)
PAYLOAD = TextValue(r".*", "a text of printable signs")


@dataclass(frozen=True, slots=True)
class TopicTemplate:
    """A topic, without wildcards, that may hold {address} and {channel}."""

    allowed: str = "a topic such as shop/{address}/state, without + and #"

    def read(self, value: object) -> str:
        if not isinstance(value, str) or not value.strip() or not value.isprintable() or {"+", "#"} & {*value}:
            raise InvalidValueError(f"use {self.allowed}")
        if value.partition("/")[0] in _RESERVED:
            raise InvalidValueError("use a topic of the device: this one belongs to the broker or to loadshed")
        if unknown := [name for name in re.findall(r"\{([^}]*)\}", value) if name not in _PLACEHOLDERS]:
            known = "{address} and {channel}, the parts of device in circuits.toml"
            raise InvalidValueError(f"{{{unknown[0]}}} stands for nothing: use {known}")
        if value != value.strip():
            raise InvalidValueError(f'use {self.allowed}, without blanks at its ends: "{value.strip()}"')
        return value

    def schema(self) -> "Schema":
        return {"type": "string", "pattern": r"^[^+#]+$"}


@dataclass(frozen=True, slots=True)
class TopicPart:
    """A part of a topic in `[families.NAME]`: a base, a prefix, a name. Empty: none."""

    allowed: str = "a part of a topic, without + and # and without a slash at its ends"

    def read(self, value: object) -> str:
        if not isinstance(value, str) or not value.isprintable() or {"+", "#"} & {*value}:
            raise InvalidValueError(f"use {self.allowed}")
        if (plain := value.strip().strip("/")) != value:
            raise InvalidValueError(f'use {self.allowed}: "{plain}"')
        return value

    def schema(self) -> "Schema":
        return {"type": "string", "pattern": r"^(?:[^+#/\s](?:[^+#]*[^+#/\s])?)?$"}


@dataclass(frozen=True, slots=True)
class FullTopic:
    """Tasmota's FullTopic."""

    allowed: str = 'Tasmota\'s FullTopic, with %prefix% and %topic%: "%prefix%/%topic%/"'

    def read(self, value: object) -> str:
        if (
            not isinstance(value, str)
            or not value.isprintable()
            or {"+", "#"} & {*value}
            or value.count("%prefix%") != 1
            or value.count("%topic%") != 1
        ):
            raise InvalidValueError(f"use {self.allowed}")
        return value

    def schema(self) -> "Schema":
        return {"type": "string", "pattern": "%prefix%.*%topic%|%topic%.*%prefix%"}


@dataclass(frozen=True, slots=True)
class PathValue:
    """A path into a JSON payload; empty: the whole payload."""

    allowed: str = 'a path such as relay.state or "switch:0".output; leave it out if the payload is the value'

    def read(self, value: object) -> str:
        if not isinstance(value, str):
            raise InvalidValueError(f"use {self.allowed}")
        try:
            json_path.steps(value)
        except json_path.JsonPathError as error:
            raise InvalidValueError(str(error)) from None
        return value

    def schema(self) -> "Schema":
        return {"type": "string"}


@dataclass(frozen=True, slots=True)
class Values:
    """A list of values, each compared with its type."""

    allowed: str = 'a list such as ["ON", "on"], [1] or [true]'

    def read(self, value: object) -> "tuple[Value, ...]":
        if (
            not isinstance(value, list)
            or not value
            or not all(isinstance(one, str | bool | int | float) for one in value)
        ):
            raise InvalidValueError(f"use {self.allowed}")
        return tuple(value)

    def schema(self) -> "Schema":
        return {"type": "array", "minItems": 1, "items": {"type": ["string", "boolean", "number"]}}


@dataclass(frozen=True, slots=True)
class Texts:
    """A list of texts."""

    allowed: str = 'a list of texts such as ["Water heater", "Pool"]'

    def read(self, value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(one, str) and one.strip() for one in value):
            raise InvalidValueError(f"use {self.allowed}")
        return tuple(value)

    def schema(self) -> "Schema":
        return {"type": "array", "items": {"type": "string"}}


_TOPIC, _PATH, _VALUES = TopicTemplate(), PathValue(), Values()


@dataclass(frozen=True, slots=True)
class CommandTable:
    """Command of a profile of one's own. `on`, `off`: payloads."""

    topic: Annotated[str, _TOPIC]
    on: Annotated[str, PAYLOAD]
    off: Annotated[str, PAYLOAD]


@dataclass(frozen=True, slots=True)
class StateTable:
    """A report of the position. `path` empty: the whole payload is the value."""

    topic: Annotated[str, _TOPIC]
    on: Annotated[tuple[object, ...], _VALUES]
    off: Annotated[tuple[object, ...], _VALUES]
    path: Annotated[str, _PATH] = ""
    tripped: Annotated[tuple[object, ...], _VALUES] = ()
    stamp: Annotated[str, _PATH] = ""
    stamp_unit: Annotated[str, OneOf(("s", "ms"))] = "ms"


@dataclass(frozen=True, slots=True)
class AvailableTable:
    """A report of whether the device is there."""

    topic: Annotated[str, _TOPIC]
    online: Annotated[tuple[object, ...], _VALUES]
    offline: Annotated[tuple[object, ...], _VALUES]
    path: Annotated[str, _PATH] = ""


@dataclass(frozen=True, slots=True)
class QueryTable:
    """The question for the position."""

    topic: Annotated[str, _TOPIC]
    payload: Annotated[str, PAYLOAD] = ""


@dataclass(frozen=True, slots=True)
class MeasurementTable:
    """Power in W or energy in kWh, after multiplication with `scale`."""

    topic: Annotated[str, _TOPIC]
    path: Annotated[str, _PATH] = ""
    scale: Annotated[float, Number(0, above=True)] = 1.0


@dataclass(frozen=True, slots=True)
class TripTable:
    """The word that explains an opening as a trip."""

    topic: Annotated[str, _TOPIC]
    words: Annotated[tuple[object, ...], _VALUES]
    path: Annotated[str, _PATH] = ""


@dataclass(frozen=True, slots=True)
class ProfileTiming:
    """Keys of a profile that are no tables. `settle_s`, `confirm_s`: times in seconds."""

    evidence: Annotated[Evidence, EnumValue(Evidence)] = Evidence.DEVICE
    settle_s: Annotated[float, _SETTLE_S] = 0.0
    confirm_s: Annotated[float | None, CONFIRM_S] = None


SINGLE = {"command": CommandTable, "query": QueryTable}
LISTS = {
    "state": StateTable,
    "available": AvailableTable,
    "power": MeasurementTable,
    "energy": MeasurementTable,
    "trip": TripTable,
}
"""Tables of a profile: those that stand once, and those of which there may be several."""


@dataclass(frozen=True, slots=True)
class TableInBraces:
    """A table in braces; `several`: or a list of such tables."""

    of: type[object]
    several: bool = False

    @property
    def allowed(self) -> str:
        return "a list of tables in braces: [{ … }]" if self.several else "a table in braces: { … }"

    def read(self, value: object) -> object:
        if isinstance(value, dict) or (self.several and isinstance(value, list)):
            return value
        raise InvalidValueError(f"use {self.allowed}")

    def schema(self) -> "Schema":
        from controller.config.schema import table_schema  # noqa: PLC0415  # it imports this file

        one = table_schema(self.of)
        return {"anyOf": [one, {"type": "array", "minItems": 1, "items": one}]} if self.several else one


@dataclass(frozen=True, slots=True)
class ProfileParts:
    """Tables of a profile of one's own."""

    command: Annotated[object, TableInBraces(CommandTable)]
    state: Annotated[object, TableInBraces(StateTable, several=True)]
    query: Annotated[object, TableInBraces(QueryTable)] = None
    available: Annotated[object, TableInBraces(AvailableTable, several=True)] = None
    power: Annotated[object, TableInBraces(MeasurementTable, several=True)] = None
    energy: Annotated[object, TableInBraces(MeasurementTable, several=True)] = None
    trip: Annotated[object, TableInBraces(TripTable, several=True)] = None
