"""No wait in tests or benches is without a time limit, and programs under test start with default signals."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.processes import killed_after

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
GUEST = ROOT / "tests" / "appliance" / "guest"  # programs of the virtual Pi, not tests
PRINT_INT = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"


def unlimited(node: ast.AST, *, limited: bool = False) -> Iterator[ast.Call]:
    """Return waits for a process, thread or socket that have neither a time limit nor an enclosing one."""
    for child in ast.iter_child_nodes(node):
        inside = limited or (isinstance(child, ast.With | ast.AsyncWith) and any(map(limits, child.items)))
        if isinstance(child, ast.Call) and not inside and isinstance(child.func, ast.Attribute):
            name, owner = child.func.attr, ast.unparse(child.func.value)
            has_limit = any(keyword.arg == "timeout" for keyword in child.keywords)
            if owner == "subprocess" and name in {"run", "check_output", "check_call", "call"} and not has_limit:
                yield child
            if name in {"communicate", "join", "wait"} and not (child.args or child.keywords) and owner != "bench":
                yield child
        yield from unlimited(child, limited=inside)


def limits(item: ast.withitem) -> bool:
    """Return whether a context manager ends what is done in it after a time."""
    return ast.unparse(item.context_expr).startswith(("asyncio.timeout(", "killed_after("))


BACKGROUND = {
    "tests/system/program.py": "reads a program's log until it ends; `Program.ended` limits the wait for it",
    "tests/controller_stub.py": "serves its connection until its task is cancelled",
    "tests/system/on_bus.py": "serves its connection until its task is cancelled",
}


def sources() -> Iterator[Path]:
    """Return the files of tests and benches."""
    for folder in ("tests", "bench"):
        yield from (path for path in (ROOT / folder).rglob("*.py") if GUEST not in path.parents)


def test_every_wait_has_a_time_limit() -> None:
    """A program that does not end fails its test, and stops no run."""
    found = {
        f"{path.relative_to(ROOT)}:{call.lineno}: {ast.unparse(call)}"
        for path in sources()
        if str(path.relative_to(ROOT)) not in BACKGROUND
        for call in unlimited(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert found == set()


def test_children_start_with_default_signals() -> None:
    """Also when pytest itself was started with SIGINT ignored: the conftest module sees to it."""
    code = f"import subprocess, sys, tests.conftest; subprocess.run([sys.executable, '-c', {PRINT_INT!r}], timeout=60)"
    command = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", sys.executable, "-c", code]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, timeout=60)
    assert ran.stdout == "True\n"


def test_a_process_that_writes_nothing_is_killed() -> None:
    """A blocking read ends with the process, and the test fails."""
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        with pytest.raises(TimeoutError, match=r"killed after 0\.2 s"):
            _read(process)
        assert process.wait(10) < 0


def _read(process: subprocess.Popen[str]) -> None:
    with killed_after(process, 0.2):
        assert process.stdout is not None
        process.stdout.readline()
