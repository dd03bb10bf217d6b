"""A bridge as a process, with a real broker, and the simulated cloud in another process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from hw.mqtt import MqttConnection
from tests.pages import ROOT
from tests.processes import killed_after

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.mosquitto import Mosquitto

SITE = "home"
BASE = f"loadshed/{SITE}/"


@contextmanager
def cloud_process(count: int = 4, *words: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Run the cloud; yield its process and its addresses."""
    command = [sys.executable, "-m", "tests.clients.leviton.cloud_program", str(count), *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        with killed_after(process):
            first = json.loads(process.stdout.readline())
        try:
            yield process, first
        finally:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait(10)


def write_config(folder: Path, port: int, cloud: dict[str, Any], count: int = 4) -> None:
    """Write the files of a house with this number of breakers."""
    (folder / "installer.toml").write_text(
        f'[site]\nid = "{SITE}"\n[contact]\nsource = "gpio"\npin = 17\n[broker]\nport = {port}\n', encoding="utf-8"
    )
    tables = [
        f'[circuits.load-{number}]\nspace = {number}\nbreaker = "gen2"\ntag = "nonessential"\n'
        f'device = "leviton/1000_0012_3456/SN3456{number:04d}"\n'
        for number in range(1, count + 1)
    ]
    (folder / "circuits.toml").write_text("\n".join(tables), encoding="utf-8")
    write_cloud(folder, cloud)


def write_cloud(folder: Path, cloud: dict[str, Any]) -> None:
    """Write leviton.toml."""
    text = f'[cloud]\napi = "{cloud["api"]}"\nsocket = "{cloud["socket"]}"\n'
    (folder / "leviton.toml").write_text(text, encoding="utf-8")


def write_login(folder: Path, login: dict[str, Any]) -> None:
    """Store a login."""
    path = folder / "login.json"
    path.write_text(json.dumps(login), encoding="utf-8")
    path.chmod(0o600)


@contextmanager
def bridge_process(config: Path, state: Path) -> Iterator[subprocess.Popen[str]]:
    """Run the bridge; its log is in `state/bridge.log`."""
    command = [sys.executable, "-m", "clients", "leviton", "run", "--config", str(config), "--state", str(state)]
    with (
        (state / "bridge.log").open("w", encoding="utf-8") as log,
        subprocess.Popen(command, stderr=log, stdin=subprocess.DEVNULL, text=True, cwd=ROOT) as process,
    ):
        try:
            yield process
        finally:
            process.kill()
            process.wait(10)


def memory_kb(process: subprocess.Popen[str]) -> int:
    """Return the largest memory of a process so far, in kB."""
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:  # noqa: PTH123  # not a file
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


class BusEar:
    """A client of the bus: it hears everything, and publishes as the controller does."""

    def __init__(self, broker: Mosquitto) -> None:
        self._broker = broker
        self._link: MqttConnection | None = None
        self.last: dict[str, str] = {}
        self.all: list[tuple[float, str, str]] = []

    async def __aenter__(self) -> Self:
        """Connect and subscribe."""
        self._link = await MqttConnection.open(self._broker.broker, f"ear-{os.getpid()}")
        self._link.subscribe([f"{BASE}#"])
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect."""
        assert self._link is not None
        self._link.abort()

    def say(self, topic: str, payload: str, *, retain: bool = False) -> None:
        """Publish below the site's base."""
        assert self._link is not None
        self._link.publish(BASE + topic, payload.encode(), retain=retain, expiry_s=None if retain else 15)
        self._link.flush()

    async def until(self, condition: Callable[[], bool], within_s: float = 40.0) -> float:
        """Listen until a condition holds; return the time that it took in seconds."""
        assert self._link is not None
        began = time.monotonic()
        async with asyncio.timeout(within_s):
            while True:
                for message in self._link.read():
                    name, text = message.topic.removeprefix(BASE), message.payload.decode()
                    self.last[name] = text
                    self.all.append((time.monotonic(), name, text))
                if condition():
                    return time.monotonic() - began
                await self._link.wait(0.05)

    def bridge(self) -> dict[str, Any]:
        """Return what the bridge has published about itself."""
        found: dict[str, Any] = json.loads(self.last.get("clients/leviton/state", "{}"))
        return found
