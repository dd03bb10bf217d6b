"""Modbus TCP of a gateway, translated to RTU frames and back: the driver then treats it like any other line.

Importing this module imports pymodbus: import it where a line is opened, not before.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from pymodbus.framer import FramerRTU

from hw.mbap import HEADER_BYTES, header, is_header, length_of

if TYPE_CHECKING:
    from collections.abc import Callable

_CRC_BYTES = 2


async def connect(
    port: str, protocol: Callable[[], asyncio.BaseProtocol]
) -> tuple[asyncio.BaseTransport, asyncio.BaseProtocol]:
    """Connect a protocol that speaks RTU to a gateway (`tcp+modbus://host:port`). Raises OSError."""
    where = urlsplit(port)
    inner = cast("asyncio.Protocol", protocol())
    loop = asyncio.get_running_loop()
    outer, translator = await loop.create_connection(
        lambda: _Translator(inner), where.hostname or "", where.port or 502
    )
    return _RtuTransport(outer, translator), inner


class _Translator(asyncio.Protocol):
    """Passes responses on as RTU frames. A response to an earlier request is discarded."""

    def __init__(self, inner: asyncio.Protocol) -> None:
        self._inner = inner
        self._received = b""
        self.transaction = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._inner.connection_made(_RtuTransport(cast("asyncio.Transport", transport), self))

    def connection_lost(self, exc: Exception | None) -> None:
        self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while len(self._received) >= HEADER_BYTES:
            if not is_header(self._received):
                # No Modbus TCP: shown as it is, so that the driver can report it.
                noise, self._received = self._received, b""
                self._inner.data_received(noise)
                return
            end = length_of(self._received)
            if len(self._received) < end:
                return
            frame, self._received = self._received[:end], self._received[end:]
            if int.from_bytes(frame[:2]) == self.transaction:
                self._inner.data_received(_sealed(frame[HEADER_BYTES:]))


class _RtuTransport(asyncio.Transport):
    """The library's side of the connection: RTU frames in."""

    def __init__(self, outer: asyncio.Transport, translator: _Translator) -> None:
        super().__init__()
        self._outer, self._translator = outer, translator

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send one RTU frame as a Modbus TCP frame."""
        self._translator.transaction = self._translator.transaction % 0xFFFF + 1
        body = bytes(data)[:-_CRC_BYTES]
        self._outer.write(header(self._translator.transaction, len(body)) + body)

    def close(self) -> None:
        self._outer.close()

    def abort(self) -> None:
        self._outer.abort()

    def is_closing(self) -> bool:
        return self._outer.is_closing()

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self._outer.get_extra_info(name, default)


def _sealed(body: bytes) -> bytes:
    return body + FramerRTU.compute_CRC(body).to_bytes(_CRC_BYTES)
