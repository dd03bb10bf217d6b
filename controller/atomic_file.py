"""Durable files, possibly with secrets: written as a whole or not at all, readable by no more users than necessary."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from controller.storage.schema import sync_folder


def read(path: Path) -> str:
    """Return the content of a file; empty if it does not exist. Raises OSError."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def write(path: Path, text: str, *, mode: int, group: str | None = None) -> None:
    """Write a file so that a reader sees either the old or the new content.

    `group`: may read it besides its owner; ignored if there is no such group, or if the process may not set it. Raises
    OSError.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            _give(name, group)
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _give(name: str, group: str | None) -> None:
    if group is not None and os.geteuid() == 0:
        try:
            shutil.chown(name, group=group)
        except LookupError:
            return
