"""Reports of clients on `clients/<name>/state`: their problems, which the controller publishes as alarms."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from controller.bus.messages import Rejection, shown
from controller.core.events import ClientReported

if TYPE_CHECKING:
    from controller.bus.messages import IncomingMessage
    from rules.json_types import Json

KNOWN_CLIENTS = ("page", "notify", "leviton", "uplink", "homeassistant")
"""Clients of this program. Their topics are subscribed by name: some brokers keep nothing for wildcards."""

MAX_BYTES, MAX_PROBLEMS, MAX_TEXT = 16_384, 20, 500
_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,40}[a-z0-9])?")


def parse_client_report(client: str, message: IncomingMessage) -> ClientReported | Rejection:
    """Return the problems that a client reports; none if its topic was cleared, or if it is offline."""
    if not _ID.fullmatch(client):
        return Rejection(f"the name of a client is a-z, 0-9 and hyphens, not {shown(client.encode())}")
    if not message.payload:
        return ClientReported(message.at, client)
    if len(message.payload) > MAX_BYTES:
        return Rejection(f"the state of a client has at most {MAX_BYTES} bytes, not {len(message.payload)}")
    try:
        fields = json.loads(message.payload)
    except (ValueError, RecursionError):
        fields = None
    problems = fields.get("problems", []) if isinstance(fields, dict) else None
    if not isinstance(problems, list):
        return Rejection(
            f"the state of a client is a JSON object with a list of problems, not {shown(message.payload)}"
        )
    found = tuple(problem for one in problems[:MAX_PROBLEMS] if (problem := _problem(one)) is not None)
    if len(found) != len(problems):
        return Rejection("a problem of a client has id, message and action (texts) and circuits (a list of ids)")
    return ClientReported(message.at, client, found)


def _problem(value: Json) -> dict[str, Json] | None:
    """Return a problem; None: it is not valid."""
    if not isinstance(value, dict) or not _ID.fullmatch(str(value.get("id"))):
        return None
    texts = {key: value.get(key) for key in ("message", "action")}
    circuits = value.get("circuits", [])
    if not all(isinstance(text, str) and 0 < len(text) <= MAX_TEXT and text.isprintable() for text in texts.values()):
        return None
    if not isinstance(circuits, list) or not all(isinstance(one, str) for one in circuits):
        return None
    return {"id": str(value["id"]), **texts, "circuits": [*circuits]}
