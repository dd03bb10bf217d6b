"""The broker: its address and login, and the errors of a connection to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

# The handshake is computed by the broker, possibly on a Pi.
HANDSHAKE_S = 5.0


class BrokerError(Exception):
    """The broker cannot be reached, refused the connection, or closed it. The text states what to do."""


@dataclass(frozen=True, slots=True)
class Broker:
    """Address and login of the broker. `ca_file`: if set, the connection uses TLS. `version`: MQTT version."""

    host: str = "127.0.0.1"
    port: int = 1883
    username: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    version: Literal["5", "3.1.1"] = "5"

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def password(self) -> str | None:
        """Return the content of the password file; None if there is none. Raises BrokerError if it cannot be read."""
        if self.password_file is None:
            return None
        try:
            password = decoded(self.password_file.read_bytes()).strip()
        except (OSError, ValueError) as error:
            why, do = _why_unreadable(error)
            raise BrokerError(f"cannot read the broker's password from {self.password_file}: {why}: {do}") from error
        if not password:
            raise BrokerError(f"the broker's password file {self.password_file} is empty: write the password into it")
        return password


def _why_unreadable(error: OSError | ValueError) -> tuple[str, str]:
    """Return why a password file cannot be read, and what to do."""
    if isinstance(error, ValueError):
        return "it is not UTF-8 text", "save it as UTF-8"
    if isinstance(error, PermissionError):
        do = "it is readable by root and the group loadshed only: run the same command with sudo"
    else:
        do = "write it there, readable by user loadshed"
    return error.strerror or str(error), do


def decoded(content: bytes) -> str:
    """Return the text of a file that an editor of any system has saved: with a byte-order mark or without.

    Raises ValueError if it is no text.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    if b"\0" in content:
        return content.decode("utf-16-le" if content[1:2] == b"\0" else "utf-16-be")
    return content.decode("utf-8-sig")


class UnusableAddressError(BrokerError):
    """An address of the broker accepted a connection, and no TLS or MQTT followed. Another address may be better."""
