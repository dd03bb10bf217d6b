"""What must never happen, under any order of events, with a crash between any two: a machine that tries to find one.

The virtual house holds the nine invariants, and that the next deadline is to come, at each of its turns
(`tests/virtual/invariants.py`); at the end of each run every fault ends, and every circuit must be where it belongs or
be named within `QUIET_S`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from controller.core.engine import EngineSettings
from rules.flapping import FlapSettings
from rules.panel import Position, Tag
from rules.shed import RetryPolicy
from tests.virtual import panels
from tests.virtual.night import QUIET_S
from tests.virtual.random_house import RandomHouse
from tests.virtual.recovery_check import settle_down

if TYPE_CHECKING:
    from rules.panel import CircuitId
    from rules.requests import AskKind
    from tests.virtual.device import Device

pytestmark = pytest.mark.timeout(300)  # Hypothesis plays many outages

CIRCUITS = st.sampled_from([circuit.id for circuit in panels.ALL])
SECONDS = st.sampled_from((0.0, 0.004, 0.05, 0.1, 0.11, 0.9, 5.0, 5.1, 10.2, 30.0, 61.0, 200.0))
ASKS: st.SearchStrategy[AskKind] = st.sampled_from(("on", "off", "restore", "hold", "release", "forget"))


class Nights(RuleBasedStateMachine):
    """A house, anything that can happen to it, and time that passes between."""

    @initialize(
        on_bus=st.booleans(),
        on_lost_shed=st.booleans(),
        in_the_dark=st.booleans(),
        stable_s=st.sampled_from((0.0, 10.0)),
        remembered=st.booleans(),
    )
    def begin(self, *, on_bus: bool, on_lost_shed: bool, in_the_dark: bool, stable_s: float, remembered: bool) -> None:
        """Wire a house, and start its program."""
        self.house = RandomHouse(
            panels.whole(),
            EngineSettings(
                contact_on_bus=on_bus,
                on_lost_shed=on_lost_shed,
                retry=RetryPolicy(5.0, 30.0),
                utility_stable_s=stable_s,
                flapping=FlapSettings(wait_max_s=60.0),
            ),
        )
        self.house.contact_open = in_the_dark
        self.house.broker.contact_open = in_the_dark if remembered else None
        if remembered:
            for device in self.house.devices.values():
                self.house.broker.states[device.circuit] = device.position
        self.house.start()

    def device(self, circuit: CircuitId) -> Device:
        return self.house.devices[circuit]

    # --- time, and the contact ---------------------------------------------------------------------------------------

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: float) -> None:
        self.house.run(seconds)

    @rule(is_open=st.booleans())
    def the_contact_moves(self, *, is_open: bool) -> None:
        self.house.contact(is_open=is_open)

    @rule(seconds=st.sampled_from((0.001, 0.05, 0.099, 0.101, 0.3)))
    def the_contact_bounces(self, seconds: float) -> None:
        self.house.bounce(seconds)

    @rule(lost=st.booleans())
    def edges_get_lost(self, *, lost: bool) -> None:
        self.house.edges_lost = lost

    @rule(seconds=st.sampled_from((0.5, 10.0, 40.0)))
    def nobody_knows_the_contact(self, seconds: float) -> None:
        self.house.contact_gone(seconds)

    # --- the program -------------------------------------------------------------------------------------------------

    @rule(down_s=st.sampled_from((0.1, 2.0, 20.0)), reboot=st.booleans())
    def the_program_dies(self, down_s: float, *, reboot: bool) -> None:
        self.house.crash(down_s, reboot=reboot)

    @rule(commands=st.integers(0, 4))
    def it_dies_between_two_effects(self, commands: int) -> None:
        self.house.crash_in_next_turn(commands)

    @rule(seconds=st.sampled_from((0.05, 0.2, 1.5, 12.0)))
    def the_program_stalls(self, seconds: float) -> None:
        self.house.stall(seconds)

    @rule(seconds=st.sampled_from((0.1, 3.0, 7.0)))
    def it_stalls_between_deciding_and_sending(self, seconds: float) -> None:
        self.house.program.lag_s = seconds

    @rule(flush_s=st.sampled_from((0.01, 0.05, 5.0)))
    def the_disk_is_slow(self, flush_s: float) -> None:
        self.house.program.disk.flush_s = flush_s

    # --- the broker and its devices ----------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from((0.1, 3.0, 30.0)), memory=st.sampled_from(("kept", "old", "lost")))
    def the_broker_restarts(self, seconds: float, memory: str) -> None:
        self.house.stop_broker(seconds, memory=memory)

    @rule()
    def the_broker_saves(self) -> None:
        self.house.broker.save()

    @rule(seconds=st.sampled_from((0.1, 3.0, 30.0)))
    def the_line_is_cut(self, seconds: float) -> None:
        self.house.drop_link(seconds)

    @rule(circuit=CIRCUITS, fault=st.sampled_from(("silent", "mute", "refuses", "lies", "keeps_session")))
    def a_device_fails(self, circuit: CircuitId, fault: str) -> None:
        setattr(self.device(circuit), fault, True)

    @rule(circuit=CIRCUITS)
    def a_device_never_says_that_it_is_there(self, circuit: CircuitId) -> None:
        self.device(circuit).writes_availability = False

    @rule(circuit=CIRCUITS, slow_s=st.sampled_from((0.5, 4.9, 8.0, 20.0)))
    def a_device_is_slow(self, circuit: CircuitId, slow_s: float) -> None:
        self.device(circuit).slow_s = slow_s

    @rule(circuit=CIRCUITS, dark_s=st.sampled_from((0.2, 4.0, 30.0)), wakes=st.sampled_from((None, "on", "off")))
    def a_device_loses_its_power(self, circuit: CircuitId, dark_s: float, wakes: str | None) -> None:
        self.device(circuit).wakes = None if wakes is None else Position(wakes)
        self.house.leave(circuit, dark_s, power=True)

    @rule(circuit=CIRCUITS, seconds=st.sampled_from((2.0, 50.0)))
    def a_device_leaves_the_bus(self, circuit: CircuitId, seconds: float) -> None:
        self.house.leave(circuit, seconds)

    @rule(circuit=CIRCUITS)
    def a_device_repeats_itself(self, circuit: CircuitId) -> None:
        self.house.says_again(circuit)

    @rule(circuit=CIRCUITS)
    def a_breaker_trips(self, circuit: CircuitId) -> None:
        self.house.trip(circuit)

    # --- people ------------------------------------------------------------------------------------------------------

    @rule(circuit=CIRCUITS, position=st.sampled_from((Position.ON, Position.OFF)))
    def a_hand_moves_a_handle(self, circuit: CircuitId, position: Position) -> None:
        self.house.hand(circuit, position)

    @rule(circuit=CIRCUITS, request=ASKS, insist=st.booleans())
    def a_person_asks(self, circuit: CircuitId, request: AskKind, *, insist: bool) -> None:
        self.house.ask(request, circuit, insist=insist)

    @rule()
    def a_person_asks_for_all(self) -> None:
        self.house.ask("restore", None)

    @rule(for_s=st.sampled_from((5.0, 60.0)))
    def a_person_asks_for_a_drill(self, for_s: float) -> None:
        self.house.ask("drill", None, for_s=for_s)

    @rule()
    def a_person_ends_the_drill(self) -> None:
        self.house.ask("drill-end", None)

    @rule(circuit=CIRCUITS)
    def the_owner_turns_a_tag(self, circuit: CircuitId) -> None:
        circuits = dict(self.house.program.panel.circuits)
        old = circuits[circuit]
        if not old.protected:
            tag = Tag.ESSENTIAL if old.tag is Tag.NONESSENTIAL else Tag.NONESSENTIAL
            circuits[circuit] = replace(old, tag=tag)
            self.house.reload(replace(self.house.program.panel, circuits=circuits))

    def teardown(self) -> None:
        """End every fault; within `QUIET_S` all must be well, or named."""
        if hasattr(self, "house"):
            settle_down(self.house, QUIET_S, on_utility=True)
            self.house.close()


TestNights = Nights.TestCase
TestNights.settings = settings(
    max_examples=120,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
