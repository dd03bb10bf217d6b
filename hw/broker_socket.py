"""Connection to the broker: TCP and TLS.

Nothing here blocks the loop, and every step times out quickly.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from hw.broker_addresses import first_connected

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from hw.broker_addresses import BrokerAddresses

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
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            do = (
                "it is readable by root and the group loadshed only: run the same command with sudo"
                if isinstance(error, PermissionError)
                else "write it there, readable by user loadshed"
            )
            raise BrokerError(f"cannot read the broker's password from {self.password_file}: {why}: {do}") from error
        if not password:
            raise BrokerError(f"the broker's password file {self.password_file} is empty: write the password into it")
        return password


def decoded(content: bytes) -> str:
    """Return the text of a file that an editor of any system has saved: with a byte-order mark or without.

    Raises ValueError if it is no text.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    return content.decode("utf-8-sig")


class UnusableAddressError(BrokerError):
    """An address of the broker accepted a connection, and no TLS or MQTT followed. Another address may be better."""


async def connect(broker: Broker, addresses: BrokerAddresses) -> socket.socket:
    """Return a connected, non-blocking socket; with TLS if the broker has a `ca_file`. Raises BrokerError."""
    try:
        found = await addresses.find()
    except OSError as error:
        trouble = f"the broker's name {broker.host!r} was not found ({error}): write its address in [broker] host"
        raise BrokerError(trouble) from error
    try:
        sock, addresses.connected = await first_connected(found)
    except TimeoutError as error:
        trouble = f"the broker at {broker} does not respond: check that its machine is up, and [broker] host and port"
        raise BrokerError(trouble) from error
    except ConnectionRefusedError as error:
        raise BrokerError(f"no program listens at {broker}: check that the broker is running") from error
    except OSError as error:
        raise BrokerError(f"the broker at {broker} cannot be reached: {error}") from error
    if broker.ca_file is None:
        return sock
    return await _secured(sock, broker, broker.ca_file)


# --- TLS -------------------------------------------------------------------------------------------------------------


async def _secured(sock: socket.socket, broker: Broker, ca_file: Path) -> ssl.SSLSocket:
    try:
        context = ssl.create_default_context(cafile=str(ca_file))
        tls = context.wrap_socket(sock, server_hostname=broker.host, do_handshake_on_connect=False)
    except (OSError, ValueError) as error:
        sock.close()
        raise BrokerError(f"cannot use the certificates in ca_file {ca_file}: {error}") from error
    try:
        async with asyncio.timeout(HANDSHAKE_S):
            await _shake_hands(tls)
    except ssl.SSLCertVerificationError as error:
        tls.close()
        trouble = f"the certificate of {broker} is not signed by {ca_file}: {error.verify_message}"
        raise UnusableAddressError(f"{trouble}. Check ca_file, the broker's name, and the date.") from error
    except OSError as error:  # a timeout is an OSError, too
        tls.close()
        trouble = f"no TLS with {broker}: {error or 'no response'}. Check that this port is its TLS listener."
        raise UnusableAddressError(trouble) from error
    except asyncio.CancelledError:
        tls.close()
        raise
    return tls


async def _shake_hands(tls: ssl.SSLSocket) -> None:
    while True:
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            await _ready(tls, to_write=False)
        except ssl.SSLWantWriteError:
            await _ready(tls, to_write=True)
        else:
            return


async def _ready(sock: socket.socket, *, to_write: bool) -> None:
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    watch, unwatch = (loop.add_writer, loop.remove_writer) if to_write else (loop.add_reader, loop.remove_reader)
    watch(sock, ready.set)
    try:
        await ready.wait()
    finally:
        unwatch(sock)
