"""Copies of the state folder, and what an upgrade does with a house's files before and while it takes them over."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from clients.cli import main
from clients.maintenance import upgrade
from clients.maintenance.backup import LAYOUTS, BackupError, copy_all
from clients.maintenance.upgrade import PATIENCE_S, check_upgrade, wait_until_settled
from controller.config import history
from controller.config.loader import Configuration, load
from controller.storage.schema import LEDGER, SAMPLES, open_for_writing
from tests.pages import ROOT

EXAMPLES = ROOT / "docs" / "examples"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return the documentation's two files, in a folder that may be spoilt."""
    return Path(shutil.copytree(EXAMPLES, tmp_path / "config"))


@pytest.fixture
def state(tmp_path: Path, config: Path) -> Path:
    """Return a state folder with both databases, a row in the ledger, and the configuration in force."""
    folder = tmp_path / "state"
    folder.mkdir()
    for layout in LAYOUTS:
        open_for_writing(folder, layout).close()
    with closing(sqlite3.connect(folder / LEDGER.file)) as ledger, ledger:
        ledger.execute("INSERT INTO entries VALUES ('hot-tub', '{}')")
    configuration = load(config)
    assert isinstance(configuration, Configuration)
    assert history.save(folder, configuration) is None
    return folder


def entries(folder: Path) -> list[str]:
    """Return the circuits in a ledger."""
    with closing(sqlite3.connect(folder / LEDGER.file)) as ledger:
        return [circuit for (circuit,) in ledger.execute("SELECT circuit FROM entries ORDER BY circuit")]


def content(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- backup ----------------------------------------------------------------------------------------------------------


def test_a_backup_is_whole_while_the_daemon_writes(config: Path, state: Path, tmp_path: Path) -> None:
    """Committed rows are in it, also those in the WAL; uncommitted ones are not."""
    with closing(sqlite3.connect(state / LEDGER.file, isolation_level=None)) as daemon:
        daemon.execute("INSERT INTO entries VALUES ('committed', '{}')")
        daemon.execute("BEGIN IMMEDIATE")
        daemon.execute("INSERT INTO entries VALUES ('open', '{}')")
        assert main(["backup", str(tmp_path / "copy"), "--config", str(config), "--state", str(state)]) == 0
        daemon.execute("COMMIT")
    assert entries(tmp_path / "copy") == ["committed", "hot-tub"]


def test_a_backup_holds_all_but_secrets(config: Path, state: Path, tmp_path: Path) -> None:
    """Both files and each configuration that was in force; no password."""
    (config / "broker.password").write_text("secret", encoding="utf-8")
    copy = tmp_path / "copy"
    copied = copy_all(config, state, copy)
    assert copied == (LEDGER.file, SAMPLES.file, "installer.toml", "circuits.toml", "configuration")
    assert history.last_valid(copy) == load(config)
    assert not any(b"secret" in text for text in content(copy).values())


def test_a_state_folder_put_back_from_a_backup_is_as_it_was(config: Path, state: Path, tmp_path: Path) -> None:
    """The ledger is opened by the daemon's own hand, and holds what it held."""
    copy_all(config, state, tmp_path / "copy")
    for layout in LAYOUTS:
        open_for_writing(tmp_path / "copy", layout).close()
    assert entries(tmp_path / "copy") == ["hot-tub"]


def test_no_copy_takes_the_place_of_another(
    config: Path, state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that is there is left alone; so is one for which there is nothing to copy."""
    words = ["--config", str(config), "--state", str(state)]
    (tmp_path / "copy").mkdir()
    assert main(["backup", str(tmp_path / "copy"), *words]) == 1
    assert "is there already" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    with pytest.raises(BackupError, match="nothing to copy"):
        copy_all(tmp_path / "empty", tmp_path / "empty", tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("option", ["--config", "--state"])
def test_half_a_house_is_no_backup(
    option: str, config: Path, state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistyped folder: its half would be missed on the day the card dies."""
    folders = {"--config": config, "--state": state, option: tmp_path / "typo"}
    words = [str(word) for pair in folders.items() for word in pair]
    assert main(["backup", str(tmp_path / "new"), *words]) == 1
    said = capsys.readouterr().err
    assert f"no folder {tmp_path / 'typo'}" in said
    assert option in said
    assert not (tmp_path / "new").exists()


def test_a_damaged_database_is_no_backup(config: Path, state: Path, tmp_path: Path) -> None:
    """It is said, and not taken for a good copy."""
    (state / LEDGER.file).write_bytes(b"this is no database, and has not been one for a long time" * 20)
    with pytest.raises(BackupError, match=r"ledger\.db"):
        copy_all(config, state, tmp_path / "copy")


# --- before anything is replaced -------------------------------------------------------------------------------------


def test_a_good_house_is_taken_over_and_nothing_is_changed_by_trying(config: Path, state: Path) -> None:
    """Every byte stays as it was; reading leaves an empty log and an index beside each database, as it always does."""
    before = content(state)
    assert check_upgrade(config, state) == ()
    after = {name: text for name, text in content(state).items() if not name.endswith("-shm") and text}
    assert after == before


def test_an_older_database_is_tried_on_a_copy(config: Path, state: Path) -> None:
    """It is brought up to date there, and stays what it is here."""
    (state / LEDGER.file).unlink()
    with closing(sqlite3.connect(state / LEDGER.file)) as ledger:
        ledger.executescript(f"{LEDGER.steps[0]}PRAGMA user_version=1;")
    assert check_upgrade(config, state) == ()
    with closing(sqlite3.connect(state / LEDGER.file)) as ledger:
        assert ledger.execute("PRAGMA user_version").fetchone() == (1,)


def test_a_database_from_a_newer_version_is_not_touched(config: Path, state: Path) -> None:
    """To set it aside would be to forget what is owed: better no upgrade."""
    with closing(sqlite3.connect(state / LEDGER.file)) as ledger:
        ledger.execute(f"PRAGMA user_version={LEDGER.version + 1}")
    (sentence,) = check_upgrade(config, state)
    assert "newer" in sentence


def test_files_that_are_wrong_for_the_new_version_stop_it(
    config: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the errors, as `check` shows them; files that are not in use yet may be invalid."""
    (config / "circuits.toml").write_text("[circuits.hot-tub]\nspaces = 1\n", encoding="utf-8")
    words = ("rehearse", "--config", str(config), "--state", str(state))
    assert upgrade.main(words) == 1
    assert "circuits.toml:2" in capsys.readouterr().err
    assert upgrade.main([*words, "--unused"]) == 0


# --- before the new one starts ---------------------------------------------------------------------------------------


def test_each_upgrade_keeps_what_was_and_only_the_last_three(config: Path, state: Path) -> None:
    """By the version that wrote it; the oldest goes."""
    for version in ("0.1.0", "0.1.0", "0.2.0", "0.3.0"):
        assert upgrade.main(["copy", version, "--config", str(config), "--state", str(state)]) == 0
    kept_copies = sorted(path.name for path in (state / upgrade.COPIES).iterdir())
    assert kept_copies == ["0.1.0-2", "0.2.0-1", "0.3.0-1"]
    assert all(entries(state / upgrade.COPIES / name) == ["hot-tub"] for name in kept_copies)


class Clock:
    """A clock that advances when the code sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(
    ("states", "waited_s", "ended"),
    [
        (("utility",), 0.0, True),
        (("standby",), 0.0, True),  # the middle of an outage: nothing moves, and the ledger knows what is owed
        ((None,), 0.0, True),  # no report: the daemon is down, or the broker
        (("shedding", "shedding", "standby"), 4.0, True),
        (("restoring", "shedding", None), 4.0, True),
        (("restoring",) * 1000, PATIENCE_S, False),
    ],
)
def test_an_upgrade_waits_while_circuits_are_switched(
    states: tuple[str | None, ...], waited_s: float, ended: bool
) -> None:
    """Not for ever: one that waits for its `min_off_s` may wait for the new program as well."""
    clock, said = Clock(), iter(states)
    assert wait_until_settled(lambda: next(said), PATIENCE_S, clock, clock.pause) is ended
    assert clock.now == 1000.0 + waited_s
