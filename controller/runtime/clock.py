"""The monotonic clock, which never jumps, and its offset to the wall clock.

A Pi has no battery-backed clock, and no internet in an outage. Everything is therefore decided, ordered and stored by
the monotonic clock and the boot ID; wall time is computed for display.
"""

from __future__ import annotations

import os
import time
from functools import cache
from pathlib import Path

from controller.bus.payloads import rfc3339
from controller.core.views import WallClock

# systemd-timesyncd touches the first once the clock has been set from the network, and loadshed-clock.service the other
# where chrony or another does that; /run is empty at each boot.
SYNCHRONIZED = (Path("/run/systemd/timesync/synchronized"), Path("/run/loadshed-clock/synchronized"))
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# adjtimex(2) returns this while the clock is not synchronized.
TIME_ERROR = 5
# struct timex has 208 bytes on the largest of machines.
TIMEX_BYTES = 512


@cache
def boot_id(source: Path = BOOT_ID) -> str:
    """Return the id of this boot; where the kernel gives none, one of this process alone."""
    try:
        return source.read_text(encoding="ascii").strip()
    except OSError:
        return os.urandom(16).hex()


def monotonic() -> float:
    """Return the monotonic clock in seconds, used for all of the program's times."""
    return time.monotonic()


def offset() -> float:
    """Return what must be added to a monotonic second of this boot to have seconds since 1970."""
    return time.time() - time.monotonic()


def trusted(*synchronized: Path) -> bool:
    """Return whether the wall clock is synchronized: according to a file, or to the kernel if it may be asked."""
    return any(map(_is_there, synchronized or SYNCHRONIZED)) or _kernel_synchronized()


def wall() -> WallClock:
    """Return what the wall clock says now, beside the monotonic one."""
    return WallClock(offset(), trusted())


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except OSError:  # `exists` lets a folder that may not be entered end the program
        return False
    return True


def _kernel_synchronized() -> bool:
    # Imported here: nothing on the way to the first shed asks.
    import ctypes

    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return False
    # All zeros is a query: nothing is set, and no privilege is needed. Refused (-1): unknown.
    answer = int(adjtimex(ctypes.create_string_buffer(TIMEX_BYTES)))
    return 0 <= answer < TIME_ERROR


def json_time(utc_s: float | None, trusted_clock: bool, key: str = "at") -> dict[str, str | None]:
    """Return a moment as it stands in JSON: RFC 3339, and a word beside it until the clock is known to be right.

    `utc_s`: seconds since 1970; None where the boot it was taken in is not known any more.
    """
    at = None if utc_s is None else rfc3339(utc_s)
    return {key: at} if trusted_clock else {key: at, "clock": "untrusted"}
