"""The bridge as a process: real broker, real sockets."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.clients.leviton.bridge_house import (
    BusEar,
    bridge_process,
    cloud_process,
    memory_kb,
    write_config,
    write_login,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.mosquitto import Mosquitto

MEMORY_KB = 45 * 1024


@pytest.mark.timeout(180)
async def test_an_outage_with_internet_without_and_with_it_again(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """The line is cut by freezing the cloud. Offline within 30 s, nothing late, no secret on the bus or in the log."""
    with cloud_process() as (cloud, found):
        write_config(tmp_path, mosquitto.port, found)
        write_login(tmp_path, found["login"])
        with bridge_process(tmp_path, tmp_path) as bridge:
            async with BusEar(mosquitto) as ear:
                online = [f"breakers/load-{number}/availability" for number in (1, 2, 3, 4)]
                await ear.until(lambda: all(ear.last.get(one) == "online" for one in online))
                await ear.until(lambda: ear.bridge().get("state") == "online")
                assert ear.last["breakers/load-1/state"] == "ON"
                ear.say("controller/state", '{"state": "shedding"}', retain=True)
                for number in (1, 2, 3):
                    ear.say(f"breakers/load-{number}/set", "OFF")
                states = [f"breakers/load-{number}/state" for number in (1, 2, 3)]
                assert await ear.until(lambda: all(ear.last[one] == "OFF" for one in states)) < 10
                cloud.send_signal(signal.SIGSTOP)
                assert await ear.until(lambda: all(ear.last[one] == "offline" for one in online)) <= 30.0
                ear.say("breakers/load-4/set", "OFF")
                await ear.until(lambda: bool(ear.bridge()["problems"]))
                (problem,) = ear.bridge()["problems"]
                assert "Turn off at the panel: 4 load-4." in problem["message"]
                cloud.send_signal(signal.SIGCONT)
                await ear.until(lambda: all(ear.last[one] == "online" for one in online))
                assert ear.last["breakers/load-4/state"] == "ON"
                bridge.send_signal(signal.SIGTERM)
                await ear.until(lambda: ear.bridge() == {"state": "offline"})
                assert memory_kb(bridge) <= MEMORY_KB
                assert bridge.wait(10) == 0
                heard = "\n".join(f"{topic} {text}" for _, topic, text in ear.all)
    log = (tmp_path / "bridge.log").read_text(encoding="utf-8")
    for secret in (found["login"]["id"], "that-must-not-leave", "192.0.2.44"):
        assert secret not in heard
        assert secret not in log


async def test_a_bridge_that_is_killed_leaves_its_circuits_offline(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """Its one last will covers all of them: the controller reads both topics."""
    with cloud_process(1) as (_, found):
        write_config(tmp_path, mosquitto.port, found, 1)
        write_login(tmp_path, found["login"])
        with bridge_process(tmp_path, tmp_path) as bridge:
            async with BusEar(mosquitto) as ear:
                await ear.until(lambda: ear.bridge().get("state") == "online")
                bridge.kill()
                await ear.until(lambda: ear.bridge() == {"state": "offline"})


async def test_a_new_login_and_new_circuits_are_used_without_a_restart(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """The owner logs in, and imports more of the panel."""
    with cloud_process(2) as (_, found):
        write_config(tmp_path, mosquitto.port, found, 1)
        with bridge_process(tmp_path, tmp_path):
            async with BusEar(mosquitto) as ear:
                await ear.until(lambda: ear.bridge().get("cloud") == "no-login")
                assert [one["id"] for one in ear.bridge()["problems"]] == ["login"]
                write_login(tmp_path, found["login"])
                await ear.until(lambda: ear.last.get("breakers/load-1/availability") == "online")
                write_config(tmp_path, mosquitto.port, found, 2)
                await ear.until(lambda: ear.last.get("breakers/load-2/availability") == "online")
                ear.say("breakers/load-2/set", "OFF")
                await ear.until(lambda: ear.last.get("breakers/load-2/state") == "OFF")
