"""`loadshed run`: the controller, in the foreground."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.terminal.arguments import folders

if TYPE_CHECKING:
    import argparse


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add the options of `run`."""
    folders(parser, config=True, state=True)
    parser.set_defaults(call=_run)


def _run(arguments: argparse.Namespace) -> int:
    from controller.__main__ import run_daemon  # noqa: PLC0415  # a start during an outage imports nothing before it

    return run_daemon(arguments.config, arguments.state)
