"""Path length: number of files between the edge of an opening contact and the OFF commands."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import controller.core.engine
import rules.contact
from controller.core import events as ev
from controller.core.effects import SwitchOff
from controller.core.meter_tracker import MeterTracker, MeterTrackerSettings
from tests.virtual_house import VirtualHouse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

    from controller.core.effects import SwitchOn

MAX_FILES = 12
"""A reader who follows an opening from the edge to the command opens at most this many files."""

FOLDERS = tuple(Path(str(module.__file__)).parent for module in (controller.core.engine, rules.contact))


def metered(now: float) -> MeterTracker:
    """Return a meter with pulses."""
    return MeterTracker(MeterTrackerSettings(pulses=True), now)


def traced(files: set[str], decide: Callable[[], Sequence[SwitchOff | SwitchOn]]) -> Sequence[SwitchOff | SwitchOn]:
    """Call `decide`; add to `files` the files of `rules` and `controller/core` in which a function was called."""

    def note(frame: FrameType, event: str, _arg: object) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.parent in FOLDERS:
            files.add(f"{path.parent.name}/{path.name}")

    previous = sys.getprofile()
    sys.setprofile(note)
    try:
        return decide()
    finally:
        sys.setprofile(previous)


@pytest.mark.parametrize("metering", [None, metered])
def test_at_most_twelve_files_lie_between_an_opening_and_its_commands(
    metering: Callable[[float], MeterTracker] | None,
) -> None:
    """Logging, publishing, metering and chatter detection wait until the commands have left."""
    house = VirtualHouse(metering=metering)
    house.wait(60.0)
    engine, files, opened_at = house.engine, set[str](), house.mono
    assert not traced(files, lambda: engine.decide([ev.ContactChanged(opened_at, open=True)], opened_at))
    engine.follow_up(opened_at)
    settles_at = engine.opening_settles_at()
    assert settles_at is not None
    commands = traced(files, lambda: engine.decide([], settles_at))
    assert [type(command) for command in commands] == 4 * [SwitchOff]
    assert len(files) <= MAX_FILES, sorted(files)
