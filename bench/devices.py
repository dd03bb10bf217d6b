"""Real device families: the cost of their messages, beside a bare client that publishes the same commands.

    contact → last of 40 OFF, 40 simulated devices of five families
    start → last of 40 OFF, contact open
    the same reaction with 1,000 messages per second at the broker, 200 of them power reports of our own circuits
    resident memory with 200 circuits

The devices are those of `hw/simulated`, in one process, on a real Mosquitto.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from bench.at_rest import resident_mb
from bench.programs import INSTALLER, compile_product
from controller.bus.profiles.registry import DeviceCatalog
from hw.broker_socket import Broker
from hw.simulated.device_catalog import simulated_devices
from hw.simulated.device_runner import DeviceRunner
from tests.mosquitto import Mosquitto
from tests.processes import LIMIT_S, killed_after

if TYPE_CHECKING:
    from collections.abc import Iterator

FEW, MANY = 40, 200
ROUNDS, CYCLES, STARTS, PAIRS = 3, 8, 7, 30
WAIT_S = 40.0
ASKED_S = 12.0
OWN_PER_S, FOREIGN_PER_S = 200, 800
ADDRESSES = (
    "tasmota/load{n}",
    "shelly/shellypro1pm-{n:012x}#0",
    "esphome/node{n}/relay",
    "zwave/Load_{n}",
    "zigbee2mqtt/Load {n}",
)
OFF_MARKS = (b"OFF", b'"on":false', b'"value":false')


class Command(NamedTuple):
    """The OFF of one circuit."""

    topic: str
    payload: str


def addresses(circuits: int) -> list[str]:
    """Return addresses of devices, one family after the other."""
    return [ADDRESSES[n % len(ADDRESSES)].format(n=n) for n in range(circuits)]


def house(folder: Path, circuits: int) -> None:
    """Write the homeowner's file: nonessential circuits on relays of five families."""
    (folder / "circuits.toml").write_text(
        "".join(
            f'[circuits.c{n}]\nspace = {n + 1}\nbreaker = "relay"\ntag = "nonessential"\ndevice = "{device}"\n'
            for n, device in enumerate(addresses(circuits))
        )
    )


def commands(circuits: int) -> list[Command]:
    """Return the OFF commands of all circuits."""
    catalog = DeviceCatalog()
    found = (catalog.profile(device).command for device in addresses(circuits))
    return [Command(one.topic, one.off) for one in found]


# --- processes -------------------------------------------------------------------------------------------------------


@contextmanager
def running(words: list[str], ready: str) -> Iterator[subprocess.Popen[str]]:
    """Run a process from the line that has `ready` in it."""
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        with killed_after(process):
            while ready not in (line := process.stdout.readline() if process.stdout else ""):
                if not line:
                    raise RuntimeError(f"{words} ended with {process.wait(LIMIT_S)}")
        drain = subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL)
        yield process
    finally:
        process.terminate()
        process.wait(LIMIT_S)
    drain.wait(LIMIT_S)


def loadshed(port: int, folder: Path) -> list[str]:
    """Return the command line of the program, with a state folder of its own."""
    (folder / "installer.toml").write_text(INSTALLER.format(port=port))
    state = folder / f"state-{time.monotonic_ns()}"
    state.mkdir()
    return [sys.executable, "-m", "clients", "run", "--config", str(folder), "--state", str(state)]


def bare(port: int, folder: Path) -> list[str]:
    """Return the command line of the client that publishes the same commands and does nothing else."""
    return [sys.executable, "bench/bare_client.py", "--port", str(port), "--commands", str(folder / "commands.json")]


def devices(port: int, circuits: int) -> list[str]:
    """Return the command line of the simulated devices."""
    return [sys.executable, "-m", "bench.devices", "devices", str(port), str(circuits)]


def traffic(port: int) -> list[str]:
    """Return the command line of a process that publishes much."""
    return [sys.executable, "-m", "bench.devices", "traffic", str(port), str(FEW)]


async def serve_devices(port: int, circuits: int) -> None:
    """Run simulated devices until the process is ended."""
    found = simulated_devices(addresses(circuits), load_w=1500.0, epoch_s=time.time() - time.monotonic())
    runners = [DeviceRunner(one, Broker(host="127.0.0.1", port=port), time.monotonic) for one in found]
    tasks = [asyncio.create_task(one.run()) for one in runners]
    async with asyncio.timeout(WAIT_S):
        await asyncio.gather(*(one.connected.wait() for one in runners))
    print("devices ready", flush=True)
    await asyncio.gather(*tasks)


def publish_much(port: int, circuits: int) -> None:
    """Publish power reports of our own circuits, and messages of others, until the process is ended."""
    client = Client(CallbackAPIVersion.VERSION2, "traffic", protocol=MQTTv5)
    client.connect("127.0.0.1", port)
    client.loop_start()
    own = []
    for n in range(circuits):
        match n % len(ADDRESSES):
            case 0:
                own.append((f"tele/load{n}/SENSOR", b'{"Time":"2026-01-01T00:00:00","ENERGY":{"Power":1500}}'))
            case 1:
                notice = b'{"method":"NotifyStatus","params":{"ts":1.0,"switch:0":{"id":0,"apower":1500.0}}}'
                own.append((f"shellypro1pm-{n:012x}/events/rpc", notice))
            case 3:
                own.append((f"zwave/Load_{n}/50/0/value/66049", b'{"time":1800000000000,"value":1500}'))
            case 4:
                own.append((f"zigbee2mqtt/Load {n}", b'{"power":1500,"voltage":240,"linkquality":120}'))
    print("traffic ready", flush=True)
    began, sent = time.monotonic(), 0
    while True:
        due = int((time.monotonic() - began) * (OWN_PER_S + FOREIGN_PER_S))
        for number in range(sent, due):
            if number % 5 == 0:
                client.publish(*own[number // 5 % len(own)])
            else:
                client.publish(f"zigbee2mqtt/Lamp {number % 200}", b'{"state":"ON","brightness":120,"linkquality":80}')
        sent = due
        time.sleep(0.005)


# --- the observer ----------------------------------------------------------------------------------------------------


class Watcher:
    """The independent subscriber: moves the contact, and sees the commands arrive."""

    def __init__(self, port: int, wanted: list[Command]) -> None:
        self._topics = {one.topic for one in wanted}
        self._missing: set[str] = set()
        self._last_at = 0.0
        self._all, self._ready = threading.Event(), threading.Event()
        self._state = ""
        self._changed = threading.Condition()
        self._client = Client(CallbackAPIVersion.VERSION2, "watcher", protocol=MQTTv5)
        self._client.on_message = self._heard
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.connect("127.0.0.1", port)
        self._client.subscribe([(topic, 0) for topic in sorted(self._topics)])
        self._client.loop_start()
        self._states = Client(CallbackAPIVersion.VERSION2, "states", protocol=MQTTv5)
        self._states.on_message = self._heard_state
        self._states.connect("127.0.0.1", port)
        self._states.subscribe("loadshed/+/controller/state")
        self._states.loop_start()
        if not self._ready.wait(WAIT_S):
            raise RuntimeError("the broker did not confirm the subscription")

    def _heard(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        now = time.perf_counter()
        if message.topic in self._missing and any(mark in message.payload for mark in OFF_MARKS):
            self._missing.discard(message.topic)
            if not self._missing:
                self._last_at = now
                self._all.set()

    def _heard_state(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        with self._changed:
            self._state = json.loads(message.payload)["state"]
            self._changed.notify_all()

    def begin(self) -> None:
        """Expect an OFF for each device from now on."""
        self._all.clear()
        self._missing = set(self._topics)

    def last_off(self) -> float:
        """Return when the last OFF arrived (perf_counter)."""
        if not self._all.wait(WAIT_S):
            raise RuntimeError(f"no OFF on {sorted(self._missing)[:3]} and {len(self._missing)} in all")
        return self._last_at

    def react(self) -> float:
        """Open the contact; return the milliseconds until the last OFF was here."""
        self.begin()
        began = time.perf_counter()
        self.contact("open")
        return (self.last_off() - began) * 1e3

    def contact(self, word: str, *, retain: bool = False) -> None:
        """Publish the contact's position."""
        self._client.publish("ats/contact", word.encode(), 1 if retain else 0, retain=retain)

    def wait_for(self, state: str) -> None:
        """Wait until the controller says that it is in this state."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._state == state, WAIT_S):
                raise RuntimeError(f"still {self._state!r}, not {state!r}")

    def settle(self) -> None:
        """Close the contact, and wait until the program has asked all devices."""
        until = time.monotonic() + WAIT_S
        while self._state != "utility" and time.monotonic() < until:
            self.contact("closed")  # again: it reports the connection before it has subscribed
            with self._changed:
                self._changed.wait_for(lambda: self._state == "utility", 1.0)
        self.wait_for("utility")
        time.sleep(ASKED_S)

    def cycle(self) -> float:
        """Play one outage of the program; return its reaction in milliseconds."""
        self.contact("closed")
        self.wait_for("utility")
        taken = self.react()
        self.wait_for("standby")
        return taken

    def stop(self) -> None:
        for client in (self._client, self._states):
            client.disconnect()
            client.loop_stop()


@contextmanager
def watching(port: int, wanted: list[Command]) -> Iterator[Watcher]:
    """Watch the commands."""
    watcher = Watcher(port, wanted)
    try:
        yield watcher
    finally:
        watcher.stop()


# --- figures ---------------------------------------------------------------------------------------------------------


def reaction(folder: Path) -> None:
    """Print the row of the reaction."""
    wanted = commands(FEW)
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(ROUNDS):
        with Mosquitto(folder) as mosquitto, running(devices(mosquitto.port, FEW), "devices ready"):
            with watching(mosquitto.port, wanted) as watcher, running(bare(mosquitto.port, folder), "connected"):
                times = []
                for _ in range(CYCLES):
                    time.sleep(0.3)  # let the answers of the devices pass
                    times.append(watcher.react())
                theirs.append(statistics.median(times))
            turn_on(mosquitto.port)
            with (
                watching(mosquitto.port, wanted) as watcher,
                running(loadshed(mosquitto.port, folder), "connected to the broker"),
            ):
                watcher.settle()
                ours.append(statistics.median(watcher.cycle() for _ in range(CYCLES)))
    ratio = statistics.median(mine / other for mine, other in zip(ours, theirs, strict=True))
    mine, other = statistics.median(ours), statistics.median(theirs)
    what = f"contact → last of {FEW} OFF, devices of {len(ADDRESSES)} families"
    print(f"{what} | {mine:.2f} ms | bare client {other:.2f} ms | {ratio:.2f} × | ≤ 1.3 ×", flush=True)


def start(folder: Path) -> None:
    """Print the row of the start."""
    wanted = commands(FEW)
    times: dict[str, list[float]] = {"bare": [], "loadshed": []}
    with (
        Mosquitto(folder) as mosquitto,
        running(devices(mosquitto.port, FEW), "devices ready"),
        watching(mosquitto.port, wanted) as watcher,
    ):
        watcher.contact("open", retain=True)
        for _ in range(STARTS + 1):
            for name, words in (
                ("bare", bare(mosquitto.port, folder)),
                ("loadshed", loadshed(mosquitto.port, folder)),
            ):
                watcher.begin()
                began = time.perf_counter()
                process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                try:
                    times[name].append(watcher.last_off() - began)
                finally:
                    process.terminate()
                    process.wait(LIMIT_S)
                turn_on(mosquitto.port)
    mine, other = (statistics.median(times[name][1:]) for name in ("loadshed", "bare"))
    what = f"start → last of {FEW} OFF, contact open, {len(ADDRESSES)} families"
    print(f"{what} | {mine:.3f} s | bare client {other:.3f} s | {mine / other:.2f} × | ≤ 1.8 ×", flush=True)


def turn_on(port: int) -> None:
    """Turn all devices on again, as a user of their apps would."""
    catalog = DeviceCatalog()
    client = Client(CallbackAPIVersion.VERSION2, "user", protocol=MQTTv5)
    client.connect("127.0.0.1", port)
    client.loop_start()
    for device in addresses(FEW):
        command = catalog.profile(device).command
        client.publish(command.topic, command.on, 1).wait_for_publish(WAIT_S)
    client.disconnect()
    client.loop_stop()
    time.sleep(1.0)


def loaded(folder: Path) -> None:
    """Print the row of the reaction under much traffic, in pairs with the quiet one."""
    wanted = commands(FEW)
    ratios: list[float] = []
    quiet: list[float] = []
    busy: list[float] = []
    with (
        Mosquitto(folder) as mosquitto,
        running(devices(mosquitto.port, FEW), "devices ready"),
        watching(mosquitto.port, wanted) as watcher,
        running(loadshed(mosquitto.port, folder), "connected to the broker"),
    ):
        watcher.settle()
        for _ in range(PAIRS):
            for noise, times in ((nullcontext(), quiet), (running(traffic(mosquitto.port), "traffic ready"), busy)):
                with noise:
                    times.append(watcher.cycle())
            ratios.append(busy[-1] / quiet[-1])
    ratio, mine, other = map(statistics.median, (ratios, busy, quiet))
    what = f"the same with {OWN_PER_S} + {FOREIGN_PER_S} messages per second"
    print(f"{what} | {mine:.2f} ms | quiet {other:.2f} ms | {ratio:.2f} × | ≤ 1.3 ×", flush=True)


def memory(folder: Path) -> None:
    """Print the row of the memory."""
    with (
        Mosquitto(folder) as mosquitto,
        running(devices(mosquitto.port, MANY), "devices ready"),
        watching(mosquitto.port, commands(MANY)) as watcher,
        running(loadshed(mosquitto.port, folder), "connected to the broker") as process,
    ):
        watcher.settle()
        watcher.cycle()
        used = resident_mb(process.pid)
    print(f"resident memory, {MANY} circuits of {len(ADDRESSES)} families | {used:.1f} MB | | | ≤ 48 MB", flush=True)


def main() -> None:
    """Print the rows of the table."""
    compile_product()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        house(folder, FEW)
        (folder / "commands.json").write_text(json.dumps(commands(FEW)))
        reaction(folder)
        start(folder)
        loaded(folder)
        house(folder, MANY)
        memory(folder)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["devices", port, circuits]:
            asyncio.run(serve_devices(int(port), int(circuits)))
        case ["traffic", port, circuits]:
            publish_much(int(port), int(circuits))
        case _:
            main()
