"""Slips of people who rarely write TOML: each has its line, its column, and what to write instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.config.errors import ConfigErrors
from controller.config.loader import parse_circuits, parse_installer, read_file

if TYPE_CHECKING:
    from pathlib import Path

HEAD = '[circuits.hot-tub]\nname = "Hot tub"\nspace = [9, 11]\ntag = "nonessential"\n'

SLIPS = (
    # the fifth line as it was written, column, what to write
    ("breaker = gen2", 11, 'write breaker = "gen2"'),
    ("breaker = gen2  # new", 11, 'write breaker = "gen2"'),
    ("breaker = \u201cgen2\u201d", 11, 'straight ones: breaker = "gen2"'),
    ("breaker = \u2018gen2\u2019", 11, "straight ones: breaker = 'gen2'"),
    ('breaker "gen2"', 8, 'joined by =: write breaker = "gen2"'),
    ("breaker gen2", 9, 'write breaker = "gen2"'),
    ('breaker: "gen2"', 8, 'joined by =: write breaker = "gen2"'),
    ('breaker == "gen2"', 9, 'joined by =: write breaker = "gen2"'),
    ('breaker = "gen2', 11, 'write breaker = "gen2"'),
    ('breaker = gen2"', 11, 'write breaker = "gen2"'),
    ('breaker = "gen2";', 9, 'nothing follows the value: write breaker = "gen2"'),
    ('breaker = "gen2",', 9, 'nothing follows the value: write breaker = "gen2"'),
    ('breaker\u00a0= "gen2"', 8, "a special space"),
    ("protected = True", 13, "write protected = true"),
    ("protected = no", 13, "write protected = false"),
    ("amps = 20,5", 8, "write amps = 20.5"),
    ("amps = 50A", 8, "write amps = 50"),
    ("rank = 05", 8, "write rank = 5"),
    ("min_off_s = 5 min", 13, "write min_off_s = 300"),
    ("min off s = 300", 11, "write min_off_s = 300"),
    ("amps =", 7, "there is no value"),
    ("amps = none", 8, "leave the line out"),
    ("rank = 5 amps = 20", 8, "on a line of its own"),
    ("// the tub", 1, "a comment begins with #: # the tub"),
    ("; the tub", 1, "a comment begins with #: # the tub"),
    ('name = "Tub"', 1, "name is there twice in this table"),
    ("[circuits.hot-tub]", 1, "the table [circuits.hot-tub] is there twice"),
    ("[circuits.Hot Tub]", 1, 'write [circuits.hot-tub] and below it name = "Hot Tub"'),
    ("[circuits.dryer", 1, "write [circuits.dryer]"),
    ("circuits.dryer]", 1, "write [circuits.dryer]"),
    ("[circuits.hot\u2013tub]", 14, "ordinary hyphen: [circuits.hot-tub]"),
)


@pytest.mark.parametrize(("line", "column", "advice"), SLIPS)
def test_a_slip_is_shown_with_line_column_and_what_to_write(line: str, column: int, advice: str) -> None:
    """Never only the name of a rule."""
    errors = parse_circuits(f"{HEAD}{line}\n")
    assert isinstance(errors, ConfigErrors)
    first = errors.found[0]
    assert (first.line, first.column) == (5, column)
    assert advice in first.message
    assert str(first).startswith(f"circuits.toml:5:{column}: ")


SPACES = (
    ("space = 9, 11", "space = [9, 11]"),
    ("space = 9+11", "space = [9, 11]"),
    ("space = [9, 11", "space = [9, 11]"),
)


@pytest.mark.parametrize(("line", "right"), SPACES)
def test_two_spaces_need_brackets(line: str, right: str) -> None:
    """As on the panel's door: 9+11."""
    errors = parse_circuits(HEAD.replace("space = [9, 11]", line))
    assert isinstance(errors, ConfigErrors)
    assert errors.found[0].line == 3
    assert f"write {right}" in errors.found[0].message


def test_all_slips_of_a_file_are_shown_at_once() -> None:
    """Also what is wrong by the rules in the corrected text."""
    errors = parse_installer("[site]\nid = home\n[contact]\nsource = gpio\npin: 99\n")
    assert isinstance(errors, ConfigErrors)
    assert [error.line for error in errors] == [2, 4, 5, 5]
    assert "0 to 27" in errors.found[-1].message


@pytest.mark.parametrize(("word", "key"), [("priority", "rank"), ("amperage", "amps"), ("slot", "space")])
def test_another_word_for_a_key_is_answered_with_the_key(word: str, key: str) -> None:
    """The closest spelling would be another key, or none."""
    errors = parse_circuits(f'{HEAD}breaker = "gen2"\n{word} = 3\n')
    assert isinstance(errors, ConfigErrors)
    assert f'did you mean "{key}"?' in errors.found[-1].message


DOCUMENTS = (
    ("[site]\n".encode("utf-16"), "UTF-16"),
    (b"\xef\xbb\xbf[site]\n", "byte-order mark"),
    (b"{\\rtf1 [site]", "word processor"),
    (b"PK\x03\x04docx", "word processor"),
)


@pytest.mark.parametrize(("content", "advice"), DOCUMENTS)
def test_a_file_saved_in_another_format_is_named_with_how_to_save_it(
    content: bytes, advice: str, tmp_path: Path
) -> None:
    """Notepad, Word and web pages."""
    path = tmp_path / "installer.toml"
    path.write_bytes(content)
    errors = read_file(path)
    assert isinstance(errors, ConfigErrors)
    assert advice in str(errors.found[0])
    assert "save it as" in str(errors.found[0])


@given(st.text(alphabet="abz= []\"'#.,:;\n\t019\u201c\u2013\\{}", max_size=60))
def test_no_text_makes_the_reader_fail(text: str) -> None:
    """Any text is a panel or a list of errors with places in it."""
    errors = parse_circuits(text)
    assert isinstance(errors, ConfigErrors)
    assert all(error.line is None or error.line <= text.count("\n") + 1 for error in errors)
