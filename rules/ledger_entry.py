"""One line of the ledger: what is known of a circuit, what we owe it, and what we last asked of it."""

from __future__ import annotations

from dataclasses import dataclass  # not the quick kind: one of these is made for each circuit, between contact and OFF
from enum import Enum
from typing import TYPE_CHECKING

from rules.boot_time import BootTime
from rules.panel import Position

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rules.json_types import Json


class ShedCause(Enum):
    """By which rule a circuit came to be owed."""

    SHED = "shed"  # nonessential, on standby
    POWER_LOSS = "fell"  # a relay that wakes off lost its power in the transfer
    UNEXPLAINED = "doubtful"  # off after a crash in an outage, and nobody wrote down why


@dataclass(slots=True)
class ShedRecord:
    """A circuit that is off because of us, and not yet given back.

    `before`: its position when the outage began. `since`: our first OFF. `off_at`: the later of our last OFF and the
    device's report of it, from which `min_off_s` runs. `commanded`: an OFF has left (else it is about to).
    `waits`: given back only when a person asks. `released`: a person asked.
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
    before_unverified: bool = False  # `before` is hearsay until the device speaks
    retained_untrusted: bool = False  # what the broker remembers from now on is of our own making
    on_reported_at: float | None = None  # it answered our ON then, but an OFF may still take effect


@dataclass(frozen=True, slots=True)
class Hold:
    """A person asked that nothing of ours switch the circuit on. No lock-out: that takes a physical lock."""

    by: str
    note: str
    since: BootTime


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """A person asked for a position, and it is not confirmed yet. `not_before`: the load rests until then."""

    position: Position
    by: str
    not_before: float


@dataclass(frozen=True, slots=True)
class LastSwitch:
    """Who last moved the circuit, as far as we know: `who` is a phrase for its owner."""

    position: Position
    actor: str
    at: BootTime


@dataclass(slots=True)
class CircuitEntry:
    """What is known of one circuit.

    `position`: what the device last said, `live` where it said so to us, else the broker's memory.
    `remembered`: what the disk has. `sent`: our last command and when; None: none since this start.
    """

    position: Position = Position.UNKNOWN
    live: bool = False
    reported_at: float | None = None
    retained_position: Position = Position.UNKNOWN
    available: bool = True
    publishes_availability: bool = False
    availability_at: float | None = None

    shed_record: ShedRecord | None = None
    taken_over: bool = False
    left_off_manually: bool = False  # on when an outage began, off by a person when it was over, and since
    hold: Hold | None = None
    last_switch: LastSwitch | None = None

    request: PendingRequest | None = None
    sent: Position | None = None
    sent_at: float = 0.0
    attempts: int = 0
    retry_interval_s: float = 0.0
    retry_reset: bool = True  # what is wanted changed, or the program, the broker or the device came back since `sent`
    off_pending: bool = False
    more_offs_in_flight: bool = (
        False  # more than one OFF is on its way: a report answers one, and the next may come after it
    )
    on_pending: bool = False
    on_sent_at: float | None = None  # this start, where an earlier process may have sent one
    off_sent_at: float | None = None
    off_expiry_s: float = 0.0  # so long does the broker keep that OFF for a device that is away

    possible_override_since: float | None = None  # on again while owed: a person, or a reboot?
    unexplained_on_count: int = 0
    off_confirmed_live: bool = False  # its off was heard live, since our last OFF and in this connection
    power_loss_off_at: float | None = None  # off without us: its power, or a hand?
    off_unexplained: bool = False

    @property
    def known(self) -> Position:
        """Return the position that may be relied on: said live, or told alike by the broker and the disk."""
        if self.live or self.position is self.retained_position:
            return self.position
        return Position.UNKNOWN

    @property
    def owed(self) -> bool:
        """Tell whether we switched it off and have not given it back."""
        return self.shed_record is not None and self.shed_record.commanded

    @property
    def reported_since_off(self) -> bool:
        """Tell whether the device itself has spoken since our last OFF (since this start, where that was earlier)."""
        if self.off_sent_at is None:
            return self.live
        return self.reported_at is not None and self.reported_at > self.off_sent_at

    def position_before(self, *, wakes_off: bool) -> Position:
        """Return the position to come back to, should an outage begin now."""
        if self.live or self.position is self.retained_position:
            return self.position
        if self.position is Position.UNKNOWN:
            return self.retained_position
        if wakes_off and (self.position, self.retained_position) == (Position.OFF, Position.ON):
            return Position.ON  # it fell with the power
        return Position.UNKNOWN


def to_row(entry: CircuitEntry) -> dict[str, Json]:
    """Return what of an entry outlives a crash, JSON-ready."""
    row: dict[str, Json] = {"position": entry.retained_position.value}
    if (debt := entry.shed_record) is not None:
        row["debt"] = {
            "outage": debt.outage,
            "before": debt.before.value,
            "since": _moment_row(debt.since),
            "off_at": _moment_row(debt.off_at),
            "cause": debt.cause.value,
            "confirmed": debt.confirmed,
            "waits": debt.needs_request,
            "released": debt.released,
        }
    if entry.taken_over:
        row["taken_over"] = True
    if entry.left_off_manually:
        row["left_off"] = True
    if (hold := entry.hold) is not None:
        row["hold"] = {"by": hold.by, "note": hold.note, "since": _moment_row(hold.since)}
    if (last := entry.last_switch) is not None:
        row["switched"] = {"position": last.position.value, "who": last.actor, "at": _moment_row(last.at)}
    return row


def from_row(row: Mapping[str, Json], now: BootTime) -> CircuitEntry:
    """Return the entry that `to_row` wrote, as it stands at a start at `now`.

    A rest that began in an earlier boot is counted from this start: nobody knows how long the machine was down.
    Raises KeyError, TypeError or ValueError where the row is not one of ours.
    """
    entry = CircuitEntry(retained_position=Position(row["position"]), taken_over=row.get("taken_over") is True)
    entry.left_off_manually = row.get("left_off") is True
    if isinstance(debt := row.get("debt"), dict):
        off_at = _moment(debt["off_at"])
        entry.shed_record = ShedRecord(
            outage=_whole(debt["outage"]),
            before=Position(debt["before"]),
            since=_moment(debt["since"]),
            off_at=off_at if off_at.boot == now.boot else now,
            cause=ShedCause(debt["cause"]),
            confirmed=debt["confirmed"] is True,
            needs_request=debt["waits"] is True,
            released=debt["released"] is True,
        )
    if isinstance(hold := row.get("hold"), dict):
        entry.hold = Hold(str(hold["by"]), str(hold["note"]), _moment(hold["since"]))
    if isinstance(last := row.get("switched"), dict):
        entry.last_switch = LastSwitch(Position(last["position"]), str(last["who"]), _moment(last["at"]))
    return entry


def _moment_row(moment: BootTime) -> Json:
    return [moment.boot, moment.mono]


def _moment(row: Json) -> BootTime:
    if not isinstance(row, list):
        raise TypeError(f"a moment is a list of boot and seconds, not {row!r}")
    boot, mono = row
    return BootTime(str(boot), float(mono))  # type: ignore[arg-type]  # float() refuses what is no number


def _whole(value: Json) -> int:
    if not isinstance(value, int):
        raise TypeError(f"an outage's number is whole, not {value!r}")
    return value
