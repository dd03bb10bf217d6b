"""`loadshed status --watch` in a real terminal, of a real house."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from clients.cli import main
from clients.terminal.exit_codes import DONE, WRONG_USE
from tests.clients.setup.setup_typist import typist
from tests.system.process_house import ProcessHouse

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

FIRST_SCREEN = "\x1b[?1049l"


async def test_it_follows_an_outage_and_a_lost_broker_until_ctrl_c(tmp_path: Path) -> None:
    """Each change is drawn; the terminal is as before at the end."""
    async with ProcessHouse(tmp_path) as house:
        await house.begin()
        words = "status", "--watch", "--config", str(house.config)
        async with typist(*words, rows=24, columns=60) as user:
            await user.reads("ON UTILITY")
            house.opens()
            await user.reads("ON GENERATOR: all 4 circuits off")
            await house.kill_broker()
            await user.reads("UNKNOWN: the present state of home is not known.")
            await user.reads("Last known state, which may be out of date: ON GENERATOR")
            await house.start_broker()
            await user.reads("ON GENERATOR: all 4 circuits off")
            await house.program.kill()
            await user.reads("has lost the broker (its last will)")
            user.send(signal.SIGINT)
            assert await user.ended() == DONE
            assert user.screen.rstrip().endswith(FIRST_SCREEN)


def test_without_a_terminal_it_says_what_to_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A pipe would get screens without end."""
    (tmp_path / "installer.toml").write_text('[site]\nid = "home"\n[contact]\nsource = "gpio"\npin = 17\n')
    assert main(["status", "--watch", "--config", str(tmp_path)]) == WRONG_USE
    assert "`loadshed status --json`" in capsys.readouterr().err
