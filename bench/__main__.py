"""All benches, one after the other, each in a process of its own; at the end, one table. `make bench`."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import NamedTuple

from tests.processes import LIMIT_S, killed_after, use_default_signals_in_children

BENCHES = (
    ("reaction",),
    ("start",),
    ("devices",),
    ("at_rest",),
    ("meter_at_rest",),
    ("disk",),
    ("simulated_time",),
    ("demand",),
    ("meter_faults",),
    ("meter_faults", "--pty"),
)
HEADS = ("what", "ours", "reference", "ratio", "wanted")
WIDEST = 60
LONGEST_S = 1800.0
"""Time limit of one bench, in seconds."""


class Row(NamedTuple):
    """One figure, beside the figure it is held against."""

    what: str
    ours: str = ""
    reference: str = ""
    ratio: str = ""
    wanted: str = ""


def row(line: str) -> Row | None:
    """Return the row a bench printed; None for a line that is none.

    A full row has five cells between bars; four are what, ours, wanted, and a ratio or a remark. Those of demand stand
    in columns.
    """
    bare = line[1:-1] if line.startswith("|") else line
    cells = [cell.strip() for cell in bare.split("|")]
    if len(cells) == len(HEADS):
        return Row(*cells)
    if len(cells) == len(HEADS) - 1 and cells[0] not in ("figure", "---"):
        what, ours, wanted, last = cells
        is_ratio = re.fullmatch(r"[\d.]+", last) is not None
        return Row(what, ours, "" if is_ratio else last, last if is_ratio else "", wanted)
    if (columns := re.fullmatch(r"(ok|NOT)\s+(.+?)\s{2,}(.+?)\s{2,}must: (.+)", line)) is not None:
        _, what, ours, wanted = columns.groups()
        return Row(what, ours, "", "", wanted)
    return None


def run(bench: tuple[str, ...]) -> tuple[list[Row], bool]:
    """Run one bench; return its rows, and whether it reached its end. What it says beside is shown as it comes."""
    name, *arguments = bench
    process = subprocess.Popen([sys.executable, "-m", f"bench.{name}", *arguments], stdout=subprocess.PIPE, text=True)
    rows = []
    with killed_after(process, LONGEST_S):
        for line in process.stdout or ():
            sys.stderr.write(line)
            if (found := row(line.rstrip("\n"))) is not None:
                rows.append(found)
    if code := process.wait(LIMIT_S):
        rows.append(Row(f"bench.{name}", f"ENDED WITH {code}", wanted="0"))
    return rows, code == 0


def table(rows: list[Row]) -> str:
    """Return the rows under their heads, aligned as far as a terminal's width allows."""
    lines = [Row(*HEADS), *rows]
    wide = [min(WIDEST, max(map(len, column))) for column in zip(*lines, strict=True)]
    drawn = [" | ".join(cell.ljust(size) for cell, size in zip(line, wide, strict=True)).rstrip() for line in lines]
    drawn.insert(1, "-|-".join("-" * size for size in wide))
    return "\n".join(drawn)


def main(wanted: list[str]) -> int:
    """Run the benches named, all without a name; return 1 where one did not reach its end."""
    use_default_signals_in_children()
    rows, reached = [], []
    for bench in BENCHES:
        if not wanted or bench[0] in wanted:
            sys.stderr.write(f"--- bench.{' '.join(bench)}\n")
            found, well = run(bench)
            rows += found
            reached.append(well)
    print(table(rows))
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
