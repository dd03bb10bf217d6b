"""Show that the tests bite: break each rule by name in a copy of the tree, and see which test catches it.

Run alone: `python -m bench.mutants [words]`; with words, only the breakages whose rule or name holds one of them.
Exit 1 where a breakage survives, where its place in the source is gone, or where the tests are red without any.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.drill_mutations import DRILL_MUTATIONS
from bench.mutations import MUTATIONS

if TYPE_CHECKING:
    from bench.mutations import Mutation

ROOT = Path(__file__).parents[1]
NEEDED = ("rules", "controller", "clients", "hw", "tests", "pyproject.toml")
LONGEST_S = 120.0
"""A breakage that makes the tests run for ever is caught by that."""

RULES = tuple(f"tests/rules/test_{name}.py" for name in (
    "controllability", "contact", "contact_evidence", "ledger_entry", "ledger", "shed", "restore", "requests",
    "explain", "drill", "flapping",
))  # fmt: skip
HOUSE = tuple(f"tests/controller/core/test_{name}.py" for name in (
    "state_machine", "engine_source", "engine_shedding", "engine_unexpected_on", "engine_restoring",
    "engine_cold_start", "engine_ledger", "engine_changes", "drill", "requests", "outage_record", "truth",
    "drill_restore_all", "companion", "device_families", "circuit_loads",
))  # fmt: skip
FIRST = {
    "source": "engine_source",
    "states": "state_machine",
    "shedding": "engine_shedding",
    "restoring": "engine_restoring",
    "ledger": "engine_ledger",
    "changes": "engine_changes",
    "drill": "drill",
    "drills": "drill_restore_all",
    "truth": "truth",
    "companion": "companion",
    "evidence": "device_families",
    "contact": "engine_source",
    "power": "circuit_loads",
}
"""The claims in the house come first, for their names say most; then everything else."""


class Caught(NamedTuple):
    """What became of one breakage. `by`: the test that saw it; None: nobody did."""

    mutation: Mutation
    by: str | None


def tests_for(rule: str) -> tuple[str, ...]:
    """Return the files of the core's tests, the rule's own first."""
    own = f"tests/controller/core/test_{FIRST.get(rule.partition(' ')[0], 'engine_shedding')}.py"
    return (own, *(name for name in (*HOUSE, *RULES) if name != own))


def copy_to(folder: Path) -> Path:
    """Return a copy of what the tests need, without what they leave behind."""
    for name in NEEDED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "docs", folder / "docs")
    return folder


def run(folder: Path, files: tuple[str, ...], *options: str) -> list[str]:
    """Return the tests that failed in this tree."""
    # A broken file may be as long as the sound one and of the same second: compiled files would hide it.
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(folder)}
    command = [sys.executable, "-m", "pytest", "-q", "-rf", "--tb=no", "-p", "no:cacheprovider", *options, *files]
    try:
        ran = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=LONGEST_S, check=False
        )
    except subprocess.TimeoutExpired:
        return [f"longer than {LONGEST_S:.0f} s"]
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", ran.stdout, re.MULTILINE)
    if ran.returncode and not failed:
        failed = [f"pytest ended with {ran.returncode}: {ran.stdout[-200:]}{ran.stderr[-200:]}"]
    return failed


def broken(mutation: Mutation, red: list[str]) -> Caught:
    """Break one rule in a copy of the tree, and run the tests until the first that sees it."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        folder = copy_to(Path(name))
        file = folder / mutation.file
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
        failed = run(folder, tests_for(mutation.rule), "-x", *(f"--deselect={test}" for test in red))
    return Caught(mutation, failed[0] if failed else None)


def misplaced(mutations: list[Mutation]) -> list[Mutation]:
    """Return those whose place is gone, or no longer the only one: the list needs mending."""
    return [one for one in mutations if (ROOT / one.file).read_text(encoding="utf-8").count(one.old) != 1]


def row(caught: Caught) -> str:
    """Return the table's line for one breakage."""
    by = caught.by.split("::")[-1] if caught.by else "NOBODY: it survives"
    return f"{caught.mutation.rule:<13} {caught.mutation.name:<44} {by}"


def main(words: list[str]) -> int:
    """Break everything asked for, print who caught it, and return the exit code."""
    began = time.monotonic()
    wanted = [
        one
        for one in (*MUTATIONS, *DRILL_MUTATIONS)
        if not words or any(word in f"{one.rule} {one.name}" for word in words)
    ]
    gone = misplaced(wanted)
    with tempfile.TemporaryDirectory(prefix="sound-") as name:
        red = run(copy_to(Path(name)), tests_for("states"))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        caught = []
        for one in pool.map(partial(broken, red=red), [one for one in wanted if one not in gone]):
            caught.append(one)
            print(row(one), flush=True)
    survived = [one for one in caught if one.by is None]
    for mutation in gone:
        print(f"{mutation.rule:<13} {mutation.name:<44} its place in {mutation.file} is gone: mend bench/mutations.py")
    for test in red:
        print(f"red without any breakage, left out: {test}")
    print(f"{len(caught) - len(survived)} of {len(wanted)} breakages caught in {time.monotonic() - began:.0f} s")
    return 1 if survived or gone or red else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
