"""What-if replay: the recorded inputs under another configuration.

If the engine gives the same commands, devices respond as recorded. If it does not, that circuit's device is simulated
from there on: it obeys as fast as it did in the recording, and its recorded responses to commands that are not given
now are omitted.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from itertools import zip_longest
from statistics import median
from typing import TYPE_CHECKING

from clients.replay.replay import IssuedCommand, build_engine
from controller.core import events as ev
from controller.core.effects import DeleteOutage, SavedState, SaveEntry, SaveHistory, SaveOutage, SwitchOff, SwitchOn
from controller.core.engine import Engine
from rules.controllability import commandable
from rules.panel import Panel, Position

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from controller.core.effects import Effect
    from controller.core.engine import EngineSettings
    from controller.recording.format import Command, Session, SessionStart
    from rules.panel import CircuitId

ANSWER_S = 60.0
"""Time in seconds within which a report of the commanded position counts as the response."""

USUAL_ANSWER_S = 0.5
"""Response time in seconds of a device if the recording shows no response."""

GOES_ON_S = 7200.0
"""Time in seconds that is simulated after the end of the recording, so that late commands are shown, too."""


class ResponseTimes:
    """Response times of the recorded devices, by circuit and command."""

    def __init__(self, recording: Iterable[Session]) -> None:
        self._took_s: dict[tuple[CircuitId, Position], list[float]] = defaultdict(list)
        self._asked: set[tuple[CircuitId, Position]] = set()
        for segment in recording:
            self._read(segment)
        self._usual_s = median([took for all_of in self._took_s.values() for took in all_of] or [USUAL_ANSWER_S])

    def _read(self, segment: Session) -> None:
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
        """Return the response time of this device in seconds; None: it does not respond, as in the recording."""
        if took := self._took_s.get((circuit, word)):
            return median(took)
        return None if (circuit, word) in self._asked else self._usual_s


class SimulatedDisk:
    """Rows that a session of the program wrote, on top of its saved state at the start."""

    def __init__(self, memory: SavedState) -> None:
        self._memory = memory
        self._entries = dict(memory.entries)
        self._outages = {} if memory.outage is None else {memory.outage.id: memory.outage}
        self._histories = {(row.outage, row.circuit): row for row in memory.history}

    def write(self, rows: Iterable[Effect]) -> None:
        """Add rows; publications are not saved."""
        for row in rows:
            match row:
                case SaveEntry():
                    self._entries[row.circuit] = row.row
                case SaveOutage():
                    self._outages[row.id] = row
                case SaveHistory():
                    self._histories[row.outage, row.circuit] = row
                case DeleteOutage():
                    self._outages.pop(row.id, None)
                case _:
                    pass

    def found(self, shadow: SimulatedDisk, recorded: SavedState) -> SavedState:
        """Return the saved state of the next start: where this replay wrote the recorded rows, the recorded state.

        `shadow`: the recorded rows. `recorded`: the state found at the recorded start; a crash may have lost some rows.
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
class SimulatedDevices:
    """Position of each device: as recorded, or simulated from the time on at which its commands differ.

    `recorded`: the last recorded position of each. `awaited`: the recorded command without a response yet. `assumed`:
    the position of each simulated device. `left_out`: recorded responses that were omitted.
    """

    answers: ResponseTimes
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
            self.assumed[circuit] = said  # manual switching, a trip, a reboot: it happened in any case
        told = event._replace(position=self.assumed[circuit])
        self._rejoin(circuit)
        return told

    def commanded(self, then: Sequence[Command], now: Sequence[Command], left: float) -> None:
        """Compare the recorded commands with the present ones: devices with a difference are simulated from here on."""
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
        """Return the reports of simulated devices that are due by `until`."""
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
        """Return when the next report of a simulated device is due; None: none."""
        return self.under_way[0][0] if self.under_way else None

    def _rejoin(self, circuit: CircuitId) -> None:
        """Follow the recording again if the device is in its recorded position and no command is in flight."""
        busy = circuit in self.awaited or any(one == circuit for _, _, one, _ in self.under_way)
        if not busy and self.assumed[circuit] is self.recorded.get(circuit):
            del self.assumed[circuit]


def word_of(command: Command) -> Position:
    """Return the commanded position."""
    return Position.OFF if isinstance(command, SwitchOff) else Position.ON


class WhatIf:
    """A recording, decided with another panel and other settings.

    `recorded`, `simulated`: the commands of both, in order.
    """

    def __init__(self, recording: Sequence[Session], panel: Panel, settings: EngineSettings) -> None:
        self._panel, self._settings = panel, settings
        self.devices = SimulatedDevices(ResponseTimes(recording))
        self.recorded: list[IssuedCommand] = []
        self.simulated: list[IssuedCommand] = []
        self.rewritten = 0  # reloads of the homeowner's file that were omitted
        self._rows = self._shadow_rows = SimulatedDisk(SavedState())
        self._begun = False
        for segment, later in zip_longest(recording, (one.start for one in recording[1:])):
            self._live(segment, later)

    @property
    def unheard(self) -> list[CircuitId]:
        """Return the commandable circuits without any report in the recording."""
        return [one.id for one in self._panel if commandable(one) and one.id not in self.devices.recorded]

    def _live(self, segment: Session, later: SessionStart | None) -> None:
        self._begin(segment.start)
        # The recorded engine runs beside it: it shows how late the program was, and when it must have been dead.
        shadow = build_engine(segment.start)
        for turn in segment.turns:
            due = shadow.next_decision_at()
            self._go_on(turn.now if due is None else min(due, turn.now))
            self.rewritten += sum(isinstance(event, ev.CircuitsChanged) for event in turn.events)
            left = turn.now if turn.left is None else turn.left
            heard = [*self.devices.hears(turn.events), *self.devices.answer(turn.now)]
            self._turn(heard, turn.now, turn.commands, left)
            self._shadow_rows.write(shadow.advance(turn.events, turn.now))
            shadow.commands_sent(left)
        self._go_on(self._end(segment, later, shadow.next_decision_at()))

    @staticmethod
    def _end(segment: Session, later: SessionStart | None, due: float | None) -> float:
        """Return until when the program ran, as far as is recorded; `due`: its next decision."""
        if later is None and due is None:
            return segment.last_at + GOES_ON_S
        if segment.end is not None or later is None or later.boot != segment.start.boot:
            return segment.last_at
        return later.at if due is None else min(later.at, due)

    def _begin(self, start: SessionStart) -> None:
        memory = self._rows.found(self._shadow_rows, start.memory) if self._begun else start.memory
        self._begun, self._start, self._now = True, start, start.at
        self._rows, self._shadow_rows = SimulatedDisk(memory), SimulatedDisk(start.memory)
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
        """Process what is due before `until`: deadlines, and reports of simulated devices."""
        while True:
            dues = [due for due in (self._engine.next_decision_at(), self.devices.next_at()) if due is not None]
            if not dues or min(dues) >= until:
                return
            now = max(min(dues), self._now)
            self._turn(self.devices.answer(now), now, (), now)

    def _turn(self, events: Sequence[ev.Event], now: float, then: Sequence[Command], left: float) -> None:
        self._now = now
        effects = self._engine.advance(events, now)
        decided = [effect for effect in effects if isinstance(effect, SwitchOff | SwitchOn)]
        self._engine.commands_sent(left)
        self._rows.write(effects)
        self.devices.commanded(then, decided, left)
        self.recorded += (IssuedCommand(self._start, now, word_of(command), command.circuit) for command in then)
        self.simulated += (IssuedCommand(self._start, now, word_of(command), command.circuit) for command in decided)
