"""Power of one circuit during a drill, as its own device measures it and the controller publishes it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rules.json_types import Json

FRESH_S = 330.0
"""Age in seconds up to which a power counts as the power before the drill: some devices report every 300 s."""


@dataclass(frozen=True, slots=True)
class MeasuredPower:
    """Power in W, measured at this second of the listener's clock."""

    watts: float
    at: float


@dataclass(slots=True)
class CircuitPower:
    """Measurements of one circuit, in order. A message without power, or of unknown age, adds none."""

    measured: list[MeasuredPower] = field(default_factory=list)

    def take(self, fields: Mapping[str, Json], at: float) -> None:
        """Add the power in a message of `circuits/<circuit>` that arrived at `at`."""
        watts, age_s = _number(fields.get("power_w")), _number(fields.get("power_age_s"))
        if watts is not None and age_s is not None:
            self.measured.append(MeasuredPower(watts, at - age_s))

    def before(self, at: float) -> MeasuredPower | None:
        """Return the last power measured by then; None: there is none, or it is too old."""
        found = max((one for one in self.measured if one.at <= at), key=lambda one: one.at, default=None)
        return found if found is not None and at - found.at <= FRESH_S else None

    def between(self, since: float, until: float) -> MeasuredPower | None:
        """Return the last power measured in this time; None: there was none."""
        return max((one for one in self.measured if since < one.at <= until), key=lambda one: one.at, default=None)


def _number(value: Json) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
