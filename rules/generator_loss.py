"""Detection of a generator that stopped on standby, for fuel, oil, or a defect.

No sensor reports it. All devices on its power become silent at once while the contact stays open: the transfer switch
holds its position without power. This is one event, not one alarm per device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container

    from rules.ledger_entry import CircuitEntry
    from rules.panel import CircuitId

AT_ONCE_S = 90.0
"""Time in seconds within which last wills belong to one power loss.

Brokers wait up to 1.5 times the keepalive of a device, and many devices use a keepalive of one minute.
"""

MOST_SILENT = 10
"""If at most one device in this number still responds, all are considered gone: that device may run on a battery."""


def has_lost_power(gone: int, answering: int, *, meter_answers: bool | None) -> bool:
    """Return whether a house on standby has lost its power.

    `gone`: number of devices that went offline together. `answering`: number of devices that still respond.
    `meter_answers`: None if there is no meter. A meter that responds shows that there is power: then a hub or the
    network has failed. Without a meter, one device alone is not sufficient evidence.
    """
    if meter_answers or gone < (2 if meter_answers is None else 1):
        return False
    return MOST_SILENT * answering <= gone + answering


class GeneratorLossDetector:
    """Follows the devices of a house on standby. `stopped_at`: None while there is no sign of a power loss.

    Only devices that publish availability count, and only if they reported on this standby: a late last will can date
    from the power gap before the transfer. Retained availability after a broker reconnection is not evidence: the
    broker may have published these last wills when it stopped.
    """

    def __init__(self) -> None:
        self.stopped_at: float | None = None
        self.gone = 0  # number of devices that went silent together when the power was lost
        self._opened_at: float | None = None
        self._answering: dict[CircuitId, float | None] = {}  # last known availability, with its time
        self._lived: set[CircuitId] = set()
        self._went: dict[CircuitId, float] = {}  # unavailable devices, the earliest first

    def opened(self, at: float) -> None:
        """Start detection: the house is on standby since `at`."""
        self._opened_at = at
        self._lived.clear()
        self._went.clear()

    def closed(self) -> None:
        """Stop detection: utility is back."""
        self._opened_at = self.stopped_at = None
        self._went.clear()

    def update(self, circuit: CircuitId, entry: CircuitEntry, now: float) -> None:
        """Process the availability of a device, known at `now`."""
        if entry.available:
            self._answers(circuit, entry)
        elif circuit in self._answering:
            said_now = self._answering.pop(circuit) != entry.availability_at
            if said_now and self._lives(circuit, now):
                self._falls_silent(circuit, now)

    def forget(self, device: CircuitId) -> None:
        """Forget a device: what it depends on went away, which says nothing about the generator."""
        self._answering.pop(device, None)
        self._went.pop(device, None)
        self._lived.discard(device)

    def set_circuits(self, circuits: Container[CircuitId]) -> None:
        """Drop devices that are no longer in the file: circuits, and gateways of several circuits."""
        self._answering = {one: at for one, at in self._answering.items() if one in circuits}
        self._went = {one: at for one, at in self._went.items() if one in circuits}

    def _answers(self, circuit: CircuitId, entry: CircuitEntry) -> None:
        if not entry.publishes_availability:
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

    def evaluate(self, *, meter_answers: bool | None) -> bool | None:
        """Return, once per change, that power was lost (True) or is back (False); None: no change.

        Power is back when the meter responds, or half of the devices that went silent are back.
        """
        if self._opened_at is None:
            return None
        if self.stopped_at is None:
            if not has_lost_power(len(self._went), len(self._answering), meter_answers=meter_answers):
                return None
            self.gone, self.stopped_at = len(self._went), next(iter(self._went.values()))
            return True
        if not meter_answers and 2 * len(self._went) > self.gone:
            return None
        self.stopped_at = None
        self._went.clear()
        return False
