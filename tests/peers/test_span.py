"""The real SPAN simulator and the real loadshed: what loadshed reports is compared with the relays themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.peers.peer_house import PeerHouse
from tests.system.process_house import Timing, Wired

if TYPE_CHECKING:
    from pathlib import Path

TIMING = Timing(confirm_s=2.0)
"""The panel publishes four times a second."""


def wired(circuit: str, rank: int = 5) -> Wired:
    """Return a circuit of the panel."""
    return Wired(circuit, breaker="relay", rank=rank, more=(f'device = "span/{circuit}"',))


HEATER, CAR, POOL = wired("heater", 7), wired("car", 9), wired("pool", 8)
ALL = ("heater", "car", "pool")


async def test_an_outage_on_a_span_panel_is_confirmed_and_restored(tmp_path: Path) -> None:
    """One OPEN and one CLOSED to each relay."""
    async with PeerHouse(tmp_path, (HEATER, CAR, POOL), TIMING, panel=ALL) as house:
        await house.begin()
        house.opens()
        await house.sheds()
        await house.are("off", ALL)
        assert house.state["unconfirmed"] == []
        house.closes()
        await house.restores()
        assert [house.received(one) for one in ALL] == [["OFF", "ON"]] * 3
        assert house.false_offs == []


async def test_a_locked_circuit_is_never_called_off(tmp_path: Path) -> None:
    """The panel ignores the command without a message; `relay-controllable` is false."""
    async with PeerHouse(tmp_path, (HEATER, CAR), TIMING, panel=("heater", "car"), locked=("car",)) as house:
        await house.begin()
        house.opens()
        await house.until(lambda: house.alarm("breaker-no-response"), "an alarm is raised")
        assert house.unconfirmed_but("heater")
        assert house.is_on("car")
        assert house.says("car") == "on"
        house.closes()
        await house.restores()
        assert "ON" not in house.received("car")
        assert house.false_offs == []


async def test_a_stuck_relay_of_the_panel_is_never_called_off(tmp_path: Path) -> None:
    """It moves at a later attempt, and is then confirmed."""
    async with PeerHouse(tmp_path, (HEATER, CAR), TIMING, panel=("heater", "car")) as house:
        await house.begin()
        await house.span.process.order("stick", circuit="car")
        house.opens()
        await house.until(lambda: house.alarm("breaker-no-response"), "an alarm is raised")
        assert house.unconfirmed_but("heater")
        await house.span.process.order("free", circuit="car")
        await house.sheds()
        house.closes()
        await house.restores()
        assert house.received("heater") == ["OFF", "ON"]
        assert house.received("car").count("ON") == 1
        assert house.false_offs == []


async def test_a_fault_of_the_panel_is_a_trip(tmp_path: Path) -> None:
    """On utility and in an outage. Loadshed leaves what has tripped, and restores the rest."""
    async with PeerHouse(tmp_path, (HEATER, CAR, POOL), TIMING, panel=ALL) as house:
        await house.begin()
        await house.span.process.order("trip", circuit="car")
        await house.are("tripped", ["car"])
        await house.until(lambda: house.alarm("circuit-tripped"), "an alarm names it")
        house.opens()
        await house.sheds("car")
        await house.span.process.order("trip", circuit="pool")
        await house.are("tripped", ["pool"])
        house.closes()
        await house.restores("car", "pool")
        assert (house.received("car"), house.received("pool")) == ([], ["OFF"])
        await house.are("tripped", ["car", "pool"])
        assert house.false_offs == []


async def test_a_panel_that_is_lost_in_an_outage_is_missed_and_shed_again(tmp_path: Path) -> None:
    """It is killed, and returns with its relays closed: the broker still has OPEN, which is not believed."""
    async with PeerHouse(tmp_path, (HEATER, CAR), TIMING, panel=("heater", "car")) as house:
        await house.begin()
        house.opens()
        await house.sheds()
        await house.span.process.kill()
        await house.until(lambda: not house.circuit("car")["available"], "the panel is missed")
        await house.start_panel()
        await house.until(lambda: house.received("car") == ["OFF"], "the panel is commanded again")
        await house.sheds()
        house.closes()
        await house.restores()
        assert [house.received(one) for one in ("heater", "car")] == [["OFF", "ON"]] * 2


async def test_a_broker_without_memory_restarts_under_the_panel(tmp_path: Path) -> None:
    """The panel publishes everything again. A relay that was closed by hand in that time is opened again."""
    async with PeerHouse(tmp_path, (HEATER, CAR), TIMING, panel=("heater", "car")) as house:
        await house.begin()
        house.opens()
        await house.sheds()
        await house.kill_broker()
        await house.span.process.order("flip", circuit="car", position="CLOSED")
        mark = house.mark
        await house.start_broker()
        await house.until(lambda: not house.is_on("car"), "the relay is open again")
        await house.sheds(since=mark)
        house.closes()
        await house.restores()
        assert set(house.received("heater")) == {"OFF", "ON"}
