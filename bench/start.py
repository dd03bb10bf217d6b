"""Process start → last of 40 OFF with the contact already open: loadshed beside a bare paho client, run in turns.

The broker remembers an open contact; nothing else is known. Bytecode is compiled before, as an installation does.
"""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.subscribeoptions import SubscribeOptions

from bench.programs import BARE, LOADSHED, Program, compile_product, house
from tests.mosquitto import Mosquitto

RUNS = 11
CIRCUITS = 40
WAIT_S = 20.0


def one_start(program: Program, port: int, folder: Path) -> float:
    """Return the seconds from the start of the process to the last OFF."""
    left = CIRCUITS
    last_at = 0.0
    done = threading.Event()

    def heard(_client: Client, _data: object, _message: MQTTMessage) -> None:
        nonlocal left, last_at
        left -= 1
        if left == 0:
            last_at = time.perf_counter()
            done.set()

    ready = threading.Event()
    watcher = Client(CallbackAPIVersion.VERSION2, "watcher", protocol=MQTTv5)
    watcher.on_message = heard
    watcher.on_subscribe = lambda *_: ready.set()
    watcher.connect("127.0.0.1", port)
    watcher.publish("ats/contact", b"open", 1, retain=True)
    watcher.subscribe("loadshed/+/breakers/+/set", options=SubscribeOptions(qos=0))
    watcher.loop_start()
    if not ready.wait(WAIT_S):
        raise RuntimeError("the broker did not confirm the subscription")
    command = program.command(port, folder, CIRCUITS)
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        if not done.wait(WAIT_S):
            raise RuntimeError(f"{program.name}: {left} OFF never came")
    finally:
        process.terminate()
        process.wait(WAIT_S)
        watcher.disconnect()
        watcher.loop_stop()
    return last_at - began


def main() -> None:
    """Print the row of the table."""
    compile_product()
    times: dict[str, list[float]] = {BARE.name: [], LOADSHED.name: []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        house(folder, CIRCUITS)
        with Mosquitto(folder) as mosquitto:
            for _ in range(RUNS + 1):
                for program in (BARE, LOADSHED):
                    times[program.name].append(one_start(program, mosquitto.port, folder))
    bare, ours = (statistics.median(times[program.name][1:]) for program in (BARE, LOADSHED))
    ratio = ours / bare
    print(f"start → last of 40 OFF, contact open | {ours:.3f} s | bare client {bare:.3f} s | {ratio:.2f} × | ≤ 1.8 ×")


if __name__ == "__main__":
    main()
