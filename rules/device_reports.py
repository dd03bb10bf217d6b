"""What devices say, judged: a confirmation, a reboot in the transfer, a person's hand, a fall with the power.

A breaker that was shed and is on again is the hard case. Owners are told to switch breakers by hand at a refuelling,
and devices wake on in a transfer: not every ON is a wish, and a wish must be obeyed.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from rules.controllability import commandable, sheddable
from rules.ledger import HAND, US
from rules.ledger_entry import Cause
from rules.panel import Override, Position, Wakes
from rules.restore import LATE_OFF_S, LATE_ON_S

if TYPE_CHECKING:
    from rules.ledger import Ledger
    from rules.ledger_entry import Debt, Entry
    from rules.panel import Circuit, CircuitId


class Phase(Enum):
    """What the house wants of nonessential circuits while a report is judged."""

    SHEDS = "sheds"  # on standby, or not known to have left it
    DOUBTS = "doubts"  # nothing is known, or an edge has not settled
    UTILITY = "utility"


class Outcome(Enum):
    """What a report or the passing of time turned out to mean. The value names the event in the log."""

    CONFIRMED_OFF = "confirmed_off"
    ON_AGAIN = "on_again"
    SUSPECT = "on_again_maybe_by_a_person"
    TAKEN_OVER = "taken_over"
    TRIPPED = "tripped"
    CONFIRMED_ON = "confirmed_on"
    CAME_BACK = "came_back_by_itself"
    WISH_DONE = "request_done"
    FELL = "fell_with_the_power"
    DOUBTFUL = "off_for_unknown_reasons"


class Reports:
    """Judges what devices say, and keeps the ledger by it.

    `confirm_s`: within so long of a change of a device's availability, what it reports may be a reboot's doing.
    """

    def __init__(self, ledger: Ledger, confirm_s: float) -> None:
        self._ledger = ledger
        self._confirm_s = confirm_s

    # --- what is said ------------------------------------------------------------------------------------------------

    def live(self, circuit: Circuit, position: Position, at: float, phase: Phase) -> Outcome | None:
        """Take a live report; return what it turned out to mean, None where nothing of note."""
        entry = self._ledger[circuit.id]
        before, first = entry.remembered, not entry.live
        entry.position, entry.live, entry.reported_at = position, True, at
        self._remember(circuit.id, entry)
        self._sign_of_life(entry, at)
        if position is Position.ON:
            entry.doubtful, entry.fell_at = False, None
            return self._came_on(circuit, entry, at, phase)
        entry.suspect_since = None
        if position is Position.TRIPPED:
            entry.fell_at = None
            return self._tripped(circuit, entry, at)
        woke = first and self._ledger.rebooted and not entry.writes_availability
        return self._went_off(circuit, entry, before, at, woke=woke)

    def retained(self, circuit: Circuit, position: Position) -> None:
        """Take what the broker remembers. It is not what is: it confirms nothing, and ends nothing yet."""
        entry = self._ledger[circuit.id]
        if entry.live and entry.position is position:
            return
        entry.position, entry.live = position, False
        debt = entry.debt
        if debt is not None and debt.provisional and not debt.weighed and entry.known is Position.UNKNOWN:
            may_fall = self._ledger.may_have_fallen(circuit)
            fell = may_fall and position is Position.OFF and debt.before is Position.ON
            if not fell:
                debt.before = Position.UNKNOWN  # disk and broker differ: nobody knows
                self._ledger.changed.add(circuit.id)

    def availability(
        self, circuit: Circuit, at: float, phase: Phase, *, online: bool, retained: bool
    ) -> Outcome | None:
        """Take a device's word, or its last will's, that it answers or not."""
        entry = self._ledger[circuit.id]
        came_back = online and not entry.available
        entry.writes_availability, entry.available = True, online
        if came_back:
            self._tried_anew(entry)
        if retained:
            if came_back:  # it was away when we last heard of it: it has lived since
                self._sign_of_life(entry, at)
            return None
        entry.availability_at = at
        if online:
            self._sign_of_life(entry, at)
        if entry.suspect_since is not None:
            entry.suspect_since = None  # a reboot, not a hand
            return Outcome.ON_AGAIN if phase is Phase.SHEDS else None
        if online and entry.fell_at is not None and at <= entry.fell_at + self._confirm_s:
            return self._fell(circuit, entry, at)
        return None

    def connected(self) -> None:
        """The broker came back: what was proved in the old connection proves nothing now."""
        for _, entry in self._ledger:
            self._tried_anew(entry)
            entry.suspect_since, entry.off_heard = None, False
            if entry.debt is not None and entry.off_sent_at is not None:
                entry.debt.weighed = True  # an off that the broker remembers may be our own OFF's

    # --- the passing of time -----------------------------------------------------------------------------------------

    def deadline(self, circuit: CircuitId, phase: Phase) -> float | None:
        """Return when time alone will next mean something for this circuit; None: never, as things stand."""
        entry = self._ledger[circuit]
        if entry.suspect_since is not None:
            return entry.suspect_since + self._confirm_s
        if phase is Phase.UTILITY and self._surely_on(entry) and self._may_fall_late(entry):
            return self._late_until(entry)
        return None

    def tick(self, circuit: Circuit, at: float, phase: Phase) -> Outcome | None:
        """Play what time alone decides: whether it was a person, and whether an OFF may still take effect."""
        entry = self._ledger[circuit.id]
        if entry.suspect_since is not None and at >= entry.suspect_since + self._confirm_s:
            return self._taken_over(circuit.id, at)
        return self.judge(circuit, at) if phase is Phase.UTILITY else None

    def judge(self, circuit: Circuit, at: float) -> Outcome | None:
        """On utility: end a debt that was never called in, or that the circuit has paid by being on."""
        entry = self._ledger[circuit.id]
        debt = entry.debt
        if debt is None:
            return None
        if not debt.commanded:
            self._ledger.forgive(circuit.id)
            return None
        if not self._surely_on(entry):
            return None
        if self._may_fall_late(entry) and at < self._late_until(entry):
            return None  # the OFF may still take effect: then it is ours, and given back
        ours, entry.on_pending = entry.on_pending or debt.back_at is not None, False
        if ours:
            self._ledger.switched(circuit.id, Position.ON, US, at)
        self._ledger.forgive(circuit.id)
        return Outcome.CONFIRMED_ON if ours else Outcome.CAME_BACK

    def believe(self, circuit: Circuit, at: float) -> Outcome | None:
        """Utility is stable: take the broker's memory of an available device for what is."""
        entry = self._ledger[circuit.id]
        if entry.live or not entry.available or entry.position in (Position.UNKNOWN, entry.remembered):
            return self.judge(circuit, at)
        before = entry.remembered
        self._remember(circuit.id, entry)
        if entry.position is Position.TRIPPED:
            return self._tripped(circuit, entry, at)
        if entry.position is Position.OFF:
            return self._off_without_us(circuit, entry, before, at, woke=self._ledger.rebooted)
        return self.judge(circuit, at)

    # --- on ----------------------------------------------------------------------------------------------------------

    def _came_on(self, circuit: Circuit, entry: Entry, at: float, phase: Phase) -> Outcome | None:
        ours, entry.on_pending = entry.on_pending, False
        if entry.wish is not None and entry.wish.position is Position.ON:
            entry.wish = None
            return Outcome.WISH_DONE
        debt = entry.debt
        if debt is None:
            return None
        if ours:
            return self._our_on(circuit, debt, at, phase)
        if not debt.confirmed:
            self._was_on(circuit.id, debt)
            return self.judge(circuit, at) if phase is Phase.UTILITY else None
        return self._on_again(circuit, entry, at, phase)

    def _our_on(self, circuit: Circuit, debt: Debt, at: float, phase: Phase) -> Outcome | None:
        entry = self._ledger[circuit.id]
        if phase is Phase.SHEDS and sheddable(circuit):
            return Outcome.ON_AGAIN  # the contact has opened since
        if (entry.off_pending or entry.off_behind) and at < self._late_until(entry):
            entry.off_heard = False  # said again, it is no hand's doing
            debt.back_at = at
            return None  # it may say what it was: an OFF that nobody answered may still take effect
        entry.off_pending = entry.off_behind = False
        self._ledger.switched(circuit.id, Position.ON, US, at)
        self._ledger.forgive(circuit.id)
        return Outcome.CONFIRMED_ON

    def _was_on(self, circuit: CircuitId, debt: Debt) -> None:
        """Judge a circuit that reports on before our OFF reached it: it was on before, unless the disk says off.

        Then nobody knows: a breaker may wake on in the transfer.
        """
        if debt.provisional:
            debt.before = Position.UNKNOWN if debt.before is Position.OFF else Position.ON
            debt.provisional = False
            self._ledger.changed.add(circuit)

    def _on_again(self, circuit: Circuit, entry: Entry, at: float, phase: Phase) -> Outcome | None:
        """Judge a circuit that was confirmed off and is on: by a person's hand, or by a reboot in the transfer."""
        if phase is Phase.SHEDS and entry.off_pending:
            return None  # it is being shed again already, and says again what it said
        # Back on utility, an OFF of ours that may yet take effect is watched first: else it were said to be theirs.
        crossed = phase is not Phase.SHEDS and entry.off_behind and at < self._late_until(entry)
        proof = not crossed and self._may_be_a_person(circuit, entry, at)
        entry.off_heard = False
        if proof and entry.writes_availability:
            entry.suspect_since = at
        elif proof:
            entry.ons += 1
            if entry.ons > 1:
                return self._taken_over(circuit.id, at)
        if phase is Phase.UTILITY and (paid := self.judge(circuit, at)) is not None:
            return paid
        return Outcome.ON_AGAIN if entry.suspect_since is None else Outcome.SUSPECT

    def _may_be_a_person(self, circuit: Circuit, entry: Entry, at: float) -> bool:
        changed, our_on = entry.availability_at, entry.on_sent_at
        return (
            circuit.override is Override.ALLOW
            and (our_on is None or at > our_on + LATE_ON_S)
            and self._ledger.outage is not None
            and entry.off_heard
            and (changed is None or at > changed + self._confirm_s)
        )

    def _taken_over(self, circuit: CircuitId, at: float) -> Outcome:
        self._ledger.take_over(circuit)
        self._ledger.switched(circuit, Position.ON, HAND, at)
        return Outcome.TAKEN_OVER

    # --- off, tripped ------------------------------------------------------------------------------------------------

    def _went_off(self, circuit: Circuit, entry: Entry, before: Position, at: float, *, woke: bool) -> Outcome | None:
        ours, entry.off_pending = entry.off_pending, False
        if ours:
            entry.on_pending = False if entry.sent is Position.OFF else entry.on_pending
            entry.tries = 0 if entry.sent is Position.OFF else entry.tries
        if entry.wish is not None and entry.wish.position is Position.OFF:
            entry.wish = None
            return Outcome.WISH_DONE
        if (debt := entry.debt) is not None:
            return self._confirmed(circuit.id, entry, debt, at, ours=ours or before is Position.ON)
        since = entry.availability_at
        woke = woke or (since is not None and entry.available and at <= since + self._confirm_s)
        return None if ours else self._off_without_us(circuit, entry, before, at, woke=woke)

    def _confirmed(self, circuit: CircuitId, entry: Entry, debt: Debt, at: float, *, ours: bool) -> Outcome | None:
        entry.off_heard = True
        debt.provisional, debt.back_at = False, None
        if debt.confirmed and not ours:
            return None  # it says again what it said
        debt.off_at = self._ledger.moment(at)
        self._ledger.changed.add(circuit)
        news, debt.confirmed = not debt.confirmed, True
        return Outcome.CONFIRMED_OFF if news else None

    def _off_without_us(
        self, circuit: Circuit, entry: Entry, before: Position, at: float, *, woke: bool
    ) -> Outcome | None:
        if before is not Position.ON or entry.debt is not None:
            return None
        if circuit.wakes is Wakes.OFF and commandable(circuit):
            entry.fell_at = at
            if woke:
                return self._fell(circuit, entry, at)
        self._ledger.switched(circuit.id, Position.OFF, HAND, at)
        if not entry.doubtful:
            return None
        entry.doubtful = False
        debt = self._ledger.owe(circuit.id, at, Cause.DOUBTFUL)
        debt.waits = True
        if self._ledger.outage is None:
            debt.before = before  # no outage's record says otherwise: on, as the disk has it
        return Outcome.DOUBTFUL

    def _fell(self, circuit: Circuit, entry: Entry, at: float) -> Outcome:
        entry.fell_at = None
        debt = self._ledger.owe(circuit.id, at, Cause.FELL)
        debt.before, debt.confirmed, debt.provisional = Position.ON, True, False
        self._ledger.switched(circuit.id, Position.OFF, "the power cut (it wakes off)", at)
        return Outcome.FELL

    def _tripped(self, circuit: Circuit, entry: Entry, at: float) -> Outcome:
        entry.off_pending = entry.off_behind = entry.on_pending = False
        entry.wish = None
        if entry.owed:
            self._ledger.take_over(circuit.id)  # a person's from now on, also when they reset it
        self._ledger.forgive(circuit.id)  # about to be switched off, and it need not be: nobody's
        self._ledger.switched(circuit.id, Position.TRIPPED, "its own protection", at)
        return Outcome.TRIPPED

    # --- inside ------------------------------------------------------------------------------------------------------

    def _remember(self, circuit: CircuitId, entry: Entry) -> None:
        if entry.remembered is not entry.position:
            entry.remembered = entry.position
            self._ledger.changed.add(circuit)
            self._ledger.leave_off(circuit, left_off=entry.left_off and entry.position is Position.OFF)

    @staticmethod
    def _tried_anew(entry: Entry) -> None:
        """Begin the tries anew: what was away has not heard our last ON, however short a time ago, and refused none."""
        entry.fresh = True
        if entry.sent is Position.ON:
            entry.tries = 0

    def _sign_of_life(self, entry: Entry, at: float) -> None:
        entry.pause_s = min(entry.pause_s, self._confirm_s)
        # Within confirm_s it is an answer (a refusal): a device that refuses must not be asked for ever.
        if entry.sent is Position.ON and at > entry.sent_at + self._confirm_s:
            entry.tries = 0

    @staticmethod
    def _surely_on(entry: Entry) -> bool:
        return entry.known is Position.ON and (entry.live or entry.available)

    @staticmethod
    def _may_fall_late(entry: Entry) -> bool:
        return entry.debt is not None and (entry.off_pending or entry.off_behind or not entry.debt.confirmed)

    def _late_until(self, entry: Entry) -> float:
        since = self._ledger.started if entry.off_sent_at is None else entry.off_sent_at
        return since + entry.off_lives_s + LATE_OFF_S
