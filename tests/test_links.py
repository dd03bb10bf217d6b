"""Every relative link in a tracked Markdown file leads to a tracked file, and every anchor to a heading."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]

CODE = re.compile(r"^[ \t]*(```|~~~).*?(?:^[ \t]*\1[^\n]*$|\Z)|``.+?``|`[^`\n]+`", re.DOTALL | re.MULTILINE)
LINK = re.compile(
    r"""\]\(\s*<?([^\s)>]+)>?(?:\s+["'(][^)]*)?\)   # [text](target "title")
      | ^[ ]{0,3}\[[^\]]+\]:\s*<?(\S+?)>?(?:\s|$)  # [text]: target
      | <(?:a|img)\s[^>]*?(?:href|src)="([^"]+)"    # HTML
    """,
    re.MULTILINE | re.VERBOSE,
)
HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t]*#*$|^([^\n#>|-][^\n]*)\n(?:=+|-{3,})[ \t]*$", re.MULTILINE)
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.IGNORECASE)


def tracked() -> set[str]:
    """Return the tracked files and their folders."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    files = {name for name in listed.split("\0") if name and (ROOT / name).exists()}
    return files | {str(folder) for name in files for folder in PurePosixPath(name).parents}


TRACKED = tracked()
PAGES = sorted(name for name in TRACKED if name.endswith(".md"))


def anchors(text: str) -> set[str]:
    """Return the anchors of a page, as GitHub forms them from headings, and those set in HTML."""
    found = set(re.findall(r'<[^>]+\b(?:id|name)="([^"]+)"', text))
    fenced = re.sub(r"^[ \t]*(```|~~~).*?(?:^[ \t]*\1[^\n]*$|\Z)", "", text, flags=re.DOTALL | re.MULTILINE)
    for heading in HEADING.finditer(fenced):
        title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1] or heading[2])
        slug = re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", title.strip().lower()))
        number = 0
        while (name := f"{slug}-{number}" if number else slug) in found:
            number += 1
        found.add(name)
    return found


def links(text: str) -> Iterator[str]:
    """Return the targets of the links of a page that stay in the project."""
    for found in LINK.finditer(CODE.sub("", text)):
        target = found[1] or found[2] or found[3]
        if not ELSEWHERE.match(target):
            yield target


def broken(page: str, text: str) -> list[str]:
    """Return the links of a page that lead nowhere."""
    return [target for target in links(text) if not resolves(page, text, unquote(target))]


def resolves(page: str, text: str, target: str) -> bool:
    """Return whether a link on a page leads to a tracked file or folder, and to an anchor in it."""
    path, _, anchor = target.partition("#")
    if path.startswith("/"):
        return False
    found = (ROOT / page).parent.joinpath(path).resolve() if path else ROOT / page
    if not found.is_relative_to(ROOT) or (path and str(found.relative_to(ROOT)) not in TRACKED):
        return False
    if not anchor:
        return True
    return anchor in anchors(found.read_text(encoding="utf-8") if path else text)


@pytest.mark.parametrize("page", PAGES)
def test_every_link_resolves(page: str) -> None:
    """Files, folders and anchors of this project; addresses on the internet are not tried."""
    assert broken(page, (ROOT / page).read_text(encoding="utf-8")) == []


SAMPLE = """# One page

## Set up: the `meter`

## Set up: the `meter`

[a](README.md) [b](docs/) [c](#one-page) [d](#set-up-the-meter-1) ![e](docs/wiring.svg "Title")
[f](https://example.org/nowhere) `[g](nowhere.md)` <a href="LICENSE">h</a>

[i]: CHANGELOG.md

```sh
[j](nowhere.md)
```
"""


def test_links_that_resolve_are_not_reported() -> None:
    """Code, addresses on the internet, repeated headings, reference definitions and HTML included."""
    assert broken("README.md", SAMPLE) == []


@pytest.mark.parametrize(
    "link",
    [
        "[x](nowhere.md)",
        "[x](#nowhere)",
        "[x](README.md#nowhere)",
        "[x](/README.md)",
        "[x](../README.md)",
        "[x](readme.md)",
        "![x](nowhere.png)",
        "[x]: nowhere.md",
        '<img src="nowhere.png">',
    ],
)
def test_links_that_lead_nowhere_are_reported(link: str) -> None:
    """A missing file, a missing anchor, a path from the root, and a name in the wrong case."""
    assert len(broken("README.md", SAMPLE + link + "\n")) == 1
