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
MODBUS_TCP = "tcp+modbus://"
GATEWAYS = ("tcp://", MODBUS_TCP)
"""Beginnings of the address of a gateway: RTU frames over TCP, or Modbus TCP."""


class Connect(Protocol):
    """Attach a protocol to a transport other than a port of this machine: a simulated line."""

    async def __call__(
        self, protocol: Callable[[], asyncio.BaseProtocol], /
    ) -> tuple[asyncio.BaseTransport, asyncio.BaseProtocol]: ...


def open_error(port: str) -> str:
    """Return the likely reason why a port could not be opened. Sends nothing on the line."""
    if port.startswith(GATEWAYS):
        return f"{urlsplit(port).netloc} does not accept connections: check the gateway's power, address and port"
    if not Path(port).exists():
        return f"{port} does not exist: {_what_is_there()}"
    if not os.access(port, os.R_OK | os.W_OK):
        return f"no permission to use {port}: add the user to the group dialout, then log in again"
    if not _is_terminal(port):
        return f"{port} is not a serial port"
    return f"{port} is in use by another program (possibly the controller): stop that first"


def _is_terminal(port: str) -> bool:
    """Return whether a path is a serial port or a pseudo-terminal; also if another program holds it."""
    if not Path(port).is_char_device():
        return False
    try:
        descriptor = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:
        return True  # in use, or its adapter is gone
    try:
        return os.isatty(descriptor)
    finally:
        os.close(descriptor)


def lock_gateway(port: str) -> socket.socket | None:
    """Return a lock on a gateway that no other loadshed program on this machine can hold; None: another holds it.

    A serial port has a lock of its own. A gateway accepts every connection, and two programs that poll at once garble
    each other's responses. The lock is an abstract socket name: it ends with its holder, however that ends, and leaves
    no file.
    """
    claimed = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claimed.bind(f"\0loadshed-meter tcp://{urlsplit(port).netloc}")
    except OSError:
        claimed.close()
        return None
    return claimed


def port_in_use(port: str) -> str | None:
    """Return why a port cannot be used right now; None: it can.

    Opens it for a moment, under the lock that the controller uses, too.
    """
    if port.startswith(GATEWAYS):
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


def is_held(port: str) -> bool:
    """Return whether another program holds a usable port: the controller, for example."""
    if port.startswith(GATEWAYS):
        return port_in_use(port) is not None
    usable = Path(port).exists() and os.access(port, os.R_OK | os.W_OK) and _is_terminal(port)
    return usable and port_in_use(port) is not None


def _what_is_there() -> str:
    by_id = Path("/dev/serial/by-id")
    names = sorted(str(entry) for entry in by_id.iterdir()) if by_id.is_dir() else []
    return "there are " + ", ".join(names) if names else "no serial adapter is plugged in"
