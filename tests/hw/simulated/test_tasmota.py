"""The simulated Tasmota, judged by hatasmota, the parser of Home Assistant; and its settings."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hatasmota.const import CONF_SENSOR
from hatasmota.discovery import TasmotaDiscovery, get_switch_entities
from hatasmota.mqtt import ReceiveMessage, TasmotaMQTTClient
from hatasmota.relay import TasmotaRelay, TasmotaRelayConfig
from hatasmota.utils import get_value_by_path

from hw.simulated.device_catalog import simulated_devices
from hw.simulated.tasmota import SimulatedTasmota
from hw.simulated.virtual_broker import VirtualBroker

Topics = dict[str, Any]


class PromptClient(TasmotaMQTTClient):  # type: ignore[misc]  # hatasmota is not typed
    """Client that publishes queries at once instead of collecting them for a second."""

    async def publish_debounced(self, topic: str, payload: Any, qos: int = 0, retain: bool = False) -> None:
        await self.publish(topic, payload, qos, retain)


class HomeAssistant:
    """hatasmota on a virtual broker: its subscriptions receive what the device publishes."""

    def __init__(self, broker: VirtualBroker) -> None:
        self.broker = broker
        self.now = 20.0
        self.states: list[bool] = []
        self.available: list[bool] = []
        self.client = PromptClient(self._publish, self._subscribe, self._unsubscribe)
        self._subscribed: list[Topics] = []
        self._delivered = 0

    async def _publish(self, topic: str, payload: Any, qos: int | None, retain: bool | None) -> None:
        del qos, retain
        self.broker.publish(topic, str(payload).encode(), self.now)

    async def _subscribe(self, state: Topics | None, topics: Topics) -> Topics:
        del state
        self._subscribed += topics.values()
        for topic, payload in list(self.broker.retained.items()):
            await self._deliver(topic, payload, retained=True)
        return topics

    async def _unsubscribe(self, state: Topics | None) -> Topics:
        return state or {}

    async def note_availability(self, available: bool) -> None:
        """Record an availability as understood by hatasmota."""
        self.available.append(available)

    async def deliver(self) -> None:
        """Deliver what was published since the last call, and what follows from it."""
        while self._delivered < len(self.broker.heard):
            one = self.broker.heard[self._delivered]
            self._delivered += 1
            await self._deliver(one.topic, one.payload, retained=False)

    async def _deliver(self, topic: str, payload: bytes, *, retained: bool) -> None:
        for one in list(self._subscribed):
            if topic == one["topic"] or (one["topic"].endswith("/#") and topic.startswith(one["topic"][:-1])):
                outcome = one["msg_callback"](ReceiveMessage(topic, payload.decode(), 0, retained))
                if outcome is not None:
                    await outcome


async def discovered(broker: VirtualBroker) -> tuple[HomeAssistant, dict[str, Any], list[Any]]:
    """Return Home Assistant with the configuration of the device as it has understood it, and its sensors."""
    home = HomeAssistant(broker)
    configs: list[dict[str, Any]] = []
    sensors: list[Any] = []

    async def device_found(config: dict[str, Any], _mac: str) -> None:
        configs.append(config)

    async def sensors_found(found: list[Any], _mac: str) -> None:
        sensors.extend(found)

    await TasmotaDiscovery("tasmota/discovery", home.client).start_discovery(device_found, sensors_found)
    (config,) = configs
    return home, config, sensors


async def relay_of(home: HomeAssistant, config: dict[str, Any], index: int) -> TasmotaRelay:
    """Return a relay of Home Assistant that follows the device."""
    entity = get_switch_entities(config)[index][0]
    assert isinstance(entity, TasmotaRelayConfig)
    relay = TasmotaRelay(config=entity, mqtt_client=home.client)
    relay.set_on_state_callback(lambda state: home.states.append(bool(state)))
    relay.set_on_availability_callback(home.note_availability)
    await relay.subscribe_topics()
    return relay


@pytest.mark.parametrize("relays", [1, 2, 4])
@pytest.mark.parametrize("options", [{}, {26: 1}, {90: 1}])
def test_home_assistant_discovers_switches_and_follows_each_relay(relays: int, options: dict[int, int]) -> None:
    """It finds each relay in the discovery message, and reads availability and states as Tasmota publishes them."""
    address = f"tasmota/heater#{relays}"
    (device,) = simulated_devices([address])
    assert isinstance(device, SimulatedTasmota)
    device.options |= options
    broker = VirtualBroker([device])
    broker.advance(20.0)

    async def follow() -> None:
        home, config, _ = await discovered(broker)
        found = [entity for entity, _ in get_switch_entities(config) if entity is not None]
        assert len(found) == relays
        relay = await relay_of(home, config, relays - 1)
        assert home.available[-1] is True
        await relay.set_state(False)
        await home.deliver()
        assert home.states[-1] is False
        assert not device.relays[address].energized
        broker.take(device.move_manually(address, True, 25.0), 25.0)
        await home.deliver()
        assert home.states[-1] is True
        broker.power_cut(device, 30.0)
        broker.advance(80.0)
        await home.deliver()
        assert home.available[-1] is False

    asyncio.run(follow())


def test_home_assistant_reads_the_state_after_a_movement_that_was_not_published() -> None:
    """It queries at each `Online`, as a profile must."""
    (device,) = simulated_devices(["tasmota/heater#1"])
    broker = VirtualBroker([device])
    broker.advance(20.0)

    async def follow() -> None:
        home, config, _ = await discovered(broker)
        await relay_of(home, config, 0)
        await home.deliver()
        broker.goes_down(21.0)
        device.move_manually("tasmota/heater#1", False, 22.0)
        broker.comes_up(23.0)
        home.states.clear()
        home.now = 24.0
        await home.deliver()
        assert home.states == [False]

    asyncio.run(follow())


def test_home_assistant_finds_the_power_sensor() -> None:
    """With several relays the power is a list."""
    (device,) = simulated_devices(["tasmota/heater#2"], load_w=4500.0)
    broker = VirtualBroker([device])
    broker.advance(20.0)

    async def look() -> None:
        _, _, sensors = await discovered(broker)
        names = {entity.quantity for entity, _ in sensors if entity is not None and hasattr(entity, "quantity")}
        assert {"Power", "Total", "Voltage"} <= names

    asyncio.run(look())
    (sensor,) = [json.loads(one.payload) for one in broker.heard if one.topic == "tele/heater/SENSOR"]
    assert get_value_by_path(sensor, ["ENERGY", "Power"]) == [0, 4500]
    assert CONF_SENSOR in json.loads(broker.retained[f"tasmota/discovery/{_mac(device)}/sensors"])


def _mac(device: object) -> str:
    assert isinstance(device, SimulatedTasmota)
    return device.mac


def said(device: SimulatedTasmota, topic: str, payload: str, now: float = 20.0) -> list[tuple[str, str]]:
    """Return topic and payload of the answers to a command."""
    if not device.connected:
        device.on_connected(0.0)
        device.advance(now)
    sent = device.on_message(f"cmnd/heater/{topic}", payload.encode(), False, now)
    return [(one.topic, one.payload.decode()) for one in sent]


def tasmota(relays: int = 1) -> SimulatedTasmota:
    """Return a device with relays that are on."""
    (device,) = simulated_devices([f"tasmota/heater#{relays}"])
    assert isinstance(device, SimulatedTasmota)
    return device


@pytest.mark.parametrize("word", ["OFF", "off", "0", "false", "False"])
def test_words_for_off(word: str) -> None:
    """The answer is JSON on RESULT, and then the plain word."""
    answers = [("stat/heater/RESULT", '{"POWER":"OFF"}'), ("stat/heater/POWER", "OFF")]
    assert said(tasmota(), "POWER", word) == answers


def test_an_empty_power_is_a_query() -> None:
    """It moves nothing."""
    device = tasmota(2)
    answers = [("stat/heater/RESULT", '{"POWER2":"ON"}'), ("stat/heater/POWER2", "ON")]
    assert said(device, "POWER2", "") == answers
    assert device.log == []


def test_power0_is_for_all_relays() -> None:
    """As a query and as a command."""
    device = tasmota(3)
    assert [topic for topic, _ in said(device, "POWER0", "")][1::2] == [f"stat/heater/POWER{n}" for n in (1, 2, 3)]
    said(device, "POWER0", "OFF")
    assert [relay.energized for relay in device.relays.values()] == [False, False, False]


def test_renamed_words_are_used_everywhere() -> None:
    """StateText1 and StateText2 rename OFF and ON."""
    device = tasmota()
    device.state_texts[:2] = ["aus", "an"]
    assert said(device, "POWER", "OFF") == [("stat/heater/RESULT", '{"POWER":"aus"}'), ("stat/heater/POWER", "aus")]


@pytest.mark.parametrize(("setting", "was_on", "wakes"), [(0, True, False), (1, False, True), (3, True, True)])
def test_power_on_state_is_set_read_and_applied(setting: int, was_on: bool, wakes: bool) -> None:
    """It is applied when the power returns."""
    device = tasmota()
    assert said(device, "PowerOnState", "") == [("stat/heater/RESULT", '{"PowerOnState":3}')]
    assert said(device, "PowerOnState", str(setting)) == [("stat/heater/RESULT", f'{{"PowerOnState":{setting}}}')]
    device.move_manually("tasmota/heater#1", was_on, 30.0)
    device.power_cut(40.0)
    device.power_back(50.0)
    assert device.relays["tasmota/heater#1"].energized is wakes


def test_pulse_time_switches_off_by_itself() -> None:
    """112 is 12 s."""
    device = tasmota()
    said(device, "PulseTime1", "112")
    said(device, "POWER", "OFF")
    said(device, "POWER", "ON", 30.0)
    device.advance(41.9)
    assert device.relays["tasmota/heater#1"].energized
    device.advance(42.0)
    assert not device.relays["tasmota/heater#1"].energized


def test_a_command_that_does_not_exist_is_answered() -> None:
    """As the real one does."""
    assert said(tasmota(), "FROBNICATE", "1") == [("stat/heater/RESULT", '{"Command":"Unknown","Input":"FROBNICATE"}')]


def test_states_are_published_every_tele_period() -> None:
    """STATE and SENSOR, 300 s apart."""
    device = tasmota()
    device.on_connected(4.0)
    device.advance(100.0)
    topics = [one.topic for one in device.advance(320.0)]
    assert topics == ["tele/heater/STATE", "tele/heater/SENSOR"]


def test_reconnection_takes_longer_with_each_attempt() -> None:
    """10 s, 20 s, and at most two minutes."""
    assert [tasmota().reconnect_s(attempt) for attempt in (1, 2, 12, 40)] == [10.0, 20.0, 120.0, 120.0]
