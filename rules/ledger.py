"""Ledger: what each circuit was before, what is owed, and which command was sent last. It survives crashes and outages.

Device reports are evaluated in `device_reports.py`; the results are kept here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.boot_time import BootTime
from rules.controllability import commandable, sheddable
from rules.ledger_entry import CircuitEntry, Hold, LastSwitch, PendingRequest, ShedCause, ShedRecord, from_row, to_row
from rules.panel import Position, Wakes
from rules.restore import LATE_ON_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from rules.json_types import Json
    from rules.panel import Circuit, CircuitId, Panel

BY_CONTROLLER = "the controller"
BY_HAND = "a user or the device"


class Ledger:
    """State of all circuits. Only a device report, a user or a changed file ends a shed record.

    `boot`: the boot ID. `at`: monotonic seconds of this start. `changed` collects the circuits whose saved part
    changed, until the engine has written them to disk.
    """

    def __init__(self, panel: Panel, boot: str, at: float, *, rebooted: bool = False) -> None:
        self._boot = boot
        self._entries: dict[CircuitId, CircuitEntry] = {
            circuit.id: CircuitEntry(device=circuit.device) for circuit in panel
        }
        self.started = at
        self.rebooted = rebooted  # the machine has booted since the disk was last written
        self.outage: int | None = None  # the open outage
        self.before: Mapping[CircuitId, Position] = {}  # position of each circuit when the outage began
        self.owed_circuits: set[CircuitId] = set()  # circuits with a shed record
        self.changed: set[CircuitId] = set()
        self.closed_records: list[
            tuple[CircuitId, ShedRecord]
        ] = []  # shed records that have ended, until the engine has logged how

    def __getitem__(self, circuit: CircuitId) -> CircuitEntry:
        return self._entries[circuit]

    def __iter__(self) -> Iterator[tuple[CircuitId, CircuitEntry]]:
        return iter(self._entries.items())

    def boot_time(self, at: float) -> BootTime:
        return BootTime(self._boot, at)

    # --- disk ---------------------------------------------------------------------------------------------------------

    def load(self, rows: Mapping[CircuitId, Mapping[str, Json]]) -> tuple[CircuitId, ...]:
        """Load the saved rows. Return the circuits whose rows could not be read."""
        unread = []
        for circuit, row in rows.items():
            if circuit in self._entries:
                device = self._entries[circuit].device
                try:
                    self._entries[circuit] = from_row(row, self.boot_time(self.started))
                    self._entries[circuit].device = device
                except (KeyError, TypeError, ValueError):
                    unread.append(circuit)
        self.owed_circuits = {circuit for circuit, entry in self if entry.shed_record is not None}
        for circuit in self.owed_circuits:
            # Commands of the time before this start may still take effect.
            self[circuit].on_sent_at, self[circuit].more_offs_in_flight = self.started, True
        return tuple(unread)

    def resume(self, panel: Panel, *, about: bool) -> None:
        """Continue the open outage after a crash.

        `about`: the circuits in the plan were about to be switched off, and count as switched off by the controller.
        Otherwise a circuit that is on according to the disk and turns out to be off is off for an unknown reason. The
        same holds for a circuit that is essential in the present file: in the file that was in force it may have been
        in the plan.
        """
        for circuit in panel:
            entry, sheds = self[circuit.id], sheddable(circuit)
            if not commandable(circuit) or entry.taken_over or entry.shed_record is not None:
                continue
            on = entry.retained_position is Position.ON
            if about and sheds and (on or (entry.retained_position is Position.UNKNOWN and circuit.id in self.before)):
                debt = self.record_shed(circuit.id, self.started)
                # `before` was written with the first edge: no retained report replaces it.
                debt.before_unverified = debt.before is Position.UNKNOWN
            entry.off_unexplained = on and sheds is not about

    def take_changes(self) -> Iterable[tuple[CircuitId, dict[str, Json]]]:
        """Return the rows to write, and clear the list of changes."""
        rows = [(circuit, to_row(self._entries[circuit])) for circuit in self.changed if circuit in self._entries]
        self.changed.clear()
        return rows

    def set_panel(self, panel: Panel) -> None:
        """Follow a changed file: circuits that remain keep their entries."""
        self._entries = {circuit.id: self._entries.get(circuit.id, CircuitEntry()) for circuit in panel}
        for circuit in panel:
            entry = self._entries[circuit.id]
            if entry.device != circuit.device:
                entry.device, entry.live = circuit.device, False  # another device: it has not reported yet
        self.owed_circuits &= self._entries.keys()

    # --- shed records -------------------------------------------------------------------------------------------------

    def record_shed(
        self, circuit: CircuitId, at: float, cause: ShedCause = ShedCause.SHED, *, commanded: bool = True
    ) -> ShedRecord:
        """Record that the controller switched the circuit off, or is about to.

        A circuit already owed keeps its `before`.
        """
        entry = self[circuit]
        if entry.shed_record is None:
            before = self.before.get(circuit, entry.position_before(wakes_off=False))
            now = self.boot_time(at)
            # A position on which broker and disk agree is known. One of them alone, or a difference, is not reliable.
            provisional = entry.known is Position.UNKNOWN
            entry.shed_record = ShedRecord(
                self.outage or 0, before, now, now, cause, commanded=commanded, before_unverified=provisional
            )
            self.owed_circuits.add(circuit)
            self.changed.add(circuit)
        return entry.shed_record

    def shed_from_on(self, circuit: CircuitId) -> None:
        """Record that an owed circuit was on when the contact opened again: its device had reported it live."""
        entry = self[circuit]
        if entry.shed_record is not None and entry.live and entry.shed_record.before is not Position.ON:
            entry.shed_record.before, entry.shed_record.before_unverified = Position.ON, False
            self.changed.add(circuit)

    def may_be_off_after_power_loss(self, circuit: Circuit) -> bool:
        """Return whether a new `off` can be the result of a power loss and not of manual switching.

        Only a relay with `wakes = "off"` switches off when power is lost. If only this program restarted, there was no
        power loss.
        """
        return circuit.wakes is Wakes.OFF and (self.rebooted or self[circuit.id].reported_at is not None)

    def clear(self, circuit: CircuitId) -> None:
        """End the shed record, if any: the circuit is restored, or left to the user."""
        entry = self[circuit]
        if entry.shed_record is not None:
            if entry.shed_record.commanded:
                self.closed_records.append((circuit, entry.shed_record))
            entry.shed_record, entry.more_offs_in_flight = None, False
            entry.recheck_off_since = None
            self.owed_circuits.discard(circuit)
            self.changed.add(circuit)
        self.leave_off(circuit, left_off=False)

    def leave_off(self, circuit: CircuitId, *, left_off: bool) -> None:
        """Record that a user left off a circuit that was on before the outage.

        Or that it is on again, or is meant to be off.
        """
        entry = self[circuit]
        if entry.left_off_manually is not left_off:
            entry.left_off_manually = left_off
            self.changed.add(circuit)

    def take_over(self, circuit: CircuitId) -> None:
        """Leave the circuit to the user who switched it, for the rest of the outage."""
        self.clear(circuit)
        entry = self[circuit]
        entry.possible_override_since = None
        if self.outage is not None and not entry.taken_over:
            entry.taken_over = True
            self.changed.add(circuit)

    def begin(self, outage: int | None, before: Mapping[CircuitId, Position]) -> None:
        """Begin or resume the outage of this number. `before`: position of each circuit when it began."""
        self.outage, self.before = outage, before

    def take_closed_records(self) -> list[tuple[CircuitId, ShedRecord]]:
        """Return the shed records that have ended since the last call."""
        closed, self.closed_records = self.closed_records, []
        return closed

    def close(self) -> None:
        """End the outage: circuits under manual override follow the rules again. Shed records stay."""
        before, self.outage, self.before = self.before, None, {}
        for circuit, entry in self._entries.items():
            if before.get(circuit) is Position.ON and entry.position is Position.OFF and entry.shed_record is None:
                self.leave_off(circuit, left_off=True)
            if entry.taken_over:
                entry.taken_over = False
                self.changed.add(circuit)
            entry.unexplained_on_count = 0
            entry.possible_override_since = None

    # --- user requests ------------------------------------------------------------------------------------------------

    def hold(self, circuit: CircuitId, hold: Hold) -> None:
        self[circuit].hold = hold
        self[circuit].request = None
        self.changed.add(circuit)

    def release(self, circuit: CircuitId) -> None:
        """End a hold. It switches nothing: an owed circuit then waits for a user request."""
        entry = self[circuit]
        entry.hold = None
        if entry.shed_record is not None:
            entry.shed_record.needs_request, entry.shed_record.released = True, False
        self.changed.add(circuit)

    def release_for_restore(self, circuit: CircuitId) -> None:
        """Release an owed circuit for restoring on a user request, whatever the rules decide."""
        entry = self[circuit]
        if entry.shed_record is not None:
            entry.shed_record.released, entry.attempts = True, 0
            self.changed.add(circuit)

    def release_by_drill(self, drill: int, *, released: bool) -> None:
        """Release what this drill switched off for restoring at its end; not `released`: as the rules have it."""
        for circuit, entry in self._entries.items():
            record = entry.shed_record
            if record is not None and record.outage == drill and record.released_by_drill is not released:
                record.released_by_drill = released
                self.changed.add(circuit)

    def add_request(self, circuit: CircuitId, wish: PendingRequest) -> None:
        """Record the position that a user requested. The circuit is left to the user from now on."""
        self.take_over(circuit)
        entry = self[circuit]
        entry.request = wish
        if entry.sent is wish.position:
            entry.attempts = 0

    def drop_request(self, circuit: CircuitId) -> None:
        """Drop the pending request for the circuit: it failed, or cannot be served any more."""
        self[circuit].request = None

    def drop_on_requests(self) -> list[CircuitId]:
        """Drop pending ON requests of circuits that are not under manual override; return their circuits."""
        dropped = [
            circuit
            for circuit, entry in self
            if entry.request is not None and entry.request.position is Position.ON and not entry.taken_over
        ]
        for circuit in dropped:
            self.drop_request(circuit)
        return dropped

    # --- commands ----------------------------------------------------------------------------------------------------

    def off_sent(self, circuit: CircuitId, at: float, pause_s: float, *, ours: bool) -> None:
        """Record that an OFF was sent at `at`; `ours`: by the rules, so the circuit is owed from now on."""
        entry = self[circuit]
        # If a circuit is not known to be on, or its ON may still be delayed in a slow hub, a report of `off` does not
        # show that this OFF has taken effect.
        crossed = entry.on_sent_at is not None and at < entry.on_sent_at + LATE_ON_S
        unsure = entry.off_pending or crossed or entry.known is not Position.ON
        entry.more_offs_in_flight, entry.off_expiry_s = entry.more_offs_in_flight or unsure, pause_s
        self._sent(entry, Position.OFF, at, pause_s)
        entry.off_pending, entry.off_sent_at, entry.off_confirmed_live = True, at, False
        if ours:
            known = entry.shed_record is not None and entry.shed_record.commanded
            debt = self.record_shed(circuit, at)
            debt.off_at = self.boot_time(at)
            if not known:  # further attempts change nothing on disk
                debt.commanded, debt.since = True, debt.off_at
                self.record_switch(circuit, Position.OFF, BY_CONTROLLER, at)

    def on_sent(self, circuit: CircuitId, at: float, pause_s: float) -> None:
        """Record that an ON was sent at `at`."""
        entry = self[circuit]
        self._sent(entry, Position.ON, at, pause_s)
        entry.on_pending, entry.on_sent_at = True, at

    def reset_attempts(self) -> None:
        """Start the attempts of every circuit again: what is wanted of them has changed."""
        for _, entry in self:
            entry.retry_reset, entry.attempts, entry.recheck_off_since = True, 0, None

    @staticmethod
    def _sent(entry: CircuitEntry, position: Position, at: float, pause_s: float) -> None:
        entry.attempts = entry.attempts + 1 if entry.sent is position else 1
        entry.sent, entry.sent_at, entry.retry_interval_s, entry.retry_reset = position, at, pause_s, False

    def record_switch(self, circuit: CircuitId, position: Position, who: str, at: float) -> None:
        """Record who switched the circuit; `actor` is a phrase for its owner."""
        self[circuit].last_switch = LastSwitch(position, who, self.boot_time(at))
        self.changed.add(circuit)
