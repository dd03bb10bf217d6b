"""`loadshed` on a Pi whose pins are simulated. SIGUSR1 opens the contact's wire, with three bounces; SIGUSR2 closes it.

SIGWINCH lets it chatter.
"""

from __future__ import annotations

import signal
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from clients.cli import main
from hw import gpio
from hw.simulated.contact import SimulatedPins, SimulatedWire

if TYPE_CHECKING:
    from collections.abc import Iterator

PIN = 17
BOUNCE_S = 0.001


class Clock:
    """The world's seconds; a bounce takes its own, to the millisecond, however busy the machine is."""

    def __init__(self) -> None:
        self._more_s = 0.0
        self._stands_at: float | None = None

    def __call__(self) -> float:
        return (time.monotonic() if self._stands_at is None else self._stands_at) + self._more_s

    def step(self) -> None:
        self._more_s += BOUNCE_S

    @contextmanager
    def standing(self) -> Iterator[None]:
        """Let no time go by but by `step`."""
        self._stands_at = time.monotonic()
        try:
            yield
        finally:
            self._stands_at = None


def on_simulated_pins() -> int:
    """Run one command; return its exit code."""
    clock = Clock()
    pins = SimulatedPins(clock)
    gpio.set_pin_factory(pins)
    wire = SimulatedWire(pins, PIN)
    wire.close()

    def opens(*_: object) -> None:
        with clock.standing():
            wire.open()
            clock.step()
            wire.bounce(6, clock.step)

    signal.signal(signal.SIGUSR1, opens)
    signal.signal(signal.SIGUSR2, lambda *_: wire.close())
    signal.signal(signal.SIGWINCH, lambda *_: wire.bounce(100, clock.step))
    return main()


if __name__ == "__main__":
    sys.exit(on_simulated_pins())
