"""The push connection over `websockets`: opened, watched by pings, closed. What it carries is up to the core."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from clients.leviton.rest import ORIGIN, USER_AGENT
from clients.leviton.signals import PushEnded, PushOpened, PushReceived

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from websockets.asyncio.client import ClientConnection

OPEN_S = 10.0
PING_S = 8.0
"""Interval in seconds of pings, and the time for their answer: a dead line is found within 16 s."""
MAX_BYTES = 1024 * 1024


class PushLink:
    """One push connection. `on_event` receives what happens. `run` ends with the connection."""

    def __init__(
        self, link: int, address: str, on_event: Callable[[PushOpened | PushReceived | PushEnded], None]
    ) -> None:
        self._link, self._address, self._on_event = link, address, on_event
        self._connection: ClientConnection | None = None
        self._outgoing: asyncio.Queue[str] = asyncio.Queue()

    def send(self, message: Mapping[str, object]) -> None:
        """Send a message after those before it."""
        self._outgoing.put_nowait(json.dumps(message))

    async def run(self) -> None:
        """Open the connection and read it until it ends, or until this is canceled."""
        try:
            async with connect(
                self._address,
                open_timeout=OPEN_S,
                ping_interval=PING_S,
                ping_timeout=PING_S,
                close_timeout=1.0,
                max_size=MAX_BYTES,
                max_queue=64,
                compression=None,
                proxy=None,
                user_agent_header=USER_AGENT,
                additional_headers={"Origin": ORIGIN},
            ) as connection:
                self._on_event(PushOpened(self._link))
                sender = asyncio.ensure_future(self._send_all(connection))
                try:
                    async for text in connection:
                        self._receive(text)
                finally:
                    sender.cancel()
                ended = PushEnded(self._link, "closed by Leviton's cloud")
        except ConnectionClosed as error:
            # No close frame: a cut, or no answer to our ping, which our own close code shows.
            silent = error.sent is not None and error.rcvd is None
            ended = PushEnded(self._link, "no answer to a ping" if silent else "closed by Leviton's cloud", silent)
        except (OSError, TimeoutError, WebSocketException) as error:
            ended = PushEnded(self._link, _why(error), silent=True)
        self._on_event(ended)

    async def _send_all(self, connection: ClientConnection) -> None:
        while True:
            text = await self._outgoing.get()
            try:
                await connection.send(text)
            except ConnectionClosed:
                return

    def _receive(self, text: str | bytes) -> None:
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            return
        if isinstance(message, dict):
            self._on_event(PushReceived(self._link, message))


def _why(error: Exception) -> str:
    """Return why there is no connection, without anything that was sent."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"the cloud does not accept the push connection ({type(error).__name__})"
