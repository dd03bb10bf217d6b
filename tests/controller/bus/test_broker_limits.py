"""Limits that a broker announces in CONNACK, and enforces: each of them is respected."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from controller.bus.messages import Publication
from controller.core.effects import SwitchOff, SwitchOn
from controller.core.events import BreakerReported, BusConnected, BusLost
from hw.broker_limits import BrokerLimits
from hw.broker_socket import BrokerError
from hw.mqtt import MqttConnection
from tests.controller.bus.bus_world import CIRCUITS, HOT_TUB, SOON_S, TOPICS, Listener, listening, run
from tests.scripted_broker import Limits, Published, ScriptedBroker

if TYPE_CHECKING:
    from controller.core.events import Event

STATUS = tuple(Publication(f"loadshed/home/circuits/{circuit}", b"{}", retain=True) for circuit in CIRCUITS)


def sheds_with_status(listener: Listener) -> None:
    """Let the controller publish all of its status, and then shed all of its circuits, at each connection."""

    def answer(event: Event) -> None:
        if isinstance(event, BusConnected):
            asyncio.get_running_loop().call_soon(everything)

    def everything() -> None:
        for status in STATUS:
            listener.bus.publish(status)
        for circuit in CIRCUITS:
            listener.bus.publish(TOPICS.command(SwitchOff(circuit, 5)))

    listener.do = answer


@pytest.mark.parametrize("most", [1, 2, 10, 100])
def test_a_receive_maximum_is_never_exceeded_and_commands_overtake_status(most: int) -> None:
    """The broker that enforces it would disconnect. Commands wait for no acknowledgment, status does."""

    async def story(broker: ScriptedBroker) -> list[Published]:
        async with listening(broker.broker) as listener:
            sheds_with_status(listener)
            await broker.until(lambda: len(broker.published) == len(STATUS) + len(CIRCUITS))
            assert not [event for event in listener.events if isinstance(event, BusLost)]
        return broker.published

    with ScriptedBroker(Limits(receive_maximum=most)) as broker:
        published = run(story(broker))
        assert broker.violations == []
    sets = [one for one in published if one.topic.endswith("/set")]
    assert [one.topic.split("/")[3] for one in sets] == [*CIRCUITS]
    last_set = max(number for number, one in enumerate(published) if one.topic.endswith("/set"))
    before = [one for one in published[:last_set] if not one.topic.endswith("/set")]
    assert len(before) <= max(1, most // 2)
    assert {one.qos for one in published if not one.topic.endswith("/set")} == {1}
    assert sum(one.qos for one in sets) >= min(len(CIRCUITS), most - max(1, most // 2))


def test_of_a_waiting_topic_only_the_latest_message_is_sent() -> None:
    """An event is never replaced."""

    async def story(broker: ScriptedBroker) -> list[bytes]:
        async with listening(broker.broker) as listener:
            await listener.until(BusConnected)
            for number in range(5):
                listener.bus.publish(Publication("a/status", b"%d" % number, retain=True))
                listener.bus.publish(Publication("an/event", b"e%d" % number))
            await broker.until(lambda: b"e4" in [one.payload for one in broker.published])
        return [one.payload for one in broker.published[:7]]

    with ScriptedBroker(Limits(receive_maximum=1)) as broker:
        assert run(story(broker)) == [b"0", b"e0", b"4", b"e1", b"e2", b"e3", b"e4"]


def test_a_command_does_not_wait_for_a_broker_that_acknowledges_nothing() -> None:
    """It leaves at QoS 0: the acknowledgment that counts is the device's report."""

    async def story(broker: ScriptedBroker) -> list[tuple[bytes, int]]:
        async with listening(broker.broker) as listener:
            await listener.until(BusConnected)
            listener.bus.publish(Publication("an/event", b"first"))
            listener.bus.publish(Publication("an/event", b"second"))
            listener.bus.publish(TOPICS.command(SwitchOff(HOT_TUB, 5)))
            await broker.until(lambda: len(broker.published) == 2)
        return [(one.payload, one.qos) for one in broker.published[:2]]

    with ScriptedBroker(Limits(receive_maximum=1, ack_after_s=60.0)) as broker:
        assert run(story(broker)) == [(b"first", 1), (b"OFF", 0)]


def test_a_message_larger_than_the_broker_accepts_is_reported_and_not_sent(caplog: pytest.LogCaptureFixture) -> None:
    """The connection stays, and smaller messages pass, the longest that fits among them."""

    async def story(broker: ScriptedBroker) -> None:
        async with listening(broker.broker) as listener:
            await listener.until(BusConnected)
            for size in range(300):
                listener.bus.publish(Publication(f"t{size}", b"x" * size))
            listener.bus.publish(TOPICS.command(SwitchOff(HOT_TUB, 5)))
            await broker.until(lambda: any(one.payload == b"OFF" for one in broker.published))

    with ScriptedBroker(Limits(maximum_packet_size=256)) as broker:
        run(story(broker))
        assert broker.violations == []
        largest = max(len(one.payload) for one in broker.published)
    assert 230 <= largest <= 256
    assert "256" in caplog.text
    assert "max_packet_size" in caplog.text


def test_subscriptions_are_split_to_fit() -> None:
    """A broker that accepts small packets still delivers every circuit's reports."""

    async def story(broker: ScriptedBroker) -> None:
        async with listening(broker.broker) as listener:
            await listener.ready()
            for circuit in CIRCUITS:
                listener.bus.publish(Publication(f"loadshed/home/breakers/{circuit}/state", b"ON"))
            await listener.until(BreakerReported, len(CIRCUITS))

    with ScriptedBroker(Limits(maximum_packet_size=120)) as broker:
        run(story(broker))
        assert broker.violations == []


def test_a_broker_without_qos_1_gets_qos_0() -> None:
    """Its refusal of the last will's QoS is understood as well."""

    async def story(broker: ScriptedBroker) -> set[int]:
        async with listening(broker.broker) as listener:
            await listener.until(BusConnected)
            listener.bus.publish(TOPICS.command(SwitchOn(HOT_TUB, 5)))
            await broker.until(lambda: bool(broker.published_on("/set")))
        return {one.qos for one in broker.published}

    with ScriptedBroker(Limits(maximum_qos=0)) as broker:
        assert run(story(broker)) == {0}
        assert broker.violations == []


@pytest.mark.parametrize("keep_alive_s", [1, 2])
def test_the_brokers_keep_alive_is_kept(keep_alive_s: int) -> None:
    """A broker that asks for a packet each second gets one."""

    async def story(broker: ScriptedBroker) -> None:
        async with listening(broker.broker) as listener:
            await listener.until(BusConnected)
            await asyncio.sleep(2.5 * keep_alive_s)  # the time that the broker watches
            assert not [event for event in listener.events if isinstance(event, BusLost)]

    with ScriptedBroker(Limits(server_keep_alive_s=keep_alive_s)) as broker:
        run(story(broker))
        assert broker.violations == []


@pytest.mark.parametrize("keep_alive_s", [0, 600])
def test_a_long_keep_alive_of_the_broker_delays_no_detection_of_its_silence(keep_alive_s: int) -> None:
    """A client may send more packets than it must."""

    async def story(broker: ScriptedBroker) -> float:
        link = await MqttConnection.open(broker.broker, "curious", keepalive_s=1)
        broker.silent = True
        began = time.monotonic()
        try:
            while True:
                link.read()
                await link.wait(0.1)
        except BrokerError:
            return time.monotonic() - began
        finally:
            link.abort()

    with ScriptedBroker(Limits(server_keep_alive_s=keep_alive_s)) as broker:
        assert run(asyncio.wait_for(story(broker), SOON_S)) < 4.0


@pytest.mark.parametrize(
    "properties",
    [
        b"\x22\x00\x00",  # Topic Alias Maximum 0
        b"\x12\x00\x03abc",  # Assigned Client Identifier
        b"\x29\x00\x2a\x00",  # no subscription identifiers, no shared subscriptions
        b"\x11\x00\x00\x00\x00",  # Session Expiry Interval 0
        b"\x1a\x00\x03a/b\x1f\x00\x02ok",  # Response Information, Reason String
        b"\x26\x00\x01k\x00\x01v",  # User Property
    ],
)
def test_properties_that_need_nothing_change_nothing(properties: bytes) -> None:
    """No topic aliases, subscription identifiers or shared subscriptions are used, and the client id is our own."""

    async def story(broker: ScriptedBroker) -> None:
        async with listening(broker.broker) as listener:
            await listener.ready()
            listener.bus.publish(TOPICS.command(SwitchOff(HOT_TUB, 5)))
            await broker.until(lambda: bool(broker.published_on("/set")))

    with ScriptedBroker(Limits(extra=properties)) as broker:
        run(story(broker))
        assert broker.violations == []


def test_a_connack_that_is_not_mqtt_is_a_broker_that_cannot_be_reached() -> None:
    """It ends no program."""

    async def story(broker: ScriptedBroker) -> None:
        await MqttConnection.open(broker.broker, "curious")

    with ScriptedBroker(Limits(extra=b"\x7f\x00")) as broker, pytest.raises(BrokerError):
        run(story(broker))


def test_filters_are_grouped_in_their_order() -> None:
    """At most eight in a packet, fewer if the broker's packets are small."""
    filters = tuple(f"topic-{number}" for number in range(20))
    assert [len(group) for group in BrokerLimits().batches(filters)] == [8, 8, 4]
    small = BrokerLimits(maximum_packet_bytes=40).batches(filters)
    assert [one for group in small for one in group] == [*filters]
    assert max(len(group) for group in small) < 5
    assert len(BrokerLimits(maximum_packet_bytes=5).batches(filters)) == len(filters)
