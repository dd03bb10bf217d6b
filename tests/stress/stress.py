"""`python -m tests.stress.stress N [--seed S]`: hundreds of short outages, and everything fails at once.

Each house is a real Mosquitto and the real program's process with simulated breakers. What goes wrong is drawn before
each outage (`tests/stress/plan.py`), done (`faults.py`), and in the end every command that was recorded is held
against what must never happen (`judge.py`), and every breaker's place against where it belongs (`night.py`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.processes import use_default_signals_in_children
from tests.stress.counters import Tally
from tests.stress.invariants import Rules
from tests.stress.night import Night
from tests.stress.oracle import Judge
from tests.stress.plan import dice, draw
from tests.system.process_house import BYSTANDERS, REMOTE, ProcessHouse, Timing, Wired
from tests.system.program import WITHOUT_ROOTS_RIGHTS
from tests.system.small_disk import may_mount, small_disk

if TYPE_CHECKING:
    from random import Random

    from tests.stress.plan import Plan

AT_ONCE = 5
OUTAGES_EACH = 7
TIMING = Timing(settle_s=0.1, confirm_s=0.5, utility_stable_s=0.6, stagger_s=0.25)
PANEL = (*BYSTANDERS, *(Wired(f"c{n}", rank=1 + n % 9, breaker="relay" if n % 2 else "gen2") for n in range(8)))
_IN_A_SPACE_OF_ITS_OWN = "LOADSHED_STRESS_MAY_MOUNT"


class StressRun:
    """A run. `root`: a folder for the houses. `outages`: their number. `at_once`: houses in parallel.

    `roomy`: each state folder is a small disk of its own, and may be filled.
    """

    def __init__(self, root: Path, outages: int, seed: int, *, at_once: int = AT_ONCE, roomy: bool = False) -> None:
        self.tally = Tally()
        self._outages = outages
        self._seed = seed
        self._at_once = at_once
        self._roomy = roomy
        self._root = root

    async def run(self) -> Tally:
        """Play them all; each house is given up at its first wrong."""
        async with asyncio.TaskGroup() as tasks:
            for lane in range(self._at_once):
                tasks.create_task(self._lane(lane))
        return self.tally

    async def _lane(self, lane: int) -> None:
        number = 0
        while self.tally.outages < self._outages:
            number += 1
            await self.house(f"{lane}-{number}")

    async def house(self, name: str) -> None:
        """Play outages in the house of this name until there were enough, or something is wrong."""
        fall = dice(f"{self._seed}-{name}")
        folder, tally = self._root / name, self.tally
        tally.houses += 1
        with ExitStack() as stack:
            if self._roomy:
                stack.enter_context(small_disk(folder / "state"))
            async with _house(folder, fall) as house:
                judge = Judge(_rules(house))
                witness = asyncio.create_task(house.contact.witness())
                await house.begin()
                for number in range(OUTAGES_EACH):
                    if tally.outages >= self._outages or judge.wrong:
                        break
                    tally.outages += 1
                    plan = draw(fall, [one.id for one in house.shed], first=number == 0)
                    await self._one(name, house, plan, judge)
                witness.cancel()
                tally.judged(judge)
                tally.delivered += len(house.hub.log)

    async def _one(self, name: str, house: ProcessHouse, plan: Plan, judge: Judge) -> None:
        """Play one outage and judge it; print the whole story if something is wrong."""
        tally = self.tally
        night = Night(house, plan, judge, tally, roomy=self._roomy)
        said = len(judge.wrong)
        try:
            await night.play()
        except AssertionError as stuck:
            tally.stuck.append(f"{name}: {str(stuck).splitlines()[0]}")
            judge.wrong.append(f"stuck: {stuck}")
        judge.read(house.recorder.said)
        judge.wrong += night.mischief.wrong
        wrong = [sentence for sentence in judge.wrong[said:] if not sentence.startswith("stuck")]
        tally.wrong += [f"{name}: {sentence}" for sentence in wrong]
        if judge.wrong[said:]:
            tally.to_repeat.append(f"make stress SEED={self._seed} HOUSE={name}")
            story = (*judge.wrong[said:], str(plan), _story(house))
            (house.folder / "story.txt").write_text("\n".join(story), encoding="utf-8")
            _print(f"wrong in {name}: {house.folder / 'story.txt'}")
        if tally.outages % 20 == 0:
            _print(f"{tally.outages} outages, {len(tally.wrong)} wrong, {len(tally.stuck)} stuck")


def _house(folder: Path, fall: Random) -> ProcessHouse:
    # A broker's memory is as old as its last save.
    save = ("autosave_on_changes true", "autosave_interval 1") if fall.random() < 0.7 else ("autosave_interval 1800",)
    memory = ("persistence true", f"persistence_location {folder}/", *save)
    remote = {one.id for one in PANEL if one.breaker in REMOTE}
    # The fridge may be retagged; a command to any other circuit is reported by oracle and house.
    return ProcessHouse(
        folder, PANEL, TIMING, broker_lines=memory, prefix=WITHOUT_ROOTS_RIGHTS, by_people=remote - {"router"}
    )


def _rules(house: ProcessHouse) -> Rules:
    commandable = {one.id for one in house.circuits if one.breaker in REMOTE and "protected = true" not in one.more}
    return Rules(house.timing, commandable, {one.id for one in house.shed})


def _story(house: ProcessHouse) -> str:
    said = (
        f"{one.at:.3f} {'retained ' if one.retained else ''}{one.topic} {one.payload[:200]!r}"
        for one in house.recorder.said[-4000:]
        if "witness" not in one.topic
    )
    return "\n".join((*said, "", *(line for line in house.program.log[-1000:] if "ask/witness" not in line)))


def _print(sentence: str) -> None:
    print(sentence, flush=True)  # noqa: T201


def _asked(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("outages", nargs="?", type=int, default=100)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--house", help="play this one house again, for instance 3-2: lane 3, its second house")
    parser.add_argument("--at-once", type=int, default=AT_ONCE)
    parser.add_argument("--json", type=Path, help="write the result to this file as well")
    return parser.parse_args(words)


async def _to_the_end(stress: StressRun, house: str | None) -> bool:
    """Play one house, or all; return False where SIGTERM or ^C ended it, brokers and programs too."""
    playing = asyncio.ensure_future(stress.house(house) if house else stress.run())
    for asked in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(asked, playing.cancel)
    with suppress(asyncio.CancelledError):
        await playing
    return not playing.cancelled()


def main(words: list[str]) -> int:
    """Play them, print the figures, and return 1 where anything was wrong."""
    asked = _asked(words)
    use_default_signals_in_children()
    roomy = _IN_A_SPACE_OF_ITS_OWN in os.environ
    if not roomy and may_mount():
        again = ("unshare", "--mount", "--propagation", "private", sys.executable, "-m", "tests.stress.stress", *words)
        os.execvpe(again[0], again, os.environ | {_IN_A_SPACE_OF_ITS_OWN: "1"})  # noqa: S606  # no shell is wanted
    began = time.monotonic()
    root = Path(tempfile.mkdtemp(prefix="loadshed-stress-"))
    stress = StressRun(root, asked.outages, asked.seed, at_once=asked.at_once, roomy=roomy)
    _print(f"seed {asked.seed}, each disk {'a small one of its own' if roomy else 'full by a limit on file sizes'}")
    finished = asyncio.run(_to_the_end(stress, asked.house))
    took_s = time.monotonic() - began
    _print(stress.tally.table(asked.seed, took_s))
    if asked.json:
        told = stress.tally.as_json(asked.seed, took_s) | {"small_disk": roomy}
        asked.json.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    if stress.tally.failed or not finished:
        return 1
    shutil.rmtree(root)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
