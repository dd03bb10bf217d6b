"""On which line a key stands."""

from __future__ import annotations

import json
import time
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.config.errors import ConfigErrors
from controller.config.loader import parse_circuits
from controller.config.toml_lines import line_of, lines_of

TEXT = '''\
# a comment with [brackets] and = signs
title = "a # in a string"   # and a comment after it
[a]
one = 1
"two words" = [ 1, # "not a string
  2, [3,
  "]"], ]
[a . b."c.d"]
three = """
[not.a.table]
four = 4
""\\""""
five = \'\'\'
[nor.this] \'\'\'
[[list]]
six = {seven = 7, eight = {nine = [{ten = 10}]}}
x.y.z = 1979-05-27T07:32:00Z
[[list]]
six = 6
['quoted']
"\\u0065leven" = -0.1e+9
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2),
        (("a",), 3),
        (("a", "one"), 4),
        (("a", "two words"), 5),
        (("a", "b"), 8),
        (("a", "b", "c.d"), 8),
        (("a", "b", "c.d", "three"), 9),
        (("a", "b", "c.d", "five"), 13),
        (("list",), 15),
        (("list", "six"), 16),
        (("list", "six", "seven"), 16),
        (("list", "six", "eight", "nine"), 16),
        (("list", "x", "y", "z"), 17),
        (("list", "x", "y"), 17),
        (("quoted", "eleven"), 21),
    ],
)
def test_a_key_is_found_however_it_is_written(path: tuple[str, ...], line: int) -> None:
    """Comments, strings over several lines, dotted and quoted keys, arrays and inline tables."""
    tomllib.loads(TEXT)
    assert line_of(lines_of(TEXT), path) == line


@pytest.mark.parametrize(
    ("path", "line"), [(("a", "missing"), 3), (("a", "b", "missing", "deeper"), 8), (("nowhere",), 1), ((), 1)]
)
def test_a_missing_key_is_reported_at_the_nearest_table(path: tuple[str, ...], line: int) -> None:
    """A missing key is missing from somewhere."""
    assert line_of(lines_of(TEXT), path) == line


def test_a_table_header_inside_a_string_is_ignored() -> None:
    """Nor is a key there one."""
    assert not {("not",), ("nor",), ("a", "b", "c.d", "four")} & lines_of(TEXT).keys()


@pytest.mark.parametrize("text", ["[a]\nb = 1\n[c\nd = 2", "[a]\nb = 1\n= 3", "[a]\nb = 1\nc"])
def test_a_scan_that_is_lost_keeps_what_it_found(text: str) -> None:
    """It degrades; it never raises."""
    assert lines_of(text)["a", "b"] == 2


def values() -> st.SearchStrategy[object]:
    """Return values that JSON and TOML write alike."""
    # JSON escapes what TOML forbids in a string, save the delete sign.
    text = st.text(st.characters(codec="utf-8", exclude_characters="\x7f"), max_size=5)
    plain = st.booleans() | st.integers(-9, 9) | text
    return st.recursive(plain, lambda inner: st.lists(inner, max_size=3), max_leaves=5)


@given(st.dictionaries(st.text("ab.#=[\"'", min_size=1), st.dictionaries(st.text("xy ].", min_size=1), values())))
def test_every_key_of_every_table_is_found(tables: dict[str, dict[str, object]]) -> None:
    """Whatever signs it is made of."""
    lines: list[str] = []
    expected: dict[tuple[str, ...], int] = {}
    for table, keys in tables.items():
        lines.append(f"[{json.dumps(table)}]  # ] [")
        expected[table,] = len(lines)
        for key, value in keys.items():
            lines += ["", f"{json.dumps(key)} = {json.dumps(value, ensure_ascii=False)} # '"]
            expected[table, key] = len(lines)
    text = "\n".join(lines)
    tomllib.loads(text)
    assert lines_of(text) == expected


def test_two_thousand_mistakes_are_found_in_no_time() -> None:
    """Each has its line, and the text is scanned once for all of them: else this takes minutes."""
    circuit = '[circuits.c{0}]\nspace = {1}\nbreaker = "gen2"\ntag = "{2}"\n'
    tags = ("essential", "nonesential", "esential")
    began = time.process_time()  # the machine may be busy with something else
    wrong = parse_circuits("".join(circuit.format(n, n + 1, tags[n % 3]) for n in range(3000)))
    took_s = time.process_time() - began
    assert isinstance(wrong, ConfigErrors)
    assert {one.line for one in wrong if one.key == "tag"} == {4 * n + 4 for n in range(3000) if n % 3}
    assert took_s < 3.0
