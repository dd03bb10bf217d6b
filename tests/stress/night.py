"""One outage of a real house, from quiet to quiet, with everything that a plan has go wrong in it."""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import TYPE_CHECKING

from rules.panel import Position
from tests.stress.faults import WAL_DELETED, Mischief
from tests.stress.oracle import END, NIGHT
from tests.stress.plan import BOUNCE, ILLNESSES, LIVE_DRILL, MOVE, OFFLINE

if TYPE_CHECKING:
    from tests.stress.counters import Tally
    from tests.stress.oracle import Judge
    from tests.stress.plan import Drill, Fault, Plan
    from tests.system.process_house import ProcessHouse

STUCK_S = 75.0
"""Longer than every wait the rules know: an OFF that may still take effect is the longest, a minute."""

LOST_ALOUD = re.compile(r"set aside|cannot be (written|read|set aside)|is damaged|could not be kept|rows lost")


class Night:
    """One outage in one house. `roomy`: see `Mischief`."""

    def __init__(self, house: ProcessHouse, plan: Plan, judge: Judge, tally: Tally, *, roomy: bool) -> None:
        self.house = house
        self.plan = plan
        self.judge = judge
        self.tally = tally
        self.off_before = plan.off_before - self._owed()
        self.mischief = Mischief(house, roomy, self.off_before)
        self._log_from = len(house.program.log)

    def _owed(self) -> set[str]:
        """Return the circuits with a shed record: to be restored, or on and watched for a late OFF."""
        state = self.house.state
        return {*state.get("owed", ()), *state.get("late_off_watch", ())}

    async def play(self) -> None:
        """Play it. Raises AssertionError where the house does not come to rest."""
        await self._prepare()
        told = {"off_before": sorted(self.off_before), "owed": sorted(self._owed())}
        self.house.recorder.note(NIGHT, json.dumps(told))
        for fault in self.plan.early:
            await self._goes_wrong(fault)
        if self.plan.drill is not None:
            await self._drill(self.plan.drill)
        contact = asyncio.create_task(self._contact_plays())
        for fault in self.plan.faults:
            await asyncio.sleep(fault.after_s)
            await self._goes_wrong(fault)
        await contact
        await asyncio.sleep(self.plan.lull_s)
        await self._calm()
        if self.house.contact.is_open:
            await self._comes_right(on_standby=True)
            self.house.closes()
        await self._comes_right(on_standby=False)
        await self._people_put_things_right()

    async def _drill(self, drill: Drill) -> None:
        self.tally.faults[LIVE_DRILL] += 1
        await self.house.until(lambda: self.house.state["stable_at"] is None, "utility is stable", STUCK_S)
        await self.mischief.drill(drill.for_s)
        await asyncio.sleep(drill.lead_s)
        if drill.ended:
            await self.mischief.drill(None)

    async def _goes_wrong(self, fault: Fault) -> None:
        self.tally.faults[fault.name] += 1
        await self.mischief.do(fault)

    async def _prepare(self) -> None:
        """Have off before what is to be, by hand, and wait until the program knows and has written it."""
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
        contact = self.house.contact
        self.tally.faults[self.plan.play] += 1
        for move in self.plan.moves:
            await asyncio.sleep(move.after_s)
            if move.what == MOVE:
                contact.move(not contact.is_open)
            elif move.what == BOUNCE:
                contact.move(not contact.is_open, contact.is_open)
            else:
                contact.presence(offline=move.what == OFFLINE)

    async def _calm(self) -> None:
        await self.mischief.end()
        await self.house.until(self._hears, "the program is on the bus", STUCK_S)
        await self.house.until(self.mischief.slow_ones_are_done, "every slow breaker has obeyed", STUCK_S)
        await self.house.greetings()

    def _hears(self) -> bool:
        last = self.house.recorder.last("controller/availability")
        return last is not None and last.payload == b"online"

    # --- where everything belongs --------------------------------------------------------------------------------

    async def _comes_right(self, *, on_standby: bool) -> None:
        """Wait until the house is at rest where the contact says it is; let the judge see how it stands then."""
        began, mark = time.monotonic(), self.house.mark
        what = "all is shed, or named" if on_standby else "all is back, or named"
        try:
            await self.house.until(lambda: self._at_rest(mark, on_standby=on_standby), what, STUCK_S)
        finally:
            self.house.recorder.note(END, json.dumps(self._stands(on_standby=on_standby)))
        worst = "calm to all shed" if on_standby else "contact closed to all back"
        self.tally.lasted(worst, time.monotonic() - began)

    def _at_rest(self, mark: int, *, on_standby: bool) -> bool:
        state = self.house.state
        # What it said before the contact last moved is no answer.
        if state.get("state") != ("standby" if on_standby else "utility") or not self._answered_since(mark):
            return False
        off = {str(circuit) for circuit in self.house.at(Position.OFF)}
        named, touched = self._named(), self._touched()
        if self.judge.facts.drills.is_coming(time.monotonic()):
            return False
        if on_standby:
            return {one.id for one in self.house.shed} - touched <= off | named
        if state["outage"] is not None or not {*state["unconfirmed"]} <= self._given_up():
            return False
        return self._missing(off, touched) <= self._waits()

    def _answered_since(self, mark: int) -> bool:
        """Return whether the program has answered a probe sent since, and had time to settle."""
        settled = self.house.timing.settle_s + self.house.timing.utility_stable_s
        answers = [one for one in self.house.recorder.said[mark:] if "/answers/witness-" in one.topic]
        return bool(answers) and answers[-1].at - answers[0].at > settled

    def _missing(self, off: set[str], touched: set[str]) -> set[str]:
        return {str(circuit) for circuit in self.house.hub.breakers} & off - self.off_before - touched

    def _waits(self) -> set[str]:
        """Return the circuits that are off and rightly wait for a user; all if the state is unknown."""
        if self._forgiven():
            return {str(circuit) for circuit in self.house.hub.breakers}
        waits = ("nobody knows", "asks", "on hold")
        return self._owed_for(*waits) | self._given_up()

    def _given_up(self) -> set[str]:
        """Return what an ill breaker did not do in three tries, where it has spoken too soon after the last.

        That is an answer, and a refusal, to whoever cannot see its illness end; said aloud, and tried at its next word.
        """
        ill = {fault.circuit for fault in (*self.plan.early, *self.plan.faults) if fault.name in ILLNESSES}
        return ill & self._owed_for("no response to three ON commands")

    def _owed_for(self, *reasons: str) -> set[str]:
        whys = {circuit: str(self.house.circuit(circuit).get("why")) for circuit in self.house.state["owed"]}
        return {circuit for circuit, why in whys.items() if any(reason in why for reason in reasons)}

    def _forgiven(self) -> bool:
        """Return whether the program lost its ledger and has reported it; a deleted log cannot be detected."""
        said = any(LOST_ALOUD.search(line) for line in self.house.program.log[self._log_from :])
        return self.mischief.forgets == WAL_DELETED or (bool(self.mischief.forgets) and said)

    def _named(self) -> set[str]:
        """Return what `unconfirmed`, `owed` or an alarm names."""
        state = self.house.state
        told = " ".join(one.payload.decode() for one in self.house.recorder.alarms())
        return {*state["unconfirmed"], *state["owed"], *re.findall(r"[\w-]+", told)}

    def _touched(self) -> set[str]:
        """Return the circuits moved by a user or their own protection: they stay in that position."""
        self.judge.read(self.house.recorder.said)
        return self.judge.facts.tonight.touched

    def _stands(self, *, on_standby: bool) -> dict[str, object]:
        off = sorted(str(circuit) for circuit in self.house.at(Position.OFF))
        named = sorted(self._named() & {one.id for one in self.house.circuits})
        return {"on_standby": on_standby, "off": off, "named": named, "said": self._forgiven()}

    # --- the morning after -----------------------------------------------------------------------------------------

    async def _people_put_things_right(self) -> None:
        """Do what the alarm asks of the owner; a circuit that was off before is left, and forgotten."""
        # Also what was on hold another day: a disk that went back in time remembers.
        on_hold = {one.id for one in self.house.shed if "on hold" in str(self.house.circuit(one.id).get("why"))}
        for circuit in sorted(self.mischief.held | on_hold):
            await self.house.ask("release", circuit)
        missing = self._missing({str(circuit) for circuit in self.house.at(Position.OFF)}, self._touched())
        given_up, named = self._given_up(), self._named()
        why = self.mischief.forgets or "a crash faster than the disk"
        self.tally.waiting["three tries, and a word too soon"] += len(missing & given_up)
        self.tally.waiting[why] += len((missing & named) - given_up)
        self.tally.forgotten[why] += len(missing - named)
        for circuit in self.house.state["owed"]:
            await self.house.ask("forget" if circuit in self.off_before else "restore", circuit)
        called = {*self.house.state["owed"]} - self.off_before
        await self.house.until(
            lambda: called <= self.house.at(Position.ON) | self.house.at(Position.TRIPPED),
            "they are given back",
            STUCK_S,
        )
