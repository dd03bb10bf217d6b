"""History of configurations that were in force, in the state folder: a typo never disarms the house.

Each is a folder of its own, `configuration/000012-8f3a11c2`, with both files as their owners wrote them: they can be
read, and copied back, manually.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from controller.config.errors import ConfigErrors
from controller.config.loader import (
    CIRCUITS_FILE,
    INSTALLER_FILE,
    Configuration,
    Sources,
    load,
    parse,
    parse_circuits,
    parse_installer,
    read_file,
)
from controller.storage import atomic_file
from controller.storage.schema import sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rules.panel import Circuit, CircuitId

FOLDER = "configuration"
# A house retags some circuits a year. A hundred cover years, and take a megabyte at most.
MAX_KEPT = 100
_NAME = re.compile(r"(\d{6,})-([0-9a-f]{8})")
_UNFINISHED = ".new"
KEPT_MODE = 0o644


@dataclass(frozen=True, slots=True)
class StartupConfiguration:
    """Configuration of a start.

    `configuration`: None if the files are invalid and no valid ones were ever in force: end with exit code 78.
    `refused`: errors in the present files. `save_error`: why this configuration could not be saved; None: it is.
    """

    configuration: Configuration | None
    refused: tuple[str, ...] = ()
    save_error: str | None = None


def configuration_for_start(config_dir: Path, state_dir: Path) -> StartupConfiguration:
    """Return the configuration of a start: each file as it is if valid, else as it last was in force."""
    loaded = load(config_dir)
    if isinstance(loaded, Configuration):
        return StartupConfiguration(loaded, save_error=save(state_dir, loaded))
    good = last_valid(state_dir)
    if good is None:
        return StartupConfiguration(None, loaded.sentences)
    mended = _mended(config_dir, good)
    return StartupConfiguration(mended, loaded.sentences, save(state_dir, mended))


def save(state_dir: Path, configuration: Configuration) -> str | None:
    """Save a configuration that is now in force, if it differs from the last one; return why it could not be saved."""
    folder = state_dir / FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        names = _names(folder)
        if names and _read(folder / names[-1]) == configuration.sources:
            return None
        _write(folder, _number(names[-1]) + 1 if names else 1, configuration.sources)
        sync_folder(state_dir)
        for old in names[: max(0, len(names) + 1 - MAX_KEPT)]:
            _remove(folder / old)
    except OSError as error:
        return f"this configuration could not be kept in {folder}: {error.strerror or error}"
    return None


def last_valid(state_dir: Path) -> Configuration | None:
    """Return the configuration that was last in force; None if there is none that this version can read."""
    parsed = (parse(sources) for sources in _kept(state_dir))
    return next((configuration for configuration in parsed if isinstance(configuration, Configuration)), None)


def last_entry(state_dir: Path, circuit: CircuitId) -> Circuit | None:
    """Return a circuit as it last was in force: what is owed keeps its entry, also where the file drops it."""
    for sources in _kept(state_dir):
        panel = parse_circuits(sources.circuits) if circuit in sources.circuits else None
        if panel is not None and not isinstance(panel, ConfigErrors) and circuit in panel:
            return panel[circuit]
    return None


def _mended(config_dir: Path, good: Configuration) -> Configuration:
    """Return the good configuration with that one of the files on disk that is right, if one is."""
    installer, circuits = read_file(config_dir / INSTALLER_FILE), read_file(config_dir / CIRCUITS_FILE)
    if isinstance(installer, ConfigErrors) or isinstance(parse_installer(installer), ConfigErrors):
        installer = good.sources.installer
    if isinstance(circuits, ConfigErrors) or isinstance(parse_circuits(circuits), ConfigErrors):
        circuits = good.sources.circuits
    mended = parse(Sources(installer, circuits))
    return good if isinstance(mended, ConfigErrors) else mended


def _kept(state_dir: Path) -> Iterator[Sources]:
    """Yield what is kept, the newest first; what a crash or the card damaged is left out."""
    folder = state_dir / FOLDER
    try:
        names = _names(folder)
    except OSError:
        return
    for name in reversed(names):
        sources = _read(folder / name)
        if sources is not None:
            yield sources


def _names(folder: Path) -> list[str]:
    return sorted((entry.name for entry in folder.iterdir() if _NAME.fullmatch(entry.name)), key=_number)


def _number(name: str) -> int:
    return int(name.partition("-")[0])


def _read(folder: Path) -> Sources | None:
    """Return both texts; None where they are not what the folder's name was made from."""
    try:
        installer = (folder / INSTALLER_FILE).read_bytes()
        circuits = (folder / CIRCUITS_FILE).read_bytes()
        sources = Sources(installer.decode(), circuits.decode())
    except (OSError, UnicodeDecodeError):
        return None
    return sources if folder.name.endswith(f"-{_sum(sources)}") else None


def _sum(sources: Sources) -> str:
    # Cards lie about what they have written: a name that fits its content is the proof that both files are whole.
    both = f"{sources.installer}\x00{sources.circuits}"
    return f"{zlib.crc32(both.encode()):08x}"


def _write(folder: Path, number: int, sources: Sources) -> None:
    """Write both files so that a crash between any two steps leaves either all of it or nothing under its name."""
    new = folder / _UNFINISHED
    _remove(new)
    new.mkdir()
    atomic_file.write(new / INSTALLER_FILE, sources.installer, mode=KEPT_MODE)
    atomic_file.write(new / CIRCUITS_FILE, sources.circuits, mode=KEPT_MODE)
    new.rename(folder / f"{number:06d}-{_sum(sources)}")
    sync_folder(folder)


def _remove(folder: Path) -> None:
    if not folder.exists():
        return
    for entry in folder.iterdir():
        entry.unlink()
    folder.rmdir()
