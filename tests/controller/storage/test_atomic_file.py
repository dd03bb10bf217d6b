"""Durable files: whole or not at all, through links, with mode and owner."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from clients.setup.config_files import write as write_config
from controller.storage.atomic_file import read, rewrite, write, write_bytes
from tests.pages import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def linked(folder: Path) -> tuple[Path, Path]:
    """Return a file in a repository, and a chain of two links to it."""
    (folder / "repository").mkdir()
    (folder / "etc").mkdir()
    target = folder / "repository" / "circuits.toml"
    target.write_text("old\n", encoding="utf-8")
    (folder / "etc" / "middle").symlink_to(target)
    link = folder / "etc" / "circuits.toml"
    link.symlink_to("middle")
    return target, link


def test_a_link_stays_and_its_target_is_written(tmp_path: Path) -> None:
    """An owner keeps the files in git, and links to them."""
    target, link = linked(tmp_path)
    write(link, "new\n", mode=0o644)
    assert link.is_symlink()
    assert (read(target), read(link)) == ("new\n", "new\n")


def test_setup_writes_through_a_link_and_keeps_the_old_file_beside_it(tmp_path: Path) -> None:
    """The copy of the old file is where the user looks for it."""
    target, link = linked(tmp_path)
    backup = write_config(link, "new\n")
    assert backup is not None
    assert (backup.parent, read(backup)) == (link.parent, "old\n")
    assert link.is_symlink()
    assert read(target) == "new\n"


def test_a_link_to_a_file_that_is_not_there_yet_creates_it(tmp_path: Path) -> None:
    """The link says where the file is wanted."""
    (link := tmp_path / "link").symlink_to(tmp_path / "target")
    write(link, "new\n", mode=0o600)
    assert (link.is_symlink(), read(tmp_path / "target")) == (True, "new\n")


def test_links_in_a_circle_are_an_error_of_the_system(tmp_path: Path) -> None:
    """And nothing is written."""
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match=r"symbolic links|Too many levels"):
        write(tmp_path / "a", "new", mode=0o600)


def test_mode_and_content_are_as_asked_and_nothing_is_left_beside(tmp_path: Path) -> None:
    """Also where a file of another mode was there."""
    (path := tmp_path / "secret").write_text("old", encoding="utf-8")
    path.chmod(0o644)
    write_bytes(path, b"\xff\xfe", mode=0o600, like=tmp_path)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"\xff\xfe", 0o600)
    assert [one.name for one in tmp_path.iterdir()] == ["secret"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    """A text that cannot be encoded, for example."""
    (path := tmp_path / "file").write_text("old", encoding="utf-8")
    with pytest.raises(UnicodeEncodeError):
        write(path, "\ud800", mode=0o600)
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
    assert read(path) == "old"


def test_an_error_names_the_file_and_not_the_temporary_one_beside_it(tmp_path: Path) -> None:
    """The user knows the link, and must learn what is missing."""
    (link := tmp_path / "circuits.toml").symlink_to(tmp_path / "repository" / "circuits.toml")
    with pytest.raises(FileNotFoundError) as caught:
        write(link, "new\n", mode=0o644)
    assert caught.value.filename == str(link)
    assert f"there is no folder {tmp_path / 'repository'}" in str(caught.value)
    assert f"the link points to {tmp_path / 'repository' / 'circuits.toml'}" in str(caught.value)


def test_a_folder_in_the_place_of_the_file_is_named(tmp_path: Path) -> None:
    """A pipe or a device would become a file."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("folder", "pipe"):
        with pytest.raises(OSError, match="it is not a file but a folder or a device"):
            write(tmp_path / name, "new\n", mode=0o644)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["folder", "pipe"]


def test_a_rewritten_file_keeps_its_mode_and_a_new_one_gets_the_usual_one(tmp_path: Path) -> None:
    """Through a link, the mode is that of the target."""
    target, link = linked(tmp_path)
    target.chmod(0o640)
    rewrite(link, "new\n")
    rewrite(tmp_path / "fresh", "new\n", new_mode=0o604)
    assert [one.stat().st_mode & 0o777 for one in (target, tmp_path / "fresh")] == [0o640, 0o604]


def test_bytes_of_another_encoding_stay_as_they_are(tmp_path: Path) -> None:
    """A comment in the broker's own configuration may be in Latin-1."""
    (path := tmp_path / "mosquitto.conf").write_bytes(b"# k\xfchl\n")
    rewrite(path, read(path) + "more\n")
    assert path.read_bytes() == b"# k\xfchl\nmore\n"


def test_a_file_that_is_soon_written_again_is_whole_as_well(tmp_path: Path) -> None:
    """Only the flush to the card is left out."""
    (path := tmp_path / "loadshed.prom").write_text("old", encoding="utf-8")
    write(path, "new", mode=0o644, durable=False)
    assert [one.name for one in tmp_path.iterdir()] == ["loadshed.prom"]
    assert read(path) == "new"


WRITERS = re.compile(
    r"os\.replace\(|mkstemp\(|\bos\.fsync\(|\.replace\((?:path|target)\)|write_to_textfile|O_TRUNC"
    r"|(?<!atomic_file)\.write_(?:text|bytes)\("
)
ALLOWED = {
    "controller/storage/atomic_file.py",
    "controller/storage/schema.py",  # flushes folders
    "clients/maintenance/backup.py",  # flushes a copy that SQLite has made
    # Files of a temporary folder, and of the repository:
    "clients/broker_admin/certificates.py",
    "clients/demo/house.py",
    "hw/simulated/broker.py",
    "controller/config/schema.py",
}


def test_durable_files_are_written_in_one_place() -> None:
    """Each other way forgets something: the folder's entry, the link, the mode."""
    files = (path for top in ("rules", "hw", "controller", "clients") for path in (ROOT / top).rglob("*.py"))
    found = {str(path.relative_to(ROOT)) for path in files if WRITERS.search(path.read_text(encoding="utf-8"))}
    assert found - ALLOWED == set()
