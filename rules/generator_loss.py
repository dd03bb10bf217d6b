"""Standby without power: the generator has stopped under load, for fuel, for oil, or for good.

No sensor says so. What is seen is that everything that lives on its power falls silent at once, while the contact
stays open: the switch holds its position without power. It is one event, not an alarm for each device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container

    from rules.ledger_entry import Entry
    from rules.panel import CircuitId

AT_ONCE_S = 90.0
"""Devices whose last wills come within so long of each other went together: brokers wait for up to half as long again
as the device's keepalive, which is a minute on many."""

MOST_SILENT = 10
"""Where at most one device in so many still answers, all of them are gone: one may hang on a battery."""


def has_stopped(gone: int, answering: int, *, meter_answers: bool | None) -> bool:
    """Tell whether a house on standby has lost its power.

    `gone`: devices that fell silent together; `answering`: those that still answer. `meter_answers`: None where there
    is no meter. A meter that answers is proof of power: then a hub or the network is gone. Without a meter one device
    alone proves nothing.
    """
    if meter_answers or gone < (2 if meter_answers is None else 1):
        return False
    return MOST_SILENT * answering <= gone + answering


class Generator:
    """Follows the devices of a house on standby. `stopped_at`: None while there is no sign that it has stopped.

    Only devices that write their availability are evidence, and only those that lived on this standby: a last will
    that comes late tells of the dark before the transfer. What a broker that comes back remembers of them is none: it
    may have said their last wills as it went.
    """

    def __init__(self) -> None:
        self.stopped_at: float | None = None
        self.gone = 0  # devices that fell silent together, when it stopped
        self._opened_at: float | None = None
        self._answering: dict[CircuitId, float | None] = {}  # and when their availability was last said
        self._lived: set[CircuitId] = set()
        self._went: dict[CircuitId, float] = {}  # and not back; the earliest first

    def opened(self, at: float) -> None:
        """Begin to watch: the house is on standby since `at`."""
        self._opened_at = at
        self._lived.clear()
        self._went.clear()

    def closed(self) -> None:
        """Watch no more: utility is back."""
        self._opened_at = self.stopped_at = None
        self._went.clear()

    def device(self, circuit: CircuitId, entry: Entry, now: float) -> None:
        """Take what is known of a device by `now`."""
        if entry.available:
            self._answers(circuit, entry)
        elif circuit in self._answering:
            said_now = self._answering.pop(circuit) != entry.availability_at
            if said_now and self._lives(circuit, now):
                self._falls_silent(circuit, now)

    def follow(self, circuits: Container[CircuitId]) -> None:
        """Forget circuits that are no longer in the file."""
        self._answering = {one: at for one, at in self._answering.items() if one in circuits}
        self._went = {one: at for one, at in self._went.items() if one in circuits}

    def _answers(self, circuit: CircuitId, entry: Entry) -> None:
        if not entry.writes_availability:
            return
        self._answering[circuit] = entry.availability_at
        self._went.pop(circuit, None)
        spoke_at = max(entry.reported_at or 0.0, entry.availability_at or 0.0)
        if self._opened_at is not None and spoke_at >= self._opened_at:
            self._lived.add(circuit)

    def _lives(self, circuit: CircuitId, now: float) -> bool:
        return self._opened_at is not None and (circuit in self._lived or now >= self._opened_at + AT_ONCE_S)

    def _falls_silent(self, circuit: CircuitId, now: float) -> None:
        while self.stopped_at is None and next(iter(self._went.values()), now) < now - AT_ONCE_S:
            del self._went[next(iter(self._went))]
        self._went[circuit] = now

    def judge(self, *, meter_answers: bool | None) -> bool | None:
        """Return, once each time, that it has stopped (True) or runs again (False); None: nothing new.

        It runs again when the meter answers, or half of the devices that went are back.
        """
        if self._opened_at is None:
            return None
        if self.stopped_at is None:
            if not has_stopped(len(self._went), len(self._answering), meter_answers=meter_answers):
                return None
            self.gone, self.stopped_at = len(self._went), next(iter(self._went.values()))
            return True
        if not meter_answers and 2 * len(self._went) > self.gone:
            return None
        self.stopped_at = None
        self._went.clear()
        return False
