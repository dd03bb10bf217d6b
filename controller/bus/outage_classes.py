"""Classes of outages by the settings of the house."""

from __future__ import annotations

from dataclasses import dataclass, field

from controller.config.local_time import LocalTime
from rules.outage_class import ExerciseWindow, OutageClass, outage_class

DEFAULT_BLINK_S = 30.0


@dataclass(frozen=True, slots=True)
class OutageClasses:
    """Settings that the class of an outage depends on. `exercise`: None: no weekly exercise is configured."""

    blink_s: float = DEFAULT_BLINK_S
    exercise: ExerciseWindow | None = None
    local_time: LocalTime = field(default_factory=LocalTime)

    def of(self, kind: str, began_s: float | None, lasted_s: float | None) -> OutageClass:
        """Return the class. `began_s`: UTC seconds; None: unknown. `lasted_s`: None: open, or unknown."""
        began_min = None
        if began_s is not None:
            began = self.local_time.at(began_s)
            began_min = (24 * began.weekday() + began.hour) * 60 + began.minute
        return outage_class(kind, began_min, lasted_s, self.blink_s, self.exercise)
