"""The ledger across crashes: the usual start is a cold start in the middle of an outage."""

from __future__ import annotations

import json

import pytest

from controller.core.effects import SaveEntry, SwitchOff
from rules.panel import CircuitId, Panel, Position, Wakes
from tests.virtual_house import VirtualHouse, circuit, essential

ON, OFF, UNKNOWN = Position.ON, Position.OFF, Position.UNKNOWN
ALL_OF_IT = ["ev-charger", "hot-tub", "dryer", "well-pump"]
NAMES = sorted(ALL_OF_IT)


def test_on_utility_each_change_of_a_position_is_written_as_it_comes() -> None:
    """And a report that says the same again is not."""
    house = VirtualHouse()
    house.effects.clear()
    house.breaker("hot-tub").turn_off_by_hand()
    house.breaker("hot-tub").says("OFF")
    rows = [effect for effect in house.effects if isinstance(effect, SaveEntry)]
    assert [(row.circuit, row.row["position"]) for row in rows] == [("hot-tub", "off")]


def test_one_row_at_the_first_edge_says_what_is_about_to_be_shed() -> None:
    """`before` of each circuit that may be commanded, while the contact settles."""
    house = VirtualHouse()
    house.breaker("dryer").turn_off_by_hand()
    house.contact.open()
    (row,) = house.disk.outages.values()
    assert (row.stage, row.transfers, row.ended) == ("about", 0, None)
    assert row.before == {"fridge": "on", "well-pump": "on", "dryer": "off", "hot-tub": "on", "ev-charger": "on"}


def test_commands_do_not_wait_for_the_disk() -> None:
    """They are the first of the turn."""
    house = VirtualHouse()
    house.contact.open()
    house.effects.clear()
    house.wait(0.1)
    kinds = [isinstance(effect, SwitchOff) for effect in house.effects]
    assert kinds[:4] == [True] * 4


@pytest.mark.parametrize("rebooted", [False, True])
def test_a_start_that_finds_about_counts_those_circuits_as_switched_off_by_us(rebooted: bool) -> None:
    """Power failed between the first edge and the first shed record on disk. All circuits are restored."""
    house = VirtualHouse()
    house.contact.open()
    house.wait(0.05)
    house.crash()
    for name in ALL_OF_IT:
        house.breaker(name).turn_off_by_hand()  # the OFF commands had left, and no row says so
    house.contact.is_open = False
    house.start(rebooted=rebooted)
    house.wait(0.2)
    assert sorted(house.owed()) == NAMES
    house.wait(120.0)
    assert all(house.breaker(name).position is ON for name in ALL_OF_IT)
    assert house.state.state == "utility"


MOMENTS = (0.11, 0.13, 0.2, 3.0, 60.0)


@pytest.mark.parametrize("after_s", MOMENTS)
@pytest.mark.parametrize("rebooted", [False, True])
@pytest.mark.parametrize("ended_meanwhile", [False, True])
def test_a_crash_in_an_outage_loses_no_circuit(after_s: float, rebooted: bool, ended_meanwhile: bool) -> None:
    """A circuit switched off by the controller is owed or restored, whenever the program dies."""
    house = VirtualHouse()
    house.breaker("dryer").turn_off_by_hand()
    house.contact.open()
    house.wait(after_s)
    house.crash()
    house.wait(20.0)
    house.contact.is_open = not ended_meanwhile
    house.start(rebooted=rebooted)
    house.wait(30.0)
    if not ended_meanwhile:
        assert house.state.state == "standby"
        house.contact.close()
    house.wait(120.0)
    assert [house.breaker(name).position for name in ALL_OF_IT] == [ON, ON, OFF, ON]
    assert house.owed() == []
    assert [row.stage for row in house.disk.outages.values()] == ["closed"]


@pytest.mark.parametrize("carried_out", range(14))
@pytest.mark.parametrize("rebooted", [False, True])
def test_a_crash_between_any_two_effects_of_the_first_turn_loses_no_circuit(carried_out: int, rebooted: bool) -> None:
    """OFF commands leave before the disk has their shed records: the row of the first edge covers them."""
    house = VirtualHouse()
    house.contact.open()
    house.wait(0.09)
    house.dies_after = carried_out
    house.wait(5.0)
    house.contact.is_open = False
    house.start(rebooted=rebooted)
    house.wait(120.0)
    assert all(house.breaker(name).position is ON for name in ALL_OF_IT)
    assert house.owed() == []


def test_commands_that_waited_for_the_broker_leave_no_circuit_behind_either() -> None:
    """Long after the first edge: what is about to be owed was written when the contact had settled."""
    house = VirtualHouse()
    house.broker.goes_away()
    house.contact.open()
    house.wait(10.0)
    house.dies_after = 4
    house.broker.comes_back()
    house.wait(5.0)
    house.contact.is_open = False
    house.start()
    house.wait(120.0)
    assert all(house.breaker(name).position is ON for name in ALL_OF_IT)
    assert house.owed() == []


def test_a_crash_while_restoring_goes_on_restoring() -> None:
    """After utility is stable again, and each circuit once."""
    house = VirtualHouse()
    house.contact.open()
    house.wait(30.0)
    house.contact.close()
    house.wait(16.0)
    assert house.ons() == ["well-pump", "dryer"]
    house.restart()
    assert house.state.state == "stabilizing"
    house.wait(60.0)
    assert house.ons() == ["well-pump", "dryer", "hot-tub", "ev-charger"]
    assert house.state.state == "utility"


def test_a_start_on_standby_knows_before_only_from_a_report_before_our_off() -> None:
    """Nothing on disk: who said ON was on, who said nothing is asked about."""
    house = VirtualHouse(circuit("hot-tub"), circuit("dryer"), is_open=True, started=False)
    house.broker.forgets("hot-tub")
    house.broker.forgets("dryer")
    house.start(connected=False)
    house.wait(0.3)
    house.broker.greets()
    house.breaker("dryer").says("ON")
    house.wait(60.0)
    house.contact.close()
    house.wait(60.0)
    assert house.ons() == ["dryer"]
    assert house.owed() == ["hot-tub"]
    assert "its state before it was switched off is unknown" in house.view("hot-tub").why
    assert house.ask("restore", "hot-tub").ok
    house.wait(10.0)
    assert house.ons() == ["dryer", "hot-tub"]


def after_a_cut(disk: str, broker: str, broker_after_s: float = 0.0) -> VirtualHouse:
    """Return a house after a cold start with `disk` on disk and `broker` retained."""
    house = VirtualHouse(circuit("hot-tub"))
    house.crash()
    house.disk.entries[CircuitId("hot-tub")] = json.dumps({"position": disk})
    house.broker.remembers("hot-tub", broker)
    house.contact.is_open = True
    house.breaker("hot-tub").has(silent=True)
    house.start(rebooted=True, connected=False)
    house.wait(broker_after_s)
    house.broker.greets()
    house.wait(1.0)
    return house


DIFFER = (
    # on the disk, remembered by the broker, is shed, comes back
    ("on", "ON", True, True),
    ("on", "OFF", True, False),
    ("off", "ON", True, False),
    ("off", "OFF", False, False),
)


@pytest.mark.parametrize(("disk", "broker", "is_shed", "comes_back"), DIFFER)
@pytest.mark.parametrize("broker_after_s", [0.0, 2.0])
def test_where_disk_and_broker_differ_it_is_shed_and_before_is_not_known(
    disk: str, broker: str, is_shed: bool, comes_back: bool, broker_after_s: float
) -> None:
    """A retained report is what the broker remembers: on for shedding, and on before only if both say so."""
    house = after_a_cut(disk, broker, broker_after_s)
    assert bool(house.offs()) is (is_shed or broker_after_s > 0.0)
    house.contact.close()
    house.wait(60.0)
    assert bool(house.ons()) is comes_back


def test_a_live_report_settles_it_at_any_time() -> None:
    """The broker said on, the device says off: it is known to be off, and gets no OFF any more."""
    house = after_a_cut("off", "ON")
    house.commands.clear()
    house.breaker("hot-tub").says("OFF")
    house.wait(60.0)
    assert house.commands == []


def test_a_shed_record_on_disk_stands_whatever_the_broker_has_retained() -> None:
    """Its `on` is from before the power cut. The shed record and `before` stay until the device reports."""
    house = VirtualHouse()
    house.contact.open()
    house.wait(30.0)
    house.crash()
    house.broker.remembers("hot-tub", "ON")
    house.breaker("hot-tub").has(silent=True)
    house.start(rebooted=True)
    house.wait(1.0)
    assert "hot-tub" in house.owed()


def test_on_utility_the_brokers_memory_is_taken_once_utility_is_stable() -> None:
    """Then it is recorded as switched by hand while the program was down."""
    house = VirtualHouse(circuit("hot-tub"))
    house.crash()
    house.breaker("hot-tub").turn_off_by_hand()
    house.start()
    house.wait(5.0)
    assert json.loads(house.disk.entries[CircuitId("hot-tub")])["position"] == "on"
    house.wait(6.0)
    assert json.loads(house.disk.entries[CircuitId("hot-tub")])["position"] == "off"
    house.outage(minutes=1)
    assert house.commands == []


def test_the_memory_of_a_device_that_does_not_answer_is_not_taken() -> None:
    """It says what was, and its device cannot say otherwise."""
    house = VirtualHouse(circuit("hot-tub"))
    house.crash()
    house.broker.remembers("hot-tub", "OFF")
    house.broker.remembers("hot-tub", "offline", "availability")
    house.start()
    house.wait(30.0)
    assert json.loads(house.disk.entries[CircuitId("hot-tub")])["position"] == "on"


def test_a_remembered_trip_is_taken_too() -> None:
    """It ends a shed record, as a live report does."""
    house = VirtualHouse(circuit("hot-tub"))
    house.contact.open()
    house.wait(10.0)
    house.crash()
    house.contact.is_open = False
    house.broker.remembers("hot-tub", "TRIPPED")
    house.breaker("hot-tub").has(silent=True)
    house.start()
    house.wait(60.0)
    assert (house.owed(), house.ons()) == ([], [])


def test_off_after_a_crash_in_an_outage_without_a_word_of_why_is_doubtful() -> None:
    """It is listed and waits for a request; it is never dropped silently."""
    house = VirtualHouse(circuit("hot-tub"), circuit("dryer"))
    before = house.disk.entries[CircuitId("hot-tub")]
    house.contact.open()
    house.wait(1.0)
    house.crash()
    house.disk.entries[CircuitId("hot-tub")] = before  # the row of its shed record never reached the disk
    house.contact.is_open = False
    house.start()
    house.wait(1.0)
    house.breaker("hot-tub").says("OFF")
    house.wait(60.0)
    assert house.owed() == ["hot-tub"]
    assert "possibly switched off by it" in house.view("hot-tub").why
    assert house.ask("restore", "hot-tub").ok
    house.wait(10.0)
    assert house.owed() == []


def test_what_was_retagged_essential_while_the_program_was_dead_is_named() -> None:
    """Its OFF had left, nothing but the first edge was written, and by the new file it was never one to shed."""
    house = VirtualHouse(circuit("hot-tub"), circuit("dryer"))
    before = house.disk.entries[CircuitId("hot-tub")]
    house.contact.open()
    house.wait(0.05)
    about = house.disk.outages[1]
    house.wait(1.0)
    house.crash()
    house.disk.entries[CircuitId("hot-tub")], house.disk.outages[1] = before, about
    house.panel = Panel.of(essential("hot-tub"), circuit("dryer"))
    house.start()
    house.wait(1.0)
    house.breaker("hot-tub").says("OFF")
    house.wait(1.0)
    assert "hot-tub" in house.owed()
    assert "possibly switched off by it" in house.view("hot-tub").why


def test_the_doubtful_is_named_also_after_the_outage() -> None:
    """Its device did not report earlier. It was on, as the disk has it, and waits for a request."""
    house = VirtualHouse(circuit("hot-tub"), circuit("dryer"))
    before = house.disk.entries[CircuitId("hot-tub")]
    house.contact.open()
    house.wait(1.0)
    house.crash()
    house.disk.entries[CircuitId("hot-tub")] = before
    house.broker.forgets("hot-tub")
    house.contact.is_open = False
    house.start()
    house.wait(60.0)
    assert (house.state.state, house.owed()) == ("utility", [])
    house.breaker("hot-tub").says("OFF")
    assert house.owed() == ["hot-tub"]
    house.wait(60.0)
    assert house.breaker("hot-tub").position is OFF
    assert house.ask("restore", "hot-tub").ok
    house.wait(10.0)
    assert house.breaker("hot-tub").position is ON


def test_an_unreadable_row_affects_only_its_circuit() -> None:
    """The log names it; the others are restored."""
    house = VirtualHouse()
    house.contact.open()
    house.wait(10.0)
    house.crash()
    house.disk.entries[CircuitId("hot-tub")] = '{"position": "ajar"}'
    house.start()
    house.wait(1.0)
    assert house.happened("started")[-1].details["unread"] == ["hot-tub"]
    house.contact.close()
    house.wait(60.0)
    assert all(house.breaker(name).position is ON for name in ("ev-charger", "dryer", "well-pump"))


def test_a_hold_outlives_a_crash() -> None:
    """A user may be working on the circuit."""
    house = VirtualHouse()
    house.ask("hold", "hot-tub", by="Ann", note="filter is out")
    house.restart(rebooted=True)
    assert "on hold by Ann, filter is out" in house.view("hot-tub").why


def test_why_is_it_off_is_answered_from_the_disk_as_well() -> None:
    """Who switched it, by which rule, and what brings it back."""
    house = VirtualHouse()
    house.breaker("dryer").turn_off_by_hand()
    house.contact.open()
    house.wait(10.0)
    house.restart(rebooted=True)
    assert "switched off by the controller: nonessential" in house.view("hot-tub").why
    assert "switched off by a user" in house.view("dryer").why


def test_a_relay_that_woke_off_while_the_controller_was_down_is_restored() -> None:
    """On utility again, the machine has booted: its off fell with the power."""
    house = VirtualHouse(circuit("heater", wakes=Wakes.OFF))
    house.crash()
    house.broker.remembers("heater", "OFF")
    house.breaker("heater").turn_off_by_hand()
    house.start(rebooted=True)
    house.wait(60.0)
    assert house.breaker("heater").position is ON


def test_outages_are_numbered_on_over_restarts() -> None:
    """And a bounce uses up no number."""
    house = VirtualHouse()
    house.outage(minutes=1)
    house.contact.open()
    house.wait(0.05)
    house.contact.close()
    house.restart(rebooted=True)
    house.wait(30.0)
    house.outage(minutes=1)
    assert sorted(house.disk.outages) == [1, 2]


def test_a_start_on_utility_with_an_outage_open_ends_it() -> None:
    """Its end is the closing found at the start. No circuit is restored before utility is stable."""
    house = VirtualHouse()
    house.contact.open()
    house.wait(30.0)
    house.crash()
    house.wait(30.0)
    house.contact.is_open = False
    house.start(rebooted=True)
    house.wait(9.0)
    assert (house.state.state, house.ons()) == ("stabilizing", [])
    house.wait(60.0)
    (row,) = house.disk.outages.values()
    assert row.stage == "closed"
    assert row.ended is not None
    assert row.ended.boot == "boot-2"
