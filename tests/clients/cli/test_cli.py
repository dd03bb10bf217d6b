"""The command line: what a stranger types, what comes back, and with which exit code."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest

from clients.bus_client.request import Reply
from clients.cli import main
from clients.cli.dispatcher import COMMANDS
from tests.controller.storage.state_folder import Ear, store_in
from tests.pages import ROOT
from tests.processes import killed_after

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EXAMPLES = ROOT / "docs" / "examples"
PATIENCE_S = 20


def run(*words: str) -> int:
    """Return the exit code of a command, however it ends."""
    try:
        return main(words)
    except SystemExit as ended:
        return int(ended.code or 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the documentation's own two files, in a folder that may be spoilt."""
    return Path(shutil.copytree(EXAMPLES, tmp_path / "config"))


def test_help_names_every_command_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    """A stranger who types `loadshed --help` learns what there is, where to begin, and what 78 means."""
    assert run("--help") == 0
    said = capsys.readouterr().out
    assert all(f"\n    {command}" in said for command in COMMANDS)
    assert "loadshed demo" in said
    assert "78  wrong configuration" in said


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`loadshed COMMAND --help` ends with 0 and says what the command does."""
    assert run(command, "--help") == 0
    assert len(capsys.readouterr().out) > 200


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("frobnicate",),
        ("check", "--sate", "x"),
        ("report", "--csv", "--html"),
        ("report", "two"),
        ("ask", "on"),
        ("ask", "explode", "hot-tub"),
        ("ask", "reload", "hot-tub"),
        ("meter",),
        ("meter", "set-id"),
        ("meter", "read", "--port", "ttyUSB0"),
        ("meter", "doctor", "--load", "hot-tub"),
        ("meter", "set-id", "300", "--port", "/dev/null"),
        ("meter", "read", "--id", "0", "--port", "/dev/null"),
        ("meter", "scan", "--to", "248", "--port", "/dev/null"),
        ("meter", "doctor", "--load", "hot-tub=nan"),
        ("meter", "record", "file", "--seconds", "inf"),
        ("simulate", "meter", "--quirk", "moody=yes"),
        ("simulate", "meter", "--kw", "nan"),
        ("simulate", "meter", "--kw", "-1"),
        ("simulate", "meter", "--kwh", "1e9"),
        ("simulate", "meter", "--id", "0"),
        ("simulate", "meter", "--model", "3X999-99Z"),
        ("simulate", "meter", "--twins", "0"),
        ("simulate", "meter", "--tcp", "65536"),
    ],
)
def test_wrong_use_ends_with_2_and_one_line_that_says_why(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be meant is refused before anything is touched."""
    assert run(*words) == 2
    assert "error:" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("stauts",), "(did you mean 'status'?)"),
        (("frobnicate",), "there is no command 'frobnicate'."),
        (("status", "--jsn"), "loadshed status: error: unrecognized arguments: --jsn. `loadshed status --help`"),
        (("ask", "off", "hot", "tub"), "loadshed ask: error: unrecognized arguments: tub"),
        (("broker", "init", "--tsl"), "`loadshed broker init --help`"),
    ],
)
def test_a_typo_is_answered_by_what_was_meant(
    words: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the nearest command, and by the help of the command whose option it should have been."""
    assert run(*words) == 2
    assert says in capsys.readouterr().err.splitlines()[-1]


def test_it_says_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    """The first thing that anybody who is to help will ask."""
    assert run("--version") == 0
    assert re.fullmatch(r"loadshed \d+\.\d+\.\d+\n", capsys.readouterr().out)


@pytest.mark.parametrize("words", [("--help",), ("check", "--config", str(EXAMPLES))])
def test_a_reader_that_is_gone_is_no_error(words: tuple[str, ...]) -> None:
    """`loadshed check | head -1`: little is written, and all of it only as the program ends."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    command = [sys.executable, "-m", "clients", *words]
    with os.fdopen(write_end, "w") as nobody:
        ran = subprocess.run(command, stdout=nobody, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", ["check", "outages"])
def test_an_answer_that_finds_no_room_is_said(command: str, unbuffered: str, tmp_path: Path) -> None:
    """`loadshed outages >FILE` on a full card: a sentence that blames no log, no traceback, and no 0."""
    store_in(tmp_path, Ear()).load()
    words = {"check": ("--config", str(EXAMPLES)), "outages": ("--state", str(tmp_path))}[command]
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "clients", command, *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            timeout=60,
        )
    assert ran.returncode == 1
    assert ran.stderr == "loadshed: No space left on device. Free some space, or write to another place.\n"


def test_a_terminal_that_is_gone_is_said_without_a_traceback() -> None:
    """The line to the house breaks while `loadshed check` prints: the kernel answers EIO."""
    ours, theirs = os.openpty()
    os.close(ours)
    command = [sys.executable, "-m", "clients", "check", "--config", str(EXAMPLES)]
    with os.fdopen(theirs, "w") as gone:
        ran = subprocess.run(command, stdout=gone, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert (ran.returncode, ran.stderr) == (1, "loadshed: Input/output error. Write to another place.\n")


def test_a_log_that_cannot_be_read_is_not_the_fault_of_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dying card returns EIO to readers, and the kernel does to writers when a terminal is gone."""
    (tmp_path / "ledger.db").symlink_to("/proc/self/mem")
    (tmp_path / "ledger.db-wal").touch()
    assert run("outages", "--state", str(tmp_path)) == 1
    assert f"The event log in {tmp_path} cannot be read: [Errno 5]" in capsys.readouterr().err


def test_a_file_for_which_there_is_no_room_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """A card without inodes, or over its quota."""
    with patch(
        "clients.cli.dispatcher._run_command", side_effect=OSError(errno.ENOSPC, "No space left on device", "x")
    ):
        assert run("demo") == 1
    assert (
        capsys.readouterr().err == "loadshed: x: No space left on device. Free some space, or write to another place.\n"
    )


def test_a_closed_stdout_is_no_error() -> None:
    """`loadshed check >&-`, as some who call it from a script do."""
    command = f'exec "{sys.executable}" -m clients check --config "{EXAMPLES}" >&-'
    ran = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_run_imports_nothing_of_the_other_commands() -> None:
    """Milliseconds at a cold start are milliseconds of overload: the parser of `run` has only `run`."""
    program = (
        "import sys\nfrom clients.cli import dispatcher\ndispatcher.build_parser(['run']).parse_args(['run'])\n"
        "ours = ('clients', 'controller', 'hw', 'rules', 'asyncio')\n"
        "print(sorted(name for name in sys.modules if name.split('.')[0] in ours))"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout.strip() == str(
        [
            "clients",
            "clients.cli",
            "clients.cli.dispatcher",
            "clients.cli.run",
            "clients.terminal",
            "clients.terminal.arguments",
            "clients.terminal.exit_codes",
        ]
    )


# --- check -----------------------------------------------------------------------------------------------------------


def test_check_marks_what_cannot_be_controlled(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each circuit is shown with its fate; the one that stays on against its tag is marked, with the reason."""
    assert run("check", "--config", str(folder)) == 0
    lines = capsys.readouterr().out.splitlines()
    (garage,) = [line for line in lines if line.startswith("garage ")]
    assert "UNCONTROLLABLE, stays ON" in garage
    assert "no remote control" in garage
    (hot_tub,) = [line for line in lines if line.startswith("hot-tub ")]
    assert "SHED" in hot_tub


def test_check_names_all_mistakes_at_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both files are read to their ends; the exit code is that of a wrong configuration."""
    for name, good, bad in (
        ("circuits.toml", 'tag = "nonessential"', 'tag = "nonesential"'),
        ("installer.toml", "pin = 17", "pin = 99"),
    ):
        text = (folder / name).read_text(encoding="utf-8").replace(good, bad, 1)
        (folder / name).write_text(text, encoding="utf-8")
    assert run("check", "--config", str(folder)) == 78
    said = capsys.readouterr().err
    assert 'tag = "nonesential"' in said
    assert "pin = 99" in said
    assert "2 errors" in said


def test_status_and_ask_need_installer_toml_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A typo in the homeowner's file is no reason not to see how the house stands."""
    (folder / "circuits.toml").write_text("not TOML at all", encoding="utf-8")
    assert run("status", "--config", str(folder)) == 1
    assert "UNKNOWN: the present state of home is not known" in capsys.readouterr().out
    (folder / "installer.toml").unlink()
    assert run("status", "--config", str(folder)) == 78
    assert run("ask", "reload", "--config", str(folder)) == 78
    assert "installer.toml: missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("hottub", "Did you mean hot-tub? `loadshed status` lists the circuits."),
        ("Hot Tub", "Did you mean hot-tub?"),
        ("Car charge", "Did you mean car-charger?"),
        ("cellar", "named 'cellar'. `loadshed status` lists the circuits."),
    ],
)
def test_a_circuit_that_is_misspelt_is_answered_by_its_likely_twin(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], word: str, says: str
) -> None:
    """By the name in topics, also for who types the name that people use."""

    async def ask(*_: object) -> Reply:
        return Reply(ok=False, reason=f"no circuit is named {word!r}")

    monkeypatch.setattr("clients.cli.ask.request_reply", ask)
    assert run("ask", "on", word, "--config", str(folder)) == 1
    assert says in capsys.readouterr().err


def test_a_password_for_others_asks_for_sudo(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It belongs to the controller: a regular user sees how to read it, and is not asked to write it."""
    secret = folder / "broker.password"
    text = (folder / "installer.toml").read_text(encoding="utf-8")
    login = f'[broker]\nusername = "loadshed"\npassword_file = "{secret}"\n'
    (folder / "installer.toml").write_text(text.replace("[broker]\n", login), encoding="utf-8")

    def refused(path: Path, read: Callable[..., str | bytes], **how: str) -> str | bytes:
        if path == secret:
            raise PermissionError(13, "Permission denied", str(path))
        return read(path, **how)

    for name in ("read_text", "read_bytes"):
        read = getattr(Path, name)
        monkeypatch.setattr(Path, name, lambda path, read=read, **how: refused(path, read, **how))
    assert run("check", "--config", str(folder)) == 78
    assert "it may be only you who cannot: `sudo loadshed check`" in capsys.readouterr().err
    assert run("status", "--config", str(folder)) == 1
    assert "the same command with sudo" in " ".join(capsys.readouterr().out.split())


def test_missing_write_permission_is_reported_before_the_questions(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not after them; a card that goes elsewhere needs no such right."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    for config in (folder, tmp_path / "not" / "yet" / "there"):
        assert run("setup", "--config", str(config), "--state", str(tmp_path)) == 1
        said = capsys.readouterr()
        assert "sudo loadshed setup" in said.err
        assert said.out == ""
    card = tmp_path / "card.html"
    assert run("setup", "card", "--config", str(folder), "--state", str(tmp_path), "--out", str(card)) == 0
    assert card.exists()


# --- the meter's tools -----------------------------------------------------------------------------------------------


@pytest.fixture
def meter(tmp_path: Path) -> Iterator[str]:
    """Run `loadshed simulate meter`, and return the port it answers on."""
    link = tmp_path / "meter"
    words = [sys.executable, "-m", "clients", "simulate", "meter", "--link", str(link), "--kw", "4"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        with killed_after(process):
            assert str(link) in process.stdout.readline()
        yield str(link)
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
    assert not link.is_symlink(), "SIGTERM takes the link away, as Ctrl-C does"


def test_the_meter_is_read_and_says_who_it_is(meter: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Registers in a table, and the answer to 0x11 beside them."""
    assert run("meter", "read", "--port", meter, "--config", "/nonexistent") == 0
    assert "12345.6 kWh" in capsys.readouterr().out
    assert run("meter", "identify", "--port", meter) == 0
    assert "agree" in capsys.readouterr().out


def test_what_writes_to_the_meter_asks_first(meter: str, capsys: pytest.CaptureFixture[str]) -> None:
    """No terminal means no; `--yes` means yes."""
    assert run("meter", "set-id", "7", "--port", meter) == 1
    assert "nothing was sent" in capsys.readouterr().out
    assert run("meter", "set-id", "7", "--port", meter, "--yes") == 0
    assert "the meter answers at 7" in capsys.readouterr().out


def test_port_and_id_come_from_the_installers_file(
    meter: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An electrician need not type what the file says."""
    text = (folder / "installer.toml").read_text(encoding="utf-8")
    (folder / "installer.toml").write_text(text.replace("/dev/ttyUSB0", meter), encoding="utf-8")
    assert run("meter", "scan", "--to", "2", "--config", str(folder)) == 0
    assert "id 1: a meter" in capsys.readouterr().out


@pytest.mark.parametrize("port", ["/dev/null", "/dev/ttyNOSUCH"])
def test_the_doctor_does_not_call_a_port_good_that_it_cannot_use(
    port: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No serial port, or none at all: what was not checked is named, exit 1."""
    assert run("meter", "doctor", "--port", port, "--config", str(folder)) == 1
    told = capsys.readouterr().out
    assert "nothing wrong" not in told
    assert "not checked: wires, id, registers, CTs and pulses" in told
    assert ("is not a serial port" in told) is (port == "/dev/null")


def test_the_doctor_without_a_meter_has_checked_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No [meter], no --port: exit 1."""
    text = '[site]\nid = "home"\n[contact]\nsource = "gpio"\npin = 17\n'
    (folder / "installer.toml").write_text(text, encoding="utf-8")
    assert run("meter", "doctor", "--config", str(folder)) == 1
    assert "not checked: port, wires, id, registers, CTs and pulses" in capsys.readouterr().out


def test_a_meter_without_model_is_asked_about(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No port, no table [meter]: the sentence says which word is missing."""
    (folder / "installer.toml").write_text(
        '[site]\nid = "home"\n[contact]\nsource = "gpio"\npin = 17\n', encoding="utf-8"
    )
    assert run("meter", "read", "--config", str(folder)) == 1
    assert "--port" in capsys.readouterr().err
