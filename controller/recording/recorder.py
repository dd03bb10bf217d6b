"""Which turns of the engine are recorded: those that could have moved a breaker, or wrote down that anything happened.

What a device says again without anything coming of it is held back: the last of it goes into the next turn in which
anything happens, and what lay between changes nothing. What the meter says decides nothing of switching, and is left
out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.core import events as ev
from controller.core.effects import DropOutage, Happened, KeepEntry, KeepHistory, KeepOutage
from controller.recording.format import End, Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

    from controller.core.effects import Effect
    from controller.recording.format import Command, Part, Start

_METER = (ev.EnergyRead, ev.MeterSilent, ev.MeterNoted, ev.OtherMeterHeard, ev.PulseSeen, ev.KwhPulseSeen)
_DEVICES = (ev.BreakerReported, ev.AvailabilityReported)
_SAID_AGAIN = (*_DEVICES, ev.ContactChanged, ev.ContactAlive)
_ROWS = (Happened, KeepEntry, KeepOutage, DropOutage, KeepHistory)


class Recorder:
    """Takes every turn of one life of the program, and hands `keep` its start and what is worth recording of it."""

    def __init__(self, start: Start, keep: Callable[[Part], None]) -> None:
        self._keep = keep
        self._begun = False
        self._said: dict[object, ev.Event] = {}  # the last word of each, since anything came of anything
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
        """Take a turn: its events, what it commanded and when that had left, and what it wanted besides.

        `decided`: a deadline was due by which a circuit or the house moves.
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
        self._keep(Turn(now, (*before, *heard), tuple(commands), left))

    def end(self, at: float) -> None:
        """Take that the program ends well."""
        self._keep(End(at))

    def _repeats(self, event: ev.Event) -> bool:
        said = self._said.get(_who(event))
        return said is not None and said._replace(at=event.at) == event

    def _release(self, circuits: Container[object] | None = None) -> list[ev.Event]:
        """Return what is held of these circuits, or all of it, in the order in which it was said; forget it."""
        held = sorted(self._held.items(), key=lambda item: item[1].at)
        freed = [who for who, _ in held if circuits is None or getattr(self._held[who], "circuit", None) in circuits]
        return [self._held.pop(who) for who in freed]


def _who(event: ev.Event) -> object:
    return type(event), getattr(event, "circuit", None)
