"""Connection to the broker: name resolution, TCP, TLS.

Nothing here blocks the loop, and every step times out quickly.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

# One attempt. A booting router answers nothing at first: a new attempt every 2 s succeeds sooner than TCP's own
# doubling.
REACH_S = 2.0
# The handshake is computed by the broker, possibly on a Pi.
HANDSHAKE_S = 5.0
# If the broker's machine does not acknowledge bytes for this time, the line is dead (also half-open connections).
UNACKNOWLEDGED_MS = 5000

_Address = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]


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


async def connect(broker: Broker) -> socket.socket:
    """Return a connected, non-blocking socket; TLS where asked. Raises BrokerError."""
    try:
        async with asyncio.timeout(REACH_S):
            sock = await _reach(broker)
    except TimeoutError as error:
        trouble = f"the broker at {broker} does not respond: check that its machine is up, and [broker] host and port"
        raise BrokerError(trouble) from error
    if broker.ca_file is None:
        return sock
    return await _secured(sock, broker, broker.ca_file)


# --- name and TCP ----------------------------------------------------------------------------------------------------


async def _reach(broker: Broker) -> socket.socket:
    trouble: OSError | None = None
    for family, address in await _addresses(broker):
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, address)
        except OSError as error:
            sock.close()
            trouble = error
        except asyncio.CancelledError:
            sock.close()
            raise
        else:
            set_tcp_option(sock, "TCP_NODELAY", 1)  # a command is 40 bytes: it must not wait for more
            set_tcp_option(sock, "TCP_USER_TIMEOUT", UNACKNOWLEDGED_MS)
            return sock
    if isinstance(trouble, ConnectionRefusedError):
        raise BrokerError(f"no program listens at {broker}: check that the broker is running") from trouble
    raise BrokerError(f"the broker at {broker} cannot be reached: {trouble}") from trouble


def set_tcp_option(sock: socket.socket, option: str, value: int) -> None:
    """Set a TCP option by its name in `socket`, if the system has it: some options exist on Linux only."""
    if (number := getattr(socket, option, None)) is not None:
        sock.setsockopt(socket.IPPROTO_TCP, number, value)


async def _addresses(broker: Broker) -> list[_Address]:
    try:
        # A numeric address needs no resolver and no thread at a start; given as bytes, it needs no codec for names.
        return _looked_up(broker.host.encode(), broker.port, socket.AI_NUMERICHOST)
    except socket.gaierror:
        return await _resolved(broker)


async def _resolved(broker: Broker) -> list[_Address]:
    """Query the resolver in a daemon thread: without a router it may hang for half a minute."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[_Address] | OSError] = loop.create_future()

    def settle(answer: list[_Address] | OSError) -> None:
        if not found.done():
            found.set_result(answer)

    def ask() -> None:
        try:
            answer: list[_Address] | OSError = _looked_up(broker.host, broker.port)
        except OSError as error:
            answer = error
        except UnicodeError as error:  # not a host name: an empty label, or one that is too long
            answer = OSError(str(error))
        with contextlib.suppress(RuntimeError):  # the loop ended in the meantime
            loop.call_soon_threadsafe(settle, answer)

    threading.Thread(target=ask, name="resolver", daemon=True).start()
    answer = await found
    if isinstance(answer, OSError):
        trouble = f"the broker's name {broker.host!r} was not found ({answer}): write its address in [broker] host"
        raise BrokerError(trouble) from answer
    return answer


def _looked_up(host: str | bytes, port: int, flags: int = 0) -> list[_Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return [(family, address) for family, _, _, _, address in found]


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
        raise BrokerError(f"{trouble}. Check ca_file, the broker's name, and the date.") from error
    except OSError as error:  # a timeout is an OSError, too
        tls.close()
        trouble = f"no TLS with {broker}: {error or 'no response'}. Check that this port is its TLS listener."
        raise BrokerError(trouble) from error
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
