"""False values through the real driver and its real Modbus library: on a line that spoils 20 % of all frames, none.

Run alone: `python -m bench.meter_faults [polls] [share]`, or `--pty [polls]` for a real pseudo-terminal.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from dataclasses import dataclass

from hw import meter_pdu  # noqa: F401 - the library is brought in here, not in a thread while virtual time runs
from hw.meter import EnergyHeard, Meter, MeterAt, MeterFellSilent, Told
from hw.meter_line import Line
from hw.models import parse
from hw.simulated.meter import Quirks, SimulatedMeter
from hw.simulated.meter_server import serve_pty
from hw.simulated.serial_line import Faults, FaultyLine
from hw.simulated.virtual_time import run_virtual

MODEL = parse("1N240-02D")
MOST_KW = 48.0


@dataclass
class Tally:
    """What a run brought. `forged`: frames that were bent and still passed their CRC."""

    polls: int = 0
    heard: int = 0
    silent: int = 0
    false: int = 0
    spoilt: int = 0
    forged: int = 0
    took_s: float = 0.0

    def row(self, where: str) -> str:
        """Return the table row for this run."""
        return (
            f"| false values, {where} | {self.false} of {self.polls:,} polls | 0 | {self.heard:,} told, "
            f"{self.silent:,} said to be missing; {self.spoilt:,} frames spoilt, {self.forged:,} of them past the CRC; "
            f"{self.polls / self.took_s:,.0f} polls/s |"
        )


class Truth:
    """Knows what the register showed while a poll went on, and counts what is told besides."""

    def __init__(self, meter: SimulatedMeter, tally: Tally) -> None:
        self._meter = meter
        self._tally = tally
        self._before = 0

    def begin(self) -> None:
        """Note the register at the beginning of a poll."""
        self._tally.polls += 1
        self._before = self._register()

    def judge(self, told: Told) -> None:
        """Take what the driver tells."""
        if isinstance(told, MeterFellSilent):
            self._tally.silent += 1
        elif isinstance(told, EnergyHeard):
            self._tally.heard += 1
            gone = (self._register() - self._before) % 10**7
            self._tally.false += (told.tenths - self._before) % 10**7 > gone

    def _register(self) -> int:
        return int(self._meter.energy_kwh * 10 + 1e-6) % 10**7


async def _on_a_bad_line(polls: int, share: float, seed: int, forged: float) -> Tally:
    loop = asyncio.get_running_loop()
    dice = random.Random(seed)  # noqa: S311 - the same faults each time
    meter = SimulatedMeter(MODEL.text, energy_kwh=999_990.0, clock=loop.time)
    line = FaultyLine([meter], Faults(dice, share, forged=forged))
    tally = Tally()
    truth = Truth(meter, tally)
    driver = Meter(
        Line("a bad line", connect=line.connect), MeterAt("meter", model=MODEL), truth.judge, clock=loop.time
    )
    began = time.perf_counter()
    for poll in range(polls):
        if poll % 50 == 0:
            meter.edges()
            meter.kwh_edges()
            meter.kw = dice.uniform(0, MOST_KW)
        truth.begin()
        await driver.poll()
        await asyncio.sleep(1.0)
    tally.took_s = time.perf_counter() - began
    tally.spoilt, tally.forged = sum(line.struck.values()), line.forged
    return tally


async def _on_a_pty(polls: int) -> Tally:
    # The clock runs fast so that the register ticks while the polls go as quickly as the wire allows.
    meter = SimulatedMeter(MODEL.text, clock=lambda: 100 * time.monotonic(), quirks=Quirks(noise=0.1))
    meter.kw = MOST_KW
    tally = Tally()
    truth = Truth(meter, tally)
    began = time.perf_counter()
    async with serve_pty(meter) as port:
        line = Line(port, timeout_s=0.1, quiet_s=0.05)
        driver = Meter(line, MeterAt("meter"), truth.judge, clock=meter.clock)
        for _ in range(polls):
            truth.begin()
            await driver.poll()
        line.close()
    tally.took_s = time.perf_counter() - began
    return tally


def on_a_bad_line(polls: int = 1_000_000, share: float = 0.2, seed: int = 1, forged: float = 1 / 256) -> Tally:
    """Return what so many polls brought on virtual time.

    `share`: of frames spoilt, each way. `forged`: of the garbled ones, how many pass the CRC (in nature one in 65 536).
    """
    return run_virtual(_on_a_bad_line(polls, share, seed, forged))


def on_a_pty(polls: int = 2_000) -> Tally:
    """Return what so many polls brought through a real pseudo-terminal, a tenth of the answers garbled."""
    return asyncio.run(_on_a_pty(polls))


def rows(polls: int = 1_000_000, pty_polls: int = 2_000) -> tuple[str, str]:
    """Return both table rows."""
    return (
        on_a_bad_line(polls).row("20 % of frames spoilt"),
        on_a_pty(pty_polls).row("pseudo-terminal, 10 % of answers garbled"),
    )


def main(arguments: list[str]) -> None:
    """Print one row."""
    if arguments[:1] == ["--pty"]:
        print(on_a_pty(*map(int, arguments[1:2])).row("pseudo-terminal, 10 % of answers garbled"))
        return
    polls = int(arguments[0]) if arguments else 1_000_000
    share = float(arguments[1]) if arguments[1:] else 0.2
    print(on_a_bad_line(polls, share).row(f"{share:.0%} of frames spoilt"))


if __name__ == "__main__":
    main(sys.argv[1:])
