"""Durable files, possibly with secrets: written as a whole or not at all, readable by no more users than necessary."""

from __future__ import annotations

import os
from contextlib import suppress
from grp import getgrnam
from itertools import count
from pathlib import Path

from controller.storage.schema import sync_folder

_numbers = count(1)


def read(path: Path) -> str:
    """Return the content of a file; empty if it does not exist. Raises OSError."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def write(path: Path, text: str, *, mode: int, group: str | None = None, like: Path | None = None) -> None:
    """Write a text file, in UTF-8, so that a reader and a power cut see either the old or the new content.

    A symbolic link stays, and the file that it points to is written. `group`: may read it besides its owner; ignored
    if there is no such group, or if the process may not set it. `like`: file or folder whose owner the file gets.
    Raises OSError.
    """
    write_bytes(path, text.encode(), mode=mode, group=group, like=like)


def write_bytes(path: Path, content: bytes, *, mode: int, group: str | None = None, like: Path | None = None) -> None:
    """Write a file of any content, as `write` does."""
    target = link_target(path)
    name = target.with_name(f".{target.name}-{os.getpid()}-{next(_numbers)}")
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if like is not None:
                _take_owner(file.fileno(), like)
            _give(file.fileno(), group)
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        name.replace(target)
    except BaseException:
        name.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)


def link_target(path: Path) -> Path:
    """Return the file that a chain of symbolic links ends at, which need not exist; else the path itself.

    Raises OSError if the links go round in a circle.
    """
    if not path.is_symlink():
        return path
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        target.stat()  # a circle: the system's own error names it
    return target


def _take_owner(descriptor: int, like: Path) -> None:
    status = like.stat()
    with suppress(PermissionError):  # not root: the file belongs to this user anyway
        os.fchown(descriptor, status.st_uid, status.st_gid)


def _give(descriptor: int, group: str | None) -> None:
    if group is not None and os.geteuid() == 0:
        with suppress(KeyError):  # there is no such group
            os.fchown(descriptor, -1, getgrnam(group).gr_gid)
