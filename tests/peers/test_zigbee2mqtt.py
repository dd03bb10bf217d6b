"""The real Zigbee2MQTT and the real loadshed: what loadshed reports is compared with the relays themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.peers.peer_house import PeerHouse
from tests.peers.zigbee_gateway import OWN_REPORTS, owon, tongou_plain, tongou_tuya, two_gangs
from tests.system.process_house import Wired

if TYPE_CHECKING:
    from pathlib import Path


def wired(circuit: str, device: str = "", rank: int = 5) -> Wired:
    """Return a circuit on a Zigbee device."""
    return Wired(circuit, breaker="relay", rank=rank, more=(f'device = "zigbee2mqtt/{device or circuit}"',))


async def test_an_outage_is_confirmed_by_evidence_and_everything_is_restored(tmp_path: Path) -> None:
    """With Zigbee2MQTT as shipped, and the family's own times: one OFF and one ON to each relay."""
    circuits = (wired("heater", rank=8), wired("tub", rank=9), wired("pump", "pool/duo#l1"), wired("lights", "pool/duo#l2"))
    devices = (owon("heater"), tongou_plain("tub"), two_gangs("pool/duo"))
    async with PeerHouse(tmp_path, circuits, devices=devices) as house:
        await house.begin()
        mark = house.mark
        house.opens()
        await house.sheds(since=mark)
        assert {house.says(one.id) for one in circuits} == {"off"}
        assert house.state["unconfirmed"] == []
        house.closes()
        await house.restores()
        assert [house.received(one.id) for one in circuits] == [["OFF", "ON"]] * 4
