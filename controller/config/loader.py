"""Both configuration files → what the program works by, or all that is wrong in them."""

from __future__ import annotations

import stat
import tomllib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from controller.config.circuits import read_circuits, with_devices
from controller.config.errors import ConfigError, ConfigErrors, ErrorCollector
from controller.config.installer import Installer, read_installer
from controller.config.model import CONTACTS, SINGLE_TABLES, CircuitSettings, ExtraMeterSettings
from controller.config.table_reader import FileKeys
from rules.panel import ShedBy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from controller.config.model import (
        BrokerSettings,
        ContactSettings,
        GeneratorSettings,
        MeterSettings,
        RestoreSettings,
        ShedSettings,
        SiteSettings,
        StoreSettings,
    )
    from rules.panel import Panel

INSTALLER_FILE = "installer.toml"
CIRCUITS_FILE = "circuits.toml"
# A thousand circuits written at length are a quarter of this.
MAX_BYTES = 1_000_000

_SAVE_AS_UTF8 = "save it as UTF-8"


def _device_tables() -> dict[str, tuple[type[object], ...]]:
    """Return the tables of families and profiles."""
    from controller.config.families import family_tables, profile_tables  # noqa: PLC0415  # only for a wrong file

    return {"families": family_tables(), "profiles": profile_tables()}


FILE_KEYS: dict[str, Callable[[], FileKeys]] = {
    INSTALLER_FILE: lambda: FileKeys(
        {name: (table,) for name, table in SINGLE_TABLES.items()}
        | {"contact": (*CONTACTS.values(),), "meters": (ExtraMeterSettings,)}
        | _device_tables()
    ),
    CIRCUITS_FILE: lambda: FileKeys({"circuits": (CircuitSettings,)}),
}
"""Tables and keys of each file, made when they are needed."""

Table = TypeVar("Table")


@dataclass(frozen=True, slots=True)
class Sources:
    """The text of both files, as their owners wrote them."""

    installer: str
    circuits: str


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything both files say. `meter`, `generator`: None where the table was left out."""

    installer: Installer
    panel: Panel
    sources: Sources

    @property
    def site(self) -> SiteSettings:
        return self.installer.site

    @property
    def contact(self) -> ContactSettings:
        return self.installer.contact

    @property
    def broker(self) -> BrokerSettings:
        return self.installer.broker

    @property
    def shed(self) -> ShedSettings:
        return self.installer.shed

    @property
    def restore(self) -> RestoreSettings:
        return self.installer.restore

    @property
    def meter(self) -> MeterSettings | None:
        return self.installer.meter

    @property
    def meters(self) -> Mapping[str, ExtraMeterSettings]:
        return self.installer.meters

    @property
    def store(self) -> StoreSettings:
        return self.installer.store

    @property
    def generator(self) -> GeneratorSettings | None:
        return self.installer.generator


def load(config_dir: Path) -> Configuration | ConfigErrors:
    """Return the configuration of a folder, or every mistake of both its files."""
    installer = read_file(config_dir / INSTALLER_FILE)
    circuits = read_file(config_dir / CIRCUITS_FILE)
    if isinstance(installer, str) and isinstance(circuits, str):
        return parse(Sources(installer, circuits))
    # One file cannot be read: what is wrong in the other is said all the same.
    first = parse_installer(installer) if isinstance(installer, str) else installer
    second = parse_circuits(circuits) if isinstance(circuits, str) else circuits
    return joined(first, second)


def parse(sources: Sources) -> Configuration | ConfigErrors:
    """Return the configuration that two texts make, or every mistake in them."""
    installer = parse_installer(sources.installer)
    panel = parse_circuits(sources.circuits)
    if not isinstance(installer, ConfigErrors) and not isinstance(panel, ConfigErrors):
        panel = panel_of_house(panel, installer, sources.circuits)
    if isinstance(installer, ConfigErrors) or isinstance(panel, ConfigErrors):
        return joined(installer, panel)
    return Configuration(installer, panel, sources)


def panel_of_house(panel: Panel, installer: Installer, text: str) -> Panel | ConfigErrors:
    """Return the panel with what the house decides: its devices, and which circuits Leviton's energy monitor sheds.

    `text`: of circuits.toml, for the lines of errors.
    """
    notes = ErrorCollector(CIRCUITS_FILE, text)
    panel = with_devices(panel, installer.devices, notes)
    if installer.site.companion is None:
        for circuit in panel:
            if circuit.shed_by is ShedBy.PANEL:
                says = f'only in a house with [site] companion = "lwhem-2" in {INSTALLER_FILE}'
                notes.add(("circuits", circuit.id, "shed_by"), says, circuit.shed_by.value)
    else:
        panel = panel.with_companion()
    return ConfigErrors(notes.sorted()) if notes.found else panel


def reload_circuits(configuration: Configuration, config_dir: Path) -> Configuration | ConfigErrors:
    """Return the configuration with its circuits read again: a reload. installer.toml is not read."""
    text = read_file(config_dir / CIRCUITS_FILE)
    if isinstance(text, ConfigErrors):
        return text
    panel = parse_circuits(text)
    if not isinstance(panel, ConfigErrors):
        panel = panel_of_house(panel, configuration.installer, text)
    if isinstance(panel, ConfigErrors):
        return panel
    return replace(configuration, panel=panel, sources=replace(configuration.sources, circuits=text))


def parse_installer(text: str) -> Installer | ConfigErrors:
    """Return what installer.toml says, or every mistake in it."""
    return _parsed(INSTALLER_FILE, text, read_installer)


def parse_circuits(text: str) -> Panel | ConfigErrors:
    """Return the panel that circuits.toml describes, or every mistake in it."""
    return _parsed(CIRCUITS_FILE, text, read_circuits)


def joined(*parts: object) -> ConfigErrors:
    """Return the mistakes among these, as one."""
    return ConfigErrors(tuple(mistake for part in parts if isinstance(part, ConfigErrors) for mistake in part))


def read_file(path: Path) -> str | ConfigErrors:
    """Return the text of a configuration file, or why it cannot be read."""
    try:
        content = _content(path)
    except FileNotFoundError:
        return _refused(path.name, f"missing: there is no such file in {path.parent}; write one, or name the folder")
    except NotADirectoryError:
        return _refused(path.name, f"{path.parent} is a file: name the folder that it lies in")
    except OSError as error:
        return _refused(path.name, f"cannot be read from {path.parent}: {error.strerror or error}")
    if isinstance(content, str):
        return _refused(path.name, content)
    return _text(path.name, content)


def _content(path: Path) -> bytes | str:
    """Return a file's content, or an error message if it is not text. Raises OSError."""
    # A pipe would hold the start up for ever.
    if not stat.S_ISREG(path.stat().st_mode):
        return f"is not a file (looked in {path.parent}): a folder or device of this name is in the way"
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    return content if len(content) <= MAX_BYTES else f"is longer than {MAX_BYTES} bytes: this is not ours"


def _text(name: str, content: bytes) -> str | ConfigErrors:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content[:100]:
        return _refused(name, f"is UTF-16 text (Notepad calls it Unicode): {_SAVE_AS_UTF8}", 1, 1)
    if content.startswith(b"\xef\xbb\xbf"):
        return _refused(name, f"begins with a byte-order mark: {_SAVE_AS_UTF8}, without a byte-order mark", 1, 1)
    if content.startswith((b"{\\rtf", b"PK\x03\x04", b"<html", b"<!DOCTYPE")):
        return _refused(name, "is a document of a word processor or a web page: save it as plain text (UTF-8)", 1, 1)
    try:
        # A file saved elsewhere may end its lines in \r\n; old ones in \r alone. The kept copy is plain.
        return content.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        return _refused(name, f"is not UTF-8 text: {_SAVE_AS_UTF8}", line, column)


def _parsed(name: str, text: str, read: Callable[[dict[str, object], ErrorCollector], Table]) -> Table | ConfigErrors:
    """Return what `read` makes of a TOML text, or every mistake in it."""
    try:
        return read(tomllib.loads(text), ErrorCollector(name, text))
    except (ValueError, RecursionError):
        # Imported here: a valid file does not need it.
        from controller.config.toml_mistakes import toml_mistakes  # noqa: PLC0415

    found, corrected = toml_mistakes(name, text, FILE_KEYS[name]())
    if corrected is None:
        return ConfigErrors(found)
    content = read(tomllib.loads(corrected), ErrorCollector(name, corrected))
    return joined(ConfigErrors(found), content)


def _refused(name: str, says: str, line: int | None = None, column: int | None = None) -> ConfigErrors:
    return ConfigErrors((ConfigError(name, says, line, column=column),))
