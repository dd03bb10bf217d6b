"""Bundle for a bug report: version, configuration, events and state; no secrets."""

from __future__ import annotations

import asyncio
import io
import json
import platform
import shutil
import sqlite3
import subprocess
import tarfile
import time
from collections import deque
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING

from clients.bus_client.check import describe
from clients.bus_client.check_view import description_text
from clients.bus_client.named_files import unreadable_files
from clients.bus_client.site import read_site
from clients.bus_client.status import HouseStatus, fetch_status, status_fields
from clients.maintenance.readiness import assess
from clients.maintenance.readiness_facts import Installation, collect_facts
from clients.maintenance.readiness_view import readiness_text
from clients.maintenance.redaction import errors_without_secrets, file_without_secrets, without_secrets
from clients.reports.export import outages_json
from controller.bus.payloads import rfc3339
from controller.config.errors import ConfigErrors
from controller.config.history import last_valid
from controller.config.loader import CIRCUITS_FILE, FILE_KEYS, INSTALLER_FILE, Configuration, load
from controller.storage.atomic_file import write_bytes
from controller.storage.log_reader import EventLog
from controller.storage.schema import LEDGER, SAMPLES, UnusableDatabaseError, open_for_reading
from hw.broker_socket import BrokerError, decoded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

LAST_EVENTS = 5000
JOURNAL_LINES = 2000
_WHAT = {
    "versions.txt": "this program, Python, the libraries beside it, the machine, its system, the broker",
    "config/": "both configuration files without comments and unknown keys, which may hold secrets. User names stay",
    "check.txt": "what `loadshed check` says",
    "status.json": "what `loadshed status --json` says",
    "readiness.txt": "what `loadshed ready` says",
    "events.jsonl": f"the last {LAST_EVENTS} events of the log, with the names and notes of people who asked",
    "outages.json": "every outage",
    "databases.txt": "whether the databases are whole, and how large",
    "files.txt": "names, sizes and dates of the files in the state folder and the configuration folder",
    "journal.txt": f"the last {JOURNAL_LINES} lines of the service's journal, if readable",
}


@dataclass(frozen=True, slots=True)
class Folders:
    """Folders of a house."""

    config: Path
    state: Path


def write_bundle(folders: Folders, out: Path) -> tuple[str, ...]:
    """Write the bundle, for its owner's eyes alone, and return what is in it, a line each. Raises OSError."""
    parts = dict(_parts(folders))
    inside = _inside(parts)
    parts["README.txt"] = _readme(parts)
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, text in parts.items():
            data = without_secrets(text).encode("utf-8", "replace")
            entry = tarfile.TarInfo(f"loadshed-support/{name}")
            entry.size, entry.mtime, entry.mode = len(data), int(time.time()), 0o600
            tar.addfile(entry, io.BytesIO(data))
    write_bytes(out, file.getvalue(), mode=0o600)
    return inside


def _readme(parts: Mapping[str, str]) -> str:
    head = "What `loadshed support-bundle` collected. Password files and keys are not in it."
    return "\n".join((head, "", *_inside(parts), ""))


def _inside(parts: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f"{name}: {_WHAT.get(name) or _WHAT['config/']}" for name in parts)


# --- what is collected -----------------------------------------------------------------------------------------------


def _parts(folders: Folders) -> Iterator[tuple[str, str]]:
    """Yield each file of the bundle; what cannot be had says why instead."""
    configuration = load(folders.config)
    yield "versions.txt", _versions()
    for name in (INSTALLER_FILE, CIRCUITS_FILE):
        yield f"config/{name}", _configuration_file(folders.config / name)
    yield "check.txt", _check(configuration, folders.config)
    yield "status.json", _status(folders.config)
    if isinstance(configuration, Configuration):
        yield "readiness.txt", _readiness(configuration, folders)
    yield "events.jsonl", _had(lambda: _events(folders.state))
    yield "outages.json", _had(lambda: _outages(folders.state))
    yield "databases.txt", _databases(folders.state)
    yield "files.txt", "\n".join((*_listing(folders.config), *_listing(folders.state))) + "\n"
    journal = ("--unit=loadshed", f"--lines={JOURNAL_LINES}", "--no-pager", "--output=short-iso")
    yield "journal.txt", _ran("journalctl", *journal)


def _had(get: Callable[[], str], otherwise: str | None = None) -> str:
    """Return what can be had; else the words for that, or the reason."""
    try:
        return get()
    except (OSError, sqlite3.DatabaseError, UnusableDatabaseError) as error:
        return f"cannot be had: {error}\n" if otherwise is None else otherwise


def _file(path: Path, otherwise: str | None = None) -> str:
    return _had(lambda: path.read_text(encoding="utf-8", errors="replace"), otherwise)


def _versions() -> str:
    installed = sorted({f"{one.name} {one.version}" for one in distributions()})
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "?") if Path("/etc/os-release").exists() else "?"
    lines = (
        f"made {rfc3339(time.time())}",
        f"python {platform.python_version()}",
        f"system {system}",
        f"kernel {platform.release()} {platform.machine()}",
        "board " + _file(Path("/proc/device-tree/model"), "no Pi").strip("\0\n"),
        f"broker {_ran('mosquitto', '-h').partition(chr(10))[0]}",
        "",
        *installed,
    )
    return "\n".join(lines) + "\n"


def _configuration_file(path: Path) -> str:
    """Return a configuration file without what may be a secret, whatever its encoding is; or why it cannot be read."""
    try:
        content = path.read_bytes()
    except OSError as error:
        return f"cannot be had: {error}\n"
    try:
        text = decoded(content)
    except ValueError:
        text = content.decode("utf-8", "replace").replace("\0", "")
    return file_without_secrets(text.replace("\r\n", "\n").replace("\r", "\n"), FILE_KEYS[path.name]())


def _errors(errors: ConfigErrors, config_dir: Path) -> str:
    """Return the errors without comments, and without values of keys that this program does not know."""
    lines = [errors_without_secrets(str(error), FILE_KEYS[error.file]()) for error in errors]
    return "\n".join((*lines, f"errors in {config_dir}: {len(errors)}")) + "\n"


def _check(configuration: Configuration | ConfigErrors, config_dir: Path) -> str:
    if isinstance(configuration, ConfigErrors):
        return _errors(configuration, config_dir)
    unreadable = "\n".join(ConfigErrors(unreadable_files(configuration)).sentences)
    return f"{description_text(describe(configuration))}\n{unreadable}\n"


def _status(config_dir: Path) -> str:
    site = read_site(config_dir)
    if isinstance(site, ConfigErrors):
        return "the configuration is wrong\n"
    told = HouseStatus()
    try:
        told = asyncio.run(fetch_status(site.broker, site.id, site.circuits))
        reason = told.trouble
    except BrokerError as error:
        reason = str(error)
    return json.dumps(status_fields(site, told, reason, time.time()), indent=2, ensure_ascii=False) + "\n"


def _readiness(configuration: Configuration, folders: Folders) -> str:
    site = read_site(folders.config)
    if isinstance(site, ConfigErrors):
        return "the configuration is wrong\n"
    return readiness_text(assess(asyncio.run(collect_facts(Installation(configuration, site, folders.state))))) + "\n"


def _events(state_dir: Path) -> str:
    with EventLog(state_dir) as log:
        events = deque(log.events(), LAST_EVENTS)
    lines = (
        json.dumps(
            {
                "at": None if event.at.utc_s is None else rfc3339(event.at.utc_s),
                "trusted": event.at.trusted,
                "boot": event.at.moment.boot,
                "mono": event.at.moment.mono,
                "event": event.event,
                "circuit": event.circuit,
                **event.details,
            },
            ensure_ascii=False,
        )
        for event in events
    )
    return "\n".join(lines) + "\n"


def _outages(state_dir: Path) -> str:
    with EventLog(state_dir) as log:
        configuration = last_valid(state_dir)
        return outages_json(list(log.outages()), configuration.panel if configuration else None) + "\n"


def _databases(state_dir: Path) -> str:
    lines = []
    for layout in (LEDGER, SAMPLES):
        try:
            with closing(open_for_reading(state_dir, layout)) as db:
                (whole,) = db.execute("PRAGMA integrity_check(10)").fetchone()
                (version,) = db.execute("PRAGMA user_version").fetchone()
                lines.append(f"{layout.file}: {whole}, version {version}")
        except (OSError, sqlite3.DatabaseError, UnusableDatabaseError) as error:
            lines.append(f"{layout.file}: cannot be read: {error}")
    return "\n".join(lines) + "\n"


def _listing(folder: Path) -> Iterator[str]:
    yield f"{folder}:"
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        try:
            status = path.lstat()
        except OSError:
            continue
        yield f"  {status.st_mode:o} {status.st_size:>10} {rfc3339(status.st_mtime)} {path.relative_to(folder)}"


def _ran(program: str, *words: str) -> str:
    """Return the output of a system program; or why there is none."""
    found = shutil.which(program)
    if found is None:
        return f"there is no {program} here\n"
    try:
        ran = subprocess.run([found, *words], capture_output=True, timeout=20, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{program}: {error}\n"
    return (ran.stdout + ran.stderr).decode("utf-8", "replace")
