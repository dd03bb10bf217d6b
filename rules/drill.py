"""Drill: an outage opened by a user request while the contact stays closed. Limits and preconditions."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

SHORTEST_S, DEFAULT_S, LONGEST_S = 5.0, 60.0, 3600.0
"""Limits in seconds: long enough for a breaker to confirm.

No longer than a freezer or a fish tank can be without power.
"""

TEST_DEFAULT_S, TEST_LONGEST_S = 10.0, 120.0
"""Duration in seconds of a test of one circuit, and its limit."""

NOTICE_S = 1.0
"""Time in seconds from the request to the first OFF: the plan is written to disk before anything is switched."""


class DrillPreconditions(NamedTuple):
    """State of the house when a drill is requested.

    `owed`, `under_way`: names of circuits. `sheds`: number of circuits that the drill would switch off.
    """

    state: str
    on_utility: bool
    stable: bool
    outage_open: bool
    owed: tuple[str, ...]
    under_way: tuple[str, ...]
    connected: bool
    disk_failing: bool
    sheds: int


def refusal_reason(standing: DrillPreconditions) -> str | None:
    """Return the reason why a drill must not begin now; None if it may."""
    return next((says for holds, says in _objections(standing) if holds), None)


def _objections(standing: DrillPreconditions) -> Iterator[tuple[bool, str]]:
    """Yield each possible objection with whether it applies, the most serious first."""
    owed, under_way = ", ".join(standing.owed), ", ".join(standing.under_way)
    yield not standing.on_utility, "the contact is not known to be closed: a drill needs a house on utility"
    yield standing.outage_open, "an outage or a drill is still open: wait until all circuits are restored"
    yield standing.state == "restoring", "circuits are still being restored: try again in a minute"
    unstable = not standing.stable or standing.state != "utility"
    yield unstable, "utility is not stable yet: try again in a minute"
    yield bool(under_way), f"a command is still in flight for {under_way}: try again in a minute"
    yield (
        bool(owed),
        f"still to be restored: {owed}. First `loadshed ask restore all`, or `loadshed ask forget` and the id",
    )
    yield not standing.connected, "the broker is disconnected: no breaker can be reached"
    yield (
        standing.disk_failing,
        "the disk does not accept writes: after a crash it would be unknown which circuits to restore",
    )
    nothing = "there is nothing to switch off: no nonessential, controllable circuit is on"
    yield not standing.sheds, nothing
