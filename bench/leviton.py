"""From 40 OFF on the bus to the last PATCH at Leviton's cloud, which answers after 100 ms; beside a bare client.

Both have 8 connections. The bridge decides, in addition, which commands may leave, and follows their reports. Its
memory is shown, too.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import local
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hw.broker_socket import Broker
from hw.mqtt import MqttConnection
from hw.simulated.leviton_cloud import LevitonCloud
from hw.simulated.leviton_panel import simulated_hub
from hw.simulated.leviton_server import LevitonServer
from tests.clients.leviton.bridge_house import BusEar, bridge_process, memory_kb, write_config, write_login
from tests.mosquitto import Mosquitto
from tests.pages import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

BREAKERS, ROUNDS, CONNECTIONS = 40, 5, 8
PAUSE_S = 6.0
"""Between two rounds: the bridge does not send the same command twice within 5 s."""
WANTED, MEMORY_MB = 1.3, 45.0


def main() -> int:
    """Measure both, alternating; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bare", nargs=3, metavar=("PORT", "API", "TOKEN"), help="be the bare client")
    arguments = parser.parse_args()
    if arguments.bare:
        asyncio.run(_bare(*arguments.bare))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        ours, bare, memory_mb = _measure(Path(folder))
    ratio = statistics.median(ours) / statistics.median(bare)
    figures = f"{1000 * statistics.median(ours):.0f} ms | {1000 * statistics.median(bare):.0f} ms"
    print(f"| {BREAKERS} OFF on the bus to the last PATCH | {figures} | {ratio:.2f} | {WANTED} |")
    print(f"| memory of the bridge | {memory_mb:.1f} MB | {MEMORY_MB:g} MB | |")
    return 0 if ratio <= WANTED and memory_mb <= MEMORY_MB else 1


def _measure(folder: Path) -> tuple[list[float], list[float], float]:
    cloud = LevitonCloud([simulated_hub(BREAKERS)])
    login = cloud.issue_token()
    bare_folder = folder / "bare"
    bare_folder.mkdir()
    with Mosquitto(folder) as broker, Mosquitto(bare_folder) as other, LevitonServer(cloud) as server:
        write_config(folder, broker.port, {"api": server.api, "socket": server.socket}, BREAKERS)
        write_login(folder, login)
        bare = [sys.executable, "-m", "bench.leviton", "--bare", str(other.port), server.api, str(login["id"])]
        with (
            bridge_process(folder, folder) as bridge,
            subprocess.Popen(bare, cwd=ROOT, stdout=subprocess.DEVNULL) as reference,
        ):
            try:
                ours, theirs = asyncio.run(_rounds(server, broker, other))
                return ours, theirs, memory_kb(bridge) / 1024
            finally:
                reference.kill()
                reference.wait(10)


async def _rounds(server: LevitonServer, broker: Mosquitto, other: Mosquitto) -> tuple[list[float], list[float]]:
    ours: list[float] = []
    theirs: list[float] = []
    async with BusEar(broker) as ear, BusEar(other) as other_ear:
        last = f"breakers/load-{BREAKERS}/availability"
        ready = ear.until(lambda: ear.last.get(last) == "online")
        await asyncio.gather(ready, other_ear.until(lambda: other_ear.last.get("ready") == "1", 60.0))
        for _ in range(ROUNDS):
            for one, found in ((other_ear, theirs), (ear, ours)):
                await _switch_on(server, (ear, other_ear))
                found.append(await _one_round(server, one))
    return ours, theirs


async def _switch_on(server: LevitonServer, ears: Sequence[BusEar]) -> None:
    """Let all breakers be switched on elsewhere, and wait until the bridge knows it."""
    with server.lock:
        for breaker in server.cloud.hubs[0].breakers:
            breaker.remote_off = False
        server.cloud.moved(server.cloud.hubs[0], server.now)
    until = time.monotonic() + PAUSE_S
    await asyncio.gather(*(ear.until(lambda: time.monotonic() >= until) for ear in ears))


async def _one_round(server: LevitonServer, ear: BusEar) -> float:
    """Send all commands; return the time to the last PATCH in seconds."""
    server.arrivals.clear()
    began = time.monotonic()
    for number in range(1, BREAKERS + 1):
        ear.say(f"breakers/load-{number}/set", "OFF")

    def arrived() -> list[float]:
        return [at for at, method, _ in list(server.arrivals) if method == "PATCH"]

    await ear.until(lambda: len(arrived()) >= BREAKERS)
    return max(arrived()[:BREAKERS]) - began


async def _bare(port: str, api: str, token: str) -> None:
    """Send a PATCH for each OFF, and nothing else."""
    parts, kept = urlsplit(api), local()

    def patch(number: int) -> None:
        if not hasattr(kept, "connection"):
            kept.connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5.0)
        headers = {"authorization": token, "content-type": "application/json"}
        path = f"{parts.path}/ResidentialBreakers/4C455656{number:04X}"
        try:
            kept.connection.request("PATCH", path, b'{"remoteTrip": true}', headers)
            kept.connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            kept.connection.close()
            del kept.connection

    link = await MqttConnection.open(Broker(port=int(port)), "bare")
    link.subscribe(["loadshed/home/breakers/+/set"])
    link.publish("loadshed/home/ready", b"1", retain=True)
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        while True:
            for message in link.read():
                pool.submit(patch, int(message.topic.split("/")[3].removeprefix("load-")))
            await link.wait(1.0)


if __name__ == "__main__":
    sys.exit(main())
