"""The port meters are reached by, and why it cannot be opened, in words that say what to do."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

BAUD = 9600


def why_closed(port: str) -> str:
    """Return the likely reason why a port that could not be opened is closed. Touches no line."""
    if port.startswith("tcp://"):
        return f"{urlsplit(port).netloc} does not accept connections: check the gateway's power, address and port"
    if not Path(port).exists():
        return f"{port} is not there: {_what_is_there()}"
    if not os.access(port, os.R_OK | os.W_OK):
        return f"no right to use {port}: add the user to the group dialout, then log in anew"
    if not Path(port).is_char_device():
        return f"{port} is no serial port"
    return f"{port} is held by another program (the controller itself?): stop that first"


def held(port: str) -> str | None:
    """Return why a serial port cannot be had right now; None: it can, or it is a gateway, which is not asked.

    Opens it for a moment, under the lock that the controller takes too.
    """
    if port.startswith("tcp://"):
        return None
    from serial import Serial, SerialException  # noqa: PLC0415 - only commissioning needs it

    try:
        Serial(port, BAUD, exclusive=True).close()
    except SerialException:
        return why_closed(port)
    return None


def _what_is_there() -> str:
    by_id = Path("/dev/serial/by-id")
    names = sorted(str(entry) for entry in by_id.iterdir()) if by_id.is_dir() else []
    return "there are " + ", ".join(names) if names else "is the adapter plugged in? No serial adapter is"
