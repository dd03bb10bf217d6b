"""Output of `loadshed ready`: text for people, fields for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.terminal.tables import wrapped
from controller.runtime import clock

if TYPE_CHECKING:
    from clients.maintenance.readiness import Readiness
    from rules.json_types import Json

_LEVELS = {"ready": "READY", "limited": "READY WITH LIMITATIONS", "not-ready": "NOT READY"}


def readiness_text(readiness: Readiness) -> str:
    """Return the score, and each deduction with its reason and action."""
    lines = [f"{_LEVELS[readiness.level]}: {readiness.score} of 100"]
    for reason in readiness.reasons:
        lines.append(wrapped(reason.message, "       ", first=f"  -{reason.cost:<3} "))
        lines.append(wrapped(f"Do: {reason.action}", "           ", first="       "))
    lines += [wrapped(f"not checked: {sentence}", "       ", first="  ") for sentence in readiness.not_checked]
    return "\n".join(lines)


def readiness_fields(readiness: Readiness) -> dict[str, Json]:
    """Return the payload of the topic `readiness`. Times are UTC."""
    wall = clock.wall()
    return {
        "score": readiness.score,
        "ready": readiness.level,
        **clock.json_time(wall.seconds(clock.monotonic()), wall.trusted),
        "reasons": [
            {"id": reason.id, "cost": reason.cost, "message": reason.message, "action": reason.action}
            for reason in readiness.reasons
        ],
        "not_checked": [*readiness.not_checked],
    }
