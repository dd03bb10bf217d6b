"""A plain outage: the real program, a real broker, forty breakers."""

from __future__ import annotations

import asyncio
import queue
import threading
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.subscribeoptions import SubscribeOptions

from controller.storage.log_reader import EventLog
from rules.panel import Position
from tests.mosquitto import HOST
from tests.system.process_house import BYSTANDERS, SITE, ProcessHouse, Timing, numbered

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FORTY = (*BYSTANDERS, *numbered(40))


async def test_forty_circuits_are_shed_and_restored(tmp_path: Path) -> None:
    """Each OFF once, the highest rank first; each ON once, the lowest first; what was off before stays off."""
    ranks = {one.id: one.rank for one in FORTY}
    async with ProcessHouse(tmp_path, FORTY, Timing(confirm_s=10.0)) as house:
        await house.begin()
        house.flip("c7", Position.OFF)
        await house.until(lambda: house.circuit("c7")["position"] == "off", "c7 is seen off")
        mark = house.mark
        house.opens()
        await house.is_shed(since=mark)
        off = house.words("OFF", mark)
        assert sorted(off) == sorted({f"c{n}" for n in range(40)} - {"c7"})
        assert all(ranks[one] >= ranks[other] for one, other in pairwise(off))
        assert not house.words("ON")
        assert house.state["unconfirmed"] == []
        assert sorted(house.state["shed"]) == sorted(off)
        mark = house.mark
        house.closes()
        await house.is_back("c7", since=mark)
        back = house.words("ON", mark)
        assert sorted(back) == sorted(off)
        assert all(ranks[one] <= ranks[other] for one, other in pairwise(back))
        assert not house.words("OFF", mark)
        assert await house.program.terminate() == 0
        _told_in_full(house, off)


def _told_in_full(house: ProcessHouse, off: list[str]) -> None:
    with EventLog(house.state_dir) as log:
        (outage,) = log.outages()
    assert outage.stage == "closed"
    assert outage.transfers == 1
    assert sorted(history.circuit for history in outage.histories) == sorted(off)
    for history in outage.histories:
        assert history.shed_at is not None
        assert history.confirmed_after_s is not None
        assert history.restored_at is not None
        assert history.end == "restored"


async def test_commands_are_unretained_at_qos_1_and_expire(tmp_path: Path) -> None:
    """As a client sees them that asks for everything as it was published."""
    async with ProcessHouse(tmp_path, timing=Timing(confirm_s=10.0)) as house:
        await house.begin()
        with _watching(house) as (subscribed, seen):
            await asyncio.to_thread(subscribed.wait, 30.0)
            house.opens()
            await house.is_shed()
            commands = [await asyncio.to_thread(seen.get, timeout=30.0) for _ in house.shed]
        assert {message.topic.split("/")[3] for message in commands} == {one.id for one in house.shed}
        for message in commands:
            assert (message.payload, message.qos, message.retain) == (b"OFF", 1, False)
            assert message.properties is not None
            assert message.properties.MessageExpiryInterval == 10  # type: ignore[attr-defined]


@contextmanager
def _watching(house: ProcessHouse) -> Iterator[tuple[threading.Event, queue.Queue[MQTTMessage]]]:
    """Give what is heard of commands at QoS 1 with the retain flag as published, once subscribed."""
    subscribed, seen = threading.Event(), queue.Queue[MQTTMessage]()
    client = Client(CallbackAPIVersion.VERSION2, "watch", protocol=MQTTv5)
    client.on_message = lambda _client, _data, message: seen.put(message)
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect(HOST, house.mosquitto.port)
    client.subscribe(f"loadshed/{SITE}/breakers/+/set", options=SubscribeOptions(qos=1, retainAsPublished=True))
    client.loop_start()
    try:
        yield subscribed, seen
    finally:
        client.disconnect()
        client.loop_stop()


async def test_a_bounce_moves_nothing_and_an_outage_of_a_blink_sheds(tmp_path: Path) -> None:
    """Shorter than `settle_s` it is noise; longer it is an outage, however short."""
    async with ProcessHouse(tmp_path, timing=Timing(settle_s=0.1)) as house:
        await house.begin()
        house.contact.move(True, False)
        await house.until(lambda: house.happened("contact_bounced"), "the bounce is seen")
        assert (await house.ask("restore", "all"))[1] == "nothing is owed"
        assert not house.commands()
        assert house.state["outage"] is None
        house.opens()
        await house.until(lambda: house.words("OFF"), "the shed begins")
        house.closes()
        await house.is_back()
        assert {*house.words("OFF")} == {one.id for one in house.shed}


async def test_a_house_with_nothing_to_shed_has_its_outage_too(tmp_path: Path) -> None:
    """Essential, protected and uncontrollable circuits alone: it begins and ends, and nothing is commanded."""
    async with ProcessHouse(tmp_path, BYSTANDERS) as house:
        await house.begin()
        house.opens()
        await house.reaches("standby")
        mark = house.mark
        house.closes()
        await house.reaches("utility", mark)
        assert not house.commands()
        assert house.state["uncontrollable"] == ["old-dryer", "porch"]
