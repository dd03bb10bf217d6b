"""Houses on brokers that announce limits, and enforce them: the real program sheds and restores."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from clients.bus_client.status import fetch_status
from rules.panel import Position
from tests.scripted_broker import Limits, ScriptedBroker
from tests.system.process_house import SITE, WITHIN_S, ProcessHouse, Timing

if TYPE_CHECKING:
    from pathlib import Path

CONTROLLER = f"loadshed-{SITE}"


@pytest.mark.parametrize(
    "limits",
    [
        Limits(clients=CONTROLLER, receive_maximum=10),
        Limits(clients=CONTROLLER, receive_maximum=1, ack_after_s=0.02),
        Limits(clients=CONTROLLER, maximum_qos=0),
        Limits(clients=CONTROLLER, server_keep_alive_s=1),
        Limits(clients=CONTROLLER, maximum_packet_size=300),
        Limits(clients=CONTROLLER, wildcards_available=False),
    ],
    ids=["ten-in-flight", "one-in-flight", "no-qos-1", "keep-alive-1-s", "small-packets", "no-wildcards"],
)
async def test_a_house_on_a_limited_broker_is_shed_and_restored(tmp_path: Path, limits: Limits) -> None:
    """No limit is exceeded, the connection stays, and commands arrive before the status."""
    async with ProcessHouse(tmp_path, limits=limits) as house:
        await house.start_broker()
        await house.program.start()
        await house.until(lambda: any("(state utility" in line for line in house.program.log), "the start is over")
        await house.greetings()
        await house.remembers()
        mark = house.mark
        house.opens()
        await house.until(lambda: {one.id for one in house.shed} <= house.at(Position.OFF), "all are off")
        assert sorted(house.words("OFF", mark)) == sorted(one.id for one in house.shed)
        house.closes()
        await house.until(lambda: not house.at(Position.OFF), "all are back")
        assert isinstance(house.server, ScriptedBroker)
        assert house.server.violations == []
        assert house.server.accepted.count(CONTROLLER) == 1


async def test_a_house_on_a_broker_that_sends_no_retained_message_to_wildcards_is_restored(tmp_path: Path) -> None:
    """RabbitMQ's MQTT plugin, MQTT 3.1.1: the positions before the start are known, and `status` finds the program."""
    limits = Limits(clients="loadshed-", retained_to_wildcards=False)
    async with ProcessHouse(tmp_path, limits=limits, timing=Timing(version="3.1.1")) as house:
        await house.start_broker()
        await house.program.start()
        await house.reaches("utility")
        await house.remembers()
        found = await fetch_status(replace(house.server.broker, version="3.1.1"), SITE)
        assert found.trouble is None
        assert found.circuits.keys() == {one.id for one in house.circuits}
        house.opens()
        await house.until(lambda: {one.id for one in house.shed} <= house.at(Position.OFF), "all are off")
        house.closes()
        await house.until(lambda: not house.at(Position.OFF), "all are back")


async def test_the_program_shows_every_few_seconds_that_it_runs_and_all_its_status_on_request(tmp_path: Path) -> None:
    """At QoS 0, never retained. The broker's memory of a killed program is no presence."""
    async with ProcessHouse(tmp_path) as house:
        await house.begin()
        mark = house.mark
        alive = await house.until(lambda: [*house.recorder.on("controller/alive", mark)], "it shows that it runs")
        assert alive[0].fields.keys() >= {"at", "uptime_s"}
        assert 0.0 < alive[0].fields["uptime_s"] < WITHIN_S
        mark = house.mark
        found = await fetch_status(house.mosquitto.broker, SITE)
        assert found.trouble is None
        assert len([*house.recorder.on("circuits/tub", mark)]) == 1
        assert not house.happened("request_received")
        await house.program.kill()
        await house.publish(("loadshed/home/controller/availability", b"online"), retain=True)
        gone = await fetch_status(house.mosquitto.broker, SITE, enough_s=1.0)
        assert gone.availability == "online"
        assert "does not respond" in (gone.trouble or "")
