"""Grades of device reports: whether a message proves where the relay is, or only repeats what something remembers.

A gateway publishes its memory as ordinary messages, and reports a commanded position before the relay has moved. Only
the device's own word, or the answer to a question, is a live report (`DeviceReports.live`). Everything else counts like
the broker's retained copy.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from rules.device import Evidence
from rules.panel import Position

if TYPE_CHECKING:
    from rules.device import DeviceTraits

SECOND_QUERY_S = 1.0
"""Time in seconds between the two questions after which a gateway's `off` counts.

Its answer shares a topic with its memory: one message after one question may be a coincidence.
"""

CLOCK_MARGIN_S = 1.0
"""Difference in seconds between the clocks of gateway and controller up to which a time stamp is believed."""


class Grade(Enum):
    """What a report is worth. `CONTRADICTION`: memory, but of another position than proven: ask at once."""

    LIVE = "live"
    MEMORY = "memory"
    CONTRADICTION = "contradiction"


@dataclass(slots=True)
class DeviceEvidence:
    """What is known about the reports of one device. Times in monotonic seconds; None: not yet.

    `asked_at`: the question that is open. `last_asked_at`: the last question. `proven`: the position proven last since
    `trusted_since`, the latest start of the gateway or of our connection. `answers`: positions that followed the
    questions of this series, the latest position and how many questions it answered. `unanswered`: questions in a row
    since the last start without an answer. `ignored`: the same, also before that start, with no failure reported.
    """

    traits: DeviceTraits
    commanded: Position | None = None
    commanded_at: float | None = None
    asked_at: float | None = None
    last_asked_at: float | None = None
    proven: Position | None = None
    trusted_since: float = 0.0
    alive_since: float | None = None
    answered: Position | None = None
    answers: int = 0
    unanswered: int = 0
    ignored: int = 0
    resubscribed: bool = False

    def command_sent(self, position: Position, at: float) -> None:
        """Note a command: reports that follow may be its echo, and answers to earlier questions are void."""
        self.commanded, self.commanded_at = position, at
        self.asked_at, self.answered, self.answers = None, None, 0
        self.resubscribed = False
        if self.traits.can_query:
            self.alive_since = None  # it must show life once more before its retained state counts

    def restarted(self, at: float) -> None:
        """Note that the gateway, the device or our connection has started: what was proven before no longer counts."""
        self.trusted_since = at
        self.proven = self.asked_at = self.answered = self.alive_since = None
        self.answers = self.unanswered = 0
        self.resubscribed = False

    def query_sent(self, at: float) -> None:
        """Note a question to the device."""
        self.asked_at = self.last_asked_at = at
        self.unanswered += 1
        self.ignored += 1

    def query_failed(self) -> None:
        """Note that the gateway could not ask the device."""
        self.asked_at = None
        self.ignored = 0

    def sign_of_life(self, at: float) -> None:
        """Note a live message of the device itself, other than its position."""
        if self.alive_since is None:
            self.alive_since = at

    @property
    def settles_at(self) -> float | None:
        """Return when reports stop being possible echoes of the last command; None: there was no command."""
        return None if self.commanded_at is None else self.commanded_at + self.traits.settle_s

    def grade(
        self, position: Position, at: float, *, retained: bool, stamped_at: float | None = None, reply: bool = False
    ) -> Grade:
        """Return what a report of `position` at `at` is worth.

        `stamped_at`: when the value was true by the device's own stamp; None: no stamp. `reply`: the message can only
        be the answer to a question (a topic of its own).
        """
        if retained:
            return self._retained(position)
        own_word = reply or self.traits.evidence is Evidence.DEVICE
        if not own_word and self._may_be_echo(at):
            return self._memory(position)
        if own_word or self.traits.evidence is Evidence.ECHO or self._is_fresh(stamped_at, at):
            return self._proven(position)
        if self.asked_at is not None and at > self.asked_at:
            return self._answer(position)
        # The gateway's memory was off, and is on now: it has heard something new.
        was_off = self.proven in (Position.OFF, Position.TRIPPED)
        return self._proven(position) if was_off and position is Position.ON else self._memory(position)

    def needs_second_answer(self) -> bool:
        """Return whether one more question is needed before a position counts."""
        return self.answers == 1 and self.asked_at is None

    def _retained(self, position: Position) -> Grade:
        # The device is connected to this broker, and publishes its state at each connection: the copy is current.
        if self.resubscribed and self.alive_since is not None and self.traits.evidence is Evidence.DEVICE:
            return self._proven(position)
        return Grade.MEMORY

    def _may_be_echo(self, at: float) -> bool:
        return self.settles_at is not None and at < self.settles_at

    def _is_fresh(self, stamped_at: float | None, at: float) -> bool:
        """Return whether a stamp shows that the value was read after the last command and the gateway's start."""
        if stamped_at is None or stamped_at > at + CLOCK_MARGIN_S:
            return False  # no stamp, or the clocks differ
        after = max(self.trusted_since, self.settles_at or self.trusted_since)
        return stamped_at > after + CLOCK_MARGIN_S

    def _answer(self, position: Position) -> Grade:
        """Count an answer. Two in a row prove `off`, and the commanded position; one proves any other."""
        if position is not self.answered:
            self.answered, self.answers = position, 0
        self.answers += 1
        self.asked_at = None
        self.unanswered = self.ignored = 0
        single = position is not Position.OFF and position is not self.commanded
        return self._proven(position) if single or self.answers > 1 else Grade.MEMORY

    def _proven(self, position: Position) -> Grade:
        self.proven = position
        self.asked_at = self.answered = None
        self.answers = self.unanswered = self.ignored = 0
        return Grade.LIVE

    def _memory(self, position: Position) -> Grade:
        return Grade.MEMORY if self.proven in (None, position) else Grade.CONTRADICTION
