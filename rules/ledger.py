"""Per circuit: what it was before, what we owe it, what we last asked of it. What is owed outlives crashes and outages.

What devices report is judged in `reports.py`; this is where the result is kept.
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
BY_HAND = "a hand, or the device itself"


class Ledger:
    """The lines of all circuits. Only a device's report, a person, or the file's owner ends a debt.

    `boot`: the boot's id. `at`: the monotonic second of this start. `changed` collects the circuits whose durable
    part moved, until the engine has taken them to the disk.
    """

    def __init__(self, panel: Panel, boot: str, at: float) -> None:
        self._boot = boot
        self._entries: dict[CircuitId, CircuitEntry] = {circuit.id: CircuitEntry() for circuit in panel}
        self.started = at
        self.rebooted = False  # the machine has booted since the disk was last written
        self.outage: int | None = None  # the open outage
        self.before: Mapping[CircuitId, Position] = {}  # each circuit's position when it began
        self.owed_circuits: set[CircuitId] = set()  # circuits with a debt
        self.changed: set[CircuitId] = set()
        self.closed_records: list[
            tuple[CircuitId, ShedRecord]
        ] = []  # debts that have ended, until the engine has written how

    def __getitem__(self, circuit: CircuitId) -> CircuitEntry:
        return self._entries[circuit]

    def __iter__(self) -> Iterator[tuple[CircuitId, CircuitEntry]]:
        return iter(self._entries.items())

    def boot_time(self, at: float) -> BootTime:
        return BootTime(self._boot, at)

    # --- the disk ----------------------------------------------------------------------------------------------------

    def load(self, rows: Mapping[CircuitId, Mapping[str, Json]]) -> tuple[CircuitId, ...]:
        """Take what the disk remembers; return the circuits whose rows could not be read."""
        unread = []
        for circuit, row in rows.items():
            if circuit in self._entries:
                try:
                    self._entries[circuit] = from_row(row, self.boot_time(self.started))
                except (KeyError, TypeError, ValueError):
                    unread.append(circuit)
        self.owed_circuits = {circuit for circuit, entry in self if entry.shed_record is not None}
        for circuit in self.owed_circuits:
            # What was commanded before this start may still take effect.
            self[circuit].on_sent_at, self[circuit].more_offs_in_flight = self.started, True
        return tuple(unread)

    def resume(self, panel: Panel, *, about: bool) -> None:
        """Go on with the open outage after a crash.

        `about`: the circuits in the plan were about to be switched off, and count as switched off by us. Else a
        circuit that the disk has as on and that turns out to be off is doubtful. So is one that is essential by the
        file as it is now: in the one that was in force it may have been in the plan.
        """
        for circuit in panel:
            entry, sheds = self[circuit.id], sheddable(circuit)
            if not commandable(circuit) or entry.taken_over or entry.shed_record is not None:
                continue
            on = entry.retained_position is Position.ON
            if about and sheds and (on or (entry.retained_position is Position.UNKNOWN and circuit.id in self.before)):
                debt = self.record_shed(circuit.id, self.started)
                # The row of the first edge is where `before` was written: no memory of the broker's outweighs it.
                debt.before_unverified = debt.before is Position.UNKNOWN
            entry.off_unexplained = on and sheds is not about

    def take_changes(self) -> Iterable[tuple[CircuitId, dict[str, Json]]]:
        """Return the rows to write, and forget that they changed."""
        rows = [(circuit, to_row(self._entries[circuit])) for circuit in self.changed if circuit in self._entries]
        self.changed.clear()
        return rows

    def set_panel(self, panel: Panel) -> None:
        """Follow a changed file: circuits that stay keep their lines."""
        self._entries = {circuit.id: self._entries.get(circuit.id, CircuitEntry()) for circuit in panel}
        self.owed_circuits &= self._entries.keys()

    # --- debts -------------------------------------------------------------------------------------------------------

    def record_shed(
        self, circuit: CircuitId, at: float, cause: ShedCause = ShedCause.SHED, *, commanded: bool = True
    ) -> ShedRecord:
        """Note that the circuit is off by us, or about to be. What is owed already keeps its `before`."""
        entry = self[circuit]
        if entry.shed_record is None:
            before = self.before.get(circuit, entry.position_before(wakes_off=False))
            now = self.boot_time(at)
            # What broker and disk say alike is settled; the one alone, or the two at odds, are hearsay.
            provisional = entry.known is Position.UNKNOWN
            entry.shed_record = ShedRecord(
                self.outage or 0, before, now, now, cause, commanded=commanded, before_unverified=provisional
            )
            self.owed_circuits.add(circuit)
            self.changed.add(circuit)
        return entry.shed_record

    def may_be_off_after_power_loss(self, circuit: Circuit) -> bool:
        """Tell whether an `off` that is news to us may be the power's doing, and not a hand's.

        Only a relay that wakes off falls; and where nothing but this program was started anew, no power was gone.
        """
        return circuit.wakes is Wakes.OFF and (self.rebooted or self[circuit.id].reported_at is not None)

    def clear(self, circuit: CircuitId) -> None:
        """End the debt, if any: it is paid, or it is a person's now."""
        entry = self[circuit]
        if entry.shed_record is not None:
            if entry.shed_record.commanded:
                self.closed_records.append((circuit, entry.shed_record))
            entry.shed_record, entry.more_offs_in_flight = None, False
            self.owed_circuits.discard(circuit)
            self.changed.add(circuit)
        self.leave_off(circuit, left_off=False)

    def leave_off(self, circuit: CircuitId, *, left_off: bool) -> None:
        """Note that a person left off what was on before the outage; or that it is on again, or meant to be off."""
        entry = self[circuit]
        if entry.left_off_manually is not left_off:
            entry.left_off_manually = left_off
            self.changed.add(circuit)

    def take_over(self, circuit: CircuitId) -> None:
        """Leave the circuit to the person who switched it, for the rest of the outage."""
        self.clear(circuit)
        entry = self[circuit]
        entry.possible_override_since = None
        if self.outage is not None and not entry.taken_over:
            entry.taken_over = True
            self.changed.add(circuit)

    def close(self) -> None:
        """End the outage: what was taken over in it is the rules' again. Debts stay."""
        before, self.outage, self.before = self.before, None, {}
        for circuit, entry in self._entries.items():
            if before.get(circuit) is Position.ON and entry.position is Position.OFF and entry.shed_record is None:
                self.leave_off(circuit, left_off=True)
            if entry.taken_over:
                entry.taken_over = False
                self.changed.add(circuit)
            entry.unexplained_on_count = 0
            entry.possible_override_since = None

    # --- what people ask ---------------------------------------------------------------------------------------------

    def hold(self, circuit: CircuitId, hold: Hold) -> None:
        self[circuit].hold = hold
        self[circuit].request = None
        self.changed.add(circuit)

    def release(self, circuit: CircuitId) -> None:
        """End a hold. It switches nothing: what was owed then waits until a person asks."""
        entry = self[circuit]
        entry.hold = None
        if entry.shed_record is not None:
            entry.shed_record.needs_request, entry.shed_record.released = True, False
        self.changed.add(circuit)

    def release_for_restore(self, circuit: CircuitId) -> None:
        """Pay the debt on a person's word, whatever the rules say of it."""
        entry = self[circuit]
        if entry.shed_record is not None:
            entry.shed_record.released, entry.attempts = True, 0
            self.changed.add(circuit)

    def add_request(self, circuit: CircuitId, wish: PendingRequest) -> None:
        """Note the position a person asked for: the circuit is theirs from now on."""
        self.take_over(circuit)
        entry = self[circuit]
        entry.request = wish
        if entry.sent is wish.position:
            entry.attempts = 0

    # --- commands ----------------------------------------------------------------------------------------------------

    def off_sent(self, circuit: CircuitId, at: float, pause_s: float, *, ours: bool) -> None:
        """Note that OFF left at `at`; `ours`: by the rules, so the circuit is owed from now on."""
        entry = self[circuit]
        # Of a circuit not known to be on, or whose ON may still lie in a slow hub, no report of `off` tells whether it
        # is this OFF that has taken effect.
        crossed = entry.on_sent_at is not None and at < entry.on_sent_at + LATE_ON_S
        unsure = entry.off_pending or crossed or entry.known is not Position.ON
        entry.more_offs_in_flight, entry.off_expiry_s = entry.more_offs_in_flight or unsure, pause_s
        self._sent(entry, Position.OFF, at, pause_s)
        entry.off_pending, entry.off_sent_at, entry.off_confirmed_live = True, at, False
        if ours:
            known = entry.shed_record is not None and entry.shed_record.commanded
            debt = self.record_shed(circuit, at)
            debt.off_at = self.boot_time(at)
            if not known:  # each further try is no news to the disk
                debt.commanded, debt.since = True, debt.off_at
                self.record_switch(circuit, Position.OFF, BY_CONTROLLER, at)

    def on_sent(self, circuit: CircuitId, at: float, pause_s: float) -> None:
        """Note that ON left at `at`."""
        entry = self[circuit]
        self._sent(entry, Position.ON, at, pause_s)
        entry.on_pending, entry.on_sent_at = True, at

    @staticmethod
    def _sent(entry: CircuitEntry, position: Position, at: float, pause_s: float) -> None:
        entry.attempts = entry.attempts + 1 if entry.sent is position else 1
        entry.sent, entry.sent_at, entry.retry_interval_s, entry.retry_reset = position, at, pause_s, False

    def record_switch(self, circuit: CircuitId, position: Position, who: str, at: float) -> None:
        """Note who moved the circuit; `who` is a phrase for its owner."""
        self[circuit].last_switch = LastSwitch(position, who, self.boot_time(at))
        self.changed.add(circuit)
