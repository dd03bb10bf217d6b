"""The simulated My Leviton cloud does what is known of the real one, and its faults."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hw.simulated.leviton_cloud import ACCOUNT, LOCK_AFTER, PUSH_ENDS_S, CloudReply, CloudRequest, LevitonCloud
from hw.simulated.leviton_faults import LevitonFaults
from hw.simulated.leviton_panel import BreakerGeneration, simulated_hub

if TYPE_CHECKING:
    from collections.abc import Mapping

HUB = "1000_0012_3456"
GOOD = {"email": ACCOUNT[0], "password": ACCOUNT[1]}
WRONG = {"email": ACCOUNT[0], "password": "x"}


class Client:
    """A program that is logged in, and listens."""

    def __init__(self, cloud: LevitonCloud) -> None:
        self.cloud = cloud
        self.token = cloud.issue_token()
        self.heard: list[dict[str, Any]] = []
        self.ended: list[int] = []

    def call(self, method: str, path: str, body: Mapping[str, object] | None = None, now: float = 0.0) -> CloudReply:
        """Return the answer to a request with our token."""
        return self.cloud.request(CloudRequest(method, path, body, str(self.token["id"])), now)

    def get(self, path: str, now: float = 0.0) -> Any:
        """Return the content of a GET."""
        return json.loads(self.call("GET", path, now=now).text)

    def listen(self, now: float = 0.0) -> int:
        """Open a push connection and subscribe to everything."""
        session = self.cloud.connect(now)
        self.cloud.receive(session, json.dumps({"token": self.token}), now)
        for hub in self.cloud.hubs:
            models = [("IotWhem", hub.serial), *(("ResidentialBreaker", one.id) for one in hub.breakers)]
            for model, identity in models:
                wanted = {"modelName": model, "modelId": identity}
                self.cloud.receive(session, json.dumps({"type": "subscribe", "subscription": wanted}), now)
        self.until(now + 1.0)
        return session

    def until(self, now: float) -> None:
        """Let the cloud run until `now`."""
        while (due := self.cloud.next_due) <= now:
            for session, text in self.cloud.advance(due):
                self.ended.append(session) if text is None else self.heard.append(json.loads(text))
        self.cloud.advance(now)

    def notices(self, breaker: str) -> list[dict[str, Any]]:
        """Return what was pushed about one breaker."""
        found = [one["notification"] for one in self.heard if one["type"] == "notification"]
        return [one["data"] for one in found if one["modelId"] == breaker]


def client(count: int = 2, **account: Any) -> Client:
    """Return a client of a cloud with one hub."""
    return Client(LevitonCloud([simulated_hub(count)], **account))


def login(cloud: LevitonCloud, body: Mapping[str, str], now: float = 0.0) -> tuple[int, Any]:
    """Return the status and the content of a login."""
    reply = cloud.request(CloudRequest("POST", "/Person/login?include=user", body), now)
    return reply.status, json.loads(reply.text)


def test_a_login_returns_a_token_of_sixty_days() -> None:
    """The whole answer is what the push connection wants."""
    status, answer = login(LevitonCloud([]), GOOD)
    assert (status, answer["ttl"], answer["userId"]) == (200, 5_184_000, "person-1")


def test_two_factor_authentication_asks_for_the_code_and_refuses_a_wrong_one() -> None:
    """406 and 408 mean something else than in HTTP."""
    cloud = LevitonCloud([], code="123456")
    assert login(cloud, GOOD)[0] == 406
    assert login(cloud, {**GOOD, "code": "1"})[0] == 408
    assert login(cloud, {**GOOD, "code": "123456"})[0] == 200


def test_wrong_passwords_lock_the_account_for_longer_than_an_hour() -> None:
    """The right password does not help then."""
    cloud = LevitonCloud([])
    assert [login(cloud, WRONG)[0] for _ in range(LOCK_AFTER)] == [401] * LOCK_AFTER
    assert login(cloud, GOOD, 3700.0)[0] == 403


def test_a_dead_token_is_refused_by_rest_and_never_gets_ready_on_push() -> None:
    """Push reports no reason."""
    one = client()
    one.cloud.end_tokens()
    assert one.call("GET", f"/IotWhems/{HUB}").status == 401
    one.listen()
    one.until(60.0)
    assert [message["type"] for message in one.heard] == ["challenge"]


@pytest.mark.parametrize("guest", [False, True])
def test_owner_and_guest_find_the_residence_by_different_ways(guest: bool) -> None:
    """A guest has the residence id, an owner the account id."""
    one = client(guest=guest)
    (permission,) = one.get("/Person/person-1/residentialPermissions")
    assert (permission["residenceId"] is None) is not guest
    path = "/ResidentialPermissions/9/residence" if guest else "/ResidentialAccounts/55/residences"
    found = one.get(path)
    assert (found if guest else found[0])["name"] == "Home "


def test_a_remote_off_leaves_the_handle_on_and_is_pushed_after_the_echo() -> None:
    """The echo is no report of the breaker."""
    one = client()
    breaker = one.cloud.hubs[0].breakers[0]
    one.listen()
    assert one.call("PATCH", f"/ResidentialBreakers/{breaker.id}", {"remoteTrip": True}, now=2.0).status == 200
    assert breaker.energized
    one.until(5.0)
    notices = one.notices(breaker.id)
    assert notices[0] == {"remoteTrip": True}
    assert notices[1]["remoteState"] == "RemoteOFF"
    assert "currentState" not in notices[1]
    assert not breaker.energized


def test_remote_on_false_switches_nothing_off() -> None:
    """Another program tried it."""
    one = client()
    breaker = one.cloud.hubs[0].breakers[0]
    one.call("PATCH", f"/ResidentialBreakers/{breaker.id}", {"remoteOn": False})
    one.until(5.0)
    assert breaker.energized


def test_rest_shows_old_values_while_no_program_listens() -> None:
    """REST is a cache that the hub fills while a program listens."""
    one = client()
    hub = one.cloud.hubs[0]
    hub.breakers[0].move_handle(on=False)
    one.cloud.moved(hub, 1.0)
    one.until(500.0)
    assert one.get(f"/ResidentialBreakers/{hub.breakers[0].id}", 500.0)["currentState"] == "ManualON"
    one.listen(500.0)
    one.call("PUT", f"/IotWhems/{HUB}", {"bandwidth": 1}, now=501.0)
    one.until(510.0)
    assert one.get(f"/ResidentialBreakers/{hub.breakers[0].id}", 510.0)["currentState"] == "ManualOFF"


def test_a_first_generation_breaker_trips_and_cannot_be_switched_on() -> None:
    """The command is the same as for the second generation."""
    one = client()
    breaker = one.cloud.hubs[0].breakers[0]
    breaker.generation = BreakerGeneration.FIRST
    for body in ({"remoteTrip": True}, {"remoteOn": True}):
        one.call("PATCH", f"/ResidentialBreakers/{breaker.id}", body)
        one.until(5.0)
        assert not breaker.energized
    assert breaker.state()["currentState"] == "SoftwareTrip"
    breaker.move_handle(on=True)
    assert breaker.energized


def test_a_welded_breaker_reports_off_and_its_load_stays_on() -> None:
    """Only its watts show it."""
    one = client()
    breaker = one.cloud.hubs[0].breakers[0]
    breaker.welded = True
    one.listen()
    one.call("PATCH", f"/ResidentialBreakers/{breaker.id}", {"remoteTrip": True}, now=2.0)
    one.until(5.0)
    assert (breaker.energized, breaker.state()["remoteState"], breaker.watts) == (True, "RemoteOFF", 900.0)


@pytest.mark.parametrize(("kept", "energized"), [(False, True), (True, False)])
def test_a_command_for_an_absent_hub_is_lost_or_comes_late(kept: bool, energized: bool) -> None:
    """Which of the two the real cloud does is unknown."""
    one = client()
    hub = one.cloud.hubs[0]
    one.cloud.faults.late_commands = kept
    one.cloud.hub_lost(hub)
    assert one.call("PATCH", f"/ResidentialBreakers/{hub.breakers[0].id}", {"remoteTrip": True}).status == 200
    one.cloud.hub_back(hub, 300.0)
    one.until(310.0)
    assert hub.breakers[0].energized is energized


def test_new_ids_leave_the_old_ones_unknown() -> None:
    """Firmware 2.2 does so overnight."""
    one = client()
    old = one.cloud.hubs[0].breakers[0].id
    one.cloud.change_ids()
    assert one.call("GET", f"/ResidentialBreakers/{old}").status == 404
    assert one.call("GET", f"/ResidentialBreakers/{old}_3456").status == 200


def test_push_ends_after_an_hour() -> None:
    """Whatever is sent."""
    one = client()
    session = one.listen()
    one.until(PUSH_ENDS_S - 1.0)
    assert one.ended == []
    one.until(PUSH_ENDS_S)
    assert one.ended == [session]


@pytest.mark.parametrize(("fault", "value"), [("mute", True), ("lost_share", 1.0)])
def test_a_mute_connection_pushes_nothing(fault: str, value: object) -> None:
    """The connection stays open."""
    one = client()
    one.listen()
    one.heard.clear()
    setattr(one.cloud.faults, fault, value)
    breaker = one.cloud.hubs[0].breakers[0]
    one.call("PATCH", f"/ResidentialBreakers/{breaker.id}", {"remoteTrip": True}, now=2.0)
    one.until(5.0)
    assert one.notices(breaker.id) == []
    assert not breaker.energized


def test_a_connection_that_never_gets_ready_stays_open() -> None:
    """As with a dead token."""
    one = client()
    one.cloud.faults.never_ready = True
    one.listen()
    one.until(60.0)
    assert [message["type"] for message in one.heard] == ["challenge"]


@pytest.mark.parametrize("status", [429, 502])
def test_an_error_status_ends_after_its_number_of_requests(status: int) -> None:
    """502 is a page, not JSON."""
    one = client()
    one.cloud.faults.status, one.cloud.faults.status_for, one.cloud.faults.retry_after_s = status, 1, 7
    reply = one.call("GET", f"/IotWhems/{HUB}")
    assert (reply.status, reply.headers["Retry-After"]) == (status, "7")
    assert reply.text.startswith("<html>") is (status == 502)
    assert one.call("GET", f"/IotWhems/{HUB}").status == 200


def test_acts_then_resets_carries_out_a_command_without_an_answer() -> None:
    """The client cannot distinguish it from a lost request."""
    one = client()
    one.cloud.faults.acts_then_resets = True
    breaker = one.cloud.hubs[0].breakers[0]
    assert one.call("PATCH", f"/ResidentialBreakers/{breaker.id}", {"remoteTrip": True}).status == 0
    one.until(5.0)
    assert not breaker.energized


def test_a_blackhole_never_answers() -> None:
    """As a router that has lost its line."""
    one = client()
    one.cloud.faults.blackhole = True
    assert one.call("GET", f"/IotWhems/{HUB}").after_s == float("inf")


def test_a_false_reading_shows_on_once() -> None:
    """Seen by other programs after an OFF."""
    one = client()
    breaker = one.cloud.hubs[0].breakers[0]
    breaker.remote_off = True
    one.cloud.hubs[0].refresh()
    one.cloud.faults.shows_on_once = True
    path = f"/ResidentialBreakers/{breaker.id}"
    assert [one.get(path)["remoteState"] for _ in range(2)] == ["RemoteON", "RemoteOFF"]


def test_lost_commands_move_nothing() -> None:
    """The cloud has answered 200."""
    one = client()
    one.cloud.faults.lost_commands = 1.0
    breaker = one.cloud.hubs[0].breakers[0]
    assert one.call("PATCH", f"/ResidentialBreakers/{breaker.id}", {"remoteTrip": True}).status == 200
    one.until(5.0)
    assert breaker.energized


def test_the_loop_sheds_what_is_not_critical() -> None:
    """The hub does so without the cloud."""
    hub = simulated_hub(2)
    hub.breakers[0].critical = True
    hub.open_loop()
    assert [one.energized for one in hub.breakers] == [True, False]
    hub.close_loop()
    assert all(one.energized for one in hub.breakers)


def test_every_named_fault_is_used_by_the_cloud() -> None:
    """A fault that nothing reads would make a campaign prove nothing."""
    source = (Path(__file__).parents[3] / "hw/simulated/leviton_cloud.py").read_text("utf-8")
    assert [one.name for one in fields(LevitonFaults) if f"faults.{one.name}" not in source] == []
