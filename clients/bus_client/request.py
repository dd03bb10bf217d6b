"""Client side of `ask/<request>`: a user request to the running daemon, and its reply."""

from __future__ import annotations

import asyncio
import json
import secrets
from typing import TYPE_CHECKING, NamedTuple

from controller.bus.payloads import to_json
from controller.bus.topics import SiteTopics
from hw.broker_socket import BrokerError
from hw.mqtt import MqttConnection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hw.broker_socket import Broker
    from hw.mqtt_messages import Message
    from rules.json_types import Json
    from rules.requests import AskKind

ANSWER_S = 10.0


class Reply(NamedTuple):
    """Reply to a request, or why there was none (`ok` false). `needs_force`: it is accepted with `"force": true`."""

    ok: bool
    reason: str
    needs_force: bool = False


async def send_request(
    broker: Broker, site: str, request: AskKind, fields: Mapping[str, Json], *, timeout_s: float = ANSWER_S
) -> tuple[bool, str]:
    """Return whether the daemon executed the request, and its reason; or False and why there was no reply."""
    reply = await request_reply(broker, site, request, fields, timeout_s=timeout_s)
    return reply.ok, reply.reason


async def request_reply(
    broker: Broker, site: str, request: AskKind, fields: Mapping[str, Json], *, timeout_s: float = ANSWER_S
) -> Reply:
    """Return the daemon's reply to a request, or one that states why there was none."""
    try:
        link = await MqttConnection.open(broker, f"loadshed-ask-{secrets.token_hex(4)}")
    except BrokerError as error:
        return Reply(False, str(error))
    try:
        async with asyncio.timeout(timeout_s):
            return await _asked(link, broker, site, request, fields)
    except TimeoutError:
        return Reply(False, f"no reply within {timeout_s:g} s: check that loadshed runs for site {site!r}")
    except BrokerError as error:
        return Reply(False, str(error))
    finally:
        await link.close()


async def _asked(
    link: MqttConnection, broker: Broker, site: str, request: AskKind, fields: Mapping[str, Json]
) -> Reply:
    correlation = secrets.token_bytes(8)
    topics = SiteTopics(site)
    answers = topics.answers(secrets.token_hex(8))
    link.subscribe([answers])
    link.publish(topics.ask(request), to_json(fields), response_topic=answers, correlation=correlation)
    link.flush()
    if broker.version != "5":
        return Reply(False, "sent; MQTT 3.1.1 carries no reply: `loadshed status` shows the result")
    while True:
        for heard in link.read():
            if heard.correlation == correlation:
                return _answer(heard)
        await link.wait()


def _answer(heard: Message) -> Reply:
    try:
        said = json.loads(heard.payload)
    except ValueError:
        said = None
    if not isinstance(said, dict) or not isinstance(said.get("reason"), str):
        return Reply(False, "the reply is not valid: check whether another program replies for loadshed")
    return Reply(said.get("ok") is True, said["reason"], said.get("needs_force") is True)
