"""Mistakes of people who rarely write TOML: where each is, and what to write instead.

tomllib names the rule that a text breaks. Its reader needs the line that would be right. Each check below proposes one;
the next mistake is then looked for in the corrected text, so that all are shown at once.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from controller.config.errors import ConfigError
from controller.config.line_mistakes import FOREIGN_SIGNS, Correction, corrected_pair, uncommented, without_strings
from controller.config.table_reader import likely_key
from controller.config.validators import plain_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from controller.config.table_reader import FileKeys

MAX_MISTAKES = 50

_HEAD = "the head of a table has brackets around it and no blanks: write"
_NAMED_TABLES = ("circuits", "meters", "families", "profiles")
_QUOTES = "\"'"


@dataclass(frozen=True, slots=True)
class _ParserError:
    """Place that tomllib names. `number`, `column`: from 1. `reason`: its message."""

    number: int
    column: int
    reason: str


def toml_mistakes(file: str, text: str, keys: FileKeys) -> tuple[tuple[ConfigError, ...], str | None]:
    """Return the syntax errors of a text, and the text with all of them corrected; None: not all can be.

    `keys`: tables and keys of the file, to recognize misspelled ones.
    """
    found: list[ConfigError] = []
    lines = text.split("\n")
    for _ in range(MAX_MISTAKES):
        try:
            tomllib.loads("\n".join(lines))
        except RecursionError:
            found.append(ConfigError(file, "is nested too deep to be read: write tables as in the README"))
            break
        except ValueError as error:  # tomllib passes on Python's refusal of a number with thousands of digits
            number, correction = _correction(_place(str(error), lines), lines, keys)
            found.append(ConfigError(file, correction.message, number, column=correction.column))
            if correction.line is None or correction.line == lines[number - 1]:
                break
            lines[number - 1] = correction.line
        else:
            return tuple(found), "\n".join(lines)
    return tuple(found), None


def _place(reason: str, lines: list[str]) -> _ParserError:
    if (found := re.search(r"\(at line (\d+), column (\d+)\)", reason)) is not None:
        return _ParserError(int(found.group(1)), int(found.group(2)), reason)
    last = max((number for number, line in enumerate(lines, 1) if line.strip()), default=1)
    return _ParserError(last, len(lines[last - 1]) + 1, reason)


def _correction(place: _ParserError, lines: list[str], keys: FileKeys) -> tuple[int, Correction]:
    """Return the number of the line to correct, from 1, and its correction."""
    for number in _candidates(place.number, lines):
        line = lines[number - 1]
        found = (
            _written_twice(line, place.reason)
            or _foreign_signs(line)
            or _comment(line)
            or _header(line, keys)
            or _backslash(line, place.reason)
            or corrected_pair(line, keys.within(_table_of(number, lines)))
        )
        if found is not None:
            return number, found
    return _unclosed(place, lines) or (place.number, _not_understood(place, lines[place.number - 1], keys))


def _table_of(number: int, lines: list[str]) -> str:
    """Return the name of the table that a line stands in; empty: none."""
    heads = (re.match(r"\s*\[+\s*([\w-]+)", line) for line in reversed(lines[: number - 1]))
    return next((head[1] for head in heads if head is not None), "")


def _candidates(number: int, lines: list[str]) -> Iterator[int]:
    """Yield the line that tomllib names, then the last one before it with text: an open bracket ends there."""
    yield number
    for earlier in range(number - 1, 0, -1):
        if lines[earlier - 1].split("#")[0].strip():
            yield earlier
            return


def _written_twice(line: str, reason: str) -> Correction | None:
    text = uncommented(line).strip()
    if "twice" in reason or "namespace" in reason:
        other = f"{text[:-1]}-2]" if text.endswith("]") and "." in text else None
        return Correction(
            1, f"the table {text} is there twice: write its keys in one table, or give it another name", other
        )
    if "overwrite a value" in reason:
        if text.startswith("["):
            return Correction(1, f"{text} is a value already, no table: leave this line out", f"# {line}")
        key = line.partition("=")[0].strip()
        return Correction(1, f"{key} is there twice in this table: keep one of the two lines", f"# {line}")
    return None


def _foreign_signs(line: str) -> Correction | None:
    """Correct signs that word processors, web pages and other keyboards put in place of ordinary ones."""
    outside = without_strings(line).partition("#")[0]
    for group in FOREIGN_SIGNS:
        part = line if group.in_strings else outside
        at = next((index for index, sign in enumerate(part) if group.ordinary(sign) is not None), None)
        if at is not None:
            plain = "".join(sign if (new := group.ordinary(sign)) is None else new for sign in line)
            return Correction(at + 1, f"{group.message}: {plain.strip()}", plain)
    return None


def _comment(line: str) -> Correction | None:
    """Correct a comment of another language."""
    found = re.match(r"^(\s*)(?://+|;+|--+|/\*+|<!--|REM\b|%+|!+|={3,})\s*(.*?)\s*(?:\*/|-->)?\s*$", line)
    if found is None:
        return None
    comment = f"{found[1]}# {found[2]}".rstrip()
    return Correction(len(found[1]) + 1, f"a comment begins with #: {comment.strip()}", comment)


# --- heads of tables -------------------------------------------------------------------------------------------------


def _header(line: str, keys: FileKeys) -> Correction | None:
    """Correct the head of a table."""
    text = _head_text(line)
    column = len(line) - len(line.lstrip()) + 1
    if (both := re.match(r"(\[[^\]=]*\])\s*(\S.*=.*)", text)) is not None:
        return Correction(column, f"the head of a table stands alone: write {both[1]}, and below it {both[2]}", None)
    inside = text.strip("[](){}<>:;,. ")
    if "=" in text or not inside or not _is_head(text, inside, keys):
        return None
    head, named = _head_meant(inside, keys)
    return None if head in (text, None) else Correction(column, f"{_HEAD} {head}{named}", head)


def _head_text(line: str) -> str:
    """Return the line without its comment; `#` in `[circuits.Dryer #2]` begins none."""
    text = line.strip()
    return text if re.fullmatch(r"\[[^\]]*#[^\]]*\]", text) else uncommented(line).strip()


def _is_head(text: str, inside: str, keys: FileKeys) -> bool:
    first = re.split(r"[.:/\\ ]", inside)[0].lower()
    enclosed = text[0] == "[" or re.fullmatch(r"[({<][\w .'-]+[)}>]", text) is not None
    return enclosed or (text.endswith("]") and ":" not in text) or (first != inside and first in keys.tables)


def _head_meant(inside: str, keys: FileKeys) -> tuple[str | None, str]:
    """Return the head that was probably meant, and the line below it with the name; None: it cannot be guessed."""
    first, _, name = (part.strip() for part in re.sub(r"[.:/\\ ]+", "|", inside, count=1).partition("|"))
    table = likely_key(first.strip(_QUOTES), keys.tables)
    if table in _NAMED_TABLES or (table is None and "circuits" in keys.tables):
        plain = (name if table else inside).strip("\"'.: ")
        if not plain:
            return f"[{table}.name]", ""
        ident = plain_id(plain)
        return f"[{table or 'circuits'}.{ident}]", f' and below it name = "{plain}"' if ident != plain else ""
    return (None if table is None else f"[{table}]"), ""


# --- what is not closed, or not understood ---------------------------------------------------------------------------


def _backslash(line: str, reason: str) -> Correction | None:
    if "\\" not in line or not any(word in reason for word in ("escape", "backslash", "\\\\", "hex value")):
        return None
    fixed = line.replace("\\", "/")
    return Correction(line.index("\\") + 1, f"a backslash has a special meaning: write {fixed.strip()}", fixed)


def _unclosed(place: _ParserError, lines: list[str]) -> tuple[int, Correction] | None:
    """Correct a list or a long text that has no end."""
    before = range(min(place.number, len(lines)), 0, -1)
    for marks in ('"""', "'''"):
        number = next((one for one in before if lines[one - 1].count(marks) % 2), None)
        if marks in place.reason and number is not None:
            line = lines[number - 1]
            says = f"a text that begins with {marks} ends with {marks}, or has one quotation mark at each end"
            return number, Correction(line.index(marks) + 1, says, f"# {line}")
    if "array" not in place.reason:
        return None
    begun = next((one for one in before if re.search(r"=\s*\[[^\]]*$", lines[one - 1])), None)
    if begun is None:
        return None
    end = max((one for one in range(begun, place.number) if lines[one - 1].strip()), default=begun)
    fixed = f"{uncommented(lines[end - 1])}]"
    says = f"the list that begins in line {begun} has no end: write {fixed.strip()}"
    return end, Correction(len(fixed), says, fixed)


def _not_understood(place: _ParserError, line: str, keys: FileKeys) -> Correction:
    """Return the correction of a line that no check understands: what a line may be."""
    if re.match(r"\s*[{<]", line) and place.number == 1:
        return Correction(1, "this is JSON or XML: write TOML as in the README, or run `loadshed setup`", None)
    table = next(iter(keys.tables))
    head = f"[{table}.name]" if table in _NAMED_TABLES else f"[{table}]"
    says = f"not TOML: a line is a table such as {head}, or key = value, or a comment that begins with #"
    return Correction(place.column, says, f"# {line}" if line.strip() and not line.lstrip().startswith("#") else None)
