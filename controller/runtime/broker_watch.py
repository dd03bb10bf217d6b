"""Watch over the broker connection: what no message shows, looked at every few seconds."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

from controller.core.alarms import Alarm
from controller.core.events import BrokerFindingChanged, OtherControllerChanged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from controller.bus.connection import BusClient
    from controller.core.events import Event
    from controller.core.views import WallClock
    from hw.broker_tls import CertificateDates

INTERVAL_S = 10.0


class BrokerWatch:
    """Looks at the connection of `bus` at intervals, and reports changes as events.

    `save_address`: writes the broker's address to the disk.
    """

    def __init__(
        self,
        bus: BusClient,
        on_event: Callable[[Event], None],
        save_address: Callable[[str], None],
        wall: Callable[[], WallClock],
        clock: Callable[[], float],
    ) -> None:
        self._bus = bus
        self._on_event = on_event
        self._save = save_address
        self._wall = wall
        self._clock = clock
        self._saved: str | None = None
        self._details: dict[Alarm, str | None] = {}
        self._other_on_standby = False

    async def run(self) -> NoReturn:
        """Look until cancelled."""
        while True:
            self._bus.news.clear()
            self.look()
            await self._save_address()
            with suppress(TimeoutError):
                async with asyncio.timeout(INTERVAL_S):
                    await self._bus.news.wait()

    def look(self) -> None:
        """Report what has changed. While the broker is disconnected, nothing changes."""
        if not self._bus.connected:
            return
        for alarm, detail in self._findings():
            if detail != self._details.get(alarm):
                self._details[alarm] = detail
                self._on_event(BrokerFindingChanged(self._clock(), alarm.value, detail))

        on_standby = self._bus.rivals.on_standby(self._clock())
        if on_standby != self._other_on_standby:
            self._other_on_standby = on_standby
            self._on_event(OtherControllerChanged(self._clock(), on_standby))

    def _findings(self) -> Iterator[tuple[Alarm, str | None]]:
        yield Alarm.BROKER_LIMITED, self._bus.restrictions() or None
        now = self._wall().seconds(self._clock())
        yield Alarm.TWO_CONTROLLERS, self._bus.rivals.detail(self._bus.identity, self._clock())
        yield Alarm.CERTIFICATE_DATES, certificate_trouble(self._bus.certificate_dates, now)

    async def _save_address(self) -> None:
        """Save the address that works now for a start at which the name cannot be looked up."""
        address = self._bus.addresses.worked
        if address is not None and address != self._saved:
            self._saved = address
            with suppress(OSError):  # a full disk has its own alarm
                await asyncio.to_thread(self._save, address)


def certificate_trouble(dates: CertificateDates | None, now: float) -> str | None:
    """Return why a certificate is not valid at this time (UTC seconds); None: it is, or there is none."""
    if dates is None or dates.begins <= now <= dates.ends:
        return None
    day = datetime.fromtimestamp(dates.begins if now < dates.begins else dates.ends, UTC).date()
    if now < dates.begins:
        return f"by this machine's clock, it is valid only from {day} on"
    return f"by this machine's clock, it expired on {day}"
