"""The judge of real houses' logs, held to biting where a drill is on, and to letting a drill do what it may."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest

from tests.stress import oracle
from tests.stress.test_oracle import (
    BASE,
    RESTARTED,
    Log,
    contact,
    ended,
    is_at,
    judged,
    known,
    noted,
    off,
    said,
    to,
)


def told(at: float, event: str, **about: Any) -> Log:
    """Return an event on the bus."""
    return noted(at, f"{BASE}events", event=event, **about)


def answered(at: float, *, ok: bool) -> Log:
    """Return the event with the reply to a request for a drill."""
    return told(at, "request_received", request="drill", ok=ok)


ASKED = said(10.0, oracle.DRILL_ASKED, "5.0") + known(11, 10.0)
ACCEPTED = ASKED + answered(10.02, ok=True)
SHED = (
    ACCEPTED
    + off(11.05, "pump", "tub")
    + told(11.06, "drill_began")
    + is_at(11.07, "pump", "OFF")
    + is_at(11.07, "tub", "OFF")
    + known(12, 11.1)
)
OVER = SHED + known(13, 16.0) + to(16.06, "pump", "ON") + told(16.07, "drill_ended", reason="its time is up")
BACK = OVER + is_at(16.08, "pump", "ON") + known(14, 16.2) + to(16.4, "tub", "ON") + is_at(16.41, "tub", "ON")
LATE = [*chain.from_iterable(known(number, 15.0 + number / 10) for number in range(13, 35))]
AGAIN = said(11.5, f"{BASE}controller/availability", "online")


@pytest.mark.parametrize(
    ("log", "sentence"),
    [
        pytest.param(ACCEPTED + off(10.9, "pump"), "nor was a drill on", id="before its notice was over"),
        pytest.param(ASKED + answered(10.02, ok=False) + off(11.1, "pump"), "nor was a drill on", id="refused"),
        pytest.param(SHED + known(13, 16.2) + off(16.3, "tub"), "nor was a drill on", id="beyond its time"),
        pytest.param(SHED + LATE, "a drill of 5 s goes on and on", id="without end"),
        pytest.param(OVER + off(16.5, "tub"), "nor was a drill on", id="over"),
        pytest.param(
            SHED + RESTARTED + AGAIN + known(13, 11.7) + off(11.9, "tub"), "nor was a drill on", id="after a restart"
        ),
        pytest.param(SHED + to(12.0, "tub", "ON"), "in the middle of a drill", id="given back too early"),
        pytest.param(
            contact(9.8, "open") + known(10, 9.8) + ACCEPTED, "and utility was not stable", id="accepted on standby"
        ),
        pytest.param(
            SHED + said(12.0, oracle.DRILL_ASKED, "5.0") + answered(12.1, ok=True),
            "in the middle of another",
            id="accepted in a drill",
        ),
        pytest.param(
            ACCEPTED + off(11.05, "pump") + told(11.06, "drill_began") + told(16.07, "drill_ended"),
            "tub was on, and the drill brought it no OFF",
            id="one forgotten",
        ),
        pytest.param(OVER + to(16.6, "car", "ON"), "which was off before", id="what it did not shed"),
        pytest.param(
            SHED + known(13, 11.55) + off(11.6, "tub") + off(11.8, "tub"), "again after", id="tried again too early"
        ),
        pytest.param(OVER + ended(20.0, on_standby=False, off="car tub"), "not named", id="not given back"),
    ],
)
def test_the_judge_bites_in_a_drill(log: Log, sentence: str) -> None:
    """Each thing that a drill must never do has its words."""
    assert any(sentence in one for one in judged(log)), judged(log)


@pytest.mark.parametrize(
    "log",
    [
        pytest.param(BACK + LATE + ended(20.0, on_standby=False, off="car"), id="a plain drill"),
        pytest.param(ASKED + off(11.05, "pump", "tub"), id="its answer was not heard"),
        pytest.param(SHED + off(11.6, "tub"), id="a second try"),
        pytest.param(
            SHED + said(12.0, oracle.DRILL_ENDED) + to(12.1, "pump", "ON") + told(12.11, "drill_ended"),
            id="ended by a person",
        ),
        pytest.param(
            SHED + contact(12.0, "open") + known(13, 12.0) + told(12.2, "drill_became_outage") + off(12.2, "tub"),
            id="taken over by a transfer",
        ),
        pytest.param(
            SHED
            + contact(12.0, "open")
            + known(13, 12.0)
            + off(12.07, "tub")
            + off(12.11, "tub")
            + told(12.2, "drill_became_outage"),
            id="tried in the drill, and anew by the transfer",
        ),
        pytest.param(
            SHED
            + contact(12.0, "open")
            + known(13, 12.0)
            + known(14, 12.2)
            + known(15, 12.3)
            + known(16, 12.4)
            + ended(13.0, on_standby=True, off="car pump tub"),
            id="what the drill has switched off need not be told again",
        ),
        pytest.param(SHED + RESTARTED + off(11.3, "tub"), id="the old program's last words"),
        pytest.param(SHED + RESTARTED + AGAIN + known(13, 11.6) + to(12.5, "pump", "ON"), id="a start gives back"),
    ],
)
def test_the_judge_is_just_in_a_drill(log: Log) -> None:
    """What a drill may do, and what a slow machine makes of it, is nothing wrong."""
    assert judged(log) == []
