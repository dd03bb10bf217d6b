"""Paths into JSON payloads: keys with dots between them, quoted where a key has a dot, numbers for list entries."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from controller.bus.profiles.schema import Value

MAX_BYTES = 16_384
"""Longest payload that is read as JSON, in bytes. Devices' reports are far shorter."""

Step = str | int

_STEP = re.compile(r'"([^"]+)"|([^."]+)')


class JsonPathError(ValueError):
    """The path cannot be used; the text says why."""


def steps(path: str) -> tuple[Step, ...]:
    """Return the steps of a path such as `params."switch:0".output` or `faults.0`. Raises `JsonPathError`."""
    found: list[Step] = []
    place = 0
    while place < len(path):
        match = _STEP.match(path, place)
        if match is None:
            raise JsonPathError('write keys with dots between them, and a key that has a dot as "key.name"')
        quoted, plain = match.groups()
        found.append(quoted if quoted is not None else int(plain) if plain.isdecimal() else plain)
        place = match.end()
        if place < len(path):
            if path[place] != "." or place + 1 == len(path):
                raise JsonPathError("write a dot between two keys, and none at the end")
            place += 1
    return tuple(found)


def parse(payload: bytes) -> object:
    """Return the JSON value of a payload; None if it is not valid, too long, or nested too deeply."""
    if len(payload) > MAX_BYTES:
        return None
    try:
        parsed: object = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return parsed


def look_up(content: object, path: tuple[Step, ...]) -> object:
    """Return what is at a path of a parsed payload; None: nothing is there. A key of digits may be a name, too."""
    for step in path:
        if isinstance(content, dict):
            content = content.get(step if isinstance(step, str) else str(step))
        elif isinstance(content, list) and isinstance(step, int) and step < len(content):
            content = content[step]
        else:
            return None
    return content


def same(one: object, other: Value) -> bool:
    """Return whether two values are equal and of the same type: `true` is neither 1 nor `"true"`."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other
    return type(one) is type(other) and one == other
