"""The bus against a real Mosquitto on loopback: its commands, and its connection."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import pytest

from controller.bus.messages import Publication
from controller.core.effects import SwitchOff
from controller.core.events import BreakerReported, BusConnected, BusLost, ContactChanged
from controller.core.views import WallClock
from hw.broker_socket import Broker, BrokerError
from hw.mqtt import MqttConnection
from rules.panel import CircuitId, Position
from tests.controller.bus.bus_world import (
    CIRCUITS,
    HOT_TUB,
    SOON_S,
    TOPICS,
    Listener,
    listening,
    run,
    sets,
    settled,
    world,
)
from tests.scripted_broker import ScriptedBroker

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.bus.connection import BusClient
    from controller.core.events import Event
    from hw.mqtt_messages import Message
    from tests.mosquitto import Mosquitto

WALL = WallClock(0.0, trusted=True)
CONNACK = bytes((0x20, 3, 0, 0, 0))  # MQTT v5, 3.2: accepted, no session, no properties


# --- commands --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_forty_commands_at_connecting_arrive_in_order_and_unretained(
    mosquitto: Mosquitto, version: Literal["5", "3.1.1"]
) -> None:
    """They go out with the connection, in one go, though the broker says it takes twenty at a time."""

    async def story() -> list[Message]:
        broker = replace(mosquitto.broker, version=version)
        listener = Listener(broker)
        listener.do = lambda event: shed(listener.bus, event)
        async with world(mosquitto.broker, "loadshed/home/breakers/+/set") as other:
            task = asyncio.create_task(listener.bus.run())
            heard = await other.until(lambda heard: len(heard) == len(CIRCUITS))
            task.cancel()
            await asyncio.wait([task], timeout=SOON_S)
            return heard

    def shed(bus: BusClient, event: Event) -> None:
        if isinstance(event, BusConnected):
            for circuit in CIRCUITS:
                assert bus.publish(bus.topics.command(SwitchOff(circuit, 5)))

    heard = run(story())
    assert [one.topic.split("/")[3] for one in heard] == [*CIRCUITS]
    assert {one.payload for one in heard} == {b"OFF"}
    assert not any(one.retained for one in heard)


def test_all_forty_commands_are_sent_before_the_broker_answers_one(mosquitto: Mosquitto) -> None:
    """No waves: a broker that is slow to confirm holds none of them back."""

    async def story() -> int:
        async with listening(mosquitto.broker) as listener, world(mosquitto.broker, "#") as other:
            await listener.until(BusConnected)
            mosquitto.freeze()
            for circuit in CIRCUITS:
                listener.bus.publish(TOPICS.command(SwitchOff(circuit, 5)))
            listener.bus.flush()
            link = listener.bus._link
            assert link is not None
            unsent = link._client.want_write()
            mosquitto.thaw()
            await other.until(lambda heard: len(sets(heard)) == len(CIRCUITS))
            return int(unsent)

    assert run(story()) == 0


def test_what_is_said_while_the_broker_is_away_is_never_said_later(mosquitto: Mosquitto) -> None:
    """A late OFF switches off a circuit that has since been restored."""

    async def story() -> list[Message]:
        async with listening(mosquitto.broker) as listener:
            await listener.until(BusConnected)
            mosquitto.kill()
            await listener.until(BusLost)
            assert not listener.bus.connected
            assert not listener.bus.publish(TOPICS.command(SwitchOff(HOT_TUB, 60)))
            mosquitto.start()
            async with world(mosquitto.broker, "#") as other:
                await listener.until(BusConnected, 2)
                assert listener.bus.publish(Publication("settled", b""))
                return await other.until(settled)

    assert sets(run(story())) == []


def test_a_command_the_broker_could_not_confirm_is_not_repeated_by_the_library(mosquitto: Mosquitto) -> None:
    """Messages in flight when the broker died are decided again, not replayed."""

    async def story() -> list[Message]:
        async with listening(mosquitto.broker) as listener:
            await listener.until(BusConnected)
            mosquitto.freeze()
            listener.bus.publish(TOPICS.command(SwitchOff(HOT_TUB, 60)))
            listener.bus.flush()
            mosquitto.kill()
            await listener.until(BusLost)
            mosquitto.start()
            async with world(mosquitto.broker, "#") as other:
                await listener.until(BusConnected, 2)
                listener.bus.publish(Publication("settled", b""))
                return await other.until(settled)

    assert sets(run(story())) == []


def test_a_command_carries_its_expiry(mosquitto: Mosquitto) -> None:
    """The broker forgets it when the next try is due."""

    async def story() -> None:
        async with listening(mosquitto.broker) as listener:
            await listener.until(BusConnected)
            reader = subscriber(mosquitto, "%E %p", "loadshed/home/breakers/hot-tub/set")
            listener.bus.publish(TOPICS.command(SwitchOff(HOT_TUB, 7)))
            try:
                output, _ = await asyncio.to_thread(reader.communicate, timeout=SOON_S)
            finally:
                reader.kill()
            assert output.split() == ["7", "OFF"]

    run(story())


def subscriber(mosquitto: Mosquitto, form: str, topic: str) -> subprocess.Popen[str]:
    """Return a mosquitto_sub that is subscribed, and ends with the first message."""
    command = ["mosquitto_sub", "-V", "5", "-p", str(mosquitto.port), "-t", topic, "-C", "1", "-F", form]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + SOON_S
    while not any("Sending SUBACK to auto-" in line for line in mosquitto.log):
        assert time.monotonic() < deadline
    return process


# --- the connection --------------------------------------------------------------------------------------------------


def test_the_controller_says_when_it_leaves_and_the_broker_when_it_dies(mosquitto: Mosquitto) -> None:
    """A clean stop says `offline` itself; a crash has it said by the last will. Both are retained."""

    async def story() -> list[bytes]:
        availability = TOPICS.names.availability
        async with world(mosquitto.broker, availability) as other:
            async with listening(mosquitto.broker) as listener:
                await listener.until(BusConnected)
                listener.bus.publish(TOPICS.availability(online=True))
            await other.until(lambda heard: len(heard) == 2)
            async with listening(mosquitto.broker) as listener:
                await listener.until(BusConnected)
                listener.bus.publish(TOPICS.availability(online=True))
                await other.until(lambda heard: len(heard) == 3)
                link = listener.bus._link
                assert link is not None
                link._sock.shutdown(socket.SHUT_RDWR)
                await other.until(lambda heard: len(heard) == 4)
            return [one.payload for one in other.heard]

    assert run(story())[:4] == [b"online", b"offline", b"online", b"offline"]


def test_a_missing_broker_is_reported_once_and_found_soon_after(mosquitto: Mosquitto) -> None:
    """Tries are never more than two seconds apart, and the journal is not filled by them."""

    async def story() -> tuple[float, int]:
        async with listening(mosquitto.broker) as listener:
            await listener.until(BusConnected)
            mosquitto.stop()
            await listener.until(BusLost, 2)
            mosquitto.start()
            began = time.monotonic()
            await listener.until(BusConnected, 2)
            lost = [event for event in listener.events if isinstance(event, BusLost)]
            return time.monotonic() - began, len({event.reason for event in lost}) - len(lost)

    took_s, repeated = run(story())
    assert took_s <= 2.0
    assert repeated == 0


def test_a_broker_that_hangs_is_noticed(mosquitto: Mosquitto) -> None:
    """The kernel still accepts bytes for it; only its silence shows it."""

    async def story() -> None:
        link = await MqttConnection.open(mosquitto.broker, "curious", keepalive_s=1)
        mosquitto.freeze()
        try:
            async with asyncio.timeout(SOON_S):
                while True:
                    link.read()
                    await link.wait(0.1)
        finally:
            link.abort()

    with pytest.raises(BrokerError, match="stopped responding"):
        run(story())


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_two_controllers_of_one_site_soon_stay_connected_side_by_side(
    mosquitto: Mosquitto, version: Literal["5", "3.1.1"]
) -> None:
    """The one that was disconnected uses another client id from then on. With MQTT 3.1.1 no reason is given for it."""

    async def story() -> tuple[int, list[str | None]]:
        broker = replace(mosquitto.broker, version=version)
        async with listening(broker) as first, listening(broker) as second:
            both = [first.bus, second.bus]
            async with asyncio.timeout(2 * SOON_S):
                while not all(bus.connected and bus.rivals.detail(bus.identity, time.monotonic()) for bus in both):
                    for bus in both:
                        bus.publish(bus.topics.alive(0.0, 1.0, bus.identity, None, WALL))
                    await asyncio.sleep(0.05)
                await first.ready()
                await second.ready()
            lost = [event for one in (first, second) for event in one.events if isinstance(event, BusLost)]
            return len(lost), [bus.rivals.detail(bus.identity, time.monotonic()) for bus in both]

    lost, details = run(story())
    assert 1 <= lost <= 8
    assert details[0] == details[1]


def test_a_controller_whose_connection_was_taken_over_returns_once_with_another_client_id() -> None:
    """A broker that gives the reason: the alarm is due at once."""

    async def story(broker: ScriptedBroker) -> str | None:
        async with listening(broker.broker) as first:
            await first.until(BusConnected)
            async with listening(broker.broker):
                await first.until(BusConnected, 2)
                await broker.until(lambda: len(broker.accepted) == 3)
                return first.bus.rivals.detail(first.bus.identity, time.monotonic())

    with ScriptedBroker() as broker:
        assert "another program with its client id" in (run(story(broker)) or "")
        assert broker.accepted[:2] == ["loadshed-home", "loadshed-home"]
        assert broker.accepted[2].startswith("loadshed-home-")


def test_a_broker_that_ends_each_connection_is_reported_with_a_hint() -> None:
    """Another program may use our client id. That alone raises no alarm."""

    def hang_up(door: socket.socket) -> None:
        door.settimeout(SOON_S)
        for _ in range(5):
            conversation, _ = door.accept()
            with conversation:
                conversation.settimeout(SOON_S)
                conversation.recv(1000)
                conversation.sendall(CONNACK)
                conversation.recv(60_000)

    async def story(door: socket.socket) -> list[str]:
        async with listening(Broker(port=door.getsockname()[1])) as listener:
            await asyncio.to_thread(hang_up, door)
            await listener.until(BusLost, 5)
            assert listener.bus.rivals.detail(listener.bus.identity, time.monotonic()) is None
            return [event.reason for event in listener.events if isinstance(event, BusLost)]

    with socket.create_server(("127.0.0.1", 0)) as door:
        reasons = run(story(door))
    assert any("second loadshed" in reason for reason in reasons)


def test_confirmations_are_heard_live_because_subscriptions_go_first(mosquitto: Mosquitto) -> None:
    """A device that answers at once is not taken for the broker's memory."""

    async def story() -> BreakerReported:
        async with world(mosquitto.broker, "loadshed/home/breakers/+/set") as device:
            listener = Listener(mosquitto.broker)
            listener.do = sheds_at_its_next_turn(listener)
            task = asyncio.create_task(listener.bus.run())
            await device.until(bool)
            device.say("loadshed/home/breakers/hot-tub/state", b"OFF", retain=True)
            report = await listener.until(BreakerReported)
            task.cancel()
            await asyncio.wait([task], timeout=SOON_S)
            return report

    report = run(story())
    assert (report.circuit, report.position, report.retained) == (HOT_TUB, Position.OFF, False)


def test_what_is_due_leaves_in_one_segment_with_the_subscriptions() -> None:
    """A broker on this same core would answer those first, and the OFF would wait for its turn."""

    def first_words(door: socket.socket) -> bytes:
        # In a thread: it hears each segment as it comes.
        door.settimeout(SOON_S)
        conversation, _ = door.accept()
        conversation.settimeout(SOON_S)
        with conversation:
            conversation.recv(1000)
            conversation.sendall(CONNACK)
            return conversation.recv(60_000)

    async def story(door: socket.socket) -> bytes:
        async with listening(Broker(port=door.getsockname()[1])) as listener:
            listener.do = sheds_at_its_next_turn(listener)
            async with asyncio.timeout(SOON_S):
                return await asyncio.to_thread(first_words, door)

    with socket.create_server(("127.0.0.1", 0)) as door:
        said = run(story(door))
    requests = said.index(b"loadshed/home/ask/+")
    assert said.index(b"breakers/hot-tub/state") < requests < said.index(b"breakers/hot-tub/set")


def sheds_at_its_next_turn(listener: Listener) -> Callable[[Event], None]:
    """Return what the daemon does on a connection event: it takes its turn, and sends at once."""

    def shed() -> None:
        listener.bus.publish(TOPICS.command(SwitchOff(HOT_TUB, 5)))
        listener.bus.flush()

    def hear(event: Event) -> None:
        if isinstance(event, BusConnected):
            asyncio.get_running_loop().call_soon(shed)

    return hear


def test_what_the_broker_remembers_comes_with_the_retain_flag(mosquitto: Mosquitto) -> None:
    """The contact's retained word is heard at connecting."""

    async def story() -> ContactChanged:
        async with world(mosquitto.broker, "ats/contact") as other:
            other.say("ats/contact", b"open", retain=True)
            await other.until(bool)
        async with listening(mosquitto.broker) as listener:
            return await listener.until(ContactChanged)

    word = run(story())
    assert word.open
    assert word.retained


def test_a_new_circuits_retained_position_is_fetched(mosquitto: Mosquitto) -> None:
    """A circuit added while the daemon runs is subscribed at once, not at its device's next report."""
    cellar = CircuitId("cellar")

    async def story() -> BreakerReported:
        async with world(mosquitto.broker, "#") as other:
            other.say("loadshed/home/breakers/cellar/state", b"ON", retain=True)
            await other.until(bool)
            async with listening(mosquitto.broker) as listener:
                await listener.until(BusConnected)
                topics = replace(TOPICS, circuits={cellar})
                listener.bus.set_topics(topics)
                return await listener.until(BreakerReported)

    report = run(story())
    assert (report.circuit, report.position, report.retained) == (cellar, Position.ON, True)


def test_drain_takes_what_lies_on_the_socket_now(mosquitto: Mosquitto) -> None:
    """After a stall of ours the confirmations are heard before anything is judged late."""

    async def story() -> int:
        async with listening(mosquitto.broker) as listener:
            await listener.ready()
            tell_five(mosquitto)
            deadline = time.monotonic() + SOON_S
            while len(reports(listener)) < 5:  # the broker's own kernel may hold some back for an instant
                assert time.monotonic() < deadline
                listener.bus.drain()
            return len(reports(listener))

    def reports(listener: Listener) -> list[Event]:
        return [event for event in listener.events if isinstance(event, BreakerReported)]

    def tell_five(mosquitto: Mosquitto) -> None:
        # A process of its own, waited for without the loop: the loop stalls here.
        for circuit in CIRCUITS[:5]:
            topic = f"loadshed/home/breakers/{circuit}/state"
            subprocess.run(
                ["mosquitto_pub", "-p", str(mosquitto.port), "-q", "1", "-t", topic, "-m", "OFF"],
                check=True,
                timeout=60,
            )

    assert run(story()) == 5
