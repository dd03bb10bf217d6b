"""The version has one place, pyproject.toml; everything else reads it there."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clients.cli import main
from controller.version import UNKNOWN, version

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

READ_IT = ("rules", "hw", "controller", "clients", "fleet", "packaging", "systemd", "docs", "README.md", "install.sh")
FROZEN = '"start":{"format":1,"version":"0.1.0"'
"""Part of the compression dictionary of recordings. It is data, and never changes."""


def files() -> Iterator[Path]:
    """Return the tracked text files that could repeat the version."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--", *READ_IT]
    listed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    yield from (ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file())


def test_no_file_repeats_the_version() -> None:
    """A release changes one line of code, and no page, unit or man page."""
    repeated = re.compile(rf"(?<![\d.]){re.escape(VERSION)}(?![\d.])")
    found = [
        str(path.relative_to(ROOT))
        for path in files()
        if repeated.search(path.read_text(encoding="utf-8", errors="replace").replace(FROZEN, ""))
    ]
    assert found == []


def test_program_reports_the_version_of_pyproject(capsys: pytest.CaptureFixture[str]) -> None:
    """`make` installs the package again when pyproject.toml has changed."""
    assert version() == VERSION
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"loadshed {VERSION}\n"


def test_version_of_a_program_that_is_not_installed_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout without an installed package runs too."""

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert version.__wrapped__() == UNKNOWN


@pytest.mark.parametrize("template", ["control", "changelog", "loadshed.1"])
def test_package_files_take_the_version_from_the_build(template: str) -> None:
    """The build fills in what it reads in pyproject.toml."""
    assert "$version" in (ROOT / "packaging" / "deb" / template).read_text(encoding="utf-8")


def test_build_reads_pyproject() -> None:
    """The build script itself names no version."""
    command = [sys.executable, "-c", "import build_deb; print(build_deb._project()['project']['version'])"]
    ran = subprocess.run(command, cwd=ROOT / "packaging", capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout == f"{VERSION}\n"


def test_changelog_starts_with_the_version() -> None:
    """The newest section of the CHANGELOG describes the version in pyproject.toml."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (?!Unreleased)\[?([^\s,\]]+)", text, re.MULTILINE)
    assert newest is not None
    assert newest[1] == VERSION
