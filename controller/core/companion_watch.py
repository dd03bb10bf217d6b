"""Watch of the circuits that Leviton's energy monitor sheds: seen off, not seen off, or no report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.companion import CompanionOutcome, companion_outcome
from rules.controllability import watched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from controller.core.context import CoreContext
    from controller.core.outage import OutageLifecycle
    from rules.panel import CircuitId


class CompanionWatch:
    """Follows the watched circuits of one outage at a time. It commands nothing.

    `not_off`, `blind`: circuits that still report on, or do not report, `companion_confirm_s` after the opening.
    """

    def __init__(self, context: CoreContext, outage: OutageLifecycle) -> None:
        self._context = context
        self._outage = outage
        self._confirm_s = context.settings.companion_confirm_s
        self._ended: dict[CircuitId, CompanionOutcome] = {}  # of the open outage
        self._due_at: float | None = None
        self.not_off: set[CircuitId] = set()
        self.blind: set[CircuitId] = set()

    def deadline(self) -> float | None:
        """Return when circuits that have not been seen off count as such (monotonic seconds); None: no outage."""
        return self._due_at

    def update(self, now: float) -> bool:
        """Follow the circuits; return whether `not_off` or `blind` has changed."""
        before = self.not_off, self.blind
        self.not_off, self.blind = set(), set()
        if not self._outage.situation.on_standby:
            self._ended.clear()
            self._due_at = None
            return before != (self.not_off, self.blind)
        late = now >= self._outage.shed_since + self._confirm_s
        self._due_at = None if late else self._outage.shed_since + self._confirm_s
        for circuit in self._circuits():
            self._follow(circuit, now, late=late)
        return before != (self.not_off, self.blind)

    def _circuits(self) -> Iterator[CircuitId]:
        return (circuit.id for circuit in self._context.panel.current if watched(circuit))

    def _follow(self, circuit: CircuitId, now: float, *, late: bool) -> None:
        outcome = companion_outcome(self._context.ledger[circuit])
        if outcome is not CompanionOutcome.SEEN_OFF and not late:
            return
        if outcome is CompanionOutcome.NOT_SEEN_OFF:
            self.not_off.add(circuit)
        elif outcome is CompanionOutcome.NO_REPORT:
            self.blind.add(circuit)
        if self._ended.get(circuit) is outcome:
            return
        self._ended[circuit] = outcome
        after_s = round(now - self._outage.shed_since, 3) if outcome is CompanionOutcome.SEEN_OFF else None
        self._context.record.watched(circuit, outcome.value, after_s)
        details = {} if after_s is None else {"after_s": after_s}
        self._context.outbox.log_event(f"companion_{outcome.value}", now, circuit, details=details)
        self._context.outbox.publish_circuits((circuit,))
