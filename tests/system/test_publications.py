"""What strangers and people say on the bus: the first changes nothing, the second is answered."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rules.panel import Position
from tests.system.process_house import ProcessHouse, Timing

if TYPE_CHECKING:
    from pathlib import Path

BREAKERS = "loadshed/home/breakers/"
DEEP = b"[" * 4000
HOSTILE = (
    (BREAKERS + "tub/state", b"\x00\xff\xfe\x80"),
    (BREAKERS + "tub/state", b"x" * 1_000_000),
    (BREAKERS + "tub/state", b"off"),
    (BREAKERS + "tub/availability", b"Offline"),
    ("ats/contact", b"OPEN"),
    ("ats/status", b"\xc3\x28"),
    ("loadshed/home/ask/on", DEEP),
    ("loadshed/home/ask/explode", b"{}"),
)


def refused(house: ProcessHouse) -> list[str]:
    """Return the lines that refusals cost."""
    return [line for line in house.program.log if " refused: " in line]


async def test_hostile_words_change_nothing_and_cost_a_line_each(tmp_path: Path) -> None:
    """Binary, a megabyte, deep JSON, wrong case, an unknown request; and a flood of them does not fill the journal."""
    async with ProcessHouse(tmp_path) as house:
        await house.begin()
        before = house.state
        await house.publish(*HOSTILE)
        assert (await house.ask("forget", "tub"))[1] == "tub is not owed"
        await house.until(lambda: len(refused(house)) >= len(HOSTILE), "each is complained of")
        assert len(refused(house)) == len(HOSTILE)
        await house.publish(*HOSTILE * 30)
        assert (await house.ask("forget", "tub"))[1] == "tub is not owed"
        house.opens()
        await house.is_shed()
        assert len(refused(house)) == 10
        assert house.commands()[0].word == "OFF"
        assert not house.words("ON")
        house.closes()
        await house.is_back()
        moments = {"since": 0, "stable_at": 0}
        assert house.state | moments == before | moments


async def test_a_retained_request_is_not_obeyed(tmp_path: Path) -> None:
    """Its sender is long gone, and it would be executed again at every connection."""
    async with ProcessHouse(tmp_path, by_people={"fridge"}) as house:
        await house.start_broker()
        await house.publish(("loadshed/home/ask/off", b'{"circuit": "fridge"}'), retain=True)
        await house.program.start()
        await house.reaches("utility")
        await house.until(lambda: refused(house), "it is refused")
        assert "must not be retained" in refused(house)[0]
        await house.publish(("loadshed/home/ask/off", b'{"circuit": "fridge", "by": "now"}'), retain=True)
        await house.until(lambda: len(refused(house)) > 1, "said while we listen it is refused as well")
        assert (await house.ask("off", "fridge", force=True))[0]
        await house.until(lambda: "fridge" in house.at(Position.OFF), "asked aloud it is obeyed")
        assert len(house.commands()) == 1


async def test_user_requests_are_executed_or_refused_with_a_reason(tmp_path: Path) -> None:
    """Each request with its reply; an overridden circuit is left to the user through the outage."""
    async with ProcessHouse(tmp_path, by_people={"fridge"}, timing=Timing(confirm_s=2.0)) as house:
        await house.begin()
        assert await house.ask("off", "router") == (False, "router is protected: it is never commanded")
        assert (await house.ask("on", "porch"))[0] is False
        assert (await house.ask("off", "fridge", by="Ann", force=True))[0]
        await house.until(lambda: "fridge" in house.at(Position.OFF), "the fridge is off")
        assert (await house.ask("on", "fridge", by="Ann"))[0]
        await house.until(lambda: "fridge" in house.at(Position.ON), "the fridge is on")
        house.opens()
        await house.is_shed()
        assert (await house.ask("restore", "all"))[0] is False
        assert (await house.ask("on", "pump", by="Ann"))[0]
        await house.until(lambda: "pump" in house.at(Position.ON), "the pump runs on the generator")
        await house.until(lambda: house.state["taken_over"] == ["pump"], "it is hers")
        assert "no" in (await house.ask("hold", "tub", by="Ben", note="wiring"))[1]
        assert (await house.ask("on", "tub"))[0] is False
        assert (await house.ask("forget", "car"))[0]
        await _back(house)


async def _back(house: ProcessHouse) -> None:
    """Utility returns: what is on hold and what was forgotten stay off."""
    mark = house.mark
    house.closes()
    await house.until(lambda: house.happened("outage_ended", mark, owed=["tub"]), "the outage ends, the tub is owed")
    assert house.at(Position.OFF) == {"tub", "car"}
    assert house.words("OFF", mark) == []
    assert (await house.ask("release", "tub"))[0]
    assert "tub" in house.at(Position.OFF)
    assert (await house.ask("restore", "tub"))[0]
    await house.is_back("car", since=mark)
    assert sorted(house.words("ON", mark)) == ["dryer", "tub"]
    assert (await house.ask("reload"))[0]


async def test_a_request_repeated_is_done_once(tmp_path: Path) -> None:
    """The same correlation again is refused, with a reply."""
    async with ProcessHouse(tmp_path) as house:
        await house.begin()
        link = house.recorder._link
        assert link is not None
        for _ in range(2):
            asked, answers = "loadshed/home/ask/off", "loadshed/home/answers/me"
            link.publish(asked, b'{"circuit": "tub"}', response_topic=answers, correlation=b"one")
        link.flush()
        await house.until(lambda: len([*house.recorder.on("answers/me")]) > 1, "both are answered")
        said = [json.loads(one.payload)["ok"] for one in house.recorder.on("answers/me")]
        assert sorted(said) == [False, True]
        await house.until(lambda: "tub" in house.at(Position.OFF), "it is off")
        assert house.words("OFF") == ["tub"]
