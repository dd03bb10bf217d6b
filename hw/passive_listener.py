"""Passive listener on a line: what meters made before 26 Feb 2011 send unrequested, and what faults look like."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hw.serial_port import BAUD, GATEWAYS

if TYPE_CHECKING:
    from collections.abc import Callable

    Hear = Callable[[float, bytes], None]


async def listen(port: str, seconds: float, hear: Hear) -> str | None:
    """Pass on all bytes received within `seconds`. Return why that was not possible; None if it was.

    `hear`: called with the seconds since the start, and the bytes.
    """
    try:
        async with asyncio.timeout(seconds):
            await (_listen_tcp(port, hear) if port.startswith(GATEWAYS) else _listen_serial(port, hear))
    except TimeoutError:
        return None
    except OSError as error:
        return f"{port}: {error.strerror or error}"
    return f"{port} was closed by the other side"


async def _listen_tcp(port: str, hear: Hear) -> None:
    where = urlsplit(port)
    reader, writer = await asyncio.open_connection(where.hostname, where.port or 502)
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        while data := await reader.read(1024):
            hear(loop.time() - began, data)
    finally:
        writer.close()


async def _listen_serial(port: str, hear: Hear) -> None:
    from serial import Serial  # noqa: PLC0415 - only tools that listen need it

    loop = asyncio.get_running_loop()
    began = loop.time()
    ended: asyncio.Future[None] = loop.create_future()
    with Serial(port, BAUD, timeout=0, exclusive=True) as serial:
        descriptor = serial.fileno()

        def readable() -> None:
            with suppress(BlockingIOError):
                data = _read(descriptor)
                if data:
                    hear(loop.time() - began, data)
                elif not ended.done():
                    ended.set_result(None)

        loop.add_reader(descriptor, readable)
        try:
            await ended
        finally:
            loop.remove_reader(descriptor)


def _read(descriptor: int) -> bytes:
    """Return the available bytes; empty if the adapter is gone."""
    try:
        return os.read(descriptor, 1024)
    except BlockingIOError:
        raise
    except OSError:
        return b""
