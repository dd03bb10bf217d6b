"""Builds the virtual Pi, installs the package, sets it up, cuts its power, and measures. `make test-appliance CUTS=50`.

Not part of `make test`: it needs root, some gigabytes and, for fifty cuts, an hour.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import time
from pathlib import Path

from tests.appliance import image
from tests.appliance.appliance_house import WrongError
from tests.appliance.commissioning import commissioned
from tests.appliance.cuts import cut_power
from tests.appliance.drill import drilled
from tests.appliance.figures import MOST, figures
from tests.appliance.install import configured, installed
from tests.appliance.losses import unflushed_writes_are_lost
from tests.appliance.shell import ROOT, CannotError, say
from tests.appliance.upgrade import upgraded
from tests.processes import use_default_signals_in_children

PARTS = ("losses", "figures", "setup", "drill", "upgrade", "cuts")
NEEDED = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "debootstrap": "debootstrap",
    "mke2fs": "e2fsprogs",
    "setpriv": "util-linux",
}


def main() -> int:
    """Return 0 if everything is correct, 1 if something is wrong, 2 if it cannot be tried here."""
    options = _options()
    use_default_signals_in_children()
    try:
        _can_be_tried()
        debian = image.build()
        if "losses" in options.parts:
            say(asyncio.run(unflushed_writes_are_lost(debian)))
        if {*options.parts} == {"losses"}:
            return 0
        return 0 if _house_is_right(installed(debian, options.package or _built_package()), options) else 1
    except WrongError as error:
        say(f"WRONG: {error}")
        return 1
    except CannotError as error:
        say(str(error))
        return 2


def _house_is_right(pi: image.Image, options: argparse.Namespace) -> bool:
    ok = "figures" not in options.parts or _measure(configured(pi), options.rounds)
    if {"setup", "drill", "upgrade", "cuts"} & {*options.parts}:
        pi = commissioned(pi, anew="setup" in options.parts)
    if "drill" in options.parts:
        say(f"drilled; the reports are in {asyncio.run(drilled(pi))}")
    if "upgrade" in options.parts:
        upgraded(pi, options.upgrade_to or options.package or _built_package())
    return ("cuts" not in options.parts or _cut(pi, options)) and ok


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.appliance", description=__doc__)
    parser.add_argument("parts", nargs="*", default=PARTS, help=f"{', '.join(PARTS)} (default: all)")
    parser.add_argument("--package", type=Path, help="the .deb to install (default: the newest in dist/)")
    says = "the .deb to upgrade to (default: that of --package, over itself)"
    parser.add_argument("--upgrade-to", type=Path, metavar="PACKAGE", help=says)
    parser.add_argument("--cuts", type=int, default=50)
    parser.add_argument("--at-once", type=int, default=1, help="so many houses at once, where there are cores for it")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="the same seed throws the same dice")
    parser.add_argument("--rounds", type=int, default=5, help="how often each figure is taken")
    options = parser.parse_args()
    if unknown := {*options.parts} - {*PARTS}:
        parser.error(f"there is no {', '.join(sorted(unknown))}: use {', '.join(PARTS)}")
    return options


def _can_be_tried() -> None:
    if os.getuid():
        raise CannotError("building Debian's root needs root: sudo make test-appliance")
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    os.environ["PATH"] = path
    if missing := {package for command, package in NEEDED.items() if shutil.which(command, path=path) is None}:
        raise CannotError(f"something is missing: apt install {' '.join(sorted(missing))}")


def _built_package() -> Path:
    packages = sorted((ROOT / "dist").glob("loadshed_*.deb"), key=lambda path: path.stat().st_mtime)
    if not packages:
        raise CannotError("there is no package in dist/: make deb")
    return packages[-1]


def _measure(pi: image.Image, rounds: int) -> bool:
    found = asyncio.run(figures(pi, rounds))
    say("figure | ours | bare probe | ratio | wanted")
    for figure in found:
        say(str(figure))
    return all(figure.ratio <= MOST for figure in found)


def _cut(pi: image.Image, options: argparse.Namespace) -> bool:
    tally = asyncio.run(cut_power(pi, options.cuts, options.seed, options.at_once))
    say(f"seed {options.seed}, {options.at_once} at once: {tally}")
    for sentence in tally.wrong:
        say(f"WRONG: {sentence}")
    return not tally.wrong


if __name__ == "__main__":
    sys.exit(main())
