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
    ("min off s = 300", 1, "write min_off_s = 300"),
    ("breaker = gen 2", 11, 'write breaker = "gen2"'),
    ("breaker = 2nd gen", 11, 'write breaker = "gen2"'),
    ("breaker = `gen2`", 11, 'straight ones: breaker = "gen2"'),
    ('breaker\t"gen2"', 8, 'joined by =: write breaker = "gen2"'),
    ('breaker => "gen2"', 9, 'joined by =: write breaker = "gen2"'),
    ('breaker is "gen2"', 9, 'joined by =: write breaker = "gen2"'),
    ('breaker \uff1d "gen2"', 9, 'looks like an ordinary one: type it again: breaker = "gen2"'),
    ('breaker = "gen2" // new', 18, 'a comment begins with # and not with //: write breaker = "gen2"'),
    ('breaker = "gen2", rank = 5', 11, 'write breaker = "gen2", and rank on a line of its own'),
    ("- breaker: gen2", 12, 'write breaker = "gen2"'),
    ("rank = 5\x07", 9, "an invisible sign"),
    ("rank = 5\u2028", 9, "an invisible sign"),
    ("rank = 5th", 8, "write rank = 5"),
    ("rank = high", 8, "use a whole number from 1 to 9: rank = …"),
    ("protected = Ja", 13, "write protected = true"),
    ("amps = 20.", 8, "write amps = 20"),
    ("amps = \uff12\uff10", 8, "type it again: amps = 20"),
    ("min_off_s = 5:00", 13, "write min_off_s = 300"),
    ("min_off_s = 5m", 13, "write min_off_s = 300"),
    ("amps =", 7, "there is no value"),
    ("amps = none", 8, "leave the line out"),
    ("rank = 5 amps = 20", 8, "on a line of its own"),
    ("// the tub", 1, "a comment begins with #: # the tub"),
    ("; the tub", 1, "a comment begins with #: # the tub"),
    ('name = "Tub"', 1, "name is there twice in this table"),
    ("[circuits.hot-tub]", 1, "the table [circuits.hot-tub] is there twice"),
    ("[circuits.Hot Tub]", 1, 'write [circuits.hot-tub] and below it name = "Hot Tub"'),
    ("[circuits.dryer", 1, "write [circuits.dryer]"),
    ("[circuits dryer]", 1, "write [circuits.dryer]"),
    ("[circuits:dryer]", 1, "write [circuits.dryer]"),
    ("(circuits.dryer)", 1, "write [circuits.dryer]"),
    ("circuits.dryer:", 1, "write [circuits.dryer]"),
    ("[circuits.Dryer #2]", 1, 'write [circuits.dryer-2] and below it name = "Dryer #2"'),
    ("[circuits.Küche]", 1, 'write [circuits.kuche] and below it name = "Küche"'),
    ("[circuits.dryer] space = 1", 1, "write [circuits.dryer], and below it space = 1"),
    ("/* dryer */", 1, "a comment begins with #: # dryer"),
    ("the dryer", 5, "a line is a table such as [circuits.name], or key = value"),
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
    ("space = [9 11]", "space = [9, 11]"),
    ("space = (9, 11)", "space = [9, 11]"),
    ("space = 9 and 11", "space = [9, 11]"),
    ("space = 9-11", "space = [9, 11]"),
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


def test_a_list_over_several_lines_without_an_end_is_named_with_its_beginning() -> None:
    """The parser names the next line, which is right."""
    errors = parse_circuits('[circuits.tub]\nspace = [\n  9,\n  11\nbreaker = "gen2"\ntag = "nonessential"\n')
    assert isinstance(errors, ConfigErrors)
    assert [(error.line, error.message) for error in errors] == [
        (4, "the list that begins in line 2 has no end: write 11]")
    ]


def test_a_value_is_corrected_as_its_own_table_takes_it() -> None:
    """[broker] port is a number, [meter] port a device."""
    errors = parse_installer(
        '[site]\nid = home\n[contact]\nsource = "gpio"\npin = 17\n'
        "[broker]\nport = 1883,\nhost = 192.168.1.10:1883\n[meter]\nport = COM3\n"
    )
    assert isinstance(errors, ConfigErrors)
    shown = "\n".join(map(str, errors))
    assert "installer.toml:7:6: nothing follows the value: write port = 1883" in shown
    assert "installer.toml:8:8: use a host name or an address" in shown
    assert 'write the port as a key of its own: host = "192.168.1.10" and port = 1883' in shown
    assert "installer.toml:10:8: use a device such as /dev/ttyUSB0, or tcp://host:port" in shown


SECRETS = (
    "password = hunter2",
    "password: hunter2",
    "password hunter2",
    'password = "hunter2"',
    "password_file = hunter2",
    'password_file = "hunter2"',
    "username = ann; password = hunter2",
    "host = mqtt://ann:hunter2@broker",
    'host = "mqtt://ann:hunter2@broker"',
    'mqtt_token = "hunter2"',
)


@pytest.mark.parametrize("line", SECRETS)
def test_an_error_shows_no_secret(line: str) -> None:
    """The journal and the alarm on MQTT repeat it."""
    errors = parse_installer(f'[site]\nid = "home"\n[contact]\nsource = "gpio"\npin = 17\n[broker]\n{line}\n')
    assert isinstance(errors, ConfigErrors)
    assert "hunter2" not in "".join(map(str, errors))
    assert errors.found[0].line == 7


WORDS = (
    ("priority", "rank"),
    ("amperage", "amps"),
    ("watts", "amps"),
    ("slot", "space"),
    ("poles", "space"),
    ("breaker_type", "breaker"),
    ("Type", "breaker"),
    ("label", "name"),
    ("min-off-s", "min_off_s"),
)


@pytest.mark.parametrize(("word", "key"), WORDS)
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
