"""The judge of real houses' logs, held to biting: one log with each thing that must never happen, and others without.

In each log the house has been on utility for long, `car` was off before, and everything is known to the program.
"""

from __future__ import annotations

import json
from itertools import chain
from typing import Any

import pytest

from tests.stress import oracle
from tests.stress.invariants import Rules
from tests.stress.oracle import Judge
from tests.system.on_bus import CONTACT, EDGE, RECONNECTED, WITNESS, WITNESSED, Said
from tests.system.process_house import Timing

TIMING = Timing(settle_s=0.1, confirm_s=0.5, utility_stable_s=0.6, stagger_s=0.25)
SHEDS = frozenset({"tub", "pump", "car"})
RULES = Rules(TIMING, SHEDS | {"fridge"}, SHEDS)
BASE = "loadshed/home/"

Log = list[Said]


def said(at: float, topic: str, word: str = "", *, retained: bool = False) -> Log:
    """Return one message, or what was written down beside the bus."""
    return [Said(at, topic, word.encode(), retained=retained)]


def noted(at: float, what: str, **about: Any) -> Log:
    """Return what was written down beside the bus."""
    return said(at, what, json.dumps(about))


def contact(at: float, word: str) -> Log:
    """Return the contact's word."""
    return said(at, EDGE, word) + said(at + 0.001, CONTACT, word)


def asked(number: int, at: float) -> Log:
    """Return a witness without its answer."""
    return said(at, WITNESS, str(number)) + said(at, f"{BASE}ask/witness", str(number))


def known(number: int, at: float, by: float | None = None) -> Log:
    """Return a witness and its answer: whatever was said before, the program has read by then."""
    return asked(number, at) + said(at + 0.01 if by is None else by, f"{BASE}answers/{WITNESSED}{number}", "{}")


def to(at: float, circuit: str, word: str) -> Log:
    """Return a command."""
    return said(at, f"{BASE}breakers/{circuit}/set", word)


def off(at: float, *circuits: str) -> Log:
    """Return OFFs in one breath."""
    return [*chain.from_iterable(to(at, circuit, "OFF") for circuit in circuits)]


def told_off(at: float, circuit: str) -> Log:
    """Return the event of an OFF."""
    return said(at, f"{BASE}events", json.dumps({"event": "off_sent", "circuit": circuit}))


def is_at(at: float, circuit: str, word: str) -> Log:
    """Return a report."""
    return said(at, f"{BASE}breakers/{circuit}/state", word)


def ended(at: float, *, on_standby: bool, off: str = "", named: str = "", lost: bool = False) -> Log:
    """Return how things stand at the end."""
    return noted(at, oracle.END, on_standby=on_standby, off=off.split(), named=named.split(), said=lost)


QUIET = (
    contact(0.0, "closed")
    + is_at(0.1, "fridge", "ON")
    + is_at(0.1, "pump", "ON")
    + is_at(0.1, "tub", "ON")
    + is_at(0.1, "car", "OFF")
    + known(1, 9.0)
    + known(2, 9.5)
    + noted(9.6, oracle.NIGHT, off_before=["car"], owed=[])
    + known(3, 9.7)
)
OPENED = contact(10.0, "open") + known(4, 10.0)
SHED = OPENED + off(10.12, "pump", "tub") + is_at(10.15, "pump", "OFF") + is_at(10.15, "tub", "OFF") + known(5, 10.2)
CLOSED = SHED + contact(11.0, "closed") + known(6, 11.0) + known(7, 11.2) + known(8, 11.5)
BACK = CLOSED + to(11.75, "pump", "ON") + is_at(11.76, "pump", "ON") + known(9, 11.9)
RESTORED = BACK + to(12.1, "tub", "ON") + is_at(12.11, "tub", "ON")
ROUNDS = [*chain.from_iterable(known(number, 10.0 + number / 8) for number in range(5, 10))]
RESTARTED = said(11.0, f"{BASE}controller/availability", "offline") + said(11.01, oracle.PROGRAM_STARTED)


def judged(*parts: Log) -> list[str]:
    """Return what the judge says of a log that begins with a quiet house."""
    bench = Judge(RULES)
    bench.read([*QUIET, *chain.from_iterable(parts)])
    return bench.wrong


@pytest.mark.parametrize(
    ("log", "sentence"),
    [
        (OPENED + off(10.12, "router"), "OFF to router, which may not be commanded"),
        (CLOSED + to(11.75, "car", "ON"), "ON to car, which was off before"),
        (CLOSED + is_at(11.55, "tub", "TRIPPED") + known(9, 11.6) + to(11.75, "tub", "ON"), "has tripped"),
        (OPENED + contact(10.05, "closed") + known(5, 10.05) + to(10.9, "tub", "ON"), "never told OFF"),
        (
            SHED
            + noted(10.3, oracle.OBEYED, request="hold", circuit="tub")
            + contact(11.0, "closed")
            + known(6, 11.0)
            + to(11.75, "tub", "ON"),
            "ON to tub, which is on hold",
        ),
        (
            SHED
            + noted(10.3, oracle.OBEYED, request="off", circuit="tub")
            + CLOSED[len(SHED) :]
            + to(11.75, "tub", "ON"),
            "a person asked to be off",
        ),
        (
            SHED
            + said(10.4, f"{BASE}events", '{"event": "taken_over", "circuit": "tub"}')
            + known(6, 10.5)
            + to(10.9, "tub", "OFF"),
            "OFF to tub, which a person took over",
        ),
        (OPENED + off(10.12, "fridge"), "OFF to fridge, which is essential"),
        (SHED + known(6, 10.8) + to(10.9, "tub", "ON"), "utility was not stable"),
        (CLOSED + to(11.55, "tub", "ON"), "utility was not stable"),
        (CLOSED + contact(11.6, "open") + known(9, 11.6) + to(11.75, "tub", "ON"), "utility was not stable"),
        (CLOSED + contact(11.6, "offline") + known(9, 11.6) + to(11.75, "tub", "ON"), "utility was not stable"),
        (OPENED + off(10.05, "pump"), "OFF to pump, and no opening had settled"),
        (
            OPENED + contact(10.03, "closed") + known(5, 10.03) + off(10.2, "pump"),
            "OFF to pump, and no opening had settled",
        ),
        (CLOSED + off(11.6, "pump"), "OFF to pump, and no opening had settled"),
        (
            contact(10.0, "closed") + RESTARTED + off(11.3, "pump"),
            "OFF to pump, and no opening had settled",
        ),
        (
            OPENED + off(10.12, "pump") + known(5, 10.2) + known(6, 10.3) + known(7, 10.4),
            "tub is on, and the settled opening brought it no OFF",
        ),
        (
            OPENED + told_off(10.12, "tub") + off(10.12, "pump") + known(5, 10.2) + known(6, 10.3) + known(7, 10.4),
            "tub is on, and the settled opening brought it no OFF",
        ),
        (
            OPENED + said(10.05, RECONNECTED) + told_off(10.1, "pump") + ROUNDS,
            "tub is on, and the settled opening brought it no OFF",
        ),
        (
            CLOSED + to(11.75, "pump", "ON") + known(9, 12.2) + to(12.3, "pump", "ON"),
            "ON to pump again, before ON to tub",
        ),
        (OPENED + off(10.12, "pump") + known(5, 10.15) + off(10.4, "pump"), "OFF to pump again after 0.400 s"),
        (
            OPENED
            + off(10.12, "pump")
            + contact(10.2, "offline")
            + contact(10.25, "open")
            + known(5, 10.26)
            + off(10.4, "pump"),
            "OFF to pump again after 0.400 s",
        ),
        (
            CLOSED + known(9, 11.7) + to(11.75, "pump", "ON") + to(11.76, "tub", "ON"),
            "ON to tub, 0.060 s after the last",
        ),
        (
            CLOSED + known(9, 11.7) + to(11.75, "pump", "ON") + RESTARTED + to(11.9, "tub", "ON"),
            "s after the last at most",
        ),
        (RESTORED + ended(13.0, on_standby=False, off="car tub"), "tub is off at the end, on utility, and not named"),
        (RESTORED + ended(13.0, on_standby=False), "car is on at the end, and was off before"),
        (RESTORED + ended(13.0, on_standby=False, off="car fridge"), "fridge is off at the end, and is essential"),
        (SHED + ended(10.9, on_standby=True, off="car tub"), "pump is on at the end, on standby, and not named"),
        (OPENED + said(10.12, f"{BASE}breakers/tub/set", "OFF", retained=True), "was retained by the broker"),
    ],
)
def test_the_judge_bites(log: Log, sentence: str) -> None:
    """Each thing that must never happen has its words."""
    assert any(sentence in one for one in judged(log)), judged(log)


@pytest.mark.parametrize(
    "log",
    [
        pytest.param(RESTORED + ended(13.0, on_standby=False, off="car"), id="a plain outage"),
        pytest.param(OPENED + off(10.12, "pump") + known(5, 10.6) + off(10.65, "pump"), id="tried again in time"),
        pytest.param(
            OPENED
            + off(10.12, "pump", "tub")
            + said(10.2, f"{BASE}breakers/pump/availability", "online")
            + off(10.21, "pump"),
            id="tried again for it came back",
        ),
        pytest.param(
            OPENED
            + said(10.11, f"{BASE}breakers/pump/availability", "online")
            + off(10.12, "pump")
            + off(10.2, "pump"),
            id="it came back, and that was read after the first OFF had left",
        ),
        pytest.param(
            CLOSED + contact(11.6, "open") + to(11.75, "tub", "ON") + known(9, 11.6, by=11.8),
            id="it cannot have read of the opening yet",
        ),
        pytest.param(
            CLOSED + to(11.75, "pump", "ON") + known(9, 11.8, by=12.4) + to(12.4, "tub", "ON"),
            id="the reader was late, not the program early",
        ),
        pytest.param(SHED + contact(11.0, "closed") + off(11.3, "pump") + known(6, 11.0, by=11.4), id="a stall"),
        pytest.param(
            OPENED + off(10.12, "pump", "tub") + contact(10.3, "closed") + contact(10.31, "open") + ROUNDS,
            id="a bounce on standby is no new opening",
        ),
        pytest.param(
            OPENED + said(10.05, RECONNECTED) + told_off(10.1, "pump") + told_off(10.1, "tub") + ROUNDS,
            id="what was commanded while the recorder was away is told of",
        ),
        pytest.param(
            SHED + RESTARTED + said(11.1, oracle.BROKER_STARTED) + contact(11.2, "open") + off(11.25, "pump", "tub"),
            id="opened while the broker was away",
        ),
        pytest.param(
            SHED + contact(10.9, "offline") + RESTARTED + off(11.3, "pump", "tub", "car"),
            id="the broker remembers open of a contact that is away",
        ),
        pytest.param(
            SHED + said(10.9, oracle.BROKER_STARTED) + said(10.95, RECONNECTED) + off(11.0, "pump", "tub"),
            id="tries go on while nothing is known",
        ),
        pytest.param(
            SHED + noted(10.3, oracle.ASKED, request="on", circuit="tub") + to(10.4, "tub", "ON"),
            id="at a person's request",
        ),
        pytest.param(
            SHED + said(10.3, oracle.RETAGGED, "fridge") + off(10.4, "fridge") + to(10.9, "fridge", "ON"),
            id="retagged, and back",
        ),
        pytest.param(
            noted(9.8, oracle.NIGHT, off_before=["car"], owed=["fridge"]) + SHED + to(10.4, "fridge", "ON"),
            id="retagged the night before, and still owed",
        ),
        pytest.param(
            SHED + noted(10.9, oracle.LEDGER_LOST) + ended(13.0, on_standby=False, off="car tub", lost=True),
            id="it lost its memory and said so",
        ),
        pytest.param(
            RESTORED
            + said(12.2, oracle.RETAGGED, "fridge")
            + noted(12.3, oracle.LEDGER_LOST)
            + ended(13.0, on_standby=False, off="car fridge", lost=True),
            id="retagged, shed, and its ledger lost",
        ),
        pytest.param(
            OPENED
            + noted(10.05, oracle.ASKED, request="forget", circuit="tub")
            + off(10.12, "pump", "tub")
            + noted(10.15, oracle.OBEYED, request="forget", circuit="tub")
            + CLOSED[len(SHED) :]
            + to(11.75, "tub", "ON"),
            id="forgotten on utility, and shed anew",
        ),
        pytest.param(SHED + ended(10.9, on_standby=True, off="car tub", named="pump"), id="on, and named"),
        pytest.param(
            OPENED
            + noted(10.02, oracle.ROLLED_BACK)
            + noted(10.05, f"{BASE}controller/state", taken_over=["tub"])
            + off(10.12, "pump")
            + ROUNDS
            + ended(12.0, on_standby=True, off="car pump"),
            id="taken over on the day of which a rolled-back disk tells",
        ),
    ],
)
def test_the_judge_is_just(log: Log) -> None:
    """What the rules allow, and what a slow machine makes of it, is nothing wrong."""
    assert judged(log) == []


def test_nothing_is_judged_once_people_put_things_right() -> None:
    """After the end on utility whatever they ask for is theirs."""
    assert judged(RESTORED, ended(13.0, on_standby=False, off="car"), to(13.1, "car", "ON")) == []


def test_each_invariant_had_something_to_judge() -> None:
    """A guard that never rises would check nothing."""
    bench = Judge(RULES)
    again = to(12.5, "tub", "ON") + known(10, 12.6) + to(13.2, "tub", "ON")
    tail = ended(14.0, on_standby=False, off="car")
    bench.read([*QUIET, *SHED, *known(41, 10.3), *known(42, 10.4), *BACK[len(SHED) :], *again, *tail])
    assert {name[0] for name in bench.facts.guards} >= set("12345689")
    assert {"7 first tries first", "6, 7 all are shed"} <= {*bench.facts.guards}
