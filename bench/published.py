"""Write the figures of long test runs into docs/reliability.md, between its marks.

    python -m bench.published --nights FILE --stress FILE [FILE …]

The files are the output of `make nights` and `make stress` with `--json`. Failures are published as well.
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

LABELS = {
    "broker away": "broker disconnected",
    "broker forgets": "broker loses retained messages",
    "broker remembers old": "broker returns old retained messages",
    "broker saves": "broker saves its state",
    "contact blinks": "contact opens briefly",
    "device blinks": "device briefly without power",
    "device by hand": "device switched manually",
    "device lies": "device reports its old position",
    "device mute": "device switches without a report",
    "device offline all night": "device offline for the whole night",
    "device refuses": "device does not switch",
    "device silent": "device does not respond",
    "device sound": "device working again",
    "devices repeat": "devices repeat their reports",
    "edges lost": "contact edges lost",
    "file edited": "configuration file edited",
    "file retagged": "circuit retagged",
    "file wrong": "configuration file invalid",
    "killed in a turn": "killed during an engine turn",
    "lagging": "commands sent late",
    "meter silent": "meter does not respond",
    "ask": "user request",
    "breaker moved by hand": "breaker switched manually",
    "breaker refuses": "breaker does not switch",
    "breaker silent": "breaker does not respond",
    "configuration wrong at restart": "configuration invalid at a restart",
    "contact moves": "contact changes several times",
    "person asks drill": "user request drill",
    "person asks drill-end": "user request drill-end",
    "person asks forget": "user request forget",
    "person asks hold": "user request hold",
    "person asks off": "user request off",
    "person asks on": "user request on",
    "person asks restore": "user request restore",
    "1 commandable": "1 circuit is commandable",
    "2 ours to give back": "2 ON only to owed circuits",
    "3 essential": "3 no OFF to essential circuits",
    "4 utility": "4 ON only on utility",
    "5 in the ledger": "5 shed circuit is in the ledger",
    "5 on the disk": "5 shed circuit is on disk",
    "5 over a crash": "5 shed circuit survives a crash",
    "5 was off before": "5 circuit that was off stays off",
    "6 bounce": "6 a bounce switches nothing",
    "6 shed": "6 a transfer sheds",
    "6 shed in a drill": "6 a drill sheds",
    "7 first tries first": "7 first attempts before retries",
    "8 paced": "8 time between commands",
    "9 stagger": "9 time between ON commands",
    "drill: asked for": "drill: accepted",
    "drill: ended by a person": "drill: ended by a user",
    "drill: given back": "drill: circuit restored",
    "drill: over": "drill: ended",
    "drill: over a crash": "drill: survives a crash",
    "drill: taken over by a transfer": "drill: became an outage",
    "energy": "energy of an outage",
    "live: given back": "liveness: restored",
    "live: shed": "liveness: shed",
}
"""Text on the page for the name of a fault or check, if the name alone does not explain it."""


def main() -> int:
    """Rewrite the page; return 0."""
    parser = argparse.ArgumentParser(prog="bench.published", description=__doc__)
    parser.add_argument("--nights", type=Path, help="output of make nights")
    parser.add_argument("--stress", type=Path, nargs="+", default=(), help="output of make stress, one or more runs")
    options = parser.parse_args()
    page = PAGE.read_text(encoding="utf-8")
    if options.nights:
        page = _with_nights(page, _read(options.nights))
    if options.stress:
        page = _with_stress(page, [_read(file) for file in options.stress])
    PAGE.write_text(page, encoding="utf-8")
    return 0


def _read(file: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return read


def replaced(page: str, mark: str, lines: Iterable[str]) -> str:
    """Return the page with `lines` between the two ends of `mark`. Raises `ValueError` unless it is there once."""
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
    cells = [f"{label(name)} | {whole(ran['faults'][name])} | {100 * n / good:.1f}%" for name, n in faults]
    head = (
        "| fault or event | count | in nights | | fault or event | count | in nights |",
        "|---|---|---|---|---|---|---|",
    )
    page = replaced(page, "faults", ("", *head, *columns(cells, 2, " | | "), ""))
    guards = sorted(ran["guard_nights"].items())
    rows = (f"| {label(name)} | {whole(ran['guards'][name])} | {100 * n / good:.1f}% |" for name, n in guards)
    return replaced(page, "guards", ("", "| check | count | in nights |", "|---|---|---|", *rows, ""))


def _nights(ran: Mapping[str, Any], good: int) -> list[str]:
    sums, worst, failed = ran["sums"], ran["worst"], [seed for seed, _ in ran["failed"]]
    (quiet_s, quiet_in), (tries, tries_in) = worst["quiet_s"], worst["most_tries"]
    crashed = 100 * sums["crashed"] / good
    return wrapped(
        f"Last long run: {whole(ran['nights'])} nights.",
        f"**{len(failed)} failed or got stuck**: {failed}." if failed else "**No night failed, no night got stuck.**",
        f"On average a night had {sums['faults'] / good:.1f} faults of {sums['names'] / good:.1f} different kinds.",
        f"{crashed:.0f}% of nights had a crash, kill or power cut ({whole(sums['crashes'])} in total).",
        f"Speed: {ran['nights_per_cpu_s']:.0f} nights per second of CPU time.",
        f"Worst cases: {quiet_s:.0f} s from the end of the last fault to the last command (night {quiet_in};",
        f"the limit is {ran['quiet_bound_s']:.0f} s); {tries:.0f} attempts of one OFF (night {tries_in});",
        f"{worst['crashes'][0]:.0f} crashes in one night; {worst['outages'][0]:.0f} outages in one night.",
    )


# --- stress ---------------------------------------------------------------------------------------------------------


def _with_stress(page: str, runs: Sequence[Mapping[str, Any]]) -> str:
    faults: Counter[str] = Counter()
    for ran in runs:
        faults.update(ran["faults"])
    page = replaced(page, "stress", _stress(runs))
    cells = [f"{label(name)} | {times}" for name, times in faults.items()]
    head = ("| fault | count | fault | count | fault | count |", "|---|---|---|---|---|---|")
    return replaced(page, "stressed", ("", *head, *columns(cells, 3, " | "), ""))


def _stress(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    wrong, stuck = (sum(len(ran[what]) for ran in runs) for what in ("wrong", "stuck"))
    seeds, outages = (", ".join(str(ran[what]) for ran in runs) for what in ("seed", "outages"))
    lost = sum(sum(ran["forgotten_for_the_ledger_was_lost"].values()) for ran in runs)

    def slowest_s(what: str) -> float:
        return max(float(ran["worst_s"].get(what, 0.0)) for ran in runs)

    return wrapped(
        f"Last runs: seeds {seeds}; **{outages} outages, {wrong} wrong, {stuck} stuck**.",
        f"{whole(sum(ran['commands_judged'] for ran in runs))} commands were checked.",
        f"Slowest results: all circuits shed {slowest_s('calm to all shed'):.1f} s after the last fault,",
        f"and all restored {slowest_s('contact closed to all back'):.1f} s after the contact closed",
        "(configured waits are fractions of a second).",
        "If a ledger was destroyed (corrupt, truncated, or its log deleted),",
        "no program can know which circuits are owed.",
        f"The program reports this. Such circuits are counted separately: {lost}.",
    )


# --- figures and tables ----------------------------------------------------------------------------------------------


def label(name: str) -> str:
    """Return the text on the page for the name of a fault or check."""
    plain = name.replace("_", " ")
    return LABELS.get(plain, plain)


def whole(figure: float) -> str:
    """Return a whole number with a comma between thousands."""
    return f"{figure:,.0f}"


def wrapped(*sentences: str) -> list[str]:
    """Return the sentences as lines of the page."""
    return wrap(" ".join(sentences), 120, break_long_words=False, break_on_hyphens=False)


def columns(cells: Sequence[str], beside: int, empty: str) -> Iterator[str]:
    """Yield the rows of a table with `beside` cells per row, filled column by column; `empty` pads the last column."""
    height = -(-len(cells) // beside)
    padded = [*cells, *(empty for _ in range(height * beside - len(cells)))]
    gap = " | | " if empty.count("|") > 1 else " | "  # an empty column between wide ones
    for row in range(height):
        yield "| " + gap.join(padded[row::height]) + " |"


if __name__ == "__main__":
    sys.exit(main())
