"""`python -m tests.system.torture N [SEED]`: hundreds of short outages of real houses, and everything fails at once.

Each house is a real Mosquitto and the real program's process with simulated breakers. At random moments the program is
killed, stalled and started, the broker is ended with and without a memory, the disk is full, read-only or corrupt,
breakers fall silent, reboot, trip and are moved by hand, the contact bounces and flaps. Then every command that was
recorded is held against what must never happen, and every breaker's place against where it belongs.
"""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hw.simulated.breakers import SOUND, Faults, Wakes
from rules.panel import Position
from tests.system.house import BYSTANDERS, House, Timing, Wired
from tests.system.judge import Judge, Rules
from tests.system.on_bus import WENT_ON
from tests.system.program import WITHOUT_ROOTS_RIGHTS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

AT_ONCE = 5
TIMING = Timing(settle_s=0.1, confirm_s=0.5, utility_stable_s=0.6, stagger_s=0.25)
PANEL = (*BYSTANDERS, *(Wired(f"c{n}", rank=1 + n % 9, breaker="relay" if n % 2 else "gen2") for n in range(8)))
NO_MEMORY: tuple[str, ...] = ()
CORRUPT = "a corrupt database"
STUCK_S = 60.0


@dataclass
class Tally:
    """What was done and found, over all houses."""

    outages: int = 0
    commands: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    asked_about: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def summary(self, took_s: float) -> str:
        """Return the figures as lines."""
        done = ", ".join(f"{name} {times}" for name, times in sorted(self.faults.items()))
        asked = ", ".join(f"{times} after {why}" for why, times in sorted(self.asked_about.items())) or "0"
        return "\n".join(
            (
                f"{self.outages} outages in {took_s:.0f} s, {self.commands} commands judged",
                f"done: {done}",
                f"circuits named and given back on a person's word: {asked}",
                f"wrong: {len(self.wrong)}",
                *self.wrong,
            )
        )


@dataclass
class Night:
    """One house through one outage. `amnesia`: why the disk may not know what was on; empty: it must."""

    house: House
    dice: random.Random
    tally: Tally
    judge: Judge
    off_before: set[str] = field(default_factory=set)
    moved: set[str] = field(default_factory=set)
    tripped: set[str] = field(default_factory=set)
    amnesia: str = ""

    # --- an outage ---------------------------------------------------------------------------------------------------

    async def outage(self) -> None:
        """Play one outage from a quiet house to a quiet house."""
        await self._prepare()
        mark = self.house.mark
        opened = asyncio.create_task(self._contact_plays())
        for _ in range(self.dice.randint(1, 4)):
            await asyncio.sleep(self.dice.uniform(0.0, 0.9))
            await self._one_fault()
        await opened
        await self._calm()
        if self.house.contact.is_open:
            await self._is_shed()
            self.house.closes()
        # The state on the bus may be older than the last edge by so much.
        await asyncio.sleep(TIMING.settle_s + TIMING.utility_stable_s + 0.3)
        await self._is_back(mark)

    async def _prepare(self) -> None:
        """Choose what is off before, by hand, and wait until the program knows and has written it."""
        self.off_before = {one.id for one in self.house.shed if self.dice.random() < 0.2}
        owed = {*self.house.state.get("owed", ())}
        self.off_before -= owed
        for one in self.house.shed:
            position = Position.OFF if one.id in self.off_before else Position.ON
            if self.house.breaker(one.id).position is not position:
                self.house.flip(one.id, position)
        await self.house.greetings()
        await self.house.until(self._is_known, "the disk knows every position", STUCK_S)

    def _is_known(self) -> bool:
        return all(
            self.house.on_disk(one.id) == ("off" if one.id in self.off_before else "on") for one in self.house.shed
        )

    async def _contact_plays(self) -> None:
        """Open; perhaps bounce, close and open again; perhaps stay open."""
        if self.dice.random() < 0.2:
            self.house.contact.move(True, False)
            self.tally.faults["bounce"] += 1
            await asyncio.sleep(self.dice.uniform(0.0, 0.3))
        self.house.opens()
        for _ in range(self.dice.randint(0, 3)):
            await asyncio.sleep(self.dice.uniform(0.05, 1.6))
            self.house.contact.move(not self.house.contact.is_open)
            self.tally.faults["contact moved"] += 1

    async def _calm(self) -> None:
        """End every fault: what comes now must come by itself."""
        house = self.house
        self._go_on()
        for breaker in house.hub.breakers.values():
            breaker.faults = SOUND
            if not breaker.powered:
                house.hub.say(breaker.power_back())
        self._writable(True)
        if not house.program.running:
            await house.program.start()
        house.program.no_file_above(None)
        await house.until(self._hears, "the program is on the bus", STUCK_S)
        await house.until(self._slow_ones_are_done, "every slow breaker has obeyed", STUCK_S)
        await house.greetings()

    def _slow_ones_are_done(self) -> bool:
        for breaker in self.house.hub.breakers.values():
            self.house.hub.say(breaker.advance(time.monotonic()))
        return all(breaker.next_due is None for breaker in self.house.hub.breakers.values())

    def _hears(self) -> bool:
        last = self.house.recorder.last("controller/availability")
        return last is not None and last.payload == b"online"

    # --- where everything belongs ----------------------------------------------------------------------------------

    async def _is_shed(self) -> None:
        exempt = self.moved | self.tripped
        wanted = {one.id for one in self.house.shed} - exempt
        await self.house.until(
            lambda: wanted <= self.house.at(Position.OFF) and self.house.state["state"] == "standby",
            f"on standby, all off but {sorted(exempt)}",
            STUCK_S,
        )

    async def _is_back(self, mark: int) -> None:
        wanted = {str(name) for name in self.house.hub.breakers} - self.off_before - self.tripped
        await self.house.until(
            lambda: self._over() and (wanted <= self.house.at(Position.ON) or self._waits(wanted)),
            f"{sorted(wanted)} are on, or named",
            STUCK_S,
        )
        # What people ask for from here on is theirs, and not judged.
        rules = Rules(TIMING, {one.id for one in self.house.shed}, self.off_before)
        self.judge.read(self.house.recorder.said[mark:], rules)
        if missing := wanted - self.house.at(Position.ON):
            self.tally.asked_about[self.amnesia or "a crash faster than the disk"] += len(missing)
            await self._given_back_by_a_person(missing)
        if strays := (self.off_before & self.house.at(Position.ON)) - self.moved:
            self.judge.wrong.append(f"on, and off before: {sorted(strays)}")

    async def _given_back_by_a_person(self, missing: set[str]) -> None:
        """Do what the owner is told to do; what was off before is left, and forgotten."""
        owed = {*self.house.state["owed"]}
        for circuit in missing:
            await self.house.ask("restore" if circuit in owed else "on", circuit)
        for circuit in owed & self.off_before:
            await self.house.ask("forget", circuit)
        await self.house.until(lambda: missing <= self.house.at(Position.ON), "a person has them back", STUCK_S)

    def _over(self) -> bool:
        state = self.house.state
        return state.get("state") == "utility" and state["outage"] is None and not state["unconfirmed"]

    def _waits(self, wanted: set[str]) -> bool:
        """Tell whether all that is not back is named, as what nobody knows to have been on."""
        if self.amnesia == CORRUPT:
            return True  # nothing is known of what was owed; that is said aloud
        missing = wanted - self.house.at(Position.ON)
        whys = [str(self.house.circuit(one).get("why")) for one in missing]
        return missing <= {*self.house.state["owed"]} and all("nobody knows" in why or "asks" in why for why in whys)

    # --- faults ------------------------------------------------------------------------------------------------------

    async def _one_fault(self) -> None:
        does: dict[str, tuple[Callable[[], Awaitable[None] | None], int]] = {
            "kill -9": (self._kill, 6),
            "SIGTERM": (self._terminate, 1),
            "SIGSTOP": (self._stall, 4),
            "broker killed": (self._kill_broker, 3),
            "broker stopped": (self._stop_broker, 2),
            "disk full": (self._disk_full, 1),
            "disk read-only": (self._read_only, 1),
            "database corrupt": (self._corrupt, 1),
            "breaker silent": (lambda: self._ill(Faults(silent=True)), 2),
            "breaker slow": (lambda: self._ill(Faults(slow_s=self.dice.uniform(0.1, 1.0))), 2),
            "breaker refuses": (lambda: self._ill(Faults(refuses=True)), 1),
            "breaker rebooted": (self._reboot, 2),
            "breaker tripped": (self._trip, 1),
            "moved by hand": (self._hand, 1),
        }
        name = self.dice.choices([*does], [weight for _, weight in does.values()])[0]
        self.tally.faults[name] += 1
        if (waits := does[name][0]()) is not None:
            await waits

    async def _kill(self) -> None:
        await self.house.program.kill()
        await asyncio.sleep(self.dice.choice((0.0, 0.0, self.dice.uniform(0.0, 0.6))))
        await self._start()

    async def _terminate(self) -> None:
        if not self.house.program.running:
            return
        # Before it has said that it started it is Python that starts, and SIGTERM ends that.
        up = self.house.program.up
        if (code := await self.house.program.terminate()) != 0 and up:
            self.judge.wrong.append(f"SIGTERM ended it with {code}")
        await self._start()

    async def _start(self) -> None:
        if self.house.program.running:
            self.judge.wrong.append("it did not end")
        await self.house.program.start()

    async def _stall(self) -> None:
        if self.house.program.running:
            for_s = self.dice.uniform(0.1, 2.0)
            self.house.program.send(signal.SIGSTOP)
            asyncio.get_running_loop().call_later(for_s, self._go_on)

    def _go_on(self) -> None:
        self.house.recorder.note(WENT_ON)
        self.house.program.go_on()

    async def _kill_broker(self) -> None:
        await self.house.kill_broker()
        await self._broker_back()

    async def _stop_broker(self) -> None:
        await self.house.stop_broker()
        await self._broker_back()

    async def _broker_back(self) -> None:
        await asyncio.sleep(self.dice.choice((0.0, self.dice.uniform(0.0, 1.0))))
        await self.house.start_broker()

    async def _disk_full(self) -> None:
        if self.house.program.running:
            self.house.program.no_file_above(0)
            self.amnesia = self.amnesia or "a full disk"

    async def _read_only(self) -> None:
        """Take the right to write away, which a program that starts then must live with."""
        await self.house.program.kill()
        self._writable(False)
        self.amnesia = self.amnesia or "a read-only disk"
        await self._start()

    def _writable(self, writable: bool) -> None:
        folder = self.house.state_dir
        folder.chmod(0o755 if writable else 0o555)
        for file in folder.glob("*.db*"):
            file.chmod(0o644 if writable else 0o444)

    async def _corrupt(self) -> None:
        await self.house.program.kill()
        self._writable(True)
        with suppress(FileNotFoundError):
            (self.house.state_dir / "ledger.db-wal").unlink()
        (self.house.state_dir / "ledger.db").write_bytes(self.dice.randbytes(4096))
        self.amnesia = CORRUPT
        await self._start()

    def _any(self) -> str:
        return self.dice.choice([one.id for one in self.house.shed])

    async def _ill(self, faults: Faults) -> None:
        self.house.breaker(self._any()).faults = faults

    async def _reboot(self) -> None:
        breaker = self.house.breaker(self._any())
        # Whether it wakes on or as it was: a person's circuits apart, it ends where it belongs.
        wakes = Wakes.AS_WAS if breaker.circuit in self.off_before else self.dice.choice((Wakes.ON, Wakes.AS_WAS))
        breaker.faults = replace(breaker.faults, wakes=wakes)
        self.house.hub.say(breaker.reboot())

    async def _trip(self) -> None:
        circuit = self._any()
        self.tripped.add(circuit)
        self.house.hub.say(self.house.breaker(circuit).trip())

    async def _hand(self) -> None:
        circuit = self._any()
        if circuit not in self.off_before | self.tripped and self.house.breaker(circuit).position is Position.OFF:
            self.moved.add(circuit)
            self.house.flip(circuit, Position.ON)


# --- many ------------------------------------------------------------------------------------------------------------


async def one_house(folder: Path, dice: random.Random, tally: Tally, most: int) -> None:
    """Play outages in one house until there have been enough, or something is wrong."""
    memory = (
        "persistence true",
        f"persistence_location {folder}/",
        "autosave_on_changes true",
        "autosave_interval 1",
    )
    lines = memory if dice.random() < 0.5 else NO_MEMORY
    async with House(folder, PANEL, TIMING, broker_lines=lines, prefix=WITHOUT_ROOTS_RIGHTS) as house:
        await house.begin()
        judge = Judge()
        while tally.outages < most and not judge.wrong:
            tally.outages += 1
            night = Night(house, dice, tally, judge)
            try:
                await night.outage()
            except AssertionError as stuck:
                judge.wrong.append(f"stuck: {stuck}")
            if tally.outages % 20 == 0:
                print(f"{tally.outages} outages, {len(tally.wrong)} wrong", flush=True)  # noqa: T201
        tally.commands += judge.checked
        if judge.wrong:
            tally.wrong += [f"{folder.name}: {sentence}" for sentence in judge.wrong]
            (folder / "story.txt").write_text(_story(house), encoding="utf-8")


def _story(house: House) -> str:
    said = (
        f"{one.at:.3f} {'retained ' if one.retained else ''}{one.topic} {one.payload[:200]!r}"
        for one in house.recorder.said[-3000:]
    )
    return "\n".join((*said, "", *house.program.log[-400:]))


async def torture(outages: int, seed: int, at_once: int = AT_ONCE) -> Tally:
    """Play so many outages in several houses at once; each house is given up at its first wrong."""
    tally, dice = Tally(), random.Random(seed)  # noqa: S311 - chance, no secret
    root = Path(tempfile.mkdtemp(prefix="loadshed-torture-"))

    async def lane(number: int) -> None:
        house = 0
        while tally.outages < outages:
            house += 1
            most = min(outages, tally.outages + 60)
            await one_house(root / f"{seed}-{number}-{house}", random.Random(dice.random()), tally, most)  # noqa: S311

    async with asyncio.TaskGroup() as tasks:
        for number in range(at_once):
            tasks.create_task(lane(number))
    return tally


def main(words: list[str]) -> int:
    """Play them, print the figures, and return 1 where anything was wrong."""
    outages, seed = int(words[0]) if words else 100, int(words[1]) if len(words) > 1 else int(time.time())
    began = time.monotonic()
    tally = asyncio.run(torture(outages, seed))
    print(f"seed {seed}: {tally.summary(time.monotonic() - began)}")  # noqa: T201
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
