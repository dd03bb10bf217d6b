"""Two programs of one site on one broker: a copied SD card."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from clients.bus_client.status import fetch_status
from rules.panel import Position
from tests.system.process_house import SITE, ProcessHouse
from tests.system.program import Program

if TYPE_CHECKING:
    from pathlib import Path


async def test_two_controllers_report_each_other_and_still_shed_and_restore(tmp_path: Path) -> None:
    """Both journals and the bus name both, and neither is disconnected again and again."""
    async with ProcessHouse(tmp_path) as house:
        await house.begin()
        (copied := tmp_path / "copy").mkdir()
        shutil.copytree(house.config, copied / "config")
        (copied / "state").mkdir()
        other = Program(copied / "config", copied / "state", house._wake)
        try:
            await other.start()
            logs = house.program.log, other.log
            await house.until(
                lambda: all(any("ALARM two-controllers" in line for line in log) for log in logs), "each reports it"
            )
            found = await fetch_status(house.mosquitto.broker, SITE)
            alarm = found.alarms["two-controllers"]
            assert str(alarm["message"]).count("(instance ") == 2
            assert alarm["since"]
            house.opens()
            await house.until(lambda: {one.id for one in house.shed} <= house.at(Position.OFF), "all are off")
            house.closes()
            await house.until(lambda: not house.at(Position.OFF), "all are back")
            assert sum(log.count("connected to the broker") for log in logs) <= 8
        finally:
            await other.kill()
        await house.until(
            lambda: any("alarm two-controllers cleared" in line for line in house.program.log), "the alarm ends", 60.0
        )
