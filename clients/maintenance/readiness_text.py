"""Readiness assessment as text for a user and as JSON fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.terminal.tables import wrapped
from controller.runtime import clock

if TYPE_CHECKING:
    from clients.maintenance.readiness import Readiness
    from rules.json_types import Json

_WORDS = {"ready": "READY", "limited": "READY, WITH RESERVATIONS", "not-ready": "NOT READY"}


def text(found: Readiness) -> str:
    """Return the judgement for a person."""
    lines = [f"{_WORDS[found.word]}: {found.score} of 100"]
    for reason in found.reasons:
        lines.append(wrapped(reason.message, "       ", first=f"  -{reason.cost:<3} "))
        lines.append(wrapped(f"do: {reason.action}", "           ", first="       "))
    return "\n".join(lines)


def fields(found: Readiness) -> dict[str, Json]:
    """Return the judgement for programs: the payload of `readiness`."""
    wall = clock.wall()
    return {
        "score": found.score,
        "ready": found.word,
        **clock.json_time(wall.seconds(clock.monotonic()), wall.trusted),
        "reasons": [
            {"id": reason.id, "cost": reason.cost, "message": reason.message, "action": reason.action}
            for reason in found.reasons
        ],
    }
