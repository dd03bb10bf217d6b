"""A drill: an outage whose opening is a person's request, while the contact stays closed. When, and how long."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

SHORTEST_S, DEFAULT_S, LONGEST_S = 5.0, 60.0, 3600.0
"""Long enough for a breaker to confirm; no longer than a freezer or a fish tank can do without its circuit."""

NOTICE_S = 1.0
"""From the request to the first OFF: the disk learns what is about to be shed before anything is."""


class DrillPreconditions(NamedTuple):
    """How the house stands as a drill is asked for. `sheds`: how many circuits it would switch off."""

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
    """Return why a drill must not begin now, for whoever asks; None where it may."""
    return next((says for holds, says in _objections(standing) if holds), None)


def _objections(standing: DrillPreconditions) -> Iterator[tuple[bool, str]]:
    """Yield what may stand against it, the gravest first, each with whether it does."""
    owed, under_way = ", ".join(standing.owed), ", ".join(standing.under_way)
    yield not standing.on_utility, "the contact is not known to be closed: a drill is for a house on utility"
    unfinished = standing.outage_open or standing.state != "utility"
    yield unfinished, "an outage, or a drill, is not over yet: wait until everything is back"
    yield not standing.stable, "utility has not been unbroken for long enough yet: ask again in a while"
    yield bool(under_way), f"these may still move by what was sent last: {under_way}: ask again in a minute"
    yield bool(owed), f"these are still owed from before: {owed}: `loadshed ask restore` or `forget` them first"
    yield not standing.connected, "the broker is away: no breaker can be reached"
    yield standing.disk_failing, "the disk takes nothing: after a crash nobody would know what to give back"
    nothing = "there is nothing to switch off: no nonessential circuit that can be switched is on"
    yield not standing.sheds, nothing
