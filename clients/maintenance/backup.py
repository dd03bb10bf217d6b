"""Copies of the state folder: whole at the moment they are taken, with the daemon up or down."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from controller.config.history import FOLDER
from controller.config.loader import CIRCUITS_FILE, INSTALLER_FILE
from controller.storage.atomic_file import write_bytes
from controller.storage.schema import LEDGER, SAMPLES, sync_folder

if TYPE_CHECKING:
    from controller.storage.schema import DatabaseSchema

LAYOUTS = (LEDGER, SAMPLES)


class BackupError(Exception):
    """No whole copy could be made. The text says why, and what to do."""


def copy_databases(state_dir: Path, into: Path) -> tuple[DatabaseSchema, ...]:
    """Copy both databases into an empty folder; return those that there were. Raises BackupError."""
    return tuple(layout for layout in LAYOUTS if _copied(state_dir / layout.file, into / layout.file))


def copy_all(config_dir: Path, state_dir: Path, into: Path) -> tuple[str, ...]:
    """Copy both databases, both files and all that were in force into a new folder; return the names of the copies.

    No password and no key is among them. Raises BackupError, also where the folder is there already.
    """
    for place, option in ((config_dir, "--config"), (state_dir, "--state")):
        if not place.is_dir():
            raise BackupError(f"there is no folder {place}: name the house's own with {option}")
    try:
        into.mkdir(parents=True, mode=0o750)
        names = [layout.file for layout in copy_databases(state_dir, into)]
        for name in (INSTALLER_FILE, CIRCUITS_FILE):
            if (config_dir / name).exists():
                _copy(config_dir / name, into / name)
                names.append(name)
        if (state_dir / FOLDER).is_dir():
            shutil.copytree(state_dir / FOLDER, into / FOLDER, copy_function=_copy)
            names.append(FOLDER)
        sync_folder(into)
    except FileExistsError as error:
        raise BackupError(f"{into} is there already: name a new folder") from error
    except OSError as error:
        what = error.filename or state_dir
        raise BackupError(f"cannot make the copy in {into}: {what}: {error.strerror or error}") from error
    if not names:
        into.rmdir()
        raise BackupError(f"there is nothing to copy in {config_dir} and {state_dir}")
    return tuple(names)


def _copied(source: Path, target: Path) -> bool:
    """Copy one database as of now, and look it over; return whether there was one."""
    if not source.exists():
        return False
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, timeout=5.0)) as old,
            closing(sqlite3.connect(target)) as new,
        ):
            old.backup(new)
            (verdict,) = new.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        raise BackupError(f"{source} cannot be copied: {error}. Are you root, and is there room?") from error
    if verdict != "ok":
        raise BackupError(f"{source} is damaged ({verdict}): its copy is in {target}, for what it is worth")
    _sync(target)
    return True


def _copy(source: str | Path, target: str | Path) -> None:
    write_bytes(Path(target), Path(source).read_bytes(), mode=Path(source).stat().st_mode & 0o777)


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
