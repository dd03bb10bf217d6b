"""Lines for the journal: an owner reads them, not a programmer."""

from __future__ import annotations

import pytest

from controller.effects import Happened
from controller.journal import MISTAKES_MOST, line, refusal_lines
from rules.panel import CircuitId


@pytest.mark.parametrize(
    ("event", "about", "says"),
    [
        ("meter_noted", {"meter": "", "kind": "replaced", "says": "another meter"}, "meter: another meter"),
        ("meter_noted", {"meter": "barn", "says": "it lost power"}, "meter barn: it lost power"),
        ("meter_noted", {"says": "it lost power", "unsaid": 7}, "meter: it lost power (7 more like it were left out)"),
        ("pulses_disagree", {"output": "1 kWh", "counted": 3, "says": "edges are lost"}, "meter: edges are lost"),
        ("outage_ended", {"energy_kwh": 12345.6, "owed": []}, "outage ended (energy_kwh 12345.6)"),
        ("settled", {"seen_at": 17.25}, "settled"),
    ],
)
def test_an_event_is_one_readable_line(event: str, about: dict[str, str | int | float | list[str]], says: str) -> None:
    """Figures as they stand, sentences as they are, and no monotonic moments."""
    assert line(Happened(1.0, event, None, about)) == says  # type: ignore[arg-type]


def test_a_line_that_concerns_a_circuit_begins_with_it() -> None:
    """Whom it concerns, then what happened."""
    assert line(Happened(1.0, "confirmed_off", CircuitId("hot-tub"))) == "hot-tub: confirmed off"


def test_a_file_of_a_thousand_mistakes_does_not_fill_the_journal() -> None:
    """The first of them are said, and how many more there are."""
    assert refusal_lines(("circuits.toml:1: missing",)) == ["circuits.toml:1: missing"]
    *first, last = refusal_lines([f"circuits.toml:{number}: wrong" for number in range(1000)])
    assert len(first) == MISTAKES_MOST
    assert last.startswith(f"and {1000 - MISTAKES_MOST} more")
