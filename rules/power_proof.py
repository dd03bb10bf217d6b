"""Power as the second proof of an OFF: a circuit that reports off and still draws power is treated as on.

A position is never derived from watts. Only power that was measured after the report of `off` counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rules.panel import Circuit

FALL_S = 15.0
"""Time in seconds after the report of `off` in which the power must have fallen."""

IDLE_W = 10.0
"""Power in W that electronics may draw while the circuit is off."""

RATING_SHARE = 0.02
"""Share of the circuit's rating that counts as no load: clamps and meters are that inexact."""

VOLTS_PER_POLE = 120.0


def idle_limit_w(circuit: Circuit) -> float:
    """Return the power in W up to which a circuit counts as off: 10 W, and 2 % of its rating if that is known."""
    rating_w = (circuit.amps or 0.0) * VOLTS_PER_POLE * len(circuit.spaces)
    return IDLE_W + RATING_SHARE * rating_w


def still_draws(circuit: Circuit, watts: float, measured_at: float, off_reported_at: float) -> bool | None:
    """Return whether a measurement contradicts the report of `off`; None: it was measured too early to say.

    `watts`: power in W. Times in monotonic seconds.
    """
    if watts <= idle_limit_w(circuit):
        return False if measured_at > off_reported_at else None
    return True if measured_at >= off_reported_at + FALL_S else None
