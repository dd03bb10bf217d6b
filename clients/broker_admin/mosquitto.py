"""Mosquitto set up for a house: its listeners, and its users with their passwords and topics."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clients.broker_admin import acl, certificates, passwords
from clients.broker_admin.acl import CONTROLLER_NAME, Role, User
from controller.storage.atomic_file import read, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clients.broker_admin.acl import TopicLayout

ETC = Path("/etc/mosquitto")
GROUP = "mosquitto"
"""User as which Debian's broker runs: it reads its password file again at each reload."""

PORT, TLS_PORT = 1883, 8883

# Settings in the broker's other files that already define who may connect, and where.
_DECIDED = re.compile(
    r"^\s*(listener|port|bind_address|allow_anonymous|password_file|acl_file|per_listener_settings|plugin|auth_plugin)\b",
    re.MULTILINE,
)

_INCLUDES = re.compile(r"^\s*include_dir\s+\S*conf\.d/?\s*$", re.MULTILINE)

_CONFIGURATION = """\
# Written by `loadshed broker init`: run that again rather than change this file.

# Every client needs a name and a password, also on this machine.
allow_anonymous false
password_file {folder}/passwd
acl_file {folder}/acl

# A command is some forty bytes: it must not wait for more. Forty of them leave together, not in waves of twenty.
set_tcp_nodelay true
max_inflight_messages 100

# Retained device states survive a power cut except for the last seconds (this number). The controller uses its ledger.
autosave_interval 60
"""

_PLAIN = """
listener {port}{address}
"""

_TLS = """
listener {port}
certfile {folder}/{certificate}
keyfile {folder}/{key}
tls_version tlsv1.2
"""


class AccessError(Exception):
    """Raised when a step cannot be done. The text states why, and what to do."""


@dataclass(frozen=True, slots=True)
class Listeners:
    """Listeners for clients outside this machine, which itself always uses `port`, without TLS.

    `names`: the broker's names, for its certificate; empty: no TLS. `plain`: from outside at `port`, too.
    """

    names: tuple[str, ...] = ()
    plain: bool = True
    port: int = PORT
    tls_port: int = TLS_PORT


@dataclass(frozen=True, slots=True)
class MosquittoConfig:
    """The broker's folder."""

    etc: Path = ETC

    @property
    def folder(self) -> Path:
        return self.etc / "loadshed"

    @property
    def configuration(self) -> Path:
        return self.etc / "conf.d" / "loadshed.conf"

    @property
    def authority(self) -> Path:
        return self.folder / certificates.AUTHORITY

    def decided_elsewhere(self) -> tuple[str, ...]:
        """Return the lines about listeners and logins in the broker's other files, each with its file."""
        others = [self.etc / "mosquitto.conf", *sorted((self.etc / "conf.d").glob("*.conf"))]
        found: list[str] = []
        for path in others:
            if path != self.configuration:
                found += [f"{path}: {match[1]}" for match in _DECIDED.finditer(read(path))]
        return tuple(found)

    @property
    def has_tls(self) -> bool:
        """Return whether devices connect with TLS in the present configuration."""
        return "\ncertfile " in read(self.configuration)

    @property
    def is_plain(self) -> bool:
        """Return whether clients outside this machine connect without TLS in the present configuration."""
        first = re.search(r"^listener \d+(.*)$", read(self.configuration), re.MULTILINE)
        return first is not None and not first[1]

    def users(self) -> tuple[User, ...]:
        return acl.users(read(self.folder / "acl"))

    def set_up(self, house: TopicLayout, listening: Listeners, password: str) -> None:
        """Write the broker's files and add the user of the controller. Present users stay.

        Certificates that are there stay as well: every device knows them. Raises AccessError, OSError.
        """
        if decided := self.decided_elsewhere():
            raise AccessError(
                f"this broker is already configured ({'; '.join(decided)}). Remove these lines, or keep them and add "
                "a user for loadshed there (docs/security.md has the topics)"
            )
        main = self.etc / "mosquitto.conf"
        if main.exists() and not _INCLUDES.search(read(main)):
            raise AccessError(f"{main} does not include conf.d. Add this line to it: include_dir {self.etc}/conf.d")
        for folder in (self.folder, self.configuration.parent):
            folder.mkdir(parents=True, exist_ok=True)
        if listening.names and not self.authority.exists():
            certificates.make(self.folder, listening.names, GROUP)
        self.add_user(User(CONTROLLER_NAME, Role.CONTROLLER), password, house)
        write(self.configuration, self._text(listening), mode=0o644)

    def _text(self, listening: Listeners) -> str:
        text = _CONFIGURATION.format(folder=self.folder)
        # The controller's own way in needs neither certificates nor a clock.
        text += _PLAIN.format(port=listening.port, address="" if listening.plain else " 127.0.0.1")
        if listening.names:
            made = {"certificate": certificates.CERTIFICATE, "key": certificates.KEY}
            text += _TLS.format(port=listening.tls_port, folder=self.folder, **made)
        return text

    def add_user(self, user: User, password: str, house: TopicLayout) -> None:
        """Add a user, or replace the one of this name. Raises AccessError, OSError."""
        self._must_be_set_up()
        acl_file, passwd = self.folder / "acl", self.folder / "passwd"
        text = acl.with_user(read(acl_file), user, house)
        # The house may have another name by now, and with it every topic; or its contact has come to the bus.
        for known in acl.users(text):
            text = acl.with_user(text, known, house)
        # What he may do first: with the password alone he could do nothing, and wonder why.
        self._write(acl_file, text)
        self._write(passwd, passwords.with_user(read(passwd), user.name, password))

    def remove_user(self, name: str) -> None:
        """Remove a user. Raises AccessError if there is no user of this name, OSError."""
        acl_file, passwd = self.folder / "acl", self.folder / "passwd"
        if name not in {user.name for user in self.users()}:
            raise AccessError(f"no user {name!r}. `loadshed broker list` shows all users.")
        self._write(passwd, passwords.without_user(read(passwd), name))
        self._write(acl_file, acl.without_user(read(acl_file), name))

    def check_password(self, name: str, password: str) -> bool:
        """Return whether this user and password are accepted."""
        return passwords.matches(read(self.folder / "passwd"), name, password)

    def _must_be_set_up(self) -> None:
        if not self.folder.is_dir():
            raise AccessError("the broker is not set up. Run: sudo loadshed broker init")

    def _write(self, path: Path, text: str) -> None:
        write(path, text, mode=0o640, group=GROUP)


def with_login(installer: str, login: Sequence[str]) -> str:
    """Return installer.toml's text with these lines in its table [broker]."""
    written = "\n".join(login)
    text, found = re.subn(r"^\[broker\][^\n]*$", lambda match: f"{match[0]}\n{written}", installer, flags=re.MULTILINE)
    return text if found else f"{installer.rstrip()}\n\n[broker]\n{written}\n"
