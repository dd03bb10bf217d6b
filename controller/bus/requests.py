"""User requests: validate the JSON of a message on `ask/…` and turn it into an event."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, get_args

from controller.bus.messages import Rejection, shown
from controller.core.events import Requested
from rules.drill import LONGEST_S, SHORTEST_S, TEST_LONGEST_S
from rules.panel import CircuitId
from rules.requests import AskKind

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from controller.bus.messages import IncomingMessage, ReplyAddress
    from rules.json_types import Json

# A longer request is refused before it is decoded.
MAX_REQUEST_BYTES = 4096
MAX_TEXT_LENGTH = 200

ASK_KINDS: tuple[AskKind, ...] = get_args(AskKind)


ANY_REQUEST = "any"
"""Last level of the topic on which the JSON field `request` names the kind."""


STATUS_REQUEST = "status"
"""Last level of the topic of the request to publish all of the status. It decides nothing, and is not logged."""


def parse_request(
    request: str, message: IncomingMessage, circuits: Container[CircuitId], reply: ReplyAddress | None
) -> Requested | Rejection | None:
    """Return the request of a message, or a rejection. None: a retained message was cleared.

    `request`: the last level of its topic. `circuits`: the circuits of circuits.toml. `reply`: where the answer goes.
    """
    if not message.payload and message.retained:
        return None
    if message.retained:
        # The user is long gone, and the broker would deliver the request again at every connection.
        return Rejection("a request must not be retained: publish it again without the retain flag", reply)
    fields = _fields(message.payload)
    if isinstance(fields, str):
        return Rejection(fields, reply)
    named = fields.pop("request", None) if request == ANY_REQUEST else request
    if named not in ASK_KINDS:
        unknown = '"any" needs "request":' if request == ANY_REQUEST else "unknown request: use"
        return Rejection(f"{unknown} one of {', '.join(ASK_KINDS)}", reply)
    kind = ASK_KINDS[ASK_KINDS.index(named)]
    error = (
        _field_error(fields)
        or _circuit_error(kind, fields.get("circuit"), circuits)
        or _drill_field_error(kind, fields)
    )
    if error is not None:
        return Rejection(error, reply)
    return _requested(kind, fields, message.at, reply)


_FIELD_NAMES = ", ".join(f'"{name}"' for name in ("circuit", "by", "note", "now", "for_s", "force", "restore_all"))


def _requested(request: AskKind, fields: Mapping[str, Json], at: float, reply: ReplyAddress | None) -> Requested:
    circuit, by, note, for_s = (fields.get(name) for name in ("circuit", "by", "note", "for_s"))
    is_single = isinstance(circuit, str) and not (request == "restore" and circuit == "all")
    return Requested(
        at,
        request,
        CircuitId(str(circuit)) if is_single else None,
        by=str(by or ""),
        note=str(note or ""),
        now=fields.get("now") is True,
        reply=reply,
        for_s=float(for_s) if isinstance(for_s, int | float) else None,
        force=fields.get("force") is True,
        restore_all=fields.get("restore_all") is True,
    )


class DuplicateFilter:
    """Remembers the latest requests, so that a request that is sent twice is handled once. Size: `most` requests."""

    def __init__(self, most: int = 1000) -> None:
        self._most = most
        self._seen: dict[ReplyAddress, None] = {}

    def repeats(self, address: ReplyAddress) -> bool:
        """Return whether a request with this address and correlation data was seen before, and remember it.

        A request without correlation data never counts as a repetition.
        """
        if address.correlation is None:
            return False
        if address in self._seen:
            return True
        self._seen[address] = None
        if len(self._seen) > self._most:
            del self._seen[next(iter(self._seen))]
        return False


def _fields(payload: bytes) -> dict[str, Json] | str:
    """Return the fields of a request, or a sentence that describes the error."""
    if len(payload) > MAX_REQUEST_BYTES:
        return f"a request has at most {MAX_REQUEST_BYTES} bytes, not {len(payload)}"
    if not payload:
        return {}
    try:
        fields = json.loads(payload)
    except (ValueError, RecursionError):  # RecursionError: a thousand nested brackets
        return f"a request must be a JSON object, not {shown(payload)}"
    return fields if isinstance(fields, dict) else f"a request must be a JSON object, not {shown(payload)}"


def _field_error(fields: Mapping[str, Json]) -> str | None:
    for name, value in fields.items():
        if name in ("circuit", "by", "note"):
            # Printable only: these texts are shown in the journal and in reports.
            if value is not None and not (
                isinstance(value, str) and len(value) <= MAX_TEXT_LENGTH and value.isprintable()
            ):
                return f'"{name}" must be text of at most {MAX_TEXT_LENGTH} printable characters'
        elif name in ("now", "force", "restore_all"):
            if value is not None and not isinstance(value, bool):
                return f'"{name}" must be true or false'
        elif name == "for_s":
            if value is not None and not _is_drill_length(value):
                return f'"for_s" is the length of a drill: {SHORTEST_S:g} to {LONGEST_S:g} seconds'
        else:
            return f"unknown field {shown(name.encode())}: use {_FIELD_NAMES}"
    return None


def _drill_field_error(kind: AskKind, fields: Mapping[str, Json]) -> str | None:
    """Return the error in the fields of a drill or a test, or that they are with another request."""
    for_s = fields.get("for_s")
    if for_s is not None and kind not in ("drill", "test"):
        return '"for_s" applies to a drill or a test only'
    if kind == "test" and isinstance(for_s, int | float) and for_s > TEST_LONGEST_S:
        return f'"for_s" of a test is {SHORTEST_S:g} to {TEST_LONGEST_S:g} seconds'
    if fields.get("restore_all") is not None and kind != "drill":
        return '"restore_all" applies to a drill only'
    return None


def _circuit_error(request: AskKind, circuit: Json, circuits: Container[CircuitId]) -> str | None:
    if request in ("reload", "drill", "drill-end"):
        return None if circuit is None else f'"{request}" does not apply to a single circuit: leave out "circuit"'
    if request == "restore" and circuit == "all":
        return None
    if not isinstance(circuit, str):
        return f'"{request}" needs "circuit": the id of a circuit in circuits.toml'
    return None if CircuitId(circuit) in circuits else f"no circuit is named {shown(circuit.encode())}"


def _is_drill_length(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and SHORTEST_S <= value <= LONGEST_S
