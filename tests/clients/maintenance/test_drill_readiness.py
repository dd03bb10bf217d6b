"""What the last drill says of a house's readiness: who has failed in it, and how long ago it was."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from clients.maintenance.readiness_facts import _days_since, drill_failed
from controller.core.effects import SaveHistory, SaveOutage
from controller.storage.log_reader import EventLog
from controller.storage.store import Store
from rules.boot_time import BootTime
from rules.panel import CircuitId

if TYPE_CHECKING:
    from pathlib import Path

BOOT = "boot-1"
BEGAN = BootTime(BOOT, 100.0)
TUB = CircuitId("tub")


def kept(folder: Path, history: SaveHistory, before: str = "on") -> EventLog:
    """Return the log of a house with one drill, whose clock was right."""
    store = Store(folder, BOOT, pytest.fail, lambda: None)
    store.load()
    store.clock(time.time() - 86_500.0, trusted=True)
    store.put([SaveOutage(1, "closed", "drill", BEGAN, BootTime(BOOT, 170.0), (), {TUB: before}), history])
    store.close()
    return EventLog(folder)


@pytest.mark.parametrize(
    ("before", "confirmed_after_s", "end", "failed"),
    [
        ("on", None, "restored", (TUB,)),
        ("on", None, None, (TUB,)),
        ("on", 0.2, "restored", ()),
        ("on", None, "taken_over", ()),
        ("on", None, "user_request", ()),
        ("off", None, "off_before", ()),
        ("tripped", None, "tripped", ()),
        ("unknown", None, None, (TUB,)),
    ],
)
def test_failed_is_what_did_not_confirm_though_it_should_have(
    tmp_path: Path, before: str, confirmed_after_s: float | None, end: str | None, failed: tuple[str, ...]
) -> None:
    """Manual switching is not a failure, nor is a circuit that was off before."""
    with kept(tmp_path, SaveHistory(1, TUB, BEGAN, confirmed_after_s, None, end), before) as log:
        (drill,) = log.outages()
        assert drill_failed(drill) == failed


def test_a_drill_has_a_date_though_nothing_opened(tmp_path: Path) -> None:
    """It counts from its beginning."""
    with kept(tmp_path, SaveHistory(1, TUB, BEGAN, 0.2, None, "restored")) as log:
        assert _days_since(log.outages()) == pytest.approx(1.0, abs=0.01)
    assert _days_since(()) is None
