"""Validation rules for values of a configuration file.

Each reads a value, states what is allowed, and writes its JSON Schema.
"""

from __future__ import annotations

import math
import re
import sys
import unicodedata
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeGuard

from controller.config.errors import closest_match, either
from controller.config.local_time import is_known_zone
from controller.config.synonyms import value_meant

if TYPE_CHECKING:
    from enum import Enum

    Schema = dict[str, object]

ID_PATTERN = r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?"
MOST_SPACES = 9999


class InvalidValueError(ValueError):
    """The value is not allowed; the text says what is."""


class Rule(Protocol):
    """Rule for the value of one key."""

    @property
    def allowed(self) -> str:
        """Return what is allowed, to follow the word "use"."""
        ...

    def read(self, value: object) -> object:
        """Return the value for the program. Raises `InvalidValueError` if it is not allowed."""
        ...

    def schema(self) -> Schema:
        """Return the same in JSON Schema."""
        ...


class Number(NamedTuple):
    """A finite number, whole or decimal, from `low` to `high`; `above`: not `low` itself."""

    low: float
    high: float = sys.float_info.max
    above: bool = False

    @property
    def allowed(self) -> str:
        if self.high == sys.float_info.max:
            return f"a number above {self.low:g}" if self.above else f"a number from {self.low:g}"
        return f"a number from {self.low:g} to {self.high:g}"

    def read(self, value: object) -> float:
        # True is an int to Python. nan and inf fail the comparison below.
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidValueError(f"use {self.allowed}{_unquoted(value)}")
        if not self.low <= value <= self.high or (self.above and value == self.low):
            raise InvalidValueError(f"use {self.allowed}")
        return float(value)

    def schema(self) -> Schema:
        least = "exclusiveMinimum" if self.above else "minimum"
        most = {} if self.high == sys.float_info.max else {"maximum": plain(self.high)}
        return {"type": "number", least: plain(self.low), **most}


class Integer(NamedTuple):
    """A whole number from `low` to `high`. `what` says what it counts, where that helps."""

    low: int
    high: int
    what: str = "a whole number"

    @property
    def allowed(self) -> str:
        return f"{self.what} from {self.low} to {self.high}"

    def read(self, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not self.low <= value <= self.high:
            raise InvalidValueError(f"use {self.allowed}{_unquoted(value)}")
        return value

    def schema(self) -> Schema:
        return {"type": "integer", "minimum": self.low, "maximum": self.high}


class Boolean:
    """True or false."""

    @property
    def allowed(self) -> str:
        return "true or false"

    def read(self, value: object) -> bool:
        if not isinstance(value, bool):
            raise InvalidValueError(f"use {self.allowed}, without quotation marks")
        return value

    def schema(self) -> Schema:
        return {"type": "boolean"}


class OneOf(NamedTuple):
    """One of a few words."""

    words: tuple[str, ...]

    @property
    def allowed(self) -> str:
        return either(self.words)

    def read(self, value: object) -> str:
        if not isinstance(value, str) or value not in self.words:
            likely = self.meant(value)
            meant = f' (did you mean "{likely}"?)' if likely else ""
            raise InvalidValueError(f"use {self.allowed}{meant}")
        return value

    def meant(self, value: object) -> str | None:
        """Return the word that is probably meant; None: none is close."""
        if not isinstance(value, str | int | float):
            return None
        word = str(value)
        squeezed = word.lower().translate(str.maketrans("", "", " -_."))
        same = (known for known in self.words if known.translate(str.maketrans("", "", " -_.")) == squeezed)
        return next(same, None) or value_meant(word, self.words) or closest_match(word, self.words)

    def schema(self) -> Schema:
        return {"enum": list(self.words)}


class EnumValue(NamedTuple):
    """One of the words of an `Enum`, read as its member."""

    of: type[Enum]

    @property
    def word(self) -> OneOf:
        """Return the rule for the words."""
        return OneOf(tuple(member.value for member in self.of))

    @property
    def allowed(self) -> str:
        return self.word.allowed

    def read(self, value: object) -> Enum:
        return self.of(self.word.read(value))

    def schema(self) -> Schema:
        return self.word.schema()


class TextValue(NamedTuple):
    """A text that matches `pattern` from end to end and holds no control character."""

    pattern: str
    allowed: str

    def read(self, value: object) -> str:
        if not isinstance(value, str) or not value.isprintable() or not re.fullmatch(self.pattern, value):
            raise InvalidValueError(f"use {self.allowed}")
        return value

    def schema(self) -> Schema:
        return {"type": "string", "pattern": f"^(?:{self.pattern})$"}


class TimeZone:
    """Name of a time zone that the system knows."""

    @property
    def allowed(self) -> str:
        return "the name of a time zone, such as America/New_York (`timedatectl list-timezones` lists them)"

    def read(self, value: object) -> str:
        if not isinstance(value, str) or not is_known_zone(value):
            raise InvalidValueError(f"use {self.allowed}")
        return value

    def schema(self) -> Schema:
        return {"type": "string"}


class Spaces:
    """The panel spaces of one handle: a number from 1, or a list of two for two poles."""

    @property
    def allowed(self) -> str:
        return "a space number from 1, or two of them for two poles: [9, 11]"

    def read(self, value: object) -> tuple[int, ...]:
        items = value if isinstance(value, list) else [value]
        spaces = tuple(item for item in items if _is_space(item))
        if len(spaces) != len(items) or len(spaces) not in (1, 2) or len(set(spaces)) != len(spaces):
            raise InvalidValueError(f"use {self.allowed}")
        return spaces

    def schema(self) -> Schema:
        one = Integer(1, MOST_SPACES).schema()
        two = {"type": "array", "items": one, "minItems": 1, "maxItems": 2, "uniqueItems": True}
        return {"anyOf": [one, two]}


def _unquoted(value: object) -> str:
    """Return the hint for a number that was written as a text."""
    return ", without quotation marks" if isinstance(value, str) and value.strip() else ""


def _is_space(item: object) -> TypeGuard[int]:
    return isinstance(item, int) and not isinstance(item, bool) and 1 <= item <= MOST_SPACES


def plain_id(name: str) -> str:
    """Return an id made from a name, without accents; `name` if no letter of it fits."""
    letters = unicodedata.normalize("NFKD", name.lower().replace("ß", "ss"))
    ascii_only = "".join(letter for letter in letters if not unicodedata.combining(letter)).replace("'", "")
    return re.sub(r"[^a-z0-9]+", "-", ascii_only)[:64].strip("-") or "name"


def plain(number: float) -> float:
    """Return a whole number as one, so that it is written without `.0`."""
    return int(number) if math.isfinite(number) and number == int(number) else number
