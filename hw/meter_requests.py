"""What may be asked of a meter, and how the answer to each must begin: what the maker prints, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from hw.meter_registers import ID_ADDRESS, RESET_ADDRESS, RESET_WORD, Block


@dataclass(frozen=True, slots=True)
class Awaited:
    """The answer a request may have: how it begins, and how long it is; None where only silence tells."""

    head: bytes
    length: int | None

    @property
    def speaker(self) -> bytes:
        """Id and function: with these begins whatever this device says to such a request."""
        return self.head[:2]

    @property
    def refusal(self) -> bytes:
        return bytes((self.head[0], self.head[1] | 0x80))

    def find(self, heard: bytes) -> tuple[int, int]:
        """Return where the answer, or its refusal, begins and how long it is; −1: nowhere yet."""
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
    """Ask which meter this is (0x11)."""

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
    """Give the meter another id (0x10), in a form of our choice: the guide prints an illegal one.

    `register_count`: as it stands in the frame. `value`: the bytes behind the byte count.
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
    """Return the forms in which the request may be understood, in the order in which to try them.

    The legal one, the one as printed (two registers, two bytes), and the one that makes the printed count true.
    """
    short, long = new_id.to_bytes(2), new_id.to_bytes(4)
    return SetId(device_id, 1, short), SetId(device_id, 2, short), SetId(device_id, 2, long)
