"""`loadshed leviton`: log in, list, import, dump and status, with the simulated cloud."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from clients.cli import main
from controller.config.loader import parse_circuits
from hw.simulated.leviton_cloud import ACCOUNT, LevitonCloud
from hw.simulated.leviton_panel import simulated_hub
from hw.simulated.leviton_server import LevitonServer
from rules.panel import Panel
from tests.clients.leviton.bridge_house import BusEar, write_config
from tests.pages import ROOT
from tests.processes import killed_after

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.mosquitto import Mosquitto


class LevitonTypist:
    """An owner at a terminal: a folder for the files, and answers to the questions."""

    def __init__(self, folder: Path, server: LevitonServer, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.server, self._patch = folder, server, patch
        text = f'[cloud]\napi = "{server.api}"\nsocket = "{server.socket}"\n'
        (folder / "leviton.toml").write_text(text, encoding="utf-8")

    def run(self, *words: str, types: str = "") -> int:
        """Return the exit code of a step."""
        self._patch.setattr("sys.stdin", io.StringIO(types))
        try:
            return main(["leviton", *words, "--config", str(self.folder), "--state", str(self.folder / "state")])
        except SystemExit as ended:
            return int(ended.code or 0)

    def log_in(self, code: str = "") -> int:
        """Log in with the right password, a while after the last attempt."""
        stamp = self.folder / "state" / "login-attempt"
        if stamp.exists():
            os.utime(stamp, (time.time() - 60.0,) * 2)
        return self.run("login", types=f"{ACCOUNT[0]}\n{ACCOUNT[1]}\n{code}")


@contextmanager
def typist(folder: Path, patch: pytest.MonkeyPatch, code: str | None = None) -> Iterator[LevitonTypist]:
    """Run a cloud with four breakers."""
    with LevitonServer(LevitonCloud([simulated_hub()], code=code)) as server:
        yield LevitonTypist(folder, server, patch)


def test_a_login_is_stored_and_the_password_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """For the bridge only."""
    with typist(tmp_path, monkeypatch) as owner:
        assert owner.log_in() == 0
    path = tmp_path / "state" / "login.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert ACCOUNT[1] not in path.read_text(encoding="utf-8")
    said = capsys.readouterr().out
    assert "Logged in." in said
    assert str(json.loads(path.read_text(encoding="utf-8"))["id"]) not in said


@pytest.mark.timeout(60)
def test_two_factor_authentication_asks_for_the_code_ten_seconds_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One login per 10 s at most."""
    with typist(tmp_path, monkeypatch, code="123456") as owner:
        assert owner.log_in("123456\n") == 0
        times = [at for at, _, path in owner.server.arrivals if path.startswith("/Person/login")]
    assert len(times) == 2
    assert times[1] - times[0] >= 9.5


def test_a_wrong_password_is_tried_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """More would lock the account."""
    with typist(tmp_path, monkeypatch) as owner:
        assert owner.run("login", types=f"{ACCOUNT[0]}\nwrong\n") == 1
        assert owner.server.cloud.logins == 1
    assert "locks the account" in capsys.readouterr().err


def test_without_a_login_the_error_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """For each step that needs one."""
    with typist(tmp_path, monkeypatch) as owner:
        for step in (["list"], ["import"], ["dump", "--redact"]):
            assert owner.run(*step) == 1
            assert "sudo loadshed leviton login" in capsys.readouterr().err


def test_an_import_shows_what_it_writes_and_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No answer writes nothing."""
    path = tmp_path / "circuits.toml"
    with typist(tmp_path, monkeypatch) as owner:
        owner.log_in()
        assert owner.run("import", types="n\n") == 1
        assert not path.exists()
        assert "load-1: space 1, Load 1, gen2, essential, 20 A" in capsys.readouterr().out
        assert owner.run("import", types="y\n") == 0
        panel = parse_circuits(path.read_text(encoding="utf-8"))
        assert isinstance(panel, Panel)
        assert len(panel) == 4
        before = path.read_bytes()
        assert owner.run("import", "--yes") == 0
        assert path.read_bytes() == before


def test_an_import_into_a_wrong_file_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The errors are shown as `check` does."""
    (tmp_path / "circuits.toml").write_text("[circuits.x]\nspace = 0\n", encoding="utf-8")
    with typist(tmp_path, monkeypatch) as owner:
        owner.log_in()
        assert owner.run("import", "--yes") == 78
    assert (tmp_path / "circuits.toml").read_text(encoding="utf-8") == "[circuits.x]\nspace = 0\n"


def test_list_and_dump_show_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dump shows no serial number either."""
    with typist(tmp_path, monkeypatch) as owner:
        owner.log_in()
        assert owner.run("list") == 0
        assert owner.run("list", "--json") == 0
        listed = capsys.readouterr().out
        assert owner.run("dump", "--redact") == 0
        dumped = capsys.readouterr().out
        assert owner.run("dump") == 2
    token = json.loads((tmp_path / "state" / "login.json").read_text(encoding="utf-8"))["id"]
    secrets = (token, "that-must-not-leave", "02:00:5e", "192.0.2.44", "person-1")
    assert [one for one in secrets if one in listed or one in dumped] == []
    assert "SN34560001" in listed
    assert "SN34560001" not in dumped
    assert '"remoteState": "RemoteON"' in dumped


def test_logout_ends_the_login_at_the_cloud_and_deletes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old token opens nothing any more."""
    with typist(tmp_path, monkeypatch) as owner:
        owner.log_in()
        stored = (tmp_path / "state" / "login.json").read_bytes()
        assert owner.run("logout") == 0
        assert not (tmp_path / "state" / "login.json").exists()
        (tmp_path / "state" / "login.json").write_bytes(stored)
        (tmp_path / "state" / "login.json").chmod(0o600)
        assert owner.run("list") == 1


def test_a_dead_login_is_reported_with_what_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Tokens die early."""
    with typist(tmp_path, monkeypatch) as owner:
        owner.log_in()
        owner.server.cloud.end_tokens()
        assert owner.run("list") == 1
    assert "no longer accepts the stored login" in capsys.readouterr().err


def test_status_shows_each_breaker_and_what_is_wrong(
    mosquitto: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From what the bridge has published; exit 1 while nothing can be commanded."""
    with typist(tmp_path, monkeypatch) as owner:
        addresses = {"api": owner.server.api, "socket": owner.server.socket}
        write_config(tmp_path, mosquitto.port, addresses, 2)
        assert owner.run("status") == 1
        assert "The bridge is not running" in capsys.readouterr().out
        problem = {"id": "unreachable", "message": "The cloud is away.", "action": "Check the line.", "circuits": []}
        state = {"state": "offline", "cloud": "unreachable", "reason": "no answer in time", "problems": [problem]}
        asyncio.run(_publish(mosquitto, "clients/leviton/state", json.dumps(state)))
        assert owner.run("status") == 1
        assert "! The cloud is away. Check the line." in capsys.readouterr().out
        asyncio.run(_publish(mosquitto, "clients/leviton/state", '{"state": "online", "cloud": "connected"}'))
        details = {"position": "off", "reachable": True, "command": "OFF", "level": "reported by the breaker"}
        asyncio.run(_publish(mosquitto, "clients/leviton/circuits/load-1", json.dumps(details)))
        assert owner.run("status") == 0
        said = capsys.readouterr().out
    assert "off       OFF reported by the breaker" in said
    assert "unknown" in said


async def _publish(mosquitto: Mosquitto, topic: str, payload: str) -> None:
    async with BusEar(mosquitto) as ear:
        ear.say(topic, payload, retain=True)
        await ear.until(lambda: ear.last.get(topic) == payload)


@pytest.mark.timeout(60)
def test_the_simulated_cloud_prints_what_to_write_and_obeys_what_is_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader tries the bridge with it."""
    command = [sys.executable, "-m", "clients", "simulate", "leviton", "--breakers", "2"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        with killed_after(process, 40.0):
            lines = [process.stdout.readline() for _ in range(8)]
            (tmp_path / "leviton.toml").write_text("".join(lines[:3]), encoding="utf-8")
            monkeypatch.setattr("sys.stdin", io.StringIO(f"{ACCOUNT[0]}\n{ACCOUNT[1]}\n"))
            assert main(["leviton", "login", "--config", str(tmp_path), "--state", str(tmp_path)]) == 0
            process.stdin.write("loop open\nfault nonsense 1\n")
            process.stdin.flush()
            assert process.stdout.readline() == "Energized: none. Commands so far: 0.\n"
            assert "Faults: status," in process.stdout.readline()
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
