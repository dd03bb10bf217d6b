"""Topics and payloads of the simulated Zigbee2MQTT, and of the other simulated families' discovery messages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hw.simulated.device_catalog import simulated_devices
from hw.simulated.homie import SimulatedHomie
from hw.simulated.mqtt_device import Relay
from hw.simulated.virtual_broker import VirtualBroker
from hw.simulated.zigbee2mqtt import SimulatedZigbee2Mqtt, ZigbeeDevice, ZigbeeModel
from hw.simulated.zwave import SimulatedZwaveGateway, ZwaveNode

HEATER, GANG_1, GANG_2 = "zigbee2mqtt/Water Heater", "zigbee2mqtt/pool/duo#l1", "zigbee2mqtt/pool/duo#l2"


def gateway(model: ZigbeeModel = ZigbeeModel.ZCL) -> tuple[SimulatedZigbee2Mqtt, VirtualBroker]:
    """Return a gateway with one device and one with two gangs, all on."""
    devices = simulated_devices([HEATER, GANG_1, GANG_2], load_w=4500.0, models={"Water Heater": model})
    (device,) = devices
    assert isinstance(device, SimulatedZigbee2Mqtt)
    broker = VirtualBroker(devices)
    broker.advance(1.0)
    return device, broker


@pytest.mark.parametrize(
    ("topic", "payload", "moved"),
    [
        ("Water Heater/set", '{"state":"OFF"}', HEATER),
        ("Water Heater/set", "OFF", HEATER),
        ("Water Heater/set", "off", HEATER),
        ("Water Heater/set/state", "OFF", HEATER),
        ("Water Heater/set", '{"state":"toggle"}', HEATER),
        ("pool/duo/set", '{"state_l2":"OFF"}', GANG_2),
        ("pool/duo/l2/set", "OFF", GANG_2),
        ("pool/duo/l2/set", '{"state":"OFF"}', GANG_2),
        ("pool/duo/l2/set/state", "OFF", GANG_2),
        ("pool/duo/set", "OFF", GANG_1),
    ],
)
def test_every_form_of_a_command_moves_its_relay_alone(topic: str, payload: str, moved: str) -> None:
    """A name may contain slashes and spaces."""
    device, broker = gateway()
    broker.publish(f"zigbee2mqtt/{topic}", payload.encode(), 2.0)
    broker.advance(5.0)
    assert [address for address, relay in device.relays.items() if not relay.energized] == [moved]


def test_a_command_by_ieee_address_is_answered_on_the_name() -> None:
    """The topic of the answer is not that of the command."""
    device, broker = gateway()
    broker.publish(f"zigbee2mqtt/{device.device_of(HEATER).ieee}/set", b"OFF", 2.0)
    before = len(broker.heard)
    broker.advance(5.0)
    assert "zigbee2mqtt/Water Heater" in {one.topic for one in broker.heard[before:]}


def test_the_plain_key_creates_a_third_state_of_two_gangs() -> None:
    """It moves the first gang, and its own report has the key of the gang."""
    _, broker = gateway()
    broker.publish("zigbee2mqtt/pool/duo/set", b'{"state":"OFF"}', 2.0)
    broker.advance(5.0)
    latest = [json.loads(one.payload) for one in broker.heard if one.topic == "zigbee2mqtt/pool/duo"][-1]
    assert {key: value for key, value in latest.items() if key.startswith("state")} == {
        "state": "OFF",
        "state_l1": "OFF",
        "state_l2": "ON",
    }


def test_bridge_devices_describes_what_a_profile_needs() -> None:
    """Property, access and words of each relay."""
    _, broker = gateway()
    described = {one["friendly_name"]: one for one in json.loads(broker.retained["zigbee2mqtt/bridge/devices"])}
    heater, duo = described["Water Heater"]["definition"]["exposes"], described["pool/duo"]["definition"]["exposes"]
    assert heater[0]["features"][0] == {
        "type": "binary",
        "name": "state",
        "property": "state",
        "access": 7,
        "value_on": "ON",
        "value_off": "OFF",
        "value_toggle": "TOGGLE",
    }
    assert [one["features"][0]["property"] for one in duo[:2]] == ["state_l1", "state_l2"]
    assert {one["property"] for one in heater[1:]} >= {"power", "energy", "power_on_behavior"}


def test_a_breaker_that_cannot_be_read_is_described_so() -> None:
    """Access without the bit 4."""
    _, broker = gateway(ZigbeeModel.TS0601)
    described = {one["friendly_name"]: one for one in json.loads(broker.retained["zigbee2mqtt/bridge/devices"])}
    assert described["Water Heater"]["definition"]["exposes"][0]["features"][0]["access"] == 3


def test_power_on_behavior_is_set_read_back_and_applied() -> None:
    """Of each gang by its own key."""
    device, broker = gateway()
    broker.publish("zigbee2mqtt/pool/duo/set", b'{"power_on_behavior_l2":"off"}', 2.0)
    broker.publish("zigbee2mqtt/pool/duo/get", b'{"power_on_behavior_l2":""}', 3.0)
    broker.advance(4.0)
    latest = [json.loads(one.payload) for one in broker.heard if one.topic == "zigbee2mqtt/pool/duo"][-1]
    assert latest["power_on_behavior_l2"] == "off"
    broker.power_cut(device, 5.0, GANG_1)
    broker.power_back(device, 6.0, GANG_1)
    assert (device.relays[GANG_1].energized, device.relays[GANG_2].energized) == (True, False)


def test_a_cache_that_was_not_saved_is_lost_with_the_power() -> None:
    """It is saved every five minutes: after a power cut it says ON, although the device reported OFF."""
    device, broker = gateway()
    broker.publish("zigbee2mqtt/Water Heater/set", b"OFF", 310.0)
    broker.advance(320.0)
    broker.power_cut(device, 330.0)
    broker.power_back(device, 400.0)
    before = len(broker.heard)
    broker.advance(402.0)
    first = next(one for one in broker.heard[before:] if one.topic == "zigbee2mqtt/Water Heater")
    assert json.loads(first.payload)["state"] == "ON"


@pytest.mark.parametrize(("output", "topics"), [("attribute", 0), ("attribute_and_json", 1), ("json", 1)])
def test_output_as_attributes_has_a_topic_for_each(output: Any, topics: int) -> None:
    """With `attribute` there is no JSON at all."""
    relay = Relay(HEATER)
    device = SimulatedZigbee2Mqtt([ZigbeeDevice("Water Heater", {"": relay})], output=output)
    device.on_connected(1.0)
    device.on_message("zigbee2mqtt/Water Heater/set", b"OFF", False, 2.0)
    sent = [(one.topic, one.payload) for one in device.advance(3.0)]
    assert len([one for one in sent if one[0] == "zigbee2mqtt/Water Heater"]) == topics
    assert (("zigbee2mqtt/Water Heater/state", b"OFF") in sent) is (output != "json")


def test_an_unknown_key_is_an_error_of_the_bridge() -> None:
    """Nothing moves."""
    device, broker = gateway()
    before = len(broker.heard)
    broker.publish("zigbee2mqtt/Water Heater/set", b'{"colour":"red"}', 2.0)
    errors = [one for one in broker.heard[before:] if one.topic == "zigbee2mqtt/bridge/logging"]
    assert json.loads(errors[0].payload)["level"] == "error"
    assert device.log == []


# --- other families ---------------------------------------------------------------------------------------------------


def test_discovery_of_esphome_names_the_topics_that_are_used() -> None:
    """State and command as published and subscribed."""
    (device,) = simulated_devices(["esphome/panel/relay_2"])
    broker = VirtualBroker([device])
    broker.advance(0.0)
    config = json.loads(broker.retained["homeassistant/switch/panel/relay_2/config"])
    assert config["stat_t"] in broker.retained
    assert config["cmd_t"] in device.subscriptions
    assert broker.retained[config["avty_t"]] == b"online"


@pytest.mark.parametrize("version", [4, 5])
def test_description_of_homie_declares_the_property_settable(version: int) -> None:
    """In one JSON document, or in a topic for each attribute."""
    relay = Relay("homie/boiler/relay/power")
    device = SimulatedHomie("boiler", [relay], version=version)
    sent = {one.topic: one.payload.decode() for one in device.on_connected(0.0)}
    if version == 5:
        description = json.loads(sent["homie/5/boiler/$description"])
        assert description["nodes"]["relay"]["properties"]["power"]["settable"] is True
        assert sent["homie/5/boiler/$state"] == "ready"
    else:
        assert sent["homie/boiler/relay/power/$settable"] == "true"
        assert sent["homie/boiler/$state"] == "ready"


def test_a_span_load_has_negative_power_and_exported_energy() -> None:
    """The panel measures what flows into its busbar."""
    (device,) = simulated_devices(["span/c-heater"], load_w=4500.0)
    broker = VirtualBroker([device])
    broker.advance(0.0)
    broker.publish("ebus/5/c-heater/switch/relay/set", b"OPEN", 3600.0)
    sent = [one.payload for one in broker.heard if one.topic == "ebus/5/c-heater/meter/active-power"]
    assert {*sent[:-1]} == {b"-4500.0"}
    assert sent[-1] == b"0.0"
    assert broker.retained["ebus/5/c-heater/meter/exported-energy"] == b"4500.000"


@pytest.mark.parametrize("names", ["value-id", "named"])
def test_topics_of_zwave_in_both_types(names: Any) -> None:
    """A query needs the number of the node, which is in its status."""
    relays = {0: Relay("zwave/Hot_Tub#0"), 1: Relay("zwave/Hot_Tub#1")}
    device = SimulatedZwaveGateway([ZwaveNode("Hot_Tub", 3, relays)], names=names)
    broker = VirtualBroker([device])
    broker.advance(1.0)
    value = "zwave/Hot_Tub/37/1" if names == "value-id" else "zwave/Hot_Tub/switch_binary/endpoint_1"
    broker.publish(f"{value}/targetValue/set", b'{"value":false}', 2.0)
    broker.advance(5.0)
    assert json.loads(broker.retained[f"{value}/currentValue"])["value"] is False
    assert (relays[0].energized, relays[1].energized) == (True, False)
    node = json.loads(broker.retained["zwave/Hot_Tub/status"])["nodeId"]
    device.move_manually("zwave/Hot_Tub#1", True, 6.0)
    arguments = {"nodeId": node, "commandClass": 37, "endpoint": 1, "property": "currentValue"}
    api = "zwave/_CLIENTS/ZWAVE_GATEWAY-zwave-js-ui/api/pollValue"
    broker.publish(f"{api}/set", json.dumps({"args": [arguments]}).encode(), 7.0)
    broker.advance(8.0)
    reply = [json.loads(one.payload) for one in broker.heard if one.topic == api][-1]
    assert (reply["success"], reply["result"]) == (True, True)
    assert json.loads(broker.retained[f"{value}/currentValue"])["value"] is True


def test_a_power_on_parameter_of_zwave_is_read_set_and_applied() -> None:
    """Number 21 of a ZEN15: 2 is off."""
    (device,) = simulated_devices(["zwave/Hot_Tub#0"])
    broker = VirtualBroker([device])
    broker.advance(1.0)
    assert json.loads(broker.retained["zwave/Hot_Tub/112/0/21"])["value"] == 0
    broker.publish("zwave/Hot_Tub/112/0/21/set", b"2", 2.0)
    broker.advance(3.0)
    assert json.loads(broker.retained["zwave/Hot_Tub/112/0/21"])["value"] == 2
    broker.power_cut(device, 4.0, "zwave/Hot_Tub#0")
    broker.power_back(device, 5.0, "zwave/Hot_Tub#0")
    assert not device.relays["zwave/Hot_Tub#0"].energized
