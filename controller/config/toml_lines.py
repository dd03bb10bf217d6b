"""On which line of a TOML text a key stands. tomllib does not say, and an owner wants to know."""

from __future__ import annotations

import re
import tomllib
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Path = tuple[str, ...]

_STRING = r"""\"{3}(?:\\.|[^\\])*?\"{3,5}|'{3}.*?'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*'"""
_BLANK = re.compile(r"(?:\s|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|'[^'\n]*'""")
_ATOM = re.compile(rf"{_STRING}|[^\s,\[\]{{}}#\"'][^\n,\]}}#]*", re.DOTALL)


def line_of(lines: Mapping[Path, int], path: Path) -> int:
    """Return the line (from 1) of the key at `path`; of the nearest table around it if it is not in the file.

    `lines`: of `lines_of`. 1 if no part of the path is in the file.
    """
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def lines_of(text: str) -> dict[Path, int]:
    """Return the line on which each key and each table is first written, in a text that tomllib accepts.

    Where the scan meets what it does not understand it ends, and what it found so far stands.
    """
    scan = _Scan(text)
    with suppress(_LostError):
        scan.document()
    return scan.lines


class _LostError(Exception):
    """The scan does not know what it sees."""


@dataclass(slots=True)
class _Scan:
    text: str
    at: int = 0
    lines: dict[Path, int] = field(default_factory=dict)
    counted_to: int = 0
    line: int = 1

    def document(self) -> None:
        table: Path = ()
        while self._past_blank():
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> Path:
        start = self.at
        self.at += 2 if self.text.startswith("[[", start) else 1
        path = self._key()
        self._note(path, start)
        self._take("]")
        if self.text.startswith("]", self.at):
            self.at += 1
        return path

    def _pair(self, table: Path) -> None:
        start = self.at
        path = table + self._key()
        self._note(path, start, below=len(table))
        self._take("=")
        self._match(_SPACE)
        self._value(path)

    def _value(self, path: Path) -> None:
        match self.text[self.at : self.at + 1]:
            case "{":
                self._inside("}", lambda: self._pair(path))
            case "[":
                # What stands inside an array has no name of its own.
                self._inside("]", lambda: self._value((*path, "")))
            case _:
                self._match(_ATOM)

    def _inside(self, end: str, item: Callable[[], None]) -> None:
        self.at += 1
        while self._past_blank() and self.text[self.at] != end:
            item()
            self._past_blank()
            if self.text.startswith(",", self.at):
                self.at += 1
        self._take(end)

    def _key(self) -> Path:
        names = [self._name()]
        while self.text.startswith(".", self.at):
            self.at += 1
            names.append(self._name())
        return tuple(names)

    def _name(self) -> str:
        self._match(_SPACE)
        found = self._match(_KEY)
        self._match(_SPACE)
        return str(tomllib.loads(f"key = {found}")["key"]) if found[0] in "\"'" else found

    def _note(self, path: Path, at: int, below: int = 0) -> None:
        # Counted on from the last key, not from the top: a file may have ten thousand keys.
        self.line += self.text.count("\n", self.counted_to, at)
        self.counted_to = at
        for end in range(below + 1, len(path) + 1):
            self.lines.setdefault(path[:end], self.line)

    def _past_blank(self) -> bool:
        """Step over blanks, line ends and comments; say whether anything follows."""
        self._match(_BLANK)
        return self.at < len(self.text)

    def _take(self, sign: str) -> None:
        if not self.text.startswith(sign, self.at):
            raise _LostError
        self.at += len(sign)

    def _match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        if found is None:
            raise _LostError
        self.at = found.end()
        return found.group()
