"""Properties of all simulated MQTT devices, whatever happens to them in whatever order."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw.simulated.device_catalog import FAMILIES, simulated_devices
from hw.simulated.device_faults import DeviceFaults
from hw.simulated.mqtt_device import SimulatedGateway
from hw.simulated.virtual_broker import VirtualBroker

if TYPE_CHECKING:
    from hw.simulated.mqtt_device import SimulatedDevice

ADDRESSES = {
    "tasmota": "tasmota/heater#2",
    "shelly": "shellypro4pm-aabbccddeeff#0",
    "esphome": "esphome/panel/relay_2",
    "zwave": "zwave/Hot_Tub#0",
    "homie": "homie/boiler/relay/power",
    "span": "span/c-heater",
    "zigbee2mqtt": "zigbee2mqtt/Water Heater",
} | {"shelly": "shelly/shellypro4pm-aabbccddeeff#0"}

COMMANDS = {
    "tasmota": ("cmnd/heater/POWER2", "ON", "OFF"),
    "shelly": ("shellypro4pm-aabbccddeeff/command/switch:0", "on", "off"),
    "esphome": ("panel/switch/relay_2/command", "ON", "OFF"),
    "zwave": ("zwave/Hot_Tub/37/0/targetValue/set", "true", "false"),
    "homie": ("homie/5/boiler/relay/power/set", "true", "false"),
    "span": ("ebus/5/c-heater/switch/relay/set", "CLOSED", "OPEN"),
    "zigbee2mqtt": ("zigbee2mqtt/Water Heater/set", "ON", "OFF"),
}

_POLL = {"args": [{"nodeId": 2, "commandClass": 37, "endpoint": 0, "property": "currentValue"}]}
QUERIES = {
    "tasmota": ("cmnd/heater/POWER2", ""),
    "shelly": (
        "shellypro4pm-aabbccddeeff/rpc",
        '{"id":1,"src":"me","method":"Switch.GetStatus","params":{"id":0}}',
    ),
    "zwave": ("zwave/_CLIENTS/ZWAVE_GATEWAY-zwave-js-ui/api/pollValue/set", json.dumps(_POLL)),
    "zigbee2mqtt": ("zigbee2mqtt/Water Heater/get", '{"state":""}'),
}

RETAINED = {
    "esphome": ("panel/switch/relay_2/state", b"ON"),
    "homie": ("homie/5/boiler/relay/power", b"true"),
    "span": ("ebus/5/c-heater/switch/relay", b"CLOSED"),
}

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "on",
                "off",
                "manual on",
                "manual off",
                "trip",
                "cut",
                "power",
                "down",
                "up",
                "forget",
                "load",
                "gateway stop",
                "gateway cut",
                "gateway start",
            ]
        ),
        st.sampled_from([0.01, 0.2, 1.0, 3.0, 40.0, 700.0]),
    ),
    max_size=12,
)

LIES = st.builds(
    DeviceFaults,
    echoes_before_switching=st.booleans(),
    remembers=st.booleans(),
    silent_after_broker=st.booleans(),
    answers_only_changes=st.booleans(),
    false_watts=st.booleans(),
    repeats_messages=st.booleans(),
    keeps_online=st.booleans(),
    stuck=st.booleans(),
    slow_s=st.sampled_from([0.0, 2.0, 20.0]),
    wakes_on=st.booleans(),
    splits_trip=st.sampled_from(["", "word-first", "state-first"]),
)


def possible(family: str, faults: DeviceFaults) -> DeviceFaults:
    """Return the faults without those that a family cannot have."""
    plain: dict[str, Any] = {name: getattr(DeviceFaults(), name) for name in DeviceFaults.__dataclass_fields__}
    allowed = FAMILIES[family].POSSIBLE_FAULTS
    return replace(faults, **{name: value for name, value in plain.items() if name not in allowed})


def house_of(family: str, faults: DeviceFaults) -> tuple[SimulatedDevice, VirtualBroker]:
    """Return one connected device of the family and its broker."""
    address = ADDRESSES[family]
    (device,) = simulated_devices([address], faults={address: possible(family, faults)}, load_w=4500.0)
    broker = VirtualBroker([device])
    broker.advance(0.0)
    return device, broker


def play(family: str, device: SimulatedDevice, broker: VirtualBroker, steps: list[tuple[str, float]]) -> float:
    """Let the steps happen, with power and broker back at the end; return the time."""
    address = ADDRESSES[family]
    now = 10.0
    for step, wait_s in steps:
        _happen(step, family, device, broker, now)
        now += wait_s
        broker.advance(now)
    if not broker.up:
        broker.comes_up(now)
    broker.power_back(device, now, address)
    broker.power_back(device, now)
    broker.advance(now + 60.0)
    return now + 60.0


def _happen(step: str, family: str, device: SimulatedDevice, broker: VirtualBroker, now: float) -> None:
    address, (topic, on_word, off_word) = ADDRESSES[family], COMMANDS[family]
    match step.split():
        case ["on" | "off"] if broker.up:
            broker.publish(topic, (on_word if step == "on" else off_word).encode(), now)
        case ["down"] if broker.up:
            broker.goes_down(now)
        case ["up" | "forget"] if not broker.up:
            broker.comes_up(now, remembers=step == "up")
        case ["gateway", word] if isinstance(device, SimulatedGateway):
            _happen_to_gateway(word, device, broker, now)
        case _:
            _happen_at_the_device(step, address, device, broker, now)


def _happen_at_the_device(step: str, address: str, device: SimulatedDevice, broker: VirtualBroker, now: float) -> None:
    match step.split():
        case ["manual", word]:
            broker.take(device.move_manually(address, word == "on", now), now)
        case ["trip"]:
            broker.take(device.trip(address, now), now)
        case ["load"]:
            broker.take(device.set_load(address, 2000.0, now), now)
        case ["cut"]:
            broker.power_cut(device, now, address)
        case ["power"]:
            broker.power_back(device, now, address)


def _happen_to_gateway(word: str, device: SimulatedGateway, broker: VirtualBroker, now: float) -> None:
    match word:
        case "stop":
            broker.take(device.stop(now), now)
        case "cut":
            broker.power_cut(device, now)
        case _:
            broker.power_back(device, now)


@pytest.mark.parametrize("family", FAMILIES)
@given(faults=LIES, steps=STEPS)
@settings(deadline=None, max_examples=60)
def test_every_movement_is_recorded_and_nothing_is_ever_overdue(
    family: str, faults: DeviceFaults, steps: list[tuple[str, float]]
) -> None:
    """The recorded movements lead to the actual position, and alternate."""
    device, broker = house_of(family, faults)
    now = play(family, device, broker, steps)
    relay = device.relays[ADDRESSES[family]]
    states = [move.on for move in relay.moves]
    assert states == [index % 2 == 1 for index in range(len(states))]
    assert relay.energized is (states[-1] if states else True)
    assert device.next_due is None or device.next_due > now


@pytest.mark.parametrize("family", FAMILIES)
@given(faults=LIES, steps=STEPS)
@settings(deadline=None, max_examples=25)
def test_the_same_events_bring_the_same_messages(
    family: str, faults: DeviceFaults, steps: list[tuple[str, float]]
) -> None:
    """A random night can be repeated."""
    heard = []
    for _ in range(2):
        device, broker = house_of(family, faults)
        play(family, device, broker, steps)
        heard.append(broker.heard)
    assert heard[0] == heard[1]


@pytest.mark.parametrize("family", QUERIES)
@given(faults=LIES, steps=STEPS)
@settings(deadline=None, max_examples=60)
def test_the_answer_to_a_query_is_the_position_whatever_happened(
    family: str, faults: DeviceFaults, steps: list[tuple[str, float]]
) -> None:
    """Whatever lies were published before: only a contact that is welded can make an answer false."""
    device, broker = house_of(family, faults)
    now = play(family, device, broker, steps)
    before = len(broker.heard)
    topic, payload = QUERIES[family]
    broker.publish(topic, payload.encode(), now)
    broker.advance(now + 1.0)
    answers = [on for one in broker.heard[before:] if (on := _position(family, one.topic, one.payload)) is not None]
    assert answers
    assert set(answers) == {device.relays[ADDRESSES[family]].energized}


@pytest.mark.parametrize("family", RETAINED)
@given(steps=STEPS)
@settings(deadline=None, max_examples=60)
def test_the_retained_state_of_an_honest_device_is_its_position(family: str, steps: list[tuple[str, float]]) -> None:
    """These families have no query. ESPHome knows nothing of a trip of its breaker."""
    steps = [step for step in steps if family != "esphome" or step[0] != "trip"]
    device, broker = house_of(family, DeviceFaults())
    play(family, device, broker, steps)
    topic, on_word = RETAINED[family]
    assert (broker.retained[topic] == on_word) is device.relays[ADDRESSES[family]].energized


def _position(family: str, topic: str, payload: bytes) -> bool | None:
    """Return the position in an answer; None: the message is not about it."""
    match family, topic:
        case "tasmota", "stat/heater/POWER2":
            return payload == b"ON"
        case "shelly", "me/rpc":
            return bool(json.loads(payload)["result"]["output"])
        case "zwave", "zwave/_CLIENTS/ZWAVE_GATEWAY-zwave-js-ui/api/pollValue":
            return bool(json.loads(payload)["result"])
        case "zigbee2mqtt", "zigbee2mqtt/Water Heater":
            return bool(json.loads(payload)["state"] == "ON")
    return None
