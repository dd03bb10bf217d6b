"""Watch over the broker connection: what no message shows, looked at every few seconds."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.bus.connection import BusClient

INTERVAL_S = 10.0


class BrokerWatch:
    """Looks at the connection of `bus` at intervals. `save_address`: writes the broker's address to the disk."""

    def __init__(self, bus: BusClient, save_address: Callable[[str], None]) -> None:
        self._bus = bus
        self._save = save_address
        self._saved: str | None = None

    async def run(self) -> NoReturn:
        """Look until cancelled."""
        while True:
            await self._save_address()
            await asyncio.sleep(INTERVAL_S)

    async def _save_address(self) -> None:
        """Save the address that works now for a start at which the name cannot be looked up."""
        address = self._bus.addresses.worked
        if address is not None and address != self._saved:
            self._saved = address
            with suppress(OSError):  # a full disk has its own alarm
                await asyncio.to_thread(self._save, address)
