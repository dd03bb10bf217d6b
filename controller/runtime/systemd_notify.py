"""Words to systemd, such as READY=1 and WATCHDOG=1."""

from __future__ import annotations

import os
import socket


def notify(words: str) -> None:
    """Notify systemd; nothing if systemd did not ask for it, or cannot be reached."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        # An "@" stands for the zero byte of an abstract address.
        name = f"\0{address[1:]}" if address.startswith("@") else address
        sender.setblocking(False)
        try:
            sender.sendto(words.encode(), name)
        except OSError:
            # The watchdog is systemd's own remedy for words that do not arrive.
            return
