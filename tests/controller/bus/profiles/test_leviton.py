"""Circuits behind the bridge to Leviton's cloud: topics, availability by two topics, problems of the bridge."""

from __future__ import annotations

import json

import pytest

from controller.bus.messages import IncomingMessage
from controller.bus.profiles.registry import DeviceCatalog, profile_of
from controller.bus.topics import Topics
from controller.config.errors import ConfigErrors
from controller.config.loader import Configuration, Sources, parse
from controller.core import events as ev
from rules.device import DeviceTraits
from rules.panel import Circuit, CircuitId, Kind, Position, Tag

TUB = CircuitId("hot-tub")
INSTALLER = '[site]\nid = "home"\n[contact]\nsource = "gpio"\npin = 17\n'
TABLE = '[circuits.{0}]\nspace = {1}\nbreaker = "gen2"\ntag = "nonessential"\ndevice = "{2}"\n'


def topics() -> Topics:
    """Return the topics of a house with one such circuit."""
    circuit = Circuit(TUB, "Hot tub", (9, 11), Kind.GEN2, Tag.NONESSENTIAL, device=DeviceTraits("leviton/1000_1/SN1"))
    return Topics("home", (TUB,), profiles={TUB: profile_of(circuit, "home", DeviceCatalog())})


def read(topic: str, payload: str, *, retained: bool = False) -> list[object]:
    """Return what a message says."""
    return [*topics().read(IncomingMessage(5.0, f"loadshed/home/{topic}", payload.encode(), retained))]


def house(*devices: str) -> Configuration | ConfigErrors:
    """Return a house with a circuit for each device."""
    circuits = "\n".join(TABLE.format(f"c{number}", number + 1, one) for number, one in enumerate(devices))
    return parse(Sources(INSTALLER, circuits))


def test_positions_come_on_loadsheds_own_topic() -> None:
    """The bridge is a device like any other."""
    assert read("breakers/hot-tub/state", "OFF") == [ev.BreakerReported(5.0, TUB, Position.OFF, retained=False)]


def test_the_state_of_the_bridge_is_availability_and_problems_at_once() -> None:
    """Its one last will covers all of its circuits."""
    problem = {"id": "login", "message": "m", "action": "a", "circuits": []}
    away, reported = read("clients/leviton/state", json.dumps({"state": "offline", "problems": [problem]}))
    assert away == ev.AvailabilityReported(5.0, TUB, online=False, retained=False, source=0, gateway=True)
    assert isinstance(reported, ev.ClientReported)
    assert [one["id"] for one in reported.problems] == ["login"]


def test_the_circuits_own_availability_is_the_second_source() -> None:
    """It is not about the gateway."""
    (said,) = read("breakers/hot-tub/availability", "online")
    assert said == ev.AvailabilityReported(5.0, TUB, online=True, retained=False, source=1, gateway=False)


@pytest.mark.parametrize(("retained", "count"), [(False, 1), (True, 0)])
def test_power_counts_only_when_it_was_measured_now(retained: bool, count: int) -> None:
    """A retained copy may be old, and null is no measurement."""
    assert len(read("clients/leviton/circuits/hot-tub", '{"power_w": 900.0}', retained=retained)) == count
    assert read("clients/leviton/circuits/hot-tub", '{"power_w": null}') == []


def test_two_breakers_are_two_devices_and_one_breaker_is_not() -> None:
    """Their command topics differ only by the circuit."""
    assert isinstance(house("leviton/1000_1/SN1", "leviton/1000_1/SN2"), Configuration)
    errors = house("leviton/1000_1/SN1", "leviton/1000_1/SN1")
    assert isinstance(errors, ConfigErrors)
    assert "use another device" in errors.sentences[0]


@pytest.mark.parametrize("device", ["leviton/SN1", "leviton/1000_1/SN1/x", "leviton/1000_1/SN1#2"])
def test_an_address_is_two_serial_numbers(device: str) -> None:
    """The error names the command that writes it, or the part to leave out."""
    errors = house(device)
    assert isinstance(errors, ConfigErrors)
    assert "leviton" in errors.sentences[0]


def test_a_breaker_has_fifteen_seconds_to_confirm() -> None:
    """Until it has been measured on a real panel."""
    found = house("leviton/1000_1/SN1")
    assert isinstance(found, Configuration)
    (circuit,) = found.panel
    assert circuit.device is not None
    assert (circuit.device.confirm_s, circuit.device.gateway, circuit.device.availability_sources) == (
        15.0,
        "leviton",
        2,
    )


@pytest.mark.parametrize(("shed_by", "refused"), [("loadshed", True), ("panel", False)])
def test_the_energy_monitor_and_this_program_never_both_switch_one_panel(shed_by: str, refused: bool) -> None:
    """In a house with a companion the bridge commands nothing."""
    installer = INSTALLER.replace('id = "home"', 'id = "home"\ncompanion = "lwhem-2"')
    table = TABLE.format("tub", 1, "leviton/1000_1/SN1") + f'shed_by = "{shed_by}"\n'
    parsed = parse(Sources(installer, table))
    assert isinstance(parsed, ConfigErrors) is refused
