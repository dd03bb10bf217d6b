"""A line between a driver and simulated meters that loses, garbles, delays and repeats frames, by named faults.

In memory, on the event loop's own time: with a virtual-time loop a million polls take minutes.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, cast

from hw.simulated.meter_frames import sealed
from hw.simulated.meter_server import SimulatedRtuBus

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from hw.simulated.meter import SimulatedMeter

# One character at 9600 baud, 8N1.
_CHARACTER_S = 10 / 9600


class Fault(Enum):
    """Faults of one frame on the line."""

    GARBLE = "garble"  # some bits change; see `LineFaults.forged` for those that still pass the CRC
    NOISE = "noise"  # bytes of noise before, within or behind
    DELAY = "delay"  # late, possibly later than the reader's timeout
    CUT = "cut"  # the end is missing; or the beginning, as when a meter powers up in the middle of a frame
    DROP = "drop"  # all of it is missing
    REPEAT = "repeat"  # arrives twice, the second time a little or much later
    ECHO = "echo"  # the request is echoed
    REORDER = "reorder"  # held back until the next frame has passed


@dataclass
class LineFaults:
    """Probabilities of the faults. `share`: of all frames, 0 to 1. `longest_delay_s`: of a late or repeated frame.

    `forged`: share of garbled frames whose CRC is still correct. In reality one in 65,536; here more, so that a run of
    minutes meets what a house meets in centuries.
    """

    random: random.Random
    share: float = 0.0
    forged: float = 1 / 256
    kinds: Sequence[Fault] = tuple(Fault)
    longest_delay_s: float = 2.5

    def strikes(self) -> Fault | None:
        """Return the fault of the next frame; None: none."""
        return self.random.choice(self.kinds) if self.random.random() < self.share else None


class FaultyLine(asyncio.Transport):
    """The transport of a driver, with meters at its other end.

    `cut_cable` and `join_cable` pull the plug and put it back.
    """

    def __init__(self, meters: Sequence[SimulatedMeter], faults: LineFaults) -> None:
        super().__init__()
        self.struck: dict[Fault, int] = dict.fromkeys(Fault, 0)
        self.forged = 0
        self.opened = 0
        self._faults = faults
        self._bus = SimulatedRtuBus(meters, self._from_meter)
        self._protocol: asyncio.Protocol | None = None
        self._plugged = True
        self._held: list[bytes] = []

    async def connect(
        self, protocol: Callable[[], asyncio.BaseProtocol], /
    ) -> tuple[asyncio.BaseTransport, asyncio.BaseProtocol]:
        """Attach a driver's protocol to this line. Raises OSError while the cable is pulled."""
        if not self._plugged:
            raise ConnectionRefusedError("the cable is pulled")
        made = protocol()
        self._protocol = cast("asyncio.Protocol", made)  # the library's class has all the methods, not the name
        self.opened += 1
        made.connection_made(self)
        return self, made

    def cut_cable(self) -> None:
        """Pull the plug: the driver is notified, as by a USB adapter."""
        self._plugged = False
        self._held.clear()
        protocol, self._protocol = self._protocol, None
        if protocol:
            protocol.connection_lost(OSError("the adapter is gone"))

    def join_cable(self) -> None:
        """Put the plug back; the driver must open the line again."""
        self._plugged = True

    def babble(self, data: bytes) -> None:
        """Deliver bytes to the driver that no meter sent, now."""
        self._deliver(data)

    # --- driver side --------------------------------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        request = bytes(data)
        fault = self._strike()
        if fault is Fault.ECHO:
            self._later(0.001, request)
        for piece, after_s in self._bent(request, fault):
            asyncio.get_running_loop().call_later(after_s + len(piece) * _CHARACTER_S, self._hear, piece)

    def close(self) -> None:
        self._protocol = None

    def is_closing(self) -> bool:
        return self._protocol is None

    # --- meter side ---------------------------------------------------------------------------------------------------

    def _hear(self, request: bytes) -> None:
        if self._plugged:
            self._bus.hear(request)

    def _from_meter(self, frame: bytes) -> None:
        fault = self._strike()
        for piece, after_s in self._bent(frame, fault):
            self._later(after_s + len(piece) * _CHARACTER_S, piece)
        if fault is Fault.REORDER:
            self._held.append(frame)
            return
        for held in self._held:
            self._later((len(frame) + len(held)) * _CHARACTER_S, held)
        self._held.clear()

    def _strike(self) -> Fault | None:
        fault = self._faults.strikes()
        if fault:
            self.struck[fault] += 1
        return fault

    def _later(self, after_s: float, data: bytes) -> None:
        asyncio.get_running_loop().call_later(after_s, self._deliver, data)

    def _deliver(self, data: bytes) -> None:
        if self._protocol and data:
            self._protocol.data_received(data)

    # --- faults -------------------------------------------------------------------------------------------------------

    def _bent(self, frame: bytes, fault: Fault | None) -> list[tuple[bytes, float]]:
        """Return the pieces of a frame, each with the seconds until it arrives."""
        random = self._faults.random
        late_s = random.uniform(0.0, self._faults.longest_delay_s)
        where = random.randrange(len(frame))
        match fault:
            case Fault.GARBLE:
                pieces = [(self._garbled(frame), 0.0)]
            case Fault.NOISE:
                pieces = [(frame[:where] + random.randbytes(random.randint(1, 6)) + frame[where:], 0.0)]
            case Fault.DELAY:
                pieces = [(frame, late_s)]
            case Fault.CUT:
                pieces = [(random.choice((frame[:where], frame[where:])), 0.0)]
            case Fault.REPEAT:
                pieces = [(frame, 0.0), (frame, random.choice((0.001, 0.006, 0.02, late_s)))]
            case Fault.DROP | Fault.REORDER:
                pieces = []
            case _:
                pieces = [(frame, 0.0)]
        return pieces

    def _garbled(self, frame: bytes) -> bytes:
        random = self._faults.random
        if random.random() < self._faults.forged:
            self.forged += 1
            return self._forged(frame)
        bent = bytearray(frame)
        for _ in range(random.randint(1, 4)):
            bent[random.randrange(len(bent))] ^= random.randrange(1, 256)
        return bytes(bent)

    def _forged(self, frame: bytes) -> bytes:
        """Change the words of a response, mostly a little, and seal it again: the frame does not show the fault."""
        if len(frame) <= 5:  # nothing between head and CRC
            return frame
        random = self._faults.random
        bent = bytearray(frame[:-2])
        where = random.choice((len(bent) - 1, random.randrange(3, len(bent))))
        bent[where] ^= random.choice((1, 2, 3, random.randrange(1, 256)))
        return sealed(bytes(bent))
