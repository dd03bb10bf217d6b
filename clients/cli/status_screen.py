"""Terminal of `loadshed status --watch`: the whole screen is drawn again, and restored at the end."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_OTHER_SCREEN, _FIRST_SCREEN = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_HOME, _REST_OF_LINE, _REST_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"
"""Control sequences of xterm and ECMA-48: another screen without a cursor, and back; first place; erase."""


def can_watch() -> bool:
    """Return whether stdout is a terminal that can be drawn on."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


@contextmanager
def other_screen() -> Iterator[None]:
    """Draw on the terminal's other screen until the end. What was on the terminal before is there again then."""
    sys.stdout.write(_OTHER_SCREEN)
    try:
        yield
    finally:
        sys.stdout.write(_FIRST_SCREEN)
        sys.stdout.flush()


def rows() -> int:
    """Return the height of the terminal in lines."""
    return shutil.get_terminal_size((80, 24)).lines


def draw(text: str) -> None:
    """Draw these lines from the top, in place of what was drawn before."""
    lines = (line + _REST_OF_LINE for line in text.split("\n"))
    sys.stdout.write(_HOME + "\r\n".join(lines) + _REST_OF_SCREEN)
    sys.stdout.flush()
