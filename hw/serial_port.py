"""Serial port or gateway of the meters, and the reasons why it cannot be opened."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

BAUD = 9600


class Connect(Protocol):
    """Attach a protocol to a transport other than a port of this machine: a simulated line."""

    async def __call__(
        self, protocol: Callable[[], asyncio.BaseProtocol], /
    ) -> tuple[asyncio.BaseTransport, asyncio.BaseProtocol]: ...


def open_error(port: str) -> str:
    """Return the likely reason why a port could not be opened. Sends nothing on the line."""
    if port.startswith("tcp://"):
        return f"{urlsplit(port).netloc} does not accept connections: check the gateway's power, address and port"
    if not Path(port).exists():
        return f"{port} does not exist: {_what_is_there()}"
    if not os.access(port, os.R_OK | os.W_OK):
        return f"no permission to use {port}: add the user to the group dialout, then log in again"
    if not Path(port).is_char_device():
        return f"{port} is not a serial port"
    return f"{port} is in use by another program (possibly the controller): stop that first"


def lock_gateway(port: str) -> socket.socket | None:
    """Return a lock on a gateway that no other loadshed program on this machine can hold; None: another holds it.

    A serial port has a lock of its own. A gateway accepts every connection, and two programs that poll at once garble
    each other's responses. The lock is an abstract socket name: it ends with its holder, however that ends, and leaves
    no file.
    """
    claimed = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claimed.bind(f"\0loadshed-meter {port}")
    except OSError:
        claimed.close()
        return None
    return claimed


def port_in_use(port: str) -> str | None:
    """Return why a port cannot be used right now; None: it can.

    Opens it for a moment, under the lock that the controller uses, too.
    """
    if port.startswith("tcp://"):
        claimed = lock_gateway(port)
        if claimed is None:
            return f"{port} is polled by another program (possibly the controller): stop that first"
        claimed.close()
        return None
    from serial import Serial, SerialException  # noqa: PLC0415 - only commissioning needs it

    try:
        Serial(port, BAUD, exclusive=True).close()
    except SerialException:
        return open_error(port)
    return None


def _what_is_there() -> str:
    by_id = Path("/dev/serial/by-id")
    names = sorted(str(entry) for entry in by_id.iterdir()) if by_id.is_dir() else []
    return "there are " + ", ".join(names) if names else "no serial adapter is plugged in"
