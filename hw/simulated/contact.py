"""Simulated wires at GPIO lines: a contact that moves, bounces, and loses edges, over gpiozero's mock pins."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from gpiozero.pins.mock import MockFactory, MockPin

if TYPE_CHECKING:
    from collections.abc import Callable


class WirePin(MockPin):  # type: ignore[misc]
    """A mock pin whose edges carry the simulated time, and can be lost, delayed, or unreadable."""

    def __init__(self, factory: SimulatedPins, info: object) -> None:
        super().__init__(factory, info)
        self.edges_to_lose = 0
        self.held_back = False
        self.in_flight: deque[tuple[float, bool]] = deque()
        self.unreadable: str | None = None
        self.grounded = False

    def _set_pull(self, value: str) -> None:
        super()._set_pull(value)
        # The mock lets a pull-up move the wire; a wire to ground is stronger than any pull-up.
        if self.grounded:
            self.drive_low()

    def _get_state(self) -> bool:
        if self.unreadable is not None:
            raise OSError(self.unreadable)
        return bool(super()._get_state())

    def _call_when_changed(self) -> None:
        if self.edges_to_lose:
            self.edges_to_lose -= 1
            return
        self.in_flight.append((self.factory.clock(), bool(self._state)))
        if not self.held_back:
            self.arrive()

    def arrive(self) -> None:
        """Deliver the pending edges, with the times at which they occurred."""
        while self.in_flight:
            self._last_change, state = self.in_flight.popleft()
            # The mock reports the present level; an edge carries the level it led to.
            super(MockPin, self)._call_when_changed(self._last_change, state)


class SimulatedPins(MockFactory):  # type: ignore[misc]
    """A Pi's pins on a clock chosen by the test."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        super().__init__(pin_class=WirePin)


class SimulatedWire:
    """The wires at one pin: open (the pull-up wins, high) or closed to ground (low).

    Faults by name: `bounce`, `lose`, `hold_back` and `arrive`, `unreadable` and `readable`.
    """

    def __init__(self, pins: SimulatedPins, pin: int) -> None:
        self._pin: WirePin = pins.pin(pin)

    @property
    def is_open(self) -> bool:
        return bool(self._pin._state)  # noqa: SLF001 — the wire itself, whether the chip can read it or not

    def open(self) -> None:
        self._pin.grounded = False
        self._pin.drive_high()

    def close(self) -> None:
        self._pin.grounded = True
        self._pin.drive_low()

    def toggle(self) -> None:
        (self.close if self.is_open else self.open)()

    def bounce(self, edges: int, step: Callable[[], None]) -> None:
        """Move back and forth this number of times; `step` is called after each move and may advance the time."""
        for _ in range(edges):
            self.toggle()
            step()

    def lose(self, edges: int = 1) -> None:
        """Lose the next edges: the level changes and no edge is reported."""
        self._pin.edges_to_lose += edges

    def hold_back(self) -> None:
        """Keep edges in the kernel's queue, as for a stalled program, until they `arrive`."""
        self._pin.held_back = True

    def arrive(self) -> None:
        self._pin.held_back = False
        self._pin.arrive()

    def unreadable(self, reason: str = "Input/output error") -> None:
        self._pin.unreadable = reason

    def readable(self) -> None:
        self._pin.unreadable = None
