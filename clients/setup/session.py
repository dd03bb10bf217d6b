"""State of all setup steps: both files, earlier results, and the dialog."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from clients.broker_admin.mosquitto import ETC
from clients.setup import config_files, setup_record
from controller.bus.payloads import rfc3339
from controller.config.errors import ConfigErrors
from controller.config.installer import Installer
from controller.config.loader import CIRCUITS_FILE, INSTALLER_FILE, Configuration, Sources
from controller.config.model import (
    BrokerSettings,
    GpioContact,
    OutageSettings,
    RestoreSettings,
    ShedSettings,
    SiteSettings,
    StoreSettings,
)
from controller.runtime import startup
from rules.panel import Panel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from clients.setup.prompt import Prompt
    from clients.setup.setup_record import SetupRecord
    from hw.broker_socket import Broker

DEFAULTS = Installer(
    site=SiteSettings("home"),
    contact=GpioContact("gpio", 17),
    broker=BrokerSettings(),
    shed=ShedSettings(),
    restore=RestoreSettings(),
    meter=None,
    meters={},
    store=StoreSettings(),
    generator=None,
    outage=OutageSettings(),
    exercise=None,
)
"""Defaults of a house without configuration."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Timeouts in seconds.

    `contact_s`: for a contact to move, if no user at a terminal can confirm it. `restore_s`: for a broker that was lost
    while a circuit was off. `restart_s`: for a broker that was just started. `measure_s`: for two ticks of the meter's
    register.
    """

    contact_s: float = 300.0
    restore_s: float = 30.0
    restart_s: float = 15.0
    measure_s: float = 120.0


def _no_command(words: Sequence[str]) -> int:
    raise NotImplementedError(f"no command line to run {words} with")


@dataclass
class SetupSession:
    """A setup session.

    `installer`, `panel`: as on disk now. `mosquitto`: the configuration folder of this machine's broker.

    `run_command`: runs another `loadshed` command and returns its exit code; set by the command line. `examples`: the
    installed example files; an unchanged one counts as not written.
    """

    config_dir: Path
    state_dir: Path
    prompt: Prompt
    installer: Installer = DEFAULTS
    panel: Panel = field(default_factory=lambda: Panel({}))
    seen: SetupRecord = field(default_factory=setup_record.SetupRecord)
    timeouts: Timeouts = field(default_factory=Timeouts)
    mosquitto: Path = ETC
    examples: Path = config_files.EXAMPLES
    run_command: Callable[[Sequence[str]], int] = _no_command
    _copied: set[Path] = field(default_factory=set)

    @classmethod
    def of(
        cls, config_dir: Path, state_dir: Path, person: Prompt, examples: Path = config_files.EXAMPLES
    ) -> SetupSession | ConfigErrors:
        """Return the ground with what both folders hold; or what is wrong in the files, which setup will not guess."""
        read = config_files.read_both(config_dir, examples)
        if isinstance(read, ConfigErrors):
            return read
        installer, panel = read
        return cls(
            config_dir,
            state_dir,
            person,
            installer or DEFAULTS,
            panel or Panel({}),
            setup_record.load(state_dir),
            examples=examples,
        )

    @property
    def configuration(self) -> Configuration:
        """Return what both files say by now; the texts themselves are not in it."""
        return Configuration(self.installer, self.house_panel, Sources("", ""))

    @property
    def site(self) -> str:
        """Return the house's name in topics."""
        return self.installer.site.id

    @property
    def broker(self) -> Broker:
        return startup.broker(self.configuration)

    def read_again(self) -> bool:
        """Load what another program has written into the files; return whether they are valid."""
        read = config_files.read_both(self.config_dir, self.examples)
        if isinstance(read, ConfigErrors):
            self.prompt.say("\n".join(read.sentences))
            return False
        self.installer, self.panel = read[0] or self.installer, read[1] or self.panel
        return True

    def write_installer(self, **tables: object) -> bool:
        """Write these tables of installer.toml; return whether they were right. What is wrong is said."""
        installer = replace(self.installer, **tables)  # type: ignore[arg-type]  # each step names its own
        path = self.config_dir / INSTALLER_FILE
        if not self._write(path, config_files.installer_text(config_files.owners_text(path, self.examples), installer)):
            return False
        self.installer = installer
        return True

    @property
    def house_panel(self) -> Panel:
        """Return the panel as the controller sees it: with the circuits that Leviton's energy monitor sheds."""
        has_companion = self.installer is not None and self.installer.site.companion is not None
        return self.panel.with_companion() if has_companion else self.panel

    def write_panel(self, panel: Panel) -> bool:
        """Write circuits.toml; return whether it was right. What is wrong is said."""
        path = self.config_dir / CIRCUITS_FILE
        if not self._write(path, config_files.circuits_text(config_files.owners_text(path, self.examples), panel)):
            return False
        self.panel = panel
        return True

    def _write(self, path: Path, text: str | ConfigErrors) -> bool:
        if isinstance(text, ConfigErrors):
            self.prompt.say("This cannot be written:\n" + "\n".join(text.sentences))
            return False
        if config_files.text_of(path) == text:
            self.prompt.say(f"{path}: nothing to change.")
            return True
        # The copy is of the file as its owner left it, not of each step between.
        backup = config_files.write(path, text, keep_old=path not in self._copied)
        self._copied.add(path)
        self.prompt.say(f"Written: {path}" + (f" (as it was before: {backup.name})" if backup else ""))
        return True

    def keep(self, seen: SetupRecord) -> None:
        """Keep what was seen."""
        setup_record.save(self.state_dir, seen)
        self.seen = seen


def now_utc() -> str:
    """Return the present moment as it stands in a record."""
    return rfc3339(time.time())
