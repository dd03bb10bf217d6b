"""What became of each circuit in an outage: its course, and how it ended, as a code and in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rules.controllability import uncontrollable_reason
from rules.panel import Restore, Tag

if TYPE_CHECKING:
    from collections.abc import Iterator

    from controller.storage.boot_clocks import LoggedTime
    from controller.storage.log_reader import HistoryRow, OutageRow
    from rules.panel import Circuit, Panel

_TEXTS = {
    "restored": "restored",
    "on_without_command": "switched on without a command of the controller",
    "tripped": "tripped",
    "taken_over": "manual override",
    "user_request": "on user request",
    "off_before": "was off before, stays off",
    "stayed_on": "stayed on: OFF was never confirmed",
    "not_confirmed": "OFF was never confirmed: on or off is unknown",
    "not_restored": "not restored yet",
    "waiting_for_user": "stays off until a user restores it",
    "still_off": "stays off until a user switches it on (restore is never)",
    "not_shed": "was not shed",
    "seen_off": "Leviton sheds: seen off",
    "not_seen_off": "Leviton sheds: NOT seen off, stayed on",
    "no_report": "Leviton sheds: no report",
}
"""Ends of a circuit's course: the codes of the JSON output, and as sentences."""


@dataclass(frozen=True, slots=True)
class CircuitOutcome:
    """Course of one circuit. `before`: its position when the outage began; None: not recorded.

    `end`: code; `text`: the same in words. `shed_at`: time of the first OFF; None: it was not shed.
    """

    circuit: str
    name: str
    before: str | None
    shed_at: LoggedTime | None
    confirmed_after_s: float | None
    restored_at: LoggedTime | None
    end: str
    text: str

    @property
    def is_recorded(self) -> bool:
        """Return whether the circuit was shed, by this program or by Leviton's energy monitor."""
        return self.shed_at is not None or self.end in ("seen_off", "not_seen_off", "no_report")

    @property
    def confirmed(self) -> bool:
        """Return whether the device confirmed OFF."""
        return self.confirmed_after_s is not None


def end_code(outage: OutageRow, row: HistoryRow, circuit: Circuit | None) -> str:
    """Return how the circuit's course ended, or how it stands. `circuit`: None: it is no longer in the file."""
    if row.end is not None:
        return row.end
    confirmed = row.confirmed_after_s is not None
    if outage.ended is None:
        return "still_off" if confirmed else "not_confirmed"
    if row.is_on:
        return "restored" if confirmed else "stayed_on"
    if not confirmed:
        return "not_confirmed"
    waits = {Restore.AUTO: "not_restored", Restore.ASK: "waiting_for_user", Restore.NEVER: "still_off"}
    return "not_restored" if circuit is None else waits[circuit.restore]


def outcomes(outage: OutageRow, panel: Panel | None) -> Iterator[CircuitOutcome]:
    """Yield the circuits that were shed, in the order of their OFF, then those that were not though nonessential.

    `panel`: the last in force; None: no configuration is kept.
    """
    circuits = panel.circuits if panel is not None else {}
    for row in sorted(outage.histories, key=lambda row: -circuits[row.circuit].rank if row.circuit in circuits else 0):
        circuit = circuits.get(row.circuit)
        end = end_code(outage, row, circuit)
        yield CircuitOutcome(
            circuit=row.circuit,
            name=circuit.label if circuit is not None else row.circuit,
            before=outage.before.get(row.circuit),
            shed_at=row.shed_at,
            confirmed_after_s=row.confirmed_after_s,
            restored_at=row.restored_at,
            end=end,
            text="off" if end == "still_off" and outage.ended is None else _TEXTS.get(end, end),
        )
    known = {row.circuit for row in outage.histories}
    for circuit in circuits.values():
        if circuit.tag is Tag.NONESSENTIAL and circuit.id not in known:
            yield _not_shed(circuit, outage.before.get(circuit.id))


def _not_shed(circuit: Circuit, before: str | None) -> CircuitOutcome:
    end, text = "not_shed", _TEXTS["not_shed"]
    if (reason := uncontrollable_reason(circuit)) is not None:
        end, text = "uncontrollable", f"UNCONTROLLABLE, stayed ON: {reason}"
    elif before in ("off", "tripped"):
        end, text = "off_before", f"was {before} before, and stayed so"
    return CircuitOutcome(circuit.id, circuit.label, before, None, None, None, end, text)


def shed_summary(outage: OutageRow) -> str:
    """Return how many circuits of an outage were off, and what is missing: `5 of 6 off, 1 not confirmed`."""
    histories = [row for row in outage.histories if row.shed_at is not None]
    total = len(histories)
    confirmed = sum(1 for row in histories if row.confirmed_after_s is not None)
    parts = [f"{confirmed} of {total} off" if confirmed != total else f"{total} off"] if total else ["none"]
    ends = [end_code(outage, row, None) for row in histories]
    silent = ends.count("not_confirmed") + ends.count("stayed_on")
    if total - confirmed:
        parts.append(f"{max(silent, total - confirmed)} not confirmed")
    if outage.ended is not None and (missing := ends.count("not_restored")):
        parts.append(f"{missing} not restored")
    if by_leviton := [row.end for row in outage.histories if row.shed_at is None]:
        parts.append(f"{by_leviton.count('seen_off')} of {len(by_leviton)} seen off by Leviton")
    return ", ".join(parts)
