"""Selection of the engine turns to record: those that could have switched a breaker, or were logged.

Repeated device reports without effect are held back: the last one goes into the next recorded turn, and those in
between change nothing. Meter readings do not affect switching and are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.core import events as ev
from controller.core.effects import DeleteOutage, LogEvent, SaveEntry, SaveHistory, SaveOutage
from controller.recording.format import EngineTurn, SessionEnd

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

    from controller.core.effects import Effect
    from controller.recording.format import Command, Part, SessionStart

_METER = (
    ev.EnergyRead,
    ev.MeterSilent,
    ev.MeterIdentified,
    ev.MeterFindingReported,
    ev.ExtraMeterRead,
    ev.PulseSeen,
    ev.KwhPulseSeen,
)
_DEVICES = (ev.BreakerReported, ev.AvailabilityReported)
_SAID_AGAIN = (*_DEVICES, ev.ContactChanged, ev.ContactAlive)
_ROWS = (LogEvent, SaveEntry, SaveOutage, DeleteOutage, SaveHistory)


class Recorder:
    """Receives every turn of one session, and passes its start and the turns to record to `keep`."""

    def __init__(self, start: SessionStart, keep: Callable[[Part], None]) -> None:
        self._write = keep
        self._begun = False
        self._said: dict[object, ev.Event] = {}  # last event of each kind and circuit since the last effect
        self._held: dict[object, ev.Event] = {}
        keep(start)

    def turn(
        self,
        events: Sequence[ev.Event],
        now: float,
        commands: Sequence[Command],
        left: float | None,
        effects: Sequence[Effect],
        *,
        decided: bool,
    ) -> None:
        """Add a turn: its events, its commands and when they had been sent, and its other effects.

        `decided`: a deadline was due that can switch a circuit or change the state.
        """
        heard = [event for event in events if not isinstance(event, _METER)]
        moved = bool(commands) or decided or any(isinstance(effect, _ROWS) for effect in effects)
        if self._begun and not heard and not moved:
            return
        if self._begun and not moved and all(map(self._repeats, heard)):
            self._held |= {_who(event): event for event in heard}
            return
        if moved or not all(isinstance(event, _DEVICES) for event in heard):
            before = self._release()
            self._said.clear()
        else:
            before = self._release({event.circuit for event in heard if isinstance(event, _DEVICES)})
        self._said |= {_who(event): event for event in heard if isinstance(event, _SAID_AGAIN)}
        self._begun = True
        self._write(EngineTurn(now, (*before, *heard), tuple(commands), left))

    def end(self, at: float) -> None:
        """Record a regular end of the program."""
        self._write(SessionEnd(at))

    def _repeats(self, event: ev.Event) -> bool:
        said = self._said.get(_who(event))
        return said is not None and said._replace(at=event.at) == event

    def _release(self, circuits: Container[object] | None = None) -> list[ev.Event]:
        """Return and drop the held events of these circuits, or of all, in order."""
        held = sorted(self._held.items(), key=lambda item: item[1].at)
        freed = [who for who, _ in held if circuits is None or getattr(self._held[who], "circuit", None) in circuits]
        return [self._held.pop(who) for who in freed]


def _who(event: ev.Event) -> object:
    return type(event), getattr(event, "circuit", None)
