"""The meter's step of setup: found on its port and its id, also where the machine stands still at the wrong moment."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from hw.meter_line import Response, RtuLine
from hw.meter_registers import Block
from hw.simulated.meter import SimulatedMeter
from hw.simulated.meter_server import serve_pty
from tests.clients.setup.setup_house import configured
from tests.clients.setup.setup_typist import Typist, typist
from tests.mosquitto import Mosquitto

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """Run a broker."""
    with Mosquitto(tmp_path) as running:
        yield running


def test_a_meter_at_an_unusual_id_is_found_and_can_be_left_out_again(tmp_path: Path, broker: Mosquitto) -> None:
    """The usual ids first, then every one; its comments and the rest of the file stay."""
    words = configured(tmp_path, broker)

    async def story() -> None:
        async with serve_pty(SimulatedMeter("2N208-021", 5, 1.0)) as port, typist("setup", "meter", *words) as person:
            await person.answers(("Is there a meter?", "y"), ("look on every port)", port))
            await person.reads("no meter answers at the ids that were asked.")
            await person.answers(("Ask every id from 1 to 247?", "y"))
            await person.reads("a meter answers at id 5.")
            await person.answers(("Its model", "2X999"), ("10 Wh", "17"), ("1 kWh", ""), ("type its word", ""))
            await person.reads("use another pin: [contact] pin has this one")
            assert await person.ended() == 1

    asyncio.run(story())
    path = tmp_path / "config" / "installer.toml"
    assert "[meter]" not in path.read_text("utf-8")
    with path.open("a", encoding="utf-8") as file:
        file.write('[meter]\nport = "/dev/ttyUSB0"\n')
    program = [sys.executable, "-m", "clients", "setup", "meter", *words]
    ran = subprocess.run(program, input="n\n", capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0
    assert "[meter]" not in path.read_text("utf-8")


class MeterBehindAStall(SimulatedMeter):
    """A meter whose first answer comes to a reader that stands still, for longer than it waits."""

    person: Typist | None = None
    asked = 0

    def answer(self, frame: bytes, now: float | None = None) -> bytes | None:
        if frame[0] == self.device_id:
            self.asked += 1
        if self.asked != 1 or self.person is None:
            return super().answer(frame, now)
        self.person.send(signal.SIGSTOP)
        asyncio.get_running_loop().call_later(1.5, self.person.send, signal.SIGCONT)
        return None


def test_a_meter_is_found_though_the_machine_stood_still_as_it_answered(tmp_path: Path, broker: Mosquitto) -> None:
    """A response could not have been received in this silence: the meter is asked again."""
    words = configured(tmp_path, broker)

    async def story() -> None:
        meter = MeterBehindAStall("2N208-021", 2, 1.0)
        async with serve_pty(meter) as port, typist("setup", "meter", *words) as person:
            meter.person = person
            await person.answers(("Is there a meter?", "y"), ("look on every port)", port))
            await person.reads("a meter answers at id 2.")
        assert meter.asked >= 2

    asyncio.run(story())


def test_a_port_that_cannot_be_had_is_not_taken_for_a_silent_meter(tmp_path: Path, broker: Mosquitto) -> None:
    """It says who may have it, and asks no id."""
    words = configured(tmp_path, broker)

    async def story() -> None:
        async with serve_pty(SimulatedMeter()) as port, typist("setup", "meter", *words) as person:
            holder = RtuLine(port)
            assert isinstance(await holder.read(1, Block.ENERGY), Response)
            await person.answers(("Is there a meter?", "y"), ("look on every port)", port))
            await person.reads("is in use by another program")
            await person.answers(("Ask every id from 1 to 247?", "n"))
            assert await person.ended() == 1
            assert "no meter answers" not in person.screen
            holder.close()

    asyncio.run(story())
