"""Ledger entry of a circuit: its state, what is owed, and the last command."""

from __future__ import annotations

from dataclasses import dataclass  # created for each circuit between contact and OFF
from enum import Enum
from typing import TYPE_CHECKING

from rules.boot_time import BootTime
from rules.panel import Position

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rules.device import DeviceTraits
    from rules.json_types import Json


class ShedCause(Enum):
    """Reason why a circuit is owed."""

    SHED = "shed"  # nonessential, on standby
    POWER_LOSS = "power_loss"  # a relay with wakes = "off" lost its power in the transfer
    TEST = "test"  # a test of this circuit alone
    UNEXPLAINED = "unexplained"  # off after a crash during an outage, and the cause was not recorded


@dataclass(slots=True)
class ShedRecord:
    """A circuit that the controller switched off and has not restored.

    `before`: position when the outage began. `since`: time of the first OFF. `off_at`: the later of the last OFF and
    the device's report of it; `min_off_s` counts from it. `commanded`: an OFF has been sent (else it is about to be).
    `needs_request`: restored only on a user request. `released`: a user has requested it.
    """

    outage: int
    before: Position
    since: BootTime
    off_at: BootTime
    cause: ShedCause = ShedCause.SHED
    commanded: bool = True
    confirmed: bool = False
    needs_request: bool = False
    released: bool = False
    released_by_drill: bool = False  # the user asked before the drill that its end restores everything
    before_unverified: bool = False  # `before` is unverified until the device reports live
    retained_untrusted: bool = False  # from now on the retained report is the result of our own command
    on_reported_at: float | None = None  # it acknowledged our ON then, but an OFF may still take effect


@dataclass(frozen=True, slots=True)
class Hold:
    """A user requested that the controller does not switch the circuit on.

    Not a lockout: that requires a physical lock.
    """

    by: str
    note: str
    since: BootTime


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """A position that a user requested and the device has not confirmed. `not_before`: end of the minimum off time."""

    position: Position
    by: str
    not_before: float


@dataclass(frozen=True, slots=True)
class LastSwitch:
    """Who last switched the circuit, as far as known: `actor` is a phrase for its owner."""

    position: Position
    actor: str
    at: BootTime


@dataclass(slots=True)
class CircuitEntry:
    """State of one circuit.

    `position`: last report of the device; `live` if it was reported live, else it is the retained report.
    `retained_position`: position saved on disk. `sent`: last command, at `sent_at`; None: none since this start.
    `device`: device of the circuit; None: it uses loadshed's own topics. `still_drawing`: it reports off and draws
    power. `refusal`: why its device refused the last command; None: it did not. `cannot_be_asked`: it
    ignores questions for its position.
    """

    device: DeviceTraits | None = None
    position: Position = Position.UNKNOWN
    live: bool = False
    reported_at: float | None = None
    retained_position: Position = Position.UNKNOWN
    available: bool = True
    publishes_availability: bool = False
    availability_at: float | None = None

    shed_record: ShedRecord | None = None
    taken_over: bool = False
    left_off_manually: bool = False  # on when an outage began, off manually when it ended, and since then
    hold: Hold | None = None
    last_switch: LastSwitch | None = None

    request: PendingRequest | None = None
    sent: Position | None = None
    sent_at: float = 0.0
    attempts: int = 0
    retry_interval_s: float = 0.0
    retry_reset: bool = (
        True  # the wanted position changed, or the program, the broker or the device came back since `sent`
    )
    off_pending: bool = False
    more_offs_in_flight: bool = (
        False  # more than one OFF is in flight: a report acknowledges one, and the next may follow
    )
    on_pending: bool = False
    on_sent_at: float | None = None  # this start, if an earlier process may have sent one
    off_sent_at: float | None = None
    off_expiry_s: float = 0.0  # time for which the broker keeps that OFF for an unavailable device

    possible_override_since: float | None = None  # on again while owed: manual override, or a reboot
    unexplained_on_count: int = 0
    off_confirmed_live: bool = False  # its off was reported live, since the last OFF and on this connection
    power_loss_off_at: float | None = None  # off without a command: power loss, or manual
    off_unexplained: bool = False
    still_drawing: bool = False
    refusal: str | None = None
    cannot_be_asked: bool = False
    recheck_off_since: float | None = None  # its device came back on standby: an OFF sent since must be confirmed

    @property
    def shown(self) -> Position:
        """Return the position to show to users. What a gateway remembers, or echoes, is not shown: UNKNOWN."""
        remembered = self.device is not None and self.device.remembers
        return Position.UNKNOWN if remembered and not self.live else self.position

    @property
    def known(self) -> Position:
        """Return the position that is known: reported live, or retained report and disk agree. Otherwise UNKNOWN.

        What a gateway remembers counts only if its device cannot be asked.
        """
        remembered = self.device is not None and self.device.remembers and not self.cannot_be_asked
        if self.live or (self.position is self.retained_position and not remembered):
            return self.position
        return Position.UNKNOWN

    @property
    def owed(self) -> bool:
        """Return whether the controller switched the circuit off and has not restored it."""
        return self.shed_record is not None and self.shed_record.commanded

    @property
    def confirmed_off(self) -> bool:
        """Return whether the controller switched the circuit off and its device confirmed it, and still reports off.

        A circuit that is off for an unknown reason after a crash has its device's report of `off` only.
        """
        if self.shed_record is None or not self.owed or self.position is not Position.OFF:
            return False
        confirmed = self.shed_record.confirmed or self.shed_record.cause is ShedCause.UNEXPLAINED
        return confirmed and self.recheck_off_since is None and not self.still_drawing

    @property
    def reports_on(self) -> bool:
        """Return whether the device has reported on since the last OFF. What its gateway remembers is no report."""
        return self.shown is Position.ON and self.reported_since_off

    @property
    def reported_since_off(self) -> bool:
        """Return whether the device has reported since the last OFF (since this start, if that was earlier)."""
        if self.off_sent_at is None:
            return self.live
        return self.reported_at is not None and self.reported_at > self.off_sent_at

    def position_before(self, *, wakes_off: bool) -> Position:
        """Return the position to restore if an outage began now."""
        if self.live or self.position is self.retained_position:
            return self.position
        if self.position is Position.UNKNOWN:
            return self.retained_position
        if wakes_off and (self.position, self.retained_position) == (Position.OFF, Position.ON):
            return Position.ON  # it lost its power
        return Position.UNKNOWN


def to_row(entry: CircuitEntry) -> dict[str, Json]:
    """Return the part of an entry that is saved, JSON-ready."""
    row: dict[str, Json] = {"position": entry.retained_position.value}
    if (debt := entry.shed_record) is not None:
        row["shed_record"] = {
            "outage": debt.outage,
            "before": debt.before.value,
            "since": _moment_row(debt.since),
            "off_at": _moment_row(debt.off_at),
            "cause": debt.cause.value,
            "confirmed": debt.confirmed,
            "needs_request": debt.needs_request,
            "released": debt.released,
            **({"released_by_drill": True} if debt.released_by_drill else {}),
        }
    if entry.taken_over:
        row["taken_over"] = True
    if entry.left_off_manually:
        row["left_off_manually"] = True
    if (hold := entry.hold) is not None:
        row["hold"] = {"by": hold.by, "note": hold.note, "since": _moment_row(hold.since)}
    if (last := entry.last_switch) is not None:
        row["last_switch"] = {"position": last.position.value, "actor": last.actor, "at": _moment_row(last.at)}
    return row


def from_row(row: Mapping[str, Json], now: BootTime) -> CircuitEntry:
    """Return the entry that `to_row` wrote, as it stands at a start at `now`.

    A minimum off time that began in an earlier boot counts from this start: how long the machine was down is unknown.
    Raises KeyError, TypeError or ValueError if the row is invalid.
    """
    entry = CircuitEntry(retained_position=Position(row["position"]), taken_over=row.get("taken_over") is True)
    entry.left_off_manually = row.get("left_off_manually") is True
    if isinstance(debt := row.get("shed_record"), dict):
        off_at = _moment(debt["off_at"])
        entry.shed_record = ShedRecord(
            outage=_whole(debt["outage"]),
            before=Position(debt["before"]),
            since=_moment(debt["since"]),
            off_at=off_at if off_at.boot == now.boot else now,
            cause=ShedCause(debt["cause"]),
            confirmed=debt["confirmed"] is True,
            needs_request=debt["needs_request"] is True,
            released=debt["released"] is True,
            released_by_drill=debt.get("released_by_drill") is True,
        )
    if isinstance(hold := row.get("hold"), dict):
        entry.hold = Hold(str(hold["by"]), str(hold["note"]), _moment(hold["since"]))
    if isinstance(last := row.get("last_switch"), dict):
        entry.last_switch = LastSwitch(Position(last["position"]), str(last["actor"]), _moment(last["at"]))
    return entry


def _moment_row(moment: BootTime) -> Json:
    return [moment.boot, moment.mono]


def _moment(row: Json) -> BootTime:
    if not isinstance(row, list):
        raise TypeError(f"a time is a list of boot ID and seconds, not {row!r}")
    boot, mono = row
    return BootTime(str(boot), float(mono))  # type: ignore[arg-type]  # float() refuses what is no number


def _whole(value: Json) -> int:
    if not isinstance(value, int):
        raise TypeError(f"an outage number is an integer, not {value!r}")
    return value
