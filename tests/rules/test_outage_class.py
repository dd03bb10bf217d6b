"""Class of an outage."""

from __future__ import annotations

import pytest

from rules.outage_class import ExerciseWindow, outage_class

MONDAY_10 = ExerciseWindow(0, 600, 20.0)
SUNDAY_NIGHT = ExerciseWindow(6, 23 * 60 + 55, 20.0)
AT = 605  # Monday, 10:05

CLASSES = (
    ("drill", AT, 5.0, None, "drill"),
    ("outage", AT, 5.0, None, "blink"),
    ("outage", AT, 30.0, None, "outage"),
    ("outage", AT, None, None, "outage"),
    ("outage", AT, 5.0, MONDAY_10, "exercise"),
    ("outage", 595, 600.0, MONDAY_10, "exercise"),
    ("outage", 594, 600.0, MONDAY_10, "outage"),
    ("outage", 621, 600.0, MONDAY_10, "exercise"),
    ("outage", 626, 600.0, MONDAY_10, "outage"),
    ("outage", AT + 24 * 60, 600.0, MONDAY_10, "outage"),
    ("outage", None, 600.0, MONDAY_10, "outage"),
    ("outage", 10, 600.0, SUNDAY_NIGHT, "exercise"),
)


@pytest.mark.parametrize(("kind", "began", "lasted_s", "exercise", "expected"), CLASSES)
def test_an_outage_has_a_class(
    kind: str, began: int | None, lasted_s: float | None, exercise: ExerciseWindow | None, expected: str
) -> None:
    """The generator's own clock may be five minutes wrong."""
    assert outage_class(kind, began, lasted_s, 30.0, exercise) == expected
