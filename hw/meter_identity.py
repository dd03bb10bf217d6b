"""Identity that a meter reports (function 0x11). Parsed tolerantly: identification never stops metering."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hw.meter_registers import MeterReading

_NAME = re.compile(r"Leviton\s+(?P<model>[^,]+?)\s*,\s*(?P<hardware>V\d+\.\d+)\s*-\s*(?P<software>V\d+\.\d+)")
# The bytes between the last fields are not documented, so anything but a digit may occur.
_NUMBERS = re.compile(r"fn\D{0,3}(?P<program_id>\d{5})\D{0,3}(?P<counter>\d{3})(?!\d)")
_RUN = b"\xff"


@dataclass(frozen=True, slots=True)
class Identity:
    """The parts of the response that could be parsed; None: that part could not.

    `raw`: the whole frame. `counted`: it had the standard's byte count. `counter`: resets modulo 1000.
    """

    raw: bytes
    counted: bool
    text: str
    model: str | None
    hardware: str | None
    software: str | None
    program_id: int | None
    counter: int | None

    @property
    def key(self) -> str:
        """Return what distinguishes this meter from others: not the counter, which changes."""
        if self.program_id is None:
            return self.text
        return f"{self.model} {self.hardware} {self.software} {self.program_id}"


def parse_identity(raw: bytes) -> Identity | None:
    """Return the content of a 0x11 frame (CRC included); None if the fixed bytes are not in their places."""
    body = raw[:-2]
    counted = body[4:5] == _RUN and len(body) == raw[2] + 3
    if not counted and body[3:4] != _RUN:
        return None
    told = body[5:] if counted else body[4:]
    text = told.decode("latin-1")
    name, numbers = _NAME.search(text), _NUMBERS.search(text)
    return Identity(
        raw=raw,
        counted=counted,
        text="".join(char if char.isprintable() else "·" for char in text),
        model=name["model"] if name else None,
        hardware=name["hardware"] if name else None,
        software=name["software"] if name else None,
        program_id=int(numbers["program_id"]) if numbers else None,
        counter=int(numbers["counter"]) if numbers else None,
    )


def differences(identity: Identity, reading: MeterReading) -> tuple[str, ...]:
    """Return, as sentences, the differences between the response and the registers 45002 to 45006."""
    counter = None if reading.reset_counter is None else reading.reset_counter % 1000
    pairs = (
        ("hardware version", identity.hardware, "45002", reading.hardware),
        ("software version", identity.software, "45003", reading.software),
        ("program id", identity.program_id, "45004", reading.program_id),
        ("reset counter (modulo 1000)", identity.counter, "45006", counter),
    )
    return tuple(
        f"{what}: {told} by 0x11, {read} by {number}"
        for what, told, number, read in pairs
        if told is not None and read is not None and told != read
    )
