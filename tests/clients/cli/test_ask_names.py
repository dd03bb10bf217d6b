"""`loadshed ask` takes a circuit's id or its name: `status` shows names."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from rules.panel import Position
from tests.pages import ROOT
from tests.system.process_house import WITHIN_S, ProcessHouse, Wired

if TYPE_CHECKING:
    from pathlib import Path


async def asked(house: ProcessHouse, *words: str) -> tuple[int | None, str]:
    """Return exit code and output of a request."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "clients", "ask", *words, "--config", str(house.config)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=ROOT,
    )
    async with asyncio.timeout(WITHIN_S):
        said, _ = await process.communicate()
    return process.returncode, said.decode()


async def test_a_circuit_is_named_by_its_id_or_its_name(tmp_path: Path) -> None:
    """In any case; a name that two circuits have is not guessed, and a slip gets the id that was meant."""
    named = Wired("tub", more=('name = "Hot tub"',)), Wired("lamp", more=('name = "Light"',))
    twin = Wired("lamp-2", more=('name = "Light"',))
    people = {"tub", "lamp", "lamp-2"}
    async with ProcessHouse(tmp_path, (*named, twin), by_people=people) as house:
        await house.begin()
        assert await asked(house, "off", "hot TUB") == (0, "Hot tub is being switched off; it is left to you now\n")
        await house.until(lambda: house.at(Position.OFF) == {"tub"}, "the tub is off")
        code, said = await asked(house, "off", "Light")
        assert (code, "no circuit is named 'Light'" in said) == (1, True)
        code, said = await asked(house, "on", "hot tup")
        assert (code, "Did you mean tub?" in said) == (1, True)
        assert (await asked(house, "on", "tub"))[0] == 0
