"""The simulated breakers and their house: each fault does what its name says."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from controller.bus.topics import SiteTopics
from hw.mqtt import MqttConnection
from hw.simulated.breakers import BreakerFaults, BreakersOnBus, Commanded, PowerUpState, Report, SimulatedBreaker
from hw.simulated.broker import embedded_broker
from hw.simulated.house import FastClock, Load, SimulatedHouse, one_outage, play
from rules.panel import CircuitId, Kind, Position

if TYPE_CHECKING:
    from hw.broker_socket import Broker
    from hw.mqtt_messages import Message
    from tests.mosquitto import Mosquitto

TUB = CircuitId("tub")
ONLINE = Report(TUB, "availability", "online")
SOON_S = 10.0


def state(word: str) -> tuple[Report, ...]:
    """Return what a breaker says of its position."""
    return (Report(TUB, "state", word),)


@pytest.mark.parametrize(
    ("faults", "said", "position"),
    [
        (BreakerFaults(), state("OFF"), Position.OFF),
        (BreakerFaults(silent=True), (), Position.ON),
        (BreakerFaults(mute=True), (), Position.OFF),
        (BreakerFaults(refuses=True), state("ON"), Position.ON),
        (BreakerFaults(slow_s=3.0), (), Position.ON),
        (BreakerFaults(reports_stale=True), state("ON"), Position.OFF),
    ],
)
def test_each_fault_answers_off_in_its_own_way(
    faults: BreakerFaults, said: tuple[Report, ...], position: Position
) -> None:
    """The reported and the actual position of a breaker are two things."""
    breaker = SimulatedBreaker(TUB, faults=faults)
    assert breaker.command("OFF", 1.0) == said
    assert breaker.position is position


def test_a_slow_breaker_obeys_when_its_time_has_come() -> None:
    """Not a moment before."""
    breaker = SimulatedBreaker(TUB, faults=BreakerFaults(slow_s=3.0))
    breaker.command("OFF", 1.0)
    assert breaker.next_due == 4.0
    assert breaker.advance(3.9) == ()
    assert breaker.advance(4.0) == state("OFF")
    assert breaker.next_due is None


def test_a_tripped_breaker_obeys_no_command_until_it_is_reset_manually() -> None:
    """Neither ON nor OFF moves it; what was under way when it tripped does not either."""
    breaker = SimulatedBreaker(TUB, faults=BreakerFaults(slow_s=1.0))
    breaker.command("OFF", 0.0)
    assert breaker.trip() == state("TRIPPED")
    assert breaker.advance(1.0) == state("TRIPPED")
    assert breaker.command("ON", 2.0) == state("TRIPPED")
    assert breaker.flip_by_hand(Position.ON) == state("ON")


@pytest.mark.parametrize(
    ("wakes", "position"),
    [(PowerUpState.AS_WAS, Position.OFF), (PowerUpState.ON, Position.ON), (PowerUpState.OFF, Position.OFF)],
)
def test_a_reboot_ends_as_its_make_has_it(wakes: PowerUpState, position: Position) -> None:
    """Some relays wake on, some off, some as they were."""
    breaker = SimulatedBreaker(TUB, Position.OFF, BreakerFaults(wakes=wakes))
    assert breaker.reboot() == (ONLINE, *state(position.name))


def test_power_that_fails_silences_a_breaker_and_forgets_what_was_under_way() -> None:
    """Nothing is heard, nothing obeyed; tripped stays tripped."""
    breaker = SimulatedBreaker(TUB, faults=BreakerFaults(slow_s=1.0, wakes=PowerUpState.ON))
    breaker.command("OFF", 0.0)
    assert breaker.power_lost() == ()
    assert breaker.command("OFF", 0.5) == ()
    assert breaker.advance(9.0) == ()
    breaker.trip()
    assert breaker.power_back() == (ONLINE, *state("TRIPPED"))


def test_a_breaker_that_never_writes_availability_only_says_its_position() -> None:
    """As many devices do."""
    breaker = SimulatedBreaker(TUB, faults=BreakerFaults(never_writes_availability=True))
    assert breaker.greeting() == state("ON")


def test_every_command_that_reached_a_breaker_is_evidence() -> None:
    """Time, word, and whether the broker had kept it."""
    breaker = SimulatedBreaker(TUB)
    breaker.command("OFF", 1.0)
    breaker.command("ON", 2.0, retained=True)
    breaker.command("off", 3.0)
    assert breaker.log == [
        Commanded(1.0, TUB, "OFF"),
        Commanded(2.0, TUB, "ON", retained=True),
        Commanded(3.0, TUB, "off"),
    ]
    assert breaker.position is Position.ON


# --- the house -------------------------------------------------------------------------------------------------------


@dataclass
class Meter:
    """A meter of one figure."""

    kw: float = 0.0


def a_house(**how: object) -> tuple[SimulatedHouse, Meter, list[bool]]:
    """Return a house of three loads, its meter, and what its contact did."""
    contact: list[bool] = []
    meter = Meter()
    loads = [Load(TUB, 6.0), Load(CircuitId("fridge"), 0.2), Load(CircuitId("range"), 8.0, Kind.STANDARD)]
    house = SimulatedHouse(loads, meter=meter, on_contact=contact.append, **how)  # type: ignore[arg-type]
    return house, meter, contact


def test_the_meter_sees_what_hangs_behind_breakers_that_are_on() -> None:
    """Off and tripped draw nothing."""
    house, meter, _ = a_house()
    assert meter.kw == pytest.approx(14.2)
    house.trip("tub")
    assert meter.kw == pytest.approx(8.2)
    house.flip_by_hand("fridge", Position.OFF)
    assert meter.kw == pytest.approx(8.0)


def test_an_outage_goes_dark_transfers_and_comes_back() -> None:
    """The generator takes the whole load at the instant the contact opens."""
    house, meter, contact = a_house()
    house.utility_fails()
    assert (meter.kw, contact) == (0.0, [])
    house.generator_takes_over()
    assert meter.kw == pytest.approx(14.2)
    assert contact == [True]
    house.generator_stops()
    house.generator_starts()
    assert contact == [True]
    house.utility_returns()
    house.retransfers()
    assert (house.powered, contact) == (True, [True, False])


def test_breakers_lose_their_power_with_the_house_unless_a_ups_keeps_it() -> None:
    """With a UPS they are there before the generator is."""
    said: list[Report] = []
    house, _, _ = a_house(on_reports=said.extend)
    house.utility_fails()
    assert not house.breaker("tub").powered
    house.generator_takes_over()
    assert house.breaker("tub").powered
    assert ONLINE in said
    kept, _, _ = a_house(ups=True)
    kept.utility_fails()
    assert kept.breaker("tub").powered


def test_a_standard_breaker_hears_nothing() -> None:
    """It has a handle only."""
    house, _, _ = a_house()
    assert house.breaker("range").command("OFF", 0.0) == ()
    assert house.breaker("range").position is Position.ON


def test_a_scenario_shows_each_step() -> None:
    """On the house's own clock, faster than the world's."""
    house, _, contact = a_house()
    told: list[str] = []
    clock = FastClock.starting_now(factor=1e6)
    asyncio.run(play(one_outage(house, cranks_s=10.0, lasts_s=60.0, waits_s=15.0), clock, told.append))
    assert len(told) == 4
    assert contact == [True, False]


# --- on the bus ------------------------------------------------------------------------------------------------------


async def on_the_bus(breakers: BreakersOnBus) -> asyncio.Task[None]:
    """Run them, and return when they are connected."""
    task = asyncio.create_task(breakers.run())
    async with asyncio.timeout(SOON_S):
        await breakers.connected.wait()
    return task


async def until(link: MqttConnection, topic: str, word: bytes) -> Message:
    """Return the message that says so, when it comes."""
    async with asyncio.timeout(SOON_S):
        while True:
            for heard in link.read():
                if (heard.topic, heard.payload) == (topic, word):
                    return heard
            await link.wait()


async def command_and_hear(broker: Broker, breakers: list[SimulatedBreaker]) -> BreakersOnBus:
    """Command the tub OFF on a real broker, and hear it confirm, however late."""
    hub = BreakersOnBus(breakers, broker, SiteTopics("home"), time.monotonic)
    task = await on_the_bus(hub)
    link = await MqttConnection.open(broker, "person")
    link.subscribe(["loadshed/home/breakers/tub/state"])
    link.flush()
    await until(link, "loadshed/home/breakers/tub/state", b"ON")
    link.publish("loadshed/home/breakers/tub/set", b"OFF")
    link.flush()
    await until(link, "loadshed/home/breakers/tub/state", b"OFF")
    await link.close()
    task.cancel()
    await asyncio.wait([task], timeout=SOON_S)
    return hub


def test_a_hub_answers_for_many_on_a_real_broker(mosquitto: Mosquitto) -> None:
    """A slow one confirms late, through the same connection."""
    breakers = [SimulatedBreaker(TUB, faults=BreakerFaults(slow_s=0.05)), SimulatedBreaker(CircuitId("fridge"))]
    hub = asyncio.run(command_and_hear(mosquitto.broker, breakers))
    assert [(one.circuit, one.word, one.retained) for one in hub.log] == [(TUB, "OFF", False)]


async def commanded_off_and_on(hub: BreakersOnBus, link: MqttConnection, *, slow_s: float) -> list[bytes]:
    """Have ON reach the tub while its OFF is under way; return both its reports."""
    topic = "loadshed/home/breakers/tub"
    link.subscribe([f"{topic}/state"])
    link.flush()
    await until(link, f"{topic}/state", b"ON")
    hub.breakers[TUB].faults = BreakerFaults(slow_s=slow_s)
    link.publish(f"{topic}/set", b"OFF")
    link.publish(f"{topic}/set", b"ON")
    link.flush()
    said: list[bytes] = []
    async with asyncio.timeout(SOON_S):
        while len(said) < 2:
            said += [heard.payload for heard in link.read()]
            await link.wait()
    return said


def test_a_second_command_that_comes_while_the_first_is_under_way_is_obeyed_too(mosquitto: Mosquitto) -> None:
    """Each in its own time, though nothing else wakes the hub."""

    async def story() -> None:
        hub = BreakersOnBus([SimulatedBreaker(TUB)], mosquitto.broker, SiteTopics("home"), time.monotonic)
        task = await on_the_bus(hub)
        link = await MqttConnection.open(mosquitto.broker, "person")
        assert await commanded_off_and_on(hub, link, slow_s=0.2) == [b"OFF", b"ON"]
        await link.close()
        task.cancel()
        await asyncio.wait([task], timeout=SOON_S)

    asyncio.run(story())


def test_the_embedded_broker_carries_the_same() -> None:
    """The demo needs no Mosquitto."""

    async def story() -> BreakersOnBus:
        async with embedded_broker() as broker:
            return await command_and_hear(broker, [SimulatedBreaker(TUB), SimulatedBreaker(CircuitId("fridge"))])

    assert len(asyncio.run(story()).log) == 1


def test_a_breaker_alone_has_a_last_will(mosquitto: Mosquitto) -> None:
    """Cut off, it is said to be offline by the broker."""

    async def story() -> None:
        alone = BreakersOnBus([SimulatedBreaker(TUB)], mosquitto.broker, SiteTopics("home"), time.monotonic)
        task = await on_the_bus(alone)
        link = await MqttConnection.open(mosquitto.broker, "person")
        link.subscribe(["loadshed/home/breakers/tub/availability"])
        link.flush()
        await until(link, "loadshed/home/breakers/tub/availability", b"online")
        task.cancel()
        await until(link, "loadshed/home/breakers/tub/availability", b"offline")
        await link.close()

    asyncio.run(story())


def test_breakers_come_back_with_their_broker(mosquitto: Mosquitto) -> None:
    """They say what they are at every return."""

    async def story() -> None:
        hub = BreakersOnBus([SimulatedBreaker(TUB)], mosquitto.broker, SiteTopics("home"), time.monotonic)
        task = await on_the_bus(hub)
        mosquitto.kill()
        mosquitto.start()
        link = await MqttConnection.open(mosquitto.broker, "person")
        link.subscribe(["loadshed/home/breakers/tub/state"])
        link.flush()
        await until(link, "loadshed/home/breakers/tub/state", b"ON")
        await link.close()
        task.cancel()
        await asyncio.wait([task], timeout=SOON_S)

    asyncio.run(story())
