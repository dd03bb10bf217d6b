"""What following a meter costs at its busiest: polled each second, and pulses at 48 kW, on utility.

The program with simulated pins, whose wire a thread of the same process moves as lgpio's would report it: that work is
in the figure too. The meter answers on a pseudo-terminal, from a process of its own.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from contextlib import closing
from itertools import count
from pathlib import Path
from threading import Event, Thread

from bench.at_rest import CIRCUITS, SECONDS, SETTLE_S, cpu_s
from bench.programs import INSTALLER, house
from controller.storage.queries import read_pulse_counts
from controller.storage.schema import SAMPLES, open_for_reading
from tests.mosquitto import Mosquitto
from tests.processes import LIMIT_S

KW = 48.0
EDGE_S = 18.0 / KW
METER = '[meter]\nmodel = "1N240-02D"\nport = "{wire}"\npoll_s = 1.0\npulse_pin = 27\npulse_kwh_pin = 22\n'


def follow(config: Path, state: Path) -> int:
    """Run the program on simulated pins whose 10 Wh output turns over each 375 ms."""
    from controller import daemon  # noqa: PLC0415 - the parent needs none of it
    from hw import gpio  # noqa: PLC0415
    from hw.simulated.contact import SimulatedPins, SimulatedWire  # noqa: PLC0415

    pins, never = SimulatedPins(time.monotonic), Event()
    gpio.set_pin_factory(pins)

    def draw() -> None:
        ten, kwh = SimulatedWire(pins, 27), SimulatedWire(pins, 22)
        for edge in count(1):
            never.wait(EDGE_S)
            ten.toggle()
            if edge % 100 == 0:
                kwh.toggle()

    Thread(target=draw, daemon=True).start()
    return daemon.run(config, state)


def measure(folder: Path) -> float:
    """Return the share of a core that the program uses."""
    (folder / "state").mkdir()
    command = [sys.executable, "-m", "bench.meter_at_rest", str(folder), str(folder / "state")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            time.sleep(SETTLE_S)
            cpu = cpu_s(process.pid)
            time.sleep(SECONDS)
            return (cpu_s(process.pid) - cpu) / SECONDS
        finally:
            process.terminate()
            process.wait(LIMIT_S)


def edges_kept(state: Path) -> int:
    """Return how many edges the program had counted when it ended: none would make the figure worth nothing."""
    with closing(open_for_reading(state, SAMPLES)) as db:
        counted, _ = read_pulse_counts(db)
    return counted


def main() -> None:
    """Print the row of the table."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        house(folder, CIRCUITS)
        simulate = [sys.executable, "-m", "clients", "simulate", "meter", "--link", str(folder / "meter")]
        with subprocess.Popen([*simulate, "--kw", f"{KW:g}"], stdout=subprocess.DEVNULL) as simulator:
            try:
                with Mosquitto(folder) as mosquitto:
                    installer = INSTALLER.format(port=mosquitto.port) + METER.format(wire=folder / "meter")
                    (folder / "installer.toml").write_text(installer)
                    publish = ["mosquitto_pub", "-p", str(mosquitto.port), "-t", "ats/contact", "-r", "-m", "closed"]
                    subprocess.run(publish, check=True, timeout=60)
                    used = measure(folder)
                counted = edges_kept(folder / "state")
            finally:
                simulator.terminate()
                simulator.wait(LIMIT_S)
    what = f"CPU at rest, meter each 1 s, pulses at {KW:g} kW ({counted} edges)"
    print(f"{what} | {used:.2%} of a core | | | ≤ 1.5 %")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(follow(Path(sys.argv[1]), Path(sys.argv[2])))
    main()
