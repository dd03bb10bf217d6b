"""The meter, at the panel, with an electrician: what stands in its registers, and what it says of itself.

Each tool takes the bench it works on and returns an exit code: 0 done, 1 could not be done, with the reason said.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hw.meter_identity import Identity, differences, parse_identity
from hw.meter_line import QUIET_S, TIMEOUT_S, FailureKind, NoResponse, Response, RtuLine
from hw.meter_registers import Block, MeterReading, joined, version, with_block
from hw.meter_requests import ReportId
from hw.models import Model, UnknownModel, parse
from hw.serial_port import port_in_use

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Say = Callable[[str], None]
    Ask = Callable[[str], bool]

DONE, NOT_DONE = 0, 1
_TRIES = 3
_IDENTITY_BLOCKS = (Block.HARDWARE, Block.SOFTWARE, Block.PROGRAM_ID, Block.RESET_COUNTER)


def _never(_question: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class MeterToolContext:
    """State of a meter tool.

    `say`: prints a line. `ask`: asks a question and returns whether the answer was yes; without it, the answer is no.
    `model`: model number in the installer's file, None if there is none. `timeout_s`: for each response. `clock`:
    seconds, for measuring a load.
    """

    port: str
    say: Say
    device_id: int = 1
    ask: Ask = field(default=_never)
    model: str | None = None
    timeout_s: float = TIMEOUT_S
    quiet_s: float = QUIET_S
    clock: Callable[[], float] = time.monotonic


async def on_line(bench: MeterToolContext, tool: Callable[[MeterToolContext, RtuLine], Awaitable[int]]) -> int:
    """Run a tool on the bench's line; refused while another program, the controller for one, holds the port."""
    refusal = port_in_use(bench.port)
    if refusal:
        bench.say(f"cannot begin: {refusal}")
        return NOT_DONE
    line = RtuLine(bench.port, timeout_s=bench.timeout_s, quiet_s=bench.quiet_s)
    try:
        return await tool(bench, line)
    finally:
        line.close()


async def read_twice(line: RtuLine, device_id: int, block: Block) -> tuple[int, ...] | NoResponse:
    """Return the words on which two reads in a row agree, or why there are none after three failures.

    An uptime that advanced by a second between both reads agrees.
    """
    last: tuple[int, ...] | None = None
    failed = NoResponse(FailureKind.NOISE, "no two reads agree")
    for _ in range(2 * _TRIES):
        heard = await line.read(device_id, block)
        if isinstance(heard, Response):
            if last is not None and (heard.words == last or _goes_on(block, last, heard.words)):
                return heard.words
            last = heard.words
            continue
        last, before, failed = None, failed, heard
        if heard.failure in {FailureKind.PORT, FailureKind.REFUSED} or before.failure is FailureKind.SILENCE:
            break
    return failed


def _goes_on(block: Block, last: tuple[int, ...], now: tuple[int, ...]) -> bool:
    most_s = 3
    return block is Block.UPTIME and 0 <= joined(now) - joined(last) <= most_s


# --- read ------------------------------------------------------------------------------------------------------------


async def read(bench: MeterToolContext, line: RtuLine) -> int:
    """Show every documented register, ambiguous ones in both readings."""
    bench.say(f"{bench.port}, id {bench.device_id}")
    say_model(bench)
    bench.say(f"{'register':<9}{'what':<38}{'raw':>11}  means")
    for block in _READ_ROWS:
        answered = await _read_row(bench, line, block)
        if block is Block.ENERGY and not answered:
            bench.say("the meter did not answer: try `loadshed meter doctor`")
            return NOT_DONE
    return DONE


_READ_ROWS = (
    Block.ENERGY,
    Block.TO_GRID,
    Block.ENERGY_AND_ALL,
    Block.PEAK,
    Block.HARDWARE,
    Block.SOFTWARE,
    Block.PROGRAM_ID,
    Block.RESET_COUNTER,
    Block.UPTIME,
)


async def _read_row(bench: MeterToolContext, line: RtuLine, block: Block) -> bool:
    words = await read_twice(line, bench.device_id, block)
    if isinstance(words, NoResponse):
        number = 40005 if block is Block.ENERGY_AND_ALL else block.number
        bench.say(f"{number:<9}{_WHAT[block]:<38}{'–':>11}  {words.reason}")
        return False
    number = 40005 if block is Block.ENERGY_AND_ALL else block.number
    raw = joined(words[4:6]) if block is Block.ENERGY_AND_ALL else joined(words)
    bench.say(f"{number:<9}{_WHAT[block]:<38}{raw:>11}  {_MEANS[block](raw)}")
    return True


_WHAT = {
    Block.ENERGY: "energy from the grid",
    Block.TO_GRID: 'energy to the grid ("in the future")',
    Block.ENERGY_AND_ALL: "beside the energy, labelled peak",
    Block.PEAK: "peak demand (15 min)",
    Block.HARDWARE: "hardware version",
    Block.SOFTWARE: "software version",
    Block.PROGRAM_ID: "program id (one per serial number)",
    Block.RESET_COUNTER: "demand reset counter",
    Block.UPTIME: "time since power-up",
}

_MEANS: dict[Block, Callable[[int], str]] = {
    Block.ENERGY: lambda raw: f"{raw / 10:.1f} kWh",
    Block.TO_GRID: lambda raw: f"{raw / 10:.1f} kWh if it is supported at all; equal to 40001 it is bogus",
    Block.ENERGY_AND_ALL: lambda raw: f"{raw / 100:.2f} kW: the peak as labelled, or the present 5-minute demand",
    Block.PEAK: lambda raw: f"{raw / 100:.2f} kW (the guide says kWh; 0 for ever: no demand option)",
    Block.HARDWARE: version,
    Block.SOFTWARE: version,
    Block.PROGRAM_ID: str,
    Block.RESET_COUNTER: lambda raw: f"resets of the peak so far: {raw}",
    Block.UPTIME: lambda raw: f"{raw // 86400} d {raw // 3600 % 24:02}:{raw // 60 % 60:02}:{raw % 60:02}",
}


def say_model(bench: MeterToolContext, text: str | None = None) -> Model | None:
    """Print the meaning of a model number, or why it has none; return it if it is valid."""
    number = text or bench.model
    if number is None:
        return None
    model = parse(number)
    if isinstance(model, UnknownModel):
        bench.say(f"model {number}: not understood: {'; '.join(model.reasons)}. Metering goes on.")
        return None
    rated = "rating on the CTs' label" if model.rated_kw is None else f"{model.rated_kw:.1f} kW at most"
    bench.say(f"model {number}: {model.service}, CTs {model.ct_amps or 'special'} A, {rated}; {model.link.value}")
    for note in model.notes:
        bench.say(f"  note: {note}")
    return model


# --- identify --------------------------------------------------------------------------------------------------------


async def identify(bench: MeterToolContext, line: RtuLine) -> int:
    """Read the meter's identity and compare it with its registers; show the raw bytes if it makes no sense."""
    identity = await ask_identity(bench, line)
    reading = await _read_identity(bench, line)
    if identity is None:
        bench.say("by its registers:" if reading != MeterReading() else "and its registers do not answer either")
    else:
        _say_identity(bench, identity)
    for what, value in _identity_lines(reading):
        bench.say(f"  {what}: {value}")
    found = differences(identity, reading) if identity else ()
    for difference in found:
        bench.say(f"DIFFERENT: {difference}")
    if identity and not found and reading != MeterReading():
        bench.say("the answer and the registers agree")
    return DONE if identity and not found else NOT_DONE


async def ask_identity(bench: MeterToolContext, line: RtuLine) -> Identity | None:
    """Return what the meter says of itself, saying the raw bytes where that cannot be made out."""
    heard: Response | NoResponse = NoResponse(FailureKind.SILENCE, "not asked")
    for _ in range(_TRIES):
        heard = await line.ask(ReportId(bench.device_id))
        if isinstance(heard, Response):
            break
    identity = parse_identity(heard.raw) if isinstance(heard, Response) else None
    if identity is None:
        reason = heard.reason if isinstance(heard, NoResponse) else "the answer is built in no way we know"
        bench.say(f"0x11 (who are you?): {reason}")
    if heard.raw and (identity is None or identity.model is None):
        bench.say(f"  raw: {heard.raw.hex(' ')}")
    return identity


async def _read_identity(bench: MeterToolContext, line: RtuLine) -> MeterReading:
    reading = MeterReading()
    for block in _IDENTITY_BLOCKS:
        words = await read_twice(line, bench.device_id, block)
        if isinstance(words, tuple):
            reading = with_block(reading, block, words)
    return reading


def _say_identity(bench: MeterToolContext, identity: Identity) -> None:
    form = "with the standard's byte count" if identity.counted else "without a byte count, as the guide prints it"
    bench.say(f"the meter says ({form}): {identity.text}")
    if identity.model:
        say_model(bench, identity.model)
        if bench.model and bench.model.upper() != identity.model.upper():
            bench.say(f"NOTE: the installer's file says {bench.model}")


def _identity_lines(reading: MeterReading) -> list[tuple[str, object]]:
    lines = (
        ("hardware", reading.hardware),
        ("software", reading.software),
        ("program id", reading.program_id),
        ("peak resets", reading.reset_counter),
    )
    return [(what, value) for what, value in lines if value is not None]
