"""The bundle for a bug report contains everything but secrets."""

from __future__ import annotations

import asyncio
import json
import tarfile
from typing import TYPE_CHECKING

import pytest

from clients.cli import main
from clients.maintenance.redaction import without_secrets
from clients.maintenance.support_bundle import Folders, write_bundle
from tests.system.process_house import ProcessHouse

if TYPE_CHECKING:
    from pathlib import Path

PASSWORD = "correct horse battery staple"  # noqa: S105 — a made one


def inside(bundle: Path) -> dict[str, str]:
    """Return the files of a bundle."""
    with tarfile.open(bundle) as tar:
        found = {}
        for member in tar.getmembers():
            file = tar.extractfile(member)
            assert file is not None
            found[member.name.removeprefix("loadshed-support/")] = file.read().decode()
        return found


def test_a_bundle_of_a_house_that_had_an_outage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both files, versions, check, events, outages, whole databases; and it says so."""

    async def story() -> None:
        async with ProcessHouse(tmp_path / "house") as house:
            await house.begin()
            house.opens()
            await house.is_shed()
            house.closes()
            await house.is_back()
            assert await house.program.terminate() == 0

    asyncio.run(story())
    folder, out = tmp_path / "house", tmp_path / "bundle.tar.gz"
    assert (
        main(
            ["support-bundle", "--config", f"{folder / 'config'}", "--state", f"{folder / 'state'}", "--out", f"{out}"]
        )
        == 0
    )
    said, found = capsys.readouterr().out, inside(out)
    assert out.stat().st_mode & 0o077 == 0
    assert all(f"{name}: " in said and f"{name}: " in found["README.txt"] for name in found if name != "README.txt")
    assert found["config/circuits.toml"] == (folder / "config" / "circuits.toml").read_text(encoding="utf-8")
    assert "loadshed 0." in found["versions.txt"]
    assert "UNCONTROLLABLE" in found["check.txt"]
    events = [json.loads(line)["event"] for line in found["events.jsonl"].splitlines()]
    assert {"outage_began", "off_sent", "outage_ended"} <= {*events}
    assert json.loads(found["outages.json"])[0]["ended"] is not None
    assert "ledger.db: ok" in found["databases.txt"]
    assert json.loads(found["status.json"])["known"] is False
    assert "ledger.db" in found["files.txt"]


def test_no_secret_is_in_a_bundle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither the password file, nor its content, nor a secret in the wrong file."""
    config, out = tmp_path / "config", tmp_path / "bundle.tar.gz"
    config.mkdir()
    out.touch(mode=0o644)
    (config / "broker.password").write_text(f"{PASSWORD}\n", encoding="utf-8")
    (config / "key.pem").write_text("-----BEGIN PRIVATE KEY-----", encoding="utf-8")
    (config / "installer.toml").write_text(
        '[site]\nid = "home"\n[contact]\nsource = "gpio"\npin = 17\n[broker]\nport = 1\nusername = "ann"\n'
        f'password_file = "{config / "broker.password"}"  # it was {PASSWORD}\npassword = "hunter2"\n',
        encoding="utf-8",
    )
    (config / "circuits.toml").write_text('notes = "mqtt://me:letmein@broker"\n', encoding="utf-8")
    assert main(["support-bundle", "--config", str(config), "--state", str(tmp_path / "none"), "--out", str(out)]) == 0
    capsys.readouterr()
    assert out.stat().st_mode & 0o077 == 0
    everything = "\n".join(inside(out).values())
    for secret in (PASSWORD, "hunter2", "letmein", "BEGIN PRIVATE KEY"):
        assert secret not in everything
    assert 'username = "ann"' in everything
    assert f'password_file = "{config / "broker.password"}"' in everything
    assert "ledger.db: cannot be read" in everything


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ('password = "a\\"b" # c', 'password = "(removed)" # (removed)'),
        (
            "broker = { host = 'x', password = 'y', port = 1 }",
            "broker = { host = 'x', password = \"(removed)\", port = 1 }",
        ),
        ("api_key='x'", 'api_key="(removed)"'),
        ('"mqtt-token" = """a\nb"""', '"mqtt-token" = "(removed)"'),
        (
            'installer.toml:3: [broker] password = "x": unknown',
            'installer.toml:3: [broker] password = "(removed)": unknown',
        ),
        ('password_file = "/etc/x"', 'password_file = "/etc/x"'),
        ('"password": "x", "site": "home"', '"password": "(removed)", "site": "home"'),
        ("password_file = '/etc/x'  # moonlight", "password_file = '/etc/x'  # (removed)"),
        ("-----BEGIN EC PRIVATE KEY-----\nMHc\n-----END EC PRIVATE KEY-----\n", "(removed)\n"),
        ("wrong user name or password: see [broker]", "wrong user name or password: see [broker]"),
        ('compass = "north"', 'compass = "(removed)"'),
    ],
)
def test_what_is_called_like_a_secret_is_taken_out(text: str, without: str) -> None:
    """Rather one word too many than one too few."""
    assert without_secrets(text) == without


LEAKS = (
    'password = "hunter2"',
    "password: hunter2",
    "password hunter2",
    "password = “hunter2”",
    "password = correct hunter2 staple",
    'password = """\nhunter2\n"""',
    "passwrd = 'hunter2'",
    'wifi = "hunter2"',
    'login = "ann:hunter2"',
    'password_file = "hunter2"',
    "password_file = hunter2",
    'username = "ann"  # hunter2',
    "# the broker's password is hunter2",
    "// hunter2",
    "; mqtt hunter2",
    'host = "mqtt://ann:hunter2@broker"',
    'host = "mqtt://ann:hun/ter@hunter2@broker"',
    "host = ann:hunter2@broker",
    "username = ann; password = hunter2",
    "[broker] # hunter2",
    "hunter2",
    "- hunter2",
    'auth = { user = "ann", password = "hunter2" }',
    'notes = ["hunter2"]',
    'rank = "5"\u200b # hunter2',
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("line", LEAKS)
def test_no_line_of_a_file_leaks_a_secret(line: str, encoding: str, tmp_path: Path) -> None:
    """In whatever form it was written; and neither do the errors about it."""
    installer = f'[site]\nid = "home"\n[contact]\nsource = "gpio"\npin = 17\n[broker]\nport = 1\n{line}\n'
    (tmp_path / "installer.toml").write_text(installer, encoding=encoding)
    (tmp_path / "circuits.toml").write_text(f'[circuits.tub]\nspace = 1\nbreaker = "gen2"\n{line}\n', encoding=encoding)
    out = tmp_path / "bundle.tar.gz"
    write_bundle(Folders(tmp_path, tmp_path / "none"), out)
    found = inside(out)
    assert "hunter2" not in "".join(found.values())
    assert 'id = "home"' in found["config/installer.toml"]
    assert 'breaker = "gen2"' in found["config/circuits.toml"]


def test_what_helps_with_a_bug_stays_in_the_files_of_a_bundle(tmp_path: Path) -> None:
    """Known keys, numbers of unknown ones, heads of tables, and where the secrets are."""
    text = (
        '[circuits.tub]\nname = "Hot tub"\nspace = [\n  9,\n  11,\n]\nbreaker gen2\npriority = 3\n'
        'tag = "nonessential"\nprotected = yes\n[circuits.Hot Tub]\n'
    )
    (tmp_path / "circuits.toml").write_text(text, encoding="utf-8")
    broker = 'broker = { host = "hub", password_file = "/etc/loadshed/broker.password", password = "x" }\n'
    (tmp_path / "installer.toml").write_text(broker, encoding="utf-8")
    write_bundle(Folders(tmp_path, tmp_path / "none"), out := tmp_path / "bundle.tar.gz")
    found = inside(out)
    assert found["config/circuits.toml"] == text
    assert found["config/installer.toml"] == broker.replace('"x"', '"(removed)"')
    assert 'circuits.toml:7:9: a text needs straight quotation marks: write breaker = "gen2"' in found["check.txt"]


def test_a_short_password_leaves_no_holes_in_the_bundle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is also the site's id: a search for it would show it by what is missing."""
    config, out = tmp_path / "config", tmp_path / "bundle.tar.gz"
    config.mkdir()
    (config / "broker.password").write_text("home\n", encoding="utf-8")
    installer = '[site]\nid = "home"\n[contact]\nsource = "gpio"\npin = 17\n[broker]\nport = 1\nusername = "home"\n'
    (config / "installer.toml").write_text(f'{installer}password_file = "{config}/broker.password"\n', encoding="utf-8")
    (config / "circuits.toml").write_text("", encoding="utf-8")
    assert main(["support-bundle", "--config", str(config), "--state", str(tmp_path / "none"), "--out", str(out)]) == 0
    capsys.readouterr()
    found = inside(out)
    assert 'id = "home"' in found["config/installer.toml"]
    assert "(removed)" not in "".join(found.values())
