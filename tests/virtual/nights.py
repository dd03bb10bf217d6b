"""Random nights: faults, crashes and people in any order, from one number. The same number, the same night.

python -m tests.virtual.nights 10000          play so many
python -m tests.virtual.nights --seed 4711    play one again
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from math import exp, log
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from controller.engine import EngineSettings
from controller.outage_book import Flap
from rules.panel import Position
from rules.shed import Pace
from tests.virtual import panels
from tests.virtual.house import House

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from controller.events import AskKind
    from tests.virtual.device import Device

_SLOW_S = (0.5, 3.0, 8.0, 20.0)
_ASKS: tuple[AskKind, ...] = ("on", "off", "restore", "hold", "release", "forget")
QUIET_S = 1200.0
"""Longer than every wait the rules know: flapping, a late OFF, rests, three tries of each circuit in turn."""


OUR_ERRORS = (AssertionError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


class Story(NamedTuple):
    """What one night came to."""

    faults: Counter[str]
    guards: Counter[str]
    turns: int
    lived_s: float


class Night:
    """One night: a house, and what happens to it."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311
        self.faults: Counter[str] = Counter()
        self.house = House(panels.some(self.random), self._settings(), seed, metered=self.random.random() < 0.1)
        for device in self.house.devices.values():
            self._born(device)
        broker = self.house.broker
        broker.contact_open = False if self.random.random() < 0.8 else None
        broker.save()

    def _settings(self) -> EngineSettings:
        choose, chance = self.random.choice, self.random.random
        return EngineSettings(
            contact_on_bus=chance() < 0.3,
            on_lost_shed=chance() < 0.3,
            pace=Pace(confirm_s=choose((5.0, 5.0, 2.0)), eager_s=choose((180.0, 30.0))),
            utility_stable_s=choose((10.0, 10.0, 2.0, 0.0)),
            stagger_s=choose((5.0, 5.0, 1.0)),
            flap=Flap(wait_max_s=60.0),
        )

    def _born(self, device: Device) -> None:
        chance = self.random.random
        device.writes_availability = chance() < 0.7
        device.keeps_session = chance() < 0.4
        if chance() < 0.2:
            device.position = Position.OFF
        if not device.silent and chance() < 0.9:
            self.house.broker.states[device.circuit] = device.position
            if device.writes_availability:
                self.house.broker.availability[device.circuit] = True

    def play(self) -> Story:
        """Live through it, and hold the invariants at each turn."""
        house, random = self.house, self.random
        if random.random() < 0.2:
            house.contact_open = True  # the usual start: in the dark
        house.start()
        house.run(random.choice((0.0, 3.0, 40.0)))
        doings = self._doings()
        for _ in range(random.randint(8, 40)):
            self._do(random.choice(doings))
            house.run(exp(random.uniform(log(0.01), log(90.0))))
        house.settle_down(QUIET_S, on_utility=random.random() < 0.7)
        return Story(self.faults, house.program.facts.guards, house.program.turns, house.at)

    def _do(self, doing: Callable[[], None]) -> None:
        self.faults[doing.__name__.strip("_")] += 1
        doing()

    def _doings(self) -> list[Callable[[], None]]:
        often = [self._transfer, self._transfer, self._transfer, self._transfer, self._crash, self._ask]
        return [
            *often,
            self._bounce,
            self._flap,
            self._stuck,
            self._edges_lost,
            self._contact_gone,
            self._crash_mid_effects,
            self._stall,
            self._lag,
            self._disk_slow,
            self._broker_restart,
            self._broker_saves,
            self._link_cut,
            self._silent,
            self._mute,
            self._slow,
            self._refuses,
            self._lies,
            self._wakes_otherwise,
            self._sound_again,
            self._away,
            self._power_blink,
            self._tripped,
            self._hand,
            self._hand,
            self._repeats,
            self._reload,
        ]

    # --- the contact -------------------------------------------------------------------------------------------------

    def _transfer(self) -> None:
        self.house.contact(is_open=not self.house.contact_open)
        for circuit in self.house.devices:
            if self.random.random() < 0.15:
                self.house.leave(circuit, self.random.uniform(0.3, 9.0), power=True)
        if self.random.random() < 0.05:
            self.house.stop_broker(self.random.uniform(0.5, 20.0), memory="old")

    def _bounce(self) -> None:
        self.house.bounce(self.random.choice((0.001, 0.05, 0.09, 0.11, 0.3)))

    def _flap(self) -> None:
        for number in range(self.random.randint(2, 6)):
            self.house.after(number * self.random.uniform(0.02, 3.0), self._turn_over)

    def _turn_over(self) -> None:
        self.house.contact(is_open=not self.house.contact_open)

    def _stuck(self) -> None:
        self.house.stuck = self.house.contact_open
        self.house.after(self.random.uniform(1.0, 60.0), self._free)

    def _free(self) -> None:
        self.house.stuck = None

    def _edges_lost(self) -> None:
        self.house.edges_lost = not self.house.edges_lost

    def _contact_gone(self) -> None:
        self.house.contact_gone(self.random.choice((0.5, 10.0, 40.0)))

    # --- the program -------------------------------------------------------------------------------------------------

    def _crash(self) -> None:
        reboot = self.random.random() < 0.5
        self.house.crash(self.random.uniform(5.0, 30.0) if reboot else self.random.uniform(0.2, 4.0), reboot=reboot)

    def _crash_mid_effects(self) -> None:
        self.house.crash_in_next_turn(self.random.randint(0, 4))

    def _stall(self) -> None:
        self.house.stall(self.random.choice((0.05, 0.5, 3.0, 12.0)))

    def _lag(self) -> None:
        self.house.program.lag_s = self.random.choice((0.1, 2.0, 6.0))

    def _disk_slow(self) -> None:
        self.house.program.disk.flush_s = self.random.choice((0.01, 0.05, 5.0))

    # --- the broker --------------------------------------------------------------------------------------------------

    def _broker_restart(self) -> None:
        memory = self.random.choice(("kept", "old", "lost"))
        self.house.stop_broker(self.random.choice((0.1, 2.0, 20.0)), memory=memory)

    def _broker_saves(self) -> None:
        self.house.broker.save()

    def _link_cut(self) -> None:
        self.house.drop_link(self.random.choice((0.1, 3.0, 30.0)))

    # --- devices -----------------------------------------------------------------------------------------------------

    def _one(self) -> Device:
        switched = [device for device in self.house.devices.values() if device.circuit not in ("attic", "dryer")]
        return self.random.choice(switched or list(self.house.devices.values()))

    def _silent(self) -> None:
        self._one().silent = True

    def _mute(self) -> None:
        self._one().mute = True

    def _slow(self) -> None:
        self._one().slow_s = self.random.choice(_SLOW_S)

    def _refuses(self) -> None:
        self._one().refuses = True

    def _lies(self) -> None:
        self._one().lies = True

    def _wakes_otherwise(self) -> None:
        self._one().wakes = self.random.choice((Position.ON, Position.OFF))

    def _sound_again(self) -> None:
        self._one().heal()

    def _away(self) -> None:
        self.house.leave(self._one().circuit, self.random.choice((2.0, 20.0, 50.0)))

    def _power_blink(self) -> None:
        self.house.leave(self._one().circuit, self.random.choice((0.2, 4.0, 30.0)), power=True)

    def _tripped(self) -> None:
        self.house.trip(self._one().circuit)

    def _hand(self) -> None:
        device = self._one()
        self.house.hand(device.circuit, Position.OFF if device.position is Position.ON else Position.ON)

    def _repeats(self) -> None:
        for circuit in self.house.devices:
            self.house.says_again(circuit)

    # --- people ------------------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        request = self.random.choice(_ASKS)
        everything = request == "restore" and self.random.random() < 0.5
        self.house.ask(request, None if everything else self._one().circuit, insist=self.random.random() < 0.2)

    def _reload(self) -> None:
        self.house.reload(panels.retagged(self.house.program.panel, self.random))


def play(seed: int) -> Story:
    """Play the night of this number."""
    return Night(seed).play()


class Campaign(NamedTuple):
    """What many nights came to; `failed`: the number of each night that failed, and why."""

    failed: list[tuple[int, str]]
    faults: Counter[str]
    guards: Counter[str]
    turns: int
    lived_s: float


def campaign(seeds: Iterable[int]) -> Campaign:
    """Play the nights of these numbers, and go on where one fails."""
    faults: Counter[str] = Counter()
    guards: Counter[str] = Counter()
    failed: list[tuple[int, str]] = []
    turns, lived_s = 0, 0.0
    for seed in seeds:
        try:
            story = play(seed)
        except OUR_ERRORS as error:
            failed.append((seed, f"{type(error).__name__}: {(str(error) or 'without a word').splitlines()[0]}"))
            continue
        faults += story.faults
        guards += story.guards
        turns += story.turns
        lived_s += story.lived_s
    return Campaign(failed, faults, guards, turns, lived_s)


def main() -> int:
    """Play as many nights as the command line says; return 1 where one failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.virtual.nights")
    parser.add_argument("nights", type=int, nargs="?", default=1000)
    parser.add_argument("--first", type=int, default=0, help="the first night's number")
    parser.add_argument("--seed", type=int, help="play this one night, and show where it fails")
    asked = parser.parse_args()
    if asked.seed is not None:
        print(play(asked.seed))  # noqa: T201
        return 0
    began = time.process_time()
    failed, faults, guards, turns, lived_s = campaign(range(asked.first, asked.first + asked.nights))
    took_s = time.process_time() - began
    lines = [f"{asked.nights} nights ({lived_s / 86400:.1f} days, {turns} turns) in {took_s:.1f} s of CPU"]
    lines.append(f"{asked.nights / took_s:.0f} nights/s")
    lines += [f"  {count:>9}  {name}" for name, count in sorted(faults.items())]
    lines.append("invariants, and how often each had something to hold:")
    lines += [f"  {count:>9}  {name}" for name, count in sorted(guards.items())]
    for seed, why in failed:
        lines.append(f"FAILED {why}\n  again: python -m tests.virtual.nights --seed {seed}")
    print("\n".join(lines), flush=True)  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
