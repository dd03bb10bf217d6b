"""The two settings of a meter that a user may change: its peak (reset) and its Modbus id.

The bytes are shown and confirmed first; the result is read back, because a confirmation alone is not sufficient.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.meter_tools.context import DONE, NOT_DONE, read_twice
from hw.meter_frame import frame_of
from hw.meter_line import FailureKind, NoResponse, Response
from hw.meter_registers import Block, joined
from hw.meter_requests import ResetPeak, SetId, set_id_forms

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from clients.meter_tools.context import MeterToolContext
    from hw.meter_line import RtuLine

LOWEST_ID, HIGHEST_ID = 1, 247
# One answer proves no single meter: two that answer together may coincide.
_PROOFS = 3


async def reset_peak(bench: MeterToolContext, line: RtuLine) -> int:
    """Reset the peak demand, and say which of its three effects were seen: confirmation, counter, lower peak."""
    before = await _peak_and_counter(bench, line)
    if before is None:
        return NOT_DONE
    peak, counter = before
    request = ResetPeak(bench.device_id)
    bench.say(f"peak demand now {peak / 100:.2f} kW, resets so far: {counter}; kWh cannot be reset and stays")
    bench.say(f"to be sent: {frame_of(request).hex(' ')}")
    if not bench.ask(f"Reset the peak of the meter with id {bench.device_id}?"):
        bench.say("nothing was sent")
        return NOT_DONE
    answer = await line.ask(request)
    after = await _peak_and_counter(bench, line)
    if after is None:
        return NOT_DONE
    return _say_effects(bench, isinstance(answer, Response), before, after)


async def _peak_and_counter(bench: MeterToolContext, line: RtuLine) -> tuple[int, int] | None:
    peak = await read_twice(line, bench.device_id, Block.PEAK)
    counter = await read_twice(line, bench.device_id, Block.RESET_COUNTER)
    for words in (peak, counter):
        if isinstance(words, NoResponse):
            bench.say(f"cannot be verified, the meter does not answer: {words.reason}")
            return None
    return joined(peak), joined(counter)  # type: ignore[arg-type]


def _say_effects(bench: MeterToolContext, confirmed: bool, before: tuple[int, int], after: tuple[int, int]) -> int:
    counted = after[1] == (before[1] + 1) % 0x10000
    lower = after[0] < before[0]
    bench.say(f"confirmation by the meter: {_seen(confirmed)}")
    bench.say(f"reset counter one higher: {_seen(counted)} ({before[1]} → {after[1]})")
    bench.say(f"peak lower: {_seen(lower)} ({before[0] / 100:.2f} → {after[0] / 100:.2f} kW)")
    done = counted or lower
    bench.say("the peak was reset" if done else "the peak was NOT reset: the meter may be without the demand option")
    return DONE if done else NOT_DONE


def _seen(yes: bool) -> str:
    return "seen" if yes else "not seen"


def set_id(new_id: int) -> Callable[[MeterToolContext, RtuLine], Awaitable[int]]:
    """Return the tool that gives the one meter at the bench's id another id."""

    async def tool(bench: MeterToolContext, line: RtuLine) -> int:
        return await _set_id(bench, line, new_id)

    return tool


async def _set_id(bench: MeterToolContext, line: RtuLine, new_id: int) -> int:
    refusal = _refused(bench, new_id) or await _not_one_meter(bench, line) or await _taken(line, new_id)
    if refusal:
        bench.say(f"refused: {refusal}")
        return NOT_DONE
    forms = set_id_forms(bench.device_id, new_id)
    bench.say("the guide contradicts itself here; to be sent, one after the other until one works:")
    for form in forms:
        bench.say(f"  {frame_of(form).hex(' ')}")
    if not bench.ask(f"Change the id of the meter from {bench.device_id} to {new_id}?"):
        bench.say("nothing was sent")
        return NOT_DONE
    for number, form in enumerate(forms, start=1):
        if await _took(bench, line, form, new_id):
            bench.say(f"done with form {number}: the meter answers at {new_id} and is silent at {bench.device_id}")
            bench.say(f"now write device_id = {new_id} into installer.toml")
            return DONE
        if not await _answers(line, bench.device_id):
            break
    bench.say(f"NOT changed, as far as can be seen: run `loadshed meter scan` before anything else on {bench.port}")
    return NOT_DONE


def _refused(bench: MeterToolContext, new_id: int) -> str | None:
    if not LOWEST_ID <= new_id <= HIGHEST_ID:
        return f"id {new_id}: use {LOWEST_ID} to {HIGHEST_ID}"
    if new_id == bench.device_id:
        return f"the meter is asked at {new_id} already"
    return None


async def _not_one_meter(bench: MeterToolContext, line: RtuLine) -> str | None:
    for _ in range(_PROOFS):
        heard = await line.read(bench.device_id, Block.UPTIME)
        if isinstance(heard, NoResponse):
            return f"not exactly one meter answers at {bench.device_id}: {heard.reason}"
    return None


async def _taken(line: RtuLine, new_id: int) -> str | None:
    for _ in range(2):
        heard = await line.read(new_id, Block.UPTIME)
        if isinstance(heard, Response) or heard.failure is not FailureKind.SILENCE:
            return f"something answers at {new_id} already"
    return None


async def _took(bench: MeterToolContext, line: RtuLine, form: SetId, new_id: int) -> bool:
    """Send one form and return whether the meter's id has changed, confirmed or not."""
    answer = await line.ask(form)
    bench.say(f"sent {frame_of(form).hex(' ')}: {_told(answer)}")
    moved = await _answers(line, new_id)
    return moved and not await _answers(line, bench.device_id)


def _told(answer: Response | NoResponse) -> str:
    if isinstance(answer, Response):
        return "confirmed by the old id"
    return f"{answer.reason}{' (' + answer.raw.hex(' ') + ')' if answer.raw else ''}"


async def _answers(line: RtuLine, device_id: int) -> bool:
    for _ in range(2):
        heard = await line.read(device_id, Block.UPTIME)
        if isinstance(heard, Response) or heard.failure is not FailureKind.SILENCE:
            return True
    return False
