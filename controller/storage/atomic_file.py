"""Durable files, possibly with secrets: written as a whole or not at all, readable by no more users than necessary."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from grp import getgrnam
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from controller.storage.schema import sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

_numbers = count(1)


def read(path: Path) -> str:
    """Return the content of a file; empty if it does not exist. Raises OSError.

    A byte that is not UTF-8 becomes a surrogate, which `write` writes as that byte again: the file of another program
    may have any encoding.
    """
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return ""


def write(
    path: Path, text: str, *, mode: int, group: str | None = None, like: Path | None = None, durable: bool = True
) -> None:
    """Write a text file, in UTF-8, so that a reader and a power cut see either the old or the new content.

    A symbolic link stays, and the file that it points to is written. `group`: may read it besides its owner; ignored
    if there is no such group, or if the process may not set it. `like`: file or folder whose owner the file gets.
    `durable`: flush to the disk; False for a file that is soon written again, which would wear an SD card.
    Raises OSError, which names the file.
    """
    write_bytes(path, text.encode(errors="surrogateescape"), mode=mode, group=group, like=like, durable=durable)


def write_bytes(
    path: Path, content: bytes, *, mode: int, group: str | None = None, like: Path | None = None, durable: bool = True
) -> None:
    """Write a file of any content, as `write` does."""
    target = link_target(path)
    with _errors_name(path, target):
        _require_file(target)
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
                if durable:
                    os.fsync(file.fileno())
            name.replace(target)
        except BaseException:
            name.unlink(missing_ok=True)
            raise
        if durable:
            sync_folder(target.parent)


def rewrite(path: Path, text: str, *, new_mode: int = 0o644) -> None:
    """Write a text file with the mode and owner that it has; a new one gets `new_mode` and its folder's owner."""
    target = link_target(path)
    try:
        mode, like = target.stat().st_mode & 0o777, target
    except FileNotFoundError:
        mode, like = new_mode, target.parent
    write(path, text, mode=mode, like=like)


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


@contextmanager
def _errors_name(path: Path, target: Path) -> Iterator[None]:
    """Let an error of the system name the file that was to be written, and not the temporary one beside it."""
    try:
        yield
    except OSError as error:
        no_folder = "" if target.parent.is_dir() else f"there is no folder {target.parent}"
        reason = no_folder or error.strerror or str(error)
        link = "" if target == path else f" (the link points to {target})"
        raise type(error)(error.errno, f"{reason}{link}", str(path)) from error


def _require_file(target: Path) -> None:
    """Refuse a target that is a folder or a device: a file would take its place."""
    with suppress(FileNotFoundError, NotADirectoryError):
        if not stat.S_ISREG(target.stat().st_mode):
            raise OSError(errno.EINVAL, "it is not a file but a folder or a device", str(target))


def _take_owner(descriptor: int, like: Path) -> None:
    status = like.stat()
    with suppress(PermissionError):  # not root: the file belongs to this user anyway
        os.fchown(descriptor, status.st_uid, status.st_gid)


def _give(descriptor: int, group: str | None) -> None:
    if group is not None and os.geteuid() == 0:
        with suppress(KeyError):  # there is no such group
            os.fchown(descriptor, -1, getgrnam(group).gr_gid)
