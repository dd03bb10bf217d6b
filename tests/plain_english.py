"""Measure the share of texts that use words from a list of archaic, vague or personifying expressions.

    python -m tests.plain_english                  print the share of each category
    python -m tests.plain_english --list [PATH…]   print each match as file:line: text
    python -m tests.plain_english --list --share   print both

The exit code is 1 when the share of a category is above the limit. Only files tracked by git are read, and files named
on the command line. The standard library is enough to run this file.
"""

from __future__ import annotations

import argparse
import ast
import io
import os
import re
import subprocess
import sys
import tokenize
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

LIMIT = 0.02
"""Highest share of a category that passes."""

DOCSTRINGS, COMMENTS, MESSAGES, MARKDOWN, TESTS = (
    "docstrings",
    "comments",
    "messages",
    "Markdown sentences",
    "test names and docstrings",
)
CATEGORIES = (DOCSTRINGS, COMMENTS, MESSAGES, MARKDOWN, TESTS)

PRODUCT = ("rules", "hw", "controller", "clients", "fleet")
"""Folders whose string literals are user-visible messages."""

WORD_LISTS = (Path("tests/plain_english.py"), Path("tests/test_plain_english.py"))
"""Files that contain the listed words on purpose."""

WORDS = (
    r"tells?|told|telling|speaks?|spoke|spoken|aloud|vouch\w*|hearsay|lest|amid|dear(est)?|anew|meanwhile|whither",
    r"hence|besides|of late|afar|mended?|mends?|foretell|thereby",
    r"nobody|somebody|whoever|everybody",
    r"so (long|many|often|much|late)",
    r"where (nothing|nobody|there|it|none|no)",
    r"debts?|forgive\w*|wish(es|ed)?",
    r"(gives?|given|gave|giving) back",
    r"take (that|what|in)",
    r"a person|person's|a hand",
    r"in the dark",
    r"(is|are) none",
)

EXCEPTIONS = (
    r"\b(is|are|where) None\b",  # Python's value; the word in lower case matches
    r"(?i:\ba hand[- ](held|saw|tool|crank)\w*)",  # equipment
    r"(?i:\bowed\b)",  # a field of the published contract, whatever words the list gains
)

LISTED = re.compile(r"\b(" + "|".join(WORDS).replace(" ", r"\s+") + r")\b", re.IGNORECASE)
EXCEPTED = re.compile("|".join(EXCEPTIONS))
CODE_SPAN = re.compile(r"``.+?``|`[^`\n]+(?:\n[^`\n]+)?`", re.DOTALL)
QUOTED_WORDS = re.compile(r"(?<!\w)[\"“'‘][\w-]+(?:\s+[\w-]+){0,2}[\"”'’](?!\w)")
FENCE = re.compile(r"^[ \t]*(```|~~~).*?(^[ \t]*\1[^\n]*$|\Z)", re.DOTALL | re.MULTILINE)
LINK_TARGET = re.compile(r"(?<=\])\([^)\s]*\)|<?https?://\S+|<!--.*?-->", re.DOTALL)
BLOCK_START = re.compile(r"\n(?=[ \t]*(?:[-*+]|\d+[.)]|#+|\||>)[ \t]?)|\n[ \t]*\n")
SENTENCE_END = re.compile(r"(?<=[.!?])[*_)\"”]*\s+|[|]")
QUERY = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|DROP|ALTER|PRAGMA|BEGIN|WITH|FROM|WHERE|ORDER BY)\b")
MAN_MACRO = re.compile(r"^\.\\?\"?\w*|\\f[BIRP]", re.MULTILINE)
BOLD_IN_MAN = re.compile(r"\\fB.*?\\f[RP]|^\.[BI]R? .*$", re.MULTILINE)
SCHEMA_TEXT = re.compile(r'"(?:description|title)":\s*"((?:[^"\\]|\\.)*)"')
WORDS_IN_A_MESSAGE = 3


class Text(NamedTuple):
    """One text of one category. `line`: number of its first line in the file."""

    category: str
    path: Path
    line: int
    text: str


class Match(NamedTuple):
    """One listed expression in one text."""

    text: Text
    line: int
    word: str
    excerpt: str


def matches(one: Text) -> list[Match]:
    """Return the listed expressions in a text, without code spans, quoted words and exceptions."""
    plain = one.text
    for ignored in (CODE_SPAN, QUOTED_WORDS, EXCEPTED):
        plain = ignored.sub(_blank, plain)
    found = []
    for hit in LISTED.finditer(plain):
        line = one.line + plain.count("\n", 0, hit.start())
        start, end = max(0, hit.start() - 50), hit.end() + 50
        found.append(Match(one, line, " ".join(hit[0].split()), " ".join(one.text[start:end].split())))
    return found


def _blank(hit: re.Match[str]) -> str:
    """Return text of the same length and lines, without words."""
    return re.sub(r"[^\n]", "·", hit[0])


# --- texts of a file --------------------------------------------------------------------------------------------------


def texts(path: Path, source: str) -> Iterator[Text]:
    """Return every text of a file that has a category; nothing for a kind of file that has none."""
    if path.suffix == ".py" or source.startswith("#!/usr/bin/env python"):
        yield from _python(path, source)
    elif path.suffix == ".md":
        yield from _sentences(path, LINK_TARGET.sub(_blank, FENCE.sub(_blank, source)))
    elif re.fullmatch(r"\.[1-8]", path.suffix):
        yield from _sentences(path, MAN_MACRO.sub(_blank, BOLD_IN_MAN.sub(_blank, source)))
    elif path.name.endswith(".schema.json"):
        for hit in SCHEMA_TEXT.finditer(source):
            yield Text(MESSAGES, path, source.count("\n", 0, hit.start()) + 1, hit[1])
    elif path.suffix not in {".lock", ".json", ".jsonl", ".csv", ".svg", ".html"} and path.name != "changelog":
        lines = enumerate(source.splitlines(), 1)
        hashes = ((number, 0, line.strip()[1:]) for number, line in lines if re.match(r"\s*#(?!!)", line))
        yield from _blocks(path, hashes)


def _sentences(path: Path, source: str) -> Iterator[Text]:
    for block_start, block in _pieces(BLOCK_START, source):
        for start, sentence in _pieces(SENTENCE_END, block):
            if re.search(r"[^\W\d_]", sentence):
                first = start + len(sentence) - len(sentence.lstrip())
                line = 1 + source.count("\n", 0, block_start + first)
                yield Text(MARKDOWN, path, line, sentence.strip())


def _pieces(separator: re.Pattern[str], source: str) -> Iterator[tuple[int, str]]:
    """Split at a pattern. Return the offset of each piece too."""
    start = 0
    for hit in separator.finditer(source):
        yield start, source[start : hit.start()]
        start = hit.end()
    yield start, source[start:]


def _python(path: Path, source: str) -> Iterator[Text]:
    comments = (
        (token.start[0], token.start[1] if token.line.lstrip().startswith("#") else -1, token.string.lstrip("#"))
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT and not token.string.startswith("#!")
    )
    yield from _blocks(path, comments)
    tree = ast.parse(source)
    in_tests = "tests" in path.parts
    documented = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            documented.add(id(node.value))
            yield Text(TESTS if in_tests else DOCSTRINGS, path, node.lineno, node.value.value)
        elif in_tests and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield Text(TESTS, path, node.lineno, node.name.replace("_", " "))
    if path.parts[0] in PRODUCT:
        for line, message in _messages(tree, documented):
            yield Text(MESSAGES, path, line, message)


def _blocks(path: Path, comments: Iterable[tuple[int, int, str]]) -> Iterator[Text]:
    """Join comments on consecutive lines in the same column. A comment after code (column -1) stands alone."""
    first, column, parts = 0, -1, list[str]()
    for line, at, comment in comments:
        if parts and at == column >= 0 and line == first + len(parts):
            parts.append(comment)
            continue
        if parts:
            yield Text(COMMENTS, path, first, "\n".join(parts))
        first, column, parts = line, at, [comment]
    if parts:
        yield Text(COMMENTS, path, first, "\n".join(parts))


def _messages(tree: ast.AST, documented: set[int]) -> Iterator[tuple[int, str]]:
    """Return string literals of three words or more; an f-string is one text with placeholders."""
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented | inside:
            text = node.value
        else:
            continue
        if len(re.findall(r"[^\W\d_]+(?:['’][a-z]+)?", text)) >= WORDS_IN_A_MESSAGE and not QUERY.match(text):
            yield node.lineno, text


# --- the program ------------------------------------------------------------------------------------------------------


def files(arguments: Sequence[str]) -> Iterator[Path]:
    """Return the tracked files under the paths given, or all of them, and each file that is named itself."""
    chosen = {Path(os.path.relpath(name)) for name in arguments if Path(name).is_file()}
    folders = [name for name in arguments if not Path(name).is_file()]
    if folders or not arguments:
        command = ["git", "ls-files", "-z", "--", *folders]
        listed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split("\0")
        chosen |= {Path(name) for name in listed if name}
    yield from sorted(path for path in chosen if path.is_file() and path not in WORD_LISTS)


def read(path: Path) -> list[Text]:
    """Return the texts of a file; none of a file that is not UTF-8 text."""
    try:
        return list(texts(path, path.read_text(encoding="utf-8")))
    except UnicodeDecodeError:
        return []


def shares(found: Iterable[Text]) -> dict[str, tuple[int, int]]:
    """Return, for each category, the number of texts with a match and the number of texts."""
    counts = dict.fromkeys(CATEGORIES, (0, 0))
    for one in found:
        matching, total = counts[one.category]
        counts[one.category] = (matching + bool(matches(one)), total + 1)
    return counts


def main(arguments: Sequence[str] | None = None) -> int:
    """Print shares, matches or both; return 1 when a share is above the limit."""
    parser = argparse.ArgumentParser(prog="python -m tests.plain_english", description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="print each match as file:line: text")
    parser.add_argument("--share", action="store_true", help="print the share of each category (default)")
    parser.add_argument("paths", nargs="*", metavar="PATH", help="file or folder; default: all tracked files")
    chosen = parser.parse_args(arguments)
    out = sys.stdout
    found = [one for path in files(chosen.paths) for one in read(path)]
    if chosen.list:
        for match in (match for one in found for match in matches(one)):
            out.write(f"{match.text.path}:{match.line}: {match.excerpt} [{match.word}; {match.text.category}]\n")
    counts = shares(found)
    if chosen.share or not chosen.list:
        for category, (matching, total) in counts.items():
            out.write(f"{category:<26}{matching:6} of {total:6} {matching / max(total, 1):8.1%}\n")
    above = [category for category, (matching, total) in counts.items() if matching > LIMIT * total]
    if above:
        sys.stderr.write(f"above {LIMIT:.0%}: {', '.join(above)}; print the matches with --list\n")
    return 1 if above else 0


if __name__ == "__main__":
    sys.exit(main())
