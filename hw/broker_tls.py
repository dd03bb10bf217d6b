"""Connection to the broker: TCP and TLS.

Nothing here blocks the loop, and every step times out quickly.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, NamedTuple

from hw.broker_addresses import first_connected
from hw.broker_socket import BrokerError, UnusableAddressError

if TYPE_CHECKING:
    import socket
    from pathlib import Path
    from typing import Any

    from hw.broker_addresses import BrokerAddresses
    from hw.broker_socket import Broker

# The handshake is computed by the broker, possibly on a Pi.
HANDSHAKE_S = 5.0

_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME of OpenSSL; the module ssl has no name for it
_LONGEST_CHAIN = 10


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
    return await secured(sock, broker, broker.ca_file)


async def secured(sock: socket.socket, broker: Broker, ca_file: Path) -> ssl.SSLSocket:
    """Return the socket with TLS on it. The issuer and the name of the broker's certificate are checked, its dates not.

    A machine without a battery-backed clock starts with any date, and shedding must not depend on it. The dates are
    reported instead (`certificate_dates`). Raises BrokerError.
    """
    try:
        context = ssl.create_default_context(cafile=str(ca_file))
        context.verify_flags |= _NO_CHECK_TIME
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
        raise UnusableAddressError(f"{trouble}. Check ca_file and the broker's name.") from error
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


class CertificateDates(NamedTuple):
    """Time within which every known certificate of the broker's chain is valid, in UTC seconds since 1970."""

    begins: float
    ends: float


def certificate_dates(sock: socket.socket) -> CertificateDates | None:
    """Return the dates of the broker's certificate and of its issuers in the `ca_file`; None without TLS."""
    if not isinstance(sock, ssl.SSLSocket):
        return None
    chain = [*_chain(sock.getpeercert() or {}, sock.context.get_ca_certs())]
    begins = [ssl.cert_time_to_seconds(one["notBefore"]) for one in chain if "notBefore" in one]
    ends = [ssl.cert_time_to_seconds(one["notAfter"]) for one in chain if "notAfter" in one]
    return CertificateDates(max(begins), min(ends)) if begins and ends else None


def _chain(certificate: dict[str, Any], authorities: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a certificate and its issuers, as far as the authorities are known.

    Of several with one name the one that lasts longest counts: an authority is renewed before it expires.
    """
    chain = [certificate]
    while len(chain) < _LONGEST_CHAIN and chain[-1].get("issuer") != chain[-1].get("subject"):
        issuers = [one for one in authorities if one.get("subject") == chain[-1].get("issuer")]
        if not issuers:
            break
        chain.append(max(issuers, key=lambda one: ssl.cert_time_to_seconds(one["notAfter"])))
    return chain
