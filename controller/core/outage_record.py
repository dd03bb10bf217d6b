"""Record of the open outage and of each circuit in it, as rows for the disk."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from controller.core.effects import DeleteOutage, SaveHistory, SaveOutage
from rules.boot_time import BootTime
from rules.panel import Position

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from controller.core.effects import DiskEffect, SavedState, SaveLoad
    from rules.ledger_entry import ShedRecord
    from rules.panel import CircuitId


DRILL = "drill"
"""Kind of an outage that a user request opened instead of the contact."""


class OutageRecord:
    """Record of the one outage that may be open. It collects rows to write until `take_rows`."""

    def __init__(self, boot: str, memory: SavedState) -> None:
        self._boot = boot
        self._last_id = memory.last_outage
        self._histories = {(row.outage, row.circuit): row for row in memory.history}
        self._openings = [moment for moment in memory.openings if moment.boot == boot]
        self.outage: SaveOutage | None = memory.outage
        self._last_closed: SaveOutage | None = memory.last_closed
        self._drill_has_begun = False  # in the open outage
        self.drill_began_at: float | None = None  # last drill of this boot
        self._rows: list[DiskEffect] = []

    @property
    def id(self) -> int | None:
        """Return the number of the open outage; None: no outage is open, or it has not begun yet."""
        return self.outage.id if self.outage is not None and self._has_begun else None

    @property
    def latest(self) -> SaveOutage | None:
        """Return the open outage, or the last one; None: there was none yet."""
        return self.outage if self.id is not None else self._last_closed

    @property
    def is_drill(self) -> bool:
        """Return whether the open outage is a drill, begun or announced: the contact has not opened in it."""
        return self.outage is not None and self.outage.kind == DRILL

    @property
    def kind(self) -> str | None:
        """Return the kind of the open outage, "outage" or "drill"; None: no outage is open."""
        return None if self.outage is None or not self._has_begun else self.outage.kind

    @property
    def openings(self) -> tuple[float, ...]:
        """Return the openings of the contact in this boot, in any outage (monotonic seconds)."""
        return tuple(opening.mono for opening in self._openings)

    @property
    def _has_begun(self) -> bool:
        return self.outage is not None and (bool(self.outage.openings) or self._drill_has_begun)

    @property
    def opened_at(self) -> float | None:
        """Return when the contact last opened in the open outage (monotonic seconds); None: not in this boot."""
        openings = self.outage.openings if self.outage is not None else ()
        return openings[-1].mono if openings and openings[-1].boot == self._boot else None

    def prepare(
        self, at: float, before: Mapping[CircuitId, Position], kind: str = "outage", *, restore_all: bool = False
    ) -> None:
        """Write at the first edge that circuits are about to be shed. An open outage keeps its `before`.

        `restore_all`: at the end of the drill, restore also what otherwise waits for a user.

        An edge between the request for a drill and its beginning makes the announced drill an announced outage.
        """
        if self.outage is None or not self._has_begun:
            self._last_id += self.outage is None
            positions = {circuit: position.value for circuit, position in before.items()}
            began = self._boot_time(at)
            self._save(SaveOutage(self._last_id, "about", kind, began, None, (), positions, restore_all=restore_all))
        else:
            self._save(replace(self.outage, stage="about"))

    @property
    def restores_all(self) -> bool:
        """Return whether the drill, at its end, also restores what otherwise waits for a user: not after a boot."""
        return self.is_drill and self.outage is not None and self.outage.restore_all and self._is_of_this_boot

    @property
    def _is_of_this_boot(self) -> bool:
        return self.outage is not None and self.outage.began.boot == self._boot

    def void_restore_all(self) -> None:
        """Restore at the end of the drill only what the rules restore: the source is unknown, or a transfer came."""
        if self.outage is not None and self.outage.restore_all:
            self._save(replace(self.outage, restore_all=False))

    def correct_before(self, positions: Mapping[CircuitId, Position]) -> None:
        """Write positions that were reported live since an earlier opening of this outage."""
        assert self.outage is not None  # announced by prepare()
        changed = {circuit: position.value for circuit, position in positions.items()}
        if (before := {**self.outage.before, **changed}) != self.outage.before:
            self._save(replace(self.outage, before=before))

    def cancel(self) -> None:
        """Delete the row of an outage that has not begun: the edge was a bounce."""
        if self.outage is None or self.outage.stage != "about":
            return
        if self._has_begun:
            self._save(replace(self.outage, stage="open"))
        else:
            self._rows.append(DeleteOutage(self.outage.id))
            self.outage = None
            self._last_id -= 1

    def opened(
        self, at: float, before: Mapping[CircuitId, Position], better_known: Mapping[CircuitId, Position]
    ) -> None:
        """Write that the contact opened at `at` and has settled.

        `before`: used if no first edge was written. `better_known`: positions that became known since that edge.
        """
        if self.outage is None:
            self.prepare(at, before)
        assert self.outage is not None  # prepare() wrote it
        if not self._has_begun:
            self._update_before(better_known)
        opening = self._boot_time(at)
        self._openings.append(opening)
        self._save(replace(self.outage, stage="open", kind="outage", openings=(*self.outage.openings, opening)))

    def drill_began(self, at: float, positions: Mapping[CircuitId, Position]) -> None:
        """Write that a drill has begun. `positions`: of the circuits now, `NOTICE_S` after the request."""
        assert self.outage is not None  # prepare() wrote it
        self._drill_has_begun, self.drill_began_at = True, at
        self._update_before(positions)
        self._save(replace(self.outage, stage="open", began=self._boot_time(at)))

    def _update_before(self, positions: Mapping[CircuitId, Position]) -> None:
        assert self.outage is not None  # prepare() wrote it
        better = {circuit: position.value for circuit, position in positions.items()}
        self.outage = replace(self.outage, before={**self.outage.before, **better})

    def resumed(self) -> None:
        """Continue an outage that was open at the start. One that was announced counts as begun."""
        self._drill_has_begun = self.is_drill
        if self.outage is not None and self.outage.stage == "about":
            openings = self.outage.openings or (() if self._drill_has_begun else (self.outage.began,))
            self._save(replace(self.outage, stage="open", openings=openings))

    def closed(self, at: float, energy_kwh: float | None, peak_kw: float | None) -> None:
        """Write that the outage is over. `at`: the last closing of the contact, or the end of the drill."""
        assert self.outage is not None  # only an open outage is closed
        ended = self._boot_time(at)
        self._save(replace(self.outage, stage="closed", ended=ended, energy_kwh=energy_kwh, peak_15min_kw=peak_kw))
        self._last_closed = self.outage
        self.outage, self._drill_has_begun = None, False
        self._histories = {key: row for key, row in self._histories.items() if row.end is None}

    def set_counters(self, register_tenths: int | None, pulse_count: int | None) -> None:
        """Write the meter's counters at the beginning of the open outage. None: unknown."""
        if self.outage is not None and (self.outage.register_tenths, self.outage.pulse_count) != (
            register_tenths,
            pulse_count,
        ):
            self._save(replace(self.outage, register_tenths=register_tenths, pulse_count=pulse_count))

    def positions(self) -> dict[CircuitId, Position]:
        """Return the position of each circuit at the beginning of the open outage."""
        rows = self.outage.before if self.outage is not None else {}
        return {circuit: Position(position) for circuit, position in rows.items()}

    # --- circuits ----------------------------------------------------------------------------------------------------

    def shed(self, circuit: CircuitId, shed_record: ShedRecord) -> None:
        """Write the first OFF by the controller."""
        if (shed_record.outage, circuit) not in self._histories:
            self._write(SaveHistory(shed_record.outage, circuit, shed_record.since, None, None, None))

    def confirmed(self, circuit: CircuitId, shed_record: ShedRecord, at: float) -> None:
        """Write how long after the first OFF the device confirmed it."""
        row = self._history(circuit, shed_record)
        if row.confirmed_after_s is None and shed_record.since.boot == self._boot:
            self._write(replace(row, confirmed_after_s=round(at - shed_record.since.mono, 3), end=None))

    def watched(self, circuit: CircuitId, outcome: str, after_s: float | None) -> None:
        """Write what became of a circuit that the panel's energy monitor sheds. `after_s`: None: not seen off."""
        if (outage := self.id) is not None:
            self._write(SaveHistory(outage, circuit, None, after_s, None, outcome))

    def ended(self, circuit: CircuitId, shed_record: ShedRecord, how: str, at: float | None = None) -> None:
        """Write how the shed record ended. `at`: when the circuit was on again; None: it is not."""
        restored_at = None if at is None else self._boot_time(at)
        self._write(replace(self._history(circuit, shed_record), restored_at=restored_at, end=how))

    def save_load(self, row: SaveLoad) -> None:
        """Write what the device of a circuit measured."""
        self._rows.append(row)

    def _history(self, circuit: CircuitId, shed_record: ShedRecord) -> SaveHistory:
        found = self._histories.get((shed_record.outage, circuit))
        return found or SaveHistory(shed_record.outage, circuit, shed_record.since, None, None, None)

    def _write(self, row: SaveHistory) -> None:
        self._histories[row.outage, row.circuit] = row
        self._rows.append(row)

    def _save(self, outage: SaveOutage) -> None:
        self.outage = outage
        self._rows.append(outage)

    def _boot_time(self, at: float) -> BootTime:
        return BootTime(self._boot, at)

    def take_rows(self) -> Iterable[DiskEffect]:
        """Return the rows to write, and remove them."""
        rows, self._rows = self._rows, []
        return rows
