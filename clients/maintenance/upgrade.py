"""Steps of an upgrade for a house's files, called by the package's own scripts.

`rehearse`, in the new version, before anything is replaced: are the old files valid for it, and can it migrate the old
databases? It tries that on copies. `copy`: keep the databases as they are. `wait`: for circuits that are switching.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from clients.maintenance.backup import LAYOUTS, BackupError, copy_all, copy_databases
from controller.config.errors import ConfigErrors
from controller.config.loader import load
from controller.storage.schema import UnusableDatabaseError, open_for_writing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clients.bus_client.site import Site

DONE, REFUSED = 0, 1

COPIES = "before-upgrade"
MOST_COPIES = 3

ON_THE_MOVE = ("shedding", "restoring")
LOOK_EACH_S = 2.0
PATIENCE_S = 300.0
"""Time in seconds in which a house restores forty circuits.

Anything longer waits for something, and can be restarted.
"""

# The copy that is tried, what SQLite adds while it changes it, and the copy that is kept.
_ROOM = 4


def main(words: Sequence[str] | None = None) -> int:
    """Do one of the three; return the exit code. What is wrong stands on stderr."""
    parser = argparse.ArgumentParser(prog="loadshed upgrade")
    steps = parser.add_subparsers(required=True, dest="step")
    rehearsing = steps.add_parser("rehearse")
    rehearsing.add_argument("--unused", action="store_true", help="the files are not in use yet: no report")
    _folders(rehearsing, "--config", "--state")
    copying = steps.add_parser("copy")
    copying.add_argument("version", help="the version that wrote them")
    _folders(copying, "--config", "--state")
    waiting = steps.add_parser("wait")
    waiting.add_argument("--patience", type=float, default=PATIENCE_S, metavar="S")
    _folders(waiting, "--config")
    arguments = parser.parse_args(words)
    if arguments.step == "wait":
        return _wait(arguments.config, arguments.patience)
    if arguments.step == "copy":
        return _copy(arguments.config, arguments.state, arguments.version)
    return _report(check_upgrade(None if arguments.unused else arguments.config, arguments.state))


def _folders(parser: argparse.ArgumentParser, *options: str) -> None:
    for option in options:
        parser.add_argument(option, metavar="DIR", type=Path, required=True)


# --- before anything is replaced -------------------------------------------------------------------------------------


def check_upgrade(config_dir: Path | None, state_dir: Path) -> tuple[str, ...]:
    """Return why this version cannot take the house over; nothing is changed. `config_dir`: None to leave it out."""
    against: tuple[str, ...] = ()
    if config_dir is not None:
        read = load(config_dir)
        against = read.sentences if isinstance(read, ConfigErrors) else ()
    return against + _rehearse_databases(state_dir)


def _rehearse_databases(state_dir: Path) -> tuple[str, ...]:
    try:
        size = sum(path.stat().st_size for path in state_dir.glob("*.db*"))
        if size and (free := shutil.disk_usage(state_dir).free) < _ROOM * size:
            needed, there = _ROOM * size // 1_000_000 + 1, free // 1_000_000
            return (f"the disk of {state_dir} has {there} MB left; to copy the databases first takes {needed} MB",)
        with tempfile.TemporaryDirectory(prefix=".rehearsal-", dir=state_dir) as folder:
            for layout in copy_databases(state_dir, Path(folder)):
                open_for_writing(Path(folder), layout).close()
    except UnusableDatabaseError as error:
        return (f"{error}: this version would have to set it aside and create a new one",)
    except (BackupError, OSError, sqlite3.Error) as error:
        return (f"the databases in {state_dir} cannot be taken over: {error}",)
    return ()


def _report(against: Sequence[str]) -> int:
    for sentence in against:
        sys.stderr.write(f"{sentence}\n")
    return REFUSED if against else DONE


# --- before the new one starts ---------------------------------------------------------------------------------------


def _copy(config_dir: Path, state_dir: Path, version: str) -> int:
    if not any((state_dir / layout.file).exists() for layout in LAYOUTS):
        return DONE
    folder = state_dir / COPIES
    try:
        copied = copy_all(config_dir, state_dir, _unused(folder, version))
        remove_old(folder)
    except (BackupError, OSError) as error:
        return _report((f"the databases could not be copied first: {error}",))
    sys.stdout.write(f"kept as they are in {folder}: {', '.join(copied)}\n")
    return DONE


def _unused(folder: Path, version: str) -> Path:
    """Return a folder that is not there yet, for copies of what this version wrote."""
    number = 1
    while (path := folder / f"{version}-{number}").exists():
        number += 1
    return path


def remove_old(folder: Path) -> None:
    """Remove all but the latest copies. Raises OSError."""
    by_age = sorted((path for path in folder.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime_ns)
    for path in by_age[:-MOST_COPIES]:
        shutil.rmtree(path)


def _wait(config_dir: Path, patience_s: float) -> int:
    from clients.bus_client.site import read_site  # noqa: PLC0415  # paho is no part of a rehearsal

    site = read_site(config_dir)
    if isinstance(site, ConfigErrors):
        return DONE
    known = _asker(site)
    if not wait_until_settled(known, patience_s, time.monotonic, time.sleep):
        sys.stdout.write("circuits are still being switched: going on all the same, the new version continues there\n")
    return DONE


def _asker(site: Site) -> Callable[[], str | None]:
    from clients.bus_client.status import fetch_status  # noqa: PLC0415
    from hw.broker_socket import BrokerError  # noqa: PLC0415

    def state() -> str | None:
        try:
            told = asyncio.run(fetch_status(site.broker, site.id))
        except BrokerError:
            return None
        return None if told.trouble is not None or told.state is None else str(told.state.get("state"))

    return state


def wait_until_settled(
    state: Callable[[], str | None], patience_s: float, now: Callable[[], float], pause: Callable[[float], None]
) -> bool:
    """Wait while circuits are being switched; return whether that ended in time.

    `state`: state of the house, None if unknown: then nothing is waited for.
    """
    until, told = now() + patience_s, False
    while (moving := state()) in ON_THE_MOVE:
        if now() >= until:
            return False
        if not told:
            sys.stdout.write(f"circuits are being switched ({moving}): waiting up to {patience_s:.0f} s\n")
            sys.stdout.flush()
            told = True
        pause(LOOK_EACH_S)
    return True
