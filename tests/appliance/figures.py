"""Cost on the virtual Pi, beside a bare probe that is started in the same way and sees the same edge.

All times are the guest's own clock: the subscriber that sees the OFF runs inside, beside the sender.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from rules.panel import Position
from tests.appliance.appliance_house import SHED, ApplianceHouse
from tests.appliance.machine import BOOT_S, Disk, wire
from tests.appliance.shell import folder, say

if TYPE_CHECKING:
    from tests.appliance.image import Image

SETTLE_S = 0.1
MOST = 2.0
"""Times what the bare probe needs."""

_WITNESS = (
    "systemd-run --quiet --unit=witness sh -c "
    "\"exec mosquitto_sub -q 0 -F '%U %t' -t 'loadshed/+/breakers/+/set' >>/run/witness\""
)
_CLOCKS = "python3 -c 'import time; print(time.time() - time.monotonic())'"
# It opens two seconds after the command inside has ended, and is reported two seconds later: a trace of the one core
# showed that the command's `bash` and `base64` took turns with the controller in the measured time.
_QUIET = "read -rt 2 <>/run/quiet"
_OPENS_ALONE = f"""\
rm -f /run/opened; [ -p /run/quiet ] || mkfifo /run/quiet
( {_QUIET}; at=$EPOCHREALTIME; {wire(is_open=True)}
{_QUIET}; echo $at >/run/opened ) >/dev/null 2>&1 &"""
_OPENED_AT = "until [ -s /run/opened ]; do sleep 0.2; done; cat /run/opened"
_STARTED_AT = "systemctl show --value -p InactiveExitTimestampMonotonic {unit}"
# Walls take time to build, and each call into the kernel passes through them: a probe outside of them would start, and
# react, in another way than the controller. What the unit says of its program alone is left out.
_SAME_WALLS = """\
cd /etc/systemd/system && mkdir -p bare-probe.service.d && cp loadshed.service.d/* bare-probe.service.d/ &&
sed -n '/^\\[Service\\]/,/^\\[Install\\]/p' /usr/lib/systemd/system/loadshed.service |
grep -vE '^(Type|Exec|Restart|Watchdog|\\[Install)' >bare-probe.service.d/walls.conf && systemctl daemon-reload"""
_FIRST_OFF = "journalctl -b -u loadshed -o short-monotonic --no-pager | grep -m 1 'OFF sent'"


class Sender(NamedTuple):
    """Sender of OFF. `site`: in its topics."""

    unit: str
    site: str

    @property
    def base(self) -> str:
        return f"loadshed/{self.site}/breakers/"


OURS, PROBE = Sender("loadshed", "home"), Sender("bare-probe", "probe")


@dataclass(frozen=True, slots=True)
class Figure:
    """Seconds of each round, ours and the probe's."""

    what: str
    ours_s: list[float]
    probe_s: list[float]

    @property
    def ratio(self) -> float:
        return statistics.median(self.ours_s) / statistics.median(self.probe_s)

    def __str__(self) -> str:
        return f"{self.what} | {_spread(self.ours_s)} | {_spread(self.probe_s)} | {self.ratio:.2f} | <= {MOST:g}"


def _spread(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.3f} s ({min(seconds):.3f} to {max(seconds):.3f})"


async def figures(image: Image, rounds: int) -> list[Figure]:
    """Return both figures; print the duration of one cold start as well."""
    disk = Disk(image.disk, folder() / "figures.qcow2")
    async with ApplianceHouse(image, folder()) as house:
        await _boot_in_the_dark(house, disk)
        bench = Bench(house, float(await house.machine.must(_CLOCKS)))
        await house.machine.must(_WITNESS)
        await house.machine.must(_SAME_WALLS)
        starts: dict[Sender, list[float]] = {OURS: [], PROBE: []}
        edges: dict[Sender, list[float]] = {OURS: [], PROBE: []}
        for number in range(rounds):
            for sender in (OURS, PROBE):
                starts[sender].append(await bench.start(sender))
                edges[sender].append(await bench.edge(sender))
                await house.machine.must(f"systemctl stop {sender.unit}")
            say(f"round {number + 1} of {rounds}")
    return [
        Figure("unit start to first OFF", starts[OURS], starts[PROBE]),
        Figure("GPIO edge to OFF, less settle_s", [one - SETTLE_S for one in edges[OURS]], edges[PROBE]),
    ]


async def _boot_in_the_dark(house: ApplianceHouse, disk: Disk) -> None:
    machine = house.machine
    await machine.power_on(disk.begin(), contact_open=True)
    await machine.is_up()
    await house.until(lambda: house.at(Position.OFF) == set(SHED), "all is shed", BOOT_S)
    say(f"boot in the dark: {await machine.must(_FIRST_OFF)}")
    # The state before the outage is unknown: nothing is restored automatically.
    await house.contact(is_open=False)
    for circuit in SHED:
        house.flip(circuit, Position.ON)
    # On, and known to be on: for a minute after our OFF that is not taken for settled.
    await house.until(house.owes_nothing, "what is on again is no longer owed", BOOT_S)
    await machine.must("systemctl stop loadshed")


@dataclass
class Bench:
    """One sender after the other, on one house. `wall`: what the guest's wall clock is ahead of its monotonic one."""

    house: ApplianceHouse
    wall: float

    async def start(self, sender: Sender) -> float:
        """Return the seconds from a unit's start, with the contact open, to the first OFF; then give all back."""
        machine, mark = self.house.machine, self.house.mark
        await self.house.contact(is_open=True)
        await machine.must(f"systemctl start --no-block {sender.unit}")
        await self._heard(sender, mark)
        started_at = float(await machine.must(_STARTED_AT.format(unit=sender.unit))) / 1e6 + self.wall
        off_at = await self._first_off(sender, started_at)
        await self._back(sender)
        return off_at - started_at

    async def edge(self, sender: Sender) -> float:
        """Return the seconds from the edge to the first OFF; then give all back."""
        mark = self.house.mark
        await self.house.machine.must(_OPENS_ALONE)
        await self._heard(sender, mark)
        opened_at = float(await self.house.machine.must(_OPENED_AT))
        off_at = await self._first_off(sender, opened_at)
        await self._back(sender)
        return off_at - opened_at

    async def _heard(self, sender: Sender, mark: int) -> None:
        """Wait, out here, until OFF was sent: waiting inside would take the sender's time."""

        def said() -> bool:
            topics = [one.topic for one in self.house.recorder.said[mark:]]
            return any(topic.startswith(sender.base) and topic.endswith("/set") for topic in topics)

        await self.house.until(said, f"{sender.unit} has sent OFF", BOOT_S)

    async def _first_off(self, sender: Sender, since: float) -> float:
        """Return when the subscriber inside saw the first OFF since then."""
        lines = (await self.house.machine.must("cat /run/witness")).splitlines()
        seen = [float(at) for at, topic in map(str.split, lines) if topic.startswith(sender.base)]
        return min(at for at in seen if at > since)

    async def _back(self, sender: Sender) -> None:
        mark = self.house.mark
        await self.house.contact(is_open=False)
        if sender is OURS:
            await self.house.until(lambda: self.house.is_quiet(mark), "all is given back", BOOT_S)
            await self.house.until(lambda: not self.house.at(Position.OFF), "all is on", BOOT_S)
