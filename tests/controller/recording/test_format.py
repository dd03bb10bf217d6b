"""The recording: what goes in comes out, and the same night is decided the same again."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, get_args

import pytest

from clients.replay.replay import replay
from controller.core import events as ev
from controller.core.effects import SavedState, SaveHistory, SaveOutage, SwitchOff, SwitchOn
from controller.core.engine import EngineSettings
from controller.core.views import WallClock
from controller.recording.format import (
    TICKET,
    EngineTurn,
    Part,
    RecordingError,
    SessionEnd,
    SessionStart,
    from_line,
    sessions,
    to_line,
)
from rules.boot_time import BootTime
from rules.flapping import FlapSettings
from rules.panel import CircuitId, Panel, Position, Wakes
from rules.shed import RetryPolicy
from tests.recorded_house import Tape
from tests.virtual.night import Night
from tests.virtual.program import Program
from tests.virtual_house import circuit, essential

TUB, FRIDGE = CircuitId("hot-tub"), CircuitId("fridge")
PANEL = Panel.of(essential("fridge", amps=20.0), circuit("hot-tub", spaces=(9, 11), rank=8, wakes=Wakes.OFF))
BEGAN = BootTime("boot-1", 10.25)
MEMORY = SavedState(
    entries={TUB: {"position": "off", "shed_record": {"since": ["boot-1", 11.5]}}},
    outage=SaveOutage(7, "open", "outage", BEGAN, None, (BEGAN,), {TUB: "on"}, None, None, 123, 4),
    history=(SaveHistory(7, TUB, BEGAN, 0.25, None, None),),
    last_outage=7,
    openings=(BEGAN, BootTime("boot-1", 20.0)),
    boot="boot-1",
    pulse_count=4,
    kwh_pulse_count=2,
)
START = SessionStart(
    "boot-2",
    20.125,
    rebooted=True,
    panel=PANEL,
    settings=EngineSettings(0.02, contact_on_bus=True, retry=RetryPolicy(0.3), flapping=FlapSettings(5)),
    memory=MEMORY,
    version="0.1.0",
    wall=WallClock(1_700_000_000.5, trusted=True),
)
EVENTS: tuple[ev.Event, ...] = (
    ev.ContactChanged(1.1, open=True, retained=True),
    ev.ContactAlive(1.2),
    ev.ContactLost(1.3, "the chip failed"),
    ev.BusConnected(1.4),
    ev.BusLost(1.5, "refused: \ud800"),
    ev.BreakerReported(1.6, TUB, Position.TRIPPED),
    ev.AvailabilityReported(1.7, TUB, online=False, retained=True),
    ev.AvailabilityReported(1.71, TUB, online=False, retained=True, source=2, gateway=True),
    ev.BreakerReported(1.72, TUB, Position.OFF, retained=False, stamped_at=1.5, answers_query=True),
    ev.DeviceRestarted(1.73, TUB),
    ev.DeviceAlive(1.74, TUB),
    ev.DeviceIdentified(1.745, TUB),
    ev.PowerReported(1.75, TUB, 4500.0, None, honest=False),
    ev.TripWordReported(1.76, TUB, "trip_over_current", is_trip=True),
    ev.CommandRefused(1.77, TUB, "no answer from the device", question=True),
    ev.RetainedCommandsFound(1.78, (TUB,)),
    ev.ClientReported(3.0, "page", ({"id": "x", "message": "m", "action": "a", "circuits": []},)),
    ev.Requested(1.8, "off", TUB, by="Ann", note="guests", now=True, reply=TICKET),
    ev.CircuitsChanged(1.9, PANEL, None),
    ev.ConfigurationRefused(2.0, ("circuits.toml:3: wrong",), None),
    ev.EnergyRead(2.1, 123_456),
    ev.MeterSilent(2.2, "no answer"),
    ev.MeterIdentified(2.25, None),
    ev.MeterFindingReported(2.3, {"text": "another"}),
    ev.ExtraMeterRead(2.4, "barn", None),
    ev.PulseSeen(2.5),
    ev.KwhPulseSeen(2.6),
    ev.DiskFailed(2.7, "full"),
    ev.DiskRecovered(2.8),
    ev.ClockTrusted(2.9),
    ev.ClockSet(3.0),
    ev.OtherControllerChanged(2.92, on_standby=True),
    ev.BrokerFindingChanged(2.95, "broker-limited", "It keeps no retained messages."),
)


def test_every_kind_of_event_is_among_these() -> None:
    """A new event must be recordable."""
    assert {type(event) for event in EVENTS} == set(get_args(ev.Event))


@pytest.mark.parametrize(
    "part",
    [
        START,
        EngineTurn(0.1 + 0.2, EVENTS, (SwitchOff(TUB, 5), SwitchOn(FRIDGE, 1)), 1e9 / 3),
        EngineTurn(3.0, (), (), None),
        SessionEnd(4.0),
        SessionEnd(4.0, "too much"),
    ],
    ids=lambda part: type(part).__name__,
)
def test_a_line_is_read_as_it_was_written(part: Part) -> None:
    """To the last bit of each number."""
    line = to_line(part)
    assert from_line(line) == part
    assert to_line(from_line(line)) == line


def test_an_answers_ticket_is_not_written() -> None:
    """It is an object of the running program; only its presence is recorded."""
    asked = ev.Requested(1.0, "restore", reply=object())
    read = from_line(to_line(EngineTurn(1.0, (asked,), (), None)))
    assert isinstance(read, EngineTurn)
    assert read.events == (asked._replace(reply=TICKET),)


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "{}",
        '{"turn":"soon"}',
        '{"turn":true}',
        '{"turn":1,"events":[["NoSuchThing",1]]}',
        '{"turn":1,"events":[["ContactAlive",1,true,2]]}',
        '{"turn":1,"out":[["PERHAPS","hot-tub",5]]}',
        '{"start":{"format":2}}',
        '{"start":{}}',
    ],
)
def test_what_is_no_line_of_a_recording_is_refused_with_its_place(line: str) -> None:
    """A stranger's file ends in a sentence, not in a trace."""
    with pytest.raises(RecordingError, match=r"^line 3: "):
        sessions([to_line(START), "", line])


def test_a_recording_begins_with_a_start() -> None:
    """Without it, the initial state of the turns is unknown."""
    with pytest.raises(RecordingError, match="line 1: a recording begins with a start"):
        sessions([to_line(SessionEnd(1.0))])


def test_each_start_begins_a_segment() -> None:
    """With its turns, and its end if it had one."""
    turn = EngineTurn(21.0, (), (), 21.0)
    parts: list[Part] = [START, turn, turn, SessionEnd(22.0), START]
    first, second = sessions(map(to_line, parts))
    assert (first.start, first.turns, first.end) == (START, (turn, turn), SessionEnd(22.0))
    assert (second.turns, second.end) == ((), None)
    assert [first.last_at, second.last_at] == [22.0, START.at]


# --- the same night --------------------------------------------------------------------------------------------------


class NotingDisk:
    """Stands before the virtual disk, and notes what a start found on it."""

    memory = SavedState()

    def __init__(self, disk: Any) -> None:
        self._disk = disk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._disk, name)

    def load(self, boot: str) -> SavedState:
        self.memory = self._disk.load(boot)
        return self.memory


class Recorded(Program):
    """The virtual program with a tape in it: one segment for each life."""

    parts: list[Part]

    def start(self, at: float, *, rebooted: bool) -> None:
        """Start the process, and a segment."""
        noting = NotingDisk(self.disk)
        self.disk = noting  # type: ignore[assignment]  # it does as the disk does
        super().start(at, rebooted=rebooted)
        self.disk = noting._disk
        assert self.engine is not None
        again = noting.memory.boot not in (None, self.boot)
        start = SessionStart(self.boot, at - self.boot_at, again, self.panel, self.settings, noting.memory)
        self.engine = Tape(self.engine, start, self.parts)  # type: ignore[assignment]  # it does as the engine does


def recorded_night(seed: int) -> list[Part]:
    """Play a random night with a tape in it; return what was recorded."""
    night = Night(seed)
    program = night.house.program
    program.__class__ = Recorded  # the house has wired it already
    assert isinstance(program, Recorded)
    program.parts = []
    with suppress(AssertionError):  # what the night itself came to is judged elsewhere
        night.play()
    return program.parts


@pytest.mark.parametrize("seed", range(25))
def test_a_random_night_is_decided_the_same_again(seed: int) -> None:
    """Whatever happened, however often it crashed: every command, in order, with its expiry, from the text alone."""
    parts = recorded_night(seed)
    commands = 0
    for segment in sessions(map(to_line, parts)):
        for turn in replay(segment):
            assert turn.decided == turn.turn.commands, turn.turn
            commands += len(turn.decided)
    assert commands == sum(len(part.commands) for part in parts if isinstance(part, EngineTurn))
