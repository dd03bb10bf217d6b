"""The broker's address of the last connection, in the state folder.

It serves a cold start during an outage in which the broker's name cannot be looked up: the resolver is often on the
internet, the broker is not.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from controller.storage import atomic_file

if TYPE_CHECKING:
    from pathlib import Path

FILE = "broker-address.json"


def load(state_dir: Path, host: str) -> str | None:
    """Return the numeric address that this host name had; None if it is not known."""
    try:
        saved = json.loads(atomic_file.read(state_dir / FILE))
    except (OSError, ValueError):
        return None
    address = saved.get("address") if isinstance(saved, dict) and saved.get("host") == host else None
    return address if isinstance(address, str) else None


def save(state_dir: Path, host: str, address: str) -> None:
    """Save the address if it is another one than before. Raises OSError."""
    if load(state_dir, host) != address:
        text = json.dumps({"host": host, "address": address}) + "\n"
        atomic_file.write(state_dir / FILE, text, mode=0o640)
