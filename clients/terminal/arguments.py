"""Options that several commands share. `loadshed run` imports this module: keep it small."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

CONFIG_DIR = Path("/etc/loadshed")
STATE_DIR = Path("/var/lib/loadshed")


def folders(parser: argparse.ArgumentParser, *, config: bool = False, state: bool = False) -> None:
    """Add the options `--config` and `--state` to a command."""
    if config:
        text = "folder with installer.toml and circuits.toml (default: %(default)s)"
        parser.add_argument("--config", metavar="DIR", type=Path, default=CONFIG_DIR, help=text)
    if state:
        text = "folder with the ledger and the event log (default: %(default)s)"
        parser.add_argument("--state", metavar="DIR", type=Path, default=STATE_DIR, help=text)
