"""What the wiring itself keeps in mind, apart from the program that tests/system runs."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING

from controller.bus.topics import Topics
from controller.core import events as ev
from controller.daemon import Daemon

if TYPE_CHECKING:
    from controller.bus.messages import Publication


def test_each_connection_is_announced_even_after_an_unseen_loss() -> None:
    """Lost and made again within the 20 ms in which words wait behind commands: the broker has said our last will."""
    said: list[Publication] = []

    async def story() -> None:
        daemon = Daemon.__new__(Daemon)
        parts = {
            "_bus": SimpleNamespace(connected=True, publish=said.append),
            "_inbox": SimpleNamespace(put=lambda _event: None),
            "_topics": Topics("home", (), None),
            "_loop": asyncio.get_running_loop(),
            "_startup_done": asyncio.Event(),
            "_announced": False,
        }
        for name, part in parts.items():
            setattr(daemon, name, part)
        for _ in range(2):
            daemon._on_event(ev.BusLost(0.0, "it hung up"))
            daemon._on_event(ev.BusConnected(0.0))
            daemon._announce_online()

    asyncio.run(story())
    assert [one.payload for one in said] == [b"online", b"online"]
