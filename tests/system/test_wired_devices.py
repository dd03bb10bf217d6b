"""What hangs on wires: two meters on one line, and the contact on a GPIO pin."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import TYPE_CHECKING

from controller.config.loader import Configuration, load
from controller.daemon import Daemon
from controller.storage.log_reader import EventLog
from hw import gpio
from hw.simulated.contact import SimulatedPins, SimulatedWire
from hw.simulated.meter import SimulatedMeter
from hw.simulated.meter_server import serve_pty
from rules.panel import Position
from tests.system.process_house import ProcessHouse

if TYPE_CHECKING:
    from pathlib import Path

PIN = 17


async def test_two_meters_are_followed_and_demand_is_logged_while_on_backup(tmp_path: Path) -> None:
    """Real frames over a pseudo-terminal: rows of the house's meter, and the other's register on the bus."""
    home, well = SimulatedMeter(device_id=1, energy_kwh=100.03), SimulatedMeter(device_id=2, energy_kwh=7.0)
    home.kw = 120.0
    async with serve_pty([home, well]) as port:
        meters = f'[meter]\nport = "{port}"\npoll_s = 0.1\nsample_s = 0.1\n[meters.well]\ndevice_id = 2\n'
        async with ProcessHouse(tmp_path, installer_more=meters) as house:
            await house.begin()
            await house.until(lambda: _energy(house, "demand"), "the house's meter is heard")
            await house.until(lambda: _energy(house, "meters/well") == 7.0, "the well's meter is heard")
            house.opens()
            await house.is_shed()
            began = _energy(house, "demand") or 0.0
            mark = house.mark
            # Of two ticks one at least fell after the outage's first reading.
            await house.until(lambda: (_energy(house, "demand") or 0.0) > began + 0.15, "the register has moved twice")
            await house.until(lambda: len([*house.recorder.on("demand", mark)]) > 20, "it was read often enough")
            mark = house.mark
            house.closes()
            await house.is_back(since=mark)
            assert await house.program.terminate() == 0
            _demand_is_on_disk(house)


def _energy(house: ProcessHouse, leaf: str) -> float | None:
    last = house.recorder.last(leaf)
    return None if last is None or not last.payload else last.fields["energy_kwh"]


def _demand_is_on_disk(house: ProcessHouse) -> None:
    with EventLog(house.state_dir) as log:
        (outage,) = log.outages()
        rows = [*log.samples(outage.id)]
    assert outage.energy_kwh is not None
    assert 0.1 <= outage.energy_kwh <= 4.0
    assert len(rows) > 10
    energies = [row.energy_kwh for row in rows if row.energy_kwh is not None]
    assert energies == sorted(energies)
    assert energies[0] >= 100.0
    assert {row.kw_quality for row in rows} <= {"coarse", "stale", "none"}


async def test_a_contact_on_a_pin_sheds_and_restores(tmp_path: Path) -> None:
    """The whole program over gpiozero's mock pins, in this process: no machine here has soldered ones."""
    pins = SimulatedPins(time.monotonic)
    gpio.set_pin_factory(pins)
    wire = SimulatedWire(pins, PIN)
    wire.close()
    try:
        async with ProcessHouse(tmp_path) as house:
            on_pin = f'[contact]\nsource = "gpio"\npin = {PIN}\nsettle_s = 0.02\n'
            told = house.timing.toml(house.mosquitto.port)
            house.write_installer(told[: told.index("[contact]")] + on_pin + told[told.index("[broker]") :])
            await house.start_broker()
            configuration = load(house.config)
            assert isinstance(configuration, Configuration)
            running = asyncio.create_task(Daemon(configuration, (), house.config, house.state_dir).run())
            await house.reaches("utility")
            await house.greetings()
            house.flip("pump", Position.OFF)
            await house.until(lambda: house.circuit("pump")["position"] == "off", "the pump is seen off")
            wire.bounce(5, lambda: None)
            await house.is_shed("pump")
            wire.close()
            await house.is_back("pump")
            signal.raise_signal(signal.SIGTERM)
            await running
    finally:
        gpio._factory = None
