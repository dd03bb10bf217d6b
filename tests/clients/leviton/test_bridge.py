"""The bridge with the simulated cloud, in virtual time."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from clients.leviton import signals as sig
from clients.leviton.orders import VALID_S
from clients.leviton.session import RENEW_S
from hw.simulated.leviton_cloud import LevitonCloud
from hw.simulated.leviton_panel import BreakerGeneration, simulated_hub
from rules.panel import CircuitId, Position
from tests.clients.leviton.leviton_house import LevitonHouse, circuits_of, house, running

FIRST = "load-1-3456"
ONLINE_FROM = 20.0


def level(home: LevitonHouse, circuit: str = FIRST) -> object:
    """Return how far the last command of a circuit has come."""
    return home.details[circuit]["level"]


def availability(home: LevitonHouse, since: float) -> list[tuple[float, bool]]:
    """Return the changes of availability of the first circuit, with seconds since `since`."""
    found = [(at - since, one) for at, one in home.published if isinstance(one, sig.PublishAvailability)]
    return [(round(at, 1), one.online) for at, one in found if one.circuit == FIRST and at >= 0]


# --- what confirms ---------------------------------------------------------------------------------------------------


def test_an_off_is_confirmed_by_the_breaker_alone() -> None:
    """Neither the cloud's 200 nor the echo of the command confirms."""
    home = house()
    home.command(FIRST)
    home.run(ONLINE_FROM + 0.3)
    assert level(home) == "accepted by the cloud"
    assert home.states(FIRST, ONLINE_FROM) == []
    home.run(ONLINE_FROM + 3.0)
    assert home.positions[FIRST] is Position.OFF
    assert level(home) == "seen as a drop of power"
    assert not home.breaker(FIRST).energized


def test_an_accepted_command_that_the_hub_never_hears_is_not_confirmed() -> None:
    """The cloud has answered 200."""
    home = house()
    home.cloud.faults.lost_commands = 1.0
    home.command(FIRST)
    home.run(ONLINE_FROM + 60.0)
    assert level(home) == "accepted by the cloud, not reported by the breaker"
    assert Position.OFF not in home.states(FIRST)


def test_a_breaker_that_does_not_move_stays_on() -> None:
    """It receives the command."""
    home = house()
    home.breaker(FIRST).stuck = True
    home.command(FIRST)
    home.run(ONLINE_FROM + 60.0)
    assert home.positions[FIRST] is Position.ON


def test_a_report_that_push_has_lost_is_read_by_rest() -> None:
    """1, 2, 4 and 8 s after the acceptance."""
    home = house()
    home.cloud.faults.lost_share = 1.0
    home.command(FIRST)
    home.run(ONLINE_FROM + 3.5)
    assert home.positions[FIRST] is Position.OFF


def test_an_off_that_is_repeated_to_a_breaker_that_is_off_is_confirmed_again() -> None:
    """The controller repeats commands, and needs an answer to each."""
    home = house()
    home.command(FIRST)
    home.run(ONLINE_FROM + 30.0)
    home.command(FIRST)
    home.run(ONLINE_FROM + 35.0)
    assert home.states(FIRST, ONLINE_FROM + 30.0) == [Position.OFF]


def test_a_welded_breaker_shows_its_power_after_it_has_reported_off() -> None:
    """The controller compares: the position stays what the breaker reports."""
    home = house()
    home.breaker(FIRST).welded = True
    home.command(FIRST)
    home.run(ONLINE_FROM + 40.0)
    assert home.positions[FIRST] is Position.OFF
    watts, at = home.power[FIRST]
    assert watts == 900.0
    assert at > ONLINE_FROM + 16.0


def test_a_trip_is_reported_as_tripped() -> None:
    """`remoteState` still says on."""
    home = house()
    home.breaker(FIRST).trip = "OverloadTrip"
    home.cloud.moved(home.cloud.hubs[0], home.now)
    home.run(ONLINE_FROM + 5.0)
    assert home.positions[FIRST] is Position.TRIPPED


def test_one_wrong_answer_of_rest_does_not_switch_a_circuit_on() -> None:
    """Other programs show `on` after it."""
    home = house()
    home.command(FIRST)
    home.run(ONLINE_FROM + 10.0)
    home.cloud.faults.shows_on_once = True
    home.bridge.session.discover_soon(home.now)
    home.run(ONLINE_FROM + 60.0)
    assert home.states(FIRST, ONLINE_FROM) == [Position.OFF]


# --- commands --------------------------------------------------------------------------------------------------------


def test_forty_commands_leave_over_eight_connections_the_largest_rank_first() -> None:
    """Without a pause."""
    home = house(40)
    ranks = {one.id: one.rank for one in home.circuits}
    for circuit in sorted(ranks, key=lambda one: -ranks[one]):
        home.command(circuit)
    home.run(ONLINE_FROM + 3.0)
    arrivals = [(at - ONLINE_FROM, one.name) for at, one, _ in home.cloud.accepted]
    assert len(arrivals) == 40
    assert arrivals[-1][0] <= 1.3 * 4 * (home.cloud.faults.latency_s + 0.03) + 0.03
    names = {one.id: one.name for one in home.circuits}
    sent = [next(ranks[circuit] for circuit, name in names.items() if name == one) for _, one in arrivals]
    assert sent == sorted(sent, reverse=True)


def test_a_breaker_that_cannot_be_switched_on_remotely_is_never_commanded() -> None:
    """A tripped 1st Gen breaker stays off until it is reset by hand."""
    hub = simulated_hub(2)
    circuits = circuits_of([hub])
    hub.breakers[0].generation = BreakerGeneration.FIRST
    home = running(LevitonHouse(LevitonCloud([hub]), circuits))
    for circuit in circuits:
        home.command(circuit.id)
    home.run(ONLINE_FROM + 30.0)
    assert {one.name for _, one, _ in home.cloud.accepted} == {"Load 2"}
    assert home.available[FIRST] is False
    (problem,) = home.report["problems"]
    assert problem["id"] == "identity"
    assert "cannot be switched on remotely" in problem["message"]


def test_another_breaker_in_the_slot_is_not_commanded() -> None:
    """A circuit is bound to a serial number."""
    home = house()
    one = home.cloud.hubs[0].breakers[0]
    one.serial, one.id = "SN-OTHER", "4C4556FFFF01"
    home.command(FIRST)
    home.run(ONLINE_FROM + 30.0)
    assert home.cloud.accepted == []
    assert "another breaker is in space 1 now" in home.report["problems"][0]["message"]


def test_a_breaker_that_was_moved_is_not_commanded() -> None:
    """The panel and circuits.toml differ."""
    hub = simulated_hub(2)
    circuits = circuits_of([hub])
    hub.breakers[0].position = 17
    home = running(LevitonHouse(LevitonCloud([hub]), circuits))
    home.command(FIRST)
    home.run(ONLINE_FROM + 10.0)
    assert home.cloud.accepted == []
    assert "space 17" in home.report["problems"][0]["message"]


def test_new_ids_of_breakers_are_found_and_the_command_is_carried_out() -> None:
    """The hub's firmware changes them overnight: the old id answers 404."""
    home = house()
    home.cloud.change_ids()
    home.command(FIRST)
    home.run(ONLINE_FROM + 10.0)
    assert not home.breaker(FIRST).energized
    assert home.positions[FIRST] is Position.OFF


@pytest.mark.parametrize("status", [500, 502, 503])
def test_an_error_of_the_server_is_tried_again(status: int) -> None:
    """The pages are not JSON."""
    home = house()
    home.cloud.faults.status, home.cloud.faults.status_for = status, 2
    home.command(FIRST)
    home.run(ONLINE_FROM + 10.0)
    assert not home.breaker(FIRST).energized


def test_a_lost_answer_to_a_command_that_was_carried_out_does_no_harm() -> None:
    """The breaker reports it."""
    home = house()
    home.cloud.faults.acts_then_resets = True
    home.command(FIRST)
    home.run(ONLINE_FROM + 30.0)
    assert home.positions[FIRST] is Position.OFF


def test_after_too_many_requests_the_first_try_of_each_off_still_leaves() -> None:
    """All else waits as long as the cloud asks for."""
    home = house(2)
    faults = home.cloud.faults
    faults.status, faults.status_for, faults.retry_after_s = 429, 1, 4
    home.command(FIRST)
    home.run(ONLINE_FROM + 0.5)
    home.command("load-2-3456")
    home.run(ONLINE_FROM + 8.0)
    assert [(one.name, at - ONLINE_FROM > 4.0) for at, one, _ in home.cloud.accepted] == [
        ("Load 2", False),
        ("Load 1", True),
    ]


def test_a_request_that_turns_replaces_the_one_on_its_way() -> None:
    """The last one decides, in this order at the cloud."""
    home = house()
    home.command(FIRST)
    home.run(ONLINE_FROM + 0.05)
    home.command(FIRST, on=True)
    home.run(ONLINE_FROM + 10.0)
    assert [on for _, _, on in home.cloud.accepted] == [False, True]
    assert home.breaker(FIRST).energized
    assert home.positions[FIRST] is Position.ON


def test_the_same_request_right_after_its_acceptance_is_not_sent_twice() -> None:
    """A second message of the controller crosses the report."""
    home = house()
    for second in range(3):
        home.command(FIRST)
        home.run(ONLINE_FROM + 1.0 + second)
    assert len(home.cloud.accepted) == 1


def test_on_commands_leave_one_at_a_time() -> None:
    """The controller staggers them; the bridge never bunches them."""
    home = house(3)
    for number in (1, 2, 3):
        home.command(f"load-{number}-3456", on=True)
    home.run(ONLINE_FROM + 5.0)
    times = [at for at, _, _ in home.cloud.accepted]
    assert [later - earlier >= 0.1 for earlier, later in pairwise(times)] == [True, True]


# --- the cloud goes away -----------------------------------------------------------------------------------------


def test_without_internet_every_circuit_is_offline_within_thirty_seconds_and_nothing_is_sent_late() -> None:
    """Commands of that time expire: the controller sends again."""
    home = house()
    home.internet(up=False)
    home.run(ONLINE_FROM + 10.0)
    home.standby()
    home.command(FIRST)
    home.run(ONLINE_FROM + 200.0)
    (away,) = availability(home, ONLINE_FROM)
    assert away[0] <= 30.0
    assert away[1] is False
    home.command(FIRST)
    home.internet(up=True)
    home.run(ONLINE_FROM + 300.0)
    assert home.cloud.accepted == []
    assert availability(home, ONLINE_FROM)[-1][1] is True
    assert home.states(FIRST, ONLINE_FROM + 30.0) == [Position.ON]


def test_the_alarm_lists_what_to_turn_off_at_the_panel_the_largest_first() -> None:
    """In plain words, at once on standby."""
    hub = simulated_hub(3)
    hub.breakers[2].amps, hub.breakers[2].name = 50, "Hot tub"
    home = running(LevitonHouse(LevitonCloud([hub])))
    home.standby()
    home.internet(up=False)
    home.run(ONLINE_FROM + 30.0)
    (problem,) = home.report["problems"]
    assert problem["message"] == (
        "Leviton's cloud is unreachable: your 2nd Gen breakers cannot be commanded. Turn off at the panel: "
        "3 Hot tub (50 A), 1 Load 1 (20 A), 2 Load 2 (20 A)."
    )


def test_a_circuit_that_was_reported_off_is_not_in_that_list() -> None:
    """It was shed before the internet failed."""
    home = house(2)
    home.standby()
    home.command(FIRST)
    home.run(ONLINE_FROM + 10.0)
    home.internet(up=False)
    home.run(ONLINE_FROM + 60.0)
    assert home.report["turn_off"] == ["load-2-3456"]


def test_a_short_gap_on_utility_is_no_problem_for_the_owner() -> None:
    """The internet has many; after ten minutes it is one."""
    home = house()
    home.internet(up=False)
    home.run(ONLINE_FROM + 300.0)
    assert home.report["state"] == "offline"
    assert home.report["problems"] == []
    home.run(ONLINE_FROM + 700.0)
    assert [one["id"] for one in home.report["problems"]] == ["unreachable"]


def test_the_renewal_of_the_push_connection_is_not_seen_on_the_bus() -> None:
    """The new one is ready before the old one ends."""
    home = house()
    home.run(RENEW_S + 200.0)
    assert availability(home, ONLINE_FROM) == []
    home.command(FIRST)
    home.run(RENEW_S + 210.0)
    assert home.positions[FIRST] is Position.OFF


def test_a_cut_of_the_push_connection_is_repaired_without_a_change_on_the_bus() -> None:
    """A restart of the cloud's server."""
    home = house()
    home.cloud.cut_push()
    home.run(ONLINE_FROM + 30.0)
    assert availability(home, ONLINE_FROM) == []


def test_a_mute_push_connection_makes_the_circuits_offline() -> None:
    """It is open, and its pings are answered."""
    home = house()
    home.cloud.faults.mute = True
    home.run(ONLINE_FROM + 120.0)
    assert availability(home, ONLINE_FROM)[-1][1] is False
    home.cloud.faults.mute = False
    home.run(ONLINE_FROM + 300.0)
    assert availability(home, ONLINE_FROM)[-1][1] is True


def test_a_lively_hub_does_not_hide_a_dead_one() -> None:
    """Each hub has its own watch."""
    home = house(2, hubs=2)
    home.cloud.hub_lost(home.cloud.hubs[1])
    home.run(ONLINE_FROM + 5.0)
    assert home.available == {FIRST: True, "load-2-3456": True, "load-1-3457": False, "load-2-3457": False}
    home.command("load-1-3457")
    home.run(ONLINE_FROM + 30.0)
    assert home.cloud.accepted == []
    assert home.report["state"] == "online"
    assert [one["id"] for one in home.report["problems"]] == ["hub-away"]


def test_a_command_whose_hub_goes_away_may_still_come_and_is_reported_so() -> None:
    """What the cloud does with it is unknown."""
    home = house()
    home.command(FIRST)
    home.run(ONLINE_FROM + 0.2)
    home.cloud.hub_lost(home.cloud.hubs[0])
    home.run(ONLINE_FROM + 20.0)
    assert "may still be carried out" in str(level(home))
    assert "late-command" in [one["id"] for one in home.report["problems"]]


def test_a_breaker_out_of_reach_of_its_hub_is_offline() -> None:
    """Bluetooth has failed."""
    home = house()
    home.breaker(FIRST).unheard = True
    home.run(ONLINE_FROM + 10.0)
    assert home.available[FIRST] is False
    assert home.available["load-2-3456"] is True


# --- login -----------------------------------------------------------------------------------------------------------


def test_a_dead_login_is_noticed_and_not_tried_again_every_moment() -> None:
    """Push never gets ready, REST answers 401."""
    home = house()
    home.cloud.end_tokens()
    home.cloud.cut_push()
    home.run(ONLINE_FROM + 120.0)
    assert [one["id"] for one in home.report["problems"]] == ["login"]
    assert home.available[FIRST] is False
    before = home.cloud.requests
    home.run(ONLINE_FROM + 3000.0)
    assert home.cloud.requests - before <= 2
    assert home.cloud.logins == 1  # the one of the test: the bridge never logs in


def test_a_new_login_brings_everything_back() -> None:
    """The owner has run `loadshed leviton login`."""
    home = house()
    home.cloud.end_tokens()
    home.cloud.cut_push()
    home.run(ONLINE_FROM + 120.0)
    home.token = dict(home.cloud.issue_token())
    home.feed(sig.LoginChanged("person-1", 60 * 86400.0))
    home.run(ONLINE_FROM + 140.0)
    assert home.report["state"] == "online"
    assert home.report["problems"] == []


def test_one_refusal_alone_does_not_end_the_login() -> None:
    """A hiccup of the cloud."""
    home = house()
    home.cloud.faults.status, home.cloud.faults.status_for = 401, 2
    home.command(FIRST)
    home.run(ONLINE_FROM + 30.0)
    assert home.report["state"] == "online"
    assert not home.breaker(FIRST).energized


@pytest.mark.parametrize(("days", "problems"), [(15, []), (13, ["login"]), (2, ["login"])])
def test_the_end_of_the_login_is_announced(days: int, problems: list[str]) -> None:
    """Two weeks before it."""
    home = house()
    home.feed(sig.LoginAged(days * 86400.0 + 100.0))
    assert [one["id"] for one in home.report["problems"]] == problems


def test_without_a_login_nothing_is_sent() -> None:
    """The bridge waits for one."""
    home = LevitonHouse(LevitonCloud([simulated_hub()]))
    home.feed(sig.BusJoined())
    home.feed(sig.LoginChanged(None))
    home.run(600.0)
    assert home.cloud.requests == 0
    assert "no login is stored" in home.report["problems"][0]["message"]


# --- the hub's own loop ----------------------------------------------------------------------------------------------


def test_a_companion_sends_no_command_and_reports_what_the_hub_does() -> None:
    """The LWHEM-2 sheds by its loop; the bridge watches."""
    hub = simulated_hub(4)
    hub.breakers[3].critical = True
    home = running(LevitonHouse(LevitonCloud([hub]), companion=True))
    home.feed(sig.HouseReported("utility"))
    home.standby()
    hub.open_loop()
    home.cloud.moved(hub, home.now)
    for circuit in home.available:
        home.command(circuit)
    home.run(ONLINE_FROM + 30.0)
    assert home.cloud.accepted == []
    assert [home.positions[f"load-{number}-3456"].value for number in (1, 2, 3, 4)] == ["off", "off", "off", "on"]
    assert home.report["observed"].startswith("3 of 4 breakers were switched off elsewhere, the last one 0.6 s after")
    assert "Still on: Load 4" in home.report["observed"]
    home.feed(sig.HouseReported("restoring"))
    hub.close_loop()
    home.cloud.moved(hub, home.now)
    home.run(ONLINE_FROM + 60.0)
    assert home.report["observed"].endswith("All are back on.")


def test_what_the_bridge_has_switched_is_not_taken_for_the_loop() -> None:
    """Only changes without a command of ours count."""
    home = house()
    home.standby()
    for circuit in list(home.available):
        home.command(circuit)
    home.run(ONLINE_FROM + 30.0)
    assert home.report["observed"] is None


# --- the bus ---------------------------------------------------------------------------------------------------------


def test_after_a_reconnection_of_the_bus_everything_is_published_again() -> None:
    """Position before availability, the bridge last."""
    home = house(1)
    home.published.clear()
    home.feed(sig.BusJoined())
    kinds = [type(one).__name__ for _, one in home.published if not isinstance(one, sig.PublishCircuitDetails)]
    assert kinds == ["PublishPosition", "PublishAvailability", "PublishBridge"]


def test_a_circuit_that_is_added_to_the_file_is_served() -> None:
    """Without a restart."""
    home = house(2)
    both = list(home.bridge.circuits.values())
    home.bridge.set_bindings([both[0].binding], home.now)
    home.run(ONLINE_FROM + 5.0)
    home.bridge.set_bindings([one.binding for one in both], home.now)
    home.run(ONLINE_FROM + 15.0)
    home.command("load-2-3456")
    home.run(ONLINE_FROM + 20.0)
    assert home.positions["load-2-3456"] is Position.OFF


def test_no_secret_is_published_or_logged() -> None:
    """Neither the token nor what a hub's JSON holds."""
    home = house()
    home.standby()
    home.command(FIRST)
    home.cloud.faults.status = 500
    home.run(ONLINE_FROM + 60.0)
    home.internet(up=False)
    home.run(ONLINE_FROM + 120.0)
    everything = "\n".join([*home.log, *(repr(one) for _, one in home.published)])
    secrets: list[Any] = [home.token["id"], "that-must-not-leave", "02:00:5e", "192.0.2.44"]
    assert [one for one in secrets if one in everything] == []
    assert "person-1" not in json.dumps(home.report)


def test_a_command_is_not_valid_for_longer_than_the_controllers_retry() -> None:
    """The cloud answers with errors all the time."""
    home = house()
    home.cloud.faults.status = 503
    home.feed(sig.CircuitCommanded(CircuitId(FIRST), on=False))
    home.run(ONLINE_FROM + VALID_S + 6.0)
    home.cloud.faults.status = 0
    home.run(ONLINE_FROM + 100.0)
    assert home.cloud.accepted == []
