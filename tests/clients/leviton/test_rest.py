"""REST requests: time limits, connections, and what an error says."""

from __future__ import annotations

import socket
import time

import pytest

from clients.leviton.rest import CloudAnswer, CloudClient, error_message
from hw.simulated.leviton_cloud import LevitonCloud
from hw.simulated.leviton_panel import simulated_hub
from hw.simulated.leviton_server import LevitonServer

HUB = "IotWhems/1000_0012_3456"


def test_an_answer_has_its_status_and_its_content() -> None:
    """JSON in, JSON out."""
    cloud = LevitonCloud([simulated_hub()])
    token = str(cloud.issue_token()["id"])
    with LevitonServer(cloud) as server:
        client = CloudClient(server.api)
        answer = client.call("GET", HUB, token=token)
        refused = client.call("GET", HUB, token="dead")  # noqa: S106  # not a real one
        client.close()
    assert answer.status == 200
    assert isinstance(answer.content, dict)
    assert refused.status == 401
    assert error_message(refused) == "Authorization Required"


def test_no_answer_ends_after_the_time_limit() -> None:
    """A dead line must not hold a command."""
    cloud = LevitonCloud([])
    cloud.faults.blackhole = True
    with LevitonServer(cloud) as server:
        client, began = CloudClient(server.api, timeout_s=0.3), time.monotonic()
        answer = client.call("GET", "apiversion")
        assert time.monotonic() - began < 5.0
        client.close()
    assert answer == CloudAnswer(0, reason="no answer in time")


def test_a_refused_connection_is_an_answer_with_a_reason() -> None:
    """It raises nothing."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        answer = CloudClient(f"http://127.0.0.1:{closed.getsockname()[1]}/api").call("GET", "apiversion")
    assert (answer.status, answer.reason) == (0, "Connection refused")


@pytest.mark.parametrize(("status", "retry_after_s"), [(429, 7), (502, None)])
def test_an_error_page_has_no_content(status: int, retry_after_s: int | None) -> None:
    """502 is HTML. `Retry-After` is read."""
    cloud = LevitonCloud([])
    cloud.faults.status, cloud.faults.retry_after_s = status, retry_after_s
    with LevitonServer(cloud) as server:
        client = CloudClient(server.api)
        answer = client.call("GET", "apiversion")
        client.close()
    assert (answer.status, answer.retry_after_s) == (status, retry_after_s)
    assert (answer.content is None) is (status == 502)


def test_a_connection_that_was_reset_during_a_command_is_reported() -> None:
    """The caller decides whether to send it again."""
    cloud = LevitonCloud([simulated_hub()])
    token = str(cloud.issue_token()["id"])
    cloud.faults.acts_then_resets = True
    breaker = cloud.hubs[0].breakers[0].id
    with LevitonServer(cloud) as server:
        client = CloudClient(server.api)
        answer = client.call("PATCH", f"ResidentialBreakers/{breaker}", {"remoteTrip": True}, token)
        client.close()
    assert (answer.status, answer.reason) == (0, "the connection was lost")


def test_a_connection_is_used_again_within_a_burst_and_never_after_it() -> None:
    """The cloud closes idle connections without a word."""
    cloud = LevitonCloud([])
    with LevitonServer(cloud) as server:
        client = CloudClient(server.api)
        assert client.call("GET", "apiversion").status == 401
        first = client._local.kept.connection
        client.call("GET", "apiversion")
        assert client._local.kept.connection is first
        client._local.kept.used_at -= 10.0
        client.call("GET", "apiversion")
        assert client._local.kept.connection is not first
        client.close()


def test_an_answer_shows_no_content_in_its_text() -> None:
    """It may be logged, and a hub's JSON holds secrets."""
    assert "secret" not in repr(CloudAnswer(200, {"token": "secret"}))
