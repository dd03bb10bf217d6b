"""What the settled contact says: utility, standby, or unknown.

The contact bounces for milliseconds, its wire is long and runs beside a generator's ignition. What is judged is when
things happened, not when they were read: every edge carries its own time, so a stalled program turns neither a bounce
into an outage nor an outage into a bounce.
"""

from __future__ import annotations

from enum import Enum

LOST_IS_STANDBY_AFTER_S = 15.0
"""With `on_lost = "shed"`, a contact nobody can read counts as standby after so many seconds."""


class Source(Enum):
    """Where the panel's power comes from, as far as the contact tells."""

    UTILITY = "utility"
    STANDBY = "standby"
    UNKNOWN = "unknown"


class Contact:
    """Settles the auxiliary contact.

    `settle_s`: a new position counts once it has held so long. `on_lost_shed`: a lost contact counts as standby
    15 s after the loss or the start. `distrust_retained`: a broker's memory of *utility* counts only once the
    contact's device has said anything live (an outage is open and the machine has booted since).
    """

    def __init__(
        self, settle_s: float, at: float, *, on_lost_shed: bool = False, distrust_retained: bool = False
    ) -> None:
        self._settle_s = settle_s
        self._on_lost_shed = on_lost_shed
        self._distrust_retained = distrust_retained
        self._word: Source | None = None  # the last position said, counted or not
        self._offline = False  # the contact's device is known not to answer
        self._forced = False  # standby because nobody can say otherwise
        self.settled = Source.UNKNOWN
        self.settled_at = at  # when the settled position began, not when it was believed
        self.pending: Source | None = None
        self.pending_since = at
        self.lost_since: float | None = at
        self.steady_since: float | None = None  # utility, known and unbroken
        self.bounces = 0

    @property
    def steady(self) -> bool:
        """Tell whether the house is on utility beyond doubt: settled there, and no edge is waiting to settle."""
        return self.settled is Source.UTILITY and self.pending is None

    def seen(self, source: Source, at: float) -> None:
        """Take the position the contact itself showed or said at `at`."""
        self._word, self._distrust_retained, self._offline, self.lost_since = source, False, False, None
        if source is self.settled:
            self._forced = False
            if self.pending is not None:
                self.pending = None
                self.bounces += 1
                self._steady_from(at + self._settle_s)  # the edge back must hold, too
        elif self.pending is not source:
            self.pending, self.pending_since, self.steady_since = source, at, None

    def remembered(self, source: Source, at: float) -> None:
        """Take the broker's memory of an MQTT contact: standby counts at once, utility as the rules allow."""
        if source is Source.STANDBY:
            self._word, self.lost_since = source, None
            if self.settled is not Source.STANDBY:
                self._settle(source, at)
        elif self._distrust_retained or self._offline:
            self._word = source
        else:
            self.seen(source, at)

    def alive(self, at: float) -> None:
        """Note that the contact's device spoke now: what it last said counts."""
        self._distrust_retained = self._offline = False
        if self._word is not None:
            self.seen(self._word, at)

    def lost(self, at: float, *, offline: bool) -> None:
        """Note that nobody can say where the contact is.

        `offline`: its own device is gone, and what the broker remembers of it does not count until it speaks again;
        else it is the way there that broke (the broker), and the broker's memory is asked anew.
        """
        self._offline = offline
        if not offline:
            self._word = None
        self.pending = self.steady_since = None
        if self.lost_since is None:
            self.lost_since = at
        if not self._forced and self.settled is not Source.UNKNOWN:
            self.settled, self.settled_at = Source.UNKNOWN, at

    def deadline(self) -> float | None:
        """Return when the settled position may next change by the passing of time; None: never."""
        if self.pending is not None:
            return self.pending_since + self._settle_s
        if self._on_lost_shed and self.lost_since is not None and not self._forced:
            return self.lost_since + LOST_IS_STANDBY_AFTER_S
        return None

    def due(self, at: float) -> Source | None:
        """Play the deadline that has come; return the position that now counts, None where none changed."""
        if (deadline := self.deadline()) is None or at < deadline:
            return None
        if self.pending is not None:
            self._settle(self.pending, self.pending_since)
            self._steady_from(deadline)
        else:
            self._settle(Source.STANDBY, deadline)
            self._forced = True
        return self.settled

    def _settle(self, source: Source, at: float) -> None:
        self.settled, self.settled_at, self.pending, self._forced = source, at, None, False
        if source is not Source.UTILITY:
            self.steady_since = None

    def _steady_from(self, at: float) -> None:
        self.steady_since = at if self.steady else None
