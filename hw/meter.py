"""Series 1000/2000 meters on RS485: polling, plausibility, and reporting.

Fast to import: the Modbus library is imported when the first line is opened.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hw.meter_diagnostics import Finding, MeterDiagnostics, agree
from hw.meter_identity import parse_identity
from hw.meter_line import FailureKind, NoResponse, Response, RtuLine
from hw.meter_registers import ROLLS_OVER_AT, Block, MeterReading, joined, with_block
from hw.meter_requests import ReportId
from hw.models import UnknownModel
from rules.metering.register import FALL_AGREES_S, register_rise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn

    from hw.models import Model
    from hw.serial_port import Connect

    Tell = Callable[["MeterEvent"], None]

RETRIES = 2
# Maximum number of reads per poll, including refused, garbled and contradictory ones.
_READS_AT_MOST = 8
# Besides the energy, one other block is read in turn, at most this often.
_OTHERS_EVERY_S = 4.0
_OTHERS = (
    Block.PROGRAM_ID,
    Block.UPTIME,
    Block.RESET_COUNTER,
    Block.PEAK,
    Block.HARDWARE,
    Block.ENERGY_AND_ALL,
    Block.SOFTWARE,
)
# After this number of failures of the six-register read, with no failure of the two-register one between, the meter is
# taken not to support it. On a bad line that happens by chance; a refusal almost never does.
_ALL_FAILS_AT_MOST = 10
_ALL_AGAIN_S = 3600.0
_REFUSAL_WEIGHS = 4
_REOPEN_WITHIN_S = 3.0
_ANY_MODEL = UnknownModel("", ())


@dataclass(frozen=True, slots=True)
class MeterAddress:
    """A meter on the line. `poll_s`: polling interval in seconds. `model`: None if not configured."""

    name: str
    device_id: int = 1
    poll_s: float = 5.0
    model: Model | UnknownModel | None = None


@dataclass(frozen=True, slots=True)
class EnergyReading:
    """An accepted value of the energy register: `tenths` of a kWh (raw, rolls over at 10⁷), read at `at`."""

    meter: str
    at: float
    tenths: int


@dataclass(frozen=True, slots=True)
class MeterTimeout:
    """A poll without an acceptable value."""

    meter: str
    at: float
    reason: str


@dataclass(frozen=True, slots=True)
class ReadingTaken:
    """A block other than the energy was read; `reading` holds everything known so far."""

    meter: str
    at: float
    reading: MeterReading


@dataclass(frozen=True, slots=True)
class MeterFinding:
    """A finding about the meter."""

    meter: str
    noted: Finding


@dataclass(frozen=True, slots=True)
class MeterIdentity:
    """The meter was asked for its identity (0x11). `identity`: None: it did not respond to that request."""

    meter: str
    at: float
    identity: str | None


MeterEvent = EnergyReading | MeterTimeout | ReadingTaken | MeterFinding | MeterIdentity


async def run(
    port: str,
    meters: Sequence[MeterAddress],
    tell: Tell,
    *,
    clock: Callable[[], float] = time.monotonic,
    connect: Connect | None = None,
) -> NoReturn:
    """Poll the meters on one port without end and report their readings.

    `port`: a serial device, `tcp://host:port` or `tcp+modbus://host:port`. `clock`: time stamps of the reports, in
    seconds. Faults of the line are reported, never raised. A meter that does not respond costs the others one timeout
    per attempt.
    """
    line = RtuLine(port, connect=connect)
    try:
        async with asyncio.TaskGroup() as group:
            for meter in meters:
                group.create_task(_poll_for_ever(PolledMeter(line, meter, tell, clock=clock)))
    finally:
        line.close()
    raise AssertionError("unreachable: a poll loop ended")


async def _poll_for_ever(meter: PolledMeter) -> NoReturn:
    loop = asyncio.get_running_loop()
    while True:
        began = loop.time()
        port_is_open = await meter.poll()
        period_s = meter.at.poll_s if port_is_open else min(meter.at.poll_s, _REOPEN_WITHIN_S)
        await asyncio.sleep(max(0.0, began + period_s - loop.time()))


class PolledMeter:
    """One meter: reads its registers and reports plausible values.

    A garbled frame passes the CRC once in 65,536. Every value is therefore read twice and counts only if both reads
    agree; an implausible energy (beyond 110 % of the rating, or backward) is read three times. Consecutive requests
    never ask for the same number of words, so a late or repeated response never matches the next request.
    """

    def __init__(
        self, line: RtuLine, at: MeterAddress, tell: Tell, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.at = at
        self.reading = MeterReading()
        self._line = line
        self._tell = tell
        self._clock = clock
        self._watch = MeterDiagnostics()
        self._believed: tuple[float, int] | None = None
        self._fell_at: float | None = None
        self._identified = False
        self._last_words = 0
        self._all_failed = 0
        self._all_again_at = 0.0
        self._others = deque(_OTHERS)
        self._others_at = 0.0

    async def poll(self) -> bool:
        """Read the energy, and another block if it is due. Return whether the port was open."""
        believed = await self._energy()
        if isinstance(believed, NoResponse):
            self._tell(MeterTimeout(self.at.name, self._clock(), believed.reason))
            self._suspect_power_loss()
            return believed.failure is not FailureKind.PORT
        at, tenths = believed
        if self._may_be_booting(at, tenths) or not self._identified:
            await self._identify()
        self._tell(EnergyReading(self.at.name, at, tenths))
        if self._fell_at is not None:
            return True
        self._believed = believed
        self.reading = replace(self.reading, energy_tenths=tenths)
        self._found(self._watch.energy(at, tenths))
        now = asyncio.get_running_loop().time()
        if not self._has_all and now >= self._all_again_at:
            self._try_all_again()
        if now >= self._others_at:
            self._others_at = now + _OTHERS_EVERY_S
            await self._another()
        return True

    def _may_be_booting(self, at: float, tenths: int) -> bool:
        """Return whether the register fell a short time ago: meters answer 0 while they boot, in every register."""
        fell = self._believed is not None and register_rise(self._believed[1], tenths) is None
        if not fell:
            self._fell_at = None
        elif self._fell_at is None:
            self._fell_at = at
        elif at - self._fell_at >= FALL_AGREES_S:
            self._fell_at = None
            return True
        return self._fell_at is not None

    async def _identify(self) -> None:
        """Ask for the identity: it shows whether a register that fell is that of another meter."""
        identity = None
        for _ in range(1 + RETRIES):
            heard = await self._line.ask(ReportId(self.at.device_id))
            if isinstance(heard, Response):
                parsed = parse_identity(heard.raw)
                identity = parsed.key if parsed else heard.raw.hex()
                break
        self._identified = True
        self._tell(MeterIdentity(self.at.name, self._clock(), identity))

    # --- energy ------------------------------------------------------------------------------------------------------

    async def _energy(self) -> tuple[float, int] | NoResponse:
        """Return the energy on which successive reads agree, and the time of the first of them."""
        seen: list[tuple[float, int]] = []
        failures = 0
        for _ in range(_READS_AT_MOST):
            tenths = await self._energy_once()
            if isinstance(tenths, NoResponse):
                failures += 1
                seen.clear()
                if failures > RETRIES or tenths.failure is FailureKind.PORT:
                    return tenths
                continue
            failures = 0
            seen = [*(one for one in seen if one[1] == tenths), (self._clock(), tenths)]
            if len(seen) >= (2 if self._plausible(*seen[0]) else 3):
                return seen[0]
        return NoResponse(FailureKind.NOISE, "the reads of the energy register do not agree")

    async def _energy_once(self) -> int | NoResponse:
        heard = await self._read(self._energy_block())
        if isinstance(heard, NoResponse):
            return heard
        tenths = joined(heard.words[:2])
        if tenths >= ROLLS_OVER_AT:
            return NoResponse(FailureKind.NOISE, f"{tenths} tenths are more than the register can hold", heard.raw)
        return tenths

    def _plausible(self, at: float, tenths: int) -> bool:
        """Return whether this energy is plausible since the last accepted value. One tick is always plausible."""
        if self._believed is None:
            return True
        since, last = self._believed
        risen = (tenths - last) % ROLLS_OVER_AT
        limit_kw = (self.at.model or _ANY_MODEL).limit_kw
        return risen <= max(1.0, limit_kw * (at - since) / 360)

    def _energy_block(self) -> Block:
        """Return the read whose length differs from that of the last one."""
        two_last = self._last_words == Block.ENERGY.words
        return Block.ENERGY_AND_ALL if two_last and self._has_all else Block.ENERGY

    @property
    def _has_all(self) -> bool:
        """Return whether the six-register read works: some meters may support only the pairs."""
        return self._all_failed < _ALL_FAILS_AT_MOST

    async def _read(self, block: Block) -> Response | NoResponse:
        if block.words == self._last_words:
            spacer = Block.ENERGY if block.words == 1 else Block.RESET_COUNTER
            heard = await self._read_once(spacer)
            if isinstance(heard, NoResponse):
                return heard
        return await self._read_once(block)

    async def _read_once(self, block: Block) -> Response | NoResponse:
        self._last_words = block.words
        heard = await self._line.read(self.at.device_id, block)
        self._note_all(block, heard)
        return heard

    def _try_all_again(self) -> None:
        """Try the six-register read again: on a bad line it may have been disabled by chance."""
        self._all_failed = 0
        self._others.remove(Block.TO_GRID)
        self._others.append(Block.ENERGY_AND_ALL)

    def _note_all(self, block: Block, heard: Response | NoResponse) -> None:
        """Record whether the six-register read fails while the two-register one works."""
        if not self._has_all:
            return
        if block is not Block.ENERGY_AND_ALL:
            self._all_failed = 0 if isinstance(heard, NoResponse) else self._all_failed
        elif isinstance(heard, Response):
            self._all_failed = 0
        else:
            self._all_failed += _REFUSAL_WEIGHS if heard.failure is FailureKind.REFUSED else 1
        if not self._has_all:
            self._all_again_at = asyncio.get_running_loop().time() + _ALL_AGAIN_S
            self._others.remove(Block.ENERGY_AND_ALL)
            self._others.append(Block.TO_GRID)

    # --- other blocks -------------------------------------------------------------------------------------------------

    def _suspect_power_loss(self) -> None:
        """After a timeout, read the uptime and the program id first."""
        for block in (Block.PROGRAM_ID, Block.UPTIME):
            self._others.remove(block)
            self._others.appendleft(block)
        self._others_at = 0.0

    async def _another(self) -> None:
        """Read the block that is next in turn, twice; if the reads do not agree, it stays next."""
        block = self._others[0]
        first = await self._read(block)
        first_at = self._clock()
        second = await self._read(block) if isinstance(first, Response) else first
        at = self._clock()
        if isinstance(first, NoResponse) or isinstance(second, NoResponse):
            self._others.rotate(-1)
        elif _agree(block, (first_at, first.words), (at, second.words)):
            self._others.rotate(-1)
            self._believe(block, at, second.words)

    def _believe(self, block: Block, at: float, words: tuple[int, ...]) -> None:
        self._found(self._judge(block, at, words))
        self.reading = with_block(self.reading, block, words)
        self._tell(ReadingTaken(self.at.name, at, self.reading))

    def _judge(self, block: Block, at: float, words: tuple[int, ...]) -> list[Finding]:
        value = joined(words)
        match block:
            case Block.UPTIME:
                return self._watch.uptime(at, value)
            case Block.PROGRAM_ID:
                return self._watch.program_id(at, value)
            case Block.RESET_COUNTER:
                return self._watch.reset_counter(at, value)
            case Block.PEAK:
                return self._watch.peak(at, value)
            case Block.ENERGY_AND_ALL:
                return self._watch.beside_energy(at, value, joined(words[2:4]), joined(words[4:6]))
            case _:
                return []

    def _found(self, noted: list[Finding]) -> None:
        for one in noted:
            self._tell(MeterFinding(self.at.name, one))


def _agree(block: Block, first: tuple[float, tuple[int, ...]], second: tuple[float, tuple[int, ...]]) -> bool:
    """Return whether two reads of one block, each with its time, agree."""
    if block is Block.UPTIME:
        return agree((first[0], joined(first[1])), (second[0], joined(second[1])))
    return first[1] == second[1]
