"""Lines on stdout and stderr, on terminals of any encoding. Documents and files are UTF-8 always."""

from __future__ import annotations

import codecs
import io
import json
import sys
import unicodedata
from typing import TYPE_CHECKING, TextIO

from wcwidth import wcwidth

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rules.json_types import Json

_DEGRADE = "loadshed.degrade"

_PLAIN = {
    "─": "-",
    "═": "=",
    "–": "-",
    "—": "-",
    "…": "...",
    "≤": "<=",
    "≥": ">=",
    "→": "->",
    "×": "x",
    "±": "+/-",
    "“": '"',
    "”": '"',
    "‘": "'",
    "’": "'",
    "·": ".",
    "°": " deg",
    "✓": "x",
    "•": "*",
    "ß": "ss",
    "ø": "o",
    "Ø": "O",
    "æ": "ae",
    "Æ": "AE",
    "ł": "l",
    "Ł": "L",
    "│": "|",
    **dict.fromkeys("▁▂▃", "_"),
    **dict.fromkeys("▄▅▆", "="),
    **dict.fromkeys("▇█", "#"),
}
"""What stands for signs that the terminal cannot show."""


def prepare_streams() -> None:
    """Let stdout and stderr replace what their encoding does not have, instead of failing."""
    codecs.register_error(_DEGRADE, _degraded)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_DEGRADE)


def _degraded(error: UnicodeError) -> tuple[str, int]:
    """Return a replacement for the signs that cannot be encoded, and where to go on."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_plain, error.object[error.start : error.end])), error.end


def _plain(sign: str) -> str:
    """Return an ASCII replacement: the letter without its accent, a similar sign, or `?` for each of its columns."""
    base = unicodedata.normalize("NFKD", sign)[0]
    return _PLAIN.get(sign) or (
        base if base.isascii() else "?" * max(wcwidth(sign), unicodedata.category(sign) == "Cs")
    )


def print_line(text: str = "") -> None:
    """Write a line to stdout."""
    sys.stdout.write(text + "\n")


def print_json(fields: Mapping[str, Json] | Sequence[Mapping[str, Json]]) -> None:
    """Write JSON to stdout: valid in any encoding."""
    sys.stdout.write(json.dumps(fields, indent=2, ensure_ascii=not _is_utf8(sys.stdout), allow_nan=False) + "\n")


def print_document(text: str) -> None:
    """Write a page or a table for another program to stdout, in UTF-8 whatever the terminal's encoding is."""
    if _is_utf8(sys.stdout) or not hasattr(sys.stdout, "buffer"):
        sys.stdout.write(text)
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()


def _is_utf8(stream: TextIO) -> bool:
    return (stream.encoding or "utf-8").lower().replace("-", "").replace("_", "") == "utf8"


def print_error(text: str) -> None:
    """Write an error message to stderr, with the name of the program."""
    sys.stderr.write(f"loadshed: {text}\n")
