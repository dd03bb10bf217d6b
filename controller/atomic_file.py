"""Files with secrets in them: written whole or not at all, and never readable by more than they must be."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from controller.storage.schema import sync_folder


def read(path: Path) -> str:
    """Return what stands in a file; nothing where there is none. Raises OSError."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def write(path: Path, text: str, *, mode: int, group: str | None = None) -> None:
    """Write a file so that whoever reads it meanwhile sees the old one or the new, whole.

    `group`: who may read it beside its owner; left out where there is no such group, or where we may not say so.
    Raises OSError.
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
