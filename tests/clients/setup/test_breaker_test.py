"""A breaker switched off to prove that it obeys is on again afterwards, whatever happens in between."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from clients.bus_client.site import Site
from clients.setup import setup_record
from clients.setup.breaker_test import run_breaker_tests
from clients.setup.load_measurement import demand_of
from clients.setup.prompt import Prompt
from clients.setup.session import SetupSession, Timeouts
from controller.config.errors import ConfigErrors
from controller.config.loader import Configuration, load
from controller.config.model import MeterSettings
from hw import gpio
from hw.simulated.breakers import BreakerFaults
from hw.simulated.contact import SimulatedPins, SimulatedWire
from hw.simulated.house import Load, SimulatedHouse
from rules.panel import CircuitId, Position
from tests.clients.setup.setup_house import ROUTER, TUB, configured, on_bus
from tests.clients.setup.setup_typist import typist
from tests.mosquitto import Mosquitto
from tests.system.process_house import ProcessHouse as RealHouse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hw.simulated.breakers import BreakersOnBus

LOADS = (Load(TUB, 6.0), Load(ROUTER, 0.1))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """Run a broker."""
    with Mosquitto(tmp_path) as running:
        yield running


@pytest.fixture
def wire() -> Iterator[SimulatedWire]:
    """Lend every line simulated pins; return the contact's wire, closed."""
    pins = SimulatedPins(time.monotonic)
    gpio.set_pin_factory(pins)
    contact = SimulatedWire(pins, 17)
    contact.close()
    yield contact
    gpio._factory = None


def ground(tmp_path: Path, words: tuple[str, ...], *answers: str) -> tuple[SetupSession, list[str]]:
    """Return the ground of a house whose person gives these answers, and what is said to them."""
    ours, theirs = os.pipe()
    os.write(theirs, "".join(f"{answer}\n" for answer in answers).encode())
    os.close(theirs)
    said: list[str] = []
    found = SetupSession.of(tmp_path / "config", tmp_path / "state", Prompt(ours, said.append))
    assert not isinstance(found, ConfigErrors)
    assert words
    return replace(found, timeouts=Timeouts(restore_s=0.0)), said


def proved(house: SimulatedHouse, broker: Mosquitto, found: SetupSession, *, on_command: str | None = None) -> bool:
    """Prove the circuits of a house; `on_command`: what befalls the broker when the first command reaches a breaker."""

    async def story() -> bool:
        async with on_bus(house, broker) as hub:
            if on_command is not None:
                _at_first_command(hub, getattr(broker, on_command))
            return await run_breaker_tests(found)

    return asyncio.run(story())


def _at_first_command(hub: BreakersOnBus, happens: object) -> None:
    def once() -> None:
        hub._on_command = lambda: None
        assert callable(happens)
        happens()

    hub._on_command = once


def test_off_and_on_with_consent(tmp_path: Path, broker: Mosquitto, wire: SimulatedWire) -> None:
    """The report's own delay is shown, protected circuits are left alone, and the result is saved."""
    assert not wire.is_open
    house = SimulatedHouse(LOADS)
    found, said = ground(tmp_path, configured(tmp_path, broker), "y", "y")
    assert proved(house, broker, found)
    assert [one.word for one in house.breaker("hot-tub").log] == ["OFF", "ON"]
    assert house.breaker("router").log == []
    assert any("protected; no command is sent to it" in words for words in said)
    kept = setup_record.load(tmp_path / "state")
    assert kept.proofs["hot-tub"].off_s < 5
    assert kept.left_off == ()


def test_without_consent_nothing_moves(tmp_path: Path, broker: Mosquitto, wire: SimulatedWire) -> None:
    """Enter is no."""
    assert not wire.is_open
    house = SimulatedHouse(LOADS)
    found, _ = ground(tmp_path, configured(tmp_path, broker), "")
    assert not proved(house, broker, found)
    assert house.breaker("hot-tub").log == []


def test_nothing_is_proved_on_standby(tmp_path: Path, broker: Mosquitto, wire: SimulatedWire) -> None:
    """An open contact: what is off there is off for a reason, and ON would load the generator."""
    wire.open()
    house = SimulatedHouse(LOADS)
    found, said = ground(tmp_path, configured(tmp_path, broker), "y")
    assert not proved(house, broker, found)
    assert house.breaker("hot-tub").log == []
    assert any("the house is on standby" in words for words in said)


@pytest.mark.parametrize("position", [Position.OFF, Position.TRIPPED])
def test_what_was_not_on_is_not_switched_on(
    tmp_path: Path, broker: Mosquitto, wire: SimulatedWire, position: Position
) -> None:
    """There was a reason for it."""
    assert not wire.is_open
    house = SimulatedHouse((replace(LOADS[0], position=position), LOADS[1]))
    found, said = ground(tmp_path, configured(tmp_path, broker), "y")
    assert not proved(house, broker, found)
    assert house.breaker("hot-tub").log == []
    assert any("turns nothing on that was not on" in words for words in said)


def test_a_breaker_that_stops_responding_is_sent_on_and_named(
    tmp_path: Path, broker: Mosquitto, wire: SimulatedWire
) -> None:
    """It obeys and reports nothing: whether it is on again is unknown, so it counts as left off."""
    assert not wire.is_open
    house = SimulatedHouse(LOADS)
    tub = house.breaker("hot-tub")
    found, said = ground(tmp_path, configured(tmp_path, broker, confirm_s=0.5), "y")

    async def story() -> bool:
        async with on_bus(house, broker):
            tub.faults = BreakerFaults(mute=True)
            return await run_breaker_tests(found)

    assert not asyncio.run(story())
    assert [one.word for one in tub.log] == ["OFF"] * 3 + ["ON"] * 3
    assert tub.position is Position.ON
    assert any("hot-tub IS LEFT OFF, as far as can be seen" in words for words in said)
    assert setup_record.load(tmp_path / "state").left_off == ("hot-tub",)


def test_a_broker_that_goes_away_in_the_middle_is_waited_for(
    tmp_path: Path, broker: Mosquitto, wire: SimulatedWire
) -> None:
    """It comes back within the time that is allowed: the circuit is on again."""
    assert not wire.is_open
    house = SimulatedHouse(LOADS)
    # Our first ON may come before the breaker is back, and be lost.
    found, _ = ground(tmp_path, configured(tmp_path, broker, confirm_s=1.0), "y", "y")
    found = replace(found, timeouts=Timeouts(restore_s=60.0))

    def restart() -> None:
        broker.kill()
        broker.start()

    async def story() -> bool:
        async with on_bus(house, broker) as hub:
            _at_first_command(hub, restart)
            return await run_breaker_tests(found)

    asyncio.run(story())
    assert house.breaker("hot-tub").position is Position.ON
    assert setup_record.load(tmp_path / "state").left_off == ()


def test_a_broker_that_stays_away_leaves_plain_words(tmp_path: Path, broker: Mosquitto, wire: SimulatedWire) -> None:
    """What is left off is said, written down, and named by the next setup; the unit is not enabled before."""
    assert not wire.is_open
    house = SimulatedHouse(LOADS)
    words = configured(tmp_path, broker)
    found, said = ground(tmp_path, words, "y", "y")
    assert not proved(house, broker, found, on_command="kill")
    assert house.breaker("hot-tub").position is Position.OFF
    assert any("hot-tub IS LEFT OFF, as far as can be seen. Switch it on by hand" in words for words in said)
    assert setup_record.load(tmp_path / "state").left_off == ("hot-tub",)
    broker.start()
    again, said = ground(tmp_path, words, "y", "n")
    proved(house, broker, again)
    assert any("An earlier setup ended while hot-tub, space 9 was off" in words for words in said)
    assert house.breaker("hot-tub").position is Position.ON
    assert setup_record.load(tmp_path / "state").left_off == ()


def test_a_compressor_rests_before_it_runs_again(tmp_path: Path, broker: Mosquitto, wire: SimulatedWire) -> None:
    """As long as its owner wrote."""
    assert not wire.is_open
    house = SimulatedHouse(LOADS)
    words = configured(tmp_path, broker)
    circuits = tmp_path / "config" / "circuits.toml"
    circuits.write_text(
        circuits.read_text("utf-8").replace("space = 9", "space = 9\nmin_off_s = 0.4"), encoding="utf-8"
    )
    found, _ = ground(tmp_path, words, "y", "y")
    assert proved(house, broker, found)
    off, on = house.breaker("hot-tub").log
    assert on.at - off.at >= 0.4


def test_a_setup_that_is_killed_is_remembered(tmp_path: Path, broker: Mosquitto) -> None:
    """The circuit to switch off is on disk before the command is sent; the unit is not enabled in between."""
    words = configured(tmp_path, broker)
    house = SimulatedHouse(LOADS)
    house.breaker("hot-tub").faults = BreakerFaults(slow_s=60.0)

    async def story() -> None:
        async with on_bus(house, broker) as hub, typist("setup", "prove", *words) as person:
            _at_first_command(hub, lambda: person.send(signal.SIGKILL))
            await person.answers(("switch it off and on again now", "y"))
            await person.ended()
        async with typist("setup", "enable", *words) as person:
            await person.reads("hot-tub is left off by an earlier setup")
            assert await person.ended() == 1

    asyncio.run(story())
    assert setup_record.load(tmp_path / "state").left_off == ("hot-tub",)


@pytest.mark.parametrize(
    ("end", "code"), [(signal.SIGINT, 130), (signal.SIGHUP, 1), (signal.SIGTERM, 1)], ids=["Ctrl-C", "hang-up", "kill"]
)
def test_however_it_ends_the_circuit_is_restored_first(
    tmp_path: Path, broker: Mosquitto, end: signal.Signals, code: int
) -> None:
    """The real program, with the command under way; a terminal goes away with the network it came over."""
    words = configured(tmp_path, broker)
    house = SimulatedHouse(LOADS)
    house.breaker("hot-tub").faults = BreakerFaults(slow_s=0.2)

    async def story() -> None:
        async with on_bus(house, broker) as hub, typist("setup", "prove", *words) as person:
            _at_first_command(hub, lambda: person.send(end))
            await person.answers(("switch it off and on again now", "y"))
            assert await person.ended() == code
            assert "its device reports on again after" in person.screen

    asyncio.run(story())
    assert house.breaker("hot-tub").position is Position.ON
    assert setup_record.load(tmp_path / "state").left_off == ()


def test_a_running_controller_switches_at_our_request_and_never_on_standby(tmp_path: Path) -> None:
    """With the real daemon: on utility it obeys as for a user; in an outage setup switches nothing."""

    async def story() -> None:
        async with RealHouse(tmp_path / "house") as house:
            await house.begin()
            words = ("--config", str(house.config), "--state", str(house.state_dir))
            assert (await house.ask("hold", "dryer"))[0]
            await _through_the_controller(house, *words)
            assert (await house.ask("release", "dryer"))[0]
            house.by_people |= {"tub", "dryer"}
            house.opens()
            await house.is_shed()
            async with typist("setup", "prove", *words) as person:
                await person.reads("Not now: the house is on its generator")
                assert await person.ended() == 1
            house.closes()
            await house.until(lambda: not house.at(Position.OFF), "all are back")

    asyncio.run(story())


async def _through_the_controller(house: RealHouse, *words: str) -> None:
    able = [one.id for one in house.circuits if CircuitId(one.id) in house.hub.breakers and one.id != "router"]
    async with typist("setup", "prove", *words) as person:
        await person.reads("The controller is running: it switches, at your request.")
        await person.answers(("Test all of them, one after the other", "n"))
        for one in able:
            await person.answers(("switch it off and on again now", "y" if one in ("tub", "dryer") else "n"))
            if one == "tub":
                await person.answers((" turn off? [y/n]", "y"))
        await person.ended()
        assert "dryer: NOT TESTED: dryer is on hold" in person.screen
        assert "OFF" not in [one.word for one in house.breaker("dryer").log], "ON would have been refused afterwards"
        assert f"1 of {len(able)} circuits that can be switched have passed." in person.screen
    assert [one.word for one in house.breaker("tub").log][-2:] == ["OFF", "ON"]
    assert house.breaker("tub").position is Position.ON


def test_a_circuit_that_the_user_did_not_see_go_off_does_not_pass(
    tmp_path: Path, broker: Mosquitto, wire: SimulatedWire
) -> None:
    """Its device reported off; the mapping is crossed, and the two circuits are exchanged in the file."""
    assert not wire.is_open
    house = SimulatedHouse(LOADS)
    words = configured(tmp_path, broker)
    with (tmp_path / "config" / "circuits.toml").open("a", encoding="utf-8") as file:
        file.write('[circuits.dryer]\nname = "Dryer"\nspace = 5\nbreaker = "standard"\ntag = "nonessential"\n')
    found, said = ground(tmp_path, words, "y", "n", "5", "y")
    assert not proved(house, broker, found)
    assert house.breaker("hot-tub").position is Position.ON
    assert any("CROSSED: the device of hot-tub reported off, and hot-tub, space 9 stayed on." in one for one in said)
    assert "hot-tub" not in setup_record.load(tmp_path / "state").proofs
    configuration = load(tmp_path / "config")
    assert isinstance(configuration, Configuration)
    assert configuration.panel[CircuitId("hot-tub")].name == "Dryer"
    assert configuration.panel[CircuitId("dryer")].spaces == (9,)


# --- demand ----------------------------------------------------------------------------------------------------------


def test_demand_is_measured_between_two_edges_of_the_pulse_output(tmp_path: Path, broker: Mosquitto) -> None:
    """18 kW for each second between their stamps; no edge in time means too little to see."""
    found, _ = ground(tmp_path, configured(tmp_path, broker))
    meter = MeterSettings("/dev/nonexistent", "2N480-121", pulse_pin=27)
    found = replace(found, installer=replace(found.installer, meter=meter))
    stamps = [time.monotonic()]
    pins = SimulatedPins(lambda: stamps[-1])
    gpio.set_pin_factory(pins)
    output = SimulatedWire(pins, 27)
    output.close()

    async def measured(most_s: float) -> float | None:
        patient = replace(found, timeouts=Timeouts(measure_s=most_s))
        demand = demand_of(patient, Site("home", found.broker), running=False)
        assert demand is not None
        return await demand.kw()

    def edge() -> None:
        stamps.append(stamps[-1] + 0.1)
        output.toggle()

    async def story() -> tuple[float | None, float | None]:
        loop = asyncio.get_running_loop()
        loop.call_later(0.1, edge)
        loop.call_later(0.2, edge)
        return await measured(30.0), await measured(0.1)

    try:
        moving, still = asyncio.run(story())
    finally:
        gpio._factory = None
    assert moving == pytest.approx(180.0)
    assert still == 0.0
