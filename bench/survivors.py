"""Break the decisions in every small way mutmut knows, and list the breakages that no test sees.

Run alone: `python -m bench.survivors [--jobs N] [names]`; names as mutmut writes them: `rules.device_reports.*`.
Prints a table by file and each survivor, with the reason where one is known (`known_survivors.py`).
Exit 1 where less than 95 % are caught.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from bench.known_survivors import KNOWN
from bench.mutants import ROOT, copy_to

FOLDER = ROOT / "build" / "mutation"
WANTED = 0.95
LONGEST_S = 4 * 3600.0
"""Time limit of one command of mutmut, in seconds; a run of everything takes half an hour on an idle machine."""
_MUTANT = re.compile(r"^\s+(\S+): (.+)$", re.MULTILINE)
_PATH = re.compile(r"^--- (\S+)", re.MULTILINE)
_CHANGED = re.compile(r"^[-+](?![-+] )(.*)$", re.MULTILINE)


class Mutant(NamedTuple):
    """One breakage that the tests did not catch: as mutmut names it, where it is, what was there and what became of it.

    `fate`: "survived", "timeout", "no tests", or whatever else mutmut says; "types": mypy refuses it.
    """

    name: str
    fate: str
    file: str
    old: str
    new: str

    @property
    def reason(self) -> str | None:
        """Return why it may survive, or what its running for ever means; None: nobody has said yet."""
        return next((known.why for known in KNOWN if (known.file, known.old, known.new) == self[2:]), None)


def mutmut(*words: str) -> str:
    """Run mutmut in the copy; return what it said."""
    command = [str(Path(sys.executable).with_name("mutmut")), *words]
    return subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=True, timeout=LONGEST_S).stdout


def break_everything(names: list[str], jobs: int) -> bool:
    """Run the tests of each mutant; what mutmut draws goes to a log. Return whether it came to an end."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    copy_to(FOLDER)
    log = FOLDER / "mutmut.log"
    print(f"running; follow it in {log.relative_to(ROOT)}", flush=True)
    command = [str(Path(sys.executable).with_name("mutmut")), "run", "--max-children", str(jobs), *names]
    with log.open("w", encoding="utf-8") as said:
        ran = subprocess.run(command, cwd=FOLDER, stdout=said, stderr=subprocess.STDOUT, check=False, timeout=LONGEST_S)
    if ran.returncode:
        print("it did not come to an end; are the tests red without any breakage?")
        print("".join(log.read_text(encoding="utf-8").splitlines(keepends=True)[-20:]))
    return ran.returncode == 0


def fates() -> dict[str, str]:
    """Return what became of each mutant that was tried."""
    return {name: fate for name, fate in _MUTANT.findall(mutmut("results", "--all", "true")) if fate != "not checked"}


def file_of(name: str) -> str:
    """Return the source file of a mutant."""
    return "/".join(name.rpartition(".x")[0].split(".")) + ".py"


def looked_at(name: str, fate: str) -> Mutant:
    """Return a mutant with what it changed."""
    shown = mutmut("show", name)
    path = _PATH.search(shown)
    lines = [match.group(0) for match in _CHANGED.finditer(shown) if not match.group(0).startswith(("---", "+++"))]
    old = "\n".join(line[1:].strip() for line in lines if line[0] == "-")
    new = "\n".join(line[1:].strip() for line in lines if line[0] == "+")
    return Mutant(name, fate, path.group(1) if path else file_of(name), old, new)


def refused_by_the_types(mutant: Mutant) -> bool:
    """Tell whether `make check` would refuse the mutant: mypy, strict, on the file as broken."""
    file = FOLDER / mutant.file
    sound = file.read_text(encoding="utf-8")
    mutmut("apply", mutant.name)
    try:
        command = [sys.executable, "-m", "mypy", "--no-error-summary", "-p", "rules", "-p", "controller"]
        return subprocess.run(command, cwd=FOLDER, capture_output=True, check=False, timeout=LONGEST_S).returncode == 1
    finally:
        file.write_text(sound, encoding="utf-8")


def judged(mutant: Mutant) -> Mutant:
    """Return the mutant with the last word on it."""
    if mutant.fate == "survived" and refused_by_the_types(mutant):
        return mutant._replace(fate="types")
    return mutant


def table(all_fates: dict[str, str], missed: list[Mutant]) -> list[str]:
    """Return the lines of the table: by file, how many were caught and by what; then all together."""
    last_word = all_fates | {mutant.name: mutant.fate for mutant in missed}
    endless = {mutant.name for mutant in missed if mutant.fate == "timeout" and mutant.reason}
    by_file: dict[str, Counter[str]] = {}
    for name, fate in last_word.items():
        for row in (file_of(name), "all"):
            counts = by_file.setdefault(row, Counter())
            counts["endless" if name in endless else fate] += 1
    lines = [f"{'file':<24}{'mutants':>8}{'tests':>8}{'endless':>9}{'types':>7}{'missed':>8}{'caught':>9}"]
    for row, counts in sorted(by_file.items(), key=lambda item: (item[0] == "all", item[0])):
        caught = counts["killed"] + counts["endless"] + counts["types"]
        lines.append(
            f"{row:<24}{counts.total():>8}{counts['killed']:>8}{counts['endless']:>9}{counts['types']:>7}"
            f"{counts.total() - caught:>8}{100 * caught / counts.total():>8.1f} %"
        )
    return lines


def story(mutant: Mutant) -> str:
    """Return a mutant that was not caught, with what is known of it."""
    head = f"{mutant.fate}: {mutant.name}: {mutant.reason or 'nobody has said why'}"
    return "\n".join([head, *(f"    - {line}" for line in mutant.old.split("\n")), f"    + {mutant.new}"])


def main(words: list[str]) -> int:
    """Break everything asked for, print what was not caught, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("names", nargs="*")
    asked = parser.parse_args(words)
    began = time.monotonic()
    if not break_everything(asked.names, asked.jobs):
        return 1
    all_fates = fates()
    missed = [judged(looked_at(name, fate)) for name, fate in all_fates.items() if fate != "killed"]
    for mutant in missed:
        if mutant.fate != "types":
            print(story(mutant))
    lines = table(all_fates, missed)
    print(*lines, f"{time.monotonic() - began:.0f} s", sep="\n")
    caught = float(lines[-1].split()[-2]) / 100
    return 0 if caught >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
