"""What the controller reports about a circuit is so, and each command that it names is one that it accepts."""

from __future__ import annotations

import re

import pytest

from controller.core.alarms import Alarm
from rules.device import DeviceTraits, Evidence
from rules.panel import Circuit, Position, Restore
from tests.virtual_house import VirtualHouse, circuit, essential

TUB, DRYER = circuit("hot-tub", spaces=(9, 11)), circuit("dryer", spaces=(5,))
FRIDGE = essential("fridge", spaces=(2,))


def on_standby(*circuits: Circuit, **faults: dict[str, bool]) -> VirtualHouse:
    """Return a house that has been on standby for a minute; `faults`: by circuit, with `_` for `-`."""
    house = VirtualHouse(*(circuits or (FRIDGE, DRYER, TUB)))
    for name, words in faults.items():
        house.breaker(name.replace("_", "-")).has(**words)
    house.contact.open()
    house.wait(60.0)
    return house


def back_on_utility(house: VirtualHouse, after_s: float = 60.0) -> None:
    """Close the contact and wait."""
    house.contact.close()
    house.wait(after_s)


# --- unconfirmed is not off -------------------------------------------------------------------------------------------


def test_a_silent_circuit_is_unconfirmed_and_never_called_off() -> None:
    """Lists, explanation and waiting; the two lists are disjoint."""
    house = on_standby(hot_tub={"silent": True})
    assert (house.state.shed, house.state.unconfirmed) == (("dryer",), ("hot-tub",))
    view = house.view("hot-tub")
    assert (view.shed, view.why, view.waits_for) == (False, "OFF command sent, no answer: treat as ON", None)


def test_the_echo_of_a_gateway_is_not_shown_as_a_position() -> None:
    """Zigbee2MQTT reports OFF as soon as the radio has acknowledged the command, also of a relay that is stuck."""
    remembers = DeviceTraits("zigbee2mqtt/hot-tub", Evidence.CACHE, settle_s=1.5, can_query=True, confirm_s=10.0)
    house = on_standby(circuit("hot-tub", device=remembers))
    assert (house.view("hot-tub").position, house.state.unconfirmed) == (Position.UNKNOWN, ("hot-tub",))


def test_a_circuit_that_refuses_off_ends_as_stayed_on() -> None:
    """It reported on throughout: it is neither owed nor restored."""
    house = on_standby(hot_tub={"refuses": True})
    assert (house.state.owed, house.state.unconfirmed) == (("dryer",), ("hot-tub",))
    back_on_utility(house, 200.0)
    assert [row.end for row in house.disk.histories.values() if row.circuit == "hot-tub"] == ["stayed_on"]
    assert [line.circuit for line in house.happened("stayed_on")] == ["hot-tub"]
    assert house.times("ON", "hot-tub") == []


def test_a_circuit_that_is_on_again_is_not_owed_and_only_watched() -> None:
    """A late OFF may still take effect: this is the controller's own business."""
    house = on_standby(hot_tub={"refuses": True})
    back_on_utility(house, 20.0)
    assert (house.state.owed, house.state.late_off_watch) == ((), ("hot-tub",))
    assert house.view("hot-tub").why == "nonessential: goes off on standby"
    house.wait(120.0)
    assert house.state.late_off_watch == ()


# --- a device that was away -------------------------------------------------------------------------------------------


def test_a_device_that_returns_with_a_cached_off_gets_off_once_more() -> None:
    """Its relay may have started in the on position: only a report after that OFF counts."""
    house = on_standby()
    house.breaker("hot-tub").says("offline", "availability")
    before = len(house.times("OFF", "hot-tub"))
    house.breaker("hot-tub").has(silent=True)
    house.breaker("hot-tub").says("online", "availability")
    house.breaker("hot-tub").says("OFF")
    assert len(house.times("OFF", "hot-tub")) == before + 1
    assert house.happened("off_sent")[-1].details["rule"] == "device_returned"
    house.wait(1.0)
    house.breaker("hot-tub").says("OFF")
    assert house.state.shed == ("dryer", "hot-tub")


def test_a_cached_off_in_the_same_moment_as_online_does_not_confirm() -> None:
    """The report is older than the OFF that follows the return."""
    house = on_standby()
    house.breaker("hot-tub").says("offline", "availability")
    house.breaker("hot-tub").has(silent=True)
    house.breaker("hot-tub").says("OFF")
    house.breaker("hot-tub").says("online", "availability")
    assert (house.state.shed, house.state.unconfirmed) == (("dryer",), ("hot-tub",))
    assert "its device was away" in house.view("hot-tub").why


# --- flapping grids ---------------------------------------------------------------------------------------------------


def test_a_circuit_that_was_on_between_two_openings_is_restored_after_the_second() -> None:
    """A cold start knew nothing; a live report of on on utility is knowledge, however short utility lasted."""
    house = VirtualHouse(TUB, is_open=True, started=False)
    house.broker.forgets("hot-tub")
    house.start()
    house.wait(30.0)
    back_on_utility(house, 20.0)
    assert house.ask("restore", "hot-tub").ok
    house.wait(6.0)
    assert house.breaker("hot-tub").position is Position.ON
    house.contact.open()
    house.wait(10.0)
    back_on_utility(house)
    assert house.breaker("hot-tub").position is Position.ON
    assert house.state.owed == ()


def test_a_watched_circuit_has_a_record_of_its_own_in_the_next_outage() -> None:
    """Its OFF of the first outage was never confirmed; the second one is."""
    house = on_standby(TUB, hot_tub={"refuses": True})
    back_on_utility(house, 20.0)
    house.breaker("hot-tub").has()
    house.contact.open()
    house.wait(5.0)
    assert house.state.shed == ("hot-tub",)
    back_on_utility(house, 120.0)
    assert house.breaker("hot-tub").position is Position.ON
    ends = {row.outage: row.end for row in house.disk.histories.values()}
    assert ends == {1: "stayed_on", 2: "restored"}


# --- remedies ---------------------------------------------------------------------------------------------------------

COMMAND = re.compile(r"`loadshed ask (\S+) (\S+?)`")


def commands(house: VirtualHouse) -> set[tuple[str, str]]:
    """Return each command that an alarm, an explanation or a view names now."""
    texts = [house.view(one.id).why for one in house.panel]
    texts += [active.action for alarm in Alarm if (active := house.alarm(alarm.value)) is not None]
    named = {found for text in texts for found in COMMAND.findall(text)}
    remedies = {(view.remedy, view.id) for one in house.panel if (view := house.view(one.id)).remedy is not None}
    assert remedies <= named
    return named


def trouble_on_utility() -> VirtualHouse:
    """Return a house after an outage with a circuit of each kind that stays off."""
    house = VirtualHouse(
        circuit("oven", restore=Restore.ASK),
        circuit("sauna", restore=Restore.NEVER),
        circuit("saw"),
        circuit("pump"),
        DRYER,
        FRIDGE,
    )
    house.breaker("saw")
    house.ask("hold", "saw", by="Ann")
    house.contact.open()
    house.wait(10.0)
    assert house.ask("off", "dryer", by="Bob").ok
    house.breaker("pump").has(silent=True)
    house.breaker("fridge").turn_off_by_hand()
    back_on_utility(house, 120.0)
    return house


def trouble_on_standby() -> VirtualHouse:
    """Return a house on standby with an essential circuit off, one on hold, and others that are silent or wait."""
    house = on_standby(FRIDGE, TUB, DRYER, circuit("oven", restore=Restore.ASK), hot_tub={"silent": True})
    house.ask("hold", "dryer", by="Ann")
    house.breaker("fridge").turn_off_by_hand()
    house.wait(30.0)
    return house


@pytest.mark.parametrize("made", [trouble_on_utility, trouble_on_standby])
def test_each_command_that_is_named_is_accepted(made: object) -> None:
    """In a house of its own for each, because the first may change what the others need."""
    assert callable(made)
    named = commands(made())
    assert named
    for request, name in sorted(named):
        house = made()
        reply = house.ask(request, name)
        assert reply.ok, (request, name, reply.reason)


def test_each_reason_that_keeps_a_circuit_off_names_its_command() -> None:
    """Also a device that did not answer three ON commands."""
    house = trouble_on_utility()
    assert {one.id: house.view(one.id).remedy for one in house.panel} == {
        "oven": "restore",
        "sauna": "restore",
        "saw": "release",
        "pump": "restore",
        "dryer": "on",
        "fridge": "on",
    }


def test_every_circuit_of_the_alarm_accepts_forget() -> None:
    """The alarm offers it for a circuit that is to stay off."""
    house = trouble_on_utility()
    view = house.alarm("off-awaiting-user")
    assert view is not None
    for name in view.circuits:
        assert house.ask("forget", name).ok
    assert house.alarm("off-awaiting-user") is None


def test_restore_all_restores_what_status_calls_owed() -> None:
    """`nothing is owed` means that the list is empty."""
    house = trouble_on_utility()
    house.ask("release", "saw")
    owed = set(house.state.owed)
    reply = house.ask("restore")
    assert reply.ok
    assert owed == {"oven", "sauna", "saw", "pump"}
    assert all(house.panel[one].name in reply.reason for one in house.state.owed)


# --- requests that may do harm ----------------------------------------------------------------------------------------


def test_off_of_an_essential_circuit_needs_force() -> None:
    """The refusal has the exact command."""
    house = VirtualHouse()
    reply = house.ask("off", "fridge", by="Ann")
    assert (reply.ok, reply.needs_force) == (False, True)
    assert "`loadshed ask off fridge --force`" in reply.reason
    assert house.ask("off", "fridge", by="Ann", force=True).ok


# --- time of return ---------------------------------------------------------------------------------------------------


def test_the_time_of_return_is_known_once_utility_is_back() -> None:
    """Stability wait, order of rank, stagger, and minimum off time."""
    house = VirtualHouse(circuit("pump", rank=1), circuit("tub", rank=9), circuit("heat-pump", rank=2, min_off_s=300.0))
    house.contact.open()
    house.wait(5.0)
    assert [house.view(name).waits_for for name in ("pump", "tub", "heat-pump")] == ["utility"] * 3
    assert house.view("pump").back_at is None
    house.contact.close()
    house.wait(1.0)
    stable_at = house.state.stable_at
    assert stable_at is not None
    expected = {name: house.view(name).back_at for name in ("pump", "tub", "heat-pump")}
    assert expected["pump"] == pytest.approx(stable_at, abs=0.1)
    assert expected["tub"] == pytest.approx(stable_at + 5.0, abs=0.1)
    house.wait(350.0)
    times = {name: house.times("ON", name)[0] - (house.now - house.mono) for name in expected}
    assert times == pytest.approx(expected, abs=0.5)


def test_a_bounce_moves_the_time_of_return() -> None:
    """What was published is corrected."""
    house = VirtualHouse(circuit("pump"))
    house.contact.open()
    house.wait(5.0)
    house.contact.close()
    house.wait(5.0)
    first = house.view("pump").back_at
    house.contact.open()
    house.wait(0.05)
    house.contact.close()
    house.wait(1.0)
    second = house.view("pump").back_at
    assert first is not None
    assert second is not None
    assert second > first + 4.0
