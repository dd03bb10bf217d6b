"""Devices found, inspected, recorded and corrected at a real broker, with simulated devices of real families."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from clients.devices.assessment import STORED, UNCONFIRMABLE, WAKES_ON, WAKES_OTHERWISE, WATCHDOG, assess_devices
from clients.devices.found import Inspection
from clients.devices.listing import DeviceList, list_devices
from clients.devices.messages import available_text, list_fields, list_text, position_text
from clients.devices.play import play_text
from clients.devices.recording import DeviceRecordingError, read_recording, record
from clients.devices.settings import set_power_on, set_zigbee_options
from clients.devices.stored_commands import clear_stored_commands, find_stored_commands
from controller.bus.profiles.registry import DeviceCatalog, profile_of
from controller.config.errors import ConfigErrors
from controller.config.loader import Configuration, Sources, parse
from hw.mqtt import MqttConnection
from hw.simulated.device_catalog import simulated_devices
from hw.simulated.device_runner import DeviceRunner
from hw.simulated.zigbee2mqtt import ZigbeeModel
from rules.panel import Position

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from hw.broker_socket import Broker
    from hw.simulated.device_faults import DeviceFaults
    from tests.mosquitto import Mosquitto

ADDRESSES = (
    "zigbee2mqtt/Hot Tub",
    "zigbee2mqtt/duo#l1",
    "zigbee2mqtt/duo#l2",
    "shelly/shellypro2pm-1#0",
    "tasmota/pool",
)
CIRCUITS = """
[circuits.hot-tub]
space = [1, 3]
breaker = "relay"
tag = "nonessential"
device = "zigbee2mqtt/Hot Tub"
[circuits.water-heater]
space = [9, 11]
breaker = "relay"
tag = "nonessential"
device = "shelly/shellypro2pm-1#0"
[circuits.pool]
space = [2, 4]
breaker = "relay"
tag = "nonessential"
device = "tasmota/pool"
wakes = "off"
"""


def configuration(broker: Broker) -> Configuration:
    """Return a house with three devices."""
    installer = f"""
[site]
id = "home"
[broker]
host = "{broker.host}"
port = {broker.port}
[contact]
source = "mqtt"
topic = "ats/contact"
"""
    parsed = parse(Sources(installer, CIRCUITS))
    assert not isinstance(parsed, ConfigErrors), parsed
    return parsed


@asynccontextmanager
async def running(
    broker: Broker, *addresses: str, faults: dict[str, DeviceFaults] | None = None, model: ZigbeeModel | None = None
) -> AsyncIterator[list[DeviceRunner]]:
    """Run simulated devices until the end of the block."""
    models = {"Hot Tub": model} if model is not None else {}
    epoch_s = time.time() - time.monotonic()
    devices = simulated_devices(addresses, faults=faults, models=models, load_w=1500.0, epoch_s=epoch_s)
    runners = [DeviceRunner(one, broker, time.monotonic) for one in devices]
    tasks = [asyncio.create_task(one.run()) for one in runners]
    try:
        async with asyncio.timeout(10):
            for one in runners:
                await one.connected.wait()
        await asyncio.sleep(0.3)
        yield runners
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def listed(broker: Broker) -> DeviceList:
    """Return the devices of the house, and those that no circuit uses."""
    house = configuration(broker)
    return await list_devices(broker, "home", house.installer.devices, house.panel)


def test_devices_are_listed_with_position_power_and_circuit(mosquitto: Mosquitto) -> None:
    """Each switch stands once; a gang without a circuit is offered."""

    async def story() -> DeviceList:
        async with running(mosquitto.broker, *ADDRESSES):
            return await listed(mosquitto.broker)

    found = {one.candidate.address: one for one in asyncio.run(story()).devices}
    assert set(found) == set(ADDRESSES)
    tub, shelly = found["zigbee2mqtt/Hot Tub"], found["shelly/shellypro2pm-1#0"]
    assert (tub.circuits, tub.inspection.position, tub.candidate.model) == (("hot-tub",), Position.ON, "OWON CB432")
    assert (shelly.inspection.power_w, shelly.inspection.power_on) == (1500.0, "on")
    assert found["zigbee2mqtt/duo#l2"].circuits == ()
    assert found["tasmota/pool"].inspection.power_on == "as-was"


def test_a_silent_device_is_unknown_and_never_off(mosquitto: Mosquitto) -> None:
    """Nothing runs: the list shows the three devices of the file, and knows nothing about them."""
    found = asyncio.run(listed(mosquitto.broker))
    fields = json.loads(json.dumps(list_fields(found)))
    assert len(fields["devices"]) == 3
    assert {one["position"] for one in fields["devices"]} == {None}
    assert {one["power_w"] for one in fields["devices"]} == {None}
    assert "unknown" in list_text(found)
    assert "OFF" not in list_text(found)


def test_memory_is_marked() -> None:
    """A stored OFF is not shown as OFF now."""
    assert position_text(Inspection(Position.OFF)) == "OFF (memory)"
    assert position_text(Inspection(Position.OFF, live=True)) == "OFF"
    assert available_text(None) == "unknown"


def test_stored_commands_are_found_and_cleared_without_switching(mosquitto: Mosquitto) -> None:
    """Devices that are connected receive an empty message, and stay as they are."""

    async def story() -> None:
        broker = mosquitto.broker
        house = configuration(broker)
        profiles = {one.id: profile_of(one, "home", DeviceCatalog()) for one in house.panel}
        async with running(broker, *ADDRESSES) as runners:
            link = await MqttConnection.open(broker, "careless")
            # ON, as they are: the message itself moves nothing.
            link.publish("zigbee2mqtt/Hot Tub/set", b'{"state":"ON"}', retain=True)
            link.publish("cmnd/pool/POWER", b"ON", retain=True)
            await link.close()
            moves = [len(relay.moves) for one in runners for relay in one.device.relays.values()]
            found = await find_stored_commands(broker, profiles)
            assert [one.circuits for one in found] == [("hot-tub",), ("pool",)]
            assert await clear_stored_commands(broker, found)
            assert await find_stored_commands(broker, profiles) == ()
            assert [len(relay.moves) for one in runners for relay in one.device.relays.values()] == moves

    asyncio.run(story())


def test_findings_name_what_works_against_the_controller(mosquitto: Mosquitto) -> None:
    """A device that wakes ON, one that does not wake as written, a stored command, one that cannot be asked."""

    async def story() -> set[tuple[str, str]]:
        broker = mosquitto.broker
        async with running(broker, *ADDRESSES, model=ZigbeeModel.TS0601):
            link = await MqttConnection.open(broker, "careless")
            link.publish("cmnd/pool/POWER1", b"ON", retain=True)
            await link.close()
            return {(one.kind, one.circuit) for one in await assess_devices(configuration(broker))}

    assert asyncio.run(story()) >= {
        (WAKES_ON, "water-heater"),
        (WAKES_OTHERWISE, "pool"),
        (WATCHDOG, "pool"),
        (STORED, "pool"),
        (UNCONFIRMABLE, "hot-tub"),
    }


def test_settings_are_changed_and_read_again(mosquitto: Mosquitto) -> None:
    """Zigbee2MQTT's list keeps what it held; the power-on setting is what the device reports afterwards."""

    async def story() -> None:
        broker, catalog = mosquitto.broker, DeviceCatalog()
        async with running(broker, *ADDRESSES):
            found = {one.candidate.address: one.candidate for one in (await listed(broker)).devices}
            gang = found["zigbee2mqtt/duo#l1"]
            assert gang.exposes is not None
            assert gang.exposes.reports_itself is False
            options = {**(gang.exposes.options or {}), "filtered_cache": ["linkquality"]}
            gang = replace(gang, exposes=replace(gang.exposes, options=options))
            assert await set_zigbee_options(broker, "home", catalog, gang)
            again = {one.candidate.address: one.candidate for one in (await listed(broker)).devices}
            exposes = again["zigbee2mqtt/duo#l2"].exposes
            assert exposes is not None
            assert exposes.options is not None
            assert exposes.options["filtered_cache"] == ["linkquality", "state_l1", "state_l2"]
            assert await set_power_on(broker, "home", catalog, found["shelly/shellypro2pm-1#0"], "off") == "off"

    asyncio.run(story())


def test_a_recording_is_played_in_plain_words(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """What was stored, what was live, and what each proves."""
    file = tmp_path / "tub.jsonl"

    async def story() -> None:
        async with running(mosquitto.broker, "zigbee2mqtt/Hot Tub") as (runner,):
            task = asyncio.create_task(record(configuration(mosquitto.broker), "hot-tub", file, 2.0))
            await asyncio.sleep(0.7)
            runner.say(runner.device.move_manually("zigbee2mqtt/Hot Tub", False, time.monotonic()))
            assert await task > 0
        with pytest.raises(DeviceRecordingError, match="exists already"):
            await record(configuration(mosquitto.broker), "hot-tub", file, 0.1)
        with pytest.raises(DeviceRecordingError, match="Circuits: hot-tub"):
            await record(configuration(mosquitto.broker), "hottub", tmp_path / "other", 0.1)

    asyncio.run(story())
    text = play_text(read_recording(file))
    assert "Gateway online, from the broker's memory." in text
    assert "Position OFF: the gateway may be repeating" in text
    # The power may fail while it is written.
    file.write_text(file.read_text(encoding="utf-8")[:-20], encoding="utf-8")
    assert "Gateway online" in play_text(read_recording(file))


def test_another_file_is_no_recording(tmp_path: Path) -> None:
    """It is refused with a sentence."""
    file = tmp_path / "circuits.toml"
    file.write_text(CIRCUITS, encoding="utf-8")
    with pytest.raises(DeviceRecordingError, match="is not a recording"):
        read_recording(file)
