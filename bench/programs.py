"""The programs that are compared, and the breakers that answer both."""

from __future__ import annotations

import compileall
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.processes import LIMIT_S, killed_after

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INSTALLER = """
[site]
id = "home"
[contact]
source = "mqtt"
topic = "ats/contact"
settle_s = 0
[broker]
port = {port}
[restore]
utility_stable_s = 0
stagger_s = 0
flap_transfers = 0
"""

BREAKERS = """
import sys
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
client = Client(CallbackAPIVersion.VERSION2, "breakers", protocol=MQTTv5)
client.max_inflight_messages_set(0)
def answer(client, data, message):
    client.publish(message.topic[:-3] + "state", message.payload, qos, retain=True)
client.on_message = answer
qos = int(sys.argv[3])
client.connect("127.0.0.1", int(sys.argv[1]))
for n in range(int(sys.argv[2])):
    client.publish(f"loadshed/home/breakers/c{n}/state", b"ON", 1, retain=True)
client.subscribe("loadshed/+/breakers/+/set", qos)
client.on_subscribe = lambda *_: print("ready", flush=True)
client.loop_forever()
"""


def compile_product() -> None:
    """Compile the product's modules, as an installation does: else each start of a bench compiles them again."""
    for name in ("rules", "hw", "controller", "clients", "bench"):
        compileall.compile_dir(name, quiet=1)


def house(folder: Path, circuits: int) -> None:
    """Write the homeowner's file: nonessential circuits on 2nd Gen breakers."""
    (folder / "circuits.toml").write_text(
        "".join(f'[circuits.c{n}]\nspace = {n + 1}\nbreaker = "gen2"\ntag = "nonessential"\n' for n in range(circuits))
    )


@dataclass(frozen=True, slots=True)
class Program:
    """One of the two: how it is started, and what it prints when it listens. `more`: of its installer.toml."""

    name: str
    ready: str
    more: str = ""

    def command(self, port: int, folder: Path, circuits: int) -> list[str]:
        """Return the command line."""
        if self.name == "bare":
            return [sys.executable, "bench/bare_client.py", "--port", str(port), "--circuits", str(circuits)]
        (folder / "installer.toml").write_text(INSTALLER.format(port=port) + self.more)
        state = folder / f"state-{port}-{time.monotonic_ns()}"
        state.mkdir()
        return [sys.executable, "-m", "clients", "run", "--config", str(folder), "--state", str(state)]

    @contextmanager
    def running(self, port: int, folder: Path, circuits: int) -> Iterator[subprocess.Popen[str]]:
        """Run it, from the moment it listens on the bus."""
        process = subprocess.Popen(
            self.command(port, folder, circuits), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        try:
            with killed_after(process):
                while self.ready not in (line := process.stdout.readline() if process.stdout else ""):
                    if not line:
                        raise RuntimeError(f"{self.name} ended with {process.wait(LIMIT_S)}")
            drain = subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL)
            yield process
        finally:
            process.terminate()
            process.wait(LIMIT_S)
        drain.wait(LIMIT_S)

    @contextmanager
    def breakers(self, port: int, circuits: int, qos: int = 0) -> Iterator[None]:
        """Run breakers that confirm each command at once. `qos`: of their subscription and their reports."""
        command = [sys.executable, "-c", BREAKERS, str(port), str(circuits), str(qos)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            with killed_after(process):
                if process.stdout is not None:
                    process.stdout.readline()
            yield
        finally:
            process.terminate()
            process.wait(LIMIT_S)


BARE = Program("bare", "connected")
LOADSHED = Program("loadshed", "connected to the broker")
