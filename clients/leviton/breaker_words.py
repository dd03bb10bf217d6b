"""Words of the cloud about a breaker, and the position that they mean.

The list is the maker's own, as other programs have found it. A word that is not in it is never a position.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.panel import Position

if TYPE_CHECKING:
    from collections.abc import Mapping

STATE_FIELDS = ("currentState", "currentState2", "remoteState")
"""Members that say a position. `remoteTrip` and `remoteOn` repeat our own command, and say nothing."""

OUT_OF_REACH = ("NotCommunicating", "CommunicationFailure", "UNDEFINED")
"""Words by which the hub says that it does not reach the breaker."""

_FAULTS = (
    *("GFCIFault", "AFCIMiswire", "AFCIParallelFault", "OverCurrentTripPhase1", "OverCurrentTripPhase2"),
    *("OverloadTrip", "ShortCircuitTrip", *(f"AFCISerialArc{amps}AFault" for amps in (5, 10, 15, 20, 30))),
)
_NO_FAULTS = ("SoftwareTrip", "UpstreamFault")


def is_fault(word: object) -> bool:
    """Return whether a word means that the breaker has tripped. New words with `Trip` or `Fault` count."""
    if not isinstance(word, str) or word in _NO_FAULTS or word in OUT_OF_REACH:
        return False
    return word in _FAULTS or "Trip" in word or "Fault" in word


def is_out_of_reach(fields: Mapping[str, object]) -> bool:
    """Return whether the hub reports that it does not reach the breaker."""
    return any(fields.get(pole) in OUT_OF_REACH for pole in ("currentState", "currentState2"))


def position_of(fields: Mapping[str, object], *, poles: int, remote: bool) -> Position | None:
    """Return the position that the members of a breaker mean; None: they say none.

    `fields`: those of `STATE_FIELDS` that are known. `remote`: it is of the second generation, whose `remoteState`
    counts. A fault decides over everything: a tripped breaker may still report `RemoteON`.
    """
    words = [fields.get("currentState")] + ([fields.get("currentState2")] if poles > 1 else [])
    if is_out_of_reach(fields):
        return None
    if any(is_fault(word) for word in words):
        return Position.TRIPPED
    remote_state = fields.get("remoteState") if remote else None
    if remote_state == "RemoteOFF" or any(word in ("ManualOFF", "SoftwareTrip") for word in words):
        return Position.OFF
    if all(word == "ManualON" for word in words) and remote_state in ("RemoteON", "", None):
        return Position.ON
    return None
