"""Recording of the events of a virtual house, as the daemon records them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from controller.core.effects import SwitchOff, SwitchOn
from controller.recording.format import SessionStart
from controller.recording.recorder import Recorder
from tests.virtual_house import VirtualHouse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from controller.core.effects import Effect
    from controller.core.engine import Engine
    from controller.core.events import Event
    from controller.recording.format import Part
    from rules.panel import Circuit


class Tape:
    """Wraps an engine and records each turn in `parts`."""

    def __init__(self, engine: Engine, start: SessionStart, parts: list[Part]) -> None:
        self._engine = engine
        self._recorder = Recorder(start, parts.append)
        self._turn: tuple[tuple[Event, ...], float, list[Effect], bool] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def advance(self, events: Sequence[Event], now: float) -> list[Effect]:
        """Run a turn, and keep it until its commands have left."""
        due = self._engine.next_decision_at()
        effects = self._engine.advance(events, now)
        self._turn = tuple(events), now, effects, due is not None and due <= now
        return effects

    def commands_sent(self, at: float) -> None:
        """Note when the commands of the turn had left, and record the turn."""
        self._engine.commands_sent(at)
        assert self._turn is not None
        events, now, effects, due = self._turn
        commands = [effect for effect in effects if isinstance(effect, SwitchOff | SwitchOn)]
        self._recorder.turn(events, now, commands, at, effects, decided=due)


class TapedHouse(VirtualHouse):
    """Virtual house with a recording. `parts`: the recording, with a start for each run of the program."""

    def __init__(self, *circuits: Circuit, **words: Any) -> None:
        self.parts: list[Part] = []
        super().__init__(*circuits, **words)

    def turn(self) -> None:
        """Run a turn of the engine; wrap it before the first one."""
        if self._engine is not None and not isinstance(self._engine, Tape):
            memory = self.disk.memory()
            again = memory.boot not in (None, self._boot)
            start = SessionStart(self._boot, self.mono, again, self.panel, self.settings, memory)
            self._engine = Tape(self._engine, start, self.parts)  # type: ignore[assignment]  # it has the same methods
        super().turn()
