"""A dozen random outages of real houses; and the judge who reads their logs, held to biting."""

from __future__ import annotations

import pytest

from tests.system.house import Timing
from tests.system.judge import Judge, Rules
from tests.system.on_bus import CONTACT, RECONNECTED, WENT_ON, Said
from tests.system.torture import torture

RULES = Rules(Timing(confirm_s=0.5, utility_stable_s=0.6, stagger_s=0.25), {"tub", "car"}, {"car"})
OPEN, CLOSED = (CONTACT, "open"), (CONTACT, "closed")


def to(circuit: str, word: str) -> tuple[str, str]:
    """Return a command."""
    return f"loadshed/home/breakers/{circuit}/set", word


def is_at(circuit: str, word: str) -> tuple[str, str]:
    """Return a report."""
    return f"loadshed/home/breakers/{circuit}/state", word


def judged(*said: tuple[float, tuple[str, str]]) -> list[str]:
    """Return what the judge says of messages and their seconds."""
    judge = Judge()
    judge.read((Said(at, topic, word.encode(), retained=False) for at, (topic, word) in said), RULES)
    return judge.wrong


async def test_a_dozen_outages_with_everything_failing_end_right() -> None:
    """Kills, stalls, brokers, disks and breakers at random moments: nothing wrong, nothing stuck."""
    tally = await torture(12, seed=1, at_once=6)
    assert tally.outages >= 12
    assert not tally.wrong, tally.summary(0.0)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (((0.0, OPEN), (0.1, to("fridge", "OFF"))), "may not be commanded"),
        (((0.0, OPEN), (0.1, to("car", "OFF")), (1.0, CLOSED), (2.0, to("car", "ON"))), "was off before"),
        (((0.0, CLOSED), (1.0, is_at("tub", "TRIPPED")), (2.0, to("tub", "ON"))), "has tripped"),
        (((0.0, CLOSED), (1.0, OPEN), (2.0, to("tub", "ON"))), "after the contact opened"),
        (((0.0, OPEN), (1.0, CLOSED), (1.3, to("tub", "ON"))), "after the contact closed"),
        (((0.0, OPEN), (1.0, CLOSED), (1.5, to("tub", "OFF"))), "after the contact closed"),
        (((0.0, OPEN), (0.1, to("tub", "OFF")), (0.4, to("tub", "OFF"))), "again after"),
        (((0.0, CLOSED), (1.0, to("tub", "ON")), (1.05, to("car", "ON"))), "after the last"),
    ],
)
def test_the_judge_bites(said: tuple[tuple[float, tuple[str, str]], ...], sentence: str) -> None:
    """Each thing that must never happen has its words."""
    assert any(sentence in one for one in judged(*said))


def test_the_judge_is_just() -> None:
    """A plain outage, a try again in time, and what follows a new connection or a stall are nothing wrong."""
    plain = ((0.0, OPEN), (0.1, to("tub", "OFF")), (0.6, to("tub", "OFF")), (1.0, CLOSED), (1.7, to("tub", "ON")))
    again = ((2.0, (RECONNECTED, "")), (2.1, OPEN), (2.2, to("tub", "OFF")))
    stalled = ((3.0, CLOSED), (4.0, (WENT_ON, "")), (4.1, to("tub", "OFF")))
    assert judged(*plain, *again, *stalled) == []
    online = ("loadshed/home/controller/availability", "online")
    assert judged((0.0, OPEN), (1.0, CLOSED), (2.0, to("tub", "OFF")), (2.02, online)) == []
