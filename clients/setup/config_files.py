"""Both configuration files as setup reads and writes them: kept where they are right, backed up, never half written."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

from clients.setup.toml_writer import table_text, toml_value, with_table
from controller.config.errors import ConfigErrors
from controller.config.loader import CIRCUITS_FILE, INSTALLER_FILE, parse_circuits, parse_installer, read_file
from controller.config.model import (
    BrokerSettings,
    CircuitSettings,
    OutageSettings,
    RestoreSettings,
    ShedSettings,
    StoreSettings,
)
from controller.storage import atomic_file
from rules.panel import Panel

if TYPE_CHECKING:
    from controller.bus.profiles.registry import FamilySettings
    from controller.config.installer import Installer
    from rules.panel import Circuit

EXAMPLES = Path("/usr/share/loadshed/examples")
"""Example files that the package installs into an empty configuration folder, so that `check` has input."""

_INSTALLER_HEAD = """# installer.toml: what the box is wired to. Written by `loadshed setup`, which may be run again.
# Try it with `loadshed check`. What is left out has the default that the README shows.

"""
_CIRCUITS_HEAD = """# circuits.toml: the homeowner's file. A table for each breaker handle. Written by `loadshed setup`.
# After a change: `loadshed check`, then `systemctl reload loadshed`.
#
# tag      "essential" stays on while the generator runs, "nonessential" is switched off at the transfer
# breaker  "gen2" and "relay" are switched off and on by command; "gen1" and "standard" stay on unless you switch them
# rank     1 is kept longest and returned first, 9 is shed first and returned last

"""
_COMMENTS = {
    "site": {"id": 'in every MQTT topic: a-z, 0-9, "-"'},
    "contact": {
        "pin": "BCM number; a dry contact between the pin and ground: never a voltage on the pin",
        "normally": "on utility",
        "settle_s": "contacts bounce for some milliseconds",
    },
    "broker": {"host": "the MQTT broker", "password_file": "the password stands there, not here"},
    "meter": {
        "port": "or tcp://host:port (RTU over TCP), tcp+modbus://host:port",
        "pulse_pin": "its 10 Wh output",
        "pulse_kwh_pin": "its 1 kWh output",
    },
}


def read_both(config_dir: Path, examples: Path = EXAMPLES) -> tuple[Installer | None, Panel | None] | ConfigErrors:
    """Return both files, None for one that does not exist yet; or all errors in the existing ones."""
    installer = _read(config_dir / INSTALLER_FILE, examples)
    circuits = _read(config_dir / CIRCUITS_FILE, examples)
    first = parse_installer(installer) if isinstance(installer, str) else installer
    second = parse_circuits(circuits) if isinstance(circuits, str) else circuits
    if isinstance(first, ConfigErrors) or isinstance(second, ConfigErrors):
        wrong = (part for part in (first, second) if isinstance(part, ConfigErrors))
        return ConfigErrors(tuple(mistake for part in wrong for mistake in part))
    return first, second


def _read(path: Path, examples: Path) -> str | ConfigErrors | None:
    """Return the text that an owner wrote, or why it cannot be read; None: as of `owners_text`."""
    try:
        path.stat()
    except FileNotFoundError:
        return None
    except OSError:
        return read_file(path)  # its error names the reason
    text = read_file(path)
    return None if isinstance(text, str) and text == text_of(examples / path.name) else text


def owners_text(path: Path, examples: Path = EXAMPLES) -> str | None:
    """Return the text that an owner wrote; None if the file does not exist, or is the installed example.

    The example's circuits belong to no real house: they are not offered.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    return None if text == text_of(examples / path.name) else text


# --- installer.toml --------------------------------------------------------------------------------------------------


def installer_text(before: str | None, installer: Installer) -> str | ConfigErrors:
    """Return the file's new text: the owner's, with the changed tables; or the errors in it.

    `before`: the present file; None if there is none.
    """
    whole = _INSTALLER_HEAD + "\n".join(text for text in _tables(installer).values() if text is not None)
    if before is None or isinstance(old := parse_installer(before), ConfigErrors):
        return _if_right(whole)
    text, was = before, _tables(old)
    tables = _tables(installer)
    for name in {**was, **tables}:
        if was.get(name) != tables.get(name):
            text = with_table(text, name, tables.get(name))
    # Written in a form that these few lines do not understand (an inline table, for example): then the file is
    # rewritten.
    return text if parse_installer(text) == installer else _if_right(whole)


def _if_right(text: str) -> str | ConfigErrors:
    parsed = parse_installer(text)
    return parsed if isinstance(parsed, ConfigErrors) else text


def _tables(installer: Installer) -> dict[str, str | None]:
    """Return the text of each table, None for one that is left out; by name, in the order of the file."""
    usual = {
        "broker": BrokerSettings(),
        "shed": ShedSettings(),
        "restore": RestoreSettings(),
        "store": StoreSettings(),
        "outage": OutageSettings(),
    }
    written = {
        "site": installer.site,
        "contact": installer.contact,
        "broker": installer.broker,
        "shed": installer.shed,
        "restore": installer.restore,
        "meter": installer.meter,
        **{f"meters.{name}": meter for name, meter in installer.meters.items()},
        "store": installer.store,
        "generator": installer.generator,
        "outage": installer.outage,
        "exercise": installer.exercise,
        "ups": installer.ups,
    }
    families = {f"families.{name}": _family_text(name, one) for name, one in installer.devices.families.items()}
    return {
        name: None if table is None or (name != "broker" and table == usual.get(name)) else _text(name, table)
        for name, table in written.items()
    } | families


def _family_text(name: str, settings: FamilySettings) -> str:
    confirm = {} if settings.confirm_s is None else {"confirm_s": settings.confirm_s}
    lines = [f"[families.{name}]"]
    for key, value in {**confirm, **settings.values}.items():
        text = json.dumps(value, ensure_ascii=False) if isinstance(value, tuple) else toml_value(value)
        lines.append(f"{key} = {text}")
    return "\n".join(lines) + "\n"


def _text(name: str, table: object) -> str:
    return table_text(name, table, _COMMENTS.get(name, {}))


# --- circuits.toml ---------------------------------------------------------------------------------------------------


def circuits_text(before: str | None, panel: Panel) -> str | ConfigErrors:
    """Return the text that says this: the owner's, with the circuits that changed; or what is wrong with it."""
    whole = _CIRCUITS_HEAD + "\n".join(_circuit_text(circuit) for circuit in panel)
    if before is None or isinstance(old := parse_circuits(before), ConfigErrors):
        return parsed if isinstance(parsed := parse_circuits(whole), ConfigErrors) else whole
    text = before
    for circuit in {**old.circuits, **panel.circuits}:
        if circuit not in panel:
            text = with_table(text, f"circuits.{circuit}", None)
        elif circuit not in old or old[circuit] != panel[circuit]:
            text = with_table(text, f"circuits.{circuit}", _circuit_text(panel[circuit]))
    parsed = parse_circuits(text)
    if isinstance(parsed, Panel) and parsed.circuits == panel.circuits:
        return text
    return parsed if isinstance(parsed := parse_circuits(whole), ConfigErrors) else whole


def _circuit_text(circuit: Circuit) -> str:
    entry = CircuitSettings(
        space=circuit.spaces,
        breaker=circuit.kind,
        tag=circuit.tag,
        name=None if circuit.name == circuit.id else circuit.name,
        amps=circuit.amps,
        rank=circuit.rank,
        min_off_s=circuit.min_off_s,
        restore=circuit.restore,
        override=circuit.override,
        wakes=circuit.wakes,
        protected=circuit.protected,
        shed_by=circuit.shed_by,
        device=None if circuit.device is None else circuit.device.address,
    )
    return table_text(f"circuits.{circuit.id}", entry, {})


# --- the disk --------------------------------------------------------------------------------------------------------


def text_of(path: Path) -> str | None:
    """Return a file's text; None if there is no such file."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def write(path: Path, text: str, mode: int = 0o644, *, keep_old: bool = True) -> Path | None:
    """Write a file so that a power cut leaves the old one or the new one; return where the old one was copied to.

    None: there was none, or it said the same, or it need not be kept. Mode and owner stay; a new file has `mode` and
    its folder's owner. Raises OSError.
    """
    old = path.read_bytes() if path.exists() else None
    if old == text.encode():
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    backup = None
    if old is not None and keep_old:
        backup = _free(path)
        _copy(path, backup)
    atomic_file.rewrite(path, text, new_mode=mode)
    return backup


def _free(path: Path) -> Path:
    stamp, number = time.strftime("%Y%m%d-%H%M%S"), 1
    while (backup := path.with_name(f"{path.name}.{stamp}-{number}.bak")).exists():
        number += 1
    return backup


def _copy(path: Path, backup: Path) -> None:
    """Copy a file as it is, whatever its encoding, with its mode and owner."""
    status = path.stat()
    atomic_file.write_bytes(backup, path.read_bytes(), mode=status.st_mode & 0o777, like=path)
