"""The import arrows of the architecture, proved by reading the source."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("rules", "hw", "controller")
CLOCKS_WIRES_AND_DISKS = {"time", "datetime", "os", "sqlite3", "asyncio", "random", "socket", "threading", "io"}
DEAR = {"pymodbus", "rich", "amqtt", "serial"}

CORE = sorted((ROOT / "controller" / "core").glob("*.py"))


def imported(path: Path) -> set[str]:
    """Return the modules a file imports, at any depth of it, whether to run or to be checked by."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides where it points"
            module = str(node.module)
            found |= {f"{module}.{alias.name}" for alias in node.names} if module in OURS else {module}
    return found


def outside(modules: set[str]) -> set[str]:
    """Return the top-level names that are neither ours nor the standard library's."""
    return {name.split(".")[0] for name in modules} - set(OURS) - sys.stdlib_module_names


def tops(modules: set[str]) -> set[str]:
    """Return the first part of each name."""
    return {name.split(".")[0] for name in modules}


@pytest.mark.parametrize("path", sorted((ROOT / "rules").glob("*.py")), ids=lambda path: path.stem)
def test_the_rules_import_the_standard_library_and_each_other(path: Path) -> None:
    """No clock, no wire, no disk, no chance: a decision is tested by a table."""
    names = tops(imported(path))
    assert names <= sys.stdlib_module_names | {"rules"}
    assert not names & CLOCKS_WIRES_AND_DISKS


@pytest.mark.parametrize("path", sorted((ROOT / "hw").rglob("*.py")), ids=lambda path: path.stem)
def test_the_devices_know_the_rules_for_their_types_at_most(path: Path) -> None:
    """A device does not know who listens to it."""
    assert "controller" not in tops(imported(path))


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.stem)
def test_core_imports_only_rules_and_core(path: Path) -> None:
    """The state machine alone may use the library it is built on."""
    names = imported(path)
    assert tops(names) & set(OURS) <= {"rules", "controller"}
    assert all(name.startswith("controller.core") for name in names if name.startswith("controller"))
    assert outside(names) == ({"transitions"} if path.stem == "state_machine" else set())
    assert not tops(names) & CLOCKS_WIRES_AND_DISKS


@pytest.mark.parametrize("module", ["controller.core.engine", "controller.daemon"])
def test_the_way_to_the_first_command_imports_nothing_dear(module: str) -> None:
    """The Pi wakes in the dark: milliseconds at the start are milliseconds of overload."""
    code = f"import sys, {module}; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert not tops(set(ran.stdout.split())) & DEAR
