"""What the program takes while nothing happens: memory, CPU, bytes to the disk; and an hour of backup on the disk.

On utility, with a simulated meter on a pseudo-terminal polled each 5 s. The peer is a bare paho client beside it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.programs import BARE, INSTALLER, LOADSHED, house
from tests.mosquitto import Mosquitto
from tests.processes import LIMIT_S

SETTLE_S = 8.0
SECONDS = float(os.environ.get("SECONDS", "60"))
CIRCUITS = 40
TICK = os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process in MB (10⁶ bytes)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def cpu_s(pid: int) -> float:
    """Return the CPU seconds a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def written_bytes(pid: int | str) -> int:
    """Return the bytes a process has had written to a disk."""
    lines = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return int(lines["write_bytes"])


def with_meter(folder: Path, port: int, wire: Path) -> None:
    """Write the installer's file of a house with a meter."""
    text = INSTALLER.format(port=port) + f'[meter]\nport = "{wire}"\npoll_s = 5.0\n'
    (folder / "installer.toml").write_text(text)


def main() -> None:
    """Print the rows of the table."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        house(folder, CIRCUITS)
        wire = folder / "meter"
        simulator = subprocess.Popen(
            [sys.executable, "-m", "clients", "simulate", "meter", "--link", str(wire), "--kw", "3"],
            stdout=subprocess.DEVNULL,
        )
        try:
            with Mosquitto(folder) as mosquitto, LOADSHED.breakers(mosquitto.port, CIRCUITS):
                _at_rest(folder, mosquitto.port, wire)
        finally:
            simulator.terminate()
            simulator.wait(LIMIT_S)


def _at_rest(folder: Path, port: int, wire: Path) -> None:
    publish = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(port), "-t", "ats/contact", "-r", "-m"]
    subprocess.run([*publish, "closed"], check=True, timeout=60)
    command = LOADSHED.command(port, folder, CIRCUITS)
    with_meter(folder, port, wire)
    with BARE.running(port, folder, CIRCUITS) as bare:
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            time.sleep(SETTLE_S)
            cpu, disk = cpu_s(process.pid), written_bytes(process.pid)
            time.sleep(SECONDS)
            used = (cpu_s(process.pid) - cpu) / SECONDS
            per_day = (written_bytes(process.pid) - disk) / SECONDS * 86_400
            ours, theirs = resident_mb(process.pid), resident_mb(bare.pid)
            ratio = ours / theirs
            print(
                f"resident memory, with a meter | {ours:.1f} MB | bare client {theirs:.1f} MB | {ratio:.2f} × | ≤ 48 MB"
            )
            print(f"CPU at rest, meter each 5 s | {used:.2%} of a core | | | ≤ 0.5 %")
            print(f"written on utility, a day | {per_day / 1e6:.2f} MB | | | ≤ 1 MB")
        finally:
            process.terminate()
            process.wait(LIMIT_S)


if __name__ == "__main__":
    main()
