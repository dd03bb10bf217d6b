"""Flapping utility: several openings of the contact within a short time lengthen the utility-stable wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class FlapSettings:
    """Number of openings (`transfers`) within `window_s` seconds that doubles the utility-stable wait.

    Each further opening doubles it again, up to `wait_max_s` seconds. `transfers` = 0 disables this.
    """

    transfers: int = 3
    window_s: float = 600.0
    wait_max_s: float = 600.0


def flap_openings(openings: Iterable[float], at: float, settings: FlapSettings) -> int:
    """Return the number of openings that lengthen the wait at `at`; 0: the wait has its usual length.

    `openings`: monotonic seconds of this boot.
    """
    recent = sum(1 for opening in openings if opening > at - settings.window_s)
    return recent if settings.transfers and recent >= settings.transfers else 0


def stable_wait(usual_s: float, flaps: int, settings: FlapSettings) -> float:
    """Return how long utility must be uninterrupted, in seconds, after `flaps` openings that lengthen the wait.

    A `usual_s` above `wait_max_s` stays as it is.
    """
    if not flaps:
        return usual_s
    return max(usual_s, min(usual_s * 2.0 ** (flaps - settings.transfers + 1), settings.wait_max_s))
