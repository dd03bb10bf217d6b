"""The present outage and how each circuit fares in it, as rows for the disk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from controller.core.effects import DeleteOutage, SaveHistory, SaveOutage
from rules.boot_time import BootTime
from rules.panel import Position

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from controller.core.effects import DiskEffect, SavedState
    from rules.ledger_entry import ShedRecord
    from rules.panel import CircuitId


DRILL = "drill"
"""The kind of an outage whose opening is a person's request."""


@dataclass(frozen=True, slots=True)
class FlapSettings:
    """A source that comes and goes: so many openings within the window double the stable wait each time.

    `transfers` 0: never. Seconds.
    """

    transfers: int = 3
    window_s: float = 600.0
    wait_max_s: float = 600.0


class OutageRecord:
    """Keeps the one outage that may be open. `rows` collects what to write until the engine takes it."""

    def __init__(self, boot: str, memory: SavedState) -> None:
        self._boot = boot
        self._last_id = memory.last_outage
        self._histories = {(row.outage, row.circuit): row for row in memory.history}
        self._openings = [moment for moment in memory.openings if moment.boot == boot]
        self.outage: SaveOutage | None = memory.outage
        self._drilled = False  # circuits were switched off, in the open outage, for a drill
        self.drilled_at: float | None = None  # when, in this boot, the last drill began
        self.rows: list[DiskEffect] = []

    @property
    def id(self) -> int | None:
        """Return the number of the open outage; None where there is none, or it is only about to be."""
        return self.outage.id if self.outage is not None and self._has_begun else None

    @property
    def is_drill(self) -> bool:
        """Tell whether the open outage is a drill, begun or about to be: the contact has not opened in it."""
        return self.outage is not None and self.outage.kind == DRILL

    @property
    def _has_begun(self) -> bool:
        return self.outage is not None and (bool(self.outage.openings) or self._drilled)

    @property
    def opened_at(self) -> float | None:
        """Return when the contact last opened in the open outage; None: not in this boot, or there is no outage."""
        openings = self.outage.openings if self.outage is not None else ()
        return openings[-1].mono if openings and openings[-1].boot == self._boot else None

    def prepare(self, at: float, before: Mapping[CircuitId, Position], kind: str = "outage") -> None:
        """Write, at the first edge, that these circuits are about to be shed. An open outage keeps its `before`.

        An edge between a drill's request and its beginning makes it an outage that is about to be.
        """
        if self.outage is None or not self._has_begun:
            self._last_id += self.outage is None
            positions = {circuit: position.value for circuit, position in before.items()}
            self._keep(SaveOutage(self._last_id, "about", kind, self._boot_time(at), None, (), positions))
        else:
            self._keep(replace(self.outage, stage="about"))

    def cancel(self) -> None:
        """Take back what was only about to be: the edge was a bounce."""
        if self.outage is None or self.outage.stage != "about":
            return
        if self._has_begun:
            self._keep(replace(self.outage, stage="open"))
        else:
            self.rows.append(DeleteOutage(self.outage.id))
            self.outage = None
            self._last_id -= 1

    def opened(
        self, at: float, before: Mapping[CircuitId, Position], better_known: Mapping[CircuitId, Position]
    ) -> None:
        """Write that the contact opened at `at` and has settled there.

        `before` counts where no first edge was written; `better_known`: what is known by now and was not then.
        """
        if self.outage is None:
            self.prepare(at, before)
        assert self.outage is not None  # noqa: S101  # about() wrote it
        if not self._has_begun:
            self._update_before(better_known)
        opening = self._boot_time(at)
        self._openings.append(opening)
        self._keep(replace(self.outage, stage="open", kind="outage", openings=(*self.outage.openings, opening)))

    def drilled(self, at: float, positions: Mapping[CircuitId, Position]) -> None:
        """Write that a drill has begun; `positions`: where the circuits are now, a moment after it was asked for."""
        assert self.outage is not None  # noqa: S101  # about() wrote it
        self._drilled, self.drilled_at = True, at
        self._update_before(positions)
        self._keep(replace(self.outage, stage="open", began=self._boot_time(at)))

    def _update_before(self, positions: Mapping[CircuitId, Position]) -> None:
        assert self.outage is not None  # noqa: S101  # about() wrote it
        better = {circuit: position.value for circuit, position in positions.items()}
        self.outage = replace(self.outage, before={**self.outage.before, **better})

    def resumed(self) -> None:
        """Go on with an outage found open at a start: what was about to be has, as far as anybody knows, been."""
        self._drilled = self.is_drill
        if self.outage is not None and self.outage.stage == "about":
            openings = self.outage.openings or (() if self._drilled else (self.outage.began,))
            self._keep(replace(self.outage, stage="open", openings=openings))

    def closed(self, at: float, energy_kwh: float | None, peak_kw: float | None) -> None:
        """Write that the outage is over; its end is the last closing of the contact, or the drill's, at `at`."""
        assert self.outage is not None  # noqa: S101  # what is not open is not closed
        ended = self._boot_time(at)
        self._keep(replace(self.outage, stage="closed", ended=ended, energy_kwh=energy_kwh, peak_15min_kw=peak_kw))
        self.outage, self._drilled = None, False
        self._histories = {key: row for key, row in self._histories.items() if row.end is None}

    def set_counters(self, register_tenths: int | None, pulse_count: int | None) -> None:
        """Write where the meter's counters stood when the open outage began."""
        if self.outage is not None and (self.outage.register_tenths, self.outage.pulse_count) != (
            register_tenths,
            pulse_count,
        ):
            self._keep(replace(self.outage, register_tenths=register_tenths, pulse_count=pulse_count))

    def positions(self) -> dict[CircuitId, Position]:
        """Return each circuit's position when the open outage began."""
        rows = self.outage.before if self.outage is not None else {}
        return {circuit: Position(position) for circuit, position in rows.items()}

    def flaps(self, at: float, flap: FlapSettings) -> int:
        """Return how many openings of late make the wait longer; 0: it is as long as ever."""
        recent = sum(1 for opening in self._openings if opening.mono > at - flap.window_s)
        return recent if flap.transfers and recent >= flap.transfers else 0

    def stable_wait(self, at: float, wait_s: float, flap: FlapSettings) -> float:
        """Return how long utility must be unbroken, in seconds: longer where the contact has flapped."""
        recent = self.flaps(at, flap)
        if not recent:
            return wait_s
        return max(wait_s, min(wait_s * 2.0 ** (recent - flap.transfers + 1), flap.wait_max_s))

    # --- circuits ----------------------------------------------------------------------------------------------------

    def shed(self, circuit: CircuitId, debt: ShedRecord) -> None:
        """Write our first OFF."""
        if (debt.outage, circuit) not in self._histories:
            self._write(SaveHistory(debt.outage, circuit, debt.since, None, None, None))

    def confirmed(self, circuit: CircuitId, debt: ShedRecord, at: float) -> None:
        """Write how long after our first OFF the device confirmed it."""
        row = self._history(circuit, debt)
        if row.confirmed_after_s is None and debt.since.boot == self._boot:
            self._write(replace(row, confirmed_after_s=round(at - debt.since.mono, 3), end=None))

    def ended(self, circuit: CircuitId, debt: ShedRecord, how: str, at: float | None = None) -> None:
        """Write how it ended; `at`: when it was on again, None where it is not."""
        moment = None if at is None else self._boot_time(at)
        self._write(replace(self._history(circuit, debt), restored_at=moment, end=how))

    def _history(self, circuit: CircuitId, debt: ShedRecord) -> SaveHistory:
        found = self._histories.get((debt.outage, circuit))
        return found or SaveHistory(debt.outage, circuit, debt.since, None, None, None)

    def _write(self, row: SaveHistory) -> None:
        self._histories[row.outage, row.circuit] = row
        self.rows.append(row)

    def _keep(self, outage: SaveOutage) -> None:
        self.outage = outage
        self.rows.append(outage)

    def _boot_time(self, at: float) -> BootTime:
        return BootTime(self._boot, at)

    def drain_rows(self) -> Iterable[DiskEffect]:
        """Return what to write, and forget it."""
        rows, self.rows = self.rows, []
        return rows
