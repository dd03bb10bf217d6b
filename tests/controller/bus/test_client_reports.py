"""Problems of clients become alarms; what is no valid report changes nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from controller.bus.client_reports import MAX_PROBLEMS
from controller.bus.messages import IncomingMessage, Rejection
from controller.bus.topics import Topics
from controller.core.events import ClientReported
from tests.virtual_house import VirtualHouse

if TYPE_CHECKING:
    from rules.json_types import Json

LOGIN: dict[str, Json] = {
    "id": "login",
    "message": "The login has expired.",
    "action": "Log in again.",
    "circuits": ["hot-tub"],
}


def parsed(payload: object, client: str = "leviton") -> object:
    """Return what the controller makes of a client's message."""
    content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return next(
        iter(
            Topics("home").read(IncomingMessage(1.0, f"loadshed/home/clients/{client}/state", content, retained=True))
        ),
        None,
    )


def test_problems_are_read_and_nothing_else() -> None:
    """Also from a retained message: it is the client's present state."""
    report = parsed({"state": "online", "problems": [LOGIN], "more": 1})
    assert isinstance(report, ClientReported)
    assert (report.client, report.problems) == ("leviton", (LOGIN,))


@pytest.mark.parametrize("payload", [b"", {"state": "offline"}, {"state": "online", "problems": []}])
def test_a_client_without_problems_or_offline_reports_none(payload: object) -> None:
    """What it said before is no longer the present."""
    report = parsed(payload)
    assert isinstance(report, ClientReported)
    assert report.problems == ()


BAD = (
    b"no json",
    b"[1]",
    {"problems": {"id": "x"}},
    {"problems": [{**LOGIN, "id": "No Id"}]},
    {"problems": [{**LOGIN, "message": ""}]},
    {"problems": [{**LOGIN, "action": "a\u0007b"}]},
    {"problems": [{**LOGIN, "message": "x" * 501}]},
    {"problems": [{**LOGIN, "circuits": "hot-tub"}]},
    {"problems": [LOGIN] * (MAX_PROBLEMS + 1)},
    b" " * 20_000,
)


@pytest.mark.parametrize("payload", BAD)
def test_what_is_no_report_is_rejected(payload: object) -> None:
    """With one line in the log."""
    assert isinstance(parsed(payload), Rejection)
    assert isinstance(parsed({"problems": []}, client="A+"), Rejection)


def test_a_problem_is_an_alarm_until_the_client_no_longer_reports_it() -> None:
    """Each under the name of its client."""
    house = VirtualHouse()
    house.happens(ClientReported(house.mono, "leviton", (LOGIN,)))
    since = house.mono
    view = house.alarm("leviton-login")
    assert view is not None
    assert (view.message, view.circuits, view.since) == (LOGIN["message"], ("hot-tub",), since)
    house.wait(5.0)
    house.happens(ClientReported(house.mono, "leviton", ({**LOGIN, "message": "Still expired."},)))
    view = house.alarm("leviton-login")
    assert view is not None
    assert (view.message, view.since) == ("Still expired.", since)
    house.happens(ClientReported(house.mono, "notify", ()))
    assert house.alarm("leviton-login") is not None
    house.happens(ClientReported(house.mono, "leviton", ()))
    assert house.alarm("leviton-login") is None
    assert [line.details["alarm"] for line in house.happened("alarm_cleared")] == ["leviton-login"]
