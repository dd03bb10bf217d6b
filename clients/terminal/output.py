"""Lines on stdout and stderr."""

from __future__ import annotations

import sys


def print_line(text: str = "") -> None:
    """Write a line to stdout."""
    sys.stdout.write(text + "\n")


def print_error(text: str) -> None:
    """Write an error message to stderr, with the name of the program."""
    sys.stderr.write(f"loadshed: {text}\n")
