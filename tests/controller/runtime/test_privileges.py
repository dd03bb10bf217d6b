"""Root that starts the program by hand leaves nothing behind that the unit cannot write."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from controller.runtime.privileges import drop_privileges
from controller.runtime.state_lock import FILE

if TYPE_CHECKING:
    from pathlib import Path

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")

# Everything is imported as root: an unprivileged user may not even read where Python is installed.
RUNS = """
import os, sys
from pathlib import Path
from controller.runtime.state_lock import StateDirLock
from controller.runtime.privileges import drop_privileges
folder = Path(sys.argv[1])
print(drop_privileges(folder), os.getuid(), os.getgid(), os.getgroups(), StateDirLock(folder).unheld)
"""


def started(folder: Path) -> str:
    """Return what a program that is started by root on this folder says of itself."""
    for parent in folder.parents:
        if parent.stat().st_uid == os.geteuid() and parent.is_relative_to("/tmp"):  # noqa: S108
            parent.chmod(parent.stat().st_mode | 0o055)
    command = [sys.executable, "-c", RUNS, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


@as_root
def test_root_becomes_whose_the_folder_is(tmp_path: Path) -> None:
    """With his groups, for they open the pins; what is written from then on is his."""
    nobody = pwd.getpwnam("nobody")
    (folder := tmp_path / "state").mkdir()
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    assert started(folder) == f"nobody {nobody.pw_uid} {nobody.pw_gid} [{nobody.pw_gid}] None"
    assert (folder / FILE).stat().st_uid == nobody.pw_uid


@as_root
def test_a_lock_that_root_left_behind_still_keeps_a_second_program_off(tmp_path: Path) -> None:
    """To hold a file it need not be written."""
    nobody = pwd.getpwnam("nobody")
    (folder := tmp_path / "state").mkdir()
    (folder / FILE).touch(0o644)
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    assert started(folder).endswith(" None")


@as_root
@pytest.mark.parametrize("uid", [0, 54321])
def test_a_folder_of_root_or_of_an_unknown_user_changes_nothing(tmp_path: Path, uid: int) -> None:
    """A container's folder may belong to a number without a name."""
    (folder := tmp_path / "state").mkdir()
    os.chown(folder, uid, uid)
    assert started(folder).startswith(f"None {os.getuid()} ")


def test_a_folder_that_is_not_there_changes_nothing(tmp_path: Path) -> None:
    """The program creates it, as the user who started it."""
    before = os.getuid(), os.getgid()
    assert drop_privileges(tmp_path / "state") is None
    assert (os.getuid(), os.getgid()) == before
