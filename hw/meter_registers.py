"""Documented registers of these meters and the meaning of their words. No others are ever read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROLLS_OVER_AT = 10_000_000  # tenths of a kWh


class Block(Enum):
    """A documented read: address on the wire (number − 40001) and number of words."""

    ENERGY = (0x0000, 2)
    TO_GRID = (0x0002, 2)
    ENERGY_AND_ALL = (0x0000, 6)
    PEAK = (0x003C, 2)
    HARDWARE = (0x1389, 1)
    SOFTWARE = (0x138A, 1)
    PROGRAM_ID = (0x138B, 1)
    RESET_COUNTER = (0x138D, 1)
    UPTIME = (0x138E, 2)

    @property
    def address(self) -> int:
        return self.value[0]

    @property
    def words(self) -> int:
        return self.value[1]

    @property
    def number(self) -> int:
        """Register number printed in the maker's guide."""
        return self.address + 40001


RESET_ADDRESS, RESET_WORD = 0x01F4, 0x00AA
ID_ADDRESS = 0x1388


def joined(words: tuple[int, ...]) -> int:
    """Return the unsigned value of one or two words, the high one first."""
    return words[0] if len(words) == 1 else words[0] << 16 | words[1]


def version(word: int) -> str:
    """Return a version register as text: 0x0302 is V3.2."""
    return f"V{word >> 8}.{word & 0xFF}"


@dataclass(frozen=True, slots=True)
class MeterReading:
    """Last values read from one meter; None: not read yet, or not present in the meter.

    `energy_tenths`, `to_grid_tenths`: raw tenths of a kWh (the second is invalid on every known meter). `peak_kw`: the
    15-minute peak (40061). `at_40005_kw`: the value labeled so beside the energy, unverified. `uptime_s`: since
    power-up. `reset_counter`: number of resets of the peak.
    """

    energy_tenths: int | None = None
    to_grid_tenths: int | None = None
    at_40005_kw: float | None = None
    peak_kw: float | None = None
    uptime_s: int | None = None
    program_id: int | None = None
    reset_counter: int | None = None
    hardware: str | None = None
    software: str | None = None


_FIELDS: Mapping[Block, tuple[str, Callable[[int], object]]] = {
    Block.ENERGY: ("energy_tenths", int),
    Block.TO_GRID: ("to_grid_tenths", int),
    Block.PEAK: ("peak_kw", lambda hundredths: hundredths / 100),
    Block.UPTIME: ("uptime_s", int),
    Block.PROGRAM_ID: ("program_id", int),
    Block.RESET_COUNTER: ("reset_counter", int),
    Block.HARDWARE: ("hardware", version),
    Block.SOFTWARE: ("software", version),
}


def with_block(reading: MeterReading, block: Block, words: tuple[int, ...]) -> MeterReading:
    """Return the reading with the values of a block; the energy inside the six-register read is ignored."""
    if block is Block.ENERGY_AND_ALL:
        return replace(reading, to_grid_tenths=joined(words[2:4]), at_40005_kw=joined(words[4:6]) / 100)
    name, meaning = _FIELDS[block]
    return replace(reading, **{name: meaning(joined(words))})  # type: ignore[arg-type]
