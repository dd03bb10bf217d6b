"""Errors in a configuration file, and advice about it, in a form that its owner can correct."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

# Long enough for every sensible value, short enough for one line of a terminal.
SHOWN_LENGTH = 60
HIDDEN = "(not shown)"
_SECRET = re.compile(r"pass|pwd|secret|token|api_?key|private|credential|psk", re.IGNORECASE)
_LOGIN = re.compile(r"://[^\s\"]*@")


@dataclass(frozen=True, slots=True)
class ConfigError:
    """A message about one place in a file.

    `line`, `column`: from 1; None for the file as a whole. `table`, `key` and `value` are None if the place is less
    precise; `value` is in TOML notation. `message`: what is allowed, or unwise.
    """

    file: str
    message: str
    line: int | None = None
    table: str | None = None
    key: str | None = None
    value: str | None = None
    column: int | None = None

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        entry = self.key if self.value is None else f"{self.key} = {self.value}"
        where = " ".join(part for part in (self.table and f"[{self.table}]", entry) if part)
        return f"{place}: {where}: {self.message}" if where else f"{place}: {self.message}"


@dataclass(frozen=True, slots=True)
class ConfigErrors:
    """Everything that is wrong, of both files, in the order of their lines."""

    found: tuple[ConfigError, ...]

    def __iter__(self) -> Iterator[ConfigError]:
        return iter(self.found)

    def __len__(self) -> int:
        return len(self.found)

    @property
    def sentences(self) -> tuple[str, ...]:
        """Return each mistake as one line of text."""
        return tuple(str(mistake) for mistake in self.found)


@dataclass(slots=True)
class ErrorCollector:
    """Collects what is to be said about one file, and finds the line of each."""

    file: str
    text: str
    found: list[ConfigError] = field(default_factory=list)
    _lines: Mapping[tuple[str, ...], int] | None = field(default=None, init=False, repr=False)

    def add(self, path: tuple[str, ...], says: str, value: object = None) -> None:
        """Note something about the key at `path` (its table's names, then its own). `value`: as tomllib read it."""
        *table, key = path
        self.found.append(
            ConfigError(
                file=self.file,
                line=self._line(path),
                table=".".join(to_toml(name) for name in table) or None,
                key=to_toml(key),
                value=None if value is None else to_toml_value(HIDDEN) if holds_secret(key, value) else shown(value),
                message=says,
            )
        )

    def add_table(self, path: tuple[str, ...], says: str) -> None:
        """Note something about a whole table."""
        self.found.append(ConfigError(self.file, says, self._line(path), ".".join(to_toml(name) for name in path)))

    def _line(self, path: tuple[str, ...]) -> int:
        from controller.config.toml_lines import line_of, lines_of  # noqa: PLC0415  # a right file needs no line

        if self._lines is None:
            self._lines = lines_of(self.text)
        return line_of(self._lines, path)

    def sorted(self) -> tuple[ConfigError, ...]:
        """Return the notes in the order of their lines."""
        return tuple(sorted(self.found, key=lambda mistake: mistake.line or 0))


def holds_secret(key: str, value: object) -> bool:
    """Return whether a key may hold a secret, which must not be shown: errors are also published and logged.

    The name of a file that holds one is no secret, unless the secret itself stands in its place.
    """
    if not _SECRET.search(key):
        return False
    return not (key.endswith("_file") and str(value).strip("\"'").startswith("/"))


def to_toml(key: str) -> str:
    """Return a key in TOML notation: bare if allowed, else quoted."""
    bare = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
    return key if bare else json.dumps(key, ensure_ascii=False)


def shown(value: object) -> str:
    """Return a value as its owner wrote it, more or less, cut to what fits on a line."""
    text = _LOGIN.sub(f"://{HIDDEN}@", to_toml_value(value))
    return text if len(text) <= SHOWN_LENGTH else f"{text[: SHOWN_LENGTH - 1]}…"


def to_toml_value(value: object) -> str:
    """Return a value in TOML notation."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(value, ensure_ascii=False)
        case list():
            return f"[{', '.join(to_toml_value(item) for item in value)}]"
        case dict():
            inside = ", ".join(f"{to_toml(key)} = {to_toml_value(item)}" for key, item in value.items())
            return f"{{ {inside} }}"
        case int() if abs(value).bit_length() > 4 * SHOWN_LENGTH:
            return "a number of many digits"  # Python refuses to print the longest of them
        case _:
            return str(value)


def closest_match(word: object, known: Iterable[str]) -> str | None:
    """Return the known word that was most likely meant, or None if none is close."""
    # Imported here: slow to import, and a valid file never needs it.
    import difflib  # noqa: PLC0415

    if not isinstance(word, str):
        return None
    folded = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower().replace(" ", "-"), folded, n=1)
    return folded[near[0]] if near else None


def either(words: Iterable[str]) -> str:
    """Return `"a", "b" or "c"`."""
    *first, last = (json.dumps(word) for word in words)
    return f"{', '.join(first)} or {last}" if first else last
