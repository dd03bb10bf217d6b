"""The project's own pages, taken apart for the tests that hold them to be true."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
COMMANDS = ROOT / "docs" / "commands.md"
CONFIGURATION = ROOT / "docs" / "configuration.md"
HOMEOWNER = ROOT / "docs" / "homeowner.md"
INTEGRATOR = ROOT / "docs" / "integrator.md"
MQTT = ROOT / "docs" / "mqtt.md"
PAGES = sorted([README, ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def blocks(page: Path, language: str) -> list[str]:
    """Return a page's fenced blocks in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def block(page: Path, language: str, holds: str) -> str:
    """Return the one block that holds a text."""
    (found,) = (text for text in blocks(page, language) if holds in text)
    return found


def flat(text: str) -> str:
    """Return a text with its lines joined: where they are broken depends on the terminal."""
    return re.sub(r"\s+", " ", text).strip()


def commands(page: Path) -> Iterator[list[str]]:
    """Yield the words of each line of a page's shell blocks."""
    for text in blocks(page, "sh"):
        for line in text.splitlines():
            if words := shlex.split(line, comments=True):
                yield words


def mentioned(page: Path) -> Iterator[list[str]]:
    """Yield the words of each of our commands that a page writes in passing."""
    for found in re.findall(r"`loadshed ([^`…]+)`", page.read_text(encoding="utf-8")):
        yield shlex.split(found)


def table(page: Path, head: str) -> set[str]:
    """Return the words in backticks of the first column of the table under a heading row."""
    lines = page.read_text(encoding="utf-8").splitlines()
    rows = lines[next(n for n, line in enumerate(lines) if line.startswith(f"| {head} |")) + 2 :]
    first = [row.split("|")[1] for row in rows[: next((n for n, row in enumerate(rows) if not row), len(rows))]]
    return {word for cell in first for word in re.findall(r"`([^`]+)`", cell)}
