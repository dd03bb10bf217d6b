"""A small file system of its own for a state folder: to be filled to the last byte without harm to anything else."""

from __future__ import annotations

import errno
import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIZE = "8m"
_BALLAST = "ballast"
_BLOCK = 65536


def may_mount() -> bool:
    """Return whether this process may mount in a private mount namespace."""
    if os.geteuid() != 0:
        return False
    tried = ("unshare", "--mount", "sh", "-c", "mount -t tmpfs none /mnt")
    try:
        return subprocess.run(tried, capture_output=True, check=False, timeout=60).returncode == 0
    except FileNotFoundError:
        return False


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Hold a small file system in this folder."""
    folder.mkdir(parents=True)
    subprocess.run(
        ("mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0755", "none", str(folder)), check=True, timeout=60
    )
    try:
        yield
    finally:
        subprocess.run(("umount", "--lazy", str(folder)), check=True, timeout=60)


def fill(folder: Path) -> None:
    """Take all the room there is."""
    with (folder / _BALLAST).open("ab", buffering=0) as ballast:
        block = _BLOCK
        while block:
            try:
                ballast.write(b"\0" * block)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                block //= 2


def make_room(folder: Path) -> None:
    """Give it back."""
    (folder / _BALLAST).unlink(missing_ok=True)
