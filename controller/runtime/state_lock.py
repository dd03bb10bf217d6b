"""One program to a state folder: two would write one ledger, and each would undo what the other does."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FILE = "lock"


class HeldError(Exception):
    """Another program holds the folder. The text says what to do."""


class FolderLock:
    """Holds a folder for as long as the process lives; the kernel lets go of it with the process, however it ends.

    Raises HeldError where another holds it. `unheld`: why it could not be taken, where the folder cannot be written:
    that stops no start, for shedding goes on with a dead disk too. None: it is held.
    """

    def __init__(self, folder: Path) -> None:
        self.unheld: str | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = _opened(folder / FILE)
        except OSError as error:
            self.unheld = f"cannot keep a second loadshed off {folder}: {error.strerror or error}"
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            raise HeldError(
                f"another loadshed runs on {folder}: end it first (`systemctl status loadshed`), or give this one a "
                "state folder and a site of its own"
            ) from None
        except OSError as error:
            self.unheld = f"cannot keep a second loadshed off {folder}: {error.strerror or error}"


def _opened(path: Path) -> int:
    """Return the file, open; to hold it, one that is another's need not be written. Raises OSError."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except PermissionError:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
