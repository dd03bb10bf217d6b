"""A drill in the recorder's log: requested, accepted, begun, ended. Independent of the machine's speed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

NOTICE_S = 1.0
"""From the request to the first OFF, at least."""

LATE_ROUNDS = 10
"""This number of replies after its time was up, a drill has surely been reported as over."""


class Request(NamedTuple):
    """A drill that was asked for, and not answered yet. `at`: the program cannot have heard of it earlier."""

    at: float
    for_s: float


@dataclass
class Drill:
    """One that was accepted. `began`: the second at which we heard that it had; None: not yet.

    `unbroken`: nothing has happened that may end it early. `on`: surely on as it began. `told`: OFF, for it.
    """

    asked: Request
    unbroken: bool = True
    began: float | None = None
    on: set[str] = field(default_factory=set)
    told: set[str] = field(default_factory=set)
    late: int = 0

    @property
    def earliest_end(self) -> float:
        return self.asked.at + NOTICE_S + self.asked.for_s

    def may_shed(self, since: float, by: float) -> bool:
        """Return whether an OFF that was sent between these two may be for it."""
        if by < self.asked.at + NOTICE_S:
            return False
        return self.began is None or since <= self.began + self.asked.for_s

    def overstays(self, since: float) -> bool:
        """Process a reply, given after `since`; return whether the drill has surely gone on for too long."""
        self.late += self.unbroken and self.began is not None and since > self.began + self.asked.for_s
        return self.late == LATE_ROUNDS

    def surely_holds(self, by: float) -> bool:
        """Return whether circuits were held off until then, whatever the machine did."""
        return self.unbroken and self.began is not None and by < self.earliest_end


@dataclass
class Drills:
    """`requests`: not answered yet. `now`: the one that may be on; None: there is none.

    `dying`: a new program was started then, and the last words of the old one may still be under way; None: there is
    no such doubt.
    """

    requests: list[Request] = field(default_factory=list)
    now: Drill | None = None
    dying: float | None = None

    def answered(self, *, ok: bool) -> Drill | None:
        """Process the reply to the first of the requests; return the drill if it is to begin."""
        request = self.requests.pop(0) if self.requests else None
        if ok and request is not None:
            self.now = Drill(request)
            return self.now
        return None

    def broken(self) -> None:
        """Record an event that may end it."""
        if self.now is not None:
            self.now.unbroken = False

    def restarted(self, at: float) -> None:
        """Record that a new program starts, which only restores."""
        self.broken()
        self.dying = at

    def online(self) -> None:
        """Take the first word of a new program."""
        if self.dying is not None:
            self.requests = [request for request in self.requests if request.at >= self.dying]
            self.now, self.dying = None, None

    def may_shed(self, since: float, by: float) -> bool:
        """Return whether an OFF that was sent between these two may be for a drill."""
        if self.now is not None and self.now.may_shed(since, by):
            return True
        return any(by >= request.at + NOTICE_S for request in self.requests)

    def is_coming(self, at: float) -> bool:
        """Return whether one was accepted a moment ago and has no event since."""
        return self.now is not None and self.now.began is None and at < self.now.asked.at + 5 * NOTICE_S
