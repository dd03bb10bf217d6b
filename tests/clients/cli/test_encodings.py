"""Terminals that are not UTF-8: signs degrade, nothing fails, and files stay UTF-8."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.cli.dispatcher import COMMANDS
from clients.terminal.output import prepare_streams
from clients.terminal.tables import display_width, table, wrap
from controller.config import history
from controller.config.loader import Configuration, Sources, parse
from tests.clients.reports.test_outage_report import histories, outage, sample, write
from tests.pages import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE_S = 60.0
ENVIRONMENTS = (
    {"LANG": "de_DE.ISO-8859-1", "PYTHONIOENCODING": "iso-8859-1"},
    {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
)
INSTALLER = """
[site]
id = "home"
[contact]
source = "gpio"
pin = 17
[broker]
port = 1
[meter]
model = "2N208-021"
port = "/dev/null"
"""
CIRCUITS = '[circuits.hot-tub]\nname = "Kühlhaus 東京 ☕"\nspace = [1, 3]\nbreaker = "gen2"\ntag = "nonessential"\n'


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with both files, and a state folder with an outage."""
    folder = tmp_path_factory.mktemp("house")
    (folder / "installer.toml").write_text(INSTALLER, encoding="utf-8")
    (folder / "circuits.toml").write_text(CIRCUITS, encoding="utf-8")
    (folder / "state").mkdir()
    write(folder / "state", [outage(), *histories(), *(sample(at) for at in range(0, 1200, 5))])
    configuration = parse(Sources(INSTALLER, CIRCUITS))
    assert isinstance(configuration, Configuration)
    history.save(folder / "state", configuration)
    return folder


def ran(words: tuple[str | bytes, ...], environment: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    """Return the finished command, run in this environment."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("LC_", "LANG", "PYTHON"))}
    return subprocess.run(
        [sys.executable, "-m", "clients", *words],
        cwd=ROOT,
        env={**clean, **environment},
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE_S,
        check=False,
    )


SHOWN = (
    ("check", "--config", "."),
    ("status", "--config", "."),
    ("status", "--json", "--config", "."),
    ("outages", "--state", "state"),
    ("outages", "--json", "--state", "state"),
    ("report", "--state", "state"),
    ("report", "--json", "--state", "state"),
    ("report", "--csv", "--state", "state"),
    ("report", "--html", "--state", "state"),
    ("ready", "--config", ".", "--state", "state"),
    ("drill", "--dry", "--config", ".", "--state", "state"),
    ("drill", "--dry", "--json", "--config", ".", "--state", "state"),
    ("ask", "on", "hot-tüb", "--config", "."),
    ("meter", "doctor", "--config", "."),
    ("nonsense-ü",),
)


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=["latin-1", "ascii", "locale C"])
@pytest.mark.parametrize("words", SHOWN, ids=" ".join)
def test_no_command_fails_on_a_terminal_that_is_not_utf8(
    words: tuple[str, ...], environment: dict[str, str], house: Path
) -> None:
    """Also piped. JSON is JSON in any encoding; a page and a table are UTF-8."""
    places = {".": str(house), "state": str(house / "state")}
    finished = ran(tuple(places.get(word, word) for word in words), environment)
    assert b"Traceback" not in finished.stderr
    assert b"Error:" not in finished.stderr
    if "--json" in words:
        assert json.loads(finished.stdout)
    if "--html" in words or "--csv" in words:
        finished.stdout.decode()


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_shown_in_ascii(command: str) -> None:
    """Its dashes and signs degrade."""
    finished = ran((command, "--help"), ENVIRONMENTS[1])
    assert (finished.returncode, finished.stderr) == (0, b"")
    assert finished.stdout.isascii()


def test_an_argument_that_is_no_text_is_refused_with_a_sentence(house: Path) -> None:
    """It would stand in the log for ever."""
    finished = ran(("ask", "on", "hot-tub", "--by", b"\xff\xfe", "--config", str(house)), {"LANG": "C.UTF-8"})
    assert finished.returncode == 2
    assert b"not valid UTF-8" in finished.stderr


def test_an_argument_in_utf8_is_understood_in_the_locale_c(house: Path) -> None:
    """Cron and ssh have it often; only Python takes its bytes for something else."""
    finished = ran(("ask", "on", "hot-tub", "--by", "J\u00f6rg", "--config", str(house)), ENVIRONMENTS[2])
    assert b"UTF-8" not in finished.stderr
    assert b"no program listens" in finished.stderr


@pytest.mark.parametrize("redirection", ["2>&-", ">&- 2>&-", "2>/dev/full"])
@pytest.mark.parametrize(("words", "code"), [("--config nowhere", 78), ("--nonsense", 2)])
def test_a_closed_or_full_stderr_changes_no_exit_code(redirection: str, words: str, code: int) -> None:
    """A service manager reads it, and nobody the message."""
    command = ["/bin/sh", "-c", f"{sys.executable} -m clients check {words} {redirection}"]
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    finished = subprocess.run(command, cwd=ROOT, env=buffered, capture_output=True, timeout=PATIENCE_S, check=False)
    assert (finished.returncode, b"Traceback" in finished.stdout) == (code, False)


def test_columns_stay_in_line_where_wide_letters_are_replaced() -> None:
    """Two question marks for a letter of two columns, nothing for a combining mark."""
    prepare_streams()
    rows = [("東京", "on"), ("Cafe\u0301 ☕", "off"), ("tub", "on")]
    shown = table(("circuit", "is"), rows, width=60).encode("ascii", "loadshed.degrade").decode().splitlines()[2:]
    assert [line.split() for line in shown] == [["????", "on"], ["Cafe", "??", "off"], ["tub", "on"]]
    assert len({line.rindex("o") for line in shown}) == 1


def test_columns_stay_in_line_with_wide_letters() -> None:
    """Chinese, Japanese and emoji take two columns, combining marks none."""
    rows = [("東京", "on"), ("Cafe\u0301 ☕", "off"), ("tub", "on")]
    lines = table(("circuit", "is"), rows, width=60).splitlines()
    at = {display_width(line[: line.rindex(cell)]) for line, (_, cell) in zip(lines[2:], rows, strict=True)}
    assert len(at) == 1


SIGNS = ("a", "Z ", "東京", "カ", "한", "é", "e\u0301", "☕", "👨\u200d👩", "⚡\ufe0f", "ﬁ")


@given(st.lists(st.lists(st.sampled_from(SIGNS), max_size=8).map("".join), min_size=1, max_size=5))
def test_the_last_column_begins_in_one_place_whatever_the_names(names: list[str]) -> None:
    """Also with emoji of several signs, and with marks that take no column."""
    lines = table(("circuit", "is"), [(name, "off") for name in names], width=80).splitlines()[2:]
    assert len({display_width(line[: line.rindex("off")]) for line in lines}) == 1


def test_a_text_without_blanks_is_wrapped_by_its_width() -> None:
    """As Chinese is written."""
    lines = wrap("東京" * 20, 30, "- ", "  ")
    assert len(lines) > 1
    assert all(display_width(line) <= 30 for line in lines)
    assert "".join(line[2:] for line in lines) == "東京" * 20
