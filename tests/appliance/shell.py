"""Commands of the machine that builds and runs the virtual Pi."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parents[2]
GUEST = Path(__file__).parent / "guest"

PATIENT = ("nice", "-n", "15")
LONGEST_S = 3600.0
"""Time limit of one command, in seconds: the slowest installs a system and compiles a kernel module."""
"""Prefix of long computations: an emulator runs at the lowest priority."""


class CannotError(Exception):
    """The virtual Pi cannot be built or run here. The message says what to do."""


def say(sentence: str) -> None:
    """Print a line of progress."""
    sys.stdout.write(sentence + "\n")
    sys.stdout.flush()


def run(*command: str | Path) -> str:
    """Return the output of a command. Raises CannotError with its last lines if it fails."""
    words = [*PATIENT, *map(str, command)]
    done = subprocess.run(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=LONGEST_S
    )
    if done.returncode:
        last = "\n".join(done.stdout.splitlines()[-20:])
        raise CannotError(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{last}")
    return done.stdout


def in_root(root: Path, *command: str) -> str:
    """Return what a command wrote that ran inside another root, where Debian's packages may be configured."""
    quiet = ("env", "-i", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", "PATH=/usr/sbin:/usr/bin:/sbin:/bin")
    return run("chroot", root, *quiet, *command)


def folder() -> Path:
    """Return where everything large lies: `LOADSHED_APPLIANCE`, or a folder of /var/tmp's, which outlasts a boot."""
    place = Path(os.environ.get("LOADSHED_APPLIANCE", "/var/tmp/appliance"))  # noqa: S108 - gigabytes, and no secret
    place.mkdir(parents=True, exist_ok=True)
    return place


def is_done(stamp: Path, of: Iterable[str]) -> bool:
    """Return whether the stamp was made from exactly these inputs."""
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == "\n".join(of)


def done(stamp: Path, of: Iterable[str]) -> None:
    """Write down what something was made from."""
    stamp.write_text("\n".join(of), encoding="utf-8")
