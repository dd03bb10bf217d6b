"""Numbers, ports and models on the command line: each as what it means, or refused with what is allowed."""

from __future__ import annotations

import argparse
import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_KWH = 999_999.9
"""Where the maker's registers begin anew at 0."""


def port(text: str) -> str:
    """Return a serial device or the address of a gateway."""
    if re.fullmatch(r"/.+|tcp://[^/\s]+:[0-9]{1,5}", text) is None:
        raise argparse.ArgumentTypeError(f"{text}: use a device such as /dev/ttyUSB0, or tcp://host:port")
    return text


def _whole(lowest: int, highest: int) -> Callable[[str], int]:
    """Return what reads a whole number within these limits."""

    def read(text: str) -> int:
        if re.fullmatch(r"[0-9]{1,5}", text, re.ASCII) is None or not lowest <= int(text) <= highest:
            raise argparse.ArgumentTypeError(f"{text}: use {lowest} to {highest}")
        return int(text)

    return read


def amount(text: str) -> float:
    """Return a number of something that there is: finite, and not below 0."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise argparse.ArgumentTypeError(f"{text}: use a number, 0 or more")
    return number


def duration(text: str) -> float:
    """Return seconds: `90`, `60s`, `5min`, `1h`."""
    found = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,3})?) ?(s|min|h|)", text, re.ASCII)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text}: use a time such as 90s, 5min or 1h")
    return float(found[1]) * {"": 1.0, "s": 1.0, "min": 60.0, "h": 3600.0}[found[2]]


def load(text: str) -> tuple[str, float]:
    """Return a circuit's name and its kW."""
    circuit, _, kw = text.partition("=")
    try:
        return circuit, amount(kw)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(f"{text}: use a circuit's name and its kW, as in hot-tub=6.0") from None


def model(text: str) -> str:
    """Return the model number of a meter that was made."""
    from hw.models import NotAModel, parse  # noqa: PLC0415

    if isinstance(meant := parse(text), NotAModel):
        raise argparse.ArgumentTypeError(f"{text}: {'; '.join(meant.reasons)}")
    return text


def kwh(text: str) -> float:
    """Return what may stand in a meter's register."""
    if (energy_kwh := amount(text)) > MOST_KWH:
        raise argparse.ArgumentTypeError(f"{text}: a register ends at {MOST_KWH} kWh")
    return energy_kwh


device_id = _whole(1, 247)
tcp_port = _whole(0, 65_535)
twins = _whole(1, 9)
