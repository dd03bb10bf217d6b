"""Houses on brokers that announce limits, and enforce them: the real program sheds and restores."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import pytest

from clients.broker_admin import certificates
from clients.bus_client.status import fetch_status
from rules.panel import Position
from tests.mosquitto import held_port
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
        # The recorder reads the commands on a connection of its own: a breaker may have switched before that.
        await house.until(lambda: {one.id for one in house.shed} <= {*house.words("OFF", mark)}, "all are recorded")
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
        replies = f"loadshed/{SITE}/answers/"
        await house.until(
            lambda: any(one.topic.startswith(replies) for one in house.recorder.said[mark:]), "it is recorded"
        )
        assert len([*house.recorder.on("circuits/tub", mark)]) == 1
        assert not house.happened("request_received")
        await house.program.kill()
        await house.publish(("loadshed/home/controller/availability", b"online"), retain=True)
        gone = await fetch_status(house.mosquitto.broker, SITE, enough_s=1.0)
        assert gone.availability == "online"
        assert "does not respond" in (gone.trouble or "")


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_a_house_on_a_mosquitto_without_retained_messages_is_shed_and_restored(
    tmp_path: Path, version: Literal["5", "3.1.1"]
) -> None:
    """An alarm states what is lost, and `status` finds program, circuits and alarm."""
    async with ProcessHouse(
        tmp_path, timing=Timing(version=version), broker_lines=("retain_available false",)
    ) as house:
        await house.start_broker()
        await house.program.start()
        # What is said before its subscriptions is lost on this broker. It publishes this after them.
        await house.until(lambda: [*house.recorder.on("controller/availability")], "it has subscribed")
        house.closes()
        await house.greetings()
        await house.remembers()
        mark = house.mark
        house.opens()
        await house.is_shed(since=mark)
        found = await fetch_status(replace(house.mosquitto.broker, version=version), SITE)
        assert found.trouble is None
        assert found.circuits.keys() == {one.id for one in house.circuits}
        assert "keeps no retained messages" in str(found.alarms["broker-limited"]["message"])
        house.closes()
        await house.until(lambda: not house.at(Position.OFF), "all are back")
        assert house.program.log.count("connected to the broker") == 1


@pytest.mark.parametrize(
    ("begins", "ends", "trouble"),
    [
        ("20991231000000Z", "21091231235959Z", "valid only from 2099-12-31 on"),
        ("20200101000000Z", "20210101000000Z", "expired on 2021-01-01"),
    ],
    ids=["not-yet", "expired"],
)
async def test_the_dates_of_a_certificate_keep_no_house_from_being_shed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begins: str, ends: str, trouble: str
) -> None:
    """A Pi that boots in an outage may have any date. An alarm states it, and `ready` as well."""
    monkeypatch.setattr(certificates, "_FROM", begins)
    monkeypatch.setattr(certificates, "_UNTIL", ends)
    certificates.make(tmp_path, ["127.0.0.1"], "nogroup")
    with held_port() as port:
        files = (f"certfile {tmp_path}/broker.crt", f"keyfile {tmp_path}/broker.key")
        async with ProcessHouse(tmp_path / "house", broker_lines=(f"listener {port} 127.0.0.1", *files)) as house:
            ca_file = tmp_path / "ca.crt"
            secured = house.timing.toml(port).replace("[broker]", f'[broker]\nca_file = "{ca_file}"')
            house.write_installer(secured)
            await house.begin()
            house.opens()
            await house.is_shed()
            lines = house.program.log
            await house.until(lambda: any(trouble in line for line in lines), "the dates are an alarm")
            found = await fetch_status(replace(house.mosquitto.broker, port=port, ca_file=ca_file), SITE)
            assert "certificate-dates" in found.alarms
            assert found.certificate is not None
            house.closes()
            await house.is_back()
