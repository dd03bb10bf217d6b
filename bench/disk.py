"""Bytes written to the disk in an hour of backup with 40 circuits: shed, confirmed, a sample each 5 s, all given back.

The real engine and the real store; the hour is played in one minute, and the store's own waiting times with it.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

from bench.at_rest import written_bytes
from controller.core import events as ev
from controller.core.effects import (
    Happened,
    KeepEntry,
    KeepHistory,
    KeepOutage,
    KeepPulses,
    KeepSample,
    SwitchOff,
    SwitchOn,
)
from controller.core.engine import Engine, EngineSettings
from controller.core.meter_tracker import Metering, MeterSettings
from controller.recording.format import Start
from controller.recording.recorder import Recorder
from controller.storage.store import Pace, Store
from rules.panel import Circuit, CircuitId, Kind, Panel, Position, Tag

CIRCUITS = 40
FASTER = 60.0
BACKUP_S = 3300.0
HOUR_S = 3600.0
_ROWS = (Happened, KeepEntry, KeepHistory, KeepOutage, KeepPulses, KeepSample)


class Hour:
    """One hour: utility, 55 minutes of standby, and back."""

    def __init__(self, folder: Path) -> None:
        pace = Pace(5.0 / FASTER, 60.0 / FASTER, evidence_s=20.0 / FASTER, evidence_idle_s=600.0 / FASTER)
        self._store = Store(folder, "bench", print, lambda: None, pace=pace)
        panel = Panel.of(
            *(Circuit(CircuitId(f"c{n}"), f"c{n}", (n + 1,), Kind.GEN2, Tag.NONESSENTIAL) for n in range(CIRCUITS))
        )
        metering = Metering(MeterSettings(max_kw=48.0, poll_s=5.0, pulses=False), 0.0)
        memory = self._store.load()
        self._engine = Engine(panel, EngineSettings(), memory, "bench", 0.0, metering=metering)
        start = Start("bench", 0.0, rebooted=False, panel=panel, settings=EngineSettings(), memory=memory)
        self._recorder = Recorder(start, self._store.record)
        self._panel = panel
        self._began = time.monotonic()
        self._tenths = 1000

    async def play(self) -> None:
        """Play it, with the meter read each 5 s and each breaker answering a tenth of a second later."""
        self._turn([ev.BusConnected(0.0), ev.ContactChanged(0.0, open=False)])
        self._turn([ev.BreakerReported(1.0, circuit.id, Position.ON) for circuit in self._panel])
        answers: list[ev.Event] = []
        contact = [ev.ContactChanged(60.0, open=True), ev.ContactChanged(60.0 + BACKUP_S, open=False)]
        read_at = 5.0
        while (now := self._now()) < HOUR_S:
            events, answers = answers, []
            if contact and now >= contact[0].at:
                events.append(contact.pop(0))
            if now >= read_at:
                self._tenths += 1
                events.append(ev.EnergyRead(now, self._tenths))
                read_at += 5.0
            answers = self._turn(events)
            await asyncio.sleep(0.1 / FASTER)
        self._store.close()

    def _now(self) -> float:
        return (time.monotonic() - self._began) * FASTER

    def _turn(self, events: list[ev.Event]) -> list[ev.Event]:
        now, decides_at = self._now(), self._engine.decides_at()
        effects = self._engine.advance(events, now)
        self._engine.carried_out(now)
        self._store.put(effect for effect in effects if isinstance(effect, _ROWS))
        commands = [effect for effect in effects if isinstance(effect, SwitchOff | SwitchOn)]
        decided = decides_at is not None and decides_at <= now
        self._recorder.turn(events, now, commands, now, effects, decided=decided)
        off, on = Position.OFF, Position.ON
        return [
            ev.BreakerReported(now + 0.1, effect.circuit, off if isinstance(effect, SwitchOff) else on)
            for effect in commands
        ]


def main() -> None:
    """Print the row of the table."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        before = written_bytes("self")
        asyncio.run(Hour(Path(name)).play())
        written = written_bytes("self") - before
    print(f"written in an hour of backup, 40 circuits | {written / 1e6:.2f} MB | | | ≤ 1 MB")


if __name__ == "__main__":
    main()
