"""Mistakes of people who rarely write TOML: where each is, and what to write instead.

tomllib names the rule that a text breaks. Its reader needs the line that would be right. Each check below proposes one;
the next mistake is then looked for in the corrected text, so that all are shown at once.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from controller.config.errors import ConfigError, closest_match

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_MISTAKES = 50

_CURLY = str.maketrans({"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'", "‚": "'"})
_DASHES = str.maketrans({"–": "-", "—": "-", "‑": "-", "−": "-"})
_SPACES = str.maketrans(dict.fromkeys("\u00a0\u2002\u2003\u2007\u2009\u202f\u3000\u200b\ufeff", " "))
_BOOLEANS = {"true": "true", "yes": "true", "on": "true", "false": "false", "no": "false", "off": "false"}
_NOTHING = ("none", "null", "nil", "n/a")
_KEY = r"""(?P<key>[A-Za-z0-9_.-]+|"[^"]*"|'[^']*')"""
_UNIT = re.compile(r"([-+]?\d+(?:\.\d+)?)\s*(a|amps?|kw|w|s|sec|seconds?|min|minutes?|h|hours?|v|%)\.?", re.IGNORECASE)
_QUOTED = re.compile(r""""(?:\\.|[^"\\])*"|'[^']*'""")
_HEAD = "the head of a table has brackets around it and no blanks: write"
_BARE = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Correction:
    """A mistake in one line. `column`: from 1. `message`: what to write. `line`: the corrected line; None: unknown."""

    column: int
    message: str
    line: str | None


def toml_mistakes(file: str, text: str, known_keys: tuple[str, ...]) -> tuple[tuple[ConfigError, ...], str | None]:
    """Return the syntax errors of a text, and the text with all of them corrected; None: not all can be.

    `known_keys`: keys of the file, for misspelled ones.
    """
    found: list[ConfigError] = []
    lines = text.split("\n")
    for _ in range(MAX_MISTAKES):
        try:
            tomllib.loads("\n".join(lines))
        except RecursionError:
            found.append(ConfigError(file, "is nested too deep to be read"))
            break
        except ValueError as error:  # tomllib passes on Python's refusal of a number with thousands of digits
            number, correction = _correction(str(error), lines, known_keys)
            found.append(ConfigError(file, correction.message, number, column=correction.column))
            if correction.line is None or correction.line == lines[number - 1]:
                break
            lines[number - 1] = correction.line
        else:
            return tuple(found), "\n".join(lines)
    return tuple(found), None


def _correction(reason: str, lines: list[str], known_keys: tuple[str, ...]) -> tuple[int, Correction]:
    """Return the number of the line to correct, from 1, and its correction."""
    number, column = _place(reason, lines)
    checks: tuple[Callable[[str, str], Correction | None], ...] = (_written_twice, _foreign_signs, _header, _backslash)
    for candidate in _candidates(number, lines):
        line = lines[candidate - 1]
        for check in checks:
            if (correction := check(line, reason)) is not None:
                return candidate, correction
        if (correction := _pair(line, known_keys)) is not None:
            return candidate, correction
    return number, Correction(column, f"not TOML: {re.sub(r' .at (?:line|end).*$', '', reason)}", None)


def _place(reason: str, lines: list[str]) -> tuple[int, int]:
    if (found := re.search(r"\(at line (\d+), column (\d+)\)", reason)) is not None:
        return int(found.group(1)), int(found.group(2))
    last = max((number for number, line in enumerate(lines, 1) if line.strip()), default=1)
    return last, len(lines[last - 1]) + 1


def _candidates(number: int, lines: list[str]) -> Iterator[int]:
    """Yield the line that tomllib names, then the last one before it with text: an open bracket ends there."""
    yield number
    for earlier in range(number - 1, 0, -1):
        if lines[earlier - 1].split("#")[0].strip():
            yield earlier
            return


def _written_twice(line: str, reason: str) -> Correction | None:
    if "twice" in reason or "namespace" in reason:
        name = line.split("#", maxsplit=1)[0].strip()
        return Correction(
            1, f"the table {name} is there twice: write its keys in one table, or give it another name", None
        )
    if "overwrite a value" in reason:
        key = line.partition("=")[0].strip()
        return Correction(1, f"{key} is there twice in this table: keep one of the two lines", f"# {line}")
    return None


def _foreign_signs(line: str, _reason: str) -> Correction | None:
    """Correct quotation marks, dashes and spaces that word processors and web pages put in place of plain ones."""
    for table, message in (
        (_CURLY, "typographic quotation marks: use straight ones"),
        (_SPACES, "a special space, probably from copying: type an ordinary one"),
        (_DASHES, "a long dash: use an ordinary hyphen"),
    ):
        signs = [index for index, sign in enumerate(_without_strings(line)) if ord(sign) in table]
        if signs:
            plain = line.translate(table)
            return Correction(signs[0] + 1, f"{message}: {plain.strip()}", plain)
    if line.lstrip().startswith(("//", ";", "--")):
        comment = re.sub(r"^(\s*)(?://+|;+|--+)", r"\1#", line)
        return Correction(1, f"a comment begins with #: {comment.strip()}", comment)
    return None


def _header(line: str, _reason: str) -> Correction | None:
    """Correct the head of a table."""
    text = line.split("#", maxsplit=1)[0].strip()
    if not text.startswith("[") and not (text.endswith("]") and "=" not in text and ":" not in text):
        return None
    column = len(line) - len(line.lstrip()) + 1
    inside = text.strip("[]").strip()
    table, _, name = inside.partition(".")
    if not name:
        head = f"[{table.strip().lower()}]"
        return None if head == text else Correction(column, f"{_HEAD} {head}", head)
    plain = _QUOTED.sub(lambda found: found.group()[1:-1], name).strip()
    ident = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-") or "name"
    head = f"[{table.strip()}.{ident}]"
    if head == text:
        return None
    named = f' and below it name = "{plain}"' if ident != plain else ""
    return Correction(column, f"{_HEAD} {head}{named}", head)


def _backslash(line: str, reason: str) -> Correction | None:
    if "\\" not in line or not any(word in reason for word in ("escape", "backslash", "\\\\", "hex value")):
        return None
    fixed = line.replace("\\", "/")
    return Correction(line.index("\\") + 1, f"a backslash has a special meaning: write {fixed.strip()}", fixed)


def _pair(line: str, known_keys: tuple[str, ...]) -> Correction | None:
    """Correct a line that should be `key = value`."""
    text = _uncommented(line)
    if not text.strip() or text.lstrip().startswith("["):
        return None
    indent = len(text) - len(text.lstrip())
    key, sign, value = _parted(text.strip())
    if (name := _key_name(key, known_keys)) is None:
        return None
    value, at = value.strip().rstrip(";").strip(), line.find(value.strip()) + 1 if value.strip() else len(line) + 1
    if (message := _no_value(value)) is not None:
        return Correction(at, message, f"# {line}")
    right, message = _value(value, name)
    fixed = f"{' ' * indent}{name} = {right}"
    if fixed.strip() == text.strip():
        return None
    if message is None:
        message = "a key and its value are joined by =: write" if sign != "=" else "nothing follows the value: write"
        at = max(1, line.find(sign.strip()) + 1) if sign.strip() else indent + len(key) + 1
    return Correction(at, f"{message} {fixed.strip()}", fixed)


def _no_value(value: str) -> str | None:
    """Return what is wrong with a value that cannot be corrected; None: it may be."""
    if not value:
        return "there is no value: write one after the =, or put # before the line"
    if value.lower() in _NOTHING:
        return "there is no word for nothing: leave the line out, or put # before it"
    if re.search(r"\s[A-Za-z_]+\s*=", value) and not _QUOTED.match(value):
        return "one key and one value on a line: write the second on a line of its own"
    return None


def _parted(text: str) -> tuple[str, str, str]:
    """Return key, sign and value of a line, also if the sign is `:`, missing or doubled."""
    found = re.match(rf"{_KEY}\s*(?P<sign>==|:=|=|:)\s*(?P<value>.*)$", text)
    if found is not None:
        return found["key"], found["sign"], found["value"]
    before, sign, after = text.partition("=")
    if sign:
        return before.strip(), sign, after
    first, _, rest = text.partition(" ")
    return first, "", rest


def _key_name(key: str, known_keys: tuple[str, ...]) -> str | None:
    """Return the key as it should be written; None: this is no key."""
    bare = key.strip().strip("\"'")
    if bare in known_keys:
        return bare
    joined = re.sub(r"[\s-]+", "_", bare).lower()
    if joined in known_keys:
        return joined
    if _BARE.fullmatch(bare):
        return bare
    return closest_match(joined, known_keys)


def _value(value: str, key: str) -> tuple[str, str | None]:
    """Return a value as it should be written, and what was wrong; None: nothing, or only the sign before it."""
    lower = value.lower().strip("\"'")
    if value[0] in "\"'" or value[-1] in "\"'":
        return _text(value)
    if value.startswith("[") or value.endswith("]"):
        return _list(value)
    if lower in _BOOLEANS and value != _BOOLEANS[lower]:
        return _BOOLEANS[lower], "true or false is written in small letters, without quotation marks: write"
    return _number(value, key) or (f'"{value}"', "a text needs straight quotation marks: write")


def _number(value: str, key: str) -> tuple[str, str | None] | None:
    """Return a number as it should be written, in the unit of its key; None: it is none."""
    if re.fullmatch(r"[-+]?\d+,\d+", value):
        return value.replace(",", "."), "a decimal comma is a point here: write"
    if (found := _UNIT.fullmatch(value)) is not None:
        return _in_unit_of(
            key, found.group(1), found.group(2).lower()
        ), f"a number has no unit ({found.group(2)}): write"
    if re.fullmatch(r"0\d+", value):
        return value.lstrip("0") or "0", "a number has no zero in front: write"
    if re.fullmatch(r"\d+(?:\s*[+/&,]\s*\d+)+", value):
        return f"[{', '.join(re.findall(r'[0-9]+', value))}]", "several numbers need brackets: write"
    return (value.rstrip(","), None) if re.fullmatch(r"[-+]?\d+(?:\.\d+)?,?", value) else None


def _in_unit_of(key: str, number: str, unit: str) -> str:
    """Return a number in the unit that the key's name ends with: minutes and hours in seconds, watts in kilowatts."""
    factors = {("_s", "m"): 60.0, ("_s", "h"): 3600.0, ("kw", "w"): 0.001}
    factor = next(
        (factor for (ending, first), factor in factors.items() if key.endswith(ending) and unit[0] == first), 1
    )
    return number if factor == 1 else f"{float(number) * factor:g}"


def _text(value: str) -> tuple[str, str | None]:
    """Return a text with its quotation marks."""
    if _QUOTED.fullmatch(value.rstrip(",")):
        return value.rstrip(","), None
    inside = value.rstrip(",").strip("\"'").replace('"', "'")
    return f'"{inside}"', "a text begins and ends with a straight quotation mark: write"


def _list(value: str) -> tuple[str, str | None]:
    """Return a list with its brackets."""
    items = [item.strip() for item in value.strip("[] ").replace(";", ",").split(",") if item.strip()]
    fixed = f"[{', '.join(items)}]"
    return fixed, None if fixed == value else "a list needs brackets, with commas between: write"


def _uncommented(line: str) -> str:
    """Return a line without its comment."""
    hidden = _without_strings(line)
    return line[: hidden.index("#")].rstrip() if "#" in hidden else line.rstrip()


def _without_strings(line: str) -> str:
    """Return the line with the content of its strings blanked: the same length."""
    return _QUOTED.sub(lambda found: found.group()[0] + " " * (len(found.group()) - 2) + found.group()[-1], line)
