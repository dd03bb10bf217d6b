"""One line of a configuration file that is not TOML: signs from elsewhere, and what should be `key = value`."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from controller.config.errors import HIDDEN, holds_secret
from controller.config.table_reader import likely_key
from controller.config.validators import InvalidValueError
from controller.config.value_mistakes import BOOLEANS, QUOTED, number_meant, value_meant

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.config.table_reader import FileKeys
    from controller.config.validators import Rule

_NOTHING = ("none", "null", "nil", "n/a", "undefined", "-", "?", "...", "…")
_KEY = r"""(?P<key>[A-Za-z0-9_.-]+|"[^"]*"|'[^']*'|`[^`]*`)"""
_SIGN = r"(?P<sign>\s*(?:->|→|-(?=\s)|[|,;~]|[=:][=:>\s]*)\s*|\s+is\s+)"
_OTHER_COMMENT = re.compile(r"\s(?://|--|;|/\*)")
_SECOND_KEY = re.compile(r"[\s,;]+[A-Za-z_]+\s*=")
_BARE = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Correction:
    """A mistake in one line. `column`: from 1. `message`: what to write. `line`: the corrected line; None: unknown."""

    column: int
    message: str
    line: str | None


class ForeignSigns(NamedTuple):
    """Signs to replace. `ordinary`: returns the replacement, None for another sign. `in_strings`: wrong there, too."""

    message: str
    ordinary: Callable[[str], str | None]
    in_strings: bool = False


_DOUBLE, _SINGLE = "“”„‟«»「」『』〝〞″`´", "‘’‚‛‹›′"


def _plain_quote(sign: str) -> str | None:
    return '"' if sign in _DOUBLE else "'" if sign in _SINGLE else None


def _plain_space(sign: str) -> str | None:
    return " " if sign in "\u200b\u2060\ufeff" or (sign != " " and unicodedata.category(sign) == "Zs") else None


def _plain_dash(sign: str) -> str | None:
    return "-" if sign == "−" or (sign != "-" and unicodedata.category(sign) == "Pd") else None


def _no_control(sign: str) -> str | None:
    return "" if sign != "\t" and unicodedata.category(sign) in ("Cc", "Cf", "Zl", "Zp") else None


def _plain_form(sign: str) -> str | None:
    plain = unicodedata.normalize("NFKC", sign)
    return plain if not sign.isascii() and plain.isascii() else None


FOREIGN_SIGNS = (
    ForeignSigns("typographic quotation marks: use straight ones", _plain_quote),
    ForeignSigns("a special space, probably from copying: type an ordinary one", _plain_space),
    ForeignSigns("a long dash: use an ordinary hyphen", _plain_dash),
    ForeignSigns("an invisible sign, probably from copying: delete it", _no_control, in_strings=True),
    ForeignSigns("a sign that only looks like an ordinary one: type it again", _plain_form),
)


def corrected_pair(line: str, keys: FileKeys) -> Correction | None:
    """Correct a line that should be `key = value`; None: it is right, or not understood."""
    code, foreign_comment = _code(_with_channel(line) or uncommented(line))
    text = re.sub(r"^\s*(?:[-*•]\s+|(?:set|let|export|var|const)\s+)", "", code).strip()
    key, sign, raw = parted(text)
    raw = raw.strip().rstrip(";").strip()
    name = None if text.startswith("[") else _key_name(key, keys)
    if name is None or not (sign.strip(" ") or likely_key(name, tuple(keys.rules))):
        return None
    if not raw or raw.lower() in _NOTHING:
        return _no_value(raw, line)
    if re.match(r"\[?\s*\{", raw):
        return _inline_table(line, name, raw)
    value, second = _first_of_two(raw)
    short = name.rpartition(".")[2]
    right, message = _value(value, short, rules := keys.rules.get(short, ()))
    at = line.find(raw) + 1
    fixed = f"{code[: len(code) - len(code.lstrip())]}{name} = {right}"
    shown = f'{name} = "{HIDDEN}"' if holds_secret(name, right) else fixed.strip()
    if second:
        return Correction(
            at, f"one key and one value on a line: write {shown}, and {second} on a line of its own", fixed
        )
    if rules and message is not None and not _accepted(right, rules):
        return Correction(at, _refusal(right, name, rules[0]), f"# {line}")
    if message is None:
        message, at = _other_message(line, text, (key, sign, name), foreign_comment)
    return None if fixed.strip() == line.strip() else Correction(at, f"{message} {shown}", fixed)


def _with_channel(line: str) -> str | None:
    """Return a `device` line without quotation marks, with its `#channel`, which is no comment; None: another line."""
    found = re.match(r"""\s*device\s*[=:]?\s*[^\s"'#=:][^"'#]*#[\w:]+""", line)
    return None if found is None else found.group()


def _inline_table(line: str, name: str, raw: str) -> Correction | None:
    """Correct a table in braces, such as `command = { topic = "shop/cmd", on = "1", off = "0" }`."""
    at = line.find(raw) + 1
    if raw.count("{") > raw.count("}"):
        says = f"a table in braces has its end on the same line: write {name} = {{ key = value, key = value }}"
        return Correction(at, says, None)
    # As in JSON and YAML: quoted keys, and a colon between key and value.
    fixed = re.sub(r"""([{,]\s*)(["']?)([A-Za-z0-9_-]+)\2\s*(?:=>|==|[:=])\s*""", r"\1\3 = ", raw)
    fixed = re.sub(r",\s*}", " }", fixed)
    words = re.sub(r"= (?!true\b|false\b)([A-Za-z][\w/{}.-]*)(?=\s*[,}\]])", r'= "\1"', fixed)
    for try_ in (fixed, words):
        try:
            tomllib.loads(f"{name} = {try_}")
        except (ValueError, RecursionError):
            continue
        right = f"{name} = {try_}"
        return None if right == line.strip() else Correction(at, f"a table in braces: write {right}", right)
    says = f"a table in braces holds key = value, with commas between: {name} = {{ key = value, key = value }}"
    return Correction(at, says, f"# {line}")


def _other_message(line: str, text: str, pair: tuple[str, str, str], foreign_comment: str) -> tuple[str, int]:
    """Return what is wrong with a line whose value is right, and in which column."""
    key, sign, name = pair
    if sign.strip() != "=":
        at = line.find(sign.strip()) + 1 if sign.strip() else line.find(text) + len(key) + 1
        return "a key and its value are joined by =: write", max(1, at)
    if foreign_comment:
        return f"a comment begins with # and not with {foreign_comment}: write", line.find(foreign_comment) + 1
    if not line.strip().startswith(text[:1]):
        return "nothing stands before the key: write", len(line) - len(line.lstrip()) + 1
    if key.strip("\"'`") != name:
        return "this key is written in another way: write", line.find(key) + 1
    return "nothing follows the value: write", line.find(sign.strip()) + 1


def _no_value(raw: str, line: str) -> Correction:
    if raw:
        return Correction(
            line.find(raw) + 1, "there is no word for nothing: leave the line out, or put # before it", f"# {line}"
        )
    return Correction(len(line) + 1, "there is no value: write one after the =, or put # before the line", f"# {line}")


def _code(line: str) -> tuple[str, str]:
    """Return a line without a comment of another language, and the sign that begins it; empty: there is none."""
    found = _OTHER_COMMENT.search(without_strings(line))
    return (line, "") if found is None else (line[: found.start()], found.group().strip())


def _first_of_two(value: str) -> tuple[str, str]:
    """Return a value, and the key of a second `key = value` behind it; empty: there is none."""
    found = None if value.startswith("{") else _SECOND_KEY.search(without_strings(value), 1)
    return (value, "") if found is None else (value[: found.start()], found.group().strip(" ,;="))


def parted(text: str) -> tuple[str, str, str]:
    """Return key, sign and value of a line, also if the sign is another one, missing or doubled."""
    if (found := re.match(rf"{_KEY}{_SIGN}(?P<value>.*)$", text)) is not None:
        return found["key"], found["sign"], found["value"]
    before, sign, after = text.partition("=")
    if sign:
        return before.strip(), sign, after
    first, _, rest = re.sub(r"\s+", " ", text).partition(" ")
    return first, "", rest


def _key_name(key: str, keys: FileKeys) -> str | None:
    """Return the key as it should be written; None: this is no key."""
    bare = key.strip().strip("\"'`")
    joined = re.sub(r"[\s-]+", "_", unicodedata.normalize("NFKC", bare)).lower()
    if bare.rpartition(".")[2] in keys.rules and re.fullmatch(r"[A-Za-z0-9_.-]+", bare):
        return bare
    if joined in keys.rules:
        return joined
    return bare if _BARE.fullmatch(bare) else likely_key(joined, tuple(keys.rules))


def _value(value: str, key: str, rules: tuple[Rule, ...]) -> tuple[str, str | None]:
    """Return a value as it should be written, and what was wrong; None: nothing, or only what is around it."""
    right, message = _toml_value(value, key)
    if rules and not _accepted(right, rules) and (meant := value_meant(value, key, rules)) is not None:
        return meant
    return right, message


def _refusal(value: str, name: str, rule: Rule) -> str:
    """Return what is allowed; of a text also why this one is not."""
    if rule.schema().get("type") == "string":
        try:
            rule.read(value.strip("\"'"))
        except InvalidValueError as refusal:
            return str(refusal)
    return f"use {rule.allowed}: {name} = …"


def _accepted(value: str, rules: tuple[Rule, ...]) -> bool:
    try:
        read = tomllib.loads(f"value = {value}")["value"]
    except (ValueError, RecursionError):
        return False
    for rule in rules:
        try:
            rule.read(read)
        except InvalidValueError:
            continue
        return True
    return False


def _toml_value(value: str, key: str) -> tuple[str, str | None]:
    """Return a value in TOML notation by its look alone."""
    lower = value.lower().strip("\"'")
    if value[0] in "\"'" or value[-1] in "\"'":
        return _text(value)
    if value.startswith("[") or value.endswith("]"):
        return _list(value)
    return _word_or_number(value, lower, key)


def _word_or_number(value: str, lower: str, key: str) -> tuple[str, str | None]:
    if lower in ("true", "yes", "on", "false", "no", "off") and value not in ("true", "false"):
        return (
            str(BOOLEANS[lower]).lower(),
            "true or false is written in small letters, without quotation marks: write",
        )
    if re.fullmatch(r"[-+]?\d+(?:\.\d+)?,?", value) and not re.fullmatch(r"0\d+", value):
        return value.rstrip(","), None
    if re.fullmatch(r"\d+(?:\s*[+/&,]\s*\d+)+", value) and not re.fullmatch(r"\d+,\d+", value):
        return f"[{', '.join(re.findall(r'[0-9]+', value))}]", "several numbers need brackets: write"
    if value[0].isdigit() and (meant := next(number_meant(value, key), None)) is not None and _is_number_only(value):
        return f"{meant[0]}", meant[1]
    return f'"{value}"', "a text needs straight quotation marks: write"


def _is_number_only(value: str) -> bool:
    """Return whether a value is a number with a unit or a decimal comma, and not a text that begins with a number."""
    return re.fullmatch(r"[\d.,]+\s*[A-Za-z%]*\.?", value) is not None


def _text(value: str) -> tuple[str, str | None]:
    """Return a text with its quotation marks."""
    if QUOTED.fullmatch(value.rstrip(",")):
        return value.rstrip(","), None
    inside = value.rstrip(",").strip("\"'").replace('"', "'")
    return f'"{inside}"', "a text begins and ends with a straight quotation mark: write"


def _list(value: str) -> tuple[str, str | None]:
    """Return a list with its brackets."""
    items = [item.strip() for item in value.strip("[] ").replace(";", ",").split(",") if item.strip()]
    fixed = f"[{', '.join(items)}]"
    return fixed, None if fixed == value else "a list needs brackets, with commas between: write"


def uncommented(line: str) -> str:
    """Return a line without its comment."""
    hidden = without_strings(line)
    return line[: hidden.index("#")].rstrip() if "#" in hidden else line.rstrip()


def without_strings(line: str) -> str:
    """Return the line with the content of its strings blanked: the same length."""
    return QUOTED.sub(lambda found: found.group()[0] + " " * (len(found.group()) - 2) + found.group()[-1], line)
