"""`loadshed status`: what the bus remembers, and never anything old as the present."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import pytest

from clients.bus_client.site import Site
from clients.bus_client.status import HouseStatus, fetch_status, status_fields
from clients.cli import main
from clients.cli.status_view import status_text, watch_text
from hw.broker_socket import Broker
from tests.controller_stub import controller_stub
from tests.mosquitto import Mosquitto
from tests.scripted_broker import Limits, ScriptedBroker

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

NOW = 1_800_000_000.0
SITE = Site("home", Broker(), poll_s=5.0)
STATE = {
    "state": "standby",
    "source": "standby",
    "since": "2027-01-15T07:58:20.000Z",
    "outage": 3,
    "shed": ["hot-tub"],
    "unconfirmed": [],
    "owed": ["hot-tub"],
    "uncontrollable": ["garage"],
    "taken_over": [],
}
DEMAND = {
    "kw": 3.2,
    "kw_is_upper_bound": False,
    "kw_quality": "pulses",
    "age_s": 1.0,
    "demand_5min_kw": 3.1,
    "demand_15min_kw": 3.0,
    "peak_15min_kw": None,
    "partial": ["demand_15min_kw"],
    "energy_kwh": 12345.6,
    "at": "2027-01-15T07:59:58.000Z",
}
GARAGE = {"name": "Garage", "breaker": "standard", "tag": "nonessential", "controllable": False, "position": "unknown"}
SAID: Mapping[str, Mapping[str, object] | str] = {
    "controller/availability": "online",
    "controller/state": STATE,
    "demand": DEMAND,
    "circuits/garage": {
        **GARAGE,
        "available": True,
        "shed": False,
        "why": "UNCONTROLLABLE (standard breaker: no remote control): stays ON unless switched manually",
    },
    "controller/alarms": {
        "count": 1,
        "alarms": [{"id": "not-restored", "message": "Not given back.", "action": "Restore it."}],
    },
}


def payload(said: Mapping[str, object] | str) -> bytes:
    """Return what is published."""
    return said.encode() if isinstance(said, str) else json.dumps(said).encode()


def told(**changes: Mapping[str, object] | str) -> HouseStatus:
    """Return what a daemon has said; `changes` by the last part of a topic."""
    found = HouseStatus(alive=True)
    for name, said in SAID.items():
        found.take(name, payload(changes.get(name.rpartition("/")[2], said)))
    return found


def listed(alarm: Mapping[str, object]) -> dict[str, object]:
    """Return the list of alarms with one alarm."""
    return {"count": 1, "alarms": [alarm]}


def test_one_screen_shows_state_demand_alarms_and_each_circuit() -> None:
    """With what to do about an alarm, and why a circuit is uncontrollable."""
    text = status_text(SITE, told(), None, NOW)
    assert text.startswith("ON GENERATOR: the one circuit off\nsince ")
    assert "(1 min 40 s); outage 3" in text
    assert "3.20 kW now (3.0 s ago)" in text
    assert "15 min 3.00 kW (not full yet)" in text
    assert "peak of 15 min unknown yet" in text
    assert "To do: Restore it." in text
    assert "no remote control" in text


def circuit(name: str, spaces: list[int], **more: object) -> dict[str, object]:
    """Return the fields of a circuit on a 2nd Gen breaker."""
    usual = {"breaker": "gen2", "tag": "nonessential", "controllable": True, "position": "off", "available": True}
    return {**usual, "name": name, "spaces": spaces, "rank": 5, "why": "switched off", **more}


def test_the_first_line_counts_what_is_off_and_names_what_is_not_confirmed() -> None:
    """With its place in the panel: that is where the user goes now."""
    state = {**STATE, "shed": ["hot-tub", "dryer"], "unconfirmed": ["dishwasher"]}
    house = told(state=state)
    house.take("circuits/dishwasher", payload(circuit("Dishwasher", [7], position="unknown", why="treat as ON")))
    house.take("circuits/hot-tub", payload(circuit("Hot tub", [9, 11])))
    lines = status_text(SITE, house, None, NOW).splitlines()
    assert lines[0] == "ON GENERATOR: 2 of 3 circuits off, 1 not confirmed (Dishwasher, space 7)"
    assert [line.split()[0] for line in lines if line.startswith(("7 ", "9+11"))] == ["7", "9+11"]
    assert any("Dishwasher" in line and "NOT CONFIRMED" in line for line in lines)


def test_the_time_of_return_is_shown_in_local_time() -> None:
    """It is known once utility is back."""
    house = told(state={**STATE, "state": "restoring"})
    house.take("circuits/hot-tub", payload(circuit("Hot tub", [9, 11], back_at="2027-01-15T08:06:00.000Z")))
    assert "on again at about 08:06" in " ".join(status_text(SITE, house, None, NOW).split())


def test_demand_is_shown_as_a_share_of_the_generator() -> None:
    """If its rating is configured."""
    assert "3.20 kW now, 23 % of 14 kW" in status_text(Site("home", Broker(), generator_kw=14.0), told(), None, NOW)


def big_house() -> HouseStatus:
    """Return a house of twelve circuits on standby, with long explanations and an alarm."""
    house = told()
    for number in range(1, 13):
        why = "switched off by the controller: nonessential; is restored in its turn when utility is stable"
        house.take(f"circuits/c{number}", payload(circuit(f"Circuit {number}", [number], why=why)))
    return house


@pytest.mark.parametrize("rows", [60, 30, 24, 10, 4])
@pytest.mark.parametrize("columns", [30, 40, 60, 80, 120])
def test_the_live_screen_fits_the_terminal(rows: int, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state is in the first line always; what is left out is stated."""
    monkeypatch.setattr("clients.terminal.tables.terminal_width", lambda: columns)
    text = watch_text(SITE, big_house(), None, NOW, rows)
    lines = text.split("\n")
    assert len(lines) <= max(rows, 5)
    assert max(map(len, lines)) <= max(columns, 38)
    assert lines[0].startswith("ON GENERATOR")
    assert "Ctrl-C ends" in " ".join(text.split())
    whole = all(f"Circuit {number}" in text for number in range(1, 13))
    assert whole or "more lines: enlarge the window" in text


def test_a_low_terminal_shows_each_circuit_in_a_line() -> None:
    """Without its explanation, with the time of its return or what it waits for."""
    house = big_house()
    back = circuit("Pool pump", [20], back_at="2027-01-15T08:06:00.000Z")
    house.take("circuits/pool", payload(back))
    house.take("circuits/sauna", payload(circuit("Sauna", [21], remedy="restore")))
    lines = watch_text(SITE, house, None, NOW, 32).split("\n")
    assert len(lines) <= 32
    assert any(line.split() == ["20", "Pool", "pump", "off", "about", "08:06"] for line in lines)
    assert any(line.split() == ["21", "Sauna", "off", "on", "request"] for line in lines)
    assert any("Garage" in line and line.endswith("manual only") for line in lines)
    assert not any("switched off by the controller" in line for line in lines)


def test_the_live_screen_shows_an_unknown_state_as_unknown() -> None:
    """With the reason, and the last known state named as such."""
    text = watch_text(SITE, told(), "the broker refuses", NOW, 24)
    assert text.startswith("UNKNOWN: ")
    assert "Last known state, which may be out of date" in " ".join(text.split())


def test_before_the_first_figure_the_wait_is_explained() -> None:
    """The meter counts in steps; if it does not respond, that is the reason."""
    nothing = dict.fromkeys(("kw", "age_s", "demand_5min_kw", "demand_15min_kw", "peak_15min_kw"))
    house = told(demand={**DEMAND, **nothing, "kw_quality": "none"})
    assert "For about a minute after a start" in (text := status_text(SITE, house, None, NOW))
    assert "unknown yet" not in text
    house.alarms["meter-stale"] = {"id": "meter-stale", "message": "No reading.", "action": "Check it."}
    assert "unknown now: the meter does not respond" in status_text(SITE, house, None, NOW)


def test_an_alarm_says_for_how_long_it_has_stood() -> None:
    """Where that can be known."""
    owed = {
        "id": "not-restored",
        "message": "Not given back.",
        "action": "Restore it.",
        "since": "2027-01-15T07:58:00.000Z",
    }
    assert "ALARM not-restored (since 07:58, 2 min 00 s): Not given back." in status_text(
        SITE, told(alarms=listed(owed)), None, NOW
    )
    assert "ALARM not-restored: Not given back." in status_text(SITE, told(), None, NOW)


def test_a_time_in_the_future_is_no_duration() -> None:
    """The controller's clock is ahead of this machine's: unknown, never 0 or negative."""
    state = {**STATE, "since": "2027-01-15T08:55:00.000Z", "generator_power_lost_at": "2027-01-15T08:56:00.000Z"}
    alarm = {"id": "not-restored", "message": "Gone.", "action": "Look.", "since": "2027-01-15T08:55:00.000Z"}
    text = status_text(SITE, told(state=state, alarms=listed(alarm)), None, NOW)
    assert "for an unknown time: the clocks differ" in text
    assert "THE GENERATOR HAS PROBABLY STOPPED: no power.\n" in text
    assert "ALARM not-restored: Gone." in text
    assert "0.0 s" not in text


def test_the_age_of_demand_from_the_future_is_unknown_to_programs() -> None:
    """Null, not negative."""
    ahead = told(demand={**DEMAND, "at": "2027-01-15T08:55:00.000Z"})
    demand = status_fields(SITE, ahead, None, NOW)["demand"]
    assert isinstance(demand, dict)
    assert (demand["kw"], demand["kw_quality"], demand["age_s"]) == (None, "stale", None)


def test_a_duration_by_an_unset_clock_is_marked() -> None:
    """In the state's line and at an alarm."""
    alarm = {"id": "not-restored", "message": "Gone.", "action": "Look.", "since": "2027-01-15T07:58:00.000Z"}
    unset = {"clock": "untrusted"}
    text = status_text(SITE, told(state={**STATE, **unset}, alarms=listed({**alarm, **unset})), None, NOW)
    assert text.count("by a clock that may be wrong") == 2


def test_the_wait_before_restoring_is_shown() -> None:
    """How long utility must still be unbroken, and that it is longer than usual."""
    state = {**STATE, "state": "stabilizing", "stable_at": "2027-01-15T08:00:30.000Z", "flap_openings": 0}
    assert "Circuits are restored in 30 s" in status_text(SITE, told(state=state), None, NOW)
    assert "longer than usual" not in status_text(SITE, told(state=state), None, NOW)
    flapping = status_text(SITE, told(state={**state, "flap_openings": 4}), None, NOW)
    assert "longer than usual, because utility failed 4 times recently" in flapping
    assert "are restored in" not in status_text(SITE, told(state=state), None, NOW + 60.0)
    assert "are restored in" not in status_text(SITE, told(state={**state, "state": "utility"}), None, NOW)


def test_a_generator_without_power_is_shown() -> None:
    """A house on standby without power is no shed house."""
    state = {**STATE, "generator_power_lost_at": "2027-01-15T07:59:00.000Z"}
    assert "THE GENERATOR HAS PROBABLY STOPPED: no power since 1 min 00 s ago" in status_text(
        SITE, told(state=state), None, NOW
    )


def test_demand_that_was_said_long_ago_is_not_shown_as_the_present() -> None:
    """A daemon that hangs says nothing; its last figure is no figure of now."""
    later = NOW + 60.0
    assert "3.20 kW now" not in status_text(SITE, told(), None, later)
    assert "the last reading is 1 min 03 s old" in status_text(SITE, told(), None, later)
    demand = status_fields(SITE, told(), None, later)["demand"]
    assert isinstance(demand, dict)
    assert demand["kw"] is None
    assert demand["kw_quality"] == "stale"


def test_demand_from_the_future_is_not_shown_as_the_present() -> None:
    """A Pi's clock may have been set back since: the age of the value is unknown."""
    assert "3.20 kW now" not in status_text(SITE, told(), None, NOW - 3600.0)


def test_demand_without_a_time_is_not_shown_as_the_present() -> None:
    """Anybody may publish anything: what cannot be dated is not believed."""
    assert "3.20 kW now" not in status_text(SITE, told(demand={**DEMAND, "at": "teatime"}), None, NOW)


def test_a_daemon_that_is_gone_is_said_to_be_gone() -> None:
    """What it said last is called so, and the circuits are not shown as if they stood."""
    offline = told(availability="offline")
    offline.alive = False
    reason = offline.trouble
    assert reason is not None
    text = status_text(SITE, offline, reason, NOW)
    assert text.startswith("UNKNOWN: the present state of home is not known")
    assert "may be out of date" in text
    assert "3.20 kW" not in text
    fields = status_fields(SITE, offline, reason, NOW)
    assert fields["known"] is False
    assert "state" not in fields


def test_what_is_no_json_says_nothing() -> None:
    """Rubbish on a topic is as good as silence there."""
    found = told(state="{", demand="[1]")
    assert found.state is None
    assert found.demand is None
    assert found.trouble is not None
    for nonsense in (b"", b"{}", b'{"alarms": 7}', b'{"alarms": [7]}', b"\xff"):
        found.take("controller/alarms", nonsense)
        assert not found.alarms


def test_a_retained_online_is_not_presence() -> None:
    """The broker may have returned from a power cut without the controller: the house is not watched."""
    remembered = told()
    remembered.alive = False
    assert "does not respond" in (remembered.trouble or "")


# --- over a real broker ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Return a Mosquitto."""
    with Mosquitto(tmp_path_factory.mktemp("mosquitto")) as mosquitto:
        yield mosquitto.broker


@pytest.fixture(scope="module")
def controller(broker: Broker) -> Iterator[Broker]:
    """Return a broker with a controller that publishes all of its status on request."""
    with controller_stub(broker, {name: payload(said) for name, said in SAID.items()}):
        yield broker


def config(folder: Path, broker: Broker, site: str = "home") -> str:
    """Write an installer's file; return its folder."""
    text = f'[site]\nid = "{site}"\n[contact]\nsource = "gpio"\npin = 17\n[broker]\nport = {broker.port}\n'
    (folder / "installer.toml").write_text(text, encoding="utf-8")
    return str(folder)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_all_of_the_status_is_collected_before_it_is_shown(controller: Broker, version: Literal["5", "3.1.1"]) -> None:
    """The controller publishes it on request, and replies last."""
    began = time.monotonic()
    found = asyncio.run(fetch_status(replace(controller, version=version), "home"))
    assert found == told()
    assert time.monotonic() - began < 1.0


@pytest.mark.parametrize(
    "limits",
    [Limits(retained_to_wildcards=False), Limits(retain_available=False), Limits(wildcards_available=False)],
    ids=["no-retained-to-wildcards", "no-retained", "no-wildcards"],
)
def test_a_controller_is_found_without_retained_messages_and_without_wildcards(limits: Limits) -> None:
    """RabbitMQ's MQTT plugin, Mosquitto with `retain_available false`, and cloud brokers."""
    said = {name: payload(one) for name, one in SAID.items()}
    with ScriptedBroker(limits) as broker, controller_stub(broker.broker, said):
        assert asyncio.run(fetch_status(broker.broker, "home", ["garage"])) == told()
        assert broker.violations == []


def test_a_remembered_online_is_not_taken_for_a_controller() -> None:
    """Controller and broker lost power, and the broker alone is back."""
    with ScriptedBroker() as broker:
        broker.retained |= {f"loadshed/home/{name}": payload(one) for name, one in SAID.items()}
        found = asyncio.run(fetch_status(broker.broker, "home", enough_s=0.5))
        assert not found.alive
        assert found.state == STATE
        assert "does not respond" in (found.trouble or "")


@pytest.mark.parametrize("unasked", ["controller/state", "controller/alarms"])
def test_what_is_published_without_a_request_is_not_taken_for_the_whole_status(unasked: str) -> None:
    """MQTT 3.1.1: no reply marks the end. A change of state and the regular sign of life may come first."""

    async def story(broker: ScriptedBroker) -> HouseStatus:
        asking = asyncio.create_task(fetch_status(replace(broker.broker, version="3.1.1"), "home"))
        await broker.until(lambda: bool(broker.published_on("ask/status")))
        for name in (unasked, "controller/alive"):
            broker.distribute_from_outside(f"loadshed/home/{name}", payload(SAID.get(name, {})))
        assert not (await asyncio.wait({asking}, timeout=0.3))[0]
        for name, said in (*SAID.items(), ("controller/alive", {})):
            broker.distribute_from_outside(f"loadshed/home/{name}", payload(said))
        return await asking

    with ScriptedBroker(Limits(retain_available=False)) as broker:
        assert asyncio.run(story(broker)) == told()


def test_a_controller_that_may_not_be_asked_is_found_by_its_regular_message() -> None:
    """The access list may forbid requests."""

    async def story(broker: ScriptedBroker) -> HouseStatus:
        asking = asyncio.create_task(fetch_status(broker.broker, "home"))
        await broker.until(lambda: bool(broker.published_on("ask/status")))
        broker.distribute_from_outside("loadshed/home/controller/alive", b"{}")
        return await asking

    with ScriptedBroker() as broker:
        broker.retained["loadshed/home/controller/state"] = payload(STATE)
        broker.retained["loadshed/home/controller/alive"] = b"{}"
        found = asyncio.run(story(broker))
        assert found.alive
        assert found.trouble is None


def test_status_as_json_is_read_by_a_program(
    controller: Broker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The fields are the bus's own, by the names of the contract."""
    assert main(["status", "--json", "--config", config(tmp_path, controller)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["known"] is True
    assert said["state"] == STATE
    assert said["circuits"]["garage"]["controllable"] is False
    assert said["demand"]["kw"] is None, "nobody knows how old it is"


def test_a_site_without_messages_ends_with_1(
    broker: Broker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong site id looks like this, and the sentence says so."""
    assert main(["status", "--config", config(tmp_path, broker, "cabin")]) == 1
    assert "check [site] id" in capsys.readouterr().out


def test_a_broker_that_is_away_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As text and as JSON, with the reason in both."""
    folder = config(tmp_path, Broker(port=1))
    assert main(["status", "--config", folder]) == 1
    assert "no program listens at 127.0.0.1:1" in capsys.readouterr().out
    assert main(["status", "--json", "--config", folder]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["known"] is False
    assert "no program listens" in said["reason"]


def test_an_inverted_contact_is_reported_each_time() -> None:
    """A cut wire would read as utility: the status reports it each time."""
    inverted = Site("home", Broker(), inverted=True)
    told = HouseStatus(state={"state": "utility", "source": "utility"})
    assert "A cut wire reads as utility" in " ".join(status_text(inverted, told, None, 0.0).split())
    assert "A cut wire" not in status_text(Site("home", Broker()), told, None, 0.0)
