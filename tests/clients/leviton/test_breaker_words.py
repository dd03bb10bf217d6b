"""Words of the cloud and the position that they mean."""

from __future__ import annotations

import pytest

from clients.leviton.breaker_words import is_out_of_reach, position_of
from rules.panel import Position

ON, OFF, TRIPPED = Position.ON, Position.OFF, Position.TRIPPED


@pytest.mark.parametrize(
    ("state", "second", "remote", "position"),
    [
        ("ManualON", "", "RemoteON", ON),
        ("ManualON", None, "", ON),
        ("ManualON", "", None, ON),
        ("ManualON", "", "RemoteOFF", OFF),  # what an off by command looks like
        ("ManualOFF", "", "RemoteON", OFF),
        ("SoftwareTrip", "", "", OFF),
        ("OverloadTrip", "", "RemoteON", TRIPPED),  # the fault decides
        ("GFCIFault", "", "RemoteOFF", TRIPPED),
        ("AFCISerialArc15AFault", "", "RemoteON", TRIPPED),
        ("OverCurrentTripPhase2", "", "RemoteON", TRIPPED),
        ("NewKindOfTrip", "", "RemoteON", TRIPPED),
        ("AFCIMiswire", "", "RemoteON", TRIPPED),
        ("UpstreamFault", "", "RemoteON", None),
        ("COMMUNICATING", "", "RemoteON", None),
        ("NotCommunicating", "", "RemoteON", None),
        ("CommunicationFailure", "", "RemoteOFF", None),
        ("Sideways", "", "RemoteON", None),
        (None, "", "RemoteON", None),
        ("ManualON", "", "RemoteMAYBE", None),
    ],
)
def test_position_of_a_single_pole(state: str | None, second: str | None, remote: str | None, position: object) -> None:
    """The table of the reference, first line that fits."""
    fields = {"currentState": state, "currentState2": second, "remoteState": remote}
    assert position_of(fields, poles=1, remote=True) is position


@pytest.mark.parametrize(
    ("state", "second", "position"),
    [
        ("ManualON", "ManualON", ON),
        ("ManualON", "ManualOFF", OFF),
        ("ManualON", "ShortCircuitTrip", TRIPPED),
        ("ManualON", "", None),  # one pole of two is no word about the breaker
        ("ManualON", "UNDEFINED", None),
    ],
)
def test_both_poles_count(state: str, second: str, position: Position | None) -> None:
    """A two-pole breaker is on only if both poles are."""
    fields = {"currentState": state, "currentState2": second, "remoteState": "RemoteON"}
    assert position_of(fields, poles=2, remote=True) is position


def test_our_own_command_is_no_position() -> None:
    """`remoteTrip` and `remoteOn` repeat what was sent."""
    assert position_of({"remoteTrip": True, "currentState": "ManualON"}, poles=1, remote=True) is ON


def test_the_remote_state_of_a_first_generation_breaker_is_ignored() -> None:
    """It has none."""
    assert position_of({"currentState": "ManualON", "remoteState": "RemoteOFF"}, poles=1, remote=False) is ON


def test_a_breaker_out_of_reach_is_recognized() -> None:
    """By either pole."""
    assert is_out_of_reach({"currentState": "ManualON", "currentState2": "UNDEFINED"})
    assert not is_out_of_reach({"currentState": "ManualON"})
