"""TCP options of the connection to the broker. Some exist on Linux only, and are left out elsewhere."""

from __future__ import annotations

import socket

# If the broker's machine does not acknowledge bytes for this time, the line is dead (also half-open connections).
UNACKNOWLEDGED_MS = 5000


def for_commands(sock: socket.socket) -> None:
    """Send small messages at once, and detect a dead line soon."""
    _set(sock, "TCP_NODELAY", 1)  # a command is 40 bytes: it must not wait for more
    _set(sock, "TCP_USER_TIMEOUT", UNACKNOWLEDGED_MS)


def hold(sock: socket.socket, *, on: bool) -> None:
    """Let the kernel hold written data, or release it.

    Forty commands then leave as one segment: otherwise each of them wakes the broker separately.
    """
    _set(sock, "TCP_CORK", int(on))


def acknowledge_now(sock: socket.socket) -> None:
    """Make the kernel acknowledge received data now.

    Mosquitto leaves Nagle's algorithm on: while one small message is unacknowledged it holds the next ones back, up
    to 40 ms. The kernel resets this option by itself, so it is set after each read.
    """
    _set(sock, "TCP_QUICKACK", 1)


def _set(sock: socket.socket, option: str, value: int) -> None:
    if (number := getattr(socket, option, None)) is not None:
        sock.setsockopt(socket.IPPROTO_TCP, number, value)
