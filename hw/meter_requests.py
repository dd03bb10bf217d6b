"""Permitted requests to a meter, and how the response to each must begin: those in the maker's guide, and no others."""

from __future__ import annotations

from dataclasses import dataclass

from hw.meter_registers import ID_ADDRESS, RESET_ADDRESS, RESET_WORD, Block


@dataclass(frozen=True, slots=True)
class Awaited:
    """Expected start and length of a response; None if only silence ends it."""

    head: bytes
    length: int | None

    @property
    def speaker(self) -> bytes:
        """Device id and function code: the first bytes of every response to such a request."""
        return self.head[:2]

    @property
    def refusal(self) -> bytes:
        return bytes((self.head[0], self.head[1] | 0x80))

    def find(self, heard: bytes) -> tuple[int, int]:
        """Return where the response, or its refusal, begins and how long it is; −1: not found yet."""
        begin, refused = heard.find(self.head), heard.find(self.refusal)
        if begin < 0 or 0 <= refused < begin:
            return refused, 5
        return begin, len(heard) - begin if self.length is None else self.length


@dataclass(frozen=True, slots=True)
class Read:
    """Read one documented block (0x03)."""

    device_id: int
    block: Block

    @property
    def awaited(self) -> Awaited:
        size = self.block.words * 2
        return Awaited(bytes((self.device_id, 0x03, size)), size + 5)


@dataclass(frozen=True, slots=True)
class ReportId:
    """Read the meter's identity (0x11)."""

    device_id: int

    @property
    def awaited(self) -> Awaited:
        return Awaited(bytes((self.device_id, 0x11)), None)


@dataclass(frozen=True, slots=True)
class ResetPeak:
    """Reset the peak (0x06); the confirmation repeats the request byte for byte."""

    device_id: int

    @property
    def awaited(self) -> Awaited:
        body = RESET_ADDRESS.to_bytes(2) + RESET_WORD.to_bytes(2)
        return Awaited(bytes((self.device_id, 0x06)) + body, 8)


@dataclass(frozen=True, slots=True)
class SetId:
    """Set the meter's id (0x10), in a given form: the guide prints an illegal one.

    `register_count`: as in the frame. `value`: the bytes after the byte count.
    """

    device_id: int
    register_count: int
    value: bytes

    @property
    def awaited(self) -> Awaited:
        body = ID_ADDRESS.to_bytes(2) + self.register_count.to_bytes(2)
        return Awaited(bytes((self.device_id, 0x10)) + body, 8)


Request = Read | ReportId | ResetPeak | SetId


def set_id_forms(device_id: int, new_id: int) -> tuple[SetId, ...]:
    """Return the forms in which a meter may accept the request, in the order to try them.

    The legal one, the printed one (two registers, two bytes), and the one that makes the printed count correct.
    """
    short, long = new_id.to_bytes(2), new_id.to_bytes(4)
    return SetId(device_id, 1, short), SetId(device_id, 2, short), SetId(device_id, 2, long)
