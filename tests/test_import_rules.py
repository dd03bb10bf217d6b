"""Test the import rules of the architecture, folder by folder, by reading the source."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PRODUCT = ("rules", "hw", "controller", "clients")
IMPURE = {
    *("asyncio", "datetime", "io", "multiprocessing", "os", "pathlib", "random", "secrets", "select", "selectors"),
    *("shutil", "signal", "socket", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "time"),
}
"""Modules with a clock, a socket, a process, a file or chance."""

SLOW_TO_IMPORT = {"pymodbus", "rich", "amqtt", "serial"}

OPEN_TO_CLIENTS = (
    *("controller.bus", "controller.config", "controller.storage", "controller.recording"),
    *("controller.version",),
    *("controller.runtime.clock", "controller.runtime.journal", "controller.runtime.startup"),
)
OPEN_TO_ONE_FOLDER = {
    "clients/cli": ("controller.__main__",),
    "clients/demo": ("controller.daemon",),
    "clients/devices": ("controller.core.events", "controller.core.effects"),  # it reads reports as the controller does
    "clients/replay": ("controller.core",),
}


def module_name(path: Path) -> str:
    """Return the dotted name of a file of the product."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


FILES = {module_name(path): path for top in PRODUCT for path in sorted((ROOT / top).rglob("*.py"))}


def modules_in(folder: str) -> list[str]:
    """Return the modules of a folder of the product and of all folders below it."""
    dotted = folder.replace("/", ".")
    return [name for name in FILES if name == dotted or name.startswith(f"{dotted}.")]


def folder_of(module: str) -> str:
    """Return the folder that a module's file is in, such as `controller/bus`."""
    return FILES[module].parent.relative_to(ROOT).as_posix()


def imports_of(module: str) -> set[str]:
    """Return the modules that a module imports: at any depth, at run time or for type checking only."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(FILES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import hides its target"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in FILES else str(node.module) for name in names}
    return found


def top_names(modules: set[str]) -> set[str]:
    """Return the first part of each dotted name."""
    return {name.split(".")[0] for name in modules}


def is_in(module: str, packages: tuple[str, ...]) -> bool:
    """Return whether a module is one of these, or below one of them."""
    return any(module == package or module.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("module", modules_in("rules"))
def test_rules_import_only_pure_standard_library_modules_and_rules(module: str) -> None:
    """A rule has no clock, socket, pin, file or chance, so that a table can test it."""
    names = top_names(imports_of(module))
    assert names <= sys.stdlib_module_names | {"rules"}
    assert not names & IMPURE


@pytest.mark.parametrize("module", modules_in("controller/core"))
def test_core_imports_only_rules_and_core(module: str) -> None:
    """The core is pure, like the rules. Only the state machine uses a library: `transitions`."""
    names = imports_of(module)
    ours = {name for name in names if name.split(".")[0] in PRODUCT}
    assert all(is_in(name, ("rules", "controller.core")) for name in ours)
    others = top_names(names - ours) - sys.stdlib_module_names
    assert others == ({"transitions"} if module == "controller.core.state_machine" else set())
    assert not top_names(names) & IMPURE


@pytest.mark.parametrize("module", [*modules_in("rules"), *modules_in("controller/core")])
def test_pure_modules_open_no_file(module: str) -> None:
    """`open` needs no import."""
    calls = [node.func for node in ast.walk(ast.parse(FILES[module].read_text("utf-8"))) if isinstance(node, ast.Call)]
    assert not [call for call in calls if isinstance(call, ast.Name) and call.id in ("open", "input", "print")]


@pytest.mark.parametrize("module", modules_in("hw"))
def test_hw_imports_nothing_of_controller_or_clients(module: str) -> None:
    """A device driver does not depend on the program that uses it."""
    assert not top_names(imports_of(module)) & {"controller", "clients"}


@pytest.mark.parametrize("module", modules_in("controller"))
def test_controller_imports_nothing_of_clients(module: str) -> None:
    """The daemon runs without the programs beside it."""
    assert "clients" not in top_names(imports_of(module))


@pytest.mark.parametrize("module", modules_in("clients"))
def test_clients_import_only_the_open_parts_of_controller(module: str) -> None:
    """The command line and the demo run the daemon, and a replay runs the core. No other client does."""
    may = (*OPEN_TO_CLIENTS, *OPEN_TO_ONE_FOLDER.get(folder_of(module), ()))
    assert {name for name in imports_of(module) if is_in(name, ("controller",)) and not is_in(name, may)} == set()


def test_no_two_folders_import_each_other() -> None:
    """A file belongs to the folder that it is in, so a folder and a folder below it count as two."""
    graph: dict[str, set[str]] = defaultdict(set)
    for module in FILES:
        graph[folder_of(module)] |= {folder_of(name) for name in imports_of(module) if name in FILES}
    both_ways = {
        (one, other) for one, others in graph.items() for other in others if one < other and one in graph[other]
    }
    assert both_ways == set()


def test_no_class_name_is_used_twice() -> None:
    """One name, one thing, in the whole product."""
    places: dict[str, list[str]] = defaultdict(list)
    for module, path in FILES.items():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                places[node.name].append(module)
    assert {name: modules for name, modules in places.items() if len(modules) > 1} == {}


TOPIC = re.compile(
    r"^loadshed/|(^|/)(breakers|ask|answers|alarms|meters|circuits)/|(^|/)controller/(state|availability|\+)"
    r"|/(set|state|availability)$"
)


def strings_of(path: Path) -> Iterator[str]:
    """Yield the strings of a file, parts of f-strings included, without docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.value


@pytest.mark.parametrize(
    "module",
    [name for name in FILES if name != "controller.bus.topics" and not is_in(name, ("controller.bus.profiles",))],
)
def test_only_one_module_spells_topics(module: str) -> None:
    """Every other module asks `controller.bus.topics`, or its caller gives it the topics.

    The profile of a family of devices spells the topics of that family, and the search for devices those on which the
    families describe themselves.
    """
    assert [text for text in strings_of(FILES[module]) if TOPIC.search(text)] == []


@pytest.mark.parametrize("module", ["controller.core.engine", "controller.daemon"])
def test_the_start_of_the_daemon_imports_no_slow_library(module: str) -> None:
    """Before the first command of a cold start, every millisecond is a millisecond of overload."""
    code = f"import sys, {module}; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert not top_names(set(ran.stdout.split())) & SLOW_TO_IMPORT
