"""Contact → last of 40 OFF at an independent subscriber, through Mosquitto: loadshed beside a bare paho client.

Both are processes of their own, take the same contact (MQTT, `settle_s = 0`), set the same message expiry, and the
same simulated breakers answer both. Runs alternate; the figure is the median of the ratios. One row is that of a usual
house: a meter is polled, and devices and observer use QoS 1.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.subscribeoptions import SubscribeOptions

from bench.programs import BARE, LOADSHED, Program, house
from tests.mosquitto import Mosquitto
from tests.processes import LIMIT_S, killed_after

if TYPE_CHECKING:
    from collections.abc import Iterator

FEW, MANY = 40, 1000
CYCLES = 40
ROUNDS = 3
WAIT_S = 20.0
SETTLE_STEP_S = 1.0
METER_POLL_S = 1.0


class Watcher:
    """The independent subscriber: moves the contact, and sees the commands arrive."""

    def __init__(self, port: int, circuits: int, qos: int = 0) -> None:
        self._circuits = circuits
        self._left = 0
        self._last_at = 0.0
        self._all = threading.Event()
        self._state = ""
        self._state_changed = threading.Condition()
        self._client = Client(CallbackAPIVersion.VERSION2, "watcher", protocol=MQTTv5)
        self._client.on_message = self._heard
        self._client.connect("127.0.0.1", port)
        options = SubscribeOptions(qos=qos)
        self._client.subscribe("loadshed/+/breakers/+/set", options=options)
        self._client.loop_start()
        # The states come on a connection of their own: the broker holds small messages back behind one under way.
        self._states = Client(CallbackAPIVersion.VERSION2, "states", protocol=MQTTv5)
        self._states.on_message = self._heard_state
        self._states.connect("127.0.0.1", port)
        self._states.subscribe("loadshed/+/controller/state", options=options)
        self._states.loop_start()

    def _heard(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        now = time.perf_counter()
        if message.payload == b"OFF":
            self._left -= 1
            if self._left == 0:
                self._last_at = now
                self._all.set()

    def _heard_state(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        with self._state_changed:
            self._state = message.payload.decode().split('"', 4)[3]
            self._state_changed.notify_all()

    def open_contact(self) -> float:
        """Open the contact; return the milliseconds until the last OFF was here."""
        self._all.clear()
        self._left = self._circuits
        began = time.perf_counter()
        self._client.publish("ats/contact", b"open")
        if not self._all.wait(WAIT_S):
            raise RuntimeError(f"{self._left} OFF never came")
        return (self._last_at - began) * 1e3

    def close_contact(self) -> None:
        """Close the contact again."""
        self._client.publish("ats/contact", b"closed").wait_for_publish(WAIT_S)

    def settle(self) -> None:
        """Close the contact until the controller is on utility: it reports the connection before it has subscribed."""
        until = time.monotonic() + WAIT_S
        while self._state != "utility" and time.monotonic() < until:
            self.close_contact()
            with self._state_changed:
                self._state_changed.wait_for(lambda: self._state == "utility", SETTLE_STEP_S)
        self.wait_for("utility")

    def wait_for(self, state: str) -> None:
        """Wait until the controller says that it is in this state."""
        with self._state_changed:
            if not self._state_changed.wait_for(lambda: self._state == state, WAIT_S):
                raise RuntimeError(f"still {self._state!r}, not {state!r}")

    def stop(self) -> None:
        for client in (self._client, self._states):
            client.disconnect()
            client.loop_stop()


def one_run(program: Program, mosquitto: Mosquitto, folder: Path, circuits: int, qos: int = 0) -> float:
    """Return the median milliseconds of one run of one program."""
    watcher = Watcher(mosquitto.port, circuits, qos)
    try:
        with program.running(mosquitto.port, folder, circuits):
            if program.name == LOADSHED.name:
                watcher.settle()
            times = list(_cycles(program, watcher))
    finally:
        watcher.stop()
    return statistics.median(times)


def _cycles(program: Program, watcher: Watcher) -> Iterator[float]:
    for _ in range(CYCLES):
        if program.name == LOADSHED.name:
            watcher.wait_for("utility")
        yield watcher.open_contact()
        if program.name == LOADSHED.name:
            watcher.wait_for("standby")
        time.sleep(0.05)  # let the breakers' answers pass for both alike
        watcher.close_contact()
        time.sleep(0.05)


def measure(circuits: int, *, metered: bool = False, qos: int = 0) -> tuple[float, float, float]:
    """Return the median ratio, and both medians in ms. `metered`: ours polls a meter.

    `qos`: of devices and observer.
    """
    ratios: list[float] = []
    ours: list[float] = []
    theirs: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        house(folder, circuits)
        with _meter(folder) if metered else nullcontext(LOADSHED) as loadshed:
            for _ in range(ROUNDS):
                for program, times in ((BARE, theirs), (loadshed, ours)):
                    with Mosquitto(folder) as mosquitto, program.breakers(mosquitto.port, circuits, qos):
                        times.append(one_run(program, mosquitto, folder, circuits, qos))
                ratios.append(ours[-1] / theirs[-1])
    return statistics.median(ratios), statistics.median(ours), statistics.median(theirs)


@contextmanager
def _meter(folder: Path) -> Iterator[Program]:
    """Run a simulated meter; yield the program that polls it."""
    wire = folder / "meter"
    words = [sys.executable, "-m", "clients", "simulate", "meter", "--link", str(wire), "--kw", "3"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as simulator:
        try:
            with killed_after(simulator):
                if simulator.stdout is not None:
                    simulator.stdout.readline()
            yield replace(LOADSHED, more=f'[meter]\nport = "{wire}"\npoll_s = {METER_POLL_S}\n')
        finally:
            simulator.terminate()
            simulator.wait(LIMIT_S)


def main() -> None:
    """Print the rows of the table."""
    ratio, ours, theirs = measure(FEW, metered=True, qos=1)
    what = f"contact → last of {FEW} OFF, meter polled, QoS 1"
    print(f"{what} | {ours:.2f} ms | bare client {theirs:.2f} ms | {ratio:.2f} × | ≤ 1.3 ×")
    ratio, ours, theirs = measure(FEW)
    print(f"contact → last of {FEW} OFF | {ours:.2f} ms | bare client {theirs:.2f} ms | {ratio:.2f} × | ≤ 1.3 ×")
    ratio, many, their_many = measure(MANY)
    print(f"contact → last of {MANY} OFF | {many:.1f} ms | bare client {their_many:.1f} ms | {ratio:.2f} × | ")
    growth, theirs_grew = many / ours, their_many / theirs
    ratio = growth / theirs_grew
    print(
        f"growth, {FEW} → {MANY} | {growth:.1f} × | bare client {theirs_grew:.1f} × | {ratio:.2f} × | ≤ {MANY // FEW} ×"
    )


if __name__ == "__main__":
    main()
