"""Facts about real MQTT devices that a simple profile gets wrong: each simulated family shows them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from hw.simulated.device_catalog import FAMILIES, faults_from, simulated_devices
from hw.simulated.device_faults import DeviceFaults
from hw.simulated.esphome import SimulatedEsphome
from hw.simulated.homie import SimulatedHomie
from hw.simulated.mqtt_device import Relay, SimulatedDevice
from hw.simulated.shelly import SimulatedShelly
from hw.simulated.tasmota import SimulatedTasmota
from hw.simulated.virtual_broker import Heard, VirtualBroker
from hw.simulated.zigbee2mqtt import SimulatedZigbee2Mqtt, ZigbeeModel
from hw.simulated.zwave import SimulatedZwaveGateway

SHELLY = "shelly/shellypro4pm-aabbccddeeff#0"
TASMOTA, ESPHOME, ZWAVE = "tasmota/heater#1", "esphome/panel/relay_2", "zwave/Hot_Tub#0"
HOMIE, SPAN, ZIGBEE = "homie/boiler/relay/power", "span/c-heater", "zigbee2mqtt/Water Heater"
ALL = (TASMOTA, SHELLY, ESPHOME, ZWAVE, HOMIE, SPAN, ZIGBEE)

COMMANDS = {
    TASMOTA: ("cmnd/heater/POWER", "ON", "OFF"),
    SHELLY: ("shellypro4pm-aabbccddeeff/command/switch:0", "on", "off"),
    ESPHOME: ("panel/switch/relay_2/command", "ON", "OFF"),
    ZWAVE: ("zwave/Hot_Tub/37/0/targetValue/set", "true", "false"),
    HOMIE: ("homie/5/boiler/relay/power/set", "true", "false"),
    SPAN: ("ebus/5/c-heater/switch/relay/set", "CLOSED", "OPEN"),
    ZIGBEE: ("zigbee2mqtt/Water Heater/set", "ON", "OFF"),
}

STATES = {
    TASMOTA: {"stat/heater/POWER", "stat/heater/RESULT", "tele/heater/STATE"},
    SHELLY: {"shellypro4pm-aabbccddeeff/events/rpc"},
    ESPHOME: {"panel/switch/relay_2/state"},
    ZWAVE: {"zwave/Hot_Tub/37/0/currentValue"},
    HOMIE: {"homie/5/boiler/relay/power"},
    SPAN: {"ebus/5/c-heater/switch/relay"},
    ZIGBEE: {"zigbee2mqtt/Water Heater"},
}


class House:
    """One device on a virtual broker, and what was published since the last look."""

    def __init__(self, address: str, *settings: str, on: bool = True, **more: Any) -> None:
        faults = faults_from(address.split("/", 1)[0], settings)
        (self.device,) = simulated_devices([address], faults={address: faults}, on=on, load_w=4500.0, **more)
        self.address = address
        self.broker = VirtualBroker([self.device])
        self.broker.advance(0.0)
        self._seen = 0

    @property
    def relay(self) -> Relay:
        return self.device.relays[self.address]

    def command(self, on: bool, now: float) -> None:
        topic, on_word, off_word = COMMANDS[self.address]
        self.broker.publish(topic, (on_word if on else off_word).encode(), now)

    def news(self, now: float) -> list[Heard]:
        """Return the messages of the device by now that were not yet returned."""
        self.broker.advance(now)
        heard = [one for one in self.broker.heard[self._seen :] if one.topic != COMMANDS[self.address][0]]
        self._seen = len(self.broker.heard)
        return heard

    def states(self, now: float) -> list[str]:
        """Return the payloads on the state topics by now."""
        return [one.payload.decode() for one in self.news(now) if one.topic in STATES[self.address]]


def zigbee(*settings: str, model: ZigbeeModel = ZigbeeModel.ZCL, **more: Any) -> tuple[House, SimulatedZigbee2Mqtt]:
    """Return a house with one Zigbee device, and its gateway."""
    house = House(ZIGBEE, *settings, models={"Water Heater": model}, **more)
    assert isinstance(house.device, SimulatedZigbee2Mqtt)
    return house, house.device


def zwave(*settings: str) -> tuple[House, SimulatedZwaveGateway]:
    """Return a house with one Z-Wave node, and its gateway."""
    house = House(ZWAVE, *settings)
    assert isinstance(house.device, SimulatedZwaveGateway)
    return house, house.device


@pytest.mark.parametrize("address", ALL)
def test_a_command_moves_the_relay_and_is_reported(address: str) -> None:
    """Each family accepts its own command and publishes on its own state topic."""
    house = House(address)
    house.news(5.0)
    house.command(False, 5.0)
    assert house.states(10.0)
    assert not house.relay.energized
    assert [(one.on, one.by) for one in house.relay.moves] == [(False, "command")]


# --- 1: a live message is not always the device -----------------------------------------------------------------------


def test_zigbee2mqtt_publishes_its_cache_as_live_when_it_starts() -> None:
    """The relay was switched off while the program did not run; its first message still says ON."""
    house, gateway = zigbee()
    house.broker.take(gateway.stop(10.0), 10.0)
    gateway.move_manually(ZIGBEE, False, 20.0)
    house.news(30.0)
    gateway.start(30.0)
    assert [json.loads(text)["state"] for text in house.states(40.0)] == ["ON"]
    assert not house.relay.energized


def test_zwave_publishes_old_values_with_their_old_time_when_it_starts() -> None:
    """Only the time stamp shows that the value is old."""
    house, gateway = zwave()
    house.command(False, 5.0)
    house.states(10.0)
    gateway.stop(20.0)
    gateway.move_manually(ZWAVE, True, 25.0)
    gateway.start(30.0)
    (text,) = house.states(40.0)
    assert json.loads(text) == {"time": 6150, "value": False}
    assert house.relay.energized


def test_every_power_reading_of_zigbee2mqtt_carries_the_cached_state() -> None:
    """A reading of the meter is no statement about the switch."""
    house, gateway = zigbee("mute")
    gateway.move_manually(ZIGBEE, False, 5.0)
    house.relay.faults = DeviceFaults(remembers=True, echoes_before_switching=True)
    house.news(6.0)
    house.broker.take(gateway.set_load(ZIGBEE, 0.0, 7.0), 7.0)
    (text,) = house.states(8.0)
    assert json.loads(text)["state"] == "ON"
    assert not house.relay.energized


# --- 2: an echo is not a position -------------------------------------------------------------------------------------


def test_a_stuck_zigbee_relay_is_reported_as_commanded_until_it_is_queried() -> None:
    """The first message is the acknowledgment of the radio; a read returns the position."""
    house, _ = zigbee("stuck")
    house.news(5.0)
    house.command(False, 5.0)
    assert [json.loads(text)["state"] for text in house.states(10.0)] == ["OFF"]
    house.broker.publish("zigbee2mqtt/Water Heater/get", b'{"state":""}', 10.0)
    assert [json.loads(text)["state"] for text in house.states(12.0)] == ["ON"]


def test_zwave_reports_twice_and_only_the_second_report_is_read_from_the_node() -> None:
    """The first one is made at the acknowledgment of the radio."""
    house, _ = zwave("stuck")
    house.news(5.0)
    house.command(False, 5.0)
    first, second = (json.loads(text) for text in house.states(10.0))
    assert (first["value"], second["value"]) == (False, True)
    assert second["time"] - first["time"] == 1100


def test_a_stuck_esphome_relay_is_reported_as_commanded() -> None:
    """The state of an ESPHome switch is what it was set to."""
    house = House(ESPHOME, "stuck")
    house.news(5.0)
    house.command(False, 5.0)
    assert house.states(10.0) == ["OFF"]
    assert house.relay.energized


@pytest.mark.parametrize("address", [TASMOTA, SHELLY, HOMIE, SPAN])
def test_other_stuck_relays_do_not_report_the_commanded_state(address: str) -> None:
    """They report the state of their own switch."""
    house = House(address, "stuck")
    house.news(5.0)
    house.command(False, 5.0)
    off = {TASMOTA: "OFF", SHELLY: '"output":false', HOMIE: "false", SPAN: "OPEN"}[address]
    assert not [text for text in house.states(9.0) if off in text]


@pytest.mark.parametrize("address", ALL)
def test_an_echo_precedes_the_movement(address: str) -> None:
    """A slow device that echoes has reported OFF while it is still on."""
    house = House(address, "echoes_before_switching", "slow_s=5")
    house.news(5.0)
    house.command(False, 5.0)
    assert house.states(6.0)
    assert house.relay.energized
    house.news(11.0)
    assert not house.relay.energized


# --- 3: watts are not proof -------------------------------------------------------------------------------------------


def test_a_ts011f_reports_no_power_while_its_cached_state_is_off() -> None:
    """The contact is welded: 4.5 kW flow and the message has 0 W."""
    house, gateway = zigbee("welded", model=ZigbeeModel.TS011F)
    house.command(False, 5.0)
    house.states(9.0)
    house.broker.take(gateway.set_load(ZIGBEE, 4600.0, 10.0), 10.0)
    (text,) = house.states(11.0)
    assert (json.loads(text)["state"], json.loads(text)["power"]) == ("OFF", 0)
    assert house.relay.watts == 4600.0


def test_two_options_of_zigbee2mqtt_end_echo_cached_state_and_false_watts() -> None:
    """They are set over MQTT, without a restart, and read back from bridge/info."""
    house, gateway = zigbee("welded", model=ZigbeeModel.TS011F)
    options = {"optimistic": False, "filtered_cache": ["state"]}
    request = {"id": "Water Heater", "options": options, "transaction": "a1"}
    house.news(5.0)
    house.broker.publish("zigbee2mqtt/bridge/request/device/options", json.dumps(request).encode(), 5.0)
    news = {one.topic: json.loads(one.payload) for one in house.news(5.5) if "/request/" not in one.topic}
    response = news["zigbee2mqtt/bridge/response/device/options"]
    assert (response["status"], response["transaction"]) == ("ok", "a1")
    assert response["data"]["restart_required"] is False
    (configured,) = news["zigbee2mqtt/bridge/info"]["config"]["devices"].values()
    assert configured["filtered_cache"] == ["state"]

    house.command(False, 6.0)
    own, power = (json.loads(text) for text in house.states(9.0))
    assert own["state"] == "OFF"
    assert "state" not in power
    assert power["power"] == 4500
    gateway.set_faults(ZIGBEE, replace(house.relay.faults, welded=False, stuck=True))
    house.command(True, 10.0)
    assert house.states(20.0) == []


# --- 4: a retained command switches a load ----------------------------------------------------------------------------


@pytest.mark.parametrize("address", ALL)
def test_a_retained_command_is_executed_when_the_broker_restarts(address: str) -> None:
    """It was left on the broker long ago, and the relay is off now."""
    house = House(address, "retained_set=ON", on=False)
    house.broker.advance(5.0)
    house.device.move_manually(address, False, 6.0)
    house.broker.goes_down(10.0)
    house.broker.comes_up(20.0)
    house.broker.advance(25.0)
    assert house.relay.energized
    assert house.device.log[-1].retained


@pytest.mark.parametrize("address", [ZIGBEE, ZWAVE])
def test_a_gateway_ignores_a_retained_command_at_its_own_start(address: str) -> None:
    """It arrives before the radio is ready."""
    house = House(address, "retained_set=ON", on=False)
    house.broker.advance(5.0)
    assert not house.relay.energized
    assert house.device.log == []


# --- 5: most devices are silent after a restart of the broker ---------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "topics"),
    [
        (TASMOTA, {"tele/heater/LWT", "cmnd/heater/POWER"}),
        (SHELLY, {"shellypro4pm-aabbccddeeff/online"}),
        (ZIGBEE, {"zigbee2mqtt/bridge/state"}),
        (ZWAVE, {"zwave/_CLIENTS/ZWAVE_GATEWAY-zwave-js-ui/status"}),
    ],
)
def test_a_movement_during_a_restart_of_the_broker_is_never_published(address: str, topics: set[str]) -> None:
    """Only the availability of the device or gateway is published again."""
    house = House(address)
    house.broker.advance(20.0)
    house.broker.goes_down(20.0)
    house.device.move_manually(address, False, 22.0)
    house._seen = len(house.broker.heard)
    house.broker.comes_up(30.0, remembers=False)
    assert {one.topic for one in house.broker.heard[house._seen :]} == topics
    assert house.states(35.0) == []


@pytest.mark.parametrize(("address", "off"), [(ESPHOME, "OFF"), (HOMIE, "false"), (SPAN, "OPEN")])
def test_esphome_and_homie_repeat_their_states_at_each_connection(address: str, off: str) -> None:
    """A broker without memory has the position again."""
    house = House(address)
    house.broker.goes_down(20.0)
    house.device.move_manually(address, False, 22.0)
    house.news(25.0)
    house.broker.comes_up(30.0, remembers=False)
    assert house.states(35.0) == [off]


# --- 6: availability needs more than one topic ------------------------------------------------------------------------


def test_a_dead_zigbee2mqtt_leaves_its_devices_online() -> None:
    """The last will covers the bridge only."""
    house, gateway = zigbee()
    gateway.availability_timeout_s = 600.0
    house.broker.power_cut(gateway, 5.0)
    house.broker.power_back(gateway, 6.0)
    house.broker.advance(10.0)
    house.broker.power_cut(gateway, 20.0)
    house.broker.advance(200.0)
    assert house.broker.retained["zigbee2mqtt/Water Heater/availability"] == b'{"state":"online"}'
    assert house.broker.retained["zigbee2mqtt/bridge/state"] == b'{"state":"offline"}'


def test_a_clean_stop_of_zwave_changes_only_the_status_of_its_driver() -> None:
    """No last will follows, and the gateway still counts as connected."""
    house, gateway = zwave()
    house.broker.take(gateway.stop(10.0), 10.0)
    assert house.broker.retained["zwave/driver/status"] == b"false"
    assert json.loads(house.broker.retained["zwave/_CLIENTS/ZWAVE_GATEWAY-zwave-js-ui/status"]) == {"value": True}
    assert json.loads(house.broker.retained["zwave/Hot_Tub/status"])["status"] == "Alive"


def test_only_the_root_of_a_span_panel_is_lost() -> None:
    """Children have no last will."""
    house = House(SPAN)
    house.broker.power_cut(house.device, 5.0)
    house.broker.advance(100.0)
    assert house.broker.retained["ebus/5/c-heater/$state"] == b"ready"
    assert house.broker.retained["ebus/5/nt-2024-00001/$state"] == b"lost"


@pytest.mark.parametrize(("address", "topic"), [(TASMOTA, "tele/heater/LWT"), (ESPHOME, "panel/status")])
def test_availability_that_is_kept_never_becomes_offline(address: str, topic: str) -> None:
    """A broker may have lost the last will."""
    house = House(address, "keeps_online")
    house.broker.power_cut(house.device, 5.0)
    house.broker.advance(500.0)
    assert house.broker.retained[topic].lower() == b"online"


def test_the_availability_of_a_shelly_is_not_retained() -> None:
    """A program that connects later does not receive it."""
    house = House(SHELLY)
    assert "shellypro4pm-aabbccddeeff/online" in {one.topic for one in house.news(1.0)}
    assert house.broker.retained == {}


# --- 7: the state may be missing, or have two formats -----------------------------------------------------------------


def test_first_zigbee_messages_may_lack_the_state() -> None:
    """A message without state says nothing about the position."""
    house, gateway = zigbee("missing_state_key")
    house.news(5.0)
    house.broker.take(gateway.set_load(ZIGBEE, 100.0, 6.0), 6.0)
    assert [sorted(json.loads(text)) for text in house.states(7.0)] == [
        ["current", "energy", "linkquality", "power", "voltage"]
    ]


def test_a_zwave_value_may_be_missing() -> None:
    """The message has a time and no value."""
    house, _ = zwave("missing_state_key")
    assert [json.loads(text) for text in house.states(1.0)] == [{"time": 0}]


def test_a_shelly_notice_of_power_has_no_output() -> None:
    """A notice has only what changed."""
    house = House(SHELLY)
    house.news(5.0)
    house.broker.take(house.device.set_load(SHELLY, 100.0, 6.0), 6.0)
    (text,) = house.states(7.0)
    assert sorted(json.loads(text)["params"]["switch:0"]) == ["apower", "current", "id"]


def test_tasmota_may_publish_two_formats_on_one_topic() -> None:
    """With SetOption4, JSON and the plain word share the topic."""
    house = House(TASMOTA, "two_formats")
    house.news(5.0)
    house.command(False, 6.0)
    news = [(one.topic, one.payload) for one in house.news(7.0)]
    assert news == [("stat/heater/POWER", b'{"POWER":"OFF"}'), ("stat/heater/POWER", b"OFF")]


# --- 8: a repeated command may have no answer -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "answers"), [(ESPHOME, False), (SHELLY, False), (TASMOTA, True), (ZIGBEE, True), (ZWAVE, True)]
)
def test_a_repeated_command_is_answered_or_not(address: str, answers: bool) -> None:
    """ESPHome and Shelly report changes only."""
    house = House(address, on=False)
    house.news(20.0)
    house.command(False, 20.0)
    assert bool(house.states(25.0)) is answers


# --- 9: offline within 90 s -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "topic", "word", "after_s"),
    [(TASMOTA, "tele/heater/LWT", b"Offline", 45.0), (ESPHOME, "panel/status", b"offline", 22.5)],
)
def test_a_device_with_its_own_connection_is_offline_within_90_s(
    address: str, topic: str, word: bytes, after_s: float
) -> None:
    """After one and a half times its keep-alive time."""
    house = House(address)
    house.broker.power_cut(house.device, 100.0)
    house.news(100.0 + after_s - 0.1)
    assert house.broker.retained[topic] != word
    house.news(100.0 + after_s)
    assert house.broker.retained[topic] == word


def test_zigbee2mqtt_needs_ten_minutes_to_report_a_device_as_offline() -> None:
    """It pings a device only after ten minutes of silence."""
    house, gateway = zigbee()
    gateway.availability_timeout_s = 600.0
    gateway.power_cut(0.0)
    house.broker.power_back(gateway, 1.0)
    house.command(False, 100.0)
    house.broker.advance(105.0)
    house.broker.power_cut(gateway, 110.0, ZIGBEE)
    topic = "zigbee2mqtt/Water Heater/availability"
    house.broker.advance(690.0)
    assert house.broker.retained[topic] == b'{"state":"online"}'
    house.broker.advance(1400.0)
    assert house.broker.retained[topic] == b'{"state":"offline"}'


def test_a_zwave_node_is_dead_only_after_a_command_failed() -> None:
    """And alive again with the next command that arrives."""
    house, gateway = zwave()
    house.broker.power_cut(gateway, 10.0, ZWAVE)
    house.broker.advance(1000.0)
    assert json.loads(house.broker.retained["zwave/Hot_Tub/status"])["status"] == "Alive"
    house.command(False, 1000.0)
    house.broker.advance(1004.0)
    assert json.loads(house.broker.retained["zwave/Hot_Tub/status"])["status"] == "Dead"
    house.broker.power_back(gateway, 1010.0, ZWAVE)
    house.command(False, 1020.0)
    house.broker.advance(1025.0)
    assert json.loads(house.broker.retained["zwave/Hot_Tub/status"])["status"] == "Alive"


# --- 10: what returns on ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "factory"),
    [(TASMOTA, True), (SHELLY, False), (ESPHOME, False), (ZWAVE, True), (ZIGBEE, True), (HOMIE, False), (SPAN, True)],
)
def test_factory_power_on_setting_of_a_relay_that_was_on(address: str, factory: bool) -> None:
    """As shipped, few devices return off."""
    house = House(address)
    house.broker.power_cut(house.device, 20.0, address)
    house.broker.power_back(house.device, 30.0, address)
    assert house.relay.energized is factory


@pytest.mark.parametrize("address", ALL)
def test_a_device_that_wakes_on_ignores_its_setting(address: str) -> None:
    """It was off before the power cut."""
    house = House(address, "wakes_on", on=False)
    house.broker.power_cut(house.device, 20.0, address)
    house.broker.power_back(house.device, 30.0, address)
    assert house.relay.energized


def test_the_second_gang_is_not_read_after_a_reboot() -> None:
    """Both gangs wake off. Zigbee2MQTT reads the first one, and keeps the cached ON of the second."""
    gangs = ["zigbee2mqtt/duo#l1", "zigbee2mqtt/duo#l2"]
    (device,) = simulated_devices(gangs)
    assert isinstance(device, SimulatedZigbee2Mqtt)
    broker = VirtualBroker([device])
    broker.publish("zigbee2mqtt/duo/set", b'{"power_on_behavior_l1":"off","power_on_behavior_l2":"off"}', 1.0)
    broker.power_cut(device, 5.0, gangs[0])
    broker.power_back(device, 6.0, gangs[0])
    before = len(broker.heard)
    broker.advance(20.0)
    news = {one.topic: json.loads(one.payload) for one in broker.heard[before:]}
    assert news["zigbee2mqtt/bridge/event"]["type"] == "device_announce"
    assert (news["zigbee2mqtt/duo"]["state_l1"], news["zigbee2mqtt/duo"]["state_l2"]) == ("OFF", "ON")
    assert [relay.energized for relay in device.relays.values()] == [False, False]


def test_an_esphome_node_without_broker_restarts_and_drops_its_load() -> None:
    """Its restart without MQTT for 15 minutes applies ALWAYS_OFF."""
    house = House(ESPHOME)
    house.broker.goes_down(10.0)
    house.broker.advance(905.0)
    assert house.relay.energized
    house.broker.advance(911.0)
    assert not house.relay.energized


# --- faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_every_factory_fault_is_possible(family: str) -> None:
    """A device as shipped can be built from its own list."""
    kind = FAMILIES[family]
    assert faults_from(family, []) == kind.FACTORY_FAULTS


@pytest.mark.parametrize("address", ALL)
def test_a_mute_device_moves_and_publishes_no_state(address: str) -> None:
    """Its contacts are open all the same."""
    echoes = address in (ZIGBEE, ZWAVE)
    house = House(address, "mute", *(["echoes_before_switching=no"] if echoes else []))
    house.news(20.0)
    house.command(False, 20.0)
    assert house.states(30.0) == []
    assert not house.relay.energized


@pytest.mark.parametrize("address", ALL)
def test_an_unreachable_device_neither_moves_nor_reports(address: str) -> None:
    """Its radio is dead."""
    house = House(address, "unreachable")
    house.news(20.0)
    house.command(False, 20.0)
    assert house.states(31.0) == []
    assert house.relay.energized


@pytest.mark.parametrize("address", [TASMOTA, SHELLY, ESPHOME, HOMIE, SPAN, ZIGBEE, ZWAVE])
def test_a_welded_contact_keeps_the_load_on(address: str) -> None:
    """The device reports off and the load draws its power."""
    house = House(address, "welded")
    house.command(False, 20.0)
    house.news(30.0)
    assert (house.relay.switched_on, house.relay.energized, house.relay.watts) == (False, True, 4500.0)


def test_a_failed_command_is_an_error_of_the_bridge_after_ten_seconds() -> None:
    """Nothing is published on the topic of the device."""
    house, _ = zigbee("unreachable")
    house.news(5.0)
    house.command(False, 5.0)
    assert house.news(14.9) == []
    (error,) = house.news(15.0)
    content = json.loads(error.payload)
    assert (error.topic, content["level"]) == ("zigbee2mqtt/bridge/logging", "error")
    assert "Publish 'set' 'state' to 'Water Heater' failed" in content["message"]


def test_a_ts0601_breaker_cannot_be_queried() -> None:
    """A query brings one error of the bridge and no state."""
    house, _ = zigbee(model=ZigbeeModel.TS0601)
    house.news(5.0)
    house.broker.publish("zigbee2mqtt/Water Heater/get", b'{"state":""}', 5.0)
    errors = [one for one in house.news(30.0) if not one.topic.endswith("/get")]
    assert [one.topic for one in errors] == ["zigbee2mqtt/bridge/logging"]
    assert json.loads(errors[0].payload)["level"] == "error"


@pytest.mark.parametrize(("order", "first"), [("word-first", "last_event"), ("state-first", "state")])
def test_a_trip_is_two_messages_in_either_order_and_its_word_is_cached(order: str, first: str) -> None:
    """The word stands in every later message too."""
    house, gateway = zigbee(f"splits_trip={order}", model=ZigbeeModel.TS0601)
    house.news(5.0)
    house.broker.take(gateway.trip(ZIGBEE, 6.0), 6.0)
    one, two = (json.loads(text) for text in house.states(8.0))
    assert (one["state"] == "OFF") is (first == "state")
    assert (one.get("last_event") == "trip_over_current") is (first == "last_event")
    assert (two["state"], two["last_event"]) == ("OFF", "trip_over_current")
    house.broker.take(gateway.set_load(ZIGBEE, 0.0, 9.0), 9.0)
    assert json.loads(house.states(10.0)[0])["last_event"] == "trip_over_current"


@pytest.mark.parametrize(
    ("address", "word"),
    [(SHELLY, '"errors":["overpower"]'), (SPAN, "FAULT"), (ZWAVE, '"value":6'), (TASMOTA, "MaxPowerReached")],
)
def test_a_trip_has_its_word_and_ignores_commands_until_it_is_reset(address: str, word: str) -> None:
    """A command does not close a tripped breaker."""
    house = House(address)
    house.news(5.0)
    house.broker.take(house.device.trip(address, 6.0), 6.0)
    assert [one for one in house.news(8.0) if word in one.payload.decode()]
    house.command(True, 9.0)
    house.broker.advance(12.0)
    assert not house.relay.energized
    house.device.move_manually(address, True, 13.0)
    assert house.relay.energized


def test_a_breaker_that_recloses_is_on_by_itself() -> None:
    """Some do so 35 s after the trip."""
    house, gateway = zigbee("recloses_s=35", model=ZigbeeModel.TS0601)
    gateway.trip(ZIGBEE, 6.0)
    house.broker.advance(40.0)
    assert not house.relay.energized
    house.broker.advance(41.5)
    assert house.relay.energized


def test_a_locked_span_circuit_ignores_commands_without_a_message() -> None:
    """Its property relay-controllable is false."""
    house = House(SPAN, "locked")
    assert house.broker.retained["ebus/5/c-heater/switch/relay-controllable"] == b"false"
    house.news(5.0)
    house.command(False, 5.0)
    assert {one.topic.rpartition("/")[2] for one in house.news(12.0)} <= {"active-power", "exported-energy"}
    assert house.relay.energized


def test_a_homie_device_may_rebuild_its_state_from_the_broker() -> None:
    """It was moved while the broker was away, and takes the retained state after a power cut."""
    house = House(HOMIE, "remembers")
    house.broker.advance(5.0)
    assert house.broker.retained["homie/5/boiler/relay/power"] == b"true"
    house.broker.power_cut(house.device, 6.0)
    house.broker.power_back(house.device, 100.0)
    house.broker.advance(110.0)
    assert house.relay.energized


def test_a_fault_that_a_family_cannot_have_is_refused() -> None:
    """The message has the faults that are possible."""
    with pytest.raises(ValueError, match="tasmota/heater#1 cannot have the fault partial_notices"):
        SimulatedTasmota("heater", [Relay(TASMOTA, faults=DeviceFaults(partial_notices=True))])


@pytest.mark.parametrize("kind", [SimulatedShelly, SimulatedEsphome, SimulatedHomie])
def test_a_device_without_faults_is_honest(kind: type[SimulatedDevice]) -> None:
    """No fault of a family is built in: all can be switched off."""
    address = {"shelly": SHELLY, "esphome": ESPHOME, "homie": HOMIE}[kind.FAMILY]
    (device,) = simulated_devices([address], faults={address: DeviceFaults(mute=True)})
    device.set_faults(address, DeviceFaults())
    broker = VirtualBroker([device])
    broker.advance(0.0)
    broker.goes_down(10.0)
    device.move_manually(address, False, 11.0)
    before = len(broker.heard)
    broker.comes_up(20.0)
    news = [one.payload.decode() for one in broker.heard[before:] if one.topic in STATES[address]]
    assert len(news) == 1
    assert ('"output":false' in news[0]) or news[0] in ("OFF", "false")
