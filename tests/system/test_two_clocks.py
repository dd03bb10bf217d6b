"""An outage over two boots, the second with a clock that is behind and not set, in the real program."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from clients.cli import main
from tests.system.process_house import ProcessHouse

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

BEHIND_S = 3300.0


async def test_an_outage_over_two_clocks_has_no_negative_duration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Power is lost in the outage; the machine boots with a clock 55 minutes behind. The duration is a lower bound."""
    async with ProcessHouse(tmp_path) as house:
        await house.begin()
        house.opens()
        await house.is_shed()
        await house.program.kill()
        as_of_an_earlier_boot(house.state_dir)
        mark = house.mark
        await house.program.start()
        await house.reaches("standby", mark)
        house.closes()
        await house.is_back(since=mark)
        assert await asyncio.to_thread(main, ["outages", "--json", "--state", str(house.state_dir)]) == 0
        (outage,) = json.loads(capsys.readouterr().out)
        assert await asyncio.to_thread(main, ["report", "--state", str(house.state_dir)]) == 0
        text = capsys.readouterr().out
    assert outage["lasted_s"] is None
    assert 0.0 < outage["lasted_at_least_s"] < 120.0
    assert outage["began"] <= outage["ended"]
    assert outage["clock"] == "untrusted"
    assert "lasted     at least " in text
    assert "-" not in text.partition("lasted")[2].partition("\n")[0]


def as_of_an_earlier_boot(state_dir: Path) -> None:
    """Make what is on disk that of another boot, whose clock was set and 55 minutes ahead of this machine's."""
    with closing(sqlite3.connect(state_dir / "ledger.db")) as db, db:
        (boot,) = db.execute("SELECT boot FROM boots").fetchone()
        db.execute("UPDATE boots SET boot = 'earlier', offset = offset + ?, trusted = 1", (BEHIND_S,))
        db.execute("UPDATE outages SET began_boot = 'earlier', openings = replace(openings, ?, 'earlier')", (boot,))
        db.execute("UPDATE histories SET shed_boot = 'earlier'")
        db.execute("UPDATE entries SET row = replace(row, ?, 'earlier')", (boot,))
