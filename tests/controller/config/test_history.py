"""Configurations that were in force: a typo never disarms the house."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from controller.config.history import FOLDER, MAX_KEPT, configuration_for_start, last_entry, last_valid, save
from controller.config.loader import Configuration, Sources, parse
from rules.panel import CircuitId, Tag
from tests.pages import ROOT

if TYPE_CHECKING:
    from pathlib import Path

INSTALLER = '[site]\nid = "home"\n[contact]\nsource = "gpio"\npin = 17\n'
HOT_TUB = '[circuits.hot-tub]\nspace = [9, 11]\nbreaker = "gen2"\ntag = "nonessential"\n'
FRIDGE = '[circuits.fridge]\nspace = 3\nbreaker = "gen2"\ntag = "essential"\n'


class Folders:
    """The folder of the owner's files, and the state folder."""

    def __init__(self, root: Path) -> None:
        self.config, self.state = root / "config", root / "state"
        self.config.mkdir()

    def write(self, installer: str = INSTALLER, circuits: str = HOT_TUB) -> None:
        (self.config / "installer.toml").write_text(installer, encoding="utf-8")
        (self.config / "circuits.toml").write_text(circuits, encoding="utf-8")

    def start(self) -> Configuration:
        """Return the configuration of a start that found one."""
        configuration = configuration_for_start(self.config, self.state).configuration
        assert configuration is not None
        return configuration

    def kept(self) -> list[Path]:
        """Return the folders of all that is kept, the oldest first."""
        return sorted(path for path in (self.state / FOLDER).iterdir() if path.name[0].isdigit())


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """Return both folders, with files that are right."""
    made = Folders(tmp_path)
    made.write()
    return made


def configured(circuits: str) -> Configuration:
    """Return the configuration with these circuits."""
    configuration = parse(Sources(INSTALLER, circuits))
    assert isinstance(configuration, Configuration)
    return configuration


def test_what_is_in_force_is_kept_once(folders: Folders) -> None:
    """A card wears: nothing is written if nothing changed."""
    for _ in range(3):
        folders.start()
    assert [path.name[:7] for path in folders.kept()] == ["000001-"]
    assert (folders.kept()[0] / "circuits.toml").read_text(encoding="utf-8") == HOT_TUB


def test_a_wrong_file_leaves_the_last_good_one_in_force(folders: Folders) -> None:
    """The start goes on, and says what is wrong."""
    folders.start()
    folders.write(circuits=HOT_TUB.replace("nonessential", "nonesential"))
    start = configuration_for_start(folders.config, folders.state)
    assert start.configuration is not None
    assert start.configuration.panel[CircuitId("hot-tub")].tag is Tag.NONESSENTIAL
    assert len(start.refused) == 1
    assert start.refused[0].startswith('circuits.toml:4: [circuits.hot-tub] tag = "nonesential"')


def test_the_file_that_is_right_counts_beside_one_that_is_wrong(folders: Folders) -> None:
    """An installer's typo does not undo the homeowner's retagging."""
    folders.start()
    folders.write(installer="nonsense", circuits=FRIDGE)
    configuration = folders.start()
    assert configuration.site.id == "home"
    assert CircuitId("fridge") in configuration.panel
    folders.write(installer=INSTALLER.replace("home", "cabin"), circuits="")
    configuration = folders.start()
    assert configuration.site.id == "cabin"
    assert CircuitId("fridge") in configuration.panel


def test_without_any_valid_configuration_there_is_no_panel(folders: Folders) -> None:
    """Exit code 78 is for this alone."""
    folders.write(circuits="")
    start = configuration_for_start(folders.config, folders.state)
    assert start.configuration is None
    assert start.refused


def test_files_that_vanished_are_no_reason_to_stop(folders: Folders) -> None:
    """A card that lost the folder of the files still has the state folder."""
    folders.start()
    shutil.rmtree(folders.config)
    assert CircuitId("hot-tub") in folders.start().panel


@pytest.mark.parametrize("damage", ["cut", "gone", "binary", "all"])
def test_what_the_card_damaged_is_passed_over(folders: Folders, damage: str) -> None:
    """The one before it is good."""
    folders.start()
    folders.write(circuits=HOT_TUB + FRIDGE)
    folders.start()
    newest = folders.kept()[-1] / "circuits.toml"
    match damage:
        case "cut":
            # Cut at the end of a table it is still valid TOML: only the checksum shows it.
            newest.write_text(HOT_TUB, encoding="utf-8")
        case "gone":
            newest.unlink()
        case "binary":
            newest.write_bytes(b"\xff")
        case _:
            shutil.rmtree(newest.parent)
    kept = last_valid(folders.state)
    assert kept is not None
    assert kept.sources.circuits == HOT_TUB


def test_one_that_this_version_refuses_is_passed_over(folders: Folders) -> None:
    """Rules grow stricter; what an older program accepted may not be read any more."""
    folders.start()
    old = configured(HOT_TUB)
    save(folders.state, Configuration(old.installer, old.panel, Sources(INSTALLER, "[circuits]\n")))
    kept = last_valid(folders.state)
    assert kept is not None
    assert kept.sources.circuits == HOT_TUB


def test_a_circuit_dropped_from_the_file_still_has_its_last_entry(folders: Folders) -> None:
    """An owed circuit is restored, also if the file dropped it."""
    for text in (HOT_TUB, HOT_TUB + "rank = 9\n", FRIDGE):
        save(folders.state, configured(text))
    entry = last_entry(folders.state, CircuitId("hot-tub"))
    assert entry is not None
    assert entry.rank == 9
    assert last_entry(folders.state, CircuitId("sauna")) is None
    assert last_entry(folders.config, CircuitId("hot-tub")) is None


def test_only_the_latest_are_kept(folders: Folders) -> None:
    """The newest; numbers go on."""
    for number in range(MAX_KEPT + 3):
        assert save(folders.state, configured(f"{HOT_TUB}# {number}\n")) is None
    assert [folders.kept()[0].name[:6], folders.kept()[-1].name[:6]] == ["000004", "000103"]


def test_a_state_folder_that_cannot_be_written_stops_no_start(folders: Folders) -> None:
    """It is said, and the house is protected."""
    folders.state.touch()
    start = configuration_for_start(folders.config, folders.state)
    assert start.configuration is not None
    assert start.save_error is not None
    assert "could not be kept" in start.save_error


KEEPER = """
import os, sys
from pathlib import Path
from controller.config.history import save
from controller.config.loader import load

steps = int(sys.argv[3])

def dies(event, args):
    # Each of these is a step on the disk that a power cut may be the last of.
    global steps
    if event in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir") and sys.argv[2] in str(args[0]):
        steps -= 1
        if steps < 0:
            os._exit(9)

configuration = load(Path(sys.argv[1]))
sys.addaudithook(dies)
save(Path(sys.argv[2]), configuration)
"""


def test_a_crash_between_any_two_steps_loses_nothing_that_was_kept(folders: Folders) -> None:
    """Either the old one or the new one is whole, and the next start keeps on."""
    folders.start()
    folders.write(circuits=HOT_TUB + FRIDGE)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for steps in range(40):
        command = [sys.executable, "-c", KEEPER, str(folders.config), str(folders.state), str(steps)]
        died = subprocess.run(command, env=environment, check=False, timeout=60).returncode == 9
        kept = last_valid(folders.state)
        assert kept is not None
        assert kept.sources.circuits in {HOT_TUB, HOT_TUB + FRIDGE}
        if not died:
            break
    assert steps > 5
    assert kept is not None
    assert kept.sources.circuits == HOT_TUB + FRIDGE
