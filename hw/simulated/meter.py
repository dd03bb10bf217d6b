"""Simulated Series 1000/2000 meter: bit-exact Modbus RTU and pulse edges, with every known quirk.

Independent of the driver and of its Modbus library on purpose: each checks the other.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from hw.simulated import meter_frames as rtu
from hw.simulated.meter_energy import (
    DEMAND_WINDOW_S,
    PEAK_WINDOW_S,
    WH_PER_KW_S,
    Energy,
    PeakDemand,
    SimulatedPulseOutput,
)

if TYPE_CHECKING:
    from collections.abc import Callable

TENTHS_ROLL_OVER_AT = 10_000_000
HALF_CYCLE_WH = 5.0
KWH_HALF_CYCLE_WH = 500.0

_RESET_AT, _RESET_WORD = 0x01F4, 0x00AA
_ID_AT = 0x1388


@dataclass(frozen=True, slots=True)
class MeterFaults:
    """Behavior of this meter where the maker's guide is silent, wrong, or contradictory.

    `report_id`: how it answers 0x11. `set_id`: the one form of 0x10 it accepts (`printed`: two registers, two bytes).
    `set_id_answer`: which id confirms it. `refresh_s`: the registers stand still in between; 0: never. `delay_s`:
    before each response. `noise`: share of its responses that arrive garbled. `unasked_s`: interval of a meter made
    before 26 Feb 2011, which sends unrequested and never responds. `boot_s`: silence after power-up. `zero_s`: time
    after it in which every register reads 0.
    """

    report_id: Literal["counted", "uncounted", "silent"] = "counted"
    set_id: Literal["legal", "printed", "doubled", "refused"] = "legal"
    set_id_answer: Literal["old", "new", "none"] = "old"
    to_grid: Literal["zero", "equal", "refused"] = "zero"
    at_40005: Literal["peak", "present"] = "peak"
    demand_option: bool = True
    reset_obeyed: bool = True
    refresh_s: float = 0.0
    delay_s: float = 0.0
    noise: float = 0.0
    echo: bool = False
    silent: bool = False
    unasked_s: float | None = None
    boot_s: float = 0.0
    zero_s: float = 0.0


class SimulatedMeter:
    """One meter: input is a load (`kw`), output are frames and pulse edges.

    `clock`: seconds; may run faster than real time. `energy_kwh`: start of the register. `program_id`: unique per
    serial number, 0 to 65535. Versions as in the register: 0x0302 is V3.2.
    """

    def __init__(
        self,
        model: str = "2N208-021",
        device_id: int = 1,
        energy_kwh: float = 0.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        quirks: MeterFaults | None = None,
        program_id: int = 45678,
        seed: int = 0,
    ) -> None:
        self.model = model
        self.device_id = device_id
        self.quirks = quirks or MeterFaults()
        self.program_id = program_id
        self.hardware_version = self.software_version = 0x0302
        self.reset_counter = 1
        self.powered = True
        self.clock = clock
        self.on_load_change: Callable[[], None] = _nothing
        self._random = random.Random(seed)  # noqa: S311 - noise on a wire, no secret
        self._wanted_kw = 0.0
        self._powered_at = now = clock()
        self._energy = Energy(energy_kwh * 1000, now)
        self._pulses = SimulatedPulseOutput(self._energy, HALF_CYCLE_WH, now)
        self._kwh_pulses = SimulatedPulseOutput(self._energy, KWH_HALF_CYCLE_WH, now)
        self._peak = PeakDemand(self._energy, now)

    # --- load ---------------------------------------------------------------------------------------------------------

    @property
    def kw(self) -> float:
        """The present load in kW; set it to change it from now on."""
        return self._energy.kw

    @kw.setter
    def kw(self, kw: float) -> None:
        self._wanted_kw = kw
        self._flow(kw if self.powered else 0.0)

    @property
    def energy_kwh(self) -> float:
        """The energy counted so far, finer than the register shows it."""
        return self._energy.wh_at(self.clock()) / 1000

    def lose_power(self) -> None:
        """Remove the meter's own supply: it becomes silent, and no energy flows through a panel without power."""
        self._flow(0.0)
        self.powered = False

    def regain_power(self) -> None:
        """Restore its supply: the uptime restarts, the energy stays."""
        self.powered, self._powered_at = True, self.clock()
        self._flow(self._wanted_kw)

    def turn_reset_key(self) -> None:
        """Reset the peak with the key switch on the meter's front."""
        self._reset_peak(self.clock())

    def _flow(self, kw: float) -> None:
        now = self.clock()
        self._peak.look(now)
        self._energy.change_load(kw, now)
        pulses_at = min(self._pulses.remembers_from, self._kwh_pulses.remembers_from)
        self._energy.forget_before(min(now - PEAK_WINDOW_S, pulses_at))
        self.on_load_change()

    # --- pulses -------------------------------------------------------------------------------------------------------

    def edges(self, until: float | None = None) -> list[float]:
        """Return the time of each edge of the 10 Wh output (one every 5 Wh) since the last call, up to `until`."""
        return self._pulses.edges(self.clock() if until is None else until)

    def kwh_edges(self, until: float | None = None) -> list[float]:
        """Return the same for the 1 kWh output (an edge every 500 Wh)."""
        return self._kwh_pulses.edges(self.clock() if until is None else until)

    def next_edge(self) -> float | None:
        """Return when the next 10 Wh edge occurs if the load stays; None without load."""
        return self._pulses.next_edge()

    @property
    def pulse_closed(self) -> bool:
        """The level of the 10 Wh output after the last collected edge."""
        return self._pulses.closed

    # --- Modbus -------------------------------------------------------------------------------------------------------

    def answer(self, frame: bytes, now: float | None = None) -> bytes | None:
        """Return the meter's response to a frame; None: no response (not for it, not understood, or mute)."""
        now = self.clock() if now is None else now
        if self._is_mute(now) or not rtu.is_sealed(frame) or frame[0] != self.device_id:
            return None
        answer = self._obey(frame[1], frame[2:-2], now)
        if answer and self._random.random() < self.quirks.noise:
            return self._garbled(answer)
        return answer

    def unasked(self) -> bytes:
        """Return what a meter made before 26 Feb 2011 might send unrequested: undocumented bytes."""
        return self._random.randbytes(24)

    def _is_mute(self, now: float) -> bool:
        quirks = self.quirks
        booting = now - self._powered_at < quirks.boot_s
        return not self.powered or booting or quirks.silent or quirks.unasked_s is not None

    def _garbled(self, frame: bytes) -> bytes:
        broken = bytearray(frame)
        broken[self._random.randrange(len(broken))] ^= self._random.randrange(1, 256)
        return bytes(broken)

    def _obey(self, function: int, body: bytes, now: float) -> bytes | None:
        if function == rtu.READ and len(body) == 4:  # address, count
            return self._read(int.from_bytes(body[:2]), int.from_bytes(body[2:]), now)
        if function == rtu.WRITE_ONE and len(body) == 4:  # address, value
            return self._write_one(body, now)
        if function == rtu.WRITE_MANY:
            return self._set_id(body)
        if function == rtu.REPORT_ID and not body:
            return self._report_id()
        return rtu.refusal(self.device_id, function, rtu.ILLEGAL_FUNCTION)

    def _read(self, address: int, count: int, now: float) -> bytes:
        words = self._registers(now)
        wanted = range(address, address + count)
        if not count or any(word not in words for word in wanted):
            return rtu.refusal(self.device_id, rtu.READ, rtu.ILLEGAL_ADDRESS)
        data = b"".join(words[word].to_bytes(2) for word in wanted)
        return rtu.sealed(bytes((self.device_id, rtu.READ, len(data))) + data)

    def _registers(self, now: float) -> dict[int, int]:
        """Return every documented register by its address on the wire."""
        shown_at = now - now % self.quirks.refresh_s if self.quirks.refresh_s else now
        tenths = int(self._energy.wh_at(shown_at) / 100 + 1e-6) % TENTHS_ROLL_OVER_AT
        self._peak.look(now)
        peak = round(self._peak.kw * 100) if self.quirks.demand_option else 0
        at_40005 = peak if self.quirks.at_40005 == "peak" else self._demand_hundredths(shown_at)
        words = _pair(0x0000, tenths) | _pair(0x003C, peak) | _pair(0x0004, at_40005)
        if self.quirks.to_grid != "refused":
            words |= _pair(0x0002, tenths if self.quirks.to_grid == "equal" else 0)
        words |= {_ID_AT: self.device_id, 0x1389: self.hardware_version, 0x138A: self.software_version}
        words |= {0x138B: self.program_id, 0x138D: self.reset_counter}
        words |= _pair(0x138E, int(now - self._powered_at))
        if 0.0 <= now - self._powered_at - self.quirks.boot_s < self.quirks.zero_s:
            return dict.fromkeys(words, 0)
        return words

    def _demand_hundredths(self, now: float) -> int:
        gone_wh = self._energy.wh_at(now) - self._energy.wh_at(now - DEMAND_WINDOW_S)
        return round(gone_wh / (DEMAND_WINDOW_S * WH_PER_KW_S) * 100) if self.quirks.demand_option else 0

    def _write_one(self, body: bytes, now: float) -> bytes:
        address, value = int.from_bytes(body[:2]), int.from_bytes(body[2:])
        if address != _RESET_AT:
            return rtu.refusal(self.device_id, rtu.WRITE_ONE, rtu.ILLEGAL_ADDRESS)
        if value != _RESET_WORD:
            return rtu.refusal(self.device_id, rtu.WRITE_ONE, rtu.ILLEGAL_VALUE)
        if self.quirks.reset_obeyed:
            self._reset_peak(now)
        return rtu.sealed(bytes((self.device_id, rtu.WRITE_ONE)) + body)

    def _reset_peak(self, now: float) -> None:
        self._peak = PeakDemand(self._energy, now)
        self.reset_counter = (self.reset_counter + 1) % 0x10000

    def _set_id(self, body: bytes) -> bytes | None:
        """Accept the one form of the request that this meter understands; others are not answered."""
        head = {"legal": "1388000102", "printed": "1388000202", "doubled": "1388000204", "refused": ""}
        accepted = bytes.fromhex(head[self.quirks.set_id])
        if not accepted or body[:5] != accepted or len(body) != 5 + accepted[4]:
            return None
        old, new = self.device_id, int.from_bytes(body[5:])
        if not 1 <= new <= 247:  # the range of the standard
            return rtu.refusal(old, rtu.WRITE_MANY, rtu.ILLEGAL_VALUE)
        self.device_id = new
        speaker = {"old": old, "new": new, "none": None}[self.quirks.set_id_answer]
        return None if speaker is None else rtu.sealed(bytes((speaker, rtu.WRITE_MANY)) + body[:4])

    def _report_id(self) -> bytes | None:
        hardware, software = _version(self.hardware_version), _version(self.software_version)
        text = f"Leviton {self.model}, {hardware}-{software},fn{self.program_id:05}{self.reset_counter % 1000:03}"
        told = b"\x31\xff" + text.encode("ascii")
        if self.quirks.report_id == "silent":
            return None
        count = bytes((len(told),)) if self.quirks.report_id == "counted" else b""
        return rtu.sealed(bytes((self.device_id, rtu.REPORT_ID)) + count + told)


def _pair(address: int, value: int) -> dict[int, int]:
    return {address: value >> 16, address + 1: value & 0xFFFF}


def _version(word: int) -> str:
    return f"V{word >> 8}.{word & 0xFF}"


def _nothing() -> None:
    pass
