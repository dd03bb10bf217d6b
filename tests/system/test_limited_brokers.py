"""Houses on brokers that announce limits, and enforce them: the real program sheds and restores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rules.panel import Position
from tests.scripted_broker import Limits, ScriptedBroker
from tests.system.process_house import SITE, ProcessHouse

if TYPE_CHECKING:
    from pathlib import Path

CONTROLLER = f"loadshed-{SITE}"


@pytest.mark.parametrize(
    "limits",
    [
        Limits(clients=CONTROLLER, receive_maximum=10),
        Limits(clients=CONTROLLER, receive_maximum=1, ack_after_s=0.02),
        Limits(clients=CONTROLLER, maximum_qos=0),
        Limits(clients=CONTROLLER, server_keep_alive_s=1),
        Limits(clients=CONTROLLER, maximum_packet_size=300),
    ],
    ids=["ten-in-flight", "one-in-flight", "no-qos-1", "keep-alive-1-s", "small-packets"],
)
async def test_a_house_on_a_limited_broker_is_shed_and_restored(tmp_path: Path, limits: Limits) -> None:
    """No limit is exceeded, the connection stays, and commands arrive before the status."""
    async with ProcessHouse(tmp_path, limits=limits) as house:
        await house.start_broker()
        await house.program.start()
        await house.until(lambda: any("(state utility" in line for line in house.program.log), "the start is over")
        await house.greetings()
        await house.remembers()
        mark = house.mark
        house.opens()
        await house.until(lambda: {one.id for one in house.shed} <= house.at(Position.OFF), "all are off")
        assert sorted(house.words("OFF", mark)) == sorted(one.id for one in house.shed)
        house.closes()
        await house.until(lambda: not house.at(Position.OFF), "all are back")
        assert isinstance(house.server, ScriptedBroker)
        assert house.server.violations == []
        assert house.server.accepted.count(CONTROLLER) == 1
