"""Random nights of the bridge in virtual time: the simulated cloud with all of its faults, and a judge.

    python -m tests.clients.leviton.random_nights 2000            # JOBS=2; SEED=4711 plays one night

The judge knows the breakers themselves. It asks: was `off` ever published while the breaker was energized, was a
command sent that must not be sent, does everything come to rest when the faults are over.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from clients.leviton import signals as sig
from clients.leviton.bridge import Bridge
from clients.leviton.orders import VALID_S
from hw.simulated.leviton_cloud import LevitonCloud
from hw.simulated.leviton_faults import LevitonFaults
from hw.simulated.leviton_panel import BreakerGeneration, CloudBreaker, CloudHub, simulated_hub
from rules.panel import CircuitId, Position
from tests.clients.leviton.leviton_house import LevitonHouse, circuits_of

if TYPE_CHECKING:
    from collections.abc import Callable

REPORT_WITHIN_S = 10.0
"""A report may be this old, in seconds, when it is published: hub, cloud, a slow connection, two readings."""
STANDING_URGENT_S, STANDING_S = 110.0, 660.0
"""Time in seconds after which a standing `off` must be corrected or withdrawn: the cross-check, and its delays."""
STEP_S = 1.0
FAULTS_UNTIL_S, SHED_AT_S, END_S = 2400.0, 300.0, 3600.0
REST_S = 400.0
CONFIRM_S = 15.0
PROGRESS_EVERY = 100


@dataclass
class Judged:
    """One night. `wrong`: what must never happen. `seen`: how often what happened."""

    seed: int
    wrong: list[str] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)


class ControllerModel:
    """The controller, as far as the bridge meets it: it sheds, retries until `off` is reported, and restores."""

    def __init__(self, house: LevitonHouse) -> None:
        self.house = house
        self.wanted: dict[str, bool] = {}
        self.asked: list[tuple[float, str, bool]] = []
        self.sent_at: dict[str, float] = {}

    def shed(self) -> None:
        """Switch off everything, the largest rank first."""
        self.house.standby()
        self.wanted = {one.id: False for one in sorted(self.house.circuits, key=lambda one: -one.rank)}
        self.sent_at.clear()
        self.look()

    def restore(self) -> None:
        """Switch on everything."""
        self.house.feed(sig.HouseReported("restoring"))
        self.wanted = dict.fromkeys(self.wanted, True)
        self.sent_at.clear()
        self.look()

    def look(self) -> None:
        """Send what is due."""
        house = self.house
        on_sent = False
        for circuit, on in self.wanted.items():
            is_so = house.positions.get(circuit) is (Position.ON if on else Position.OFF)
            if (is_so and house.available.get(circuit)) or (on and on_sent):
                continue
            if house.now - self.sent_at.get(circuit, float("-inf")) >= CONFIRM_S:
                self.sent_at[circuit] = house.now
                self.asked.append((house.now, circuit, on))
                on_sent = on_sent or on
                house.command(circuit, on=on)

    def returned(self, circuit: str) -> None:
        """Send again at once: the device has come back."""
        self.sent_at.pop(circuit, None)


def play(seed: int) -> Judged:
    """Play one night."""
    return Night(seed).play()


class Night:
    """One night of one house."""

    def __init__(self, seed: int, bridge: type[Bridge] = Bridge) -> None:
        self.chance = random.Random(seed)  # noqa: S311  # a simulation
        self.judged = Judged(seed)
        hubs = [self._hub(number) for number in range(self.chance.choice((1, 1, 2)))]
        self.cloud = LevitonCloud(hubs, seed=seed, guest=self.chance.random() < 0.3)
        companion = self.chance.random() < 0.1
        self.house = LevitonHouse(
            self.cloud,
            circuits_of(hubs),
            companion=companion,
            push_delay=self._push_delay,
            on_effect=self._effect,
            kind=bridge,
        )
        self.controller = ControllerModel(self.house)
        self.energized_until: dict[str, float] = {}
        self.off_at: dict[str, float] = {}
        self.claimed_since: dict[str, float] = {}
        self.serials = {one.id: one.device.address.rpartition("/")[2] for one in self.house.circuits if one.device}
        self.bound = {(one.device.address if one.device else ""): one.id for one in self.house.circuits}

    def _hub(self, number: int) -> CloudHub:
        chance = self.chance
        hub = simulated_hub(chance.randint(1, 8), f"1000_0012_345{6 + number}")
        hub.version = chance.choice(("1.9.0", "2.1.2"))
        for one in hub.breakers:
            one.load_w = chance.choice((0.0, 12.0, 900.0, 3600.0))
            one.generation = chance.choice((BreakerGeneration.SECOND,) * 6 + (BreakerGeneration.FIRST,))
            if chance.random() < 0.1:
                one.generation, one.serial = BreakerGeneration.STANDARD, None
            one.remote_off = one.generation is BreakerGeneration.SECOND and chance.random() < 0.15
            one.stuck, one.welded = chance.random() < 0.04, chance.random() < 0.04
            one.move_s = chance.choice((0.2, 0.5, 2.0))
        hub.refresh()
        return hub

    def _push_delay(self) -> float:
        return self.chance.choice((0.02, 0.02, 0.1, 1.0))

    # --- faults ------------------------------------------------------------------------------------------------------

    def _plan(self) -> None:
        chance, house = self.chance, self.house
        plans: list[Callable[[], None]] = [
            self._no_internet,
            self._hub_away,
            lambda: self._fault("status", chance.choice((500, 502, 503, 504))),
            lambda: self._fault("status", 429, retry_after_s=chance.choice((None, 2, 30))),
            lambda: self._fault("acts_then_resets", True),
            lambda: self._fault("lost_share", chance.choice((0.2, 0.7, 1.0))),
            lambda: self._fault("mute", True),
            lambda: self._fault("never_ready", True),
            lambda: self._fault("lost_commands", chance.choice((0.3, 1.0))),
            lambda: self._fault("late_commands", True),
            lambda: self._fault("shows_on_once", True),
            lambda: self._fault("latency_s", chance.choice((0.5, 2.0, 4.0))),
            lambda: self._fault("dead_tokens", True),
            self.cloud.cut_push,
            self.cloud.change_ids,
            *(self._somebody_elses_hand,) * 4,
            self._loop,
            self._bus_again,
            self._other_breaker,
        ]
        for plan in chance.choices(plans, k=chance.randint(2, 14)):
            house.at(chance.uniform(60.0, FAULTS_UNTIL_S - 60.0), lambda plan=plan: self._begin(plan))  # type: ignore[misc]

    def _begin(self, plan: Callable[[], None]) -> None:
        if self.house.now < FAULTS_UNTIL_S:
            plan()

    def _fault(self, name: str, value: object, **more: object) -> None:
        self.judged.seen[name] += 1
        faults, usual = self.cloud.faults, LevitonFaults()
        for key, one in {name: value, **more}.items():
            setattr(faults, key, one)

        def end() -> None:
            for key in (name, *more):
                setattr(faults, key, getattr(usual, key))
            if name == "dead_tokens":
                self.house.feed(sig.LoginChanged("person-1", 50 * 86400.0))

        self.house.at(min(self.house.now + self.chance.choice((5.0, 30.0, 200.0, 900.0)), FAULTS_UNTIL_S), end)

    def _no_internet(self) -> None:
        self.judged.seen["no internet"] += 1
        self.house.internet(up=False)
        back = self.house.now + self.chance.choice((3.0, 30.0, 300.0, 1200.0))
        self.house.at(min(back, FAULTS_UNTIL_S), lambda: self.house.internet(up=True))

    def _hub_away(self) -> None:
        self.judged.seen["hub away"] += 1
        hub = self.chance.choice(self.cloud.hubs)
        self.cloud.hub_lost(hub)
        back = min(self.house.now + self.chance.choice((5.0, 60.0, 600.0)), FAULTS_UNTIL_S)
        self.house.at(back, lambda: self.cloud.hub_back(hub, self.house.now))

    def _somebody_elses_hand(self) -> None:
        hub = self.chance.choice(self.cloud.hubs)
        one = self.chance.choice(hub.breakers)
        what = self.chance.choice(("handle", "app on", "app off", "trip", "unheard", "heard"))
        self.judged.seen[what] += 1
        if what == "handle":
            one.move_handle(on=not one.handle_on)
        elif what.startswith("app"):
            one.switch(on=what == "app on")
        elif what == "trip":
            one.trip = self.chance.choice(("OverloadTrip", "GFCIFault", "ShortCircuitTrip"))
        else:
            one.unheard = what == "unheard"
        self.cloud.moved(hub, self.house.now)

    def _loop(self) -> None:
        hub = self.chance.choice(self.cloud.hubs)
        self.chance.choice((hub.open_loop, hub.close_loop))()
        self.cloud.moved(hub, self.house.now)

    def _bus_again(self) -> None:
        self.house.feed(sig.BusJoined())

    def _other_breaker(self) -> None:
        hub = self.chance.choice(self.cloud.hubs)
        one = self.chance.choice(hub.breakers)
        self.judged.seen["other breaker"] += 1
        one.serial, one.id = f"X{one.serial}", f"X{one.id}"
        one.generation = self.chance.choice((BreakerGeneration.FIRST, BreakerGeneration.SECOND))

    # --- the judge ---------------------------------------------------------------------------------------------------

    def _breaker_of(self, circuit: CircuitId) -> CloudBreaker | None:
        serial = self.serials[circuit]
        return next((one for hub in self.cloud.hubs for one in hub.breakers if one.serial == serial), None)

    def _effect(self, at: float, effect: sig.BridgeEffect) -> None:
        match effect:
            case sig.PublishPosition(circuit, Position.OFF):
                self.judged.seen["off published"] += 1
                one = self._breaker_of(circuit)
                if one is not None and one.energized and not one.welded:
                    was_off = self.off_at.get(one.id.partition("_")[0], float("-inf"))
                    if at - was_off > REPORT_WITHIN_S:
                        self._wrong(f"{circuit} off published, energized since {at - was_off:.1f} s")
            case sig.PublishAvailability(circuit, online=True):
                self.controller.returned(circuit)

    def _wrong(self, text: str) -> None:
        self.judged.wrong.append(f"{self.house.now:.1f}: {text}")

    def _watch(self) -> None:
        now, house = self.house.now, self.house
        for hub in self.cloud.hubs:
            for one in hub.breakers:
                if not one.energized:
                    self.off_at[one.id.partition("_")[0]] = now
        for circuit in map(CircuitId, house.available):
            claims = house.available[circuit] and house.positions.get(circuit) is Position.OFF
            breaker = self._breaker_of(circuit) if claims else None
            if breaker is None or not claims or not breaker.energized or breaker.welded:
                self.claimed_since.pop(circuit, None)
                continue
            since = self.claimed_since.setdefault(circuit, now)
            limit_s = STANDING_URGENT_S if house.bridge.session.urgent else STANDING_S
            if now - since > limit_s:
                self._wrong(f"{circuit} stands as off, energized since {now - since:.0f} s")
                self.claimed_since[circuit] = now + 1e6
        self.controller.look()
        house.at(now + STEP_S, self._watch)

    def _judge_commands(self) -> None:
        seen = self.judged.seen
        seen["commands"] += len(self.cloud.accepted)
        if self.house.companion and self.cloud.accepted:
            self._wrong("a command was sent although the hub sheds by itself")
        for at, one, on in self.cloud.accepted:
            circuit = next((name for address, name in self.bound.items() if address.endswith(f"/{one.serial}")), None)
            if circuit is None:
                continue  # replaced since: judged when it was accepted
            asked = [when for when, name, word in self.controller.asked if name == circuit and word == on]
            if not any(when <= at <= when + VALID_S + 6.0 for when in asked):
                self._wrong(f"{circuit} {'ON' if on else 'OFF'} at {at:.1f} although nothing asked for it")

    def _judge_kind(self) -> None:
        for at, one, _ in self.cloud.accepted[self.judged.seen["judged commands"] :]:
            self.judged.seen["judged commands"] += 1
            if one.generation is not BreakerGeneration.SECOND:
                self._wrong(f"a command at {at:.1f} to a breaker that cannot be switched on remotely")
        self.house.at(self.house.now + 1.0, self._judge_kind)

    def _judge_rest(self) -> None:
        """Judge the end: the faults are over, and the house is on standby."""
        house = self.house
        for circuit in house.circuits:
            breaker = self._breaker_of(circuit.id)
            state = house.bridge.circuits[circuit.id]
            if breaker is None or breaker.stuck or breaker.unheard or state.mismatch or house.companion:
                continue
            if not house.available.get(circuit.id):
                self._wrong(f"{circuit.id} is still away: {state.reason}")
            elif house.positions.get(circuit.id) not in (Position.OFF, Position.TRIPPED):
                self._wrong(f"{circuit.id} is still {house.positions.get(circuit.id)}: {house.details.get(circuit.id)}")
            elif (
                breaker.energized
                and breaker.welded
                and breaker.load_w >= 30.0
                and house.power.get(circuit.id, (0.0, 0))[0] < 30.0
            ):
                self._wrong(f"{circuit.id} is welded, draws {breaker.load_w} W, and no power is published")
        if house.report.get("state") != "online":
            self._wrong(f"the bridge is still {house.report}")

    def play(self) -> Judged:
        """Play the night and judge it."""
        house = self.house
        self._plan()
        house.at(0.5, self._watch)
        house.at(1.0, self._judge_kind)
        house.at(SHED_AT_S, self.controller.shed)
        house.at(SHED_AT_S + self.chance.uniform(100.0, 900.0), self.controller.restore)
        house.at(FAULTS_UNTIL_S - self.chance.uniform(0.0, 300.0), self.controller.shed)
        house.start()
        house.run(END_S)
        self._judge_commands()
        self._judge_rest()
        self.judged.seen["availability changes"] = sum(
            isinstance(one, sig.PublishAvailability) for _, one in house.published
        )
        return self.judged


def main() -> int:
    """Play nights and print what was seen; return the exit code."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    if seed := os.environ.get("SEED"):
        night = Night(int(seed))
        judged = night.play()
        sys.stdout.write("\n".join((*night.house.log, *judged.wrong, "")))
        return bool(judged.wrong)
    began = time.monotonic()
    seen: Counter[str] = Counter()
    failed = 0
    with ProcessPoolExecutor(int(os.environ.get("JOBS", "2"))) as pool:
        for played, judged in enumerate(pool.map(play, range(count), chunksize=5), 1):
            seen += judged.seen
            if played % PROGRESS_EVERY == 0:
                sys.stdout.write(f"{played} nights, {failed} failed\n")
                sys.stdout.flush()
            if judged.wrong:
                failed += 1
                sys.stdout.write(f"SEED={judged.seed}: {judged.wrong[:3]}\n")
    sys.stdout.write(f"{count} nights, {failed} failed, {time.monotonic() - began:.0f} s; {dict(seen)}\n")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
