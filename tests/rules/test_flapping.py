"""Flapping utility lengthens the utility-stable wait."""

from __future__ import annotations

import pytest

from controller.core.effects import SavedState
from controller.core.outage_record import OutageRecord
from rules.boot_time import BootTime
from rules.flapping import FlapSettings, flap_openings, stable_wait

FLAP = FlapSettings(transfers=3, window_s=600.0, wait_max_s=600.0)

WAITS = (
    # seconds since each opening, the wait in seconds
    ((), 10.0),
    ((5.0, 5.0), 10.0),
    ((5.0, 5.0, 5.0), 20.0),
    ((5.0, 5.0, 5.0, 5.0), 40.0),
    ((5.0, 5.0, 599.0), 20.0),
    ((5.0, 5.0, 601.0), 10.0),
    ((5.0,) * 20, 600.0),
)


def wait_s(openings: tuple[float, ...], usual_s: float, settings: FlapSettings = FLAP) -> float:
    """Return the utility-stable wait at second 1000."""
    return stable_wait(usual_s, flap_openings(openings, 1000.0, settings), settings)


@pytest.mark.parametrize(("ago", "expected_s"), WAITS)
def test_openings_within_the_window_double_the_stable_wait_up_to_a_limit(
    ago: tuple[float, ...], expected_s: float
) -> None:
    """Utility that comes and goes would wear out compressors."""
    assert wait_s(tuple(1000.0 - seconds for seconds in ago), 10.0) == expected_s


def test_a_wait_longer_than_the_limit_keeps_its_length() -> None:
    """The limit applies only to the extension."""
    assert wait_s((990.0,) * 9, 900.0) == 900.0


def test_zero_transfers_disables_the_extension() -> None:
    """The wait has its usual length, whatever the number of openings."""
    assert wait_s((990.0,) * 9, 10.0, FlapSettings(transfers=0)) == 10.0


@pytest.mark.parametrize(("boot", "expected"), [("boot-1", (990.0,) * 9), ("boot-0", ())])
def test_only_openings_of_the_current_boot_count(boot: str, expected: tuple[float, ...]) -> None:
    """The monotonic clocks of two boots cannot be compared."""
    record = OutageRecord("boot-1", SavedState(openings=(BootTime(boot, 990.0),) * 9))
    assert record.openings == expected
