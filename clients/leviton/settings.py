"""leviton.toml: where the cloud is, and where the login is kept. Every key has a default; the file may be missing."""
# Annotations are read at run time here, so they are not postponed.

import os
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from controller.config.errors import ConfigErrors, ErrorCollector
from controller.config.loader import read_file
from controller.config.table_reader import note_unknown, read_table
from controller.config.validators import InvalidValueError, TextValue
from controller.runtime.startup import CREDENTIAL
from hw.broker_socket import Broker

FILE = "leviton.toml"
LOGIN_FILE = "login.json"
STATE_FOLDER = Path("/var/lib/loadshed-leviton")
API, SOCKET = "https://my.leviton.com/api", "wss://socket.cloud.leviton.com/"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class CloudAddress:
    """An address with TLS; without TLS on this machine only, for a simulated cloud. `secure`, `plain`: schemes."""

    secure: str
    plain: str

    @property
    def allowed(self) -> str:
        return f"an address that begins with {self.secure}:// ({self.plain}:// is for this machine only)"

    def read(self, value: object) -> str:
        if not isinstance(value, str):
            raise InvalidValueError(f"use {self.allowed}")
        try:
            parts = urlsplit(value)
            good = bool(parts.hostname) and not parts.username and (parts.port is None or parts.port > 0)
        except ValueError:
            raise InvalidValueError(f"use {self.allowed}") from None
        is_plain = parts.scheme == self.plain and parts.hostname in _LOOPBACK
        if not good or not (parts.scheme == self.secure or is_plain):
            raise InvalidValueError(f"use {self.allowed}")
        return value

    def schema(self) -> dict[str, object]:
        return {"type": "string", "pattern": f"^({self.secure}|{self.plain})://"}


@dataclass(frozen=True, slots=True)
class CloudTable:
    """`[cloud]`. `token_file`: absolute path of the stored login; None: in the state folder."""

    api: Annotated[str, CloudAddress("https", "http")] = API
    socket: Annotated[str, CloudAddress("wss", "ws")] = SOCKET
    token_file: Annotated[str | None, TextValue(r"/.*", "an absolute path")] = None


@dataclass(frozen=True, slots=True)
class AccountTable:
    """`[account]`. `email`: proposed by `login`; None: it asks. The password is never stored."""

    email: Annotated[str | None, TextValue(r"[^@\s]+@[^@\s]+", "an e-mail address")] = None


@dataclass(frozen=True, slots=True)
class BridgeBrokerTable:
    """`[broker]`: the bridge's own user at the broker. `username` None: as in installer.toml.

    `password_file`: absolute path; None: the unit's credential `broker.password`, if there is one.
    """

    username: Annotated[str | None, TextValue(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", "a user name of the broker")] = None
    password_file: Annotated[str | None, TextValue(r"/.*", "an absolute path")] = None


@dataclass(frozen=True, slots=True)
class LevitonSettings:
    """The whole file."""

    cloud: CloudTable
    account: AccountTable
    broker: BridgeBrokerTable

    def broker_of(self, house: Broker) -> Broker:
        """Return the broker with the bridge's own login."""
        if self.broker.username is None:
            return house
        credential = Path(os.environ.get("CREDENTIALS_DIRECTORY", "/nonexistent")) / CREDENTIAL
        own = Path(self.broker.password_file) if self.broker.password_file else credential
        password_file = own if self.broker.password_file or credential.exists() else None
        return replace(house, username=self.broker.username, password_file=password_file)

    def login_file(self, state_folder: Path) -> Path:
        """Return where the login is stored."""
        return Path(self.cloud.token_file) if self.cloud.token_file else state_folder / LOGIN_FILE


def read_settings(config_dir: Path) -> LevitonSettings | ConfigErrors:
    """Return the settings of a folder; the defaults if it has no such file; or all errors in the file."""
    path = config_dir.absolute() / FILE
    if not path.exists():
        return LevitonSettings(CloudTable(), AccountTable(), BridgeBrokerTable())
    text = read_file(path)
    return text if isinstance(text, ConfigErrors) else parse_settings(text)


def parse_settings(text: str) -> LevitonSettings | ConfigErrors:
    """Return the settings of a text, or all errors in it."""
    notes = ErrorCollector(FILE, text)
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        notes.add_table((), f"is not valid TOML: {error}")
        return ConfigErrors(notes.sorted())
    note_unknown(raw, ("cloud", "account", "broker"), (), notes, {"password": "is never stored: leave this line out"})
    cloud = read_table(CloudTable, raw.get("cloud", {}), ("cloud",), notes, {})
    elsewhere = {"password": "is never stored: leave this line out, and run `loadshed leviton login`"}
    account = read_table(AccountTable, raw.get("account", {}), ("account",), notes, elsewhere)
    broker = read_table(BridgeBrokerTable, raw.get("broker", {}), ("broker",), notes, {})
    if cloud is None or account is None or broker is None or notes.found:
        return ConfigErrors(notes.sorted())
    return LevitonSettings(cloud, account, broker)
