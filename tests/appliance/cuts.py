"""Power cuts at random moments of outages, and where every circuit stands at the end."""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING

from rules.panel import Position
from tests.appliance.house import SHED, House, WrongError
from tests.appliance.machine import BOOT_S, Disk
from tests.appliance.shell import CannotError, folder, say
from tests.system.on_bus import CONTACT, RECONNECTED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.appliance.image import Image
    from tests.system.on_bus import Said

STUCK_S = 600.0
"""Longer than all a Pi has to do once it is up, in an emulator on a machine with other work."""

HEARD_S = 2.0
"""After an edge, commands that were on their way still count for the contact as it stood before."""

_JOURNAL = "journalctl -b -u loadshed -o short-monotonic --no-pager"
_FIRST_OFF = _JOURNAL + " | grep -m 1 'OFF sent'"
_CONNECTED = f"until {_JOURNAL} | grep -q 'connected to the broker'; do sleep 1; done"

_OFF_ON_DISK = "python3 /usr/local/lib/appliance/off_on_disk.py"


class Moment(Enum):
    """When the power is cut."""

    AT_THE_EDGE = "within two seconds of the opening"
    ON_STANDBY = "later on standby"
    COMING_BACK = "after the contact has closed"
    WHILE_BOOTING = "again, while it booted"


@dataclass
class Tally:
    """What was seen. `wrong`: sentences. `off_after_s`: kernel start to first OFF, of each boot in the dark."""

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
    """Outages in one house, each with a power cut or two, until there have been enough cuts."""

    house: House
    disk: Disk
    dice: random.Random
    tally: Tally = field(default_factory=Tally)

    async def play(self, cuts: int) -> None:
        """Cut the power so often. Raises WrongError where a house does not find its way back."""
        await self._boot(contact_open=False)
        await self._is_back(0, set())
        while self.tally.cuts < cuts:
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
        say(f"    every circuit right; off before, and off: {_listed(off_before)}")

    async def _opens_and_more(self) -> Moment:
        """Open the contact, and return when it is time for the cut, and which time that is."""
        moment = self.dice.choice((Moment.AT_THE_EDGE, Moment.ON_STANDBY, Moment.COMING_BACK))
        if moment is Moment.AT_THE_EDGE:
            # Nobody waits for the edge: the cut may come before it, while it settles, or amid the commands.
            self.house.contact_opens_by_itself()
            await asyncio.sleep(self.dice.uniform(0.0, 2.0))
            return moment
        await self.house.contact(is_open=True)
        await asyncio.sleep(self.dice.uniform(0.5, 8.0))
        if moment is Moment.COMING_BACK:
            await self.house.contact(is_open=False)
            await asyncio.sleep(self.dice.uniform(0.0, 6.0))
        return moment

    async def _some_are_off_before(self) -> set[str]:
        """Switch some off by hand, and wait until the Pi has written every one."""
        off_before = {circuit for circuit in SHED if self.dice.random() < 0.25}
        for circuit in SHED:
            position = Position.OFF if circuit in off_before else Position.ON
            if circuit not in self.house.at(position):
                self.house.flip(circuit, position)
        await self.house.machine.must(" ".join((_OFF_ON_DISK, *sorted(off_before))))
        return off_before

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
        """Tell whether the controller has said anything since a mark."""
        return any("/controller/" in one.topic and not one.retained for one in self.house.recorder.said[mark:])

    async def _cut(self, moment: Moment) -> None:
        await self.house.machine.cut()
        self.tally.cuts += 1
        self.tally.moments[moment.value] += 1
        say(f"cut {self.tally.cuts}: {moment.value}; off then: {_listed(self.house.at(Position.OFF))}")

    def _some_rebooted(self) -> None:
        """Let some breakers lose their own power as well: they come back as they were."""
        for breaker in self.house.hub.breakers.values():
            if self.dice.random() < 0.3:
                self.house.hub.say(breaker.reboot())

    async def _boot(self, *, contact_open: bool) -> None:
        await self._power_on(contact_open=contact_open)
        how = "open" if contact_open else "closed"
        self.tally.boots[how] += 1
        say(f"    booted with the contact {how}")
        await self.house.machine.is_up()
        # Until the Pi has spoken in this life, what the broker says of it is an old memory.
        await self.house.machine.must(_CONNECTED)
        async with asyncio.timeout(BOOT_S):
            await asyncio.gather(self.house.recorder.connected.wait(), self.house.hub.connected.wait())
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


async def cut_power(image: Image, cuts: int, seed: int) -> Tally:
    """Return what so many power cuts came to; the same seed throws the same dice."""
    disk = Disk(image.disk, folder() / "cuts.qcow2")
    async with House(image, folder()) as house:
        campaign = Campaign(house, disk, random.Random(seed))  # noqa: S311 - chance, no secret
        try:
            await campaign.play(cuts)
        except (WrongError, CannotError) as error:
            campaign.tally.wrong.append(str(error))
            if house.machine.is_on:
                say((await house.machine.do(_JOURNAL)).text)
    return campaign.tally
