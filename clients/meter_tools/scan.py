"""Who is there? Every id asked in turn; and what is on the line, written to a file without asking anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.meter_tools.context import DONE, NOT_DONE
from clients.meter_tools.meter_write import HIGHEST_ID, LOWEST_ID
from hw.meter_line import FailureKind, Response
from hw.meter_registers import Block, joined
from hw.passive_listener import listen
from hw.serial_port import port_in_use

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from clients.meter_tools.context import MeterToolContext
    from hw.meter_line import RtuLine

# The meter answers within 0.5 s: a scan need not wait longer, and ends within three minutes.
SCAN_TIMEOUT_S = 0.6
_PROGRESS_EACH = 25


def scan(first: int = LOWEST_ID, last: int = HIGHEST_ID) -> Callable[[MeterToolContext, RtuLine], Awaitable[int]]:
    """Return the tool that asks each id once for its uptime. The bench's time-out should be `SCAN_TIMEOUT_S`."""

    async def tool(bench: MeterToolContext, line: RtuLine) -> int:
        return await _scan(bench, line, range(max(first, LOWEST_ID), min(last, HIGHEST_ID) + 1))

    return tool


async def _scan(bench: MeterToolContext, line: RtuLine, ids: range) -> int:
    found = 0
    bench.say(f"asking ids {ids.start} to {ids.stop - 1}, {bench.timeout_s:g} s each")
    for asked, device_id in enumerate(ids, start=1):
        heard = await line.read(device_id, Block.UPTIME)
        if isinstance(heard, Response):
            found += 1
            bench.say(f"id {device_id}: a meter, up for {joined(heard.words)} s")
        elif heard.failure is FailureKind.PORT:
            bench.say(f"the scan ends here: {heard.reason}")
            return NOT_DONE
        elif heard.failure is not FailureKind.SILENCE:
            found += 1
            bench.say(f"id {device_id}: something answers, but not as a meter would: {heard.reason}")
        if asked % _PROGRESS_EACH == 0:
            bench.say(f"… {asked} of {len(ids)} asked, {found} found")
    bench.say(f"{found} found" if found else "no response: try `loadshed meter doctor`")
    return DONE if found else NOT_DONE


async def record(bench: MeterToolContext, file: Path, seconds: float) -> int:
    """Write what comes on the line, unasked, to a file: one line per piece, seconds and bytes in hexadecimal."""
    refusal = port_in_use(bench.port)
    if refusal:
        bench.say(f"cannot begin: {refusal}")
        return NOT_DONE
    bench.say(f"listening for {seconds:g} s; nothing is sent")
    count = 0
    with file.open("w", encoding="ascii") as out:
        out.write("# seconds since the start, bytes in hexadecimal; 9600 baud 8N1\n")

        def hear(at_s: float, data: bytes) -> None:
            nonlocal count
            count += len(data)
            out.write(f"{at_s:.4f} {data.hex(' ')}\n")
            out.flush()

        ended = await listen(bench.port, seconds, hear)
    bench.say(f"{count} bytes written to {file}")
    if ended:
        bench.say(f"the recording ended early: {ended}")
    return NOT_DONE if ended else DONE
