"""Tables of a configuration file as text, with comments; and one table of a file changed while the rest stays."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from controller.config.table_reader import keys_of
from controller.config.validators import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

_HEADER = re.compile(r"^[ \t]*\[([^\[\]\n]+)\][ \t]*(?:#[^\n]*)?$", re.MULTILINE)
_COMMENTS_FROM = 28


def table_text(name: str, table: object, comments: Mapping[str, str]) -> str:
    """Return `[name]` with what must be written and what differs from its default, each key with its comment."""
    lines = [f"[{name}]"]
    # A name is what its reader looks for; the rest stands as it does in the pages.
    for key in sorted(keys_of(type(table)), key=lambda key: key.name != "name"):
        value = getattr(table, key.name)
        if key.required or value != key.default or (key.name in comments and value is not None):
            lines.append(_line(key.name, value, comments.get(key.name)))
    return "\n".join(lines) + "\n"


def _line(name: str, value: object, comment: str | None) -> str:
    line = f"{name} = {toml_value(value)}"
    return f"{line:<{_COMMENTS_FROM - 1}} # {comment}" if comment else line


def toml_value(value: object) -> str:
    """Return a value as TOML wants it."""
    if isinstance(value, Enum):
        return toml_value(value.value)
    if isinstance(value, tuple):
        items = [toml_value(item) for item in value]
        return items[0] if len(items) == 1 else f"[{', '.join(items)}]"
    if isinstance(value, float):
        return str(plain(value))
    # What TOML and JSON both have, both write alike.
    return json.dumps(value, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class _Block:
    name: str
    text: str


def with_table(text: str, name: str, table: str | None) -> str:
    """Return a file's text with one table in place of what it has under this name; None takes it out.

    A table that is not there yet comes to the end. What stands between two tables belongs to the second, and stays.
    """
    preamble, blocks = _blocks(text)
    written, changed = False, []
    for block in blocks:
        if block.name != name:
            changed.append(block.text)
            continue
        if table is not None and not written:
            changed.append(table)
        written = True
        changed.append(_after(block.text))
    if not written and table is not None:
        changed.append(("" if _ends_blank(preamble, changed) else "\n") + table)
    return preamble + "".join(changed)


def _ends_blank(preamble: str, changed: list[str]) -> bool:
    before = "".join((preamble, *changed))
    return not before or before.endswith("\n\n")


def _blocks(text: str) -> tuple[str, list[_Block]]:
    heads = list(_HEADER.finditer(text))
    if not heads:
        return _ended(text), []
    ends = [*(head.start() for head in heads[1:]), len(text)]
    blocks = [_Block(_bare(head[1]), _ended(text[head.start() : end])) for head, end in zip(heads, ends, strict=True)]
    return text[: heads[0].start()], blocks


def _bare(name: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in name.split("."))


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"


def _after(block: str) -> str:
    """Return the blank lines and comments at the end of a table's text."""
    lines = block.splitlines(keepends=True)
    end = len(lines)
    while end > 1 and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
        end -= 1
    return "".join(lines[end:])
