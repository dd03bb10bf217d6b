"""Each message that a device family is known to send, and what it is understood to say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from controller.bus.messages import IncomingMessage, Rejection
from controller.bus.profiles.registry import DeviceCatalog, FamilySettings, profile_of
from controller.bus.topics import Topics
from controller.core.effects import QueryDevice, SwitchOff, SwitchOn
from controller.core.events import (
    AvailabilityReported,
    BreakerReported,
    CommandRefused,
    DeviceAlive,
    DeviceIdentified,
    DeviceRestarted,
    PowerReported,
    TripWordReported,
)
from rules.device import DeviceTraits
from rules.panel import Circuit, CircuitId, Kind, Position, Tag

if TYPE_CHECKING:
    from controller.bus.topics import BusNews
    from controller.core.events import Event

TUB = CircuitId("tub")
AT, OFFSET_S = 7.0, 1_700_000_000.0
ON, OFF = Position.ON, Position.OFF


def topics(device: str, catalog: DeviceCatalog | None = None) -> Topics:
    """Return the topics of a house whose one circuit has this device."""
    catalog = catalog or DeviceCatalog()
    tub = Circuit(TUB, "Hot tub", (9, 11), Kind.RELAY, Tag.NONESSENTIAL, device=DeviceTraits(device))
    return Topics("home", [TUB], profiles={TUB: profile_of(tub, "home", catalog)})


def understood(
    device: str, topic: str, payload: object, *, retained: bool = False, catalog: DeviceCatalog | None = None
) -> list[Event | BusNews | Rejection]:
    """Return what a message says. `payload`: a text as it is, anything else as JSON."""
    content = payload.encode() if isinstance(payload, str) else json.dumps(payload).encode()
    message = IncomingMessage(AT, topic, content, retained, offset_s=OFFSET_S)
    return [*topics(device, catalog).read(message)]


def position(value: Position, **how: object) -> BreakerReported:
    """Return the report of a position."""
    return BreakerReported(AT, TUB, value, **how)  # type: ignore[arg-type]


def online(value: bool, **how: object) -> AvailabilityReported:
    """Return the report of an availability."""
    return AvailabilityReported(AT, TUB, value, **how)  # type: ignore[arg-type]


Z2M, GANG = "zigbee2mqtt/Water Heater", "zigbee2mqtt/pool/duo#l2"
TASMOTA, SECOND, FIRST = "tasmota/heater", "tasmota/heater#2", "tasmota/heater#1"
SHELLY, ESPHOME = "shelly/shellypro4pm-aabb#0", "esphome/garage-panel/relay_2"
ZWAVE, HOMIE, SPAN, HA = "zwave/Hot_Tub", "homie/boiler/relay/power", "span/c-heater", "homeassistant/pump"
Z2M_LOG = "zigbee2mqtt/bridge/logging"
REPLY = "loadshed/home/replies/tub/rpc"
STAMP_MS = (OFFSET_S + 5.0) * 1000

ROWS: list[tuple[str, str, object, list[object]]] = [
    # Zigbee2MQTT
    (Z2M, "zigbee2mqtt/Water Heater", {"state": "OFF"}, [position(OFF)]),
    (Z2M, "zigbee2mqtt/Water Heater", {"linkquality": 90}, []),
    (
        Z2M,
        "zigbee2mqtt/Water Heater",
        {"state": "ON", "power": 4500, "energy": 12.5},
        [position(ON), PowerReported(AT, TUB, 4500.0, honest=False), PowerReported(AT, TUB, None, 12.5)],
    ),
    (Z2M, "zigbee2mqtt/Water Heater", {"state": True}, [Rejection("a position must be ON or OFF, not True")]),
    (Z2M, "zigbee2mqtt/bridge/state", {"state": "online"}, [online(True, gateway=True)]),
    (Z2M, "zigbee2mqtt/bridge/state", {"state": "offline"}, [online(False, gateway=True)]),
    (Z2M, "zigbee2mqtt/Water Heater/availability", {"state": "offline"}, [online(False, source=1)]),
    (
        Z2M,
        "zigbee2mqtt/bridge/event",
        {"type": "device_announce", "data": {"friendly_name": "Water Heater"}},
        [DeviceRestarted(AT, TUB)],
    ),
    (Z2M, "zigbee2mqtt/bridge/event", {"type": "device_announce", "data": {"friendly_name": "Other"}}, []),
    (Z2M, "zigbee2mqtt/bridge/event", {"type": "device_joined", "data": {"friendly_name": "Water Heater"}}, []),
    (
        Z2M,
        Z2M_LOG,
        {"level": "error", "message": "z2m: Publish 'set' 'state' to 'Water Heater' failed: 'no answer'"},
        [CommandRefused(AT, TUB, "z2m: Publish 'set' 'state' to 'Water Heater' failed: 'no answer'")],
    ),
    # Of the real one, 2.14.1: the cause is at the end.
    (
        Z2M,
        Z2M_LOG,
        {
            "level": "error",
            "message": "z2m: Publish 'set' 'state' to 'Water Heater' failed: 'Error: ZCL command 0xa4c1380000000001/1 "
            'genOnOff.off({}, {"timeout":10000,"disableResponse":false,"disableRecovery":false,'
            '"disableDefaultResponse":false,"direction":0,"reservedBits":0,"writeUndiv":false}) failed (Data request '
            "failed with error: 'MAC no ack' (233))'",
        },
        [
            CommandRefused(
                AT,
                TUB,
                "z2m: Publish 'set' 'state' to 'Water Heater' failed: 'Error: "
                '… 0,"reservedBits":0,"writeUndiv":false}) failed '
                "(Data request failed with error: 'MAC no ack' (233))'",
            )
        ],
    ),
    (
        Z2M,
        Z2M_LOG,
        {"level": "error", "message": "z2m: Publish 'get' 'state' to 'Water Heater' failed: 'x'"},
        [CommandRefused(AT, TUB, "z2m: Publish 'get' 'state' to 'Water Heater' failed: 'x'", question=True)],
    ),
    (Z2M, Z2M_LOG, {"level": "error", "message": "z2m: Publish 'set' 'state' to 'Other' failed: 'x'"}, []),
    (Z2M, Z2M_LOG, {"level": "info", "message": "z2m:mqtt: MQTT publish: topic 'x', payload '{}'"}, []),
    (
        Z2M,
        "zigbee2mqtt/Water Heater",
        {"state": "OFF", "last_event": "trip_over_current"},
        [position(OFF), TripWordReported(AT, TUB, "trip_over_current", is_trip=True)],
    ),
    (
        Z2M,
        "zigbee2mqtt/Water Heater",
        {"last_event": "remote_off"},
        [TripWordReported(AT, TUB, "remote_off", is_trip=False)],
    ),
    (
        Z2M,
        "zigbee2mqtt/Water Heater",
        {"event": "leakage_trip"},
        [TripWordReported(AT, TUB, "leakage_trip", is_trip=True)],
    ),
    (Z2M, "zigbee2mqtt/Water Heater", {"faults": []}, [TripWordReported(AT, TUB, "", is_trip=False)]),
    (
        Z2M,
        "zigbee2mqtt/Water Heater",
        {"faults": ["overload", "temperature"]},
        [TripWordReported(AT, TUB, "overload, temperature", is_trip=True)],
    ),
    (
        Z2M,
        "zigbee2mqtt/Water Heater",
        {"fault": "short_circuit_alarm"},
        [TripWordReported(AT, TUB, "short_circuit_alarm", is_trip=True)],
    ),
    (Z2M, "zigbee2mqtt/Water Heater", {"fault": "clear"}, [TripWordReported(AT, TUB, "clear", is_trip=False)]),
    (GANG, "zigbee2mqtt/pool/duo", {"state": "OFF", "state_l1": "OFF", "state_l2": "ON"}, [position(ON)]),
    (GANG, "zigbee2mqtt/pool/duo", {"state": "OFF", "state_l1": "OFF"}, []),
    # Tasmota
    (TASMOTA, "stat/heater/RESULT", {"POWER": "OFF"}, [position(OFF)]),
    (TASMOTA, "stat/heater/RESULT", {"POWER1": "OFF"}, [position(OFF)]),
    (TASMOTA, "stat/heater/POWER", "ON", [position(ON)]),
    (TASMOTA, "stat/heater/POWER", {"POWER": "OFF"}, [position(OFF)]),
    (TASMOTA, "stat/heater/POWER1", "OFF", [position(OFF)]),
    (TASMOTA, "tele/heater/STATE", {"Time": "2026-12-01T00:00:00", "POWER": "ON", "Vcc": 3.1}, [position(ON)]),
    (TASMOTA, "tele/heater/LWT", "Online", [online(True)]),
    (TASMOTA, "tele/heater/LWT", "Offline", [online(False)]),
    (TASMOTA, "tele/heater/INFO3", {"Info3": {"RestartReason": "Power On"}}, [DeviceRestarted(AT, TUB)]),
    (TASMOTA, "tele/heater/INFO3", {"RestartReason": "Power On"}, [DeviceRestarted(AT, TUB)]),
    (
        TASMOTA,
        "tele/heater/SENSOR",
        {"ENERGY": {"Power": 1500, "Total": 3.5}},
        [PowerReported(AT, TUB, 1500.0), PowerReported(AT, TUB, None, 3.5)],
    ),
    (TASMOTA, "stat/heater/STATUS10", {"StatusSNS": {"ENERGY": {"Power": 0}}}, [PowerReported(AT, TUB, 0.0)]),
    (SECOND, "stat/heater/RESULT", {"POWER2": "OFF"}, [position(OFF)]),
    (SECOND, "stat/heater/RESULT", {"POWER1": "OFF"}, []),
    (SECOND, "tele/heater/SENSOR", {"ENERGY": {"Power": [10, 2500]}}, [PowerReported(AT, TUB, 2500.0)]),
    (SECOND, "tele/heater/SENSOR", {"ENERGY": {"Power": 2500}}, []),
    (FIRST, "tele/heater/SENSOR", {"ENERGY": {"Power": 2500}}, []),
    (
        TASMOTA,
        "stat/heater/WARNING",
        {"MaxPowerReached": "5000"},
        [TripWordReported(AT, TUB, "5000", is_trip=True)],
    ),
    # Shelly
    (
        SHELLY,
        "shellypro4pm-aabb/events/rpc",
        {"method": "NotifyStatus", "params": {"ts": 1.5, "switch:0": {"id": 0, "output": False, "source": "MQTT"}}},
        [position(OFF)],
    ),
    (SHELLY, "shellypro4pm-aabb/events/rpc", {"params": {"switch:1": {"id": 1, "output": False}}}, []),
    (
        SHELLY,
        "shellypro4pm-aabb/events/rpc",
        {"params": {"switch:0": {"id": 0, "apower": 812.5}}},
        [PowerReported(AT, TUB, 812.5)],
    ),
    (
        SHELLY,
        "shellypro4pm-aabb/status/switch:0",
        {"id": 0, "output": True, "apower": 3.0, "aenergy": {"total": 1500.0}},
        [position(ON), PowerReported(AT, TUB, 3.0), PowerReported(AT, TUB, None, 1.5)],
    ),
    (
        SHELLY,
        REPLY,
        {"id": 1, "src": "shellypro4pm-aabb", "dst": "x", "result": {"id": 0, "output": False}},
        [position(OFF)],
    ),
    (SHELLY, REPLY, {"id": 1, "result": {"was_on": True}}, []),
    (
        SHELLY,
        REPLY,
        {"id": 1, "error": {"code": -105, "message": "Argument 'id', value 0 not found!"}},
        [CommandRefused(AT, TUB, "Argument 'id', value 0 not found!")],
    ),
    (SHELLY, "shellypro4pm-aabb/online", "true", [online(True)]),
    (SHELLY, "shellypro4pm-aabb/online", "false", [online(False)]),
    (
        SHELLY,
        "shellypro4pm-aabb/events/rpc",
        {"params": {"switch:0": {"id": 0, "errors": ["overpower"], "output": False}}},
        [position(OFF), TripWordReported(AT, TUB, "overpower", is_trip=True)],
    ),
    (
        SHELLY,
        "shellypro4pm-aabb/events/rpc",
        {"params": {"switch:0": {"id": 0, "output": "false"}}},
        [Rejection("a position must be True or False, not 'false'")],
    ),
    # ESPHome
    (ESPHOME, "garage-panel/switch/relay_2/state", "OFF", [position(OFF)]),
    (ESPHOME, "garage-panel/status", "offline", [online(False)]),
    (ESPHOME, "esphome/discover/garage-panel", {"ip": "10.0.0.9", "name": "garage-panel"}, [DeviceAlive(AT, TUB)]),
    # Z-Wave JS UI
    (
        ZWAVE,
        "zwave/Hot_Tub/37/0/currentValue",
        {"time": STAMP_MS, "value": False},
        [position(OFF, stamped_at=5.0)],
    ),
    (ZWAVE, "zwave/Hot_Tub/37/0/currentValue", {"time": STAMP_MS}, []),
    (ZWAVE, "zwave/_CLIENTS/ZWAVE_GATEWAY-zwave-js-ui/status", {"value": True}, [online(True, gateway=True)]),
    (ZWAVE, "zwave/driver/status", "false", [online(False, source=1, gateway=True)]),
    (
        ZWAVE,
        "zwave/Hot_Tub/status",
        {"time": 1, "value": False, "status": "Dead", "nodeId": 3},
        [online(False, source=2), DeviceIdentified(AT, TUB)],
    ),
    (ZWAVE, "zwave/Hot_Tub/50/0/value/66049", {"time": 1, "value": 950.5}, [PowerReported(AT, TUB, 950.5)]),
    (
        ZWAVE,
        "zwave/Hot_Tub/113/0/Power_Management/Over-current_status",
        {"value": 6},
        [TripWordReported(AT, TUB, "6", is_trip=True)],
    ),
    (
        ZWAVE,
        "zwave/Hot_Tub/113/0/Power_Management/Over-load_status",
        {"value": 0},
        [TripWordReported(AT, TUB, "0", is_trip=False)],
    ),
    # Homie, SPAN, Home Assistant
    (HOMIE, "homie/5/boiler/relay/power", "false", [position(OFF)]),
    (HOMIE, "homie/5/boiler/$state", "ready", [online(True)]),
    (HOMIE, "homie/5/boiler/$state", "lost", [online(False)]),
    (SPAN, "ebus/5/c-heater/switch/relay", "OPEN", [position(OFF)]),
    (SPAN, "ebus/5/c-heater/switch/relay", "CLOSED", [position(ON)]),
    (
        SPAN,
        "ebus/5/c-heater/switch/relay",
        "UNKNOWN",
        [Rejection("a position must be CLOSED or OPEN, not 'UNKNOWN'")],
    ),
    (SPAN, "ebus/5/c-heater/switch/relay-requester", "FAULT", [TripWordReported(AT, TUB, "FAULT", is_trip=True)]),
    (SPAN, "ebus/5/c-heater/switch/relay-requester", "USER", [TripWordReported(AT, TUB, "USER", is_trip=False)]),
    (SPAN, "ebus/5/c-heater/meter/active-power", "-4500.0", [PowerReported(AT, TUB, 4500.0)]),
    (HA, "homeassistant/switch/pump/state", "off", [online(True), position(OFF)]),
    (HA, "homeassistant/switch/pump/state", "unavailable", [online(False)]),
]


@pytest.mark.parametrize(("device", "topic", "payload", "events"), ROWS)
def test_a_message_says_what_the_family_means(device: str, topic: str, payload: object, events: list[object]) -> None:
    """A value that is missing says nothing; a value of another type is refused."""
    assert understood(device, topic, payload) == events


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}-{row[1]}")
def test_every_topic_of_the_table_is_subscribed(row: tuple[str, str, object, list[object]]) -> None:
    """And none has a wildcard: some brokers deliver no retained message to those."""
    subscribed = topics(row[0]).device_topics()
    assert row[1] in subscribed
    assert not {"+", "#"} & set("".join(subscribed))


COMMANDS = [
    (Z2M, "zigbee2mqtt/Water Heater/set", '{"state":"OFF"}', '{"state":"ON"}'),
    (GANG, "zigbee2mqtt/pool/duo/set", '{"state_l2":"OFF"}', '{"state_l2":"ON"}'),
    (TASMOTA, "cmnd/heater/POWER1", "OFF", "ON"),
    (SECOND, "cmnd/heater/POWER2", "OFF", "ON"),
    (ESPHOME, "garage-panel/switch/relay_2/command", "OFF", "ON"),
    (ZWAVE, "zwave/Hot_Tub/37/0/targetValue/set", '{"value":false}', '{"value":true}'),
    (HOMIE, "homie/5/boiler/relay/power/set", "false", "true"),
    (SPAN, "ebus/5/c-heater/switch/relay/set", "OPEN", "CLOSED"),
    (HA, "loadshed/home/homeassistant/pump/set", "OFF", "ON"),
]


@pytest.mark.parametrize(("device", "topic", "off", "on"), COMMANDS)
def test_a_command_is_in_the_familys_words(device: str, topic: str, off: str, on: str) -> None:
    """It is never retained, and expires when its retry is due."""
    for switch, payload in ((SwitchOff(TUB, 5), off), (SwitchOn(TUB, 5), on)):
        sent = topics(device).command(switch)
        assert (sent.topic, sent.payload.decode()) == (topic, payload)
        assert (sent.retain, sent.expiry_s, sent.urgent) == (False, 5, True)


def test_a_shelly_is_commanded_by_rpc_and_answers_on_a_topic_of_its_circuit() -> None:
    """An answer then needs no number to be recognized."""
    sent = topics(SHELLY).command(SwitchOff(TUB, 5))
    assert sent.topic == "shellypro4pm-aabb/rpc"
    request = json.loads(sent.payload)
    assert (request["method"], request["params"]) == ("Switch.Set", {"id": 0, "on": False})
    assert f"{request['src']}/rpc" == REPLY


QUERIES = [
    (Z2M, "zigbee2mqtt/Water Heater/get", '{"state":""}'),
    (GANG, "zigbee2mqtt/pool/duo/get", '{"state_l2":""}'),
    (SECOND, "cmnd/heater/POWER2", ""),
    (ESPHOME, "esphome/ping/garage-panel", ""),
]


@pytest.mark.parametrize(("device", "topic", "payload"), QUERIES)
def test_a_device_is_asked_in_the_familys_words(device: str, topic: str, payload: str) -> None:
    """Most families say nothing after a reconnection."""
    asked = topics(device).device_query(QueryDevice(TUB))
    assert asked is not None
    assert (asked.topic, asked.payload.decode(), asked.retain) == (topic, payload, False)


def test_a_zwave_node_is_asked_by_its_number_once_that_is_known() -> None:
    """The question needs the number, which the node's status has; `nodeID_3` has it in its name."""
    house = topics(ZWAVE)
    assert house.device_query(QueryDevice(TUB)) is None
    status = json.dumps({"value": True, "status": "Alive", "nodeId": 12}).encode()
    house.read(IncomingMessage(AT, "zwave/Hot_Tub/status", status, retained=True))
    asked = house.device_query(QueryDevice(TUB))
    assert asked is not None
    assert json.loads(asked.payload)["args"] == [
        {"nodeId": 12, "commandClass": 37, "endpoint": 0, "property": "currentValue"}
    ]
    named = topics("zwave/nodeID_3").device_query(QueryDevice(TUB))
    assert named is not None
    assert json.loads(named.payload)["args"][0]["nodeId"] == 3


def test_retained_measurements_and_announcements_say_nothing() -> None:
    """Power of some other time is not power now."""
    assert understood(SPAN, "ebus/5/c-heater/meter/active-power", "-4500", retained=True) == []
    assert understood(TASMOTA, "tele/heater/INFO3", {"Info3": {"RestartReason": "x"}}, retained=True) == []
    assert understood(ESPHOME, "esphome/discover/garage-panel", "{}", retained=True) == []


def test_payloads_that_are_no_json_or_too_long_say_nothing() -> None:
    """A position is never guessed."""
    assert understood(Z2M, "zigbee2mqtt/Water Heater", "OFF") == []
    assert understood(Z2M, "zigbee2mqtt/Water Heater", {"state": "OFF", "x": "y" * 20_000}) == []
    assert understood(Z2M, "zigbee2mqtt/Water Heater", "[" * 10_000) == []


def test_a_stamp_proves_nothing_while_our_clock_is_not_set() -> None:
    """Without a clock of our own, the age of a time stamp is unknown."""
    message = IncomingMessage(AT, "zwave/Hot_Tub/37/0/currentValue", b'{"time":1700000005000,"value":false}')
    assert topics(ZWAVE).read(message) == [position(OFF)]


def test_the_settings_of_a_family_change_its_topics() -> None:
    """Only what differs from the family's defaults is written in the file."""
    catalog = DeviceCatalog(
        {
            "zigbee2mqtt": FamilySettings(values={"base": "z2m/attic"}),
            "tasmota": FamilySettings(values={"full_topic": "%topic%/%prefix%/", "on": "EIN", "off": "AUS"}),
            "zwave": FamilySettings(values={"names": "named", "base": "z"}),
            "span": FamilySettings(values={"panel": "nt-1"}),
            "homie": FamilySettings(values={"version": "4"}),
        }
    )
    assert understood(Z2M, "z2m/attic/Water Heater", {"state": "ON"}, catalog=catalog) == [position(ON)]
    assert understood(TASMOTA, "heater/stat/RESULT", {"POWER": "AUS"}, catalog=catalog) == [position(OFF)]
    assert topics(TASMOTA, catalog).command(SwitchOff(TUB, 5)).payload == b"AUS"
    value = {"value": True}
    assert understood(ZWAVE, "z/Hot_Tub/switch_binary/endpoint_0/currentValue", value, catalog=catalog) == [
        position(ON)
    ]
    assert understood(SPAN, "ebus/5/nt-1/$state", "lost", catalog=catalog) == [online(False, gateway=True)]
    assert understood(HOMIE, "homie/boiler/relay/power", "true", catalog=catalog) == [position(ON)]


@pytest.mark.parametrize(
    ("device", "topic"),
    [
        (TASMOTA, "cmnd/heater/POWER"),
        (TASMOTA, "cmnd/heater/POWER0"),
        (SHELLY, "shellypro4pm-aabb/command/switch:0"),
        ("zigbee2mqtt/Water Heater", "zigbee2mqtt/Water Heater/set/state"),
        (ZWAVE, "zwave/Hot_Tub/37/0/currentValue/set"),
    ],
)
def test_a_retained_command_is_searched_on_every_topic_that_the_device_obeys(device: str, topic: str) -> None:
    """Another program may have left it on a topic that loadshed itself never uses."""
    searched = topics(device).devices
    assert topic in searched.command_topics()
    assert searched.commanded(topic) == TUB
