"""Random nights: faults, crashes and people in any order, from one number. The same number, the same night."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from math import exp, log
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from controller.core.engine import EngineSettings
from rules.flapping import FlapSettings
from rules.panel import Position
from rules.shed import RetryPolicy
from tests.virtual import family_device, panels
from tests.virtual.family_device import DrawnDevices, FamilyDevice
from tests.virtual.fault_weights import INTO_A_DRILL
from tests.virtual.faults import ROLLS_OVER, Happening, Makers
from tests.virtual.random_house import RandomHouse
from tests.virtual.recovery_check import settle_down

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from controller.recording.format import Part
    from tests.virtual.device import Device

QUIET_S = 1200.0
"""After the last fault so long.

Longer than every wait the rules know, one after the other: a flapping source's (60 s in these nights), a late OFF's (2
min), a rest (1 min), three tries of each circuit in turn (12 of 15 s).
"""

FEWEST, MOST = 4, 13
"""Faults of a night, besides its outage and a drill."""

FAMILIES = float(os.environ.get("FAMILIES", "0"))
"""Share of nights in houses with devices of MQTT families: `FAMILIES=0.6 make nights`.

None by default: in some of these nights the engine is still wrong, and a recording of one is not yet replayed exactly.
"""

DRILLS = 0.3
"""Share of nights that begin with a drill: after an outage, circuits waiting for a user forbid it."""


class Story(NamedTuple):
    """What one night came to. `quiet_s`: from the end of the last fault to the last command."""

    faults: Counter[str]
    guards: Counter[str]
    turns: int
    lived_s: float
    crashes: int
    outages: int
    most_tries: int
    quiet_s: float
    last_words: str


class Night:
    """One night: a house, and what happens to it.

    `told` collects it in words, `tape` for `loadshed replay`, where somebody listens.
    """

    def __init__(self, seed: int, told: list[str] | None = None, tape: list[Part] | None = None) -> None:
        random = Random(seed)  # noqa: S311  # a replay, not a secret
        panel = panels.whole()
        self._told = told
        self._in_the_dark = random.random() < 0.2
        self._on_utility = random.random() < 0.7
        settings, metered = _settings(random), random.random() < 0.35
        draws = Random(f"families {seed}")  # noqa: S311
        drawn = family_device.draw(draws, panel) if draws.random() < FAMILIES else DrawnDevices()
        panel = drawn.on(panel)
        self.house = RandomHouse(panel, settings, seed, metered=metered, drawn=drawn)
        for device in self.house.devices.values():
            self._born(device, random)
        broker = self.house.broker
        broker.contact_open = False if random.random() < 0.8 else None
        broker.save()
        self.house.families.pump()
        self.house.families.save()
        self._rolls_over = random.random() < 0.3 and self.house.meter is not None
        if self.house.meter is not None and self._rolls_over:
            self.house.meter.near_rollover()
        makers = Makers(
            random,
            panel,
            contact_on_bus=self.house.contact_on_bus,
            metered=self.house.meter is not None,
            devices=self.house.families.devices,
        )
        self.plan = _plan(random, makers)
        self.house.program.tape = tape
        if told is not None:
            self._listen(told)

    def _born(self, device: Device, random: Random) -> None:
        if isinstance(device, FamilyDevice):
            return
        device.writes_availability = random.random() < 0.7
        device.keeps_session = random.random() < 0.4
        if random.random() < 0.2:
            device.position = Position.OFF
        if not device.silent and random.random() < 0.9:
            self.house.broker.states[device.circuit] = device.position
            if device.writes_availability:
                self.house.broker.availability[device.circuit] = True

    def _listen(self, told: list[str]) -> None:
        house = self.house

        def say(words: str) -> None:
            told.append(f"{house.at - 100.0:9.3f} s  {words}")

        self.house.log = self.house.program.log = say

    def play(self, plan: Sequence[Happening] | None = None) -> Story:
        """Live through it, and hold the invariants at each turn. `plan`: this much of what was to happen."""
        try:
            return self._play(self.plan if plan is None else plan)
        finally:
            self.house.close()

    def _play(self, plan: Sequence[Happening]) -> Story:
        house = self.house
        house.contact_open = self._in_the_dark  # the usual start
        house.start()
        for happening in plan:
            house.run(max(0.0, 100.0 + happening.at_s - house.at))
            house.log(happening.words)
            happening.act(house)
            house.families.pump()
        house.run(self.plan[-1].at_s + 100.0 - house.at if self.plan else 0.0)
        healed_at = settle_down(house, QUIET_S, on_utility=self._on_utility)
        program = house.program
        return Story(
            faults=Counter([happening.name for happening in plan] + [ROLLS_OVER] * self._rolls_over),
            guards=program.facts.guards,
            turns=program.turns,
            lived_s=house.at - 100.0,
            crashes=program.crashes,
            outages=program.outages,
            most_tries=program.most_tries,
            quiet_s=max(0.0, program.last_command_at - healed_at),
            last_words=f"{house.at} {sorted((c, d.position.value) for c, d in house.devices.items())}",
        )


def _settings(random: Random) -> EngineSettings:
    choose, chance = random.choice, random.random
    return EngineSettings(
        contact_on_bus=chance() < 0.3,
        on_lost_shed=chance() < 0.3,
        retry=RetryPolicy(confirm_s=choose((5.0, 5.0, 2.0)), eager_s=choose((180.0, 30.0))),
        utility_stable_s=choose((10.0, 10.0, 2.0, 0.0)),
        stagger_s=choose((5.0, 5.0, 1.0)),
        flapping=FlapSettings(wait_max_s=60.0),
        sample_s=120.0,
    )


def _plan(random: Random, makers: Makers) -> list[Happening]:
    """Return what happens, in order; each night has an outage."""
    many = random.randint(FEWEST, MOST)
    outage = random.randrange(many // 2)
    plan, at_s = _drill(random, makers) if random.random() < DRILLS else ([], random.choice((0.0, 3.0, 40.0)))
    for number in range(many):
        if number == outage:
            plan.append(makers.make(at_s, "outage"))
            at_s += exp(random.uniform(log(0.3), log(60.0)))
        plan.append(makers.make(at_s, makers.any_name()))
        at_s += exp(random.uniform(log(0.01), log(90.0)))
    return plan


def _drill(random: Random, makers: Makers) -> tuple[list[Happening], float]:
    """Return a drill in a house that is still quiet, with what falls into it, and when the rest of the night begins.

    That is often in the middle of the drill too. Utility must have been stable before.
    """
    asked_s = random.uniform(11.0, 20.0)
    plan = [makers.make(asked_s, "drill")]
    if random.random() < 0.7:
        into_s = asked_s + exp(random.uniform(log(0.2), log(40.0)))
        plan.append(makers.make(into_s, random.choice(INTO_A_DRILL)))
    rest_s = random.choice((random.uniform(0.1, 30.0), random.uniform(0.1, 300.0)))
    return plan, plan[-1].at_s + rest_s


def play(seed: int) -> Story:
    """Play the night of this number."""
    return Night(seed).play()


OUR_ERRORS = (AssertionError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError, sqlite3.Error)


def words(error: Exception) -> str:
    """Return what was wrong, in a line."""
    return f"{type(error).__name__}: {(str(error) or 'without a word').splitlines()[0]}"


def failure(
    seed: int,
    plan: Sequence[Happening] | None = None,
    told: list[str] | None = None,
    tape: list[Part] | None = None,
) -> str | None:
    """Return what was wrong in the night of this number, or in part of it; None: nothing."""
    try:
        Night(seed, told, tape).play(plan)
    except OUR_ERRORS as error:
        return words(error)
    return None


def shrunk(plan: Sequence[Happening], fails: Callable[[list[Happening]], bool]) -> list[Happening]:
    """Return as few happenings as still fail: halves are left out, then less, at last one after the other."""
    least = list(plan)
    step = max(1, len(least) // 2)
    while True:
        before, place = len(least), 0
        while place < len(least):
            less = least[:place] + least[place + step :]
            if fails(less):
                least = less
            else:
                place += step
        if step == 1 and len(least) == before:
            return least
        step = max(1, step // 2)
