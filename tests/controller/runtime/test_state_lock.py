"""One program per state folder, and a folder that cannot be locked does not stop the program."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from controller.runtime.state_lock import FILE, StateDirLock, StateDirLockedError
from tests.processes import killed_after

if TYPE_CHECKING:
    from pathlib import Path


HOLDER = """
import sys
from pathlib import Path
from controller.runtime.state_lock import StateDirLock
lock = StateDirLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_held_folder_is_refused_until_its_holder_is_gone(tmp_path: Path) -> None:
    """The sentence says what to do; and the kernel lets go with the process, so no start waits for a stale file."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        with killed_after(holder):
            assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StateDirLockedError, match="end it first"):
            StateDirLock(tmp_path)
        holder.kill()
    assert (tmp_path / FILE).exists()
    assert StateDirLock(tmp_path).unheld is None


def test_a_folder_that_cannot_be_written_stops_no_start(tmp_path: Path) -> None:
    """Shedding continues with a dead disk: why it is not locked is reported, and that is all."""
    (tmp_path / "file").touch()
    unheld = StateDirLock(tmp_path / "file" / "state").unheld
    assert unheld is not None
    assert unheld.startswith("cannot keep a second loadshed off ")
