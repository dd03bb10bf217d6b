"""Values that are not TOML, or not what their key takes: what was probably meant, in TOML notation."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from controller.config.errors import to_toml_value
from controller.config.validators import Boolean, EnumValue, InvalidValueError, OneOf, Spaces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from controller.config.validators import Rule

BOOLEANS = {
    **dict.fromkeys(("true", "yes", "on", "y", "1", "enabled", "ja", "wahr", "an", "sí", "si", "oui", "vrai"), True),
    **dict.fromkeys(
        ("false", "no", "off", "n", "0", "disabled", "nein", "falsch", "aus", "non", "faux", "falso"), False
    ),
}
QUOTED = re.compile(r""""(?:\\.|[^"\\])*"|'[^']*'""")
QUOTES = "\"'`´“”„‟«»‹›‘’‚‛「」『』〝〞″′"
_UNIT = re.compile(
    r"([-+]?\d+(?:[.,]\d+)?)\s*(a|amps?|amperes?|kw|w|watts?|s|secs?|seconds?|m|min|minutes?|h|hours?|d|days?|v|%)\.?",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
_ALONE = re.compile(r"[^\w]*[-+]?\d*\.?\d+\.?\s*(?:st|nd|rd|th|er|e|º|ª)?[^\w]*", re.IGNORECASE)
_DURATION = re.compile(r"(?:(\d{1,2}):)?(\d{1,2}):(\d{2})")
_FACTORS = {("_s", "m"): 60.0, ("_s", "h"): 3600.0, ("_h", "m"): 1 / 60, ("_min", "h"): 60.0, ("kw", "w"): 0.001}


def value_meant(raw: str, key: str, rules: tuple[Rule, ...]) -> tuple[str, str] | None:
    """Return the value that was probably meant, in TOML notation, and what was wrong; None: it cannot be guessed.

    `raw`: the value as written, quotation marks and all. `rules`: those of the key, in each table that has it.
    """
    text = unicodedata.normalize("NFKC", raw).strip().strip(QUOTES).rstrip(",;").strip().strip(QUOTES).strip()
    for rule in rules:
        for value, message in _candidates(text, key, rule):
            try:
                rule.read(value)
            except InvalidValueError:
                continue
            return to_toml_value(value), message
    return None


def _candidates(text: str, key: str, rule: Rule) -> Iterator[tuple[object, str]]:
    """Yield what the text may mean for this rule, the likeliest first, each with what is wrong with the text."""
    match rule:
        case Boolean():
            if (word := text.lower().rstrip(".")) in BOOLEANS:
                yield BOOLEANS[word], "true or false is written in small letters, without quotation marks: write"
        case OneOf():
            yield rule.meant(text), "a text needs straight quotation marks: write"
        case EnumValue():
            yield rule.word.meant(text), "a text needs straight quotation marks: write"
        case Spaces():
            numbers = [int(number) for number in re.findall(r"\d+", text)]
            message = "several numbers need brackets: write" if len(numbers) > 1 else "a number stands alone: write"
            yield numbers[0] if len(numbers) == 1 else numbers, message
        case _ if rule.schema().get("type") in ("number", "integer"):
            yield from number_meant(text, key)
        case _:
            yield text, "a text needs straight quotation marks: write"


def number_meant(text: str, key: str) -> Iterator[tuple[float, str]]:
    """Yield the number that a text means, in the unit of its key's name, and what is wrong with the text."""
    if (found := _UNIT.fullmatch(text)) is not None:
        factor = next((factor for (end, unit), factor in _FACTORS.items() if _fits(key, end, found[2], unit)), 1.0)
        yield _plain(float(found[1].replace(",", ".")) * factor), f"a number has no unit ({found[2]}): write"
    if re.fullmatch(r"[-+]?\d+,\d+", text):
        yield _plain(float(text.replace(",", "."))), "a decimal comma is a point here: write"
    if re.fullmatch(r"[-+]?\d{1,3}(?:[.,'’ ]\d{3})+(?:[.,]\d+)?", text):
        whole, _, part = re.sub(r"[.,](\d{1,2})$", r"|\1", text).partition("|")
        yield _plain(float(re.sub(r"[.,'’ ]", "", whole) + "." + (part or "0"))), "a number is written alone: write"
    if key.endswith("_s") and (found := _DURATION.fullmatch(text)) is not None:
        hours, minutes, seconds = (int(part or 0) for part in found.groups())
        yield 3600 * hours + 60 * minutes + seconds, "a time is a number of seconds here: write"
    if re.fullmatch(r"0\d+", text):
        yield int(text), "a number has no zero in front: write"
    if len(numbers := _NUMBER.findall(re.sub(r"^\.(?=\d)", "0.", text))) == 1 and _ALONE.fullmatch(text):
        yield _plain(float(numbers[0])), "a number is written alone: write"


def _fits(key: str, ending: str, unit: str, first: str) -> bool:
    return key.endswith(ending) and unit[0].lower() == first


def _plain(number: float) -> float:
    """Return a whole number as one, so that it is written without `.0`."""
    return int(number) if number == int(number) else round(number, 6)
