"""Types of command-line arguments. An invalid value is rejected with the values that are allowed."""

from __future__ import annotations

import argparse
import math
import re
from typing import TYPE_CHECKING

from controller.config.addresses import METER_PORT
from controller.config.validators import InvalidValueError
from hw.models import UnknownModel, parse

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_KWH = 999_999.9
"""Highest value of the meter's energy register; it then rolls over to 0."""


def text(words: str) -> str:
    """Return a text for the log. It must be readable: a byte that is no UTF-8 is refused."""
    try:
        # In the locale C, Python does not decode UTF-8 on the command line: its bytes are surrogates.
        return words.encode(errors="surrogateescape").decode()
    except UnicodeError:
        raise argparse.ArgumentTypeError("this text is not valid UTF-8: type it again, or use plain letters") from None


def port(text: str) -> str:
    """Return a serial device or the address of a gateway."""
    try:
        return METER_PORT.read(text)
    except InvalidValueError as refusal:
        raise argparse.ArgumentTypeError(f"{text}: {refusal}") from None


def _integer(lowest: int, highest: int) -> Callable[[str], int]:
    """Return a function that parses an integer within these limits."""

    def parse_integer(text: str) -> int:
        if re.fullmatch(r"[0-9]{1,5}", text, re.ASCII) is None or not lowest <= int(text) <= highest:
            raise argparse.ArgumentTypeError(f"{text}: use {lowest} to {highest}")
        return int(text)

    return parse_integer


def non_negative(text: str) -> float:
    """Return a finite number, 0 or more."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise argparse.ArgumentTypeError(f"{text}: use a number, 0 or more")
    return number


def duration(text: str) -> float:
    """Return seconds. The text is a number with `s`, `min`, `h` or no unit: `90`, `60s`, `5min`, `1h`."""
    found = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,3})?) ?(s|min|h|)", text, re.ASCII)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text}: use a time such as 90s, 5min or 1h")
    return float(found[1]) * {"": 1.0, "s": 1.0, "min": 60.0, "h": 3600.0}[found[2]]


def load(text: str) -> tuple[str, float]:
    """Return the name of a circuit and its power in kW."""
    circuit, _, kw = text.partition("=")
    try:
        return circuit, non_negative(kw)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(f"{text}: use a circuit's name and its kW, as in hot-tub=6.0") from None


def model(text: str) -> str:
    """Return the model number of an existing meter."""
    if isinstance(parsed := parse(text), UnknownModel):
        raise argparse.ArgumentTypeError(f"{text}: {'; '.join(parsed.reasons)}")
    return text


def kwh(text: str) -> float:
    """Return a value that fits the meter's energy register."""
    if (energy_kwh := non_negative(text)) > MAX_KWH:
        raise argparse.ArgumentTypeError(f"{text}: the register's highest value is {MAX_KWH} kWh")
    return energy_kwh


device_id = _integer(1, 247)
tcp_port = _integer(0, 65_535)
twins = _integer(1, 9)
