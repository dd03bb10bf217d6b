"""The same night under another configuration: what came from outside goes in as recorded, and the engine decides anew.

Where it commands as it did, devices answer as they did. Where it does not, that circuit's device is assumed from there
on: it obeys as fast as it did in the recording, and what it answered to a command that is not given now is left out.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from itertools import zip_longest
from statistics import median
from typing import TYPE_CHECKING

from clients.replay.replay import Given, engine_of
from controller.core import events as ev
from controller.core.effects import DropOutage, KeepEntry, KeepHistory, KeepOutage, Memory, SwitchOff, SwitchOn
from controller.core.engine import Engine
from rules.controllability import commandable
from rules.panel import Panel, Position

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from controller.core.effects import Effect
    from controller.core.engine import EngineSettings
    from controller.recording.format import Command, Segment, Start
    from rules.panel import CircuitId

ANSWER_S = 60.0
"""A report of the position commanded counts as the answer to the command for so long."""

USUAL_ANSWER_S = 0.5
"""So late does a device answer where the recording shows none that did."""

GOES_ON_S = 7200.0
"""So long does the house live on after the recording's end, with nothing happening to it: what was late is told too."""


class Answers:
    """How fast the recorded devices answered, by circuit and word."""

    def __init__(self, recording: Iterable[Segment]) -> None:
        self._took_s: dict[tuple[CircuitId, Position], list[float]] = defaultdict(list)
        self._asked: set[tuple[CircuitId, Position]] = set()
        for segment in recording:
            self._read(segment)
        self._usual_s = median([took for all_of in self._took_s.values() for took in all_of] or [USUAL_ANSWER_S])

    def _read(self, segment: Segment) -> None:
        waiting: dict[CircuitId, tuple[Position, float]] = {}
        for turn in segment.turns:
            for event in turn.events:
                if isinstance(event, ev.BreakerReported) and not event.retained and event.circuit in waiting:
                    word, since = waiting[event.circuit]
                    if event.position is word and event.at - since <= ANSWER_S:
                        self._took_s[event.circuit, word].append(max(0.0, event.at - since))
                        del waiting[event.circuit]
            for command in turn.commands:
                word = word_of(command)
                self._asked.add((command.circuit, word))
                waiting[command.circuit] = word, turn.now if turn.left is None else turn.left

    def after_s(self, circuit: CircuitId, word: Position) -> float | None:
        """Return after how many seconds this device answers; None: not at all, as in the recording."""
        if took := self._took_s.get((circuit, word)):
            return median(took)
        return None if (circuit, word) in self._asked else self._usual_s


class Rows:
    """What a life of the program wrote, on top of what it began from."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._entries = dict(memory.entries)
        self._outages = {} if memory.outage is None else {memory.outage.id: memory.outage}
        self._histories = {(row.outage, row.circuit): row for row in memory.history}

    def write(self, rows: Iterable[Effect]) -> None:
        """Take rows in; what is told on the bus, or needs no memory, is none."""
        for row in rows:
            match row:
                case KeepEntry():
                    self._entries[row.circuit] = row.row
                case KeepOutage():
                    self._outages[row.id] = row
                case KeepHistory():
                    self._histories[row.outage, row.circuit] = row
                case DropOutage():
                    self._outages.pop(row.id, None)
                case _:
                    pass

    def found(self, shadow: Rows, recorded: Memory) -> Memory:
        """Return what the next start finds: where we wrote what was written then, what was found then.

        `shadow`: what was written then. `recorded`: what was found of it; a crash may have taken some.
        """
        ours = {circuit: row for circuit, row in self._entries.items() if row != shadow._entries.get(circuit)}
        entries = {**recorded.entries, **ours}
        if (self._outages, self._histories) == (shadow._outages, shadow._histories):
            return replace(recorded, entries=entries)
        outage = next((row for row in reversed(self._outages.values()) if row.stage != "closed"), None)
        known = () if self._memory.outage is None else self._memory.outage.openings
        before = (opening for opening in self._memory.openings if opening not in known)
        return replace(
            recorded,
            entries=entries,
            outage=outage,
            history=tuple(row for row in self._histories.values() if outage is not None and row.outage == outage.id),
            last_outage=max(self._outages, default=self._memory.last_outage),
            openings=(*before, *(opening for row in self._outages.values() for opening in row.openings)),
        )


@dataclass(slots=True)
class Devices:
    """Where each device is: as recorded, or as assumed from the moment on at which its commands differ.

    `recorded`: the position last recorded of each. `awaited`: the recorded command that is not answered yet.
    `assumed`: the position of each that is apart. `left_out`: recorded answers that were not passed on.
    """

    answers: Answers
    recorded: dict[CircuitId, Position] = field(default_factory=dict)
    awaited: dict[CircuitId, Position] = field(default_factory=dict)
    assumed: dict[CircuitId, Position] = field(default_factory=dict)
    away: set[CircuitId] = field(default_factory=set)
    under_way: list[tuple[float, int, CircuitId, Position]] = field(default_factory=list)
    used: set[tuple[CircuitId, Position]] = field(default_factory=set)
    left_out: int = 0
    _count: int = 0

    def hears(self, events: Iterable[ev.Event]) -> Iterator[ev.Event]:
        """Yield the recorded events as they would have been."""
        for event in events:
            if isinstance(event, ev.AvailabilityReported):
                (self.away.discard if event.online else self.away.add)(event.circuit)
            if isinstance(event, ev.CircuitsChanged | ev.ConfigurationRefused):
                continue  # another configuration is in force
            if not isinstance(event, ev.BreakerReported):
                yield event
            elif (heard := self._report(event)) is not None:
                yield heard

    def _report(self, event: ev.BreakerReported) -> ev.BreakerReported | None:
        circuit, said = event.circuit, event.position
        before, awaited = self.recorded.get(circuit), self.awaited.get(circuit)
        self.recorded[circuit] = said
        answers = not event.retained and said is awaited
        if answers:
            del self.awaited[circuit]
        if circuit not in self.assumed:
            return event
        if answers:
            self.left_out += 1
            self._rejoin(circuit)
            return None
        if (not event.retained and said is not before) or self.assumed[circuit] is Position.UNKNOWN:
            self.assumed[circuit] = said  # a hand, a trip, a reboot: it happened all the same
        told = event._replace(position=self.assumed[circuit])
        self._rejoin(circuit)
        return told

    def commanded(self, then: Sequence[Command], now: Sequence[Command], left: float) -> None:
        """Take what was commanded then and what is now: where they differ the device is assumed from here on."""
        same = {(command.circuit, word_of(command)) for command in then}
        decided = {(command.circuit, word_of(command)) for command in now}
        for circuit, word in same:
            self.awaited[circuit] = word
        for circuit, _ in same ^ decided:
            self.assumed.setdefault(circuit, self.recorded.get(circuit, Position.UNKNOWN))
        for circuit, word in sorted(decided, key=str):
            if circuit in self.assumed and (after_s := self.answers.after_s(circuit, word)) is not None:
                self._count += 1
                heappush(self.under_way, (left + after_s, self._count, circuit, word))

    def answer(self, until: float) -> list[ev.Event]:
        """Return what assumed devices say by then."""
        said: list[ev.Event] = []
        while self.under_way and self.under_way[0][0] <= until:
            at, _, circuit, word = heappop(self.under_way)
            if circuit in self.away or circuit not in self.assumed:
                continue
            if self.assumed[circuit] is not Position.TRIPPED:
                self.assumed[circuit] = word
            self.used.add((circuit, word))
            said.append(ev.BreakerReported(at, circuit, self.assumed[circuit]))
            self._rejoin(circuit)
        return said

    def next_at(self) -> float | None:
        """Return when an assumed device speaks next; None: none will."""
        return self.under_way[0][0] if self.under_way else None

    def _rejoin(self, circuit: CircuitId) -> None:
        """Follow the recording again where the device is where it was, and nothing is on its way."""
        busy = circuit in self.awaited or any(one == circuit for _, _, one, _ in self.under_way)
        if not busy and self.assumed[circuit] is self.recorded.get(circuit):
            del self.assumed[circuit]


def word_of(command: Command) -> Position:
    """Return the position commanded."""
    return Position.OFF if isinstance(command, SwitchOff) else Position.ON


class WhatIf:
    """A recording, decided by another panel and other settings. `then`, `now`: the commands of both, in order."""

    def __init__(self, recording: Sequence[Segment], panel: Panel, settings: EngineSettings) -> None:
        self._panel, self._settings = panel, settings
        self.devices = Devices(Answers(recording))
        self.then: list[Given] = []
        self.now: list[Given] = []
        self.rewritten = 0  # changes of the homeowner's file that were left out
        self._rows = self._shadow_rows = Rows(Memory())
        self._begun = False
        for segment, later in zip_longest(recording, (one.start for one in recording[1:])):
            self._live(segment, later)

    @property
    def unheard(self) -> list[CircuitId]:
        """Return the circuits that may be commanded and of which the recording holds no word."""
        return [one.id for one in self._panel if commandable(one) and one.id not in self.devices.recorded]

    def _live(self, segment: Segment, later: Start | None) -> None:
        self._begin(segment.start)
        # The recorded engine runs beside: it says how late the program was, and when it must have been dead.
        shadow = engine_of(segment.start)
        for turn in segment.turns:
            due = shadow.decides_at()
            self._go_on(turn.now if due is None else min(due, turn.now))
            self.rewritten += sum(isinstance(event, ev.CircuitsChanged) for event in turn.events)
            left = turn.now if turn.left is None else turn.left
            heard = [*self.devices.hears(turn.events), *self.devices.answer(turn.now)]
            self._turn(heard, turn.now, turn.commands, left)
            self._shadow_rows.write(shadow.advance(turn.events, turn.now))
            shadow.carried_out(left)
        self._go_on(self._end(segment, later, shadow.decides_at()))

    @staticmethod
    def _end(segment: Segment, later: Start | None, due: float | None) -> float:
        """Return until when the program lived, as far as is recorded; `due`: when it would have decided next."""
        if later is None and due is None:
            return segment.last_at + GOES_ON_S
        if segment.end is not None or later is None or later.boot != segment.start.boot:
            return segment.last_at
        return later.at if due is None else min(later.at, due)

    def _begin(self, start: Start) -> None:
        memory = self._rows.found(self._shadow_rows, start.memory) if self._begun else start.memory
        self._begun, self._start, self._now = True, start, start.at
        self._rows, self._shadow_rows = Rows(memory), Rows(start.memory)
        kept = {
            circuit: start.panel[circuit]
            for circuit, row in memory.entries.items()
            if row.get("debt") is not None
            and circuit in start.panel
            and not (circuit in self._panel and commandable(self._panel[circuit]))
        }
        panel = Panel({**self._panel.circuits, **kept})
        self._engine = Engine(panel, self._settings, memory, start.boot, start.at, rebooted=start.rebooted)
        self.devices.awaited.clear()

    def _go_on(self, until: float) -> None:
        """Play what becomes due before `until`: deadlines, and answers of assumed devices."""
        while True:
            dues = [due for due in (self._engine.decides_at(), self.devices.next_at()) if due is not None]
            if not dues or min(dues) >= until:
                return
            now = max(min(dues), self._now)
            self._turn(self.devices.answer(now), now, (), now)

    def _turn(self, events: Sequence[ev.Event], now: float, then: Sequence[Command], left: float) -> None:
        self._now = now
        effects = self._engine.advance(events, now)
        decided = [effect for effect in effects if isinstance(effect, SwitchOff | SwitchOn)]
        self._engine.carried_out(left)
        self._rows.write(effects)
        self.devices.commanded(then, decided, left)
        self.then += (Given(self._start, now, word_of(command), command.circuit) for command in then)
        self.now += (Given(self._start, now, word_of(command), command.circuit) for command in decided)
