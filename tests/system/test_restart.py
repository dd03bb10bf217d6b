"""Any end at any moment, of the program or of the broker; then the right end."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Literal

import pytest

from hw.simulated.breakers import SOUND, BreakerFaults
from rules.panel import Position
from tests.system.process_house import SITE, ProcessHouse, Timing, together

if TYPE_CHECKING:
    from pathlib import Path

State = Literal["utility", "shedding", "standby", "stabilizing", "restoring"]
STATES: tuple[State, ...] = ("utility", "shedding", "standby", "stabilizing", "restoring")
# Long enough to be caught in each state.
CAUGHT = Timing(utility_stable_s=1.0, stagger_s=0.3)


async def brought_to(house: ProcessHouse, state: State) -> None:
    """Bring a house into a state, with the pump off before."""
    await house.begin()
    house.flip("pump", Position.OFF)
    await house.until(lambda: house.on_disk("pump") == "off", "the pump is known to be off")
    if state == "utility":
        return
    if state == "shedding":  # it waits for one that does not answer
        house.breaker("tub").faults = BreakerFaults(silent=True)
    house.opens()
    if state == "shedding":
        confirmed = ("car", "dryer")
        await house.until(lambda: all(house.happened("confirmed_off", circuit=one) for one in confirmed), "others off")
        return
    await house.is_shed("pump")
    if state == "standby":
        return
    house.closes()
    await house.until(lambda: house.happened("state_changed", state=state), f"the state is {state}")


async def right_end(house: ProcessHouse, *, is_open: bool) -> None:
    """See the house where the contact says it is; then back on utility, and nothing on that was off before."""
    house.breaker("tub").faults = SOUND
    await house.greetings()
    if is_open:
        await house.is_shed("pump")
        house.closes()
    await house.is_back("pump")
    assert "pump" not in house.words("ON")


@pytest.mark.parametrize("moves", [False, True], ids=["contact-stays", "contact-moves-meanwhile"])
async def test_killed_in_each_state_it_starts_again_and_ends_right(tmp_path: Path, moves: bool) -> None:
    """`kill -9`, then a start: shed if the house is on standby, restored if it is on utility."""

    async def story(state: State) -> None:
        async with ProcessHouse(tmp_path / state, timing=CAUGHT) as house:
            await brought_to(house, state)
            await house.program.kill()
            is_open = house.contact.is_open is not moves
            if moves:
                house.contact.move(is_open)
            await house.program.start()
            await house.until(lambda: len(house.happened("started")) > 1, "it has started again")
            await right_end(house, is_open=is_open)

    await together(*(story(state) for state in STATES))


@pytest.mark.parametrize("moves", [False, True], ids=["contact-stays", "contact-moves-meanwhile"])
@pytest.mark.parametrize("how", ["stopped", "killed"])
async def test_the_broker_goes_and_comes_in_each_state(tmp_path: Path, how: str, moves: bool) -> None:
    """Without a broker nothing is known and nothing commanded; with it, commands are computed again."""

    async def story(state: State) -> None:
        async with ProcessHouse(tmp_path / state, timing=CAUGHT) as house:
            await brought_to(house, state)
            await (house.stop_broker() if how == "stopped" else house.kill_broker())
            await house.until(
                lambda: any("connection to the broker lost" in line for line in house.program.log), "it is noticed"
            )
            is_open = house.contact.is_open is not moves
            house.contact.move(is_open)
            mark, connections = house.mark, _connections(house)
            await house.start_broker()
            # By its log: a client that reconnects later than the program has missed its events.
            await house.until(lambda: _connections(house) > connections, "it is on the bus again")
            await right_end(house, is_open=is_open)
            await house.until(
                lambda: {one.topic for one in house.recorder.said[mark:] if one.payload} >= _kept_topics(house),
                "what is retained is told anew",
            )

    await together(*(story(state) for state in STATES))


def _connections(house: ProcessHouse) -> int:
    return sum("connected to the broker" in line for line in house.program.log)


def _kept_topics(house: ProcessHouse) -> set[str]:
    """Return the retained topics that must be published again to a broker without a memory."""
    circuits = {f"loadshed/home/circuits/{circuit.id}" for circuit in house.circuits}
    return {"loadshed/home/controller/availability", "loadshed/home/controller/state", *circuits}


async def test_after_the_broker_forgot_all_retained_topics_are_there_for_newcomers(tmp_path: Path) -> None:
    """Who subscribes later finds them as the broker's memory."""
    async with ProcessHouse(tmp_path) as house:
        await house.begin()
        await house.kill_broker()
        mark = house.mark  # before the broker is there: the program may be back on it sooner than we are
        await house.start_broker()
        await house.until(lambda: _kept_topics(house) <= {one.topic for one in house.recorder.said[mark:]}, "all said")
        link = house.recorder._link
        assert link is not None
        mark = house.mark
        link.subscribe(["loadshed/#"])
        link.flush()
        await house.until(
            lambda: _kept_topics(house) <= {one.topic for one in house.recorder.said[mark:] if one.retained},
            "all of it is remembered",
        )
        assert not [one for one in house.recorder.said[mark:] if one.retained and one.topic.endswith("/set")]


async def test_a_cold_start_sheds_and_restores(tmp_path: Path) -> None:
    """The Pi went down with the grid: what the disk knows to have been on comes back, what was off stays off."""
    async with ProcessHouse(tmp_path) as house:
        await brought_to(house, "utility")
        await house.program.kill()
        house.opens()
        await house.program.start()
        await house.is_shed("pump")
        house.closes()
        await house.is_back("pump")
        assert "pump" not in house.words("ON")


async def test_a_cold_start_without_data_on_disk_sheds_all_the_same(tmp_path: Path) -> None:
    """The earlier state is unknown: it is shed, named, and restored on user request."""
    async with ProcessHouse(tmp_path) as house:
        house.contact.is_open = True
        await house.start_broker()
        await house.program.start()
        await house.is_shed()
        mark = house.mark
        house.closes()
        state = await house.reaches("utility", mark)
        assert {*state["owed"]} == {one.id for one in house.shed}
        await house.until(lambda: house.recorder.last("alarms/off-awaiting-user"), "it is said")
        assert not house.words("ON")
        assert (await house.ask("restore", "all"))[0]
        await house.is_back(since=mark)


async def test_a_cold_start_before_the_broker_is_up(tmp_path: Path) -> None:
    """Pi and broker wake together: nothing is lost by being the first."""
    async with ProcessHouse(tmp_path) as house:
        await house.begin()
        await house.program.kill()
        await house.kill_broker()
        house.contact.is_open = True
        await house.program.start()
        await house.until(lambda: any("no program listens" in line for line in house.program.log), "nobody is there")
        await house.start_broker()
        await house.is_shed()
        house.closes()
        await house.is_back()


async def test_sigterm_ends_it_at_once_and_says_so(tmp_path: Path) -> None:
    """Exit 0 within two seconds in any state, `offline` on the bus; after `kill -9` the broker says it."""
    async with ProcessHouse(tmp_path) as house:
        await house.begin()
        house.opens()
        await house.is_shed()
        mark, began = house.mark, time.monotonic()
        assert await house.program.terminate() == 0
        assert time.monotonic() - began < 2.0
        await house.until(lambda: _available(house, mark) == [b"offline"], "it says goodbye")
        await house.program.start()
        await house.until(lambda: _available(house, mark) == [b"offline", b"online"], "it is back")
        await house.program.kill()
        await house.until(lambda: _available(house, mark) == [b"offline", b"online", b"offline"], "its last will")
        await house.program.start()
        house.closes()
        await house.is_back()


def _available(house: ProcessHouse, since: int) -> list[bytes]:
    return [one.payload for one in house.recorder.on("controller/availability", since)]


async def test_a_stall_turns_a_bounce_into_nothing_and_an_outage_into_an_outage(tmp_path: Path) -> None:
    """A program that stood still for seconds judges what happened, and does only what the present asks for."""
    async with ProcessHouse(tmp_path, timing=Timing(stagger_s=0.2)) as house:
        await house.begin()
        house.program.stall(1.5)
        house.opens()
        asyncio.get_running_loop().call_later(0.5, house.closes)
        await house.until(lambda: house.happened("contact_bounced"), "the bounce is seen")
        assert (await house.ask("restore", "all"))[1] == "nothing is owed"
        assert not house.commands()
        house.program.stall(2.0)
        house.opens()
        await house.is_shed()
        house.closes()
        await house.until(lambda: house.words("ON"), "the first is given back")
        await _open_in_a_stall(house)
        house.closes()
        await house.is_back()


async def _open_in_a_stall(house: ProcessHouse) -> None:
    """Open the contact while the program stands still with ONs due: none may leave after it, and all are shed."""
    house.program.stall(1.0)
    # An ON that left just before the stall may still lie in its socket: this word comes back after it.
    await house.publish((f"loadshed/{SITE}/strangers/word", b"the stall has begun"))
    mark = house.mark
    house.opens()
    await house.is_shed(since=mark)
    opened = next(number for number, one in enumerate(house.recorder.said[mark:], mark) if one.payload == b"open")
    assert not house.words("ON", opened)


LEFT_OVER = ("alarms/notify-login", "alarms/owed", "meters/barn", "demand", "circuits/pool")
"""Topics of a client that is gone, of an earlier version, and of meters and a circuit that are not in the files."""


async def test_retained_messages_of_what_exists_no_more_are_removed_at_a_start(tmp_path: Path) -> None:
    """The program was killed; then a client was removed, and a meter and a circuit left the files. An alarm stays."""
    async with ProcessHouse(tmp_path) as house:
        await house.begin()
        problem = {"id": "login", "message": "Expired.", "action": "Log in again.", "circuits": []}
        said = json.dumps({"state": "online", "problems": [problem]}).encode()
        await house.publish((f"loadshed/{SITE}/clients/leviton/state", said), retain=True)
        await house.until(lambda: house.happened("alarm_raised", alarm="leviton-login"), "the client's alarm is raised")
        await house.program.kill()
        await house.publish(*((f"loadshed/{SITE}/{name}", b'{"id": "x"}') for name in LEFT_OVER), retain=True)
        mark = house.mark
        await house.program.start()
        for name in LEFT_OVER:
            await house.until(
                lambda name=name: any(not one.payload for one in house.recorder.on(name, mark)),  # type: ignore[misc]
                f"{name} is removed",
            )
        await house.until(
            lambda: house.happened("alarm_raised", mark, alarm="leviton-login"), "the client's alarm is raised again"
        )
        last = house.recorder.last("alarms/leviton-login")
        assert last is not None
        assert last.payload
        assert all(house.circuit(one.id) for one in house.circuits)


async def test_the_alarms_of_clients_are_published_again_to_a_broker_that_forgot_them(tmp_path: Path) -> None:
    """A broker without persistence restarts; the client publishes the same as before."""
    async with ProcessHouse(tmp_path) as house:
        await house.begin()
        problem = {"id": "login", "message": "Expired.", "action": "Log in again.", "circuits": []}
        said = json.dumps({"state": "online", "problems": [problem]}).encode()
        await house.publish((f"loadshed/{SITE}/clients/leviton/state", said), retain=True)
        await house.until(lambda: house.happened("alarm_raised", alarm="leviton-login"), "the client's alarm is raised")
        await house.stop_broker()
        mark = house.mark
        await house.start_broker()
        await house.until(
            lambda: any(one.payload for one in house.recorder.on("alarms/leviton-login", mark)), "it is published again"
        )
