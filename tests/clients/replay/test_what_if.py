"""A what-if replay: the same where nothing differs, and assumptions are named where it does."""

from __future__ import annotations

from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING

import pytest

from clients.replay.what_if import WhatIf
from controller.core import events as ev
from controller.recording.format import EngineTurn, sessions, to_line
from rules.panel import CircuitId, Panel, Position, Restore, Tag
from tests.controller.recording.test_format import recorded_night
from tests.recorded_house import TapedHouse

if TYPE_CHECKING:
    from clients.replay.replay import IssuedCommand
    from controller.recording.format import Part, Session
    from tests.virtual_house import VirtualHouse

ON, OFF = Position.ON, Position.OFF


def read(parts: list[Part]) -> tuple[Session, ...]:
    """Return the segments of what was recorded."""
    return sessions(map(to_line, parts))


def told(given: list[IssuedCommand], *names: str) -> list[tuple[float, str, str]]:
    """Return the commands to these circuits, or all, with seconds to the tenth."""
    return [(round(one.at, 1), one.word.value, one.circuit) for one in given if not names or one.circuit in names]


def words(given: list[IssuedCommand], name: str) -> list[str]:
    """Return the commands of one circuit."""
    return [one.word.value for one in given if one.circuit == name]


def retagged(house: VirtualHouse, name: str, **words: object) -> Panel:
    """Return the house's panel with one circuit changed."""
    circuit = CircuitId(name)
    return Panel({**house.panel.circuits, circuit: replace(house.panel[circuit], **words)})  # type: ignore[arg-type]


def until_its_owner_changes_the_file(recording: tuple[Session, ...]) -> list[Session]:
    """Return the lives of the program that one configuration was in force in."""
    panel = recording[0].start.panel
    return [
        *takewhile(
            lambda one: (
                one.start.panel == panel
                and not any(isinstance(event, ev.CircuitsChanged) for turn in one.turns for event in turn.events)
            ),
            recording,
        )
    ]


@pytest.mark.parametrize("seed", range(100, 120))
def test_under_the_same_configuration_a_night_stays_as_it_was(seed: int) -> None:
    """Whatever happened: the same commands at the same times, and nothing assumed."""
    recording = read(recorded_night(seed))
    start = recording[0].start
    what_if = WhatIf(until_its_owner_changes_the_file(recording), start.panel, start.settings)
    assert what_if.simulated == what_if.recorded
    assert what_if.devices.used == set()


def test_a_circuit_tagged_essential_is_kept_on_and_the_next_comes_back_in_its_turn() -> None:
    """What it answered to commands that are not given now is left out; the next answers sooner, by assumption."""
    house = TapedHouse()
    house.outage(minutes=2.0)
    what_if = WhatIf(read(house.parts), retagged(house, "dryer", tag=Tag.ESSENTIAL), house.settings)
    assert words(what_if.recorded, "dryer") == ["off", "on"]
    assert words(what_if.simulated, "dryer") == []
    (off, on), (off_then, on_then) = told(what_if.simulated, "hot-tub"), told(what_if.recorded, "hot-tub")
    assert (off, round(on_then[0] - on[0])) == (off_then, 5)
    assert what_if.devices.left_out == 4
    assert what_if.devices.used == {("hot-tub", ON), ("ev-charger", ON)}


def test_a_circuit_tagged_nonessential_is_shed_and_restored_by_assumption() -> None:
    """The recording does not know how the fridge obeys: as the others do."""
    house = TapedHouse()
    house.outage(minutes=2.0)
    what_if = WhatIf(read(house.parts), retagged(house, "fridge", tag=Tag.NONESSENTIAL), house.settings)
    assert words(what_if.recorded, "fridge") == []
    assert words(what_if.simulated, "fridge") == ["off", "on"]
    assert {("fridge", OFF), ("fridge", ON)} < what_if.devices.used
    assert {one.circuit for one in what_if.simulated} == {*house.panel.circuits}


def test_another_rank_changes_the_order_and_who_comes_back_when() -> None:
    """The tub of rank 1 is shed last and comes first."""
    house = TapedHouse()
    house.outage(minutes=2.0)
    what_if = WhatIf(read(house.parts), retagged(house, "hot-tub", rank=1), house.settings)
    offs = [one.circuit for one in what_if.simulated if one.word is OFF]
    ons = [one.circuit for one in what_if.simulated if one.word is ON]
    assert (offs[-1], ons[0]) == ("hot-tub", "hot-tub")
    assert sorted(offs) == sorted(one.circuit for one in what_if.recorded if one.word is OFF)


def test_a_circuit_waiting_for_a_user_is_not_restored() -> None:
    """And stays off in what follows: the next outage finds it so."""
    house = TapedHouse()
    for _ in range(2):
        house.outage(minutes=2.0)
    what_if = WhatIf(read(house.parts), retagged(house, "hot-tub", restore=Restore.ASK), house.settings)
    assert words(what_if.recorded, "hot-tub") == ["off", "on", "off", "on"]
    assert words(what_if.simulated, "hot-tub") == ["off"]


def test_a_longer_wait_is_lived_through_to_its_end() -> None:
    """Also where the recording ends before it."""
    house = TapedHouse()
    house.wait(900.0)  # until then the retained messages are not trusted
    house.outage(minutes=2.0)
    settings = replace(house.settings, utility_stable_s=600.0)
    what_if = WhatIf(read(house.parts), house.panel, settings)
    ons = (
        [one.at for one in what_if.recorded if one.word is ON],
        [one.at for one in what_if.simulated if one.word is ON],
    )
    assert len(ons[0]) == len(ons[1]) == 4
    assert round(ons[1][0] - ons[0][0]) == 590
    assert {word for _, word in what_if.devices.used} == {ON}


def test_a_manual_override_is_kept_under_any_configuration() -> None:
    """The dryer is switched on manually in the outage; if it was never shed, that changes nothing."""
    house = TapedHouse()
    house.contact.open()
    house.wait(60.0)
    for name in ("dryer", "fridge"):
        house.breaker(name).turn_off_by_hand()
        house.wait(10.0)
        house.breaker(name).turn_on_by_hand()
        house.wait(10.0)
    house.contact.close()
    house.wait(120.0)
    kept = WhatIf(read(house.parts), retagged(house, "dryer", tag=Tag.ESSENTIAL), house.settings)
    assert words(kept.simulated, "dryer") == []
    shed = WhatIf(read(house.parts), retagged(house, "fridge", tag=Tag.NONESSENTIAL), house.settings)
    # Off by the rules, said to be off by hand (it was already), on by hand: theirs.
    assert words(shed.simulated, "fridge") == ["off"]


def test_without_stable_utility_the_earlier_state_is_unknown() -> None:
    """The retained report was not accepted yet when the outage came: the user is asked."""
    house = TapedHouse()
    house.outage(minutes=2.0)
    what_if = WhatIf(read(house.parts), house.panel, replace(house.settings, utility_stable_s=600.0))
    assert [one.word for one in what_if.simulated] == [OFF] * 4


def test_a_device_that_answered_nothing_answers_nothing_now() -> None:
    """Its breaker was dead that night, whatever the file says."""
    house = TapedHouse()
    house.breaker("hot-tub").has(silent=True)
    house.outage(minutes=2.0)
    what_if = WhatIf(read(house.parts), house.panel, replace(house.settings, stagger_s=1.0))
    assert all(circuit != "hot-tub" for circuit, _ in what_if.devices.used)
    assert words(what_if.simulated, "hot-tub").count("off") == words(what_if.recorded, "hot-tub").count("off") > 3


def test_a_device_that_was_away_answers_when_it_is_back() -> None:
    """Commands in the meantime are lost, under any configuration."""
    house = TapedHouse()
    house.contact.open()
    house.later(0.05, house.breaker("fridge").loses_power)
    house.later(31.0, house.breaker("fridge").gets_power)
    house.wait(60.0)
    house.contact.close()
    house.wait(120.0)
    what_if = WhatIf(read(house.parts), retagged(house, "fridge", tag=Tag.NONESSENTIAL), house.settings)
    assert words(what_if.simulated, "fridge").count("off") > 3
    assert words(what_if.simulated, "fridge")[-1] == "on"
    assert ("fridge", OFF) in what_if.devices.used


def test_a_trip_is_a_trip_under_any_configuration() -> None:
    """Nothing switches it on again."""
    house = TapedHouse()
    house.contact.open()
    house.later(0.05, house.breaker("fridge").trip)
    house.wait(60.0)
    house.contact.close()
    house.wait(120.0)
    what_if = WhatIf(read(house.parts), retagged(house, "fridge", tag=Tag.NONESSENTIAL), house.settings)
    assert set(words(what_if.simulated, "fridge")) <= {"off"}
    assert what_if.devices.recorded[CircuitId("fridge")] is Position.TRIPPED


def test_a_crash_in_the_night_is_survived_by_the_other_memory() -> None:
    """What the other configuration owed it still owes after the start."""
    house = TapedHouse()
    house.contact.open()
    house.wait(60.0)
    house.restart(after_s=5.0, rebooted=True)
    house.contact.close()
    house.wait(120.0)
    what_if = WhatIf(read(house.parts), retagged(house, "fridge", tag=Tag.NONESSENTIAL), house.settings)
    assert words(what_if.simulated, "fridge") == ["off", "on"]
    assert told(what_if.simulated, "dryer")[0] == told(what_if.recorded, "dryer")[0]


def test_an_owed_circuit_missing_in_the_other_file_is_restored() -> None:
    """It keeps its recorded entry, as at any start."""
    house = TapedHouse()
    house.contact.open()
    house.wait(60.0)
    house.restart()
    house.contact.close()
    house.wait(120.0)
    _, second = read(house.parts)
    panel = Panel({name: circuit for name, circuit in house.panel.circuits.items() if name != "dryer"})
    what_if = WhatIf([second], panel, house.settings)
    assert words(what_if.simulated, "dryer") == words(what_if.recorded, "dryer") == ["on"]


def test_a_change_of_the_file_in_the_recording_is_left_out_and_counted() -> None:
    """The other configuration stays in force all night."""
    house = TapedHouse()
    house.rewrite(*retagged(house, "dryer", tag=Tag.ESSENTIAL))
    house.outage(minutes=2.0)
    assert any(isinstance(part, EngineTurn) and part.events for part in house.parts)
    what_if = WhatIf(read(house.parts), retagged(house, "dryer", tag=Tag.NONESSENTIAL), house.settings)
    assert what_if.rewritten == 1
    assert words(what_if.recorded, "dryer") == []
    assert words(what_if.simulated, "dryer") == ["off", "on"]
