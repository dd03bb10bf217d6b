"""Broker and site of a house: what the commands beside the daemon need of its files."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clients.terminal.times import use_local_time
from controller.config.errors import ConfigErrors
from controller.config.loader import (
    CIRCUITS_FILE,
    INSTALLER_FILE,
    Configuration,
    Sources,
    parse_installer,
    read_file,
)
from controller.runtime import startup
from rules.panel import Panel

if TYPE_CHECKING:
    from pathlib import Path

    from controller.config.installer import Installer
    from hw.broker_socket import Broker

_NO_METER_POLL_S = 5.0


@dataclass(frozen=True, slots=True)
class Site:
    """One house on the bus. `poll_s`: how often its meter is asked. `generator_kw`: its rating; None where not written.

    `circuits`: ids in circuits.toml, if it can be read.
    `inverted`: its contact is open on utility, so that a cut wire reads as utility.
    """

    id: str
    broker: Broker
    poll_s: float = _NO_METER_POLL_S
    generator_kw: float | None = None
    inverted: bool = False
    circuits: tuple[str, ...] = ()


def read_site(config_dir: Path) -> Site | ConfigErrors:
    """Return the site of a folder, or all that is wrong in installer.toml; a typo in circuits.toml is no matter."""
    installer = read_installer_file(config_dir)
    if isinstance(installer, ConfigErrors):
        return installer
    use_local_time(installer)
    broker = startup.broker(Configuration(installer, Panel({}), Sources("", "")))
    return Site(
        installer.site.id,
        broker,
        poll_s=installer.meter.poll_s if installer.meter else _NO_METER_POLL_S,
        generator_kw=installer.generator.kw if installer.generator else None,
        inverted=installer.contact.normally == "open",
        circuits=_circuit_ids(config_dir),
    )


def _circuit_ids(config_dir: Path) -> tuple[str, ...]:
    """Return the ids in circuits.toml; none if the file cannot be read."""
    text = read_file(config_dir.absolute() / CIRCUITS_FILE)
    try:
        circuits = {} if isinstance(text, ConfigErrors) else tomllib.loads(text).get("circuits")
    except tomllib.TOMLDecodeError:
        return ()
    return tuple(circuits) if isinstance(circuits, dict) else ()


def read_installer_file(config_dir: Path) -> Installer | ConfigErrors:
    """Return what installer.toml in a folder says, or all that is wrong in it."""
    text = read_file(config_dir.absolute() / INSTALLER_FILE)
    return text if isinstance(text, ConfigErrors) else parse_installer(text)
