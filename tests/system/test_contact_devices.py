"""The contact at a Shelly input, an ESPHome binary sensor and a Zigbee sensor: real program, real broker."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from hw.simulated.device_runner import DeviceRunner
from hw.simulated.esphome import SimulatedEsphome
from hw.simulated.mqtt_device import Relay
from hw.simulated.shelly import SimulatedShelly
from hw.simulated.zigbee2mqtt import SimulatedZigbee2Mqtt
from hw.simulated.zigbee_contact import ZigbeeContactSensor
from tests.system.process_house import SITE, WITHIN_S, ProcessHouse, Timing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from hw.simulated.mqtt_device import DeviceMessage, SimulatedDevice

SENSOR = "ATS contact"
NO_TRANSFER_S = 1.5
"""A false transfer would shed within milliseconds of the message."""


class Wiring(ABC):
    """A device with the contact. `toml`: its line. `more`: further tables. `asked`: it can be asked."""

    toml: str
    more = ""
    asked = True
    device: SimulatedDevice

    @abstractmethod
    def move(self, closed: bool) -> tuple[DeviceMessage, ...]:
        """Move the contact."""

    def reports(self) -> tuple[DeviceMessage, ...]:
        """Have the device report by itself, as battery devices do every hour."""
        return ()


class Shelly(Wiring):
    """Input 1 of a Shelly that also has relays."""

    toml = 'device = "shelly/shellyplus2pm-a1#input:1"'

    def __init__(self) -> None:
        relays = [Relay(f"shelly/shellyplus2pm-a1#{index}", faults=SimulatedShelly.FACTORY_FAULTS) for index in (0, 1)]
        self.device = self.shelly = SimulatedShelly("shellyplus2pm-a1", relays)
        for config in self.shelly.configs:
            config["in_mode"] = "detached"
        self.shelly.inputs[1] = True

    def move(self, closed: bool) -> tuple[DeviceMessage, ...]:
        return self.shelly.set_input(1, closed, time.monotonic())


class Esphome(Wiring):
    """Binary sensor of an ESPHome node."""

    toml = 'device = "esphome/ats-node/contact"'

    def __init__(self) -> None:
        self.device = self.node = SimulatedEsphome("ats-node", [])
        self.node.binary_sensors["contact"] = True

    def move(self, closed: bool) -> tuple[DeviceMessage, ...]:
        return self.node.set_binary_sensor("contact", closed, time.monotonic())


class Zigbee(Wiring):
    """Battery sensor behind Zigbee2MQTT as shipped: every message may repeat an old position."""

    toml = f'device = "zigbee2mqtt/{SENSOR}"'
    asked = False
    filtered = False

    def __init__(self) -> None:
        self.sensor = ZigbeeContactSensor(SENSOR, filtered=self.filtered)
        self.device = self.gateway = SimulatedZigbee2Mqtt([], sensors=[self.sensor])

    def move(self, closed: bool) -> tuple[DeviceMessage, ...]:
        return self.gateway.move_contact(SENSOR, closed, time.monotonic())

    def reports(self) -> tuple[DeviceMessage, ...]:
        return self.gateway.report_contact(SENSOR, time.monotonic())


class FilteredZigbee(Zigbee):
    """The same with `filtered_cache: [contact]`: a position is the sensor's own."""

    more = f'[families.zigbee2mqtt]\nown_reports = ["{SENSOR}"]\n'
    filtered = True


@dataclass(frozen=True, slots=True)
class AtDevice(Timing):
    """Times of a house whose contact is at a device."""

    contact: str = ""

    def toml(self, port: int) -> str:
        return (
            f'[site]\nid = "{SITE}"\n[contact]\nsource = "mqtt"\nsettle_s = 0.02\n{self.contact}\n'
            f"[broker]\nport = {port}\n[shed]\nconfirm_s = 0.3\n"
            "[restore]\nutility_stable_s = 0.3\nstagger_s = 0.05\nflap_transfers = 0\n"
        )


@dataclass
class ContactHouse:
    """A house and the runner of its contact's device."""

    house: ProcessHouse
    wiring: Wiring
    runner: DeviceRunner

    def move(self, closed: bool) -> None:
        self.runner.say(self.wiring.move(closed))

    async def connected(self) -> None:
        async with asyncio.timeout(WITHIN_S):
            await self.runner.connected.wait()

    async def is_known(self) -> None:
        """Wait until the position is known; a device that cannot be asked reports by itself."""
        if not self.wiring.asked:
            await self.house.reaches("starting")
            self.move(closed=False) if not self.wiring.more else None
            self.move(closed=True)
        await self.house.reaches("utility")

    async def no_transfer(self, since: int) -> None:
        """Check that nothing is shed and no outage begins."""
        await asyncio.sleep(NO_TRANSFER_S)
        assert not self.house.happened("outage_began", since)
        assert not self.house.words("OFF", since)


@asynccontextmanager
async def contact_house(folder: Path, wiring: Wiring, *broker_lines: str) -> AsyncIterator[ContactHouse]:
    """Run the house with broker, breakers and device, without the program."""
    timing = AtDevice(contact=wiring.toml)
    async with ProcessHouse(folder, timing=timing, installer_more=wiring.more, broker_lines=broker_lines) as house:
        await house.start_broker()
        runner = DeviceRunner(wiring.device, house.server.broker, time.monotonic)
        task = asyncio.create_task(runner.run())
        try:
            yield ContactHouse(house, wiring, runner)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@pytest.mark.parametrize("kind", [Shelly, Esphome, FilteredZigbee])
async def test_a_whole_outage_through_a_device(tmp_path: Path, kind: type[Wiring]) -> None:
    """The contact opens, the house is shed; it closes, and everything is restored."""
    async with contact_house(tmp_path, kind()) as at:
        await at.connected()
        await at.house.program.start()
        await at.is_known()
        await at.house.greetings()
        await at.house.remembers()
        mark = at.house.mark
        at.move(closed=False)
        await at.house.is_shed(since=mark)
        mark = at.house.mark
        at.move(closed=True)
        await at.house.is_back(since=mark)


async def test_a_whole_outage_through_a_zigbee_sensor_as_shipped(tmp_path: Path) -> None:
    """What Zigbee2MQTT repeats at its start proves nothing; a change after that does."""
    async with contact_house(tmp_path, Zigbee()) as at:
        await at.house.program.start()
        await at.connected()
        await at.house.reaches("starting")
        await at.house.greetings()
        await at.house.remembers()
        at.move(closed=True)
        mark = at.house.mark
        at.move(closed=False)
        await at.house.is_shed(since=mark)
        mark = at.house.mark
        at.move(closed=True)
        await at.house.is_back(since=mark)


@pytest.mark.parametrize("kind", [Shelly, Esphome])
async def test_a_cold_start_in_an_outage_sheds(tmp_path: Path, kind: type[Wiring]) -> None:
    """The contact is open and does not move: the Shelly is asked, the node is pinged."""
    wiring = kind()
    wiring.move(closed=False)
    async with contact_house(tmp_path, wiring) as at:
        await at.connected()
        await at.house.program.start()
        await at.house.is_shed()


@pytest.mark.parametrize("kind", [Shelly, Esphome, FilteredZigbee])
async def test_a_broker_that_forgets_everything_causes_no_transfer(tmp_path: Path, kind: type[Wiring]) -> None:
    """Its position is known again at once, or as soon as the sensor reports."""
    async with contact_house(tmp_path, kind()) as at:
        await at.connected()
        await at.house.program.start()
        await at.is_known()
        mark = at.house.mark
        await at.house.kill_broker()
        await at.house.start_broker()
        await at.connected()
        await at.house.until(lambda: at.house.happened("bus_connected", mark), "the program is connected again")
        await at.no_transfer(mark)
        if at.wiring.asked:
            await at.house.until(lambda: at.house.state.get("source") == "utility", "it is known again")
        else:
            assert at.house.state["source"] == "unknown"
            at.runner.say(at.wiring.reports())
            await at.house.until(lambda: at.house.state.get("source") == "utility", "the sensor has reported")


@pytest.mark.parametrize("kind", [Zigbee, FilteredZigbee])
async def test_a_gateway_that_starts_with_an_old_cache_causes_no_transfer(tmp_path: Path, kind: type[Zigbee]) -> None:
    """It saved `open`, the contact closed while it was down: its message and the battery's repeat the old word."""
    wiring = kind()
    async with contact_house(tmp_path, wiring) as at:
        await at.connected()
        await at.house.program.start()
        await at.is_known()
        mark = at.house.mark
        at.runner.say(wiring.gateway.stop(time.monotonic()))
        await at.house.until(lambda: at.house.state.get("source") == "unknown", "the gateway is gone")
        await at.house.until(lambda: not at.runner.connected.is_set(), "its connection has ended")
        wiring.gateway._saved[SENSOR]["contact"] = False
        wiring.gateway.start(time.monotonic())
        await at.connected()  # and has repeated its cache
        at.runner.say(wiring.gateway.report_battery(SENSOR, time.monotonic()))
        if not wiring.filtered:
            await at.no_transfer(mark)
            assert at.house.state["source"] == "unknown"
        at.runner.say(wiring.reports())
        await at.house.until(lambda: at.house.state.get("source") == "utility", "the sensor has reported")


async def test_an_old_position_at_the_broker_causes_no_transfer(tmp_path: Path) -> None:
    """The broker returns from a power cut with `OFF`, retained; the node comes later and reports ON."""
    wiring = Esphome()
    wiring.device.power_cut(time.monotonic())
    async with contact_house(tmp_path, wiring) as at:
        topic = "ats-node/binary_sensor/contact/state"
        await at.house.publish((topic, b"OFF"), ("ats-node/status", b"online"), retain=True)
        await at.house.program.start()
        await at.house.reaches("starting")
        await at.no_transfer(0)
        wiring.device.power_back(time.monotonic())
        await at.house.reaches("utility")


async def test_a_restarted_program_knows_the_position_without_a_movement(tmp_path: Path) -> None:
    """The node answers the ping, so that what the broker keeps is the present position."""
    async with contact_house(tmp_path, Esphome()) as at:
        await at.connected()
        await at.house.program.start()
        await at.house.reaches("utility")
        await at.house.program.kill()
        mark = at.house.mark
        await at.house.program.start()
        await at.house.reaches("utility", since=mark)


async def test_a_transfer_is_noticed_while_the_position_is_unknown(tmp_path: Path) -> None:
    """The sensor has not reported since the program started; its first report is the transfer."""
    async with contact_house(tmp_path, FilteredZigbee()) as at:
        await at.connected()
        await at.house.program.start()
        await at.house.reaches("starting")
        at.move(closed=False)
        await at.house.is_shed()


async def test_a_shelly_that_loses_its_power_makes_the_source_unknown(tmp_path: Path) -> None:
    """Its last will starts no outage; it is asked when it returns."""
    wiring = Shelly()
    async with contact_house(tmp_path, wiring) as at:
        await at.connected()
        await at.house.program.start()
        await at.is_known()
        mark = at.house.mark
        wiring.device.power_cut(time.monotonic())
        await at.house.until(lambda: at.house.state.get("source") == "unknown", "its loss is known")
        await at.no_transfer(mark)
        wiring.shelly.inputs[1] = False
        wiring.device.power_back(time.monotonic())
        await at.house.is_shed(since=mark)
