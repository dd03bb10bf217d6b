"""What a person must know of the house: raised once it has lasted, cleared when it is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.core.alarms import Alarm
from controller.core.circuit_alarms import CircuitWatch
from rules.contact import Source

if TYPE_CHECKING:
    from controller.core.command_scheduler import Switchboard
    from controller.core.demand_recorder import DemandLog
    from controller.core.outbox import Chronicle
    from controller.core.transfer import Transfer
    from rules.generator_loss import Generator
    from rules.ledger import Ledger

CONTACT_UNKNOWN_AFTER_S = 30.0

BROKER_AWAY_AFTER_S = 30.0
"""A broker restarts in seconds; the tries to reach it are never more than two apart."""

CLOCK_AFTER_S, CLOCK_IN_OUTAGE_AFTER_S = 600.0, 60.0
"""A network sets the clock within a minute of the start. In an outage the log's times of day matter at once."""

STALE_ON_STANDBY_AFTER_S = 90.0
"""The meter loses its power with the generator: so long, and it is known whether everything else has, too."""

HOUR_S = 3600.0


class Watchman:
    """Raises and clears the alarms of the house and, with `CircuitWatch`, those of its circuits.

    `open_alarm_s`: the contact may be open for so long, in seconds; 0: for ever.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        switches: Switchboard,
        transfer: Transfer,
        demand: DemandLog,
        chronicle: Chronicle,
        confirm_s: float,
        open_alarm_s: float,
    ) -> None:
        self._ledger = ledger
        self._transfer = transfer
        self._demand = demand
        self._chronicle = chronicle
        self._open_alarm_s = open_alarm_s
        self._open_alarm_h = f"{open_alarm_s / HOUR_S:g}"
        self._circuits = CircuitWatch(
            ledger=ledger,
            switches=switches,
            transfer=transfer,
            demand=demand,
            chronicle=chronicle,
            confirm_s=confirm_s,
        )
        self._bus_lost_at: float | None = ledger.started
        self._bus_lost_because = ""
        self._clock_trusted = False
        self._said: dict[Alarm, str | None] = {}
        self._now = ledger.started

    @property
    def generator(self) -> Generator:
        return self._circuits.generator

    def bus_lost(self, at: float, reason: str) -> None:
        """Take that the broker is away."""
        self._bus_lost_at = at if self._bus_lost_at is None else self._bus_lost_at
        self._bus_lost_because = f" ({reason})"

    def bus_connected(self) -> None:
        self._bus_lost_at = None

    def clock_trusted(self) -> None:
        self._clock_trusted = True

    def follow(self, now: float) -> None:
        """Follow a changed file."""
        self._circuits.follow(now)

    def deadline(self) -> float | None:
        """Return when `watch` will have something new to say, if nothing happens until then; None: never."""
        times = (
            *self._circuits.deadlines(),
            self._transfer.chatter.deadline(),
            self._unknown_at(),
            self._open_long_at(),
            self._broker_away_at(),
            self._clock_matters_at(),
            self._stale_at(),
        )
        return min((at for at in times if at is not None and at > self._now), default=None)

    def watch(self, now: float) -> None:
        """Raise and clear what is to be, as things stand at `now`."""
        self._now = now
        self._circuits.watch(now)
        self._watch_contact(now)
        self._when(Alarm.BROKER_AWAY, self._broker_away_at(), self._bus_lost_at, self._bus_lost_because)
        self._when(Alarm.CLOCK_UNTRUSTED, self._clock_matters_at(), self._ledger.started)
        because = self._demand.silent_because
        self._when(Alarm.METER_STALE, self._stale_at(), self._demand.stale_since, f" ({because})" if because else "")

    def _watch_contact(self, now: float) -> None:
        self._when(Alarm.CONTACT_UNKNOWN, self._unknown_at(), self._unknown_since())
        self._when(Alarm.CONTACT_OPEN_LONG, self._open_long_at(), self._open_since(), self._open_alarm_h)
        times = self._transfer.chatter.fault(now)
        self._when(Alarm.CONTACT_CHATTER, None if times is None else now, now, f"{times}")

    def _when(self, alarm: Alarm, at: float | None, since: float | None, detail: str = "") -> None:
        """Let an alarm stand from `at` on; None: not at all. `since`: when what it is about began."""
        stands = at is not None and at <= self._now
        said = detail if stands else None
        if said != self._said.get(alarm):
            self._said[alarm] = said
            self._chronicle.alarm(alarm, self._now, stands=stands, detail=detail, since=since)

    # --- when ---------------------------------------------------------------------------------------------------------

    def _unknown_since(self) -> float:
        contact = self._transfer.contact
        return contact.settled_at if contact.lost_since is None else contact.lost_since

    def _unknown_at(self) -> float | None:
        unknown = self._transfer.contact.settled is Source.UNKNOWN
        return self._unknown_since() + CONTACT_UNKNOWN_AFTER_S if unknown else None

    def _open_since(self) -> float:
        """Return since when the contact has been open; this start, where it opened before the machine last booted."""
        opened_at = self._transfer.opened_at
        return self._ledger.started if opened_at is None else opened_at

    def _open_long_at(self) -> float | None:
        never = not self._open_alarm_s or not self._transfer.house.now.sheds or self._transfer.drilling
        return None if never else self._open_since() + self._open_alarm_s

    def _broker_away_at(self) -> float | None:
        return None if self._bus_lost_at is None else self._bus_lost_at + BROKER_AWAY_AFTER_S

    def _clock_matters_at(self) -> float | None:
        if self._clock_trusted:
            return None
        wait_s = CLOCK_AFTER_S if self._ledger.outage is None else CLOCK_IN_OUTAGE_AFTER_S
        return self._ledger.started + wait_s

    def _stale_at(self) -> float | None:
        stale_since = self._demand.stale_since
        if stale_since is None or self.generator.stopped_at is not None:
            return None
        # What has been said stays said: an opening does not mend the meter.
        waits = self._transfer.house.now.sheds and self._said.get(Alarm.METER_STALE) is None
        return stale_since + (STALE_ON_STANDBY_AFTER_S if waits else 0.0)
