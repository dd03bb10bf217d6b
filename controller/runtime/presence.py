"""Presence of the controller on the bus: a message every few seconds, and all of the status on request."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from controller.core.effects import SendReply
from controller.runtime import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from controller.bus.connection import BusClient
    from controller.bus.messages import Publication, ReplyAddress
    from controller.core.views import WallClock

ALIVE_INTERVAL_S = 5.0

MIN_STATUS_INTERVAL_S = 0.2
"""Minimum time between two publications of all of the status, in seconds. Requests in between share the next one."""

COMMANDS_FIRST_S, COMMANDS_FIRST_TURNS = 0.05, 200
"""Interval in seconds of the checks whether commands have left, and their number: `settle_s` is 5 s at most."""


class Presence:
    """Publishes `controller/alive`, and answers the requests on `ask/status`.

    `publish_status`: publishes all of the status, then what it is given. `may_publish`: False while commands are due.
    `on_standby`: what the contact reports; None: unknown.
    """

    def __init__(
        self,
        bus: BusClient,
        publish_status: Callable[[Sequence[Publication]], None],
        may_publish: Callable[[], bool],
        wall: Callable[[], WallClock],
        on_standby: Callable[[], bool | None],
    ) -> None:
        self._bus = bus
        self._publish_status = publish_status
        self._may_publish = may_publish
        self._wall = wall
        self._on_standby = on_standby

    async def run(self, requests: asyncio.Queue[ReplyAddress | None], started: float) -> NoReturn:
        """Publish until cancelled. `requests`: reply addresses. `started`: when the program started (monotonic s)."""
        due_at = clock.monotonic()
        while True:
            waiting: list[ReplyAddress | None] = []
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, due_at - clock.monotonic())):
                    waiting.append(await requests.get())
            await self._commands_first()
            while not requests.empty():
                waiting.append(requests.get_nowait())
            if waiting:
                self._publish_status([self._alive(started), *self._replies(waiting)])
                await asyncio.sleep(MIN_STATUS_INTERVAL_S)
            else:
                self._bus.publish(self._alive(started))
            due_at = clock.monotonic() + ALIVE_INTERVAL_S

    async def _commands_first(self) -> None:
        for _ in range(COMMANDS_FIRST_TURNS):
            if self._may_publish():
                return
            await asyncio.sleep(COMMANDS_FIRST_S)

    def _replies(self, waiting: list[ReplyAddress | None]) -> list[Publication]:
        """Return the replies. They follow the status, and mark its end."""
        replies = (self._bus.topics.answer(SendReply(reply, ok=True, reason="published")) for reply in waiting)
        return [reply for reply in replies if reply is not None]

    def _alive(self, started: float) -> Publication:
        now = clock.monotonic()
        return self._bus.topics.alive(now, now - started, self._bus.identity, self._on_standby(), self._wall())
