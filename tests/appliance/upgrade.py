"""An upgrade of the commissioned Pi, on utility and in an outage: no breaker moves, and nothing is forgotten."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from rules.panel import Position
from tests.appliance.appliance_house import SHED, SWITCHED, ApplianceHouse, WrongError
from tests.appliance.install import INSTALL
from tests.appliance.machine import BOOT_S, Disk, parcel
from tests.appliance.shell import folder, say

if TYPE_CHECKING:
    from pathlib import Path

    from tests.appliance.image import Image

_LOG = "loadshed outages --json"
_PID = "systemctl show --value -p MainPID loadshed"
_COPIES = "ls /var/lib/loadshed/before-upgrade"
_IS_WHOLE = "systemctl is-enabled loadshed && dpkg --audit && loadshed check >/dev/null"


def upgraded(image: Image, package: Path) -> None:
    """Install this package over the one that runs. Raises WrongError where anything moves, or is forgotten."""
    asyncio.run(_upgraded(image, parcel(package), INSTALL.format(size=package.stat().st_size)))


async def _upgraded(image: Image, handed_in: tuple[str, ...], order: str) -> None:
    layers = Disk(image.disk, folder() / "upgrade.qcow2")
    async with ApplianceHouse(image, folder()) as house:
        await house.boots(layers, handed_in)
        try:
            await _install(house, order, "utility")
            mark = house.mark
            await house.contact(is_open=True)
            await house.until(lambda: _stands(house, "standby", mark), "the house is on standby", BOOT_S)
            await _install(house, order, "standby")
            await house.contact(is_open=False)
            await house.is_back("an outage with an upgrade in it")
        finally:
            await house.keep_journal(folder())


async def _install(house: ApplianceHouse, order: str, stands: str) -> None:
    """Install it while the house is in this state.

    Check that the state is the same afterwards, and that no breaker moved.
    """
    inside, mark = house.machine, house.mark
    before, log, pid = _positions(house), await inside.must(_LOG), await inside.must(_PID)
    await inside.must(order)
    await house.until(lambda: _stands(house, stands, mark), f"the new program finds the house on {stands}", BOOT_S)
    if pid == await inside.must(_PID):
        raise WrongError("the program from before still runs")
    if (after := _positions(house)) != before:
        raise WrongError(f"the upgrade moved breakers: before {before}, after {after}")
    for circuit in SWITCHED:
        words = {one.payload.decode().lower() for one in house.recorder.on(f"breakers/{circuit}/state", mark)}
        if words - {before[circuit]}:
            raise WrongError(f"the upgrade moved {circuit}, which was {before[circuit]} and said {words}")
    if not _goes_on(json.loads(log), json.loads(await inside.must(_LOG))):
        raise WrongError(f"the upgrade lost what the log told: {log}")
    await inside.must(_IS_WHOLE)
    copies = (await inside.must(_COPIES)).split()
    say(f"    upgraded on {stands}: no breaker moved; copies of before: {', '.join(copies)}")


def _stands(house: ApplianceHouse, state: str, since: int) -> bool:
    said = house.last("controller/state", since)
    off = {*SHED} if state == "standby" else set()
    return said.get("state") == state and not said["unconfirmed"] and house.at(Position.OFF) == off


def _positions(house: ApplianceHouse) -> dict[str, str]:
    return {str(circuit): breaker.position.value for circuit, breaker in house.hub.breakers.items()}


def _goes_on(before: list[dict[str, object]], after: list[dict[str, object]]) -> bool:
    """Return whether the log has the same outages, with the same beginnings."""

    def told(log: list[dict[str, object]]) -> list[tuple[object, ...]]:
        return [(one["id"], one["kind"], one["began"], one["ended"]) for one in log]

    return told(before) == told(after)
