"""What time it is, twice over: the monotonic clock, which never jumps, and what must be added to it to tell the wall's.

A Pi has no clock of its own and no internet in an outage. So everything is decided, ordered and kept by the monotonic
clock and the boot's id; wall time is worked out where a moment is shown.
"""

from __future__ import annotations

import os
import time
from functools import cache
from pathlib import Path

from controller.bus.payloads import rfc3339
from controller.core.views import Wall

# systemd-timesyncd touches the first once the clock has been set from the network, and loadshed-clock.service the other
# where chrony or another does that; /run is empty at each boot.
SYNCHRONIZED = (Path("/run/systemd/timesync/synchronized"), Path("/run/loadshed-clock/synchronized"))
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# adjtimex(2) returns this while nobody keeps the clock right.
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
    """Return the seconds of the clock that all of the program's times are told by."""
    return time.monotonic()


def offset() -> float:
    """Return what must be added to a monotonic second of this boot to have seconds since 1970."""
    return time.time() - time.monotonic()


def trusted(*synchronized: Path) -> bool:
    """Tell whether somebody keeps the wall clock right: a file says so, or the kernel, where it may be asked."""
    return any(map(_is_there, synchronized or SYNCHRONIZED)) or _kernel_synchronized()


def wall() -> Wall:
    """Return what the wall clock says now, beside the monotonic one."""
    return Wall(offset(), trusted())


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except OSError:  # `exists` lets a folder that may not be entered end the program
        return False
    return True


def _kernel_synchronized() -> bool:
    # Imported here: nothing on the way to the first shed asks.
    import ctypes  # noqa: PLC0415

    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return False
    # All zeros is a question: nothing is set, and no privilege needed. Refused (-1): nobody knows.
    answer = int(adjtimex(ctypes.create_string_buffer(TIMEX_BYTES)))
    return 0 <= answer < TIME_ERROR


def told(utc_s: float | None, trusted_clock: bool, key: str = "at") -> dict[str, str | None]:
    """Return a moment as it stands in JSON: RFC 3339, and a word beside it until the clock is known to be right.

    `utc_s`: seconds since 1970; None where the boot it was taken in is not known any more.
    """
    at = None if utc_s is None else rfc3339(utc_s)
    return {key: at} if trusted_clock else {key: at, "clock": "untrusted"}
