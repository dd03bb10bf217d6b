"""What the real program recorded is decided the same again, over a kill in the middle of an outage."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

from controller.core.effects import SwitchOff
from controller.recording.format import SessionEnd
from controller.storage.recording_reader import recorded
from controller.storage.schema import LEDGER, open_for_reading
from tests.pages import ROOT
from tests.processes import output
from tests.system.process_house import SHED, ProcessHouse

if TYPE_CHECKING:
    from pathlib import Path

    from controller.recording.format import Session


def segments(state_dir: Path) -> list[Session]:
    """Return what was recorded."""
    with closing(open_for_reading(state_dir, LEDGER)) as db:
        return [*recorded(db, [])]


def words(segment: Session) -> list[tuple[str, str]]:
    """Return the commands of one life of the program, in order."""
    return [
        ("OFF" if isinstance(command, SwitchOff) else "ON", command.circuit)
        for turn in segment.turns
        for command in turn.commands
    ]


def is_recorded(state_dir: Path, word: str, times: int) -> bool:
    """Return whether the disk has this number of commands of this kind."""
    sent = [command for segment in segments(state_dir) for command in words(segment)]
    return sum(one == word for one, _ in sent) >= times


async def replayed(state_dir: Path) -> dict[str, Any]:
    """Return what `loadshed replay` says of a state folder; it ends with 0."""
    command = (sys.executable, "-m", "clients", "replay", "--json", "--state", str(state_dir))
    program = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    told = await output(program)
    assert program.returncode == 0, told
    answer: dict[str, Any] = json.loads(told)
    return answer


async def test_an_outage_with_a_kill_in_it_is_decided_the_same_again(tmp_path: Path) -> None:
    """`kill -9` on standby, a start, and back: each life is a segment, and every command is found again."""
    async with ProcessHouse(tmp_path / "house") as house:
        await house.begin()
        house.opens()
        await house.is_shed()
        # What was not written yet dies with the program, and that is no mistake.
        await house.until(lambda: is_recorded(house.state_dir, "OFF", len(SHED)), "the disk has the shed")
        await house.program.kill()
        mark = len(house.recorder.said)
        await house.program.start()
        await house.until(lambda: len(house.happened("started")) > 1, "it has started again")
        house.closes()
        await house.until(lambda: house.happened("outage_ended"), "the outage has ended")
        await replayed(house.state_dir)  # also while it runs
        assert await house.program.terminate() == 0
        first, second = segments(house.state_dir)
        sent = [(one.word, one.circuit) for one in house.commands(mark)]
    assert (first.end, type(second.end)) == (None, SessionEnd)
    assert words(second) == sent
    assert {circuit for _, circuit in words(first)} == {circuit.id for circuit in SHED}
    answer = await replayed(house.state_dir)
    assert answer["commands"] == answer["commands_same"] == len(words(first)) + len(words(second))
