"""The small house that setup is tried on: its files, and its breakers on the bus."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from clients.setup import setup_record
from clients.setup.setup_record import ContactSeen, SetupRecord, wired
from controller.bus.topics import SiteTopics
from controller.config.loader import Configuration, load
from hw.simulated.breakers import BreakersOnBus
from rules.panel import CircuitId
from tests.processes import LIMIT_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from hw.simulated.house import SimulatedHouse
    from tests.mosquitto import Mosquitto

TUB, HEATER, ROUTER = CircuitId("hot-tub"), CircuitId("water-heater"), CircuitId("router")


@asynccontextmanager
async def on_bus(house: SimulatedHouse, broker: Mosquitto) -> AsyncIterator[BreakersOnBus]:
    """Have the breakers of a house on the bus."""
    hub = BreakersOnBus(house.breakers.values(), broker.broker, SiteTopics("home"), time.monotonic, house.measure)
    running = asyncio.create_task(hub.run())
    async with asyncio.timeout(LIMIT_S):
        await hub.connected.wait()
    try:
        yield hub
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def configured(
    tmp_path: Path, broker: Mosquitto, *, contact_seen: bool = True, confirm_s: float = 10.0
) -> tuple[str, ...]:
    """Write the files of a small house, and return the arguments that name its folders.

    `confirm_s`: long enough for a loaded machine.
    """
    config, state = tmp_path / "config", tmp_path / "state"
    config.mkdir()
    state.mkdir()
    (config / "installer.toml").write_text(
        f'[site]\nid = "home"\n[contact]\nsource = "gpio"\npin = 17\n[broker]\nport = {broker.port}\n'
        f"[shed]\nconfirm_s = {confirm_s}\n",
        encoding="utf-8",
    )
    (config / "circuits.toml").write_text(
        '# my own words\n[circuits.hot-tub]\nspace = 9\nbreaker = "gen2"\ntag = "nonessential"\n\n'
        '# in the cellar\n[circuits.router]\nspace = 1\nbreaker = "gen2"\ntag = "essential"\nprotected = true\n',
        encoding="utf-8",
    )
    configuration = load(config)
    assert isinstance(configuration, Configuration)
    if contact_seen:
        seen = ContactSeen(wired(configuration.contact), "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z", 0, 0.0)
        setup_record.save(state, SetupRecord(seen))
    return "--config", str(config), "--state", str(state)
