"""The contact at the input of a device of a known family: which of its messages hold a position, or a sign of life."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.bus.messages import Publication, Rejection, shown
from controller.bus.profiles import json_path
from controller.core.events import ContactAlive, ContactChanged, ContactLost

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.bus.messages import IncomingMessage
    from controller.bus.profiles.family import ContactProfile
    from controller.bus.profiles.json_path import Step
    from controller.bus.profiles.schema import AvailabilityReport, StateReport, Value
    from controller.core.events import Event

    Read = Callable[[object, IncomingMessage], Event | Rejection | None]

_LONGEST_TEXT = 64
"""Longest payload in bytes that is compared as a whole."""


class ContactDevice:
    """Reads the messages of one contact. `profile`: with all of its topics.

    `closed_on_utility`: the contact is closed on utility; False: an inverted contact. `reports_life`: any live message
    on a topic of the position is a sign of life.
    """

    def __init__(self, profile: ContactProfile, *, closed_on_utility: bool = True, reports_life: bool = False) -> None:
        self._profile = profile
        self._closed_on_utility = closed_on_utility
        self._life = frozenset(one.topic for one in profile.states) if reports_life else frozenset()
        self._readers: dict[str, list[tuple[tuple[Step, ...], Read]]] = {topic: [] for topic in profile.alive}
        for available in profile.available:
            self._add(available, self._availability(available))
        for state in profile.states:
            self._add(state, self._position(state))

    def topics(self) -> tuple[str, ...]:
        """Return the topics to subscribe to."""
        return self._profile.topics()

    def reads(self, topic: str) -> bool:
        """Return whether the contact's device, or its gateway, publishes on this topic."""
        return topic in self._readers

    def query(self) -> Publication | None:
        """Return the question for the position; None: the device cannot be asked."""
        question = self._profile.query
        return None if question is None else Publication(question.topic, question.payload.encode())

    def events(self, message: IncomingMessage) -> tuple[list[Event], Rejection | None]:
        """Return what a message says, and the reason if it is not valid. The topic must be one of ours."""
        if not message.payload:
            return [], None  # a retained message was cleared
        found: list[Event] = []
        refused: Rejection | None = None
        readers = self._readers[message.topic]
        content = json_path.parse(message.payload) if any(steps for steps, _ in readers) else None
        text = message.payload[: _LONGEST_TEXT + 1].decode("utf-8", "replace")
        for steps, read in readers:
            value = json_path.look_up(content, steps) if steps else text
            outcome = None if value is None else read(value, message)
            if isinstance(outcome, Rejection):
                refused = outcome
            elif outcome is not None:
                found.append(outcome)
        if not found and not message.retained and message.topic in {*self._profile.alive, *self._life}:
            found.append(ContactAlive(message.at, returned=False))
        return found, None if found else refused

    def _add(self, report: StateReport | AvailabilityReport, read: Read) -> None:
        self._readers.setdefault(report.topic, []).append((json_path.steps(report.path), read))

    def _position(self, state: StateReport) -> Read:
        allowed = _listed(*state.on, *state.off)

        def read(value: object, message: IncomingMessage) -> Event | Rejection:
            closed = _among(value, state.on)
            if not closed and not _among(value, state.off):
                return Rejection(f"the position of the contact must be {allowed}, not {_shown(value)}")
            return ContactChanged(message.at, closed is not self._closed_on_utility, message.retained)

        return read

    @staticmethod
    def _availability(available: AvailabilityReport) -> Read:
        allowed = _listed(*available.online, *available.offline)
        who = "gateway" if available.gateway else "device"

        def read(value: object, message: IncomingMessage) -> Event | Rejection | None:
            if _among(value, available.offline):
                return ContactLost(message.at, f"the contact's {who} is offline, by {message.topic}")
            if not _among(value, available.online):
                return Rejection(f"the availability of the contact's {who} must be {allowed}, not {_shown(value)}")
            # A retained word is not a sign of life.
            return None if message.retained else ContactAlive(message.at)

        return read


def _among(value: object, known: tuple[Value, ...]) -> bool:
    return any(json_path.same(value, one) for one in known)


def _listed(*values: Value) -> str:
    return " or ".join(map(str, values))


def _shown(value: object) -> str:
    return shown(value.encode()) if isinstance(value, str) else repr(value)[:80]
