"""Debouncing of the transfer switch's auxiliary contact: utility, standby or unknown.

The contact bounces for milliseconds, and its long wire runs beside the generator's ignition. Decisions use the time at
which an edge occurred, not the time at which it was read: every edge carries its own time. A stalled program therefore
turns neither a bounce into an outage nor an outage into a bounce.
"""

from __future__ import annotations

from enum import Enum

LOST_IS_STANDBY_AFTER_S = 15.0
"""Time in seconds after which a lost contact counts as standby, with `on_lost = "shed"`."""

QUERY_RETRY_S = (5.0, 10.0, 20.0, 40.0, 60.0, 60.0, 60.0, 60.0)
"""Seconds between requests while the position is unknown. Then no more are sent until the device or broker returns."""


class PowerSource(Enum):
    """Source of the panel's power, as reported by the settled contact."""

    UTILITY = "utility"
    STANDBY = "standby"
    UNKNOWN = "unknown"


class ContactDebouncer:
    """Debouncer of the auxiliary contact.

    `settle_s`: time a new position must hold before it counts. `on_lost_shed`: a lost contact counts as standby 15 s
    after the loss or the start. `distrust_retained`: a retained *utility* counts only after the contact's device has
    published something live (an outage is open on disk and the machine has booted since).
    """

    def __init__(
        self, settle_s: float, at: float, *, on_lost_shed: bool = False, distrust_retained: bool = False
    ) -> None:
        self._settle_s = settle_s
        self._lost_counts_as_standby = on_lost_shed
        self._distrust_retained = distrust_retained
        self._retained_position: PowerSource | None = None  # last position reported, whether or not it has settled
        self._offline = False  # the contact's device is offline
        self._forced = False  # standby because the contact has been lost for too long
        self.settled = PowerSource.UNKNOWN
        self.settled_at = at  # when the settled position began, not when it settled
        self.pending: PowerSource | None = None
        self.pending_since = at
        self.lost_since: float | None = at
        self.steady_since: float | None = None  # start of the present time on known, uninterrupted utility
        self.bounces = 0

    @property
    def steady(self) -> bool:
        """Return whether the house is known to be on utility: settled there, and no edge is settling."""
        return self.settled is PowerSource.UTILITY and self.pending is None

    def on_position(self, source: PowerSource, at: float) -> None:
        """Process a position that the contact itself showed or published at `at`."""
        self._retained_position, self._distrust_retained, self._offline, self.lost_since = source, False, False, None
        if source is self.settled:
            self._forced = False
            if self.pending is not None:
                self.pending = None
                self.bounces += 1
                self._steady_from(at + self._settle_s)  # the returning edge must hold, too
        elif self.pending is not source:
            self.pending, self.pending_since, self.steady_since = source, at, None

    def on_retained(self, source: PowerSource, at: float) -> None:
        """Process the retained position of an MQTT contact.

        Standby counts at once, utility with the exceptions of Source 4.
        """
        if source is PowerSource.STANDBY:
            self._retained_position, self.lost_since = source, None
            if self.settled is not PowerSource.STANDBY:
                self._settle(source, at)
        elif self._distrust_retained or self._offline:
            self._retained_position = source
        else:
            self.on_position(source, at)

    def on_device_alive(self, at: float) -> None:
        """Process a live message of the contact's device that is not a position: its last position counts."""
        self._distrust_retained = self._offline = False
        if self._retained_position is not None:
            self.on_position(self._retained_position, at)

    def on_lost(self, at: float, *, offline: bool) -> None:
        """Process the loss of the contact: its position is unknown.

        `offline`: the contact's device is offline, and its retained position does not count until the device publishes
        something live. Otherwise the broker connection is lost, and the retained position is evaluated again after the
        reconnection.
        """
        self._offline = offline
        if not offline:
            self._retained_position = None
        self.pending = self.steady_since = None
        if self.lost_since is None:
            self.lost_since = at
        if not self._forced and self.settled is not PowerSource.UNKNOWN:
            self.settled, self.settled_at = PowerSource.UNKNOWN, at

    def deadline(self) -> float | None:
        """Return when time alone may next change the settled position; None: never."""
        if self.pending is not None:
            return self.pending_since + self._settle_s
        if self._lost_counts_as_standby and self.lost_since is not None and not self._forced:
            return self.lost_since + LOST_IS_STANDBY_AFTER_S
        return None

    def on_deadline(self, at: float) -> PowerSource | None:
        """Process the deadline that has come.

        Return the position that counts from now on; None if it did not change.
        """
        if (deadline := self.deadline()) is None or at < deadline:
            return None
        if self.pending is not None:
            self._settle(self.pending, self.pending_since)
            self._steady_from(deadline)
        else:
            self._settle(PowerSource.STANDBY, deadline)
            self._forced = True
        return self.settled

    def _settle(self, source: PowerSource, at: float) -> None:
        self.settled, self.settled_at, self.pending, self._forced = source, at, None, False
        if source is not PowerSource.UTILITY:
            self.steady_since = None

    def _steady_from(self, at: float) -> None:
        self.steady_since = at if self.steady else None


class ContactQuery:
    """Schedule of the requests to the device of an MQTT contact for its position.

    `enabled`: the installer's file names a topic for them.
    """

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled
        self._due_at: float | None = None
        self._sent = 0

    def returned(self, at: float) -> None:
        """Schedule a request now: the connection to the broker is new, or the device has returned."""
        if self._enabled:
            self._due_at, self._sent = at, 0

    def stop(self) -> None:
        """Schedule nothing: the broker is disconnected."""
        self._due_at = None

    def deadline(self, *, unknown: bool) -> float | None:
        """Return when the next request is due (monotonic seconds); None: none is. `unknown`: so is the position."""
        return self._due_at if unknown or self._sent == 0 else None

    def sent(self, at: float) -> None:
        """Note that a request was sent, and schedule the next one, of which there is a limited number."""
        self._due_at = at + QUERY_RETRY_S[self._sent] if self._sent < len(QUERY_RETRY_S) else None
        self._sent += 1
