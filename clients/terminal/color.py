"""Colors of the terminal, if it has any: emphasis only, so that nothing is lost without them."""

from __future__ import annotations

import os
import sys

RED, YELLOW, GREEN, BOLD = "31", "33", "32", "1"
"""Codes of the terminal standard ECMA-48 ("select graphic rendition")."""


def uses_color() -> bool:
    """Return whether stdout is a terminal that shows colors. The variable NO_COLOR switches them off."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"


def colored(text: str, *codes: str) -> str:
    """Return the text in color if stdout shows colors. Its width stays the same."""
    return f"\x1b[{';'.join(codes)}m{text}\x1b[0m" if uses_color() else text
