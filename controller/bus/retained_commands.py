"""Retained messages on the command topics of circuits: each can switch its circuit whenever the device reconnects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.core.events import RetainedCommandsFound

if TYPE_CHECKING:
    from rules.panel import CircuitId

SEARCH_S = 5.0
"""Time in seconds after the subscription in which the broker has sent all of its retained messages."""


class RetainedCommands:
    """Circuits whose command topic holds a retained message.

    `_seen`: in the search that runs, or ran last. `_reported`: to the engine. What an earlier search has found stays
    reported until the search is over.
    """

    def __init__(self) -> None:
        self._seen: set[CircuitId] = set()
        self._reported: set[CircuitId] = set()

    def begin_search(self) -> None:
        """Note that the broker sends its retained messages again."""
        self._seen = set()

    def end_search(self, at: float) -> RetainedCommandsFound | None:
        """Return what the search has found; None: nothing that was not reported before."""
        return self._report(self._seen, at)

    def received(self, circuit: CircuitId, payload: bytes, at: float) -> RetainedCommandsFound | None:
        """Process a message with the retain flag; an empty payload clears the topic. Return what that changes."""
        if payload:
            self._seen.add(circuit)
            return self._report(self._reported | {circuit}, at)
        self._seen.discard(circuit)
        return self._report(self._reported - {circuit}, at)

    def _report(self, found: set[CircuitId], at: float) -> RetainedCommandsFound | None:
        if found == self._reported:
            return None
        self._reported = {*found}
        return RetainedCommandsFound(at, tuple(sorted(found)))
