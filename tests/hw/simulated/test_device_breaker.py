"""A device of an MQTT family as a breaker of the simulated house."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hw.broker_socket import Broker
from hw.simulated.device_breaker import DeviceBreaker
from hw.simulated.device_catalog import FAMILIES, simulated_devices
from hw.simulated.device_runner import DeviceRunner
from hw.simulated.house import Load, SimulatedHouse
from rules.panel import CircuitId, Kind, Position

TUB, FRIDGE = CircuitId("tub"), CircuitId("fridge")


class Meter:
    """Keeps the load that it is given."""

    kw = 0.0


def mixed_house(device: str, **faults: object) -> tuple[SimulatedHouse, DeviceBreaker, Meter]:
    """Return a house in which a device switches the tub, and a breaker on loadshed's own topics the fridge."""
    family = device.partition("/")[0]
    chosen = replace(FAMILIES[family].FACTORY_FAULTS, **faults)  # type: ignore[arg-type]
    (simulated,) = simulated_devices([device], faults={device: chosen}, load_w=4500.0)
    runner = DeviceRunner(simulated, Broker("127.0.0.1"), lambda: 10.0)
    tub, meter = DeviceBreaker(runner, next(iter(simulated.relays)), lambda: 10.0), Meter()
    loads = [Load(TUB, 4.5, Kind.RELAY), Load(FRIDGE, 0.4)]
    return SimulatedHouse(loads, meter=meter, devices={TUB: tub}), tub, meter


def test_a_device_switches_its_load_like_any_breaker() -> None:
    """The meter measures what is on, whoever moved it."""
    house, tub, meter = mixed_house("shelly/heater")
    assert meter.kw == 4.9
    house.flip_by_hand("tub", Position.OFF)
    assert (meter.kw, tub.position) == (0.4, Position.OFF)
    house.flip_by_hand("tub", Position.ON)
    house.trip("tub")
    assert (meter.kw, tub.position) == (0.4, Position.TRIPPED)


@pytest.mark.parametrize("family", ["zigbee2mqtt", "tasmota"])
def test_a_device_loses_its_power_with_the_panel_and_its_gateway_does_not(family: str) -> None:
    """A relay that wakes on is on again as soon as the generator supplies the house."""
    house, tub, meter = mixed_house(f"{family}/Tub", wakes_on=True)
    house.flip_by_hand("tub", Position.OFF)
    house.utility_fails()
    assert (meter.kw, tub.relay.powered) == (0.0, False)
    house.generator_takes_over()
    assert (tub.relay.powered, tub.position, meter.kw) == (True, Position.ON, 4.9)


def test_the_load_behind_a_device_can_be_changed() -> None:
    """The device measures it too."""
    _, tub, _ = mixed_house("shelly/heater")
    tub.set_load(1.5)
    assert tub.relay.watts == 1500.0


def test_single_devices_may_be_off_at_first() -> None:
    """In what they report too."""
    (device,) = simulated_devices(["esphome/pool/pump", "esphome/pool/heater"], off=["esphome/pool/pump"])
    said = {message.topic: message.payload for message in device.on_connected(0.0)}
    assert said["pool/switch/pump/state"] == b"OFF"
    assert said["pool/switch/heater/state"] == b"ON"
