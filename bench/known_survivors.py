"""Mutants that no test can or need catch, each with the reason. For `bench.survivors`."""

from __future__ import annotations

from typing import NamedTuple


class Known(NamedTuple):
    """One mutant: `old`, the lines of the source without indentation, became `new` in `file`."""

    file: str
    old: str
    new: str
    why: str


KNOWN: tuple[Known, ...] = ()
