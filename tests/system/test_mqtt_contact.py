"""An MQTT contact that is lost, silent, or has to be asked: the real program with the real broker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from hw.mqtt import MqttConnection
from hw.mqtt_messages import Will
from tests.system.process_house import SITE, ProcessHouse, Timing

if TYPE_CHECKING:
    from pathlib import Path

TOPIC, QUERY = "ats/own", "ats/own/get"


@dataclass(frozen=True, slots=True)
class OwnTopic(Timing):
    """A contact with everything on one topic. `keys`: more of [contact]."""

    keys: str = ""

    def toml(self, port: int) -> str:
        return (
            f'[site]\nid = "{SITE}"\n[contact]\nsource = "mqtt"\ntopic = "{TOPIC}"\nsettle_s = 0.02\n{self.keys}\n'
            f"[broker]\nport = {port}\n[shed]\nconfirm_s = 0.3\n[restore]\nutility_stable_s = 0.3\nstagger_s = 0.05\n"
        )


async def test_the_last_will_on_the_contacts_own_topic_makes_the_source_unknown(tmp_path: Path) -> None:
    """The device publishes `closed`, dies, and its will `offline` stands on the same topic."""
    async with ProcessHouse(tmp_path, timing=OwnTopic(keys=f'availability_topic = "{TOPIC}"')) as house:
        await house.start_broker()
        await house.program.start()
        device = await MqttConnection.open(house.mosquitto.broker, "ats-device", will=Will(TOPIC, b"offline"))
        device.publish(TOPIC, b"closed", retain=True)
        device.flush()
        await house.reaches("utility")
        device.abort()
        await house.until(lambda: house.state.get("source") == "unknown", "the loss is known")
        assert house.happened("contact_lost")[-1]["reason"] == f"the contact's device reports 'offline' on {TOPIC}"
        again = await MqttConnection.open(house.mosquitto.broker, "ats-device")
        again.publish(TOPIC, b"closed", retain=True)
        again.flush()
        await house.until(lambda: house.state.get("source") == "utility", "it is known again")
        await again.close()


async def test_a_contact_that_is_silent_behind_a_bridge_is_unknown(tmp_path: Path) -> None:
    """No last will arrives; after expect_every_s without a message the source is unknown."""
    async with ProcessHouse(tmp_path, timing=OwnTopic(keys="expect_every_s = 1.5")) as house:
        await house.start_broker()
        await house.program.start()
        await house.reaches("starting")
        device = await MqttConnection.open(house.mosquitto.broker, "ats-device")
        device.publish(TOPIC, b"closed")
        device.flush()
        await house.reaches("utility")
        await house.until(lambda: house.state.get("source") == "unknown", "the silence is noticed")
        assert house.happened("contact_lost")[-1]["reason"] == "its device has published nothing for 1.5 s"
        await device.close()


@pytest.mark.parametrize("payload", ["", '{"state": ""}'])
async def test_a_contact_that_publishes_only_changes_is_asked_after_a_start(tmp_path: Path, payload: str) -> None:
    """It answers the request, and the position is known without a movement."""
    keys = f"query_topic = \"{QUERY}\"\nquery_payload = '{payload}'"
    async with ProcessHouse(tmp_path, timing=OwnTopic(keys=keys)) as house:
        await house.start_broker()
        device = await MqttConnection.open(house.mosquitto.broker, "ats-device")
        device.subscribe([QUERY])
        device.flush()
        await house.program.start()
        while not (asked := device.read()):
            await device.wait(40.0)
        assert [(one.topic, one.payload, one.retained) for one in asked] == [(QUERY, payload.encode(), False)]
        device.publish(TOPIC, b"closed")
        device.flush()
        await house.reaches("utility")
        await device.close()
