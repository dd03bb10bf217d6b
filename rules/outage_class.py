"""Class of an outage, for people and statistics: it never changes a decision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

OutageClass = Literal["blink", "exercise", "outage", "drill"]

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

EARLY_MIN = 5
"""Minutes by which a generator's own clock may be wrong."""

_DAY_MIN = 24 * 60


@dataclass(frozen=True, slots=True)
class ExerciseWindow:
    """Weekly exercise of the generator with a transfer. `weekday`: 0 is Monday. `at_min`: minute of the local day."""

    weekday: int
    at_min: int
    for_min: float

    def holds(self, week_min: int) -> bool:
        """Return whether the exercise is running. `week_min`: minutes since Monday 0:00, local time."""
        since_min = (week_min - self.weekday * _DAY_MIN - self.at_min + EARLY_MIN) % (7 * _DAY_MIN)
        return since_min <= self.for_min + 2 * EARLY_MIN


def outage_class(
    kind: str, began_min: int | None, lasted_s: float | None, blink_s: float, exercise: ExerciseWindow | None
) -> OutageClass:
    """Return the class of an outage.

    `began_min`: minutes since Monday 0:00, local time; None: unknown. `lasted_s`: None: open, or unknown.
    """
    if kind == "drill":
        return "drill"
    if exercise is not None and began_min is not None and exercise.holds(began_min):
        return "exercise"
    return "blink" if lasted_s is not None and lasted_s < blink_s else "outage"
