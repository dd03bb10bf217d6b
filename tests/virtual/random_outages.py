"""Many nights, and what they came to.

python -m tests.virtual.random_outages 10000            play so many; --jobs 2, --first K, --json FILE
python -m tests.virtual.random_outages --seed 4711      play one again; where it fails, as a short story; --record FILE
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from controller.recording.format import Part, to_line
from tests.virtual.faults import NAMES, NO_FAULTS
from tests.virtual.night import OUR_ERRORS, QUIET_S, Night, failure, play, shrunk, words

if TYPE_CHECKING:
    from collections.abc import Iterable

CHUNK = 250


@dataclass
class Campaign:
    """What many nights came to.

    `failed`: the number of each night that failed, and why. `…_nights`: in how many nights. `worst`: the highest of
    each measure, and the night's number.
    """

    nights: int = 0
    failed: list[tuple[int, str]] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    fault_nights: Counter[str] = field(default_factory=Counter)
    guards: Counter[str] = field(default_factory=Counter)
    guard_nights: Counter[str] = field(default_factory=Counter)
    sums: Counter[str] = field(default_factory=Counter)
    worst: dict[str, tuple[float, int]] = field(default_factory=dict)
    cpu_s: float = 0.0

    def play(self, seed: int) -> None:
        """Play one more night; continue if it fails."""
        self.nights += 1
        try:
            story = play(seed)
        except OUR_ERRORS as error:
            self.failed.append((seed, words(error)))
            return
        faults = Counter({name: count for name, count in story.faults.items() if name not in NO_FAULTS})
        self.faults += story.faults
        self.fault_nights += Counter(story.faults.keys())
        self.guards += story.guards
        self.guard_nights += Counter(story.guards.keys())
        crashed = story.crashes > 0
        self.sums += Counter(
            {"faults": faults.total(), "names": len(faults), "crashed": crashed, "dark": story.outages > 0}
        )
        self.sums += Counter({"lived_s": int(story.lived_s), "turns": story.turns, "crashes": story.crashes})
        for measure in ("quiet_s", "most_tries", "crashes", "turns", "outages"):
            self._worst(measure, float(getattr(story, measure)), seed)

    def _worst(self, measure: str, value: float, seed: int) -> None:
        if measure not in self.worst or value > self.worst[measure][0]:
            self.worst[measure] = (value, seed)

    def add(self, other: Campaign) -> None:
        """Merge what another process played."""
        self.nights += other.nights
        self.cpu_s += other.cpu_s
        self.failed += other.failed
        for name in ("faults", "fault_nights", "guards", "guard_nights", "sums"):
            getattr(self, name).update(getattr(other, name))
        for measure, (value, seed) in other.worst.items():
            self._worst(measure, value, seed)

    @property
    def pace(self) -> float:
        """Return nights per second of CPU."""
        return self.nights / max(self.cpu_s, 0.001)

    def report(self) -> str:
        """Return all figures, as a table."""
        good, sums = max(1, self.nights - len(self.failed)), self.sums
        return "\n".join(
            [
                f"{self.nights} nights, {len(self.failed)} failed",
                f"{self.cpu_s:.0f} s of CPU, {self.pace:.0f} nights/s; {sums['turns']} turns of the engine",
                f"{sums['lived_s'] / 86400:.1f} days lived, {QUIET_S:.0f} s of each night after its last fault",
                f"a night: {sums['faults'] / good:.1f} faults of {sums['names'] / good:.1f} names",
                f"an outage was seen in {100 * sums['dark'] / good:.1f} % of nights",
                f"a crash or restart in {100 * sums['crashed'] / good:.1f} % of nights",
                "",
                f"{'what happened (* is no fault)':<40}{'times':>9}{'nights':>10}",
                *(
                    _row(f"{name}{'*' * (name in NO_FAULTS)}", self.faults, self.fault_nights, name, good)
                    for name in NAMES
                ),
                "",
                f"{'invariants that had something to hold':<40}{'times':>9}{'nights':>10}",
                *(_row(name, self.guards, self.guard_nights, name, good) for name in sorted(self.guards)),
                "",
                "worst",
                *(f"  {name:<38}{value:>9.1f}  in night {seed}" for name, (value, seed) in self.worst.items()),
                *(f"FAILED {why}\n  again: make nights SEED={seed}" for seed, why in self.failed),
            ]
        )

    def as_json(self) -> dict[str, object]:
        """Return it all, as programs read it."""
        return vars(self) | {"quiet_bound_s": QUIET_S, "nights_per_cpu_s": self.pace}

    def keep(self, file: Path | None) -> None:
        """Write the figures so far, where they are wanted."""
        if file is not None:
            file.write_text(json.dumps(self.as_json(), indent=1), encoding="utf-8")


def _row(title: str, times: Counter[str], nights: Counter[str], name: str, of: int) -> str:
    return f"  {title:<38}{times[name]:>9}{100 * nights[name] / of:>8.1f} %"


def campaign(seeds: Iterable[int]) -> Campaign:
    """Play the nights of these numbers."""
    gc.set_threshold(100_000)  # a night makes few cycles, and ends soon
    began, played = time.process_time(), Campaign()
    for seed in seeds:
        played.play(seed)
    played.cpu_s = time.process_time() - began
    return played


def in_parallel(first: int, nights: int, jobs: int, file: Path | None = None) -> Campaign:
    """Play this number of nights in several processes, and show the progress; `file`: save the figures there."""
    played = Campaign()
    chunks = [range(at, min(at + CHUNK, first + nights)) for at in range(first, first + nights, CHUNK)]
    with get_context("spawn").Pool(jobs) as pool:
        for number, part in enumerate(pool.imap_unordered(campaign, chunks), 1):
            played.add(part)
            for seed, why in part.failed:
                print(f"night {seed}: {why}", file=sys.stderr, flush=True)  # noqa: T201
            if number % 20 == 0 or number == len(chunks):
                print(f"{played.nights} nights", file=sys.stderr, flush=True)  # noqa: T201
                played.keep(file)
    played.failed.sort()
    return played


def story(seed: int, record: Path | None = None) -> tuple[str, bool]:
    """Return one night in words, as short as possible if it fails; and whether it fails.

    `record`: write the engine's inputs there, for `loadshed replay`.
    """
    night, told, tape = Night(seed), list[str](), list[Part]()
    night.house.close()
    plan, wrong = night.plan, failure(seed)
    if wrong is not None:
        plan = shrunk(plan, lambda less: failure(seed, less) is not None)
    why = failure(seed, plan, told, tape)
    if record is not None:
        record.write_text("".join(f"{to_line(part)}\n" for part in tape), encoding="utf-8")
    if wrong is None:
        return f"night {seed}: nothing is wrong\n{play(seed)}", False
    lines = [f"night {seed}: {wrong}", f"shrunk to {len(plan)} happenings, it fails with: {why}"]
    lines += [f"  {happening.at_s:9.3f} s  {happening.words}" for happening in plan]
    return "\n".join([*lines, "in full:", *told]), True


def main() -> int:
    """Play what the command line says; return 1 where a night failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.virtual.random_outages")
    parser.add_argument("nights", type=int, nargs="?", default=1000)
    parser.add_argument("--first", type=int, default=0, help="the first night's number")
    parser.add_argument("--jobs", type=int, default=1, help="so many processes at once")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    parser.add_argument("--seed", type=int, help="play this one night, and tell where it fails")
    parser.add_argument("--record", type=Path, help="write that night there, for `loadshed replay`")
    asked = parser.parse_args()
    if asked.seed is not None:
        tale, failed = story(asked.seed, asked.record)
        print(tale)  # noqa: T201
        return int(failed)
    played = in_parallel(asked.first, asked.nights, asked.jobs, asked.json)
    print(played.report(), flush=True)  # noqa: T201
    return 1 if played.failed else 0


if __name__ == "__main__":
    sys.exit(main())
