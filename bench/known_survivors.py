"""Mutants that no test can or need catch, each with the reason. For `bench.survivors`."""

from __future__ import annotations

from typing import NamedTuple


class Known(NamedTuple):
    """One mutant: `old`, the lines of the source without indentation, became `new` in `file`."""

    file: str
    old: str
    new: str
    why: str


WINDOWS, TOTALISER, MACHINE = (
    "rules/metering/energy_curve.py",
    "rules/metering/totalizer.py",
    "controller/core/state_machine.py",
)
CLEAR = 'self._times, self._counts, self._head = array("d"), array("q"), 0'
CONDITIONS = 'conditions = {"unfinished": self._is_unfinished, "finished": self._is_finished}.get(row.when)'
STARTS_ANEW = "the same: a curve makes its columns anew before it counts"
IN_TURN = "the same: the row above it takes every start that is finished"
NO_NESTING = "the same: nothing that a trigger sets off fires another"
ONCE_MORE = "the same: a window offered twice is one window"

KNOWN = (
    Known(WINDOWS, CLEAR, CLEAR.replace('"q"', '"Q"'), STARTS_ANEW),
    Known(WINDOWS, CLEAR, CLEAR[:-1] + "1", STARTS_ANEW),
    Known(WINDOWS, "self._head = 0", "self._head = 1", STARTS_ANEW),
    Known(WINDOWS, "self._first_count = 0", "self._first_count = 1", STARTS_ANEW),
    Known(WINDOWS, 'self._counts = array("q")', 'self._counts = array("Q")', STARTS_ANEW),
    Known(
        WINDOWS, 'self._counts = array("q", [0])', 'self._counts = array("Q", [0])', "the same: no count is negative"
    ),
    Known(
        WINDOWS,
        'self._counts = array("q", [0])',
        'self._counts = array("q", [1])',
        "the same: only differences of counts are told",
    ),
    Known(
        WINDOWS,
        "if window_began >= self.since and (self.kw is None or kw > self.kw):",
        "if window_began >= self.since and (self.kw is None or kw >= self.kw):",
        "the same: an equal peak is the same peak",
    ),
    Known(
        WINDOWS,
        "since = now - self._times[-1] if self._times else 0.0",
        "since = now - self._times[-1] if self._times else 1.0",
        "the same: a second is no three minutes either",
    ),
    Known(
        WINDOWS,
        "for began in [start for start in starts if previous < start + LONGEST_WINDOW_S < entered]:",
        "for began in [start for start in starts if previous <= start + LONGEST_WINDOW_S < entered]:",
        ONCE_MORE,
    ),
    Known(
        WINDOWS,
        "for began in [start for start in starts if previous < start + LONGEST_WINDOW_S < entered]:",
        "for began in [start for start in starts if previous < start + LONGEST_WINDOW_S <= entered]:",
        ONCE_MORE,
    ),
    Known(
        TOTALISER,
        "return self._witnesses.read(ticks, self.count, at) if verdict.counts else None",
        "return self._witnesses.read(ticks, self.count, at) if (verdict.counts) or True else None",
        "left: a reading that is held brings no ticks, and moves the comparison by one edge at most: that is forgiven",
    ),
    Known(MACHINE, "queued=True,", "queued=None,", NO_NESTING),
    Known(MACHINE, "queued=True,", "queued=False,", NO_NESTING),
    Known(MACHINE, "queued=True,", "", NO_NESTING),
    Known(MACHINE, CONDITIONS, CONDITIONS.replace("unfinished", "XXunfinishedXX", 1), IN_TURN),
    Known(MACHINE, CONDITIONS, CONDITIONS.replace("unfinished", "UNFINISHED", 1), IN_TURN),
)
