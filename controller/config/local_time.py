"""Local times for people: in the house's time zone, on a 12-hour or a 24-hour clock. Machine formats use UTC."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Literal

TWELVE_HOUR_LOCALES = ("en_US", "es_US", "en_CA", "en_AU", "en_NZ", "en_IN", "en_PH", "es_MX", "es_PR")
"""Locales whose usual clock has 12 hours (Unicode CLDR, preferred hour cycle h)."""

_LOCALE_VARIABLES = ("LC_ALL", "LC_TIME", "LANG")


@dataclass(frozen=True, slots=True)
class LocalTime:
    """Writes times for people. `zone`: None: the machine's time zone. `twelve_hours`: 6:06 PM instead of 18:06."""

    zone: tzinfo | None = None
    twelve_hours: bool = False

    @classmethod
    def of(cls, zone: str | None, clock: Literal["12h", "24h"] | None) -> LocalTime:
        """Return the local time for these settings; None: the system's. An unknown zone counts as the system's."""
        return cls(_zone(zone), _system_has_twelve_hours() if clock is None else clock == "12h")

    def at(self, utc_s: float) -> datetime:
        """Return a time in the house's zone. `utc_s`: seconds since 1970."""
        return datetime.fromtimestamp(utc_s, UTC).astimezone(self.zone)

    def short(self, utc_s: float) -> str:
        """Return `6:06 PM` or `18:06`."""
        at = self.at(utc_s)
        return f"{at:%I:%M %p}".lstrip("0") if self.twelve_hours else f"{at:%H:%M}"

    def time_of_day(self, utc_s: float) -> str:
        """Return `6:06:20 PM EDT` or `18:06:20 EDT`."""
        at = self.at(utc_s)
        text = f"{at:%I:%M:%S %p}".lstrip("0") if self.twelve_hours else f"{at:%H:%M:%S}"
        return f"{text} {at:%Z}"

    def date_and_time(self, utc_s: float) -> str:
        """Return `Mon 21 Sep 2026, 6:06:20 PM EDT`, or with 18:06:20."""
        return f"{self.at(utc_s):%a %d %b %Y}, {self.time_of_day(utc_s)}"


def is_known_zone(name: str) -> bool:
    """Return whether the system knows a time zone of this name."""
    return _zone(name) is not None


def _zone(name: str | None) -> tzinfo | None:
    if name is None:
        return None
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415  # cold start: few houses name their zone

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _system_has_twelve_hours() -> bool:
    """Return whether the locale of this process has a 12-hour clock; the first variable that is set decides."""
    chosen = next((value for name in _LOCALE_VARIABLES if (value := os.environ.get(name))), "")
    return chosen.startswith(TWELVE_HOUR_LOCALES)
