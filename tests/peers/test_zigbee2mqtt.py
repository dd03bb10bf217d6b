"""The real Zigbee2MQTT and the real loadshed: what loadshed reports is compared with the relays themselves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.peers.peer_house import PeerHouse
from tests.peers.zigbee_gateway import OWN_REPORTS, owon, tongou_plain, tongou_tuya, two_gangs
from tests.system.process_house import Wired

if TYPE_CHECKING:
    from pathlib import Path

CONFIRM_S = 4.0
"""Shorter than the family's own 10 s, so that three attempts are over sooner."""

TRIP_OVER_CURRENT = 1
"""Number of the event `trip_over_current` of a Tongou TOQCB2-80."""


def wired(circuit: str, device: str = "", rank: int = 5) -> Wired:
    """Return a circuit on a Zigbee device; without a name, the device is named like the circuit."""
    return Wired(circuit, breaker="relay", rank=rank, more=(f'device = "zigbee2mqtt/{device or circuit}"',))


HEATER_AND_TUB = (wired("heater", rank=8), wired("tub", rank=9))


async def test_an_outage_is_confirmed_by_evidence_and_everything_is_restored(tmp_path: Path) -> None:
    """With Zigbee2MQTT as shipped, and the family's own times: one OFF and one ON to each relay."""
    circuits = (*HEATER_AND_TUB, wired("pump", "pool/duo#l1"), wired("lights", "pool/duo#l2"))
    devices = (owon("heater"), tongou_plain("tub"), two_gangs("pool/duo"))
    async with PeerHouse(tmp_path, circuits, devices=devices, availability=False) as house:
        await house.begin()
        mark = house.mark
        house.opens()
        await house.sheds(since=mark)
        await house.until(lambda: {house.says(one.id) for one in circuits} == {"off"}, "all are reported off")
        assert house.state["unconfirmed"] == []
        house.closes()
        await house.restores()
        assert [house.received(one.id) for one in circuits] == [["OFF", "ON"]] * 4
        assert house.false_offs == []


async def test_a_stuck_relay_is_never_called_off(tmp_path: Path) -> None:
    """It acknowledges, and the gateway reports OFF at once. Loadshed repeats the command until the relay moves."""
    async with PeerHouse(tmp_path, HEATER_AND_TUB, devices=(owon("heater"), owon("tub")), confirm_s=CONFIRM_S) as house:
        await house.begin()
        await house.gateway.change("heater", 1, stuck=True)
        mark = house.mark
        house.opens()
        await house.until(lambda: house.received("heater").count("OFF") > 2, "it is tried three times")
        await house.until(lambda: house.alarm("breaker-no-response"), "an alarm is raised")
        assert house.gateway_said("heater", mark)[0]["state"] == "OFF"
        assert house.unconfirmed_but("tub")
        assert house.is_on("heater")
        assert house.says("heater") != "off"
        await house.gateway.change("heater", 1, stuck=False)
        await house.sheds(since=mark)
        house.closes()
        await house.restores()
        assert house.relay("heater")["moves"] == 2
        assert house.received("heater")[-1] == "ON"
        assert house.received("heater").count("ON") == 1
        assert house.received("tub") == ["OFF", "ON"]
        assert house.false_offs == []


async def test_a_relay_that_stays_open_is_not_called_restored(tmp_path: Path) -> None:
    """It acknowledges ON, and the gateway reports ON at once. It stays owed until it has moved."""
    async with PeerHouse(tmp_path, HEATER_AND_TUB, devices=(owon("heater"), owon("tub")), confirm_s=CONFIRM_S) as house:
        await house.begin()
        house.opens()
        await house.sheds()
        await house.gateway.change("heater", 1, stuck=True)
        mark = house.mark
        house.closes()
        await house.until(lambda: house.received("heater")[-1] == "ON", "ON was sent")
        await house.until(lambda: house.gateway_said("heater", mark), "the gateway has reported")
        assert house.gateway_said("heater", mark)[0]["state"] == "ON"
        await house.until(lambda: house.alarm("not-restored"), "an alarm names it")
        states = [one.fields for one in house.recorder.on("controller/state", mark)]
        assert all("heater" in one["owed"] for one in states)
        assert not [one for one in house.recorder.on("circuits/heater", mark) if one.fields["position"] == "on"]
        await house.gateway.change("heater", 1, stuck=False)
        await house.gateway.process.order("announce", device="heater")  # it was reset
        await house.restores()
        assert house.relay("heater")["moves"] == 2
        assert house.received("tub") == ["OFF", "ON"]


async def test_a_device_out_of_reach_is_named_with_the_gateways_reason(tmp_path: Path) -> None:
    """The gateway reports that its radio failed. The relay is still on; it is shed as soon as it can be reached."""
    async with PeerHouse(tmp_path, HEATER_AND_TUB, devices=(owon("heater"), owon("tub")), confirm_s=CONFIRM_S) as house:
        await house.begin()
        await house.gateway.change("heater", reachable=False)
        house.opens()
        reason = "failed (no acknowledgment"
        await house.until(lambda: reason in house.circuit("heater")["why"], "the reason is reported")
        await house.until(lambda: house.state["shed"], "the other one is off")
        assert house.unconfirmed_but("tub")
        assert house.says("heater") != "off"
        await house.gateway.change("heater", reachable=True)
        await house.sheds()
        house.closes()
        await house.restores()
        assert house.received("heater") == ["OFF", "ON"]
        assert house.false_offs == []


async def test_a_relay_moved_by_hand_while_the_gateway_was_down_is_found(tmp_path: Path) -> None:
    """The gateway was killed, and has forgotten everything: on standby the relay is switched off again."""
    async with PeerHouse(tmp_path, HEATER_AND_TUB, devices=(owon("heater"), owon("tub")), confirm_s=CONFIRM_S) as house:
        await house.begin()
        house.opens()
        await house.sheds()
        await house.gateway.process.kill()
        await house.is_missed("heater", "tub")
        await house.gateway.flip("heater", on=True)
        await house.start_gateway()
        await house.until(lambda: not house.is_on("heater"), "the relay is open again")
        await house.sheds()
        house.closes()
        await house.restores()
        assert house.received("heater") == ["OFF", "OFF", "ON"]
        assert house.relay("tub")["moves"] == 2
        assert house.false_offs == []


async def test_what_a_gateway_remembers_at_its_start_is_not_believed(tmp_path: Path) -> None:
    """Its cache has the opposite of each relay. Both are asked, and an outage then shed only what was on."""
    async with PeerHouse(tmp_path, HEATER_AND_TUB, devices=(owon("heater"), owon("tub")), confirm_s=CONFIRM_S) as house:
        await house.begin()
        await house.gateway.process.stop()
        await house.gateway.flip("tub", on=False)
        await house.gateway.change("heater", delay_ms=1500)  # no answer before the cache is published
        await house.gateway.change("tub", delay_ms=1500)
        house.gateway.write_memory({"heater": {"state": "OFF"}, "tub": {"state": "ON"}})
        mark = house.mark
        await house.start_gateway()
        await house.are("off", ["tub"])
        await house.are("on", ["heater"])
        assert house.gateway_said("heater", mark)[0]["state"] == "OFF"
        assert house.gateway_said("tub", mark)[0]["state"] == "ON"
        house.opens()
        await house.sheds("tub")
        house.closes()
        await house.restores("tub")
        assert (house.received("heater"), house.received("tub")) == (["OFF", "ON"], [])
        assert house.false_offs == []


async def test_a_cached_off_on_standby_does_not_hide_a_relay_that_is_on(tmp_path: Path) -> None:
    """The gateway was stopped cleanly, remembers OFF, and publishes it at its start."""
    async with PeerHouse(tmp_path, HEATER_AND_TUB, devices=(owon("heater"), owon("tub")), confirm_s=CONFIRM_S) as house:
        await house.begin()
        house.opens()
        await house.sheds()
        await house.gateway.process.stop()
        await house.is_missed("heater", "tub")
        await house.gateway.flip("heater", on=True)
        mark = house.mark
        await house.start_gateway()
        await house.until(lambda: house.gateway_said("heater", mark), "the cache is published")
        assert house.gateway_said("heater", mark)[0]["state"] == "OFF"
        await house.until(lambda: not house.is_on("heater"), "the relay is open again")
        await house.sheds()
        house.closes()
        await house.restores()
        assert house.relay("heater")["moves"] == 4
        assert house.relay("tub")["moves"] == 2
        assert (house.received("heater").count("ON"), house.received("tub").count("ON")) == (1, 1)
        assert house.false_offs == []


async def test_a_broker_without_memory_restarts_during_an_outage(tmp_path: Path) -> None:
    """A relay moved while the broker was away is found, though its report reached no one."""
    async with PeerHouse(tmp_path, HEATER_AND_TUB, devices=(owon("heater"), owon("tub")), confirm_s=CONFIRM_S) as house:
        await house.begin()
        house.opens()
        await house.sheds()
        await house.kill_broker()
        await house.gateway.flip("heater", on=True)
        mark = house.mark
        await house.start_broker()
        await house.until(lambda: not house.is_on("heater"), "the relay is open again")
        await house.sheds(since=mark)
        house.closes()
        await house.restores()
        assert house.relay("heater")["moves"] == 4
        assert house.relay("tub")["moves"] == 2
        assert (house.received("heater").count("ON"), house.received("tub").count("ON")) == (1, 1)
        assert house.false_offs == []


async def test_a_retained_command_is_reported_and_its_effect_undone(tmp_path: Path) -> None:
    """The gateway carries it out at each connection, also in an outage. An alarm is raised until it is gone."""
    memory = ("persistence true", f"persistence_location {tmp_path}/")
    devices = (owon("heater"), owon("tub"))
    async with PeerHouse(tmp_path, HEATER_AND_TUB, devices=devices, confirm_s=CONFIRM_S, broker_lines=memory) as house:
        await house.begin()
        topic = "zigbee2mqtt/heater/set"
        await house.publish((topic, json.dumps({"state": "ON"}).encode()), retain=True)
        await house.until(lambda: house.received("heater") == ["ON"], "the gateway has carried it out")
        house.opens()
        await house.sheds()
        await house.stop_broker()
        await house.start_broker()
        await house.until(lambda: house.received("heater")[:3] == ["ON", "OFF", "ON"], "it is carried out again")
        await house.until(lambda: house.alarm("retained-command"), "an alarm is raised")
        await house.until(lambda: house.relay("heater")["moves"] == 3 and not house.is_on("heater"), "it is off again")
        await house.sheds()
        await house.publish((topic, b""), retain=True)
        await house.until(lambda: not house.alarm("retained-command"), "the alarm is cleared")
        house.closes()
        await house.restores()
        assert house.relay("tub")["moves"] == 2
        assert house.false_offs == []


async def test_both_gangs_of_a_device_that_restarts_are_asked(tmp_path: Path) -> None:
    """The device has come back with both relays on. The gateway itself reads the first gang alone."""
    circuits = (wired("pump", "pool/duo#l1", rank=8), wired("lights", "pool/duo#l2", rank=9))
    async with PeerHouse(tmp_path, circuits, devices=(two_gangs("pool/duo"),), confirm_s=CONFIRM_S) as house:
        await house.begin()
        house.opens()
        await house.sheds()
        await house.is_quiet()
        await house.gateway.process.order("restart", device="pool/duo")
        await house.until(lambda: not (house.is_on("pump") or house.is_on("lights")), "both are off again")
        await house.sheds()
        house.closes()
        await house.restores()
        for one in ("pump", "lights"):
            assert house.received(one) == ["OFF", "OFF", "ON"]
            assert house.relay(one)["moves"] == 4
        assert house.false_offs == []


async def test_gangs_are_switched_one_by_one(tmp_path: Path) -> None:
    """One gang is essential: it receives no command, and its report is not the other's."""
    circuits = (wired("pump", "pool/duo#l1"), Wired("alarm", "essential", "relay", 1, wired("", "pool/duo#l2").more))
    async with PeerHouse(tmp_path, circuits, devices=(two_gangs("pool/duo"),), confirm_s=CONFIRM_S) as house:
        await house.begin()
        house.opens()
        await house.sheds()
        assert (house.says("pump"), house.says("alarm")) == ("off", "on")
        house.closes()
        await house.restores()
        assert (house.received("pump"), house.received("alarm")) == (["OFF", "ON"], [])
        assert house.false_offs == []


async def test_a_breaker_that_cannot_be_asked_counts_as_unconfirmed(tmp_path: Path) -> None:
    """A TS0601 with Zigbee2MQTT as shipped: the relay is off, and nothing proves it."""
    circuits = (wired("range"), wired("tub"))
    async with PeerHouse(tmp_path, circuits, devices=(tongou_tuya("range"), owon("tub")), confirm_s=CONFIRM_S) as house:
        await house.begin()
        house.opens()
        await house.until(lambda: house.alarm("breaker-no-response"), "an alarm is raised")
        assert house.unconfirmed_but("tub")
        assert house.says("range") == "unknown"
        assert not house.is_on("range")
        house.closes()
        await house.until(lambda: house.is_on("range"), "it is switched on again")
        await house.until(lambda: house.alarm("not-restored"), "an alarm names it: nothing proves that it is on")
        assert house.relay("range")["moves"] == 2
        assert house.received("range").count("ON") == 3
        accepted, _ = await house.ask("forget", "range")
        assert accepted
        await house.until(lambda: not house.state["owed"] and not house.alarm("not-restored"), "it is forgotten")
        assert house.false_offs == []


async def test_a_breaker_with_own_reports_is_confirmed_and_its_trip_is_seen(tmp_path: Path) -> None:
    """The same breaker with the two options. A trip is left to the user; a stuck one stays unconfirmed."""
    circuits = (wired("range"), wired("dryer"), wired("tub"))
    devices = tuple(tongou_tuya(one.id, **OWN_REPORTS) for one in circuits)
    own = tuple(one.id for one in circuits)
    async with PeerHouse(tmp_path, circuits, devices=devices, own_reports=own, confirm_s=CONFIRM_S) as house:
        await house.begin()
        await house.gateway.change("dryer", 1, stuck=True)
        house.opens()
        await house.until(lambda: house.unconfirmed_but("range", "tub"), "one is unconfirmed")
        await house.gateway.change("dryer", 1, stuck=False)
        await house.sheds()
        house.closes()
        await house.restores()
        assert house.received("range") == house.received("tub") == ["OFF", "ON"]
        await house.gateway.process.order("trip", device="range", event=TRIP_OVER_CURRENT)
        await house.until(lambda: house.says("range") == "tripped", "the trip is seen")
        house.opens()
        await house.sheds("range")
        house.closes()
        await house.restores("range")
        assert house.received("range") == ["OFF", "ON"]
        assert house.false_offs == []


async def test_invented_watts_prove_nothing(tmp_path: Path) -> None:
    """A stuck TS011F draws 4500 W. The gateway believes it to be off, and publishes 0 W."""
    async with PeerHouse(
        tmp_path, HEATER_AND_TUB, devices=(owon("heater"), tongou_plain("tub")), confirm_s=CONFIRM_S
    ) as house:
        await house.begin()
        await house.gateway.change("tub", 1, stuck=True)
        house.opens()
        await house.until(lambda: house.gateway_said("tub")[-1]["state"] == "OFF", "the gateway believes it to be off")
        await house.gateway.process.order("watts", device="tub")
        await house.until(lambda: house.gateway_said("tub")[-1].get("power") == 0, "it publishes 0 W")
        await house.until(lambda: house.alarm("breaker-no-response"), "an alarm is raised")
        assert house.unconfirmed_but("heater")
        assert house.circuit("tub").get("power_w") != 0
        await house.gateway.change("tub", 1, stuck=False)
        await house.sheds()
        house.closes()
        await house.restores()
        assert house.relay("tub")["moves"] == 2
        assert house.false_offs == []


async def test_a_welded_contact_is_found_by_its_watts(tmp_path: Path) -> None:
    """The TS011F with the two options reports OFF, and 4500 W: the circuit counts as on, and an alarm says why."""
    devices = (owon("heater"), tongou_plain("tub", **OWN_REPORTS))
    async with PeerHouse(tmp_path, HEATER_AND_TUB, devices=devices, own_reports=("tub",), confirm_s=CONFIRM_S) as house:
        await house.begin()
        await house.gateway.change("tub", 1, welded=True)
        house.opens()
        await house.sheds()
        measure = [("watts", "tub")]
        await house.reporting_until(measure, lambda: house.alarm("still-drawing"), "an alarm is raised")
        assert house.gateway_said("tub")[-1]["power"] == 4500
        await house.until(lambda: house.state["unconfirmed"] == ["tub"], "it is unconfirmed")
        await house.gateway.change("tub", 1, welded=False)
        # Zigbee2MQTT waits 11 s before it publishes 0 W.
        await house.reporting_until(measure, lambda: not house.alarm("still-drawing"), "the alarm is cleared", 13.0)
        await house.sheds()
        house.closes()
        await house.restores()
