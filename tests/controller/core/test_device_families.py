"""Outages in houses of real device families: what a naive profile would get wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.bus.profiles.registry import DeviceCatalog, FamilySettings
from hw.simulated.device_catalog import FAMILIES
from hw.simulated.mqtt_device import SimulatedGateway
from hw.simulated.zigbee2mqtt import ZigbeeModel
from rules.panel import CircuitId
from tests.device_house import DeviceHouse

FAMILY_DEVICES = {
    "zigbee2mqtt": "zigbee2mqtt/Water Heater",
    "tasmota": "tasmota/heater",
    "shelly": "shelly/shellypro4pm-aabb",
    "esphome": "esphome/garage-panel/relay_2",
    "zwave": "zwave/Hot_Tub",
    "homie": "homie/boiler/relay/power",
    "span": "span/c-heater",
}


def house(family: str, **faults: object) -> DeviceHouse:
    """Return a house with one circuit, `tub`, on a device of this family with these faults."""
    device = FAMILY_DEVICES[family]
    chosen = replace(FAMILIES[family].FACTORY_FAULTS, **faults)  # type: ignore[arg-type]
    return DeviceHouse({"tub": device}, faults={device: chosen})


@pytest.mark.parametrize("family", FAMILY_DEVICES)
def test_an_outage_switches_the_device_off_and_on_again(family: str) -> None:
    """Each command once, each confirmed."""
    home = house(family)
    home.run(60.0)
    assert home.commands == []
    home.transfer()
    home.run(20.0)
    assert (home.energized(), home.shed(), home.unconfirmed()) == (set(), {"tub"}, set())
    assert home.events("confirmed_off") == ["tub"]
    home.utility_returns()
    home.run(60.0)
    assert (home.energized(), home.events("confirmed_on")) == ({"tub"}, ["tub"])
    assert [word for _, _, word in home.commands] == ["OFF", "ON"]
    assert home.moves("tub") == [False, True]
    assert home.alarms() == {}


def test_a_switch_without_feedback_is_found_by_its_power() -> None:
    """ESPHome reports what was set; nothing reads the relay. Only its power sensor shows that it is stuck."""
    device = FAMILY_DEVICES["esphome"]
    sensor = DeviceCatalog({"esphome": FamilySettings(values={"power_sensor": "{object}_power"})})
    stuck = replace(FAMILIES["esphome"].FACTORY_FAULTS, stuck=True)
    home = DeviceHouse({"tub": device}, faults={device: stuck}, catalog=sensor)
    home.run(30.0)
    home.transfer()
    home.run(100.0)
    assert (home.shed(), home.unconfirmed()) == (set(), {"tub"})
    assert "still-drawing" in home.alarms()


GATEWAYS = ("zigbee2mqtt", "zwave")


@pytest.mark.parametrize("family", [one for one in FAMILY_DEVICES if one != "esphome"])
def test_a_relay_that_acknowledges_and_does_not_move_is_never_off(family: str) -> None:
    """Fact 2: a gateway reports what was commanded. The circuit counts as on, is retried, and raises an alarm."""
    home = house(family, stuck=True)
    home.run(30.0)
    home.transfer()
    for _ in range(60):
        home.run(1.0)
        assert home.shed() == set()
    assert home.unconfirmed() == {"tub"}
    assert {"shed-incomplete", "breaker-no-response"} <= home.alarms().keys()
    assert len(home.commands) > 3


@pytest.mark.parametrize("family", GATEWAYS)
def test_a_relay_that_acknowledges_on_and_stays_open_is_owed(family: str) -> None:
    """Fact 2, when the circuit is restored: the gateway reports ON, and the relay has not moved."""
    home = house(family)
    home.run(30.0)
    home.transfer()
    home.run(30.0)
    home.relay("tub").faults = replace(home.relay("tub").faults, stuck=True)
    home.utility_returns()
    for _ in range(120):
        home.run(0.5)
        assert home.engine.state_view().owed == ("tub",)
    assert "not-restored" in home.alarms()


@pytest.mark.parametrize("family", GATEWAYS)
def test_what_a_gateway_remembers_at_its_start_is_not_the_present(family: str) -> None:
    """Fact 1: with the relay really on, the restarted gateway publishes `off` as an ordinary message."""
    home = house(family)
    home.run(30.0)
    home.transfer()
    home.run(30.0)
    assert home.shed() == {"tub"}
    gateway = home.device("tub")
    assert isinstance(gateway, SimulatedGateway)
    home.broker.take(gateway.stop(home.now), home.now)
    home.run(1.0)
    home.move("tub", True)
    home.run(5.0)
    home.broker.take(gateway.start(home.now), home.now)
    while not gateway.connected:
        home.run(0.1)
    while home.energized():
        assert home.shed() == set()
        home.run(0.02)
    home.run(40.0)
    assert (home.energized(), home.shed()) == (set(), {"tub"})


@pytest.mark.parametrize("family", FAMILY_DEVICES)
def test_a_relay_moved_while_the_broker_was_away_is_found(family: str) -> None:
    """Fact 5: most devices stay silent after a restart of the broker. So each is asked."""
    home = house(family)
    home.run(30.0)
    home.transfer()
    home.run(30.0)
    home.disconnect()
    home.broker.goes_down(home.now)
    home.run(1.0)
    home.move("tub", True)
    home.run(20.0)
    home.broker.comes_up(home.now, remembers=False)
    home.connect()
    home.run(60.0)
    assert (home.energized(), home.shed()) == (set(), {"tub"})


def test_a_relay_moved_while_its_gateway_was_down_is_shed_though_no_question_is_answered() -> None:
    """On utility: what it reported before the gateway stopped is no proof, also where reports are its own word."""
    device = FAMILY_DEVICES["zigbee2mqtt"]
    faults = replace(FAMILIES["zigbee2mqtt"].FACTORY_FAULTS, remembers=False, echoes_before_switching=False)
    own = DeviceCatalog({"zigbee2mqtt": FamilySettings(values={"own_reports": ("Water Heater",)})})
    home = DeviceHouse({"tub": device}, faults={device: faults}, catalog=own)
    home.run(30.0)
    home.move("tub", False)
    home.run(30.0)
    gateway, relay = home.device("tub"), home.relay("tub")
    assert isinstance(gateway, SimulatedGateway)
    home.broker.take(gateway.stop(home.now), home.now)
    home.move("tub", True)
    relay.faults = replace(faults, missing_state_key=True)
    home.run(5.0)
    home.broker.take(gateway.start(home.now), home.now)
    home.run(200.0)
    home.transfer()
    home.run(60.0)
    assert home.energized() == set()


def test_a_dead_gateway_makes_its_devices_unavailable() -> None:
    """Fact 6: the device's own `online` stays retained. Fact 9: the loss of a gateway is no loss of the generator."""
    names = {f"c{number}": f"zwave/Node_{number}" for number in range(5)}
    home = DeviceHouse(names)
    home.run(30.0)
    home.transfer()
    home.run(100.0)
    gateway = home.device("c0")
    home.broker.power_cut(gateway, home.now)
    home.run(120.0)
    views = [home.engine.circuit_view(circuit.id) for circuit in home.panel]
    assert [view is not None and view.available for view in views] == [False] * 5
    assert home.events("generator_power_lost") == []


def test_devices_with_a_connection_of_their_own_show_a_stopped_generator() -> None:
    """The last wills of five devices within 90 s, while the contact stays open."""
    names = {f"c{number}": f"tasmota/plug{number}" for number in range(5)}
    home = DeviceHouse(names)
    home.run(30.0)
    home.transfer()
    home.run(100.0)
    for name in names:
        home.broker.power_cut(home.device(name), home.now)
    home.run(120.0)
    assert home.events("generator_power_lost") == [None]


def test_watts_that_a_gateway_derives_from_its_memory_are_not_shown() -> None:
    """Fact 3: the converter writes 0 W because it believes that the circuit is off. Unknown is not zero."""
    device = FAMILY_DEVICES["zigbee2mqtt"]
    home = DeviceHouse({"tub": device}, models={"Water Heater": ZigbeeModel.TS011F})
    home.run(30.0)
    home.transfer()
    home.run(60.0)
    assert home.shed() == {"tub"}
    tub = home.engine.circuit_view(home.panel.circuits[next(iter(home.panel.circuits))].id)
    assert tub is not None
    assert tub.power_w != 0.0


def test_invented_watts_are_not_shown_with_a_later_position() -> None:
    """A stuck relay answers ON, and the answer carries the 0 W that the gateway has invented for its OFF."""
    home = house("zigbee2mqtt")
    home.run(30.0)
    shown = []
    for watts in (b"4500", b"0"):
        home.broker.publish("zigbee2mqtt/Water Heater", b'{"state":"ON","power":%b}' % watts, home.now)
        home.run(0.0)
        tub = home.engine.circuit_view(CircuitId("tub"))
        assert tub is not None
        shown.append(tub.power_w)
    assert shown == [4500.0, None]


@pytest.mark.parametrize("family", ["tasmota", "shelly", "span"])
def test_a_welded_contact_that_draws_power_is_treated_as_on(family: str) -> None:
    """Power measured after the report of off is the second proof: alarm, unconfirmed, and OFF again."""
    home = house(family, welded=True)
    home.run(30.0)
    home.transfer()
    home.run(60.0)
    assert "still-drawing" in home.alarms()
    assert "4.5 kW" in home.alarms()["still-drawing"]
    assert (home.shed(), home.unconfirmed()) == (set(), {"tub"})
    assert len(home.commands) > 1


@pytest.mark.parametrize("family", ["tasmota", "shelly", "span"])
def test_a_contact_that_is_repaired_ends_the_alarm(family: str) -> None:
    """Retries of OFF do not put off the next measurement for ever, and the house is not shedding for ever."""
    home = house(family, welded=True)
    home.run(30.0)
    home.transfer()
    home.run(600.0)
    assert home.engine.state_view().state == "standby"
    assert "still-drawing" in home.alarms()
    assert "breaker-no-response" not in home.alarms(), "it does respond"
    relay = home.relay("tub")
    relay.faults, relay.energized = replace(relay.faults, welded=False), False
    home.run(400.0)
    assert (home.alarms().keys() & {"still-drawing"}, home.shed()) == (set(), {"tub"})


@pytest.mark.parametrize("family", ["tasmota", "shelly", "span", "zwave"])
def test_a_circuit_that_is_off_and_draws_nothing_raises_no_alarm(family: str) -> None:
    """Power measured before the report of off does not count."""
    home = house(family)
    home.run(30.0)
    home.transfer()
    home.run(400.0)
    assert (home.shed(), home.alarms().keys() & {"still-drawing"}) == ({"tub"}, set())
    assert [word for _, _, word in home.commands] == ["OFF"]


@pytest.mark.parametrize("family", [one for one in FAMILY_DEVICES if one != "span"])
def test_a_relay_that_wakes_on_in_the_outage_is_switched_off_again(family: str) -> None:
    """Fact 10: what comes back on decides the overload. A node that announces nothing is asked every five minutes."""
    home = house(family, wakes_on=True)
    home.run(30.0)
    home.transfer()
    home.run(30.0)
    device, relay = home.device("tub"), home.relay("tub")
    address = relay.address if family in GATEWAYS else None
    home.broker.power_cut(device, home.now, address)
    home.run(5.0)
    home.broker.power_back(device, home.now, address)
    home.run(310.0 if family == "zwave" else 90.0)
    assert (home.energized(), home.shed()) == (set(), {"tub"})
    assert home.events("taken_over") == []


@pytest.mark.parametrize("family", ["shelly", "esphome", "tasmota", "homie"])
def test_a_device_that_is_off_already_and_reports_changes_only_is_confirmed(family: str) -> None:
    """Fact 8: a repeated OFF brings no report. The position is asked for, or the retained state read again."""
    device = FAMILY_DEVICES[family]
    home = DeviceHouse({"tub": device}, on=False, is_open=True)
    home.run(20.0)
    assert home.unconfirmed() == set()
    assert "shed-incomplete" not in home.alarms()


def test_a_message_without_the_state_says_nothing() -> None:
    """Fact 7: a report of the link quality is not a report of off."""
    home = house("zigbee2mqtt", missing_state_key=True)
    home.run(30.0)
    home.transfer()
    home.run(30.0)
    assert (home.energized(), home.events("tripped"), home.events("taken_over")) == (set(), [], [])


@pytest.mark.parametrize("order", ["word-first", "state-first"])
@pytest.mark.parametrize("model", [ZigbeeModel.TS0601, ZigbeeModel.TS0601_FAULTS])
def test_a_trip_is_known_whichever_message_comes_first(order: str, model: ZigbeeModel) -> None:
    """The word and the state are two messages, and the word stands in every message after it."""
    device = FAMILY_DEVICES["zigbee2mqtt"]
    faults = replace(FAMILIES["zigbee2mqtt"].FACTORY_FAULTS, splits_trip=order, remembers=False)  # type: ignore[arg-type]
    own = DeviceCatalog({"zigbee2mqtt": FamilySettings(values={"own_reports": ("Water Heater",)})})
    home = DeviceHouse({"tub": device}, faults={device: faults}, models={"Water Heater": model}, catalog=own)
    home.run(30.0)
    gateway = home.device("tub")
    home.move("tub", False)
    home.move("tub", True)
    home.run(5.0)
    home.broker.take(gateway.trip(home.relay("tub").address, home.now), home.now)
    home.run(10.0)
    assert home.events("tripped") == ["tub"]


def test_the_second_gang_is_switched_and_proved_apart_from_the_first() -> None:
    """Plain `state` of a device with two gangs belongs to neither circuit."""
    home = DeviceHouse({"tub": "zigbee2mqtt/duo#l1", "pool": "zigbee2mqtt/duo#l2"})
    home.run(30.0)
    home.transfer()
    home.run(40.0)
    assert (home.energized(), home.shed()) == (set(), {"tub", "pool"})
    home.utility_returns()
    home.run(90.0)
    assert home.energized() == {"tub", "pool"}
    assert home.moves("tub") == home.moves("pool") == [False, True]


def test_a_device_that_cannot_be_asked_is_never_confirmed() -> None:
    """As shipped, a TS0601 only repeats what was commanded: it stays unconfirmed, and the house says so."""
    device = FAMILY_DEVICES["zigbee2mqtt"]
    home = DeviceHouse({"tub": device}, models={"Water Heater": ZigbeeModel.TS0601})
    home.run(90.0)
    home.load("tub", 3000.0)
    home.run(1.0)
    home.transfer()
    home.run(60.0)
    assert (home.energized(), home.shed(), home.unconfirmed()) == (set(), set(), {"tub"})
    home.utility_returns()
    home.run(120.0)
    assert home.energized() == {"tub"}


@pytest.mark.parametrize("family", FAMILY_DEVICES)
def test_a_person_who_switches_a_circuit_on_twice_is_respected(family: str) -> None:
    """Shedding 5: a gateway's report counts like that of a device without availability: the second time."""
    home = house(family)
    home.run(30.0)
    home.transfer()
    home.run(30.0)
    for _ in range(2):
        home.move("tub", True)
        home.run(30.0)
    assert home.events("taken_over") == ["tub"]
    assert home.energized() == {"tub"}


def test_questions_are_few() -> None:
    """Four open questions to a gateway at most, and none to a device that has answered."""
    home = DeviceHouse({f"c{number}": f"zigbee2mqtt/Plug {number}" for number in range(12)})
    home.run(60.0)
    by_moment: dict[float, int] = {}
    for at, _, _ in home.queries:
        by_moment[at] = by_moment.get(at, 0) + 1
    assert max(by_moment.values()) <= 4
    assert len(home.queries) <= 12 * 2
    home.queries.clear()
    home.run(3600.0)
    assert home.queries == []


@pytest.mark.parametrize("family", [one for one in FAMILY_DEVICES if one not in ("homie", "span", "tasmota")])
def test_what_was_switched_off_is_asked_every_five_minutes(family: str) -> None:
    """Also in a long outage, and not when utility is back. A Tasmota reports that often by itself."""
    home = house(family)
    home.run(30.0)
    home.transfer()
    home.run(60.0)
    home.queries.clear()
    home.run(3000.0)
    asked = [at for at, _, ask in home.queries if ask != "power"]
    assert 9 <= len(asked) <= 40
    home.utility_returns()
    home.run(60.0)
    home.queries.clear()
    home.run(3600.0)
    assert home.queries == []


@pytest.mark.parametrize("family", FAMILY_DEVICES)
@pytest.mark.parametrize("after_s", [0.1, 0.5, 1.6])
def test_a_transfer_before_an_on_is_proven_forgets_nothing(family: str, after_s: float) -> None:
    """A gateway's echo of our ON is no report: the circuit is still owed when the contact opens again."""
    home = house(family)
    home.run(30.0)
    for _ in range(2):
        home.transfer()
        home.run(60.0)
        assert home.shed() == {"tub"}
        sent = len(home.commands)
        home.utility_returns()
        while len(home.commands) == sent:
            home.run(0.05)
        home.run(after_s)
    home.run(120.0)
    assert home.energized() == {"tub"}
    assert home.engine.state_view().owed == ()


@pytest.mark.parametrize("family", FAMILY_DEVICES)
def test_a_repeated_report_of_on_is_not_a_second_event(family: str) -> None:
    """A Tasmota reports each command on two topics; after two outages in a row the first still waits for a late OFF."""
    home = house(family)
    home.run(30.0)
    for _ in range(3):
        home.transfer()
        home.run(20.0)
        home.utility_returns()
        home.run(30.0)
    assert home.events("unexpected_on") == []
    assert len(home.events("confirmed_on")) >= 2


def test_a_welded_relay_counts_as_on_after_the_outage_as_well() -> None:
    """It is not named as off by the alarm about circuits that wait, nor by its explanation."""
    home = house("tasmota", welded=True)
    home.run(30.0)
    home.move("tub", False)
    home.run(120.0)
    assert "still-drawing" in home.alarms()
    assert "off-awaiting-user" not in home.alarms()
    view = home.engine.circuit_view(CircuitId("tub"))
    assert view is not None
    assert "still draws power" in view.why
