"""The simulated My Leviton cloud answers on real sockets."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from hw.simulated.leviton_cloud import LevitonCloud
from hw.simulated.leviton_panel import simulated_hub
from hw.simulated.leviton_server import LevitonServer


def call(server: LevitonServer, method: str, path: str, token: str, body: object = None) -> Any:
    """Return the content of an answer."""
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(server.api + path, data, {"authorization": token}, method=method)  # noqa: S310  # loopback
    with urllib.request.urlopen(asked, timeout=10) as answer:  # noqa: S310  # loopback
        return json.load(answer)


def test_a_command_over_rest_comes_back_over_push() -> None:
    """The whole way through both sockets."""
    cloud = LevitonCloud([simulated_hub()])
    token = cloud.issue_token()
    with LevitonServer(cloud) as server, connect(server.socket, open_timeout=10, close_timeout=1) as push:
        push.send(json.dumps({"token": token}))
        while json.loads(push.recv(timeout=10)).get("status") != "ready":
            pass
        breaker = cloud.hubs[0].breakers[0].id
        wanted = {"modelName": "ResidentialBreaker", "modelId": breaker}
        push.send(json.dumps({"type": "subscribe", "subscription": wanted}))
        call(server, "PATCH", f"/ResidentialBreakers/{breaker}", str(token["id"]), {"remoteTrip": True})
        data: dict[str, object] = {}
        while "remoteState" not in data:
            data = json.loads(push.recv(timeout=10))["notification"]["data"]
    assert data["remoteState"] == "RemoteOFF"


def test_a_dead_token_is_refused_with_401() -> None:
    """As the real cloud refuses it."""
    with LevitonServer(LevitonCloud([])) as server:
        with pytest.raises(urllib.error.HTTPError) as refused:
            call(server, "GET", "/Person/person-1/residentialPermissions", "dead")
        refused.value.close()
    assert refused.value.code == 401


def test_a_push_connection_that_is_cut_ends_at_its_client() -> None:
    """Without a close frame."""
    cloud = LevitonCloud([])
    with LevitonServer(cloud) as server, connect(server.socket, open_timeout=10, close_timeout=1) as push:
        push.recv(timeout=10)
        with server.lock:
            cloud.cut_push()
        with pytest.raises(ConnectionClosed):
            push.recv(timeout=10)
