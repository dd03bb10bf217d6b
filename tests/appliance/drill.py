"""Drills on the commissioned Pi: one goes to its end, one is taken over by a transfer, one ends in a power cut."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rules.panel import Position
from tests.appliance.appliance_house import SHED, ApplianceHouse, WrongError
from tests.appliance.machine import BOOT_S, Disk
from tests.appliance.shell import folder, say
from tests.appliance.terminal import Terminal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.appliance.image import Image

REPORTS = "/root/drills"
HELD_S = 20
LONG_S = 600
"""A drill that something else ends."""

_LIVE = "loadshed drill --live --for {held_s}s --out " + REPORTS
_CONSENT = ("Switch these circuits off now?", "y")


async def drilled(image: Image) -> Path:
    """Return the folder with the reports. Raises WrongError where a drill does not do what it must."""
    layers = Disk(image.disk, folder() / "drill.qcow2")
    async with ApplianceHouse(image, folder()) as house:
        await house.boots(layers)
        person = await Terminal.at(house.machine)
        try:
            await _to_its_end(house, person)
            await _taken_over(house, person)
            await _cut_off(house, person)
        finally:
            (folder() / "drill.txt").write_text(person.screen, encoding="utf-8")
            await house.keep_journal(folder())
        await house.boots(layers)
        await house.is_back("the power cut in the middle of a drill")
        await _outages(house, ["outage", "drill", "outage", "drill"])
        return await _copied(house)


async def _to_its_end(house: ApplianceHouse, person: Terminal) -> None:
    await person.runs(f"mkdir -p {REPORTS}")
    if code := await person.runs(f"loadshed drill --dry --out {REPORTS}"):
        raise WrongError(f"the dry drill ended with {code}:\n{person.screen}")
    person.begins(_LIVE.format(held_s=HELD_S))
    await person.answers(_CONSENT)
    await _is_on(house)
    if code := await person.ended():
        raise WrongError(f"the live drill ended with {code}:\n{person.screen}")
    await house.is_back("a drill that went to its end")


async def _taken_over(house: ApplianceHouse, person: Terminal) -> None:
    """Have the transfer switch transfer in the middle of a drill: it is an outage from then on."""
    person.begins(_LIVE.format(held_s=LONG_S))
    await person.answers(_CONSENT)
    await _is_on(house)
    mark = house.mark
    await house.contact(is_open=True)
    await house.until(lambda: house.last("controller/state", mark).get("kind") == "outage", "it is an outage", BOOT_S)
    await person.ended()
    if (off := house.at(Position.OFF)) != {*SHED}:
        raise WrongError(f"a transfer took the drill over, and off are {sorted(off)}")
    await house.contact(is_open=False)
    await house.is_back("a drill that a transfer took over")


async def _cut_off(house: ApplianceHouse, person: Terminal) -> None:
    """Cut the power in the middle of a drill."""
    person.begins(_LIVE.format(held_s=LONG_S))
    await person.answers(_CONSENT)
    await _is_on(house)
    await house.machine.cut()
    say(f"    power cut in a drill; off then: {', '.join(sorted(house.at(Position.OFF)))}")


async def _is_on(house: ApplianceHouse) -> None:
    await house.until(lambda: house.last("controller/state").get("kind") == "drill", "a drill is on", BOOT_S)
    await house.until(lambda: house.at(Position.OFF) == {*SHED}, "everything nonessential is off", BOOT_S)


async def _outages(house: ApplianceHouse, kinds: list[str]) -> None:
    """Raise WrongError where the log of outages does not show just these kinds, the latest last."""
    listed: list[dict[str, Any]] = json.loads(await house.machine.must("loadshed outages --json"))
    found = [one["kind"] for one in sorted(listed, key=lambda one: one["id"])]
    if found != kinds or any(one["ended"] is None for one in listed):
        raise WrongError(f"the log should tell of {kinds}, each ended, and tells of {listed}")


async def _copied(house: ApplianceHouse) -> Path:
    """Copy every report out of the Pi."""
    place = folder() / "drills"
    place.mkdir(exist_ok=True)
    for name in (await house.machine.must(f"ls {REPORTS}")).split():
        text = await house.machine.must(f"cat {REPORTS}/{name}")
        (place / name).write_text(text, encoding="utf-8")
    return place
