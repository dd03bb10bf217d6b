"""Evaluation of device reports: acknowledgment, reboot during the transfer, manual override, off after a power loss.

A breaker that was shed and reports on again is the difficult case. Owners are instructed to switch breakers manually
while they refuel, and some devices power up in the on position during a transfer. Not every unexpected on is a manual
override, but a manual override must be respected.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from rules.controllability import commandable, sheddable
from rules.ledger import BY_CONTROLLER, BY_HAND
from rules.ledger_entry import ShedCause
from rules.panel import Override, Position, Wakes
from rules.restore import LATE_OFF_S, LATE_ON_S
from rules.shed import MAX_ATTEMPTS

if TYPE_CHECKING:
    from rules.ledger import Ledger
    from rules.ledger_entry import CircuitEntry, ShedRecord
    from rules.panel import Circuit, CircuitId


REFUSED_RETRY_S = 1.0
"""Shortest time in seconds from a command that was refused to the next one."""


class ReportContext(Enum):
    """What the house requires of nonessential circuits while a report is evaluated."""

    SHEDDING = "sheds"  # on standby, or not known to have left it
    UNCERTAIN = "doubts"  # source unknown, or an edge has not settled
    UTILITY = "utility"


class ReportOutcome(Enum):
    """Meaning of a report or of elapsed time. The value is the name of the event in the log."""

    CONFIRMED_OFF = "confirmed_off"
    UNEXPECTED_ON = "unexpected_on"
    POSSIBLE_OVERRIDE = "possible_override"
    TAKEN_OVER = "taken_over"
    STAYED_ON = "stayed_on"
    TRIPPED = "tripped"
    CONFIRMED_ON = "confirmed_on"
    ON_WITHOUT_COMMAND = "on_without_command"
    REQUEST_COMPLETED = "request_completed"
    OFF_AFTER_POWER_LOSS = "off_after_power_loss"
    OFF_UNEXPLAINED = "off_unexplained"


class DeviceReports:
    """Evaluates device reports and updates the ledger.

    `confirm_s`: time in seconds after a change of a device's availability in which a report can be the result of a
    reboot, unless the device has a time of its own.
    """

    def __init__(self, ledger: Ledger, confirm_s: float) -> None:
        self._ledger = ledger
        self._confirm_s = confirm_s

    # --- reports ------------------------------------------------------------------------------------------------------

    def live(self, circuit: Circuit, position: Position, at: float, phase: ReportContext) -> ReportOutcome | None:
        """Process a live report. Return its meaning; None if there is nothing to log."""
        entry = self._ledger[circuit.id]
        before, first = entry.retained_position, not entry.live
        entry.position, entry.live, entry.reported_at, entry.refusal = position, True, at, None
        self._keep_retained(circuit.id, entry)
        self._sign_of_life(entry, at)
        if position is Position.ON:
            entry.off_unexplained, entry.power_loss_off_at = False, None
            return self._reported_on(circuit, entry, at, phase)
        entry.possible_override_since = None
        if position is Position.TRIPPED:
            entry.power_loss_off_at = None
            return self._tripped(circuit, entry, at)
        woke = first and self._ledger.rebooted and not entry.publishes_availability
        return self._reported_off(circuit, entry, before, at, woke=woke)

    def retained(self, circuit: Circuit, position: Position) -> None:
        """Process a retained report. It is not the present position: it confirms nothing and ends nothing yet."""
        entry = self._ledger[circuit.id]
        if entry.live and entry.position is position:
            return
        entry.position, entry.live = position, False
        debt = entry.shed_record
        if (
            debt is not None
            and debt.before_unverified
            and not debt.retained_untrusted
            and entry.known is Position.UNKNOWN
        ):
            may_fall = self._ledger.may_be_off_after_power_loss(circuit)
            fell = may_fall and position is Position.OFF and debt.before is Position.ON
            if not fell:
                debt.before = Position.UNKNOWN  # disk and broker differ: position unknown
                self._ledger.changed.add(circuit.id)

    def availability(
        self, circuit: Circuit, at: float, phase: ReportContext, *, online: bool, retained: bool
    ) -> ReportOutcome | None:
        """Update a device's availability from a report or a last-will message."""
        entry = self._ledger[circuit.id]
        came_back = online and not entry.available
        entry.publishes_availability, entry.available = True, online
        if came_back and not retained:  # a new connection has reset the retries before it brings a retained `online`
            self._reset_retry(entry)
        if came_back and phase is ReportContext.SHEDDING and sheddable(circuit):
            entry.recheck_off_since = at
        if retained:
            if came_back:  # it was offline in the last known state: it has come back since
                self._sign_of_life(entry, at)
            return None
        entry.availability_at = at
        if online:
            self._sign_of_life(entry, at)
        if entry.possible_override_since is not None:
            entry.possible_override_since = None  # a reboot, not a manual override
            return ReportOutcome.UNEXPECTED_ON if phase is ReportContext.SHEDDING else None
        if online and entry.power_loss_off_at is not None and at <= entry.power_loss_off_at + self._confirm_time(entry):
            return self._off_after_power_loss(circuit, entry, at)
        return None

    def restarted(self, circuit: Circuit, at: float, phase: ReportContext) -> None:
        """Process a device's announcement that it has started: it may have another position than it reported."""
        entry = self._ledger[circuit.id]
        entry.possible_override_since, entry.availability_at = None, at  # a reboot, not a manual override
        self._reset_retry(entry)
        self._sign_of_life(entry, at)
        if phase is ReportContext.SHEDDING and sheddable(circuit):
            entry.recheck_off_since = at

    def refused(self, circuit: Circuit, at: float, reason: str) -> None:
        """Process a refusal of the last command: the next attempt does not wait for an acknowledgment any more."""
        entry = self._ledger[circuit.id]
        if entry.sent is None or at < entry.sent_at:
            return
        entry.refusal = reason
        if entry.sent is Position.OFF and entry.attempts < MAX_ATTEMPTS:
            entry.retry_interval_s = min(entry.retry_interval_s, max(at - entry.sent_at, REFUSED_RETRY_S))

    def connected(self) -> None:
        """Process a reconnection of the broker: evidence from before the interruption no longer counts."""
        for _, entry in self._ledger:
            self._reset_retry(entry)
            entry.possible_override_since, entry.off_confirmed_live = None, False
            if entry.shed_record is not None and entry.off_sent_at is not None:
                entry.shed_record.retained_untrusted = True  # a retained off may be the result of our own OFF

    # --- elapsed time -------------------------------------------------------------------------------------------------

    def deadline(self, circuit: CircuitId, phase: ReportContext) -> float | None:
        """Return when time alone next has a meaning for this circuit; None: never, as things stand."""
        entry = self._ledger[circuit]
        if entry.possible_override_since is not None:
            return entry.possible_override_since + self._confirm_time(entry)
        if phase is ReportContext.UTILITY and self._is_known_on(entry) and self._may_switch_off_late(entry):
            return self._late_off_until(entry)
        return None

    def on_deadline(self, circuit: Circuit, at: float, phase: ReportContext) -> ReportOutcome | None:
        """Process elapsed time: a possible override becomes a manual override; an OFF can no longer take effect."""
        entry = self._ledger[circuit.id]
        if entry.possible_override_since is not None and at >= entry.possible_override_since + self._confirm_time(
            entry
        ):
            return self._taken_over(circuit.id, at)
        return self.close_if_on(circuit, at) if phase is ReportContext.UTILITY else None

    def close_if_on(self, circuit: Circuit, at: float) -> ReportOutcome | None:
        """On utility, end a shed record whose OFF was never sent, or whose circuit reports on."""
        entry = self._ledger[circuit.id]
        debt = entry.shed_record
        if debt is None:
            return None
        if not debt.commanded:
            self._ledger.clear(circuit.id)
            return None
        if not self._is_known_on(entry):
            return None
        if self._may_switch_off_late(entry) and at < self._late_off_until(entry):
            return None  # the OFF may still take effect: then it belongs to the controller, and the circuit is restored
        return self._ended_on(circuit.id, debt, at)

    def end_watch(self, circuit: CircuitId, at: float) -> ReportOutcome | None:
        """End the shed record of an earlier outage of a circuit that is on: the contact has opened again.

        Its OFF may still take effect: that is noted for the record that follows.
        """
        entry = self._ledger[circuit]
        if entry.shed_record is None or not entry.reports_on:
            return None
        outcome = self._ended_on(circuit, entry.shed_record, at)
        entry.more_offs_in_flight = True
        return outcome

    def _ended_on(self, circuit: CircuitId, debt: ShedRecord, at: float) -> ReportOutcome:
        entry = self._ledger[circuit]
        ours, entry.on_pending = entry.on_pending or debt.on_reported_at is not None, False
        if ours:
            self._ledger.record_switch(circuit, Position.ON, BY_CONTROLLER, at)
        self._ledger.clear(circuit)
        if ours:
            return ReportOutcome.CONFIRMED_ON
        return ReportOutcome.ON_WITHOUT_COMMAND if debt.confirmed else ReportOutcome.STAYED_ON

    def accept_retained(self, circuit: Circuit, at: float) -> ReportOutcome | None:
        """When utility becomes stable, accept the retained report of an available device as its position."""
        entry = self._ledger[circuit.id]
        device = circuit.device
        if device is not None and device.remembers and device.can_query and not entry.cannot_be_asked:
            return self.close_if_on(circuit, at)  # the device is asked
        if entry.live or not entry.available or entry.position in (Position.UNKNOWN, entry.retained_position):
            return self.close_if_on(circuit, at)
        before = entry.retained_position
        self._keep_retained(circuit.id, entry)
        if entry.position is Position.TRIPPED:
            return self._tripped(circuit, entry, at)
        if entry.position is Position.OFF:
            return self._off_without_command(circuit, entry, before, at, woke=self._ledger.rebooted)
        return self.close_if_on(circuit, at)

    # --- on -----------------------------------------------------------------------------------------------------------

    def _reported_on(
        self, circuit: Circuit, entry: CircuitEntry, at: float, phase: ReportContext
    ) -> ReportOutcome | None:
        ours, entry.on_pending = entry.on_pending, False
        if entry.request is not None and entry.request.position is Position.ON:
            entry.request = None
            return ReportOutcome.REQUEST_COMPLETED
        debt = entry.shed_record
        if debt is None:
            return None
        if ours:
            return self._commanded_on(circuit, debt, at, phase)
        if not debt.confirmed:
            self._still_on(circuit.id, debt)
            return self.close_if_on(circuit, at) if phase is ReportContext.UTILITY else None
        if debt.on_reported_at is not None and phase is ReportContext.UTILITY:
            return self.close_if_on(circuit, at)  # it repeats the report that confirmed our ON
        return self._unexpected_on(circuit, entry, at, phase)

    def _commanded_on(
        self, circuit: Circuit, debt: ShedRecord, at: float, phase: ReportContext
    ) -> ReportOutcome | None:
        entry = self._ledger[circuit.id]
        if phase is ReportContext.SHEDDING and sheddable(circuit):
            return ReportOutcome.UNEXPECTED_ON  # the contact has opened since
        if (entry.off_pending or entry.more_offs_in_flight) and at < self._late_off_until(entry):
            entry.off_confirmed_live = False  # a repeated report is not a manual override
            debt.on_reported_at = at
            return None  # this may be the earlier position: an unacknowledged OFF may still take effect
        entry.off_pending = entry.more_offs_in_flight = False
        self._ledger.record_switch(circuit.id, Position.ON, BY_CONTROLLER, at)
        self._ledger.clear(circuit.id)
        return ReportOutcome.CONFIRMED_ON

    def _still_on(self, circuit: CircuitId, debt: ShedRecord) -> None:
        """Evaluate a circuit that reports on before the OFF reached it: it was on before, unless the disk has off.

        In that case the state before the outage is unknown: a breaker may power up in the on position during the
        transfer.
        """
        if debt.before_unverified:
            debt.before = Position.UNKNOWN if debt.before is Position.OFF else Position.ON
            debt.before_unverified = False
            self._ledger.changed.add(circuit)

    def _unexpected_on(
        self, circuit: Circuit, entry: CircuitEntry, at: float, phase: ReportContext
    ) -> ReportOutcome | None:
        """Evaluate a circuit that was confirmed off and reports on: manual override, or reboot in the transfer."""
        if phase is ReportContext.SHEDDING and entry.off_pending:
            return None  # it is already being shed again, and repeats its report
        # Back on utility, an OFF that may still take effect is watched first. Otherwise its effect would count as
        # manual.
        crossed = phase is not ReportContext.SHEDDING and entry.more_offs_in_flight and at < self._late_off_until(entry)
        proof = not crossed and self._is_manual_override(circuit, entry, at)
        entry.off_confirmed_live = False
        # A gateway does not report the restart of each device: its word counts like that of one without availability.
        gateway = circuit.device is not None and circuit.device.remembers
        if proof and entry.publishes_availability and not gateway:
            entry.possible_override_since = at
        elif proof:
            entry.unexplained_on_count += 1
            if entry.unexplained_on_count > 1:
                return self._taken_over(circuit.id, at)
        if phase is ReportContext.UTILITY and (paid := self.close_if_on(circuit, at)) is not None:
            return paid
        return ReportOutcome.UNEXPECTED_ON if entry.possible_override_since is None else ReportOutcome.POSSIBLE_OVERRIDE

    def _is_manual_override(self, circuit: Circuit, entry: CircuitEntry, at: float) -> bool:
        changed, our_on = entry.availability_at, entry.on_sent_at
        return (
            circuit.override is Override.ALLOW
            and (our_on is None or at > our_on + LATE_ON_S)
            and self._ledger.outage is not None
            and entry.off_confirmed_live
            and (changed is None or at > changed + self._confirm_time(entry))
        )

    def _taken_over(self, circuit: CircuitId, at: float) -> ReportOutcome:
        self._ledger.take_over(circuit)
        self._ledger.record_switch(circuit, Position.ON, BY_HAND, at)
        return ReportOutcome.TAKEN_OVER

    # --- off, tripped -------------------------------------------------------------------------------------------------

    def _reported_off(
        self, circuit: Circuit, entry: CircuitEntry, before: Position, at: float, *, woke: bool
    ) -> ReportOutcome | None:
        ours, entry.off_pending = entry.off_pending, False
        if entry.recheck_off_since is not None and (entry.off_sent_at or 0.0) >= entry.recheck_off_since:
            entry.recheck_off_since = None
        if ours:
            entry.on_pending = False if entry.sent is Position.OFF else entry.on_pending
            # A circuit that reports off and draws power has not obeyed.
            entry.attempts = 0 if entry.sent is Position.OFF and not entry.still_drawing else entry.attempts
        if entry.request is not None and entry.request.position is Position.OFF:
            entry.request = None
            return ReportOutcome.REQUEST_COMPLETED
        if (debt := entry.shed_record) is not None:
            return self._confirmed(circuit.id, entry, debt, at, ours=ours or before is Position.ON)
        since = entry.availability_at
        woke = woke or (since is not None and entry.available and at <= since + self._confirm_time(entry))
        return None if ours else self._off_without_command(circuit, entry, before, at, woke=woke)

    def _confirmed(
        self, circuit: CircuitId, entry: CircuitEntry, debt: ShedRecord, at: float, *, ours: bool
    ) -> ReportOutcome | None:
        entry.off_confirmed_live = True
        debt.before_unverified, debt.on_reported_at = False, None
        if debt.confirmed and not ours:
            return None  # a repeated report
        debt.off_at = self._ledger.boot_time(at)
        self._ledger.changed.add(circuit)
        news, debt.confirmed = not debt.confirmed, True
        return ReportOutcome.CONFIRMED_OFF if news else None

    def _off_without_command(
        self, circuit: Circuit, entry: CircuitEntry, before: Position, at: float, *, woke: bool
    ) -> ReportOutcome | None:
        if before is not Position.ON or entry.shed_record is not None:
            return None
        if circuit.wakes is Wakes.OFF and commandable(circuit):
            entry.power_loss_off_at = at
            if woke:
                return self._off_after_power_loss(circuit, entry, at)
        self._ledger.record_switch(circuit.id, Position.OFF, BY_HAND, at)
        if not entry.off_unexplained:
            return None
        entry.off_unexplained = False
        debt = self._ledger.record_shed(circuit.id, at, ShedCause.UNEXPLAINED)
        debt.needs_request = True
        if self._ledger.outage is None:
            debt.before = before  # no outage record has another value: on, as saved on disk
        return ReportOutcome.OFF_UNEXPLAINED

    def _off_after_power_loss(self, circuit: Circuit, entry: CircuitEntry, at: float) -> ReportOutcome:
        entry.power_loss_off_at = None
        debt = self._ledger.record_shed(circuit.id, at, ShedCause.POWER_LOSS)
        debt.before, debt.confirmed, debt.before_unverified = Position.ON, True, False
        self._ledger.record_switch(circuit.id, Position.OFF, "the power loss (wakes = off)", at)
        return ReportOutcome.OFF_AFTER_POWER_LOSS

    def _tripped(self, circuit: Circuit, entry: CircuitEntry, at: float) -> ReportOutcome:
        entry.off_pending = entry.more_offs_in_flight = entry.on_pending = False
        entry.request = None
        if entry.owed:
            self._ledger.take_over(circuit.id)  # under manual override from now on, also if the user resets it
        self._ledger.clear(circuit.id)  # about to be shed, which is no longer needed: leave it
        self._ledger.record_switch(circuit.id, Position.TRIPPED, "its own protection", at)
        return ReportOutcome.TRIPPED

    # --- inside -------------------------------------------------------------------------------------------------------

    def _keep_retained(self, circuit: CircuitId, entry: CircuitEntry) -> None:
        if entry.retained_position is not entry.position:
            entry.retained_position = entry.position
            self._ledger.changed.add(circuit)
            self._ledger.leave_off(circuit, left_off=entry.left_off_manually and entry.position is Position.OFF)

    @staticmethod
    def _reset_retry(entry: CircuitEntry) -> None:
        """Reset the attempts of a device that was unavailable: it has not received the last ON and has refused none."""
        entry.retry_reset = True
        if entry.sent is Position.ON:
            entry.attempts = 0

    def _confirm_time(self, entry: CircuitEntry) -> float:
        """Return the time in seconds that the circuit's device has to confirm a command."""
        own = None if entry.device is None else entry.device.confirm_s
        return self._confirm_s if own is None else own

    def _sign_of_life(self, entry: CircuitEntry, at: float) -> None:
        entry.retry_interval_s = min(entry.retry_interval_s, self._confirm_time(entry))
        # Within confirm_s it is a response (a refusal): a device that refuses must not be commanded without end.
        if entry.sent is Position.ON and at > entry.sent_at + self._confirm_time(entry):
            entry.attempts = 0

    @staticmethod
    def _is_known_on(entry: CircuitEntry) -> bool:
        if entry.live and not entry.reported_since_off:
            return False  # it was on before the OFF, and may have obeyed: nothing was heard of it since
        return entry.known is Position.ON and (entry.live or entry.available)

    @staticmethod
    def _may_switch_off_late(entry: CircuitEntry) -> bool:
        return entry.shed_record is not None and (
            entry.off_pending or entry.more_offs_in_flight or not entry.shed_record.confirmed
        )

    def _late_off_until(self, entry: CircuitEntry) -> float:
        since = self._ledger.started if entry.off_sent_at is None else entry.off_sent_at
        return since + entry.off_expiry_s + LATE_OFF_S
