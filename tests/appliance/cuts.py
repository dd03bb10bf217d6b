"""Power cuts at random moments of outages, and where every circuit stands at the end."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING

from rules.panel import Position
from tests.appliance.appliance_house import JOURNAL, SHED, ApplianceHouse, WrongError
from tests.appliance.machine import BOOT_S, Disk
from tests.appliance.shell import CannotError, folder, say
from tests.system.on_bus import CONTACT, RECONNECTED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.appliance.image import Image
    from tests.system.on_bus import Said

STUCK_S = 600.0
"""Longer than all a Pi has to do once it is up, in an emulator on a machine with other work."""

DRILL_S = 6.0

HEARD_S = 2.0
"""After an edge, commands that were on their way still count for the contact as it stood before."""

_FIRST_OFF = JOURNAL + " | grep -m 1 'OFF sent'"


class Moment(Enum):
    """When the power is cut."""

    AT_THE_EDGE = "within two seconds of the opening"
    ON_STANDBY = "later on standby"
    COMING_BACK = "after the contact has closed"
    IN_A_DRILL = "amid a live drill"
    WHILE_BOOTING = "again, while it booted"


@dataclass
class Tally:
    """Results of all houses. `wrong`: sentences. `off_after_s`: kernel start to first OFF at a cold start in an outage.

    `wanted`: this number of cuts is enough.
    """

    wanted: int
    cuts: int = 0
    outages: int = 0
    moments: Counter[str] = field(default_factory=Counter)
    boots: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    off_after_s: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        moments = ", ".join(f"{times} {moment}" for moment, times in sorted(self.moments.items()))
        boots = ", ".join(f"{times} with the contact {how}" for how, times in sorted(self.boots.items()))
        dark = self.off_after_s
        off = f"; kernel start to first OFF {min(dark):.1f} to {max(dark):.1f} s" if dark else ""
        return (
            f"{self.cuts} power cuts in {self.outages} outages ({moments}), booted {boots}{off}: "
            f"{len(self.wrong)} wrong"
        )


@dataclass
class Campaign:
    """Outages in one house, each with a power cut or two, until there have been enough cuts in all houses."""

    name: str
    house: ApplianceHouse
    disk: Disk
    dice: random.Random
    tally: Tally
    _off_before: set[str] = field(default_factory=set)

    async def play(self) -> None:
        """Cut the power again and again. Raises WrongError where the house does not find its way back."""
        await self._boot(contact_open=False)
        await self._is_back(0, set())
        while self.tally.cuts < self.tally.wanted and not self.tally.wrong:
            self.tally.outages += 1
            await self._outage()

    async def _outage(self) -> None:
        mark = self.house.mark
        off_before = await self._some_are_off_before()
        moment = await self._opens_and_more()
        contact_open = await self._cut_and_boot(moment)
        if contact_open:
            await self._is_shed()
            await self.house.contact(is_open=False)
        await self._is_back(mark, off_before)
        self._say(f"every circuit right; off before, and off: {_listed(off_before)}")

    async def _opens_and_more(self) -> Moment:
        """Open the contact, and return when it is time for the cut, and which time that is."""
        moments = (Moment.AT_THE_EDGE, Moment.ON_STANDBY, Moment.COMING_BACK)
        moment = self.dice.choice((*moments, *moments, Moment.IN_A_DRILL))
        # Where everything is off already there is nothing to drill.
        if moment is Moment.IN_A_DRILL and self.house.at(Position.OFF) != {*SHED}:
            await self.house.drills(DRILL_S, STUCK_S)
            await asyncio.sleep(self.dice.uniform(0.0, DRILL_S + 4.0))
            return moment
        if moment in (Moment.AT_THE_EDGE, Moment.IN_A_DRILL):
            # The cut does not wait for the edge: it may come before it, while it settles, or between the commands.
            self.house.contact_opens_by_itself()
            await asyncio.sleep(self.dice.uniform(0.0, 2.0))
            return Moment.AT_THE_EDGE
        await self.house.contact(is_open=True)
        await asyncio.sleep(self.dice.uniform(0.5, 8.0))
        if moment is Moment.COMING_BACK:
            await self.house.contact(is_open=False)
            await asyncio.sleep(self.dice.uniform(0.0, 6.0))
        return moment

    async def _some_are_off_before(self) -> set[str]:
        """Switch some off by hand, now and then, and wait until the Pi has written every one."""
        if self.dice.random() < 0.4:
            off_before = {circuit for circuit in SHED if self.dice.random() < 0.4}
            # A circuit that switches off while an OFF may still take effect counts as ours, and is restored.
            await self.house.until(self.house.owes_nothing, "nothing is owed any more", STUCK_S)
            for circuit in SHED:
                position = Position.OFF if circuit in off_before else Position.ON
                if circuit not in self.house.at(position):
                    self.house.flip(circuit, position)
            self._off_before = off_before
        await self.house.on_disk(Position.OFF, self._off_before)
        return self._off_before

    async def _cut_and_boot(self, moment: Moment) -> bool:
        """Cut, perhaps cut the boot as well, and return how the contact stands when it has booted at last."""
        await self._cut(moment)
        while self.dice.random() < 0.2:
            mark = self.house.mark
            await self._power_on(contact_open=self.dice.random() < 0.6)
            if self.dice.random() < 0.5:
                await self.house.until(partial(self._speaks, mark), "the Pi speaks", BOOT_S)
                await asyncio.sleep(self.dice.uniform(0.0, 5.0))
            else:
                await asyncio.sleep(self.dice.uniform(5.0, 60.0))
            await self._cut(Moment.WHILE_BOOTING)
        contact_open = self.dice.random() < 0.6
        self._some_rebooted()
        await self._boot(contact_open=contact_open)
        return contact_open

    def _speaks(self, mark: int) -> bool:
        """Return whether the controller has published anything since a mark."""
        return any(
            not one.retained and ("/controller/" in one.topic or one.topic.endswith("/demand"))
            for one in self.house.recorder.said[mark:]
        )

    async def _cut(self, moment: Moment) -> None:
        await self.house.machine.cut()
        self.tally.cuts += 1
        self.tally.moments[moment.value] += 1
        self._say(f"cut {self.tally.cuts}: {moment.value}; off then: {_listed(self.house.at(Position.OFF))}")

    def _some_rebooted(self) -> None:
        """Let some breakers lose their own power as well: they come back as they were."""
        for breaker in self.house.hub.breakers.values():
            if self.dice.random() < 0.3:
                self.house.hub.say(breaker.reboot())

    async def _boot(self, *, contact_open: bool) -> None:
        mark = self.house.mark
        await self._power_on(contact_open=contact_open)
        how = "open" if contact_open else "closed"
        self.tally.boots[how] += 1
        self._say(f"booted with the contact {how}")
        await self.house.machine.is_up()
        # Until the Pi has published something in this run, the broker's messages about it are old.
        await self.house.until(partial(self._speaks, mark), "the Pi speaks", BOOT_S)
        async with asyncio.timeout(BOOT_S):
            await self.house.hub.connected.wait()
        await asyncio.sleep(HEARD_S)

    async def _power_on(self, *, contact_open: bool) -> None:
        layer = await asyncio.to_thread(self.disk.begin)
        await self.house.machine.power_on(layer, contact_open=contact_open)
        self.house.note_contact(is_open=contact_open)

    # --- where everything belongs ------------------------------------------------------------------------------------

    async def _is_shed(self) -> None:
        await self.house.until(lambda: self.house.at(Position.OFF) == set(SHED), "all is shed", STUCK_S)
        await self.house.until(lambda: self._says("standby"), "the Pi says standby", STUCK_S)
        said = await self.house.machine.do(_FIRST_OFF)
        if found := re.match(r"\[ *([\d.]+)\]", said.text):
            self.tally.off_after_s.append(float(found[1]))

    def _says(self, state: str) -> bool:
        return self.house.last("controller/state").get("state") == state

    async def _is_back(self, mark: int, off_before: set[str]) -> None:
        booted = self._last_boot()
        await self.house.until(lambda: self.house.is_quiet(booted), "the Pi says that the outage is over", STUCK_S)
        await asyncio.sleep(HEARD_S)
        if (off := self.house.at(Position.OFF)) != off_before:
            whys = {one: self.house.last(f"circuits/{one}").get("why") for one in off ^ off_before}
            raise WrongError(f"off are {sorted(off)}, and should be {sorted(off_before)}: {whys}; {self.house.story()}")
        if wrong := wrong_commands(self.house.recorder.said[mark:], off_before):
            raise WrongError("; ".join(wrong))

    def _say(self, sentence: str) -> None:
        say(f"{time.strftime('%H:%M:%S')} {self.name}: {sentence}")

    def _last_boot(self) -> int:
        said = self.house.recorder.said
        return max((number for number, one in enumerate(said) if one.topic == RECONNECTED), default=0)


def _listed(circuits: set[str]) -> str:
    return ", ".join(sorted(circuits)) or "none"


def wrong_commands(said: Iterable[Said], off_before: set[str]) -> list[str]:
    """Return a sentence for each command that must never be, whatever was cut off in the middle."""
    wrong, is_open, since = [], False, 0.0
    for one in said:
        if one.topic == CONTACT and is_open is not (one.payload == b"open"):
            is_open, since = one.payload == b"open", one.at
        match one.topic.split("/")[2:]:
            case ["breakers", circuit, "set"] if circuit not in SHED:
                wrong.append(f"{one.payload.decode()} to {circuit}, which may not be commanded")
            case ["breakers", circuit, "set"] if one.payload == b"ON" and circuit in off_before:
                wrong.append(f"ON to {circuit}, which was off before")
            case ["breakers", circuit, "set"] if one.payload == b"ON" and is_open and one.at - since > HEARD_S:
                wrong.append(f"ON to {circuit}, {one.at - since:.1f} s after the contact opened")
    return wrong


async def cut_power(image: Image, cuts: int, seed: int, at_once: int) -> Tally:
    """Return the result of this number of power cuts in several houses; the same seed gives the same sequence."""
    tally = Tally(cuts)
    async with asyncio.TaskGroup() as tasks:
        for number in range(1, at_once + 1):
            dice = random.Random(f"{seed} {number}")  # noqa: S311 - chance, no secret
            tasks.create_task(_cut_in(f"house {number}", image, dice, tally))
    return tally


async def _cut_in(name: str, image: Image, dice: random.Random, tally: Tally) -> None:
    place = folder() / name.replace(" ", "-")
    place.mkdir(exist_ok=True)
    disk = Disk(image.disk, place / "cuts.qcow2")
    async with ApplianceHouse(image, place) as house:
        try:
            await Campaign(name, house, disk, dice, tally).play()
        except (WrongError, CannotError) as error:
            tally.wrong.append(f"{name}: {error}")
            await house.keep_journal(place)
            say(f"{name}: its journal is in {place}")
