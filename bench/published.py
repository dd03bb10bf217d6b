"""Puts the figures of long runs into docs/reliability.md, between its marks, so that nobody copies them by hand.

    python -m bench.published --nights FILE --torture FILE [FILE …]

The files are what `make nights` and `make torture` write with `--json`. What failed is published, too.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"


def main() -> int:
    """Rewrite the page; return 0."""
    parser = argparse.ArgumentParser(prog="bench.published", description=__doc__)
    parser.add_argument("--nights", type=Path, help="what make nights wrote")
    parser.add_argument("--torture", type=Path, nargs="+", default=(), help="what make torture wrote, one or more runs")
    options = parser.parse_args()
    page = PAGE.read_text(encoding="utf-8")
    if options.nights:
        page = _with_nights(page, _read(options.nights))
    if options.torture:
        page = _with_torture(page, [_read(file) for file in options.torture])
    PAGE.write_text(page, encoding="utf-8")
    return 0


def _read(file: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return read


def replaced(page: str, mark: str, lines: Iterable[str]) -> str:
    """Return the page with these lines between the mark's two ends. Raises `ValueError` where it has none."""
    begin, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    body = "\n".join((begin, *lines, end))
    written, times = re.subn(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: body, page, flags=re.DOTALL)
    if times != 1:
        raise ValueError(f"the page has {begin} {times} times, not once")
    return written


# --- nights ----------------------------------------------------------------------------------------------------------


def _with_nights(page: str, ran: Mapping[str, Any]) -> str:
    good = max(1, ran["nights"] - len(ran["failed"]))
    page = replaced(page, "nights", _nights(ran, good))
    faults = sorted(ran["fault_nights"].items(), key=lambda item: -item[1])
    cells = [f"{name.replace('_', ' ')} | {whole(ran['faults'][name])} | {100 * n / good:.1f} %" for name, n in faults]
    head = (
        "| what happened | times | in nights | | what happened | times | in nights |",
        "|---|---|---|---|---|---|---|",
    )
    page = replaced(page, "faults", ("", *head, *columns(cells, 2, " | | "), ""))
    guards = sorted(ran["guard_nights"].items())
    rows = (f"| {name} | {whole(ran['guards'][name])} | {100 * n / good:.1f} % |" for name, n in guards)
    return replaced(page, "guards", ("", "| invariant | times | in nights |", "|---|---|---|", *rows, ""))


def _nights(ran: Mapping[str, Any], good: int) -> list[str]:
    sums, worst, failed = ran["sums"], ran["worst"], [seed for seed, _ in ran["failed"]]
    (quiet_s, quiet_in), (tries, tries_in) = worst["quiet_s"], worst["most_tries"]
    crashed = 100 * sums["crashed"] / good
    return wrapped(
        f"The last long run: {whole(ran['nights'])} nights,",
        f"**{len(failed)} broken or stuck**: {failed};" if failed else "**none broken, none stuck**;",
        f"{sums['faults'] / good:.1f} faults of {sums['names'] / good:.1f} names a night;",
        f"a crash, kill or power cut in {crashed:.0f} % of nights ({whole(sums['crashes'])} in all);",
        f"{ran['nights_per_cpu_s']:.0f} nights a second of CPU.",
        f"The worst: {quiet_s:.0f} s from the end of the last fault to the last command (night {quiet_in};",
        f"the bound is {ran['quiet_bound_s']:.0f} s), {tries:.0f} tries of one OFF (night {tries_in}),",
        f"{worst['crashes'][0]:.0f} crashes in a night, {worst['outages'][0]:.0f} outages in a night.",
    )


# --- torture ---------------------------------------------------------------------------------------------------------


def _with_torture(page: str, runs: Sequence[Mapping[str, Any]]) -> str:
    faults: Counter[str] = Counter()
    for ran in runs:
        faults.update(ran["faults"])
    page = replaced(page, "torture", _torture(runs))
    cells = [f"{name} | {times}" for name, times in faults.items()]
    head = ("| fault | times | fault | times | fault | times |", "|---|---|---|---|---|---|")
    return replaced(page, "tortured", ("", *head, *columns(cells, 3, " | "), ""))


def _torture(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    wrong, stuck = (sum(len(ran[what]) for ran in runs) for what in ("wrong", "stuck"))
    seeds, outages = (", ".join(str(ran[what]) for ran in runs) for what in ("seed", "outages"))
    lost = sum(sum(ran["forgotten_for_the_ledger_was_lost"].values()) for ran in runs)

    def slowest_s(what: str) -> float:
        return max(float(ran["worst_s"].get(what, 0.0)) for ran in runs)

    return wrapped(
        f"Last runs: seeds {seeds}; **{outages} outages, {wrong} wrong, {stuck} stuck**;",
        f"{whole(sum(ran['commands_judged'] for ran in runs))} commands judged.",
        f"The slowest: all shed {slowest_s('calm to all shed'):.1f} s after the last fault, all given back",
        f"{slowest_s('contact closed to all back'):.1f} s after the contact closed (waits are fractions of a second).",
        "Where a ledger was destroyed (corrupt, cut off, its log deleted) no program can know what it owed.",
        f"That is said aloud; such circuits are counted apart: {lost}.",
    )


# --- figures and tables ----------------------------------------------------------------------------------------------


def whole(figure: float) -> str:
    """Return a whole number with a space between thousands."""
    return f"{figure:,.0f}".replace(",", " ")


def wrapped(*sentences: str) -> list[str]:
    """Return the sentences as lines of the page."""
    return wrap(" ".join(sentences), 120, break_long_words=False, break_on_hyphens=False)


def columns(cells: Sequence[str], beside: int, empty: str) -> Iterator[str]:
    """Yield the rows of a table that has so many cells beside each other, filled column by column."""
    height = -(-len(cells) // beside)
    padded = [*cells, *(empty for _ in range(height * beside - len(cells)))]
    gap = " | | " if empty.count("|") > 1 else " | "  # wide columns stand apart
    for row in range(height):
        yield "| " + gap.join(padded[row::height]) + " |"


if __name__ == "__main__":
    sys.exit(main())
